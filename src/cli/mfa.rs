use super::common;
use super::completion;
use crate::chain::Sessions;
use crate::chain::mfa::{CodeSource, CodeWishes};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::mfa::{self, Consent, Other, Paper, Person, Wishes};
use crate::presence::processes;
use crate::profile::value::MfaSerial;
use crate::profile::{Asked, Overrides, ProfileName};
use crate::secret::SecretText;
use crate::token::Serial;
use crate::vault::Vault;
use crate::vault::unlock::KeyChoice;
use clap::{Args, Subcommand};

mod list;

/// MFA devices of IAM whose seeds are on tokens
#[derive(Args)]
pub struct MfaArgs {
    #[command(subcommand)]
    command: MfaCommand,
}

#[derive(Subcommand)]
enum MfaCommand {
    Enroll(EnrollArgs),
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    Resync(ResyncArgs),
    #[command(visible_alias = "rm")]
    Remove(RemoveArgs),
}

/// Make an MFA device at AWS, with its seed on a token that is plugged in
///
/// The token's account is called as the device and wants a touch for each code. The seed is shown nowhere and stored nowhere else.
/// The profile gets the line mfa_serial in the AWS config file. Whatever cuts it short, the next run finishes or undoes it.
#[derive(Args)]
struct EnrollArgs {
    /// The profile; AWS_PROFILE when it is left out. Of a role, the access key that it is reached with
    #[arg(add = completion::profiles())]
    profile: Option<ProfileName>,
    /// The new device's ARN; else it is called as the user, or with -tapvault behind that
    #[arg(long, value_name = "ARN")]
    serial: Option<MfaSerial>,
    /// The token that gets the seed; several times for several, of which the first gives the codes
    #[arg(long = "token", value_name = "SERIAL")]
    tokens: Vec<u32>,
    /// Show the seed too, once, at the terminal: for paper or another device
    #[arg(long)]
    show_seed: bool,
    /// Put the new device in the place of the mfa_serial that the profile has
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    session: SessionArgs,
}

/// Tell AWS how far a device's clock is off, with two codes in a row
#[derive(Args)]
struct ResyncArgs {
    /// The profile; AWS_PROFILE when it is left out
    #[arg(add = completion::profiles())]
    profile: Option<ProfileName>,
    /// The device's ARN; else the profile's mfa_serial
    #[arg(long, value_name = "ARN")]
    serial: Option<MfaSerial>,
}

/// Take an MFA device from its user, delete it at AWS and on the tokens that are plugged in, and its line in the config
#[derive(Args)]
struct RemoveArgs {
    /// The profile; AWS_PROFILE when it is left out
    #[arg(add = completion::profiles())]
    profile: Option<ProfileName>,
    /// The device's ARN; else the profile's mfa_serial
    #[arg(long, value_name = "ARN")]
    serial: Option<MfaSerial>,
    /// Do not ask
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    session: SessionArgs,
}

/// How the user is spoken for at AWS.
#[derive(Args)]
struct SessionArgs {
    /// Make no session with a code: call IAM with the access key itself
    #[arg(short, long)]
    no_session: bool,
    /// The MFA code, instead of being asked for it
    #[arg(short = 't', long = "mfa-code", value_name = "CODE")]
    mfa_code: Option<String>,
    /// Take the MFA code from there, and try nothing else
    #[arg(long, value_enum, value_name = "SOURCE", conflicts_with = "mfa_code")]
    mfa: Option<CodeSource>,
}

impl SessionArgs {
    fn wishes(&self) -> (Sessions, CodeWishes) {
        let sessions = match self.no_session {
            true => Sessions::Skipped,
            false => Sessions::Made,
        };
        let codes = CodeWishes {
            given: self.mfa_code.as_deref().map(SecretText::copy_of),
            source: self.mfa,
        };
        (sessions, codes)
    }
}

pub fn run(args: MfaArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    match args.command {
        MfaCommand::Enroll(args) => enroll(args, ctx, choice),
        MfaCommand::List(args) => list::run(args, ctx, choice),
        MfaCommand::Resync(args) => resync(args, ctx, choice),
        MfaCommand::Remove(args) => remove(args, ctx, choice),
    }
}

fn enroll(args: EnrollArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    let (person, _) = person(args.profile, ctx, &vault, choice, args.session.wishes())?;
    if person.entry != person.asked {
        ctx.dialogue.note(&format!(
            "{} is reached with the access key of {}; its user gets the device",
            person.asked, person.entry
        ));
    }
    let wishes = Wishes {
        serial: args.serial,
        tokens: args.tokens.into_iter().map(Serial).collect(),
        paper: match args.show_seed {
            true => Paper::Shown,
            false => Paper::None,
        },
        other: match args.replace {
            true => Other::Replaced,
            false => Other::Kept,
        },
    };
    mfa::enroll(ctx, &vault, person, wishes)
}

fn resync(args: ResyncArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    // A device out of step gives no session.
    let session = (Sessions::Skipped, CodeWishes::default());
    let (person, named) = person(args.profile, ctx, &vault, choice, session)?;
    let serial = args.serial.or(named).ok_or_else(|| {
        Error::new(ErrorKind::Config, format!("profile {} has no mfa_serial", person.asked))
            .hint("--serial names the device; `tapvault mfa list` shows them")
    })?;
    mfa::resync(ctx, &vault, person, &serial)
}

fn remove(args: RemoveArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    let (person, named) = person(args.profile, ctx, &vault, choice, args.session.wishes())?;
    let consent = match args.force {
        true => Consent::Given,
        false => Consent::Asked,
    };
    mfa::remove(ctx, &vault, person, args.serial.or(named), consent)
}

/// Whose devices are meant, and the `mfa_serial` of the profile.
fn person(
    profile: Option<ProfileName>,
    ctx: &Context,
    vault: &Vault,
    choice: &KeyChoice,
    (sessions, codes): (Sessions, CodeWishes),
) -> Result<(Person, Option<MfaSerial>)> {
    let config = common::config(ctx)?;
    let asked = common::profile(profile, ctx, &config, vault)?;
    let entry = common::base(&config, vault, &asked)?;
    let own = common::own(&config, vault, (&asked, &entry), sessions)?;
    common::tell_own_notes(ctx, &own);
    if let Some(keyring) = vault.read()?.0.keyring {
        common::tell_presence(ctx, keyring.unverified());
    }
    let resolved = config
        .resolve(&entry, Asked::ByProfile, &Overrides::default())
        .map_err(common::from_config)?;
    let person = Person {
        entry,
        asked,
        own,
        key: choice.clone(),
        codes,
        callers: processes::callers(),
        passwords: mfa::Passwords::default(),
    };
    Ok((person, resolved.mfa_serial.map(|serial| serial.value)))
}
