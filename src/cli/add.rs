use super::common;
use super::completion;
use super::key::first_key;
use crate::aws::{CallerIdentity, Endpoint, Sts};
use crate::context::Context;
use crate::credential::{AccessKey, Credentials};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::{Asked, Config, Overrides, Partition, ProfileName, Region};
use crate::secret::{SecretText, short_id};
use crate::vault::Vault;
use crate::vault::entry::{self, NewEntry, Replace};
use crate::vault::sidecar::owner_of;
use crate::vault::unlock::{KeyChoice, Unlocked, unlock};
use clap::Args;

mod input;

/// Put an access key into the vault
///
/// The key is asked for at the terminal, checked with AWS (GetCallerIdentity), and sealed to every enrolled key.
#[derive(Args)]
pub struct AddArgs {
    /// The profile that the access key is for
    #[arg(add = completion::profiles())]
    profile: ProfileName,
    /// Take it from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    #[arg(long, conflicts_with = "stdin")]
    env: bool,
    /// Read it from standard input: lines of a credentials file, or the CSV that the IAM console gives
    #[arg(long)]
    stdin: bool,
    /// Do not ask AWS whose key it is
    #[arg(long)]
    offline: bool,
    /// Replace the access key that is there
    #[arg(short, long)]
    force: bool,
}

pub fn run(args: AddArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    let profile = &args.profile;
    let replace = if args.force { Replace::Existing } else { Replace::Never };
    // Everything that could stop the command comes before the person types a secret.
    if vault.read()?.0.keyring.is_none() {
        first_key(ctx, &vault)?;
    }
    let keyring = vault
        .read()?
        .0
        .keyring
        .ok_or_else(|| crate::enrollment::no_keys(&vault))?;
    common::tell_presence(ctx, keyring.unverified());
    if replace == Replace::Never && vault.has_entry(profile) {
        return Err(entry::exists(profile));
    }
    vault.folder().must_be_writable()?;
    let key = if args.stdin {
        input::from_stdin()?
    } else if args.env {
        input::from_env(&ctx.env)?
    } else {
        ask(ctx)?
    };
    let identity = if args.offline {
        None
    } else {
        Some(identify(ctx, profile, &key)?)
    };
    if let Some(identity) = &identity {
        let owner = owner_of(&identity.arn).unwrap_or_else(|| identity.arn.clone());
        ctx.dialogue.note(&format!(
            "{} belongs to {}",
            short_id(&key.id),
            owner.replace(" in ", " in account ")
        ));
        if identity.arn.ends_with(":root") {
            ctx.dialogue
                .note("warning: that is the root user of the account; AWS advises against access keys for it");
        }
    }
    // Read anew: the person may have taken their time, and somebody else may have changed the keys meanwhile.
    let keyring = vault
        .read()?
        .0
        .keyring
        .ok_or_else(|| crate::enrollment::no_keys(&vault))?;
    let mut unlocked = unlock(ctx, &vault, &keyring, choice, None, "the vault")?;
    let mut touches = Touches::planned(&ctx.dialogue, unlocked.key.touches_for(1, 0));
    let secret = entry::open_vault_secret(&vault, &mut unlocked, &format!("seal {profile}"), &mut touches)?;
    // The PIN is dropped on the token as soon as nothing more is opened.
    let Unlocked { key: opener, trusted } = unlocked;
    drop(opener);
    let new = NewEntry {
        profile,
        key,
        arn: identity.map(|identity| identity.arn),
        added: ctx.now(),
        replace,
    };
    entry::store_access_key(ctx, &vault, &trusted, secret, new)?;
    ctx.dialogue
        .note(&format!("sealed {profile} to {}", trusted.list().names()));
    common::tell_ways_in(ctx, trusted.list());
    Ok(())
}

fn ask(ctx: &Context) -> Result<AccessKey> {
    if !ctx.dialogue.has_terminal() {
        return Err(
            Error::new(ErrorKind::Usage, "there is no terminal to ask for the access key at")
                .hint("--stdin reads it from standard input, --env takes it from the environment"),
        );
    }
    let id = ctx.dialogue.ask("Access key ID")?;
    let secret = ctx.dialogue.ask_secret("Secret access key")?;
    AccessKey::parse(&id, secret)
}

/// Asks AWS whose key it is, in the profile's partition; if that one does not know it, in the one that the person names.
fn identify(ctx: &Context, profile: &ProfileName, key: &AccessKey) -> Result<CallerIdentity> {
    let mut endpoint = endpoint(ctx, profile)?;
    let credentials = Credentials::LongTerm(AccessKey {
        id: key.id.clone(),
        secret: SecretText::copy_of(key.secret.expose()),
    });
    let mut sts = Sts::new(ctx);
    let refusal = match sts.get_caller_identity(&credentials, &endpoint) {
        Ok(identity) => return Ok(identity),
        Err(error) => error,
    };
    // Another partition's STS does not know the key; that is the only refusal which another region can mend.
    let unknown = refusal.kind() == ErrorKind::Aws && refusal.to_string().contains("InvalidClientTokenId");
    let partition = endpoint.region.parse::<Region>().map(|region| region.partition());
    if unknown && partition == Ok(Partition::Aws) && ctx.dialogue.has_terminal() {
        ctx.dialogue
            .tell(&format!("AWS does not know this key in {}", endpoint.region));
        let typed = ctx
            .dialogue
            .ask("region of the account, such as cn-north-1 or us-gov-west-1 (Enter gives up)")?;
        if !typed.is_empty() {
            let region: Region = typed
                .parse()
                .map_err(|_| Error::new(ErrorKind::Usage, format!("{typed:?} is no region; nothing was sealed")))?;
            endpoint.region = region.as_str().to_owned();
            return sts.get_caller_identity(&credentials, &endpoint).map_err(not_sealed);
        }
    }
    Err(not_sealed(refusal))
}

fn not_sealed(error: Error) -> Error {
    let refused = error.kind() == ErrorKind::Aws;
    let error = error.within("nothing was sealed");
    if refused {
        error
            .hint("a new key needs some seconds until it works; one of another partition needs `region` in its profile")
    } else {
        error.hint("--offline seals it without asking AWS")
    }
}

fn endpoint(ctx: &Context, profile: &ProfileName) -> Result<Endpoint> {
    let config: Config = common::config(ctx)?;
    let resolved = config
        .resolve(profile, Asked::ByPerson, &Overrides::default())
        .map_err(common::from_config)?;
    Ok(common::endpoint(&resolved))
}
