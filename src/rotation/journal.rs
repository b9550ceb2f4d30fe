//! How far a rotation has come: a small clear file in the vault, written before each step that could be cut short. No secret is
//! in it, and nothing that it says is believed where AWS or a sealed file says otherwise.
//!
//! It names access keys that are switched off and deleted unasked, so it carries a proof that who wrote it had opened the vault.

use crate::context::host_name;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::ProfileName;
use crate::secret::VaultSecret;
use crate::vault::name::file_stem;
use crate::vault::payload::FORMAT;
use crate::vault::{Vault, proof};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What `rotations/PROFILE.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The format's version.
    pub tapvault: u32,
    /// The profile in full.
    pub profile: String,
    /// The step that was about to be taken.
    pub stage: Stage,
    /// The access key that goes.
    pub old: String,
    /// The access keys that IAM listed before a new one was asked for.
    pub known: Vec<String>,
    /// When new ones were asked for, as long as it is not known what came of it.
    pub attempts: Vec<Timestamp>,
    /// The new access key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// When this was written.
    pub at: Timestamp,
    /// On which machine.
    pub host: String,
}

/// The steps of a rotation that leave something behind when they are cut short, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// CreateAccessKey is called; then the new key is sealed.
    Creating,
    /// The new key is sealed beside the entry. It is opened once more, and tried.
    Proving,
    /// The new key works. It takes the entry's place.
    Switching,
    /// The entry has the new key. The old one is switched off at AWS.
    Retiring,
    /// The old key is off, and waits to be deleted.
    Retired,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Stage; 5] = [
        Stage::Creating,
        Stage::Proving,
        Stage::Switching,
        Stage::Retiring,
        Stage::Retired,
    ];

    /// What a rotation that stopped here had done last: reads after "stopped".
    pub fn after(self) -> &'static str {
        match self {
            Stage::Creating => "at CreateAccessKey",
            Stage::Proving => "after the new key was sealed",
            Stage::Switching => "after the new key proved to work",
            Stage::Retiring => "after the new key took its place",
            Stage::Retired => "before the old key was deleted",
        }
    }
}

impl Journal {
    /// The journal of the entry `profile`, for what is said; `None` when no rotation has left one. Who wrote it is not asked.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when it can't be understood, or speaks of another profile.
    pub fn read(vault: &Vault, profile: &ProfileName) -> Result<Option<Self>> {
        let name = file(profile);
        let Some(json) = vault.rotations().read(&name)? else {
            return Ok(None);
        };
        let journal: Option<Journal> = serde_json::from_slice(&json).ok();
        journal
            .filter(|journal| journal.tapvault == FORMAT && journal.profile == profile.as_str())
            .map(Some)
            .ok_or_else(|| {
                let path = vault.rotations().path().join(&name);
                Error::new(
                    ErrorKind::Damaged,
                    format!("{} is no journal of a rotation of {profile}", path.display()),
                )
                .hint(
                    "restore it from a backup; or remove it: then the access keys that AWS has tell what is left to do",
                )
            })
    }

    /// As [`Journal::read`], for what is done.
    ///
    /// # Errors
    /// [`ErrorKind::Forged`] when who wrote it did not have `secret`, the vault's K.
    pub fn read_proven(vault: &Vault, profile: &ProfileName, secret: &VaultSecret) -> Result<Option<Self>> {
        let Some(file) = vault.rotations().read(&file(profile))? else {
            return Ok(None);
        };
        if proof::holds(&file, secret) {
            return Journal::read(vault, profile);
        }
        let path = vault.rotations().path().join(self::file(profile));
        Err(Error::new(
            ErrorKind::Forged,
            format!("{} was not written with the keys of this vault; nothing was done", path.display()),
        )
        .hint(format!(
            "somebody else writes into the vault's folder, or a synced folder has brought an old file. Remove it, and the access keys that AWS has tell what is left to do: rm {}",
            path.display()
        )))
    }

    /// Writes it, proven with `secret`, the vault's K; it is on the disk when this returns.
    pub fn write(&self, vault: &Vault, secret: &VaultSecret) -> Result<()> {
        let json = proof::stamp(self, secret)?;
        let _lock = vault.lock()?;
        vault.rotations().ensure()?;
        vault
            .rotations()
            .replace(&format!("{}.json", file_stem(&self.profile)), &json)
    }

    /// Removes it: nothing is left to do.
    pub fn remove(vault: &Vault, profile: &ProfileName) -> Result<()> {
        let _lock = vault.lock()?;
        if vault.rotations().remove(&file(profile))? {
            vault.rotations().sync()?;
        }
        Ok(())
    }

    /// A rotation that is about to ask for a new key in the place of `old`.
    pub fn begin(profile: &ProfileName, old: &str, known: Vec<String>, now: Timestamp) -> Self {
        Journal {
            tapvault: FORMAT,
            profile: profile.to_string(),
            stage: Stage::Creating,
            old: old.to_owned(),
            known,
            attempts: vec![now],
            new: None,
            at: now,
            host: host_name(),
        }
    }

    /// Whether something is left that a rotation would do by itself; the old key's deletion is not.
    pub fn is_interrupted(&self) -> bool {
        self.stage != Stage::Retired
    }
}

fn file(profile: &ProfileName) -> String {
    format!("{}.json", file_stem(profile.as_str()))
}
