//! Bringing a key into the list of enrolled keys, or taking one out: in which order, for how many touches, and what it means
//! for the entries. How the files come to change at once is `vault::change`'s affair.

mod enroll;
pub mod fido2;
pub mod piv;
mod removal;
mod software;

pub use enroll::Enrollment;
pub use removal::Removal;
#[cfg(feature = "keychain")]
pub use software::new_keychain_key;
pub use software::{forget_keychain_key, new_passphrase_key, new_recovery_key};

use crate::agefile::AgeFile;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::vault::Vault;
use crate::vault::change::{Change, interrupted, prepared_stanzas};
use crate::vault::keyring::{KeyList, Keyring, TrustedList, join_and};
use crate::vault::name::hex;
use crate::vault::payload::FORMAT;
use crate::vault::unlock::{KeyChoice, Unlocked, find, unlock};
use crate::wrap::{EnrolledKey, PresentKey};
use rand::RngCore;

/// Whether keys without presence may stand beside a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touchless {
    /// No: a touch could be gone round.
    Refused,
    /// `--allow-touchless`.
    Allowed,
}

/// A key that was just made or adopted and is not in the list yet.
pub struct NewKey<'a> {
    /// As the list will have it.
    pub record: EnrolledKey,
    /// The key itself, present.
    pub key: Box<dyn PresentKey + 'a>,
    /// The file that a passphrase key comes with.
    pub file: Option<Vec<u8>>,
}

/// What an enrolment or a removal came to.
pub struct Outcome {
    /// The list now.
    pub trusted: TrustedList,
    /// Keys that are no longer in it.
    pub dropped: Vec<EnrolledKey>,
    /// The profiles whose entries were sealed anew or got a recipient more.
    pub profiles: Vec<String>,
}

/// Says how many touches a command will take, before the first.
pub fn tell_total(ctx: &Context, touches: &Touches<'_>) {
    if touches.total() > 1 {
        ctx.dialogue.tell(&format!("{} touches", touches.total()));
    }
}

/// Takes up an enrolment or a removal that was interrupted.
pub fn resume(ctx: &Context, vault: &Vault, choice: &KeyChoice) -> Result<Outcome> {
    let Some(keyring) = vault.read()?.0.keyring else {
        return Err(interrupted(vault)?.map_or_else(|| no_keys(vault), |interrupted| interrupted.to_error()));
    };
    // A key that the change takes out could not open what is prepared.
    let prepared = prepared_stanzas(vault)?;
    let stanzas = prepared.as_ref().map(AgeFile::stanzas);
    let mut unlocked = unlock(ctx, vault, &keyring, choice, stanzas, "the prepared vault secret")?;
    let mut touches = Touches::none(&ctx.dialogue);
    let mut change = Change::resume(vault, &mut unlocked, &mut touches)?;
    let pending = change.pending()?.len();
    touches.plan_more(unlocked.key.touches_for(pending, 0));
    tell_total(ctx, &touches);
    let profiles = prepare_all(&mut change, &mut unlocked, &mut touches)?;
    let before = unlocked.trusted.list().keys.clone();
    let trusted = commit(ctx, vault, change, Some(&mut unlocked), &mut touches)?;
    let dropped = before
        .into_iter()
        .filter(|key| trusted.list().key(&key.name).is_none())
        .collect();
    Ok(Outcome {
        trusted,
        dropped,
        profiles,
    })
}

/// Takes the vault as it is now: the list is verified with a key that is here, and what this machine remembered is forgotten.
pub fn trust(ctx: &Context, vault: &Vault, keyring: &Keyring, choice: &KeyChoice) -> Result<()> {
    let trusted = keyring.verify(&*find(ctx, vault, keyring.unverified(), choice, None, "the key list")?)?;
    vault.memory().start_anew(&trusted)
}

/// "no key is enrolled", or that its list has gone.
pub fn no_keys(vault: &Vault) -> Error {
    if let Err(error) = refuse_headless(vault) {
        return error;
    }
    Error::new(
        ErrorKind::NoKey,
        "no key is enrolled, so nothing can be sealed or opened",
    )
    .hint("with a YubiKey: tapvault key enroll piv")
    .hint("with another FIDO2 token: tapvault key enroll fido2")
    .hint("without a token: tapvault key enroll passphrase")
}

fn prepare_all(change: &mut Change<'_>, unlocked: &mut Unlocked<'_>, touches: &mut Touches<'_>) -> Result<Vec<String>> {
    let mut profiles = Vec::new();
    for file in change.pending()? {
        profiles.extend(change.prepare(&file, unlocked, touches).map_err(interrupted_here)?);
    }
    Ok(profiles)
}

/// What was prepared so far stays, so the same command would only say that a change was interrupted.
fn interrupted_here(error: Error) -> Error {
    error
        .hint("nothing has changed yet: tapvault key resume goes on from here")
        .hint("tapvault key resume --abandon throws the unfinished change away; the vault is as it was before it")
}

/// Commits; entries that were added meanwhile are prepared first.
fn commit(
    ctx: &Context,
    vault: &Vault,
    mut change: Change<'_>,
    mut unlocked: Option<&mut Unlocked<'_>>,
    touches: &mut Touches<'_>,
) -> Result<TrustedList> {
    let trusted = loop {
        match change.commit()? {
            Ok(trusted) => break trusted,
            Err((unfinished, pending)) => {
                change = unfinished;
                let Some(unlocked) = unlocked.as_deref_mut() else {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        "an entry was added while the first key was being enrolled",
                    )
                    .hint("run it again"));
                };
                touches.plan_more(unlocked.key.touches_for(pending.len(), 0));
                for file in pending {
                    change.prepare(&file, unlocked, touches).map_err(interrupted_here)?;
                }
            }
        }
    };
    if let Err(error) = vault.memory().remember_list(&trusted) {
        ctx.dialogue
            .tell(&format!("warning: the new key list could not be remembered: {error}"));
    }
    Ok(trusted)
}

fn next_list(
    before: Option<&TrustedList>,
    keys: Vec<EnrolledKey>,
    vault_secret_sha256: String,
    touchless_beside_token: bool,
) -> KeyList {
    KeyList {
        tapvault: FORMAT,
        vault: before.map_or_else(random_vault, |before| before.list().vault.clone()),
        generation: before.map_or(1, |before| before.list().generation + 1),
        previous: before.map(|before| hex(&before.digest())),
        vault_secret_sha256,
        touchless_beside_token,
        keys,
    }
}

fn random_vault() -> String {
    let mut bytes = [0; 16];
    rand::rngs::OsRng.fill_bytes(&mut bytes);
    hex(&bytes)
}

/// Entries without a key list: somebody lost `keys.json`. A new list would lock them out of their own entries.
///
/// # Errors
/// [`ErrorKind::Damaged`] when there are entries. Call it when there is no list.
pub fn refuse_headless(vault: &Vault) -> Result<()> {
    let entries = vault.list()?;
    if entries.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Damaged,
        format!(
            "keys.json is missing, but there are entries: {}",
            join_and(entries.iter().map(|entry| entry.profile.as_str()))
        ),
    )
    .hint("restore keys.json and keys.d from a backup")
    .hint("or open the entries with stock `age -d` and one of their keys, move the folder away, and add them again"))
}
