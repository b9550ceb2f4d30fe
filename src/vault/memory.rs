//! What this machine has seen of a vault, so that an old copy put back is noticed. Lies in the state folder, not in the vault.
//!
//! A fresh machine has no memory; it asks once. The memory holds no secret, only counters and digests.

use super::folder::Folder;
use super::keyring::{Keyring, TrustedList};
use super::name::hex;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::words;
use crate::wrap::KeyName;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The file in the state folder.
const FILE: &str = "seen.json";

/// What is remembered of all vaults, by their random names.
#[derive(Default, Serialize, Deserialize)]
struct Seen {
    vaults: BTreeMap<String, SeenVault>,
}

#[derive(Default, Serialize, Deserialize)]
struct SeenVault {
    /// The highest generation of the key list.
    generation: u64,
    /// SHA-256 of that list, hex.
    list: String,
    /// The highest generation of each profile's entry, and which entry it was.
    #[serde(default)]
    entries: BTreeMap<String, SeenEntry>,
    /// On which day each key was last used here.
    #[serde(default)]
    used: BTreeMap<String, Date>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SeenEntry {
    generation: u64,
    entry: String,
    /// Removed on this machine: the same entry must not come back, another one may take its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
}

/// How the vault's key list compares with what was seen.
#[derive(Debug, PartialEq, Eq)]
pub enum Familiarity {
    /// The same, or newer.
    Known,
    /// This machine has never seen this vault.
    Stranger,
}

/// The memory of this machine.
pub struct Memory {
    folder: Folder,
}

impl Memory {
    /// In the state folder `state`.
    pub fn in_folder(state: Folder) -> Self {
        Memory { folder: state }
    }

    /// Compares the verified list with what was seen. `keyring` is where it was verified.
    ///
    /// # Errors
    /// [`ErrorKind::Rollback`] when the list is older, [`ErrorKind::Conflict`] when it is another of the same generation, or a
    /// newer one that does not continue the one that was seen.
    pub fn compare_list(&self, keyring: &Keyring, trusted: &TrustedList) -> Result<Familiarity> {
        let list = trusted.list();
        let seen = self.read()?;
        let Some(seen) = seen.vaults.get(&list.vault) else {
            return Ok(Familiarity::Stranger);
        };
        let way_on = "if you know why (a restored backup), `tapvault key trust` accepts it as it is now";
        if list.generation < seen.generation {
            return Err(Error::new(
                ErrorKind::Rollback,
                format!(
                    "the key list is generation {}; this machine has seen {}. An old copy of the vault was put back",
                    list.generation, seen.generation
                ),
            )
            .hint(way_on));
        }
        if list.generation == seen.generation && seen.list != hex(&trusted.digest()) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "two key lists of generation {} exist: keys were changed on two machines at once",
                    list.generation
                ),
            )
            .hint("keep the vault of one machine, and enroll or remove on it what the other one had")
            .hint(way_on));
        }
        if !keyring.continues(seen.generation, &seen.list)? {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "the key list of generation {} does not continue the one of generation {} that this machine has seen; a key that was removed may have made it",
                    list.generation, seen.generation
                ),
            )
            .hint("look at `tapvault key list` before anything else: whose keys are these?")
            .hint(way_on));
        }
        Ok(Familiarity::Known)
    }

    /// Compares an opened entry's generation with what was seen. `file` is for the message.
    ///
    /// # Errors
    /// As [`Memory::compare_list`].
    pub fn compare_entry(&self, vault: &str, profile: &str, generation: u64, entry: &str, file: &str) -> Result<()> {
        let seen = self.read()?;
        let Some(seen) = seen.vaults.get(vault).and_then(|vault| vault.entries.get(profile)) else {
            return Ok(());
        };
        let way_on = "restore the newer one; or, if you know why, `tapvault key trust` accepts the vault as it is now";
        if generation < seen.generation {
            return Err(Error::new(
                ErrorKind::Rollback,
                format!(
                    "{file} is generation {generation}; this machine has seen {}. An old copy was put back",
                    seen.generation
                ),
            )
            .hint(way_on));
        }
        if seen.removed && entry == seen.entry {
            return Err(Error::new(
                ErrorKind::Rollback,
                format!("{file} was removed on this machine. An old copy was put back"),
            )
            .hint(format!(
                "tapvault add --force {} puts a key there for good",
                words::in_command(profile)
            ))
            .hint("if you know why, `tapvault key trust` accepts the vault as it is now"));
        }
        if generation == seen.generation && entry != seen.entry && !seen.removed {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "{file} is another entry than the one this machine knows: it was added on two machines at once"
                ),
            )
            .hint(way_on));
        }
        Ok(())
    }

    /// The highest generation seen for a profile's entry; 0 when none was.
    pub fn generation_of(&self, vault: &str, profile: &str) -> Result<u64> {
        Ok(self
            .read()?
            .vaults
            .get(vault)
            .and_then(|vault| vault.entries.get(profile))
            .map_or(0, |entry| entry.generation))
    }

    /// On which day each key was last used on this machine.
    pub fn last_used(&self, vault: &str) -> Result<BTreeMap<String, Date>> {
        Ok(self
            .read()?
            .vaults
            .remove(vault)
            .map(|vault| vault.used)
            .unwrap_or_default())
    }

    /// Records the list.
    pub fn remember_list(&self, trusted: &TrustedList) -> Result<()> {
        let list = trusted.list();
        self.change(&list.vault, |seen| {
            let digest = hex(&trusted.digest());
            let newer = list.generation > seen.generation;
            if newer {
                seen.generation = list.generation;
                seen.list = digest;
            }
            newer
        })
    }

    /// Records an entry, and that `key` was used on the day of `now`.
    pub fn remember_entry(&self, vault: &str, profile: &str, generation: u64, entry: &str) -> Result<()> {
        let now = SeenEntry {
            generation,
            entry: entry.to_owned(),
            removed: false,
        };
        self.change(vault, |seen| {
            let known = seen.entries.get(profile);
            if known == Some(&now) || known.is_some_and(|known| known.generation > generation) {
                return false;
            }
            seen.entries.insert(profile.to_owned(), now.clone());
            true
        })
    }

    /// Records that the entry of `profile` was removed here. One that was never opened here is not known to the memory.
    pub fn remember_removal(&self, vault: &str, profile: &str) -> Result<()> {
        self.change(vault, |seen| match seen.entries.get_mut(profile) {
            Some(entry) if !entry.removed => {
                entry.removed = true;
                true
            }
            Some(_) | None => false,
        })
    }

    /// Records that `key` was used. A day is fine enough, and keeps this from being written at every use.
    pub fn remember_use(&self, vault: &str, key: &KeyName, now: Timestamp) -> Result<()> {
        let day = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        self.change(vault, |seen| seen.used.insert(key.to_string(), day) != Some(day))
    }

    /// Forgets the vault, and records its list as it is now.
    pub fn start_anew(&self, trusted: &TrustedList) -> Result<()> {
        let list = trusted.list();
        self.change(&list.vault, |seen| {
            *seen = SeenVault {
                generation: list.generation,
                list: hex(&trusted.digest()),
                used: std::mem::take(&mut seen.used),
                entries: BTreeMap::new(),
            };
            true
        })
    }

    /// Removes what a killed command left, unless somebody is writing now.
    pub(super) fn sweep(&self) {
        if self.folder.exists()
            && let Ok(Some(_lock)) = self.folder.try_lock()
        {
            self.folder.sweep();
        }
    }

    /// Changes what is known of `vault` under the lock; written only when `change` says that something is new.
    fn change(&self, vault: &str, change: impl Fn(&mut SeenVault) -> bool) -> Result<()> {
        // A look without the lock: nearly always nothing is new, and readers must not queue.
        let mut seen = self.read()?;
        if !change(seen.vaults.entry(vault.to_owned()).or_default()) {
            return Ok(());
        }
        self.folder.ensure()?;
        let _lock = self.folder.lock()?;
        self.folder.sweep();
        let mut seen = self.read()?;
        if change(seen.vaults.entry(vault.to_owned()).or_default()) {
            let json = serde_json::to_vec(&seen).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
            self.folder.replace(FILE, &json)?;
        }
        Ok(())
    }

    fn read(&self) -> Result<Seen> {
        // Who can write the folder can put an old memory back beside an old vault.
        self.folder.check()?;
        let Some(json) = self.folder.read(FILE)? else {
            return Ok(Seen::default());
        };
        serde_json::from_slice(&json).map_err(|err| {
            Error::new(
                ErrorKind::Damaged,
                format!(
                    "{} is damaged (line {})",
                    self.folder.path().join(FILE).display(),
                    err.line()
                ),
            )
            .hint("remove it; the next use asks whether the vault is the one you expect")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> (tempfile::TempDir, Memory) {
        let dir = tempfile::tempdir().expect("a folder");
        let memory = Memory::in_folder(Folder::at(dir.path().join("state")));
        (dir, memory)
    }

    #[test]
    fn an_older_entry_is_a_rollback_and_a_twin_is_a_conflict() {
        let (_dir, memory) = memory();
        memory.remember_entry("v", "prod", 3, "c").expect("remembered");
        let kind = |generation, entry| {
            memory
                .compare_entry("v", "prod", generation, entry, "f")
                .err()
                .map(|e| e.kind())
        };
        assert_eq!(kind(2, "b"), Some(ErrorKind::Rollback));
        assert_eq!(kind(3, "x"), Some(ErrorKind::Conflict));
        assert_eq!(kind(3, "c"), None);
        assert_eq!(kind(4, "d"), None);
    }

    #[test]
    fn a_removed_entry_does_not_come_back_and_another_one_may() {
        let (_dir, memory) = memory();
        memory.remember_entry("v", "prod", 1, "a").expect("remembered");
        memory.remember_removal("v", "prod").expect("remembered");
        memory.remember_removal("v", "dev").expect("never seen");
        let kind = |generation, entry| {
            memory
                .compare_entry("v", "prod", generation, entry, "f")
                .err()
                .map(|e| e.kind())
        };
        assert_eq!(kind(1, "a"), Some(ErrorKind::Rollback));
        // Added on a machine that had never seen the first one.
        assert_eq!(kind(1, "b"), None);
        assert_eq!(kind(2, "c"), None);
        memory.remember_entry("v", "prod", 2, "c").expect("remembered");
        assert_eq!(kind(1, "b"), Some(ErrorKind::Rollback));
    }

    #[test]
    fn an_older_entry_never_lowers_the_memory() {
        let (_dir, memory) = memory();
        memory.remember_entry("v", "prod", 3, "c").expect("remembered");
        memory.remember_entry("v", "prod", 2, "b").expect("ignored");
        assert_eq!(memory.generation_of("v", "prod").expect("read"), 3);
    }
}
