use super::common;
use super::completion;
use super::identify::{identify, tell_owner};
use crate::aws::Sts;
use crate::context::Context;
use crate::credential::AccessKey;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::ProfileName;
use crate::vault::Vault;
use crate::vault::entry::{self, NewEntry, Replace};
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
    common::ready_to_seal(ctx, &vault)?;
    if replace == Replace::Never && vault.has_entry(profile) {
        return Err(entry::exists(profile));
    }
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
        Some(identify(ctx, &mut Sts::new(ctx), &common::config(ctx)?, profile, &key).map_err(not_sealed)?)
    };
    if let Some(identity) = &identity {
        tell_owner(ctx, &key, identity);
    }
    // Read anew: the person may have taken their time, and somebody else may have changed the keys meanwhile.
    let keyring = common::keyring(&vault)?;
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
