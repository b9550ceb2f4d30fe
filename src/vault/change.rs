//! A change of the enrolled keys: every entry is prepared in `next/`, then all of them take their places at once.
//!
//! Until the file `next/COMMIT` is there, nothing of the vault has changed and the work can be taken up again (each prepared
//! entry may have cost a touch). Once it is there, whoever comes next finishes the moves; that needs no key.

use super::entry::{open, vault_secret_payload};
use super::folder::{Folder, Lock};
use super::keyring::{KeyList, Keyring, LIST_FILE, TrustedList, Version};
use super::name::{file_stem, from_stem, hex};
use super::payload::Payload;
use super::sidecar::Sidecar;
use super::unlock::Unlocked;
use super::{ENTRIES, PASSPHRASES, ROTATIONS, VAULT_SECRET_FILE, Vault};
mod commit;
mod failure;

use failure::{abandon_hint, changed_meanwhile, goes, unfinished};

pub use commit::{finish, is_committed};

use crate::agefile::{AgeFile, seal};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::secret::VaultSecret;

use age::Recipient;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Where a change is prepared.
pub(super) const STAGE: &str = "next";
/// What the prepared entries were made from.
const SOURCES: &str = "sources.json";
/// Held while a change is prepared, so that there is one at a time.
const CHANGE_LOCK: &str = ".change-lock";

/// How the entries come to the new list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A key was added: a stanza more in each header. K and the file keys stay.
    Rewrap,
    /// A key was removed: everything is sealed anew, with a new K and new file keys.
    Reencrypt,
}

impl Method {
    /// Told by the two lists, both verified: a new K means that everything is sealed anew. Nothing that lies in the folder
    /// beside them may turn a removal into something less.
    fn between(before: Option<&KeyList>, next: &KeyList) -> Self {
        match before {
            Some(before) if before.vault_secret_sha256 == next.vault_secret_sha256 => Method::Rewrap,
            Some(_) | None => Method::Reencrypt,
        }
    }
}

/// What `next/sources.json` says.
#[derive(Serialize, Deserialize)]
struct Sources {
    /// "enroll paper" or "remove yubikey-1", for messages.
    what: String,
    /// SHA-256 of the list that the change started from, hex.
    from: Option<String>,
    /// `entries/prod.age` -> SHA-256 of the file that its prepared version was made from, hex.
    entries: BTreeMap<String, String>,
}

/// A change under preparation; the change lock is held.
pub struct Change<'v> {
    vault: &'v Vault,
    stage: Folder,
    sources: Sources,
    method: Method,
    next: TrustedList,
    /// The K that goes into `vault.age`. Known from the start when everything is sealed anew; else the first entry tells it.
    secret: Option<VaultSecret>,
    /// The K of before, once an entry has told it.
    before: Option<VaultSecret>,
    added: Vec<Box<dyn Recipient>>,
    _lock: Lock,
}

/// A change that was interrupted before its commit.
pub struct Interrupted {
    /// "enroll paper" and the like.
    pub what: String,
    /// How many entries were prepared.
    pub prepared: usize,
    /// Whether it was to bring the vault's first key: then there is none that could take it up.
    pub first: bool,
}

impl<'v> Change<'v> {
    /// Begins: the new list, vouched for already, and a file to come with it (of a passphrase key).
    ///
    /// `secret` is the new K for [`Method::Reencrypt`]; `None` for [`Method::Rewrap`], where the first entry tells it.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when another change is under way or was interrupted.
    pub fn begin(
        vault: &'v Vault,
        what: String,
        from: Option<&TrustedList>,
        version: &Version,
        secret: Option<VaultSecret>,
        passphrase_file: Option<(&str, &[u8])>,
    ) -> Result<Self> {
        let lock = claim(vault)?;
        if let Some(interrupted) = interrupted(vault)? {
            return Err(interrupted.to_error());
        }
        // From here on the list can't change: whoever changes it holds this lock. Found out at the commit only, it would
        // leave an unfinished change behind that nobody can finish.
        if Keyring::read(vault.folder())?.map(|keyring| keyring.digest()) != from.map(TrustedList::digest) {
            return Err(changed_meanwhile().hint("run it again"));
        }
        let stage = vault.folder().below(STAGE);
        stage.remove_all()?;
        stage.ensure()?;
        for part in [ENTRIES, ROTATIONS, PASSPHRASES] {
            stage.below(part).ensure()?;
        }
        let next = TrustedList::own(version);
        let change = Change {
            method: Method::between(from.map(TrustedList::list), next.list()),
            added: added_recipients(from.map(TrustedList::list), next.list())?,
            vault,
            stage,
            sources: Sources {
                what,
                from: from.map(|list| hex(&list.digest())),
                entries: BTreeMap::new(),
            },
            next,
            secret,
            before: None,
            _lock: lock,
        };
        change.stage_vault_secret()?;
        if let Some((name, bytes)) = passphrase_file {
            change
                .stage
                .below(PASSPHRASES)
                .replace(&format!("{}.age", file_stem(name)), bytes)?;
        }
        change.write_sources()?;
        // The list comes last: a stage without it was never more than a beginning, and is thrown away.
        change.stage.replace(LIST_FILE, &version.to_document()?)?;
        Ok(change)
    }

    /// Takes up an interrupted change with a key that is here.
    ///
    /// # Errors
    /// [`ErrorKind::NoEntry`] when there is none, [`ErrorKind::Conflict`] when the vault has moved on since.
    pub fn resume(vault: &'v Vault, unlocked: &mut Unlocked<'_>, touches: &mut Touches<'_>) -> Result<Self> {
        let lock = claim(vault)?;
        let stage = vault.folder().below(STAGE);
        let (Some(document), Some(sources)) = (stage.read(LIST_FILE)?, stage.read(SOURCES)?) else {
            return Err(Error::new(ErrorKind::NoEntry, "no change of keys was interrupted"));
        };
        let sources: Sources = serde_json::from_slice(&sources).map_err(|_| {
            Error::new(ErrorKind::Damaged, format!("{STAGE}/{SOURCES} is damaged")).hint(abandon_hint())
        })?;
        let version = Version::parse(&format!("{STAGE}/{LIST_FILE}"), &document)?;
        let list = unlocked.trusted.list();
        if sources.from != Some(hex(&unlocked.trusted.digest())) || version.list().generation != list.generation + 1 {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("the keys were changed since \"{}\" was interrupted", sources.what),
            )
            .hint(abandon_hint()));
        }
        // The prepared list lies in the folder like everything else: its voucher is checked like any other's.
        let next = unlocked.trusted.successor(&version)?;
        let method = Method::between(Some(list), next.list());
        if method == Method::Reencrypt && next.list().key_of(unlocked.key.proven_verifier()).is_none() {
            return Err(goes(&sources.what, unlocked.key.name(), list, next.list()));
        }
        let secret = match method {
            Method::Rewrap => None,
            Method::Reencrypt => {
                touches.plan_more(unlocked.key.touches_for(1, 0));
                let bytes = stage.read(VAULT_SECRET_FILE)?.unwrap_or_default();
                let file = AgeFile::parse(&format!("{STAGE}/{VAULT_SECRET_FILE}"), bytes)?;
                let payload = open(
                    &mut *unlocked.key,
                    &next,
                    &file,
                    "vault-secret",
                    "",
                    "go on with the change of keys",
                    touches,
                )
                .map_err(|error| error.hint(abandon_hint()))?;
                Some(payload.vault_secret)
            }
        };
        Ok(Change {
            method,
            added: added_recipients(Some(list), next.list())?,
            vault,
            stage,
            sources,
            next,
            secret,
            before: None,
            _lock: lock,
        })
    }

    /// The entries, and the access keys that wait to replace one, that still have to be prepared: `entries/prod.age`.
    pub fn pending(&self) -> Result<Vec<String>> {
        let mut pending = Vec::new();
        for path in self.vault.access_key_files()? {
            let (folder, name) = self.place(&path);
            let Some(bytes) = folder.read(name)? else { continue };
            let prepared = self.sources.entries.get(&path) == Some(&hex(&Sha256::digest(&bytes)))
                && self.stage.path().join(&path).exists();
            if !prepared {
                pending.push(path);
            }
        }
        Ok(pending)
    }

    /// The folder and the name of `entries/prod.age`.
    fn place<'p>(&self, path: &'p str) -> (Folder, &'p str) {
        let (part, name) = path.split_once('/').unwrap_or((ENTRIES, path));
        (self.vault.folder().below(part), name)
    }

    /// Prepares one file: one unwrap, so one touch of a token. Returns the profile of an entry; `None` if it is gone, or only waits
    /// to become one.
    pub fn prepare(
        &mut self,
        path: &str,
        unlocked: &mut Unlocked<'_>,
        touches: &mut Touches<'_>,
    ) -> Result<Option<String>> {
        let (folder, file) = self.place(path);
        // Gone meanwhile: nothing to prepare.
        let Some(bytes) = folder.read(file)? else {
            return Ok(None);
        };
        let source = hex(&Sha256::digest(&bytes));
        let is_entry = folder.path() == self.vault.entries().path();
        let profile = profile_of(&self.vault.entries(), file)?;
        let sealed = AgeFile::parse(path, bytes)?;
        let what = if is_entry { "" } else { " (its new access key)" };
        let purpose = format!("open {profile}{what} and seal it anew");
        let file_key = unlocked
            .key
            .unwrap_file_key(sealed.stanzas(), &purpose, touches)
            .map_err(|error| match error.kind() {
                ErrorKind::NoKey | ErrorKind::Damaged => error.within(sealed.name()),
                _ => error,
            })?;
        // Checked like at any opening: a forged or misplaced entry must not be passed on to the new keys.
        let mut payload = Payload::from_json(&sealed.open(&file_key)?, sealed.name())?;
        payload.check(
            sealed.name(),
            "access-key",
            &payload.profile,
            &unlocked.trusted.list().secret_digest(),
        )?;
        check_place(&payload.profile, path)?;
        let prepared = match self.method {
            Method::Rewrap => {
                if self.secret.is_none() {
                    self.secret = Some(payload.vault_secret);
                    self.stage_vault_secret()?;
                }
                sealed.with_recipients(&file_key, &self.added)?
            }
            Method::Reencrypt => {
                if let Some(secret) = &self.secret {
                    self.before = Some(std::mem::replace(&mut payload.vault_secret, secret.clone()));
                }
                seal(&payload.to_json()?, &self.next.recipients()?)?
            }
        };
        let part = path.strip_suffix(file).unwrap_or(path).trim_end_matches('/');
        self.stage.below(part).replace(file, &prepared)?;
        self.sources.entries.insert(path.to_owned(), source);
        self.write_sources()?;
        Ok(is_entry.then_some(profile))
    }

    /// Makes the change happen, unless an entry was added or changed since: those are returned and have to be prepared first.
    pub fn commit(self) -> Result<Result<TrustedList, (Self, Vec<String>)>> {
        let lock = self.vault.lock()?;
        if Keyring::read(self.vault.folder())?.map(|keyring| hex(&keyring.digest())) != self.sources.from {
            return Err(changed_meanwhile().hint(abandon_hint()));
        }
        let pending = self.pending()?;
        if !pending.is_empty() {
            drop(lock);
            return Ok(Err((self, pending)));
        }
        // Prepared, and removed from the vault since: must not come back.
        for part in [ENTRIES, ROTATIONS] {
            let staged = self.stage.below(part);
            for file in staged.names(".age")? {
                if !self.vault.folder().below(part).path().join(&file).exists() {
                    staged.remove(&file)?;
                }
            }
            staged.sync()?;
        }
        commit::stage_journals(self.vault.folder(), self.before.as_ref().zip(self.secret.as_ref()))?;
        if !self.stage.path().join(VAULT_SECRET_FILE).exists() {
            // All entries were removed while their keys were being added.
            return Err(
                Error::new(ErrorKind::Conflict, "every entry was removed while this command ran").hint(abandon_hint()),
            );
        }
        let declared = commit::declare(self.vault.folder(), self.sources.from.clone());
        match declared.and_then(|()| finish(self.vault.folder())) {
            Ok(()) => Ok(Ok(self.next)),
            Err(error) if is_committed(self.vault.folder()) => Err(unfinished(&self.sources.what, &error)),
            Err(error) => Err(error),
        }
    }

    fn stage_vault_secret(&self) -> Result<()> {
        let Some(secret) = &self.secret else { return Ok(()) };
        let payload = vault_secret_payload(secret.clone(), self.next.list().generation);
        self.stage
            .replace(VAULT_SECRET_FILE, &seal(&payload.to_json()?, &self.next.recipients()?)?)
    }

    fn write_sources(&self) -> Result<()> {
        let json = serde_json::to_vec(&self.sources).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        self.stage.replace(SOURCES, &json)
    }
}

/// The change that was interrupted before its commit, if there is one.
pub fn interrupted(vault: &Vault) -> Result<Option<Interrupted>> {
    let stage = vault.folder().below(STAGE);
    if is_committed(vault.folder()) || stage.read(LIST_FILE)?.is_none() {
        return Ok(None);
    }
    let sources = stage
        .read(SOURCES)?
        .and_then(|json| serde_json::from_slice::<Sources>(&json).ok());
    Ok(Some(sources.map_or(
        Interrupted {
            what: "a change of keys".into(),
            prepared: 0,
            first: false,
        },
        |sources| Interrupted {
            what: sources.what,
            prepared: sources.entries.len(),
            first: sources.from.is_none(),
        },
    )))
}

/// The stanzas of the prepared `vault.age`, so that an interrupted removal is resumed with a key that stays.
pub fn prepared_stanzas(vault: &Vault) -> Result<Option<AgeFile>> {
    let bytes = vault.folder().below(STAGE).read(VAULT_SECRET_FILE)?;
    bytes
        .map(|bytes| AgeFile::parse(&format!("{STAGE}/{VAULT_SECRET_FILE}"), bytes))
        .transpose()
}

/// Throws an interrupted change away; the vault is as it was before it. Says whether there was one.
///
/// # Errors
/// [`ErrorKind::Conflict`] when the change has happened in part and can't be completed.
pub fn abandon(vault: &Vault) -> Result<bool> {
    let _change = claim(vault)?;
    let _lock = vault.folder().lock()?;
    if is_committed(vault.folder()) {
        return commit::abandon(vault.folder());
    }
    let there = interrupted(vault)?.is_some();
    vault.folder().below(STAGE).remove_all()?;
    Ok(there)
}

fn claim(vault: &Vault) -> Result<Lock> {
    vault.folder().ensure()?;
    vault.folder().try_lock_called(CHANGE_LOCK)?.ok_or_else(|| {
        Error::new(
            ErrorKind::Conflict,
            "another tapvault is changing the keys of this vault",
        )
        .hint("wait until it has ended, then try again")
    })
}

fn added_recipients(before: Option<&KeyList>, next: &KeyList) -> Result<Vec<Box<dyn Recipient>>> {
    next.keys
        .iter()
        .filter(|key| before.is_none_or(|list| list.keys.iter().all(|known| known.recipient != key.recipient)))
        .map(|key| key.to_recipient())
        .collect()
}

/// The profile for the messages: the sidecar's if it fits the file, else what the file name says.
fn profile_of(entries: &Folder, file: &str) -> Result<String> {
    let stem = file.strip_suffix(".age").unwrap_or_default();
    let sidecar = entries
        .read(&format!("{stem}.json"))?
        .as_deref()
        .and_then(Sidecar::parse);
    Ok(sidecar
        .filter(|sidecar| file_stem(&sidecar.profile) == stem)
        .map_or_else(|| from_stem(stem), |sidecar| sidecar.profile))
}

/// An entry that was copied over another one must not be sealed anew in the wrong place.
fn check_place(profile: &str, path: &str) -> Result<()> {
    if path.ends_with(&format!("/{}.age", file_stem(profile))) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Forged,
        format!("{path} was sealed for profile {profile:?}; it was copied there"),
    )
    .hint("restore it from a backup, or move it away"))
}
