//! One entry: opened with a key that is here, checked against what its place in the vault says, and stored whole or not at all.

use super::folder::Folder;
use super::keyring::{Keyring, TrustedList};
use super::payload::{Content, EntryId, Payload};
use super::sidecar::Sidecar;
use super::unlock::Unlocked;
use super::{ENTRIES, VAULT_SECRET_FILE, Vault, entry_file, sidecar_file};
use crate::agefile::{AgeFile, seal};
use crate::context::Context;
use crate::credential::AccessKey;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::ProfileName;
use crate::secret::VaultSecret;
use crate::wrap::PresentKey;
use jiff::Timestamp;

/// An access key that was opened, with what is needed to seal something that belongs to it.
pub struct OpenedAccessKey {
    /// The key pair.
    pub key: AccessKey,
    /// Whose it is, as GetCallerIdentity said when it was added.
    pub arn: Option<String>,
    /// Which entry.
    pub entry: EntryId,
    /// Which version of it.
    pub generation: u64,
    /// K.
    pub vault_secret: VaultSecret,
}

/// The highest generation that a sidecar is believed: nobody replaces an access key so often, and counting on from the
/// largest number would end in an overflow.
const HIGHEST_CLAIM: u64 = u32::MAX as u64;

/// Whether an entry that is there already may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// No: that is an error.
    Never,
    /// Yes (`--force`).
    Existing,
}

/// Unwraps, decrypts and checks one file. `purpose` reads after "touch ... to".
///
/// # Errors
/// [`ErrorKind::Forged`] and [`ErrorKind::Damaged`] name the file; the key's own errors are about the key.
pub fn open(
    key: &mut dyn PresentKey,
    trusted: &TrustedList,
    file: &AgeFile,
    kind: &str,
    profile: &str,
    purpose: &str,
    touches: &mut Touches<'_>,
) -> Result<Payload> {
    let file_key = key
        .unwrap_file_key(file.stanzas(), purpose, touches)
        .map_err(|error| match error.kind() {
            ErrorKind::NoKey => error.within(file.name()),
            ErrorKind::Damaged => error
                .within(file.name())
                .hint("restore it from a backup; other entries are not affected"),
            _ => error,
        })?;
    let json = file.open(&file_key)?;
    let payload = Payload::from_json(&json, file.name())?;
    payload.check(file.name(), kind, profile, &trusted.list().secret_digest())?;
    Ok(payload)
}

/// Opens the access key of `profile`, and mends its sidecar if that says something else.
pub fn open_access_key(
    ctx: &Context,
    vault: &Vault,
    unlocked: &mut Unlocked<'_>,
    profile: &ProfileName,
    file: &AgeFile,
    purpose: &str,
    touches: &mut Touches<'_>,
) -> Result<OpenedAccessKey> {
    let payload = open(
        &mut *unlocked.key,
        &unlocked.trusted,
        file,
        "access-key",
        profile.as_str(),
        purpose,
        touches,
    )
    .map_err(|error| or_changed_list(error, vault.folder(), &unlocked.trusted))?;
    let list = unlocked.trusted.list();
    vault.memory().compare_entry(
        &list.vault,
        profile.as_str(),
        payload.generation,
        payload.entry.as_str(),
        file.name(),
    )?;
    // The memory and the sidecar are conveniences: a full disk must not keep a person from working.
    let remembered = vault
        .memory()
        .remember_entry(
            &list.vault,
            profile.as_str(),
            payload.generation,
            payload.entry.as_str(),
        )
        .and_then(|()| vault.memory().remember_use(&list.vault, unlocked.key.name(), ctx.now()));
    if let Err(error) = remembered {
        ctx.dialogue
            .tell(&format!("warning: what was seen could not be remembered: {error}"));
    }
    mend_sidecar(ctx, vault, &payload, file);
    match payload.content {
        Content::AccessKey { key, arn, .. } => Ok(OpenedAccessKey {
            key,
            arn,
            entry: payload.entry,
            generation: payload.generation,
            vault_secret: payload.vault_secret,
        }),
        Content::Session { .. } | Content::VaultSecret => unreachable!("the kind was checked"),
    }
}

/// Opens `vault.age`: the touch that makes a new entry genuine.
pub fn open_vault_secret(
    vault: &Vault,
    unlocked: &mut Unlocked<'_>,
    purpose: &str,
    touches: &mut Touches<'_>,
) -> Result<VaultSecret> {
    let bytes = vault.folder().read(VAULT_SECRET_FILE)?.ok_or_else(|| {
        Error::new(ErrorKind::Damaged, format!("{VAULT_SECRET_FILE} is missing"))
            .hint("restore it from a backup; entries still open, but nothing new can be sealed without it")
    })?;
    let file = AgeFile::parse(VAULT_SECRET_FILE, bytes)?;
    Ok(open(
        &mut *unlocked.key,
        &unlocked.trusted,
        &file,
        "vault-secret",
        "",
        purpose,
        touches,
    )
    .map_err(|error| or_changed_list(error, vault.folder(), &unlocked.trusted))?
    .vault_secret)
}

/// The payload of `vault.age`.
pub fn vault_secret_payload(secret: VaultSecret, generation: u64) -> Payload {
    Payload {
        profile: String::new(),
        entry: EntryId::random(),
        generation,
        vault_secret: secret,
        content: Content::VaultSecret,
    }
}

/// An access key on its way into the vault.
pub struct NewEntry<'a> {
    /// The profile that it is for.
    pub profile: &'a ProfileName,
    /// The key pair.
    pub key: AccessKey,
    /// Whose it is, as GetCallerIdentity said.
    pub arn: Option<String>,
    /// When it is added.
    pub added: Timestamp,
    /// Whether it may take another one's place.
    pub replace: Replace,
}

/// Seals an access key and stores it with its sidecar.
///
/// The sessions of the key that was there go first: an old sidecar beside the new entry would still lead to them. Once the
/// entry is in its place the command has done its work, so what fails after that is a warning.
///
/// # Errors
/// [`ErrorKind::Conflict`] when the key list, or the entry, was changed by somebody else since it was read.
pub fn store_access_key(
    ctx: &Context,
    vault: &Vault,
    trusted: &TrustedList,
    vault_secret: VaultSecret,
    new: NewEntry<'_>,
) -> Result<()> {
    let _lock = vault.lock()?;
    refuse_changed_list(vault.folder(), trusted)?;
    let NewEntry {
        profile,
        key,
        arn,
        added,
        replace,
    } = new;
    let entries = vault.entries();
    let file = entry_file(profile.as_str());
    if replace == Replace::Never && entries.path().join(&file).exists() {
        return Err(exists(profile));
    }
    let payload = Payload {
        profile: profile.as_str().to_owned(),
        entry: EntryId::random(),
        generation: next_generation(vault, trusted, profile)?,
        vault_secret,
        content: Content::AccessKey { key, arn, added },
    };
    let sealed = seal(&payload.to_json()?, &trusted.recipients()?)?;
    super::session::drop_for(vault, Some(profile.as_str()))?;
    entries.replace(&file, &sealed)?;
    note_new_entry(ctx, vault, trusted, &payload);
    Ok(())
}

/// Writes what belongs beside an entry that has just come to its place. The entry is what counts: what fails is told.
pub(super) fn note_new_entry(ctx: &Context, vault: &Vault, trusted: &TrustedList, payload: &Payload) {
    let profile = &payload.profile;
    let sidecar = Sidecar::of(payload).map_or(Ok(()), |sidecar| {
        vault.entries().replace(&sidecar_file(profile), &sidecar.to_json())
    });
    let remembered = vault.memory().remember_entry(
        &trusted.list().vault,
        profile,
        payload.generation,
        payload.entry.as_str(),
    );
    for error in [sidecar.err(), remembered.err()].into_iter().flatten() {
        ctx.dialogue.tell(&format!(
            "warning: {profile} is sealed, but what belongs beside it is not written: {error}"
        ));
    }
}

/// The generation of the profile's next access key: more than its sidecar says and than this machine has seen.
pub(super) fn next_generation(vault: &Vault, trusted: &TrustedList, profile: &ProfileName) -> Result<u64> {
    let beside = vault
        .sidecar(profile)?
        .map(|sidecar| sidecar.generation)
        .filter(|generation| *generation <= HIGHEST_CLAIM)
        .unwrap_or_default();
    let seen = vault.memory().generation_of(&trusted.list().vault, profile.as_str())?;
    Ok(beside.max(seen).saturating_add(1))
}

/// Removes the access key of `profile`, its sidecar and its sessions. `opened` is the file that the touch was for.
///
/// # Errors
/// [`ErrorKind::Conflict`] when another access key has taken its place since.
pub fn remove(vault: &Vault, profile: &ProfileName, opened: Option<&AgeFile>) -> Result<()> {
    let _lock = vault.lock()?;
    let entries = vault.entries();
    let file = entry_file(profile.as_str());
    if let Some(opened) = opened
        && entries.read(&file)?.is_some_and(|bytes| !opened.is(&bytes))
    {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("the access key of {profile} was replaced while this command ran; it was left as it is"),
        )
        .hint("run it again"));
    }
    entries.remove(&file)?;
    entries.remove(&sidecar_file(profile.as_str()))?;
    entries.sync()?;
    super::session::drop_for(vault, Some(profile.as_str()))?;
    Ok(())
}

/// Refuses to seal to a list that is no longer the current one.
pub(super) fn refuse_changed_list(folder: &Folder, trusted: &TrustedList) -> Result<()> {
    let now = Keyring::read(folder)?.map(|keyring| keyring.digest());
    if now == Some(trusted.digest()) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        "the enrolled keys were changed while this command ran; nothing was written",
    )
    .hint("run it again"))
}

/// The error, unless the key list was changed since `trusted` was read: then what was read later does not fit it, which is no
/// attack, and another try helps.
pub(super) fn or_changed_list(error: Error, folder: &Folder, trusted: &TrustedList) -> Error {
    match error.kind() {
        ErrorKind::Forged | ErrorKind::Damaged | ErrorKind::NoKey | ErrorKind::Rollback | ErrorKind::Conflict => {
            refuse_changed_list(folder, trusted).err().unwrap_or(error)
        }
        _ => error,
    }
}

/// The error for an entry that is there already.
pub fn exists(profile: &ProfileName) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("the vault has an access key for {profile} already; it was left as it is"),
    )
    .hint(format!("tapvault add --force {} replaces it", profile.in_command()))
}

fn mend_sidecar(ctx: &Context, vault: &Vault, payload: &Payload, file: &AgeFile) {
    let Some(right) = Sidecar::of(payload) else { return };
    let name = sidecar_file(&payload.profile);
    let entries = vault.entries();
    let wrong = !matches!(entries.read(&name), Ok(Some(json)) if Sidecar::parse(&json).as_ref() == Some(&right));
    if wrong {
        let mended = vault.lock().and_then(|_lock| {
            // Only if the entry is still the one that was opened.
            match entries.read(&entry_file(&payload.profile))? {
                Some(bytes) if file.is(&bytes) => entries.replace(&name, &right.to_json()),
                _ => Ok(()),
            }
        });
        match mended {
            Ok(()) => ctx.debug(|| format!("{ENTRIES}/{name} did not fit its entry; it was written anew")),
            Err(error) => ctx.debug(|| format!("{ENTRIES}/{name} could not be written anew: {error}")),
        }
    }
}
