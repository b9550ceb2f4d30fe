//! The enrolled keys, as a chain of lists: each version is vouched for by a key of the version before.
//!
//! Whoever can write the folder can put anything into `keys.json`. So nothing is sealed to it, and nothing opened is
//! believed, until the key that is present has found its own voucher and walked forward from there ([`Keyring::verify`]).

use super::folder::Folder;
use super::name::hex;
use super::payload::FORMAT;
use crate::error::{Error, ErrorKind, Result};
use crate::wrap::{EnrolledKey, KeyKind, KeyName, PresentKey, Verifier};
use age::Recipient;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// The current version's file.
pub const LIST_FILE: &str = "keys.json";

/// The folder of the earlier versions, one file each: `000001.json` and so on.
pub const HISTORY: &str = "keys.d";

/// The most keys that a list may have. More than anybody enrolls, and few enough to be checked against each other.
const MOST_KEYS: usize = 64;

/// The most vouchers that are looked at: tapvault writes two. Each costs a verification with each key.
const MOST_VOUCHERS: usize = 16;

/// The signed part of `keys.json`. Its exact bytes are what vouchers sign.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyList {
    /// The format's version, [`FORMAT`].
    pub tapvault: u32,
    /// The vault's random name, 16 bytes in hex: keeps lists of two vaults apart.
    pub vault: String,
    /// 1 for the first list, then one more for each.
    pub generation: u64,
    /// SHA-256 of the previous list's exact bytes, hex; absent in the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// SHA-256 of the vault secret K, hex.
    pub vault_secret_sha256: String,
    /// Whether keys without presence were kept beside a token (`--allow-touchless`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub touchless_beside_token: bool,
    /// The keys, in the order in which they are tried.
    pub keys: Vec<EnrolledKey>,
}

impl KeyList {
    /// The key of that name.
    pub fn key(&self, name: &KeyName) -> Option<&EnrolledKey> {
        self.keys.iter().find(|key| key.name == *name)
    }

    /// The key whose vouchers are checked with `verifier`.
    pub fn key_of(&self, verifier: &Verifier) -> Option<&EnrolledKey> {
        self.keys
            .iter()
            .find(|key| key.verifier().ok().as_ref() == Some(verifier))
    }

    /// Whether a token is enrolled, so that every use needs a touch unless touchless keys were allowed beside it.
    pub fn has_token(&self) -> bool {
        self.keys.iter().any(EnrolledKey::needs_touch)
    }

    /// What has to be said at each use: that no touch stands before the entries, or a weaker one. `quiet` leaves out the former.
    pub fn presence_notes(&self, quiet: bool) -> Vec<String> {
        let mut notes = Vec::new();
        for key in &self.keys {
            if let KeyKind::Piv(details) = &key.kind
                && let Some(weakness) = details.weakness()
            {
                notes.push(format!("presence of {} is weaker: {weakness}", key.name));
            }
        }
        if quiet {
            return notes;
        }
        if !self.has_token() {
            notes.push(
                "presence: none (no token is enrolled; any program of yours that can use the key can open the entries)"
                    .into(),
            );
        } else if self.touchless_beside_token {
            notes.push("presence: none (a key without a touch is enrolled beside the token)".into());
        }
        notes
    }

    /// SHA-256 of K.
    pub fn secret_digest(&self) -> [u8; 32] {
        let mut digest = [0; 32];
        // Checked in `Version::parse`.
        if let Some(bytes) = unhex(&self.vault_secret_sha256) {
            digest = bytes;
        }
        digest
    }

    /// "yubikey-1 and paper".
    pub fn names(&self) -> String {
        join_and(self.keys.iter().map(|key| key.name.as_str()))
    }
}

/// "a, b and c".
pub fn join_and<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<&str> = items.collect();
    match items.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// A key's signature over a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Voucher {
    /// The key's name, for people who read the file; a signature is checked with every verifier of the list before.
    pub key: KeyName,
    /// Base64 of the signature (see [`Verifier`]).
    pub signature: String,
}

/// The whole of `keys.json`.
#[derive(Serialize, Deserialize)]
struct Document {
    list: Box<RawValue>,
    vouchers: Vec<Voucher>,
}

/// One version of the list, parsed and not yet believed.
pub struct Version {
    bytes: Vec<u8>,
    list: KeyList,
    vouchers: Vec<Voucher>,
}

impl Version {
    /// Draws up a list, to be vouched for.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it has more keys than would be read back.
    pub fn draft(list: KeyList) -> Result<Self> {
        if list.keys.len() > MOST_KEYS {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("a vault can have {MOST_KEYS} keys at most"),
            )
            .hint("remove one that is no longer used: tapvault key remove NAME"));
        }
        let bytes = serde_json::to_vec(&list)
            .map_err(|err| Error::new(ErrorKind::Other, format!("writing the key list: {err}")))?;
        Ok(Version {
            bytes,
            list,
            vouchers: Vec::new(),
        })
    }

    /// Has `key` sign it.
    pub fn vouch(
        &mut self,
        key: &mut dyn PresentKey,
        purpose: &str,
        touches: &mut crate::presence::Touches<'_>,
    ) -> Result<()> {
        let signature = key.vouch(&self.bytes, purpose, touches)?;
        self.vouchers.push(Voucher {
            key: key.name().clone(),
            signature: BASE64_STANDARD.encode(signature),
        });
        Ok(())
    }

    /// Reads one version.
    pub fn parse(file: &str, document: &[u8]) -> Result<Self> {
        let damaged = |what: &str| {
            Error::new(ErrorKind::Damaged, format!("{file} {what}"))
                .hint("restore it from a backup; entries and keys are not lost: stock `age -d` opens each entry with any of its keys")
        };
        let document: Document = serde_json::from_slice(document)
            .map_err(|err| damaged(&format!("is damaged (line {}, column {})", err.line(), err.column())))?;
        let bytes = document.list.get().as_bytes().to_vec();
        let list: KeyList = serde_json::from_slice(&bytes).map_err(|err| damaged(&format!("is damaged: {err}")))?;
        if list.tapvault != FORMAT {
            return Err(damaged(&format!(
                "has format {}, newer than this tapvault knows ({FORMAT})",
                list.tapvault
            ))
            .hint("install the tapvault that wrote it"));
        }
        if unhex(&list.vault_secret_sha256).is_none() {
            return Err(damaged("names no vault secret"));
        }
        if list.generation == 0 || list.previous.is_some() != (list.generation > 1) {
            return Err(damaged("has no place in the chain of lists"));
        }
        // Before anything that takes longer the more there are.
        if list.keys.len() > MOST_KEYS || document.vouchers.len() > MOST_VOUCHERS {
            return Err(damaged(&format!(
                "has {} keys and {} vouchers, more than tapvault writes",
                list.keys.len(),
                document.vouchers.len()
            )));
        }
        for (position, key) in list.keys.iter().enumerate() {
            key.to_recipient().map_err(|error| error.within(file))?;
            key.verifier().map_err(|error| error.within(file))?;
            if list.keys[..position]
                .iter()
                .any(|other| other.name == key.name || other.recipient == key.recipient)
            {
                return Err(damaged(&format!("has two keys called {}", key.name)));
            }
        }
        Ok(Version {
            bytes,
            list,
            vouchers: document.vouchers,
        })
    }

    /// The bytes of the file.
    pub fn to_document(&self) -> Result<Vec<u8>> {
        let failed = |err: serde_json::Error| Error::new(ErrorKind::Other, format!("writing the key list: {err}"));
        let raw = String::from_utf8(self.bytes.clone()).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        let document = Document {
            list: RawValue::from_string(raw).map_err(failed)?,
            vouchers: self.vouchers.clone(),
        };
        let mut json = serde_json::to_vec(&document).map_err(failed)?;
        json.push(b'\n');
        Ok(json)
    }

    /// The list, not yet believed.
    pub fn list(&self) -> &KeyList {
        &self.list
    }

    /// SHA-256 of the list's exact bytes.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }

    /// The file name of this version in [`HISTORY`].
    pub fn history_file(&self) -> String {
        history_file(self.list.generation)
    }

    fn is_vouched_by(&self, verifier: &Verifier) -> bool {
        self.vouchers.iter().any(|voucher| {
            BASE64_STANDARD
                .decode(&voucher.signature)
                .is_ok_and(|signature| verifier.accepts(&self.bytes, &signature))
        })
    }

    /// Whether this version follows `before`: next in number, names its digest, and one of its keys vouches.
    pub(super) fn follows(&self, before: &KeyList, digest: [u8; 32]) -> bool {
        self.list.vault == before.vault
            && Some(self.list.generation) == before.generation.checked_add(1)
            && self.list.previous.as_deref() == Some(&hex(&digest))
            && before
                .keys
                .iter()
                .filter_map(|key| key.verifier().ok())
                .any(|verifier| self.is_vouched_by(&verifier))
    }
}

/// A key list that the present key has verified. Only this one is sealed to.
#[derive(Clone)]
pub struct TrustedList {
    list: KeyList,
    digest: [u8; 32],
}

impl TrustedList {
    /// The list.
    pub fn list(&self) -> &KeyList {
        &self.list
    }

    /// SHA-256 of its exact bytes.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// What entries are sealed to.
    pub fn recipients(&self) -> Result<Vec<Box<dyn Recipient>>> {
        self.list.keys.iter().map(EnrolledKey::to_recipient).collect()
    }

    /// The list of `version`, if it follows this one: next in number, names its digest, and one of its keys vouches.
    ///
    /// # Errors
    /// [`ErrorKind::Forged`] when it does not.
    pub(super) fn successor(&self, version: &Version) -> Result<Self> {
        if !version.follows(&self.list, self.digest) {
            return Err(forged(format!(
                "version {} was not vouched for by a key of the one before",
                version.list.generation
            )));
        }
        Ok(Self::own(version))
    }

    /// A list that this command has made and vouched for itself.
    pub(super) fn own(version: &Version) -> Self {
        TrustedList {
            list: version.list.clone(),
            digest: version.digest(),
        }
    }
}

/// The current list and, when needed, the way to it.
pub struct Keyring {
    current: Version,
    history: Folder,
}

impl Keyring {
    /// Reads `keys.json` of the vault; `None` when no key was ever enrolled.
    pub fn read(vault: &Folder) -> Result<Option<Self>> {
        let Some(document) = vault.read(LIST_FILE)? else {
            return Ok(None);
        };
        let current = Version::parse(&vault.path().join(LIST_FILE).display().to_string(), &document)?;
        Ok(Some(Keyring {
            current,
            history: vault.below(HISTORY),
        }))
    }

    /// The current list, *not verified*: for showing it and for choosing which key to look for, never for sealing.
    pub fn unverified(&self) -> &KeyList {
        &self.current.list
    }

    /// SHA-256 of the current list's bytes, to notice that it changed.
    pub fn digest(&self) -> [u8; 32] {
        self.current.digest()
    }

    /// The current version, to be moved into the history.
    pub fn current(&self) -> &Version {
        &self.current
    }

    /// Verifies the current list with the key that is present.
    ///
    /// The newest version that carries the key's own voucher is believed; each later one has to be vouched for by a key of
    /// the one before. So a token from the drawer catches up, and a folder writer can't add a recipient.
    ///
    /// # Errors
    /// [`ErrorKind::Forged`] when no chain of vouchers leads to the current list.
    pub fn verify(&self, key: &dyn PresentKey) -> Result<TrustedList> {
        let verifier = key.proven_verifier();
        let listed = |version: &Version| version.list.key_of(verifier).is_some();
        if !listed(&self.current) {
            return Err(forged(format!(
                "{} is not in it under the public key that it proves",
                key.name()
            )));
        }
        if !self.current.is_vouched_by(verifier) {
            self.walk(&mut |version| listed(version) && version.is_vouched_by(verifier))
                .map_err(|error| error.within(format!("verifying the key list with {}", key.name())))?;
        }
        Ok(TrustedList {
            list: self.current.list.clone(),
            digest: self.current.digest(),
        })
    }

    /// Whether the current list continues the one of `generation` with this digest: link by link, each vouched for.
    ///
    /// A key that was removed can still vouch for a second list that follows the last one it was in. Such a fork verifies
    /// with every key that vouched before it, but it does not lead through the lists that a machine has seen.
    pub fn continues(&self, generation: u64, digest: &str) -> Result<bool> {
        if self.current.list.generation == generation {
            return Ok(hex(&self.current.digest()) == digest);
        }
        let mut seen = None;
        self.walk(&mut |version| {
            let reached = version.list.generation == generation;
            reached.then(|| seen.replace(hex(&version.digest())));
            reached
        })?;
        Ok(seen.as_deref() == Some(digest))
    }

    /// Walks back until `anchor` holds, checking each link.
    fn walk(&self, anchor: &mut dyn FnMut(&Version) -> bool) -> Result<()> {
        let mut later: Option<Version> = None;
        loop {
            let version = later.as_ref().unwrap_or(&self.current);
            if version.list.generation == 1 {
                return Err(forged("no version of it carries this key's voucher".into()));
            }
            let file = history_file(version.list.generation - 1);
            let Some(document) = self.history.read(&file)? else {
                return Err(forged(format!("it follows {HISTORY}/{file}, which is missing")));
            };
            let before = Version::parse(&format!("{HISTORY}/{file}"), &document)?;
            if !version.follows(&before.list, before.digest()) {
                return Err(forged(format!(
                    "version {} was not vouched for by a key of version {}",
                    version.list.generation,
                    version.list.generation - 1
                )));
            }
            if anchor(&before) {
                return Ok(());
            }
            later = Some(before);
        }
    }
}

fn history_file(generation: u64) -> String {
    format!("{generation:06}.json")
}

fn forged(what: String) -> Error {
    Error::new(ErrorKind::Forged, format!("the key list can't be believed: {what}"))
        .hint("somebody with write access changed it; restore keys.json and keys.d from a backup")
        .hint("your entries are not lost: stock `age -d` opens each with any key that it was sealed to")
}

pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
