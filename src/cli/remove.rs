use super::common;
use super::completion;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::ProfileName;
use crate::vault::unlock::{KeyChoice, unlock};
use crate::vault::{Vault, entry, session};
use clap::Args;

/// Remove an access key from the vault
///
/// The touch prevents accidents: it opens what is about to be deleted. Whoever can write the vault's folder could delete
/// the file without it. The key stays valid at AWS.
#[derive(Args)]
pub struct RemoveArgs {
    /// The profile
    #[arg(add = completion::entries())]
    profile: ProfileName,
    /// Do not ask; the touch is still needed
    #[arg(short, long)]
    force: bool,
    /// Drop only its sealed sessions
    #[arg(long, conflicts_with = "without_token")]
    sessions_only: bool,
    /// For a lost token: no touch, but the profile's name has to be typed
    #[arg(long)]
    without_token: bool,
}

pub fn run(args: &RemoveArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    let profile = &args.profile;
    let keyring = vault.read()?.0.keyring;
    if args.sessions_only {
        let dropped = session::clear(&vault, Some(profile.as_str()))?;
        ctx.dialogue.note(&format!(
            "dropped {dropped} {} of {profile}",
            if dropped == 1 { "session" } else { "sessions" }
        ));
        return Ok(());
    }
    let vault_name = keyring.as_ref().map(|keyring| keyring.unverified().vault.clone());
    vault.folder().must_be_writable()?;
    let opened = if args.without_token {
        // A damaged entry has to be removable too, so its header is not looked at.
        if !vault.has_entry(profile) {
            vault.entry_file(profile)?;
        }
        confirm_by_name(ctx, profile)?;
        None
    } else {
        vault.entry_file(profile)?;
        let keyring = keyring.ok_or_else(|| crate::enrollment::no_keys(&vault))?;
        common::tell_presence(ctx, keyring.unverified());
        if !args.force && !confirm(ctx, profile)? {
            return Err(Error::new(ErrorKind::Cancelled, format!("{profile} stays")));
        }
        // Read anew: the person may have taken their time, and somebody else may have changed the keys meanwhile.
        let keyring = vault
            .read()?
            .0
            .keyring
            .ok_or_else(|| crate::enrollment::no_keys(&vault))?;
        let file = vault.entry_file(profile)?;
        let mut unlocked = unlock(ctx, &vault, &keyring, choice, Some(file.stanzas()), profile.as_str()).map_err(
            |error| match error.kind() {
                ErrorKind::NoKey => error.hint(format!(
                    "if the token is lost: tapvault remove --without-token {}",
                    profile.in_command()
                )),
                _ => error,
            },
        )?;
        let mut touches = Touches::planned(&ctx.dialogue, 1);
        entry::open_access_key(
            ctx,
            &vault,
            &mut unlocked,
            profile,
            &file,
            &format!("remove {profile}"),
            &mut touches,
        )?;
        Some(file)
    };
    let own = vault.sidecar(profile)?.map(|sidecar| sidecar.access_key_id);
    let remove = || entry::remove(&vault, profile, opened.as_ref());
    let left = with_rotation(ctx, &vault, profile, own.as_deref(), remove)?;
    // Afterwards: a memory of something that did not happen would be a false alarm.
    if let Some(name) = vault_name
        && let Err(error) = vault.memory().remember_removal(&name, profile.as_str())
    {
        ctx.dialogue
            .tell(&format!("warning: the removal could not be remembered: {error}"));
    }
    ctx.dialogue.note(&format!(
        "removed {profile}; its access key stays valid at AWS until it is deleted there"
    ));
    for id in left {
        ctx.dialogue.note(&format!(
            "a rotation of {profile} was not finished: {id} has to be deleted at AWS too"
        ));
    }
    Ok(())
}

/// What a rotation has left goes too. Returns the access keys at AWS that it speaks of.
#[cfg(feature = "iam")]
fn with_rotation(
    ctx: &Context,
    vault: &Vault,
    profile: &ProfileName,
    own: Option<&str>,
    remove: impl FnOnce() -> Result<()>,
) -> Result<Vec<String>> {
    crate::rotation::removing(ctx, vault, profile, own, remove)
}

/// This build has no rotation, and touches nothing that another one has left.
#[cfg(not(feature = "iam"))]
fn with_rotation(
    _: &Context,
    _: &Vault,
    _: &ProfileName,
    _: Option<&str>,
    remove: impl FnOnce() -> Result<()>,
) -> Result<Vec<String>> {
    remove().map(|()| Vec::new())
}

fn confirm(ctx: &Context, profile: &ProfileName) -> Result<bool> {
    if !ctx.dialogue.has_terminal() {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("there is no terminal to ask whether {profile} may be removed"),
        )
        .hint("--force leaves the question out, not the touch"));
    }
    ctx.dialogue.confirm(&format!("remove the access key of {profile}?"))
}

fn confirm_by_name(ctx: &Context, profile: &ProfileName) -> Result<()> {
    ctx.dialogue
        .tell("this deletes without a touch, as anybody could who can write the vault's folder");
    let typed = ctx
        .dialogue
        .ask(&format!("type the profile's name to remove it ({profile})"))?;
    if typed == profile.as_str().trim() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Cancelled,
        format!("that was another name; {profile} stays"),
    ))
}
