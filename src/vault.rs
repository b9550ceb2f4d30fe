//! The vault: entries by profile, each an ordinary age file, in a folder that may be copied, synced or put in git.
//!
//! ```text
//! keys.json            the enrolled keys, current version        (keyring)
//! keys.d/000001.json   earlier versions
//! vault.age            the vault secret K
//! entries/prod.age     an access key      entries/prod.json      its sidecar
//! sessions/DIGEST.age  a session          sessions/DIGEST.json   its sidecar
//! passphrases/N.age    the identity of passphrase key N
//! rotations/prod.age   a new access key that waits to take its place   (waiting)
//! rotations/prod.json  how far its rotation has come                   (the room `rotation`)
//! next/                a change of keys that is being prepared   (change)
//! ```
//! What the files contain is docs/format.md's subject. Who may be asked to open them is `unlock`'s.

pub mod change;
pub mod entry;
pub mod folder;
pub mod keyring;
pub mod memory;
pub mod name;
pub mod payload;
pub mod proof;
pub mod session;
pub mod sidecar;
pub mod unlock;
pub mod waiting;

use crate::agefile::AgeFile;
use crate::context::Paths;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::ProfileName;
use crate::wrap::KeyName;
use folder::{Folder, Lock};
use keyring::Keyring;
use memory::Memory;
use name::file_stem;
use sidecar::Sidecar;

/// The file of the vault secret.
pub(crate) const VAULT_SECRET_FILE: &str = "vault.age";
/// The folder of the access keys.
pub(crate) const ENTRIES: &str = "entries";
/// The folder of the sessions.
pub(crate) const SESSIONS: &str = "sessions";
/// The folder of the passphrase keys' files.
pub(crate) const PASSPHRASES: &str = "passphrases";

/// The folder of the rotations that are under way.
pub(crate) const ROTATIONS: &str = "rotations";

/// A vault on disk.
pub struct Vault {
    folder: Folder,
    memory: Memory,
}

/// The vault's clear part, read at one moment.
pub struct Snapshot {
    /// The key lists; `None` when no key was ever enrolled.
    pub keyring: Option<Keyring>,
}

/// An entry as `list` shows it.
pub struct Listed {
    /// The profile, as far as it is known without opening.
    pub profile: String,
    /// The sidecar; `None` when it is missing or unreadable.
    pub sidecar: Option<Sidecar>,
}

impl Listed {
    /// The profile, where it has to be one.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when it is none.
    pub fn name(&self) -> Result<ProfileName> {
        self.profile
            .parse()
            .map_err(|err| Error::new(ErrorKind::Damaged, format!("{}: {err}", self.profile)))
    }
}

impl Vault {
    /// The vault in the folders `paths`.
    pub fn at(paths: &Paths) -> Self {
        Vault {
            folder: Folder::at(&paths.vault),
            memory: Memory::in_folder(Folder::at(&paths.state)),
        }
    }

    /// Its folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The files that whatever was opened for `entry` stands on: the entry's own, and the list of keys.
    pub fn foundations(&self, entry: &str) -> [std::path::PathBuf; 2] {
        let at = |file: &str| self.folder.path().join(file);
        [at(ENTRIES).join(entry_file(entry)), at(keyring::LIST_FILE)]
    }

    /// What this machine has seen of it.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Reads the key lists, after finishing a change of keys that was killed between its commit and its end.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] for wrong modes and unreadable lists.
    pub fn read(&self) -> Result<(Snapshot, Lock)> {
        self.check()?;
        if change::is_committed(&self.folder) {
            let _lock = self.folder.lock()?;
            change::finish(&self.folder)?;
        }
        // A removal notes itself after everything else; when that is killed, nobody may ever write there again.
        self.memory.sweep();
        let lock = self.folder.lock_shared()?;
        let keyring = Keyring::read(&self.folder)?;
        Ok((Snapshot { keyring }, lock))
    }

    /// Reads the key lists as they are: finishes nothing, sweeps nothing, and makes no lock file where there is none yet.
    ///
    /// # Errors
    /// As [`Vault::read`].
    pub fn look(&self) -> Result<(Snapshot, Lock)> {
        self.check()?;
        let lock = self.folder.lock_shared_if_made()?;
        let keyring = Keyring::read(&self.folder)?;
        Ok((Snapshot { keyring }, lock))
    }

    /// Whether the key list, as it lies there, has a token.
    ///
    /// # Errors
    /// As [`Vault::look`].
    pub fn has_token(&self) -> Result<bool> {
        let keyring = self.look()?.0.keyring;
        Ok(keyring.is_some_and(|keyring| keyring.unverified().has_token()))
    }

    /// Every age file with something against it: modes, owner, a link in its place. For looking; opening finds the same.
    pub fn unreadable_files(&self) -> Result<Vec<Error>> {
        let mut troubles = Vec::new();
        for part in [SESSIONS, PASSPHRASES] {
            let part = self.folder.below(part);
            for name in part.names(".age")? {
                troubles.extend(part.read(&name).err());
            }
        }
        Ok(troubles)
    }

    fn check(&self) -> Result<()> {
        self.folder.check()?;
        for part in [
            ENTRIES,
            SESSIONS,
            PASSPHRASES,
            ROTATIONS,
            keyring::HISTORY,
            change::STAGE,
        ] {
            self.folder.below(part).check()?;
        }
        Ok(())
    }

    /// Takes the lock for writing; sweeps what a killed writer left.
    pub fn lock(&self) -> Result<Lock> {
        self.folder.ensure()?;
        let lock = self.folder.lock()?;
        change::finish(&self.folder)?;
        for part in [ENTRIES, SESSIONS, PASSPHRASES, keyring::HISTORY] {
            let part = self.folder.below(part);
            part.ensure()?;
            part.sweep();
        }
        // Most vaults have no rotation under way, and no folder for one.
        let rotations = self.rotations();
        rotations.check()?;
        rotations.sweep();
        self.folder.sweep();
        self.memory.sweep();
        Ok(lock)
    }

    /// The entries' folder.
    pub fn entries(&self) -> Folder {
        self.folder.below(ENTRIES)
    }

    /// The sessions' folder.
    pub fn sessions(&self) -> Folder {
        self.folder.below(SESSIONS)
    }

    /// The folder of the rotations that are under way; missing before the first.
    pub fn rotations(&self) -> Folder {
        self.folder.below(ROTATIONS)
    }

    /// Every file that holds an access key, as `entries/prod.age`: those of the entries, and those that wait to replace one.
    pub fn access_key_files(&self) -> Result<Vec<String>> {
        let mut files = Vec::new();
        for part in [ENTRIES, ROTATIONS] {
            let names = self.folder.below(part).names(".age")?;
            files.extend(names.into_iter().map(|name| format!("{part}/{name}")));
        }
        Ok(files)
    }

    /// Whether an access key is stored for `profile`.
    pub fn has_entry(&self, profile: &ProfileName) -> bool {
        self.entries().path().join(entry_file(profile.as_str())).exists()
    }

    /// The access key's file for `profile`, header read.
    ///
    /// # Errors
    /// [`ErrorKind::NoEntry`], with the names that come near.
    pub fn entry_file(&self, profile: &ProfileName) -> Result<AgeFile> {
        let file = entry_file(profile.as_str());
        match self.entries().read(&file)? {
            Some(bytes) => AgeFile::parse(&format!("{ENTRIES}/{file}"), bytes),
            None => Err(self.no_entry(profile)),
        }
    }

    /// Reads the header of an entry, to see whether it is an age file at all.
    pub fn read_header(&self, profile: &str) -> Result<()> {
        let file = entry_file(profile);
        let bytes = self.entries().read(&file)?.unwrap_or_default();
        AgeFile::parse(&format!("{ENTRIES}/{file}"), bytes).map(|_| ())
    }

    /// The sidecar of `profile`'s entry, if it is there and says the same profile.
    pub fn sidecar(&self, profile: &ProfileName) -> Result<Option<Sidecar>> {
        let json = self.entries().read(&sidecar_file(profile.as_str()))?;
        Ok(json
            .as_deref()
            .and_then(Sidecar::parse)
            .filter(|sidecar| sidecar.profile == profile.as_str()))
    }

    /// Every access key's entry, by profile; opens nothing.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let entries = self.entries();
        let mut listed = Vec::new();
        for file in entries.names(".age")? {
            let stem = file.strip_suffix(".age").unwrap_or_default();
            let sidecar = entries
                .read(&format!("{stem}.json"))?
                .as_deref()
                .and_then(Sidecar::parse);
            // A sidecar that was moved beside another entry says nothing about this one.
            let sidecar = sidecar.filter(|sidecar| file_stem(&sidecar.profile) == stem);
            let profile = match &sidecar {
                Some(sidecar) => sidecar.profile.clone(),
                None => name::from_stem(stem),
            };
            listed.push(Listed { profile, sidecar });
        }
        listed.sort_by(|a, b| a.profile.cmp(&b.profile));
        Ok(listed)
    }

    /// The sessions' sidecars; opens nothing.
    pub fn list_sessions(&self) -> Result<Vec<Sidecar>> {
        let sessions = self.sessions();
        let mut listed = Vec::new();
        for file in sessions.names(".json")? {
            listed.extend(sessions.read(&file)?.as_deref().and_then(Sidecar::parse));
        }
        Ok(listed)
    }

    /// The file of passphrase key `name` as messages call it.
    pub fn passphrase_place(name: &KeyName) -> String {
        format!("{PASSPHRASES}/{}.age", file_stem(name.as_str()))
    }

    /// The file that holds the identity of passphrase key `name`.
    pub fn passphrase_file(&self, name: &KeyName) -> Result<Vec<u8>> {
        let file = format!("{}.age", file_stem(name.as_str()));
        self.folder.below(PASSPHRASES).read(&file)?.ok_or_else(|| {
            Error::new(
                ErrorKind::Damaged,
                format!("{} is missing, so {name} can't be used", Self::passphrase_place(name)),
            )
            .hint("restore it from a backup, or open the entry with another key")
        })
    }

    /// The error for a profile without an access key, with the names that there are.
    pub fn no_entry(&self, profile: &ProfileName) -> Error {
        // In a folder that can't be trusted nothing is found; that is what the person has to know.
        if let Err(error) = self.folder.check().and_then(|()| self.entries().check()) {
            return error;
        }
        let names: Vec<String> = self
            .list()
            .unwrap_or_default()
            .into_iter()
            .map(|listed| listed.profile)
            .collect();
        let error = Error::new(ErrorKind::NoEntry, format!("the vault has no access key for {profile}"));
        let close = crate::profile::close(profile.as_str(), names.iter().map(String::as_str));
        match (names.is_empty(), close.first()) {
            (true, _) => error.hint(format!("the vault is empty: tapvault add {}", profile.in_command())),
            (false, Some(close)) => error.hint(format!("did you mean {close}? `tapvault list` shows all")),
            (false, None) => error.hint(format!(
                "tapvault add {} puts one there; `tapvault list` shows what there is",
                profile.in_command()
            )),
        }
    }
}

/// The file of a profile's access key, in [`ENTRIES`].
pub(crate) fn entry_file(profile: &str) -> String {
    format!("{}.age", file_stem(profile))
}

/// The file of its sidecar.
pub(crate) fn sidecar_file(profile: &str) -> String {
    format!("{}.json", file_stem(profile))
}
