use super::common;
use super::completion;
use crate::context::Context;
use crate::enrollment::{self, Outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::vault::keyring::join_and;
use crate::vault::unlock::KeyChoice;
use crate::vault::{Vault, change};
use crate::wrap::KeyName;
use clap::{Args, Subcommand};

mod enroll;
mod show;

/// Enroll, show and remove the keys that open the vault
#[derive(Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Subcommand)]
enum KeyCommand {
    Enroll(enroll::EnrollArgs),
    #[command(visible_alias = "ls")]
    List(show::ListArgs),
    Show(show::ShowArgs),
    #[command(visible_alias = "rm")]
    Remove(RemoveArgs),
    Resume(ResumeArgs),
    Trust(TrustArgs),
}

/// Remove an enrolled key, and seal everything anew without it
#[derive(Args)]
struct RemoveArgs {
    /// The key's name
    #[arg(add = completion::keys())]
    name: KeyName,
}

/// Finish an enrolment or a removal that was interrupted
#[derive(Args)]
struct ResumeArgs {
    /// Throw it away instead; the vault is as it was before it
    #[arg(long)]
    abandon: bool,
}

/// Accept the vault as it is now
///
/// For a machine that sees the vault for the first time, or after you have put a backup back. The key list is verified
/// with a key that is here; what this machine remembered of the vault is forgotten.
#[derive(Args)]
struct TrustArgs {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub fn run(args: KeyArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    match args.command {
        KeyCommand::Enroll(args) => enroll::run(args, ctx, choice),
        KeyCommand::List(args) => show::list(&args, ctx),
        KeyCommand::Show(args) => show::show(&args, ctx),
        KeyCommand::Remove(args) => remove(&args, ctx, choice),
        KeyCommand::Resume(args) => resume(&args, ctx, choice),
        KeyCommand::Trust(args) => trust(&args, ctx, choice),
    }
}

/// On an empty vault, offers the best key that this machine can have; without a terminal, names the command.
pub fn first_key(ctx: &Context, vault: &Vault) -> Result<()> {
    if !ctx.dialogue.has_terminal() {
        return Err(enrollment::no_keys(vault));
    }
    enrollment::refuse_headless(vault)?;
    enroll::offer_first(ctx, vault)
}

fn remove(args: &RemoveArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    let removal = enrollment::Removal::begin(ctx, &vault, choice, &args.name)?;
    let readable = removal.readable()?;
    let name = removal.removed().name.clone();
    if !readable.is_empty() {
        ctx.dialogue.note(&format!(
            "{} {} readable with it: {}. {} will be sealed anew without it.",
            count(readable.len(), "entry", "entries"),
            if readable.len() == 1 { "was" } else { "were" },
            join_and(readable.iter().map(String::as_str)),
            if readable.len() == 1 { "It" } else { "They" }
        ));
    }
    let mut touches = planned(ctx, removal.touches()?);
    let outcome = removal.finish(&mut touches)?;
    outcome
        .dropped
        .iter()
        .for_each(|key| enrollment::forget_keychain_key(ctx, key));
    ctx.dialogue.note(&format!("removed \"{name}\""));
    if !readable.is_empty() {
        ctx.dialogue
            .note("Whoever has that key, and a copy of this vault from before, could still read these access keys. Make new ones:");
        for profile in &readable {
            ctx.dialogue.note(&format!("  {}", common::way_to_a_new_key(profile)));
        }
    }
    common::tell_ways_in(ctx, outcome.trusted.list());
    Ok(())
}

fn resume(args: &ResumeArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    if args.abandon {
        let word = if change::abandon(&vault)? {
            "the unfinished change was thrown away"
        } else {
            "nothing was unfinished"
        };
        ctx.dialogue.note(word);
        return Ok(());
    }
    let outcome = enrollment::resume(ctx, &vault, choice)?;
    report(ctx, &outcome, "the change of keys is complete");
    Ok(())
}

fn trust(args: &TrustArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    let keyring = vault.read()?.0.keyring.ok_or_else(|| enrollment::no_keys(&vault))?;
    let list = keyring.unverified();
    ctx.dialogue.note(&format!(
        "vault {}, key list generation {}, with {}",
        &list.vault,
        list.generation,
        list.names()
    ));
    for listed in vault.list()? {
        let generation = listed
            .sidecar
            .map_or_else(|| "unknown".into(), |sidecar| sidecar.generation.to_string());
        ctx.dialogue
            .note(&format!("  {}: generation {generation}", listed.profile));
    }
    if !args.yes {
        if !ctx.dialogue.has_terminal() {
            return Err(Error::new(
                ErrorKind::Usage,
                "there is no terminal to ask whether that is what you expect",
            )
            .hint("--yes says so"));
        }
        if !ctx.dialogue.confirm("is that what you expect?")? {
            return Err(Error::new(ErrorKind::Cancelled, "nothing was changed"));
        }
    }
    enrollment::trust(ctx, &vault, &keyring, choice)?;
    ctx.dialogue.note("this machine now takes the vault as it is");
    Ok(())
}

/// Announces how many touches a command will take, before the first.
fn planned<'a>(ctx: &'a Context, total: usize) -> Touches<'a> {
    let touches = Touches::planned(&ctx.dialogue, total);
    enrollment::tell_total(ctx, &touches);
    touches
}

fn report(ctx: &Context, outcome: &Outcome, headline: &str) {
    ctx.dialogue.note(headline);
    if !outcome.profiles.is_empty() {
        ctx.dialogue.note(&format!(
            "{} sealed anew: {}",
            count(outcome.profiles.len(), "entry", "entries"),
            join_and(outcome.profiles.iter().map(String::as_str))
        ));
    }
    for key in &outcome.dropped {
        ctx.dialogue.note(&format!(
            "\"{}\" is no longer enrolled: it would have opened everything without a touch",
            key.name
        ));
        for profile in &outcome.profiles {
            ctx.dialogue.note(&format!(
                "  copies of this vault from before still open with it; for a new key: {}",
                common::way_to_a_new_key(profile)
            ));
        }
    }
    common::tell_ways_in(ctx, outcome.trusted.list());
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
