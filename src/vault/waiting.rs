//! A new access key that waits for its turn: sealed like an entry, in `rotations/`, until it has proved itself and takes the
//! entry's place by one rename. Until then the entry is what it was.
//!
//! When that may happen is decided by the room `rotation`.

use super::entry::{next_generation, note_new_entry, open, or_changed_list, refuse_changed_list};
use super::keyring::{KeyList, TrustedList};
use super::payload::{Content, EntryId, Payload};
use super::unlock::Unlocked;
use super::{ROTATIONS, Vault, entry_file};
use crate::agefile::{AgeFile, seal};
use crate::context::Context;
use crate::credential::AccessKey;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::ProfileName;
use crate::secret::VaultSecret;
use crate::wrap::{EnrolledKey, KeyKind};
use jiff::Timestamp;
use std::path::PathBuf;

/// The stanza of X25519 recipients (age-encryption.org/v1, "The X25519 recipient type"); it does not say whose it is.
const X25519: &str = "X25519";

/// A waiting access key that was opened.
pub struct OpenedWaiting {
    file: AgeFile,
    payload: Payload,
    key: AccessKey,
}

impl OpenedWaiting {
    /// The key pair.
    pub fn key(&self) -> &AccessKey {
        &self.key
    }

    /// Which version of the entry it is to become.
    pub fn generation(&self) -> u64 {
        self.payload.generation
    }
}

/// Whether an access key waits to replace the one of `profile`. Opens nothing.
pub fn is_there(vault: &Vault, profile: &ProfileName) -> bool {
    path(vault, profile).exists()
}

/// Where the waiting file of `profile` lies, or would lie.
pub fn path(vault: &Vault, profile: &ProfileName) -> PathBuf {
    vault.rotations().path().join(entry_file(profile.as_str()))
}

/// Seals a new access key of `profile` beside its entry.
///
/// # Errors
/// [`ErrorKind::Conflict`] when the key list was changed since it was read; nothing is written then.
pub fn store(
    vault: &Vault,
    trusted: &TrustedList,
    vault_secret: &VaultSecret,
    profile: &ProfileName,
    (key, arn, added): (AccessKey, &str, Timestamp),
) -> Result<()> {
    let _lock = vault.lock()?;
    refuse_changed_list(vault.folder(), trusted)?;
    let payload = Payload {
        profile: profile.as_str().to_owned(),
        entry: EntryId::random(),
        generation: next_generation(vault, trusted, profile)?,
        vault_secret: vault_secret.clone(),
        content: Content::AccessKey {
            key,
            arn: Some(arn.to_owned()),
            added,
        },
    };
    let sealed = seal(&payload.to_json()?, &trusted.recipients()?)?;
    vault.rotations().replace(&entry_file(profile.as_str()), &sealed)
}

/// The waiting file's header; `None` when nothing waits.
pub fn header(vault: &Vault, profile: &ProfileName) -> Result<Option<AgeFile>> {
    read_header(vault, profile.as_str())
}

/// As [`header`], for a name that only the file says.
pub fn read_header(vault: &Vault, profile: &str) -> Result<Option<AgeFile>> {
    let file = entry_file(profile);
    let bytes = vault.rotations().read(&file)?;
    bytes
        .map(|bytes| AgeFile::parse(&format!("{ROTATIONS}/{file}"), bytes))
        .transpose()
}

/// Opens the waiting access key with a key that is here, and looks whether every enrolled key could.
///
/// # Errors
/// [`ErrorKind::Damaged`] when an enrolled key has no stanza in it; as [`super::entry::open`] otherwise.
pub fn open_waiting(
    vault: &Vault,
    unlocked: &mut Unlocked<'_>,
    profile: &ProfileName,
    file: AgeFile,
    purpose: &str,
    touches: &mut Touches<'_>,
) -> Result<OpenedWaiting> {
    let payload = open(
        &mut *unlocked.key,
        &unlocked.trusted,
        &file,
        "access-key",
        profile.as_str(),
        purpose,
        touches,
    )
    .map_err(|error| or_changed_list(error, vault.folder(), &unlocked.trusted))?;
    check_recipients(&file, unlocked.trusted.list())?;
    let Content::AccessKey { key, .. } = &payload.content else {
        unreachable!("the kind was checked")
    };
    let key = key.clone();
    Ok(OpenedWaiting { file, payload, key })
}

/// Puts the waiting access key into the entry's place. The sessions of the old one go first, as in
/// [`super::entry::store_access_key`].
///
/// # Errors
/// [`ErrorKind::Conflict`] when the key list, the entry (`replaced`) or the waiting file was changed since it was opened.
pub fn take_place(
    ctx: &Context,
    vault: &Vault,
    trusted: &TrustedList,
    profile: &ProfileName,
    replaced: &AgeFile,
    waiting: &OpenedWaiting,
) -> Result<()> {
    let _lock = vault.lock()?;
    refuse_changed_list(vault.folder(), trusted)?;
    let (entries, rotations) = (vault.entries(), vault.rotations());
    let file = entry_file(profile.as_str());
    for (folder, opened) in [(&entries, replaced), (&rotations, &waiting.file)] {
        if !folder.read(&file)?.is_some_and(|bytes| opened.is(&bytes)) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("{} was changed while this command ran", opened.name()),
            )
            .hint(format!(
                "tapvault rotate {} looks again and goes on from there",
                profile.in_command()
            )));
        }
    }
    super::session::drop_for(vault, Some(profile.as_str()))?;
    rotations.hand_over(&file, &entries)?;
    entries.sync()?;
    rotations.sync()?;
    note_new_entry(ctx, vault, trusted, &waiting.payload);
    Ok(())
}

/// Removes the waiting access key; its entry stays. A missing one is fine.
pub fn discard(vault: &Vault, profile: &ProfileName) -> Result<()> {
    let _lock = vault.lock()?;
    if vault.rotations().remove(&entry_file(profile.as_str()))? {
        vault.rotations().sync()?;
    }
    Ok(())
}

/// Whether each enrolled key finds a stanza of its own.
fn check_recipients(file: &AgeFile, list: &KeyList) -> Result<()> {
    let stanzas = file.stanzas();
    let mut nameless = stanzas.iter().filter(|stanza| stanza.tag == X25519).count();
    let mut missing = |key: &EnrolledKey| -> Result<bool> {
        match &key.kind {
            KeyKind::Piv(_) => Ok(!matches!(key.piv_recipient()?.find(stanzas), Some(Ok(_)))),
            // These stanzas name nobody, so they can only be counted.
            KeyKind::Fido2(_) | KeyKind::Keychain { .. } | KeyKind::Passphrase { .. } | KeyKind::Recovery { .. } => {
                let found = nameless > 0;
                nameless = nameless.saturating_sub(1);
                Ok(!found)
            }
        }
    };
    for key in &list.keys {
        if missing(key)? {
            return Err(Error::new(
                ErrorKind::Damaged,
                format!("{} is not sealed to {}", file.name(), key.name),
            )
            .hint("nothing was switched; the entry is what it was"));
        }
    }
    Ok(())
}
