use super::common;
use super::completion;
use super::list::print;
use crate::chain::Sessions;
use crate::chain::mfa::{CodeSource, CodeWishes};
use crate::context::Context;
use crate::context::settings::Days;
use crate::error::Result;
use crate::presence::processes;
use crate::profile::{Config, ProfileName};
use crate::rotation::decide::Aim;
use crate::rotation::{Begin, Wishes, rotate};
use crate::secret::{SecretText, short_id};
use crate::vault::Vault;
use crate::vault::unlock::KeyChoice;
use clap::Args;
use std::process::ExitCode;

mod dry_run;

/// Replace an access key at AWS by a new one
///
/// The new key is made, sealed, opened again and tried before it takes the old one's place; then the old one is switched off.
/// It is deleted by --delete-old, by --finish, or by the next rotation. Whatever cuts it short, a working key is in the vault,
/// and the next run goes on from there: docs/rotation.md.
#[derive(Args)]
pub struct RotateArgs {
    /// The profiles; AWS_PROFILE when they are left out. Of a role, the access key that it is reached with
    #[arg(add = completion::profiles(), value_name = "PROFILE", conflicts_with = "due")]
    profiles: Vec<ProfileName>,
    /// All access keys that are older than this: 90d
    #[arg(long, value_name = "AGE")]
    due: Option<Days>,
    /// Say what would be done; opens nothing and calls nobody
    #[arg(long)]
    dry_run: bool,
    /// Delete the old key at the end, instead of switching it off
    #[arg(long)]
    delete_old: bool,
    /// Delete the old key that an earlier rotation switched off
    #[arg(long, conflicts_with_all = ["delete_old", "resume", "due"])]
    finish: bool,
    /// Only bring an interrupted rotation to its end; begin none
    #[arg(long, conflicts_with = "due")]
    resume: bool,
    /// Delete this access key of the same user, if it is in the way
    #[arg(long, value_name = "ACCESS_KEY_ID", conflicts_with = "due")]
    delete_other: Option<String>,
    /// Make no session with a code: call IAM with the access key itself
    #[arg(short, long)]
    no_session: bool,
    /// The MFA code, instead of being asked for it
    #[arg(short = 't', long = "mfa-code", value_name = "CODE", conflicts_with = "due")]
    mfa_code: Option<String>,
    /// Take the MFA code from there, and try nothing else
    #[arg(long, value_enum, value_name = "SOURCE", conflicts_with = "mfa_code")]
    mfa: Option<CodeSource>,
}

/// An entry to be rotated, and the profile that led to it.
struct Target {
    asked: ProfileName,
    entry: ProfileName,
}

pub fn run(args: &RotateArgs, ctx: &Context, choice: &KeyChoice) -> Result<ExitCode> {
    let vault = Vault::at(&ctx.paths);
    let config = common::config(ctx)?;
    let targets = targets(args, ctx, &config, &vault)?;
    if targets.is_empty() {
        ctx.dialogue.note("no access key is that old");
    }
    let (one, mut code) = (targets.len() == 1, ExitCode::SUCCESS);
    for target in targets {
        match one_of(args, ctx, &config, &vault, choice, &target) {
            Ok(()) => {}
            Err(error) if one => return Err(error),
            // The others are rotated all the same; the first failure decides the exit code.
            Err(error) => {
                let kind = error.kind();
                super::show(&error.within(&target.entry));
                if code == ExitCode::SUCCESS {
                    code = ExitCode::from(kind.exit_code());
                }
            }
        }
    }
    Ok(code)
}

fn targets(args: &RotateArgs, ctx: &Context, config: &Config, vault: &Vault) -> Result<Vec<Target>> {
    if let Some(due) = args.due {
        let now = ctx.now();
        let listed = vault.list()?.into_iter();
        return listed
            .filter(|listed| {
                let added = listed.sidecar.as_ref().and_then(|sidecar| sidecar.added);
                added.is_some_and(|added| due.is_past(added, now))
            })
            .map(|listed| {
                let entry = listed.name()?;
                Ok(Target {
                    asked: entry.clone(),
                    entry,
                })
            })
            .collect();
    }
    let named = match &args.profiles[..] {
        [] => vec![common::profile(None, ctx, config, vault)?],
        named => named.to_vec(),
    };
    let mut targets: Vec<Target> = Vec::new();
    for asked in named {
        let entry = common::base(config, vault, &asked)?;
        if entry != asked {
            ctx.dialogue.note(&format!(
                "{asked} is reached with the access key of {entry}; that one is rotated"
            ));
        }
        if !targets.iter().any(|target| target.entry == entry) {
            targets.push(Target { asked, entry });
        }
    }
    Ok(targets)
}

fn one_of(
    args: &RotateArgs,
    ctx: &Context,
    config: &Config,
    vault: &Vault,
    choice: &KeyChoice,
    target: &Target,
) -> Result<()> {
    let Target { asked, entry } = target;
    let sessions = if args.no_session {
        Sessions::Skipped
    } else {
        Sessions::Made
    };
    let own = common::own(config, vault, (asked, entry), sessions)?;
    let aim = if args.finish {
        Aim::Finish
    } else if args.delete_old {
        Aim::RotateAndDelete
    } else {
        Aim::Rotate
    };
    let keyring = vault.read()?.0.keyring;
    if args.dry_run {
        let list = keyring.as_ref().map(|keyring| keyring.unverified());
        return print(&dry_run::words(vault, entry, &own, aim, list, ctx.now())?);
    }
    common::tell_own_notes(ctx, &own);
    if let Some(keyring) = &keyring {
        common::tell_presence(ctx, keyring.unverified());
    }
    let wishes = Wishes {
        entry: entry.clone(),
        own,
        key: choice.clone(),
        codes: CodeWishes {
            given: args.mfa_code.as_deref().map(SecretText::copy_of),
            source: args.mfa,
        },
        asked: asked.clone(),
        aim,
        begin: if args.resume { Begin::Never } else { Begin::New },
        given_up: args.delete_other.clone(),
        callers: processes::callers(),
    };
    rotate(ctx, vault, wishes)
}

/// "AKIA...NA22 (ana in 111122223333), 12 days old".
fn described(id: &str, owner: Option<String>, age_days: Option<i64>) -> String {
    let owner = owner.map(|owner| format!(" ({owner})")).unwrap_or_default();
    let age = age_days.map(|days| format!(", {days} days old")).unwrap_or_default();
    format!("{}{owner}{age}", short_id(id))
}
