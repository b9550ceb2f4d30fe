//! The kinds of key that open entries, and what each can do: wrap a file key, unwrap one, vouch for the key list.
//!
//! Which keys are enrolled, and which list of them is genuine, is `vault::keyring`'s affair. How a device is spoken to is `token`'s.

pub mod fido2;
#[cfg(feature = "keychain")]
pub mod keychain;
pub mod passphrase;
pub mod piv;
pub mod recovery;
mod software;

use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::token::{Serial, TouchPolicy};
use age::Recipient;
use age_core::format::{FileKey, Stanza};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use p256::ecdsa::signature::Verifier as _;
use serde::{Deserialize, Serialize};

pub use fido2::Fido2Details;
pub use piv::PivDetails;
pub use software::SoftwareKey;

/// What a voucher signs: this, then the exact bytes of the key list. Keeps it apart from every other signature of the key.
const VOUCHER_DOMAIN: &[u8] = b"tapvault key list v1\n";

/// A key as the key list records it. All of it is public.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EnrolledKey {
    /// What people call it.
    pub name: KeyName,
    /// The age recipient that entries are sealed to: `age1yubikey1...` or `age1...`.
    pub recipient: String,
    /// When it was enrolled.
    pub enrolled: Timestamp,
    /// On which machine.
    pub host: String,
    /// What kind it is, with what only that kind has.
    #[serde(flatten)]
    pub kind: KeyKind,
}

/// The kinds of key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum KeyKind {
    /// A YubiKey's PIV slot.
    Piv(PivDetails),
    /// A FIDO2 token's hmac-secret.
    Fido2(Fido2Details),
    /// An X25519 identity in a file of the vault, under a passphrase.
    Passphrase {
        /// What its vouchers are checked with.
        verifier: SoftwareVerifier,
    },
    /// An X25519 identity in the operating system's secret store.
    Keychain {
        /// What its vouchers are checked with.
        verifier: SoftwareVerifier,
    },
    /// An X25519 identity on paper.
    Recovery {
        /// What its vouchers are checked with.
        verifier: SoftwareVerifier,
    },
}

impl EnrolledKey {
    /// The YubiKey that it is on, if it is a PIV key: what its OATH accounts are looked for by.
    pub fn serial(&self) -> Option<Serial> {
        match &self.kind {
            KeyKind::Piv(details) => Some(details.serial),
            KeyKind::Fido2(_) | KeyKind::Passphrase { .. } | KeyKind::Keychain { .. } | KeyKind::Recovery { .. } => {
                None
            }
        }
    }

    /// The token as people call it, if it is on one.
    pub fn token(&self) -> Option<String> {
        match &self.kind {
            KeyKind::Piv(details) => Some(details.token()),
            KeyKind::Fido2(details) => Some(details.token()),
            KeyKind::Passphrase { .. } | KeyKind::Keychain { .. } | KeyKind::Recovery { .. } => None,
        }
    }

    /// The recipient in the form that age seals to.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when the text in the key list is no recipient of its kind.
    pub fn to_recipient(&self) -> Result<Box<dyn Recipient>> {
        match &self.kind {
            KeyKind::Piv(_) => Ok(Box::new(self.piv_recipient()?)),
            KeyKind::Fido2(_) | KeyKind::Keychain { .. } | KeyKind::Passphrase { .. } | KeyKind::Recovery { .. } => {
                let recipient: age::x25519::Recipient =
                    self.recipient.parse().map_err(|_| self.malformed("recipient"))?;
                Ok(Box::new(recipient))
            }
        }
    }

    /// The recipient of a PIV key, also for recognising its stanzas.
    pub fn piv_recipient(&self) -> Result<piv::PivRecipient> {
        self.recipient.parse().map_err(|_| self.malformed("recipient"))
    }

    /// The public key that its vouchers are checked with.
    pub fn verifier(&self) -> Result<Verifier> {
        match &self.kind {
            KeyKind::Piv(_) => Ok(Verifier::P256(self.piv_recipient()?.point().compressed())),
            KeyKind::Fido2(Fido2Details { verifier, .. })
            | KeyKind::Keychain { verifier }
            | KeyKind::Passphrase { verifier }
            | KeyKind::Recovery { verifier } => Ok(Verifier::Ed25519(verifier.0)),
        }
    }

    /// Whether a human has to touch something for it to be used.
    pub fn needs_touch(&self) -> bool {
        match &self.kind {
            KeyKind::Piv(details) => details.touch_policy != TouchPolicy::Never,
            // A token gives no output without a touch (CTAP 2.1, 12.5).
            KeyKind::Fido2(_) => true,
            KeyKind::Keychain { .. } | KeyKind::Passphrase { .. } | KeyKind::Recovery { .. } => false,
        }
    }

    /// How many touches it takes to open so many files in one command, before any was opened.
    pub fn touches_for(&self, openings: usize) -> usize {
        match &self.kind {
            KeyKind::Piv(_) if self.needs_touch() => openings,
            // What the first touch gives opens the others.
            KeyKind::Fido2(_) => openings.min(1),
            KeyKind::Piv(_) | KeyKind::Keychain { .. } | KeyKind::Passphrase { .. } | KeyKind::Recovery { .. } => 0,
        }
    }

    /// Whether anything that this key opens without a touch could be opened at any time by a program of the same user.
    /// A recovery key lies on paper, so it is not one of these.
    pub fn is_touchless(&self) -> bool {
        match &self.kind {
            KeyKind::Piv(details) => details.touch_policy == TouchPolicy::Never,
            KeyKind::Fido2(_) | KeyKind::Recovery { .. } => false,
            KeyKind::Keychain { .. } | KeyKind::Passphrase { .. } => true,
        }
    }

    /// The kind in a word, as `key list` shows it.
    pub fn kind_word(&self) -> String {
        match &self.kind {
            KeyKind::Piv(details) => format!("PIV {}", details.slot_hex()),
            KeyKind::Fido2(_) => "FIDO2".into(),
            KeyKind::Keychain { .. } => "keychain".into(),
            KeyKind::Passphrase { .. } => "passphrase".into(),
            KeyKind::Recovery { .. } => "recovery".into(),
        }
    }

    /// What presence and verification it asks for, as `key list` shows it.
    pub fn presence_word(&self) -> String {
        match &self.kind {
            KeyKind::Piv(details) => details.presence_word(),
            KeyKind::Fido2(details) => details.presence_word().into(),
            KeyKind::Keychain { .. } => "none".into(),
            KeyKind::Passphrase { .. } => "none, passphrase".into(),
            KeyKind::Recovery { .. } => "none, on paper".into(),
        }
    }

    fn malformed(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::Damaged,
            format!("the key list has a malformed {what} for {}", self.name),
        )
        .hint("restore keys.json from a backup")
    }
}

/// The name of an enrolled key: letters, digits, `.`, `_`, `-`; 1 to 64 characters, none of the punctuation first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyName(String);

impl KeyName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for KeyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for KeyName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let well_formed = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            && text.as_bytes()[0].is_ascii_alphanumeric();
        if well_formed {
            Ok(KeyName(text.to_owned()))
        } else {
            Err(
                "a key name has 1 to 64 letters, digits, dots, dashes or underscores and begins with a letter or digit"
                    .into(),
            )
        }
    }
}

impl TryFrom<String> for KeyName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<KeyName> for String {
    fn from(name: KeyName) -> String {
        name.0
    }
}

/// An Ed25519 public key in the key list, base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SoftwareVerifier(pub [u8; 32]);

impl TryFrom<String> for SoftwareVerifier {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        BASE64_STANDARD
            .decode(text)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(SoftwareVerifier)
            .ok_or_else(|| "a verifier has 32 bytes in base64".into())
    }
}

impl From<SoftwareVerifier> for String {
    fn from(verifier: SoftwareVerifier) -> String {
        BASE64_STANDARD.encode(verifier.0)
    }
}

/// The public half of what a key vouches with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verifier {
    /// A PIV slot key: ECDSA over P-256 and SHA-256 (FIPS 186-5). The compressed point, 33 bytes (SEC 1, 2.3.3).
    P256([u8; 33]),
    /// A key with its secret in memory, or from a FIDO2 token: Ed25519 (RFC 8032), derived from the secret.
    Ed25519([u8; 32]),
}

impl Verifier {
    /// Whether `signature` is this key's voucher for `list`, the exact bytes of a key list.
    pub fn accepts(&self, list: &[u8], signature: &[u8]) -> bool {
        let message = voucher_message(list);
        match self {
            Verifier::P256(point) => {
                let Ok(key) = p256::ecdsa::VerifyingKey::from_sec1_bytes(point) else {
                    return false;
                };
                p256::ecdsa::Signature::from_der(signature)
                    .is_ok_and(|signature| key.verify(&message, &signature).is_ok())
            }
            Verifier::Ed25519(bytes) => {
                let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(bytes) else {
                    return false;
                };
                // Strict: refuses keys of small order, for which anybody could find a signature.
                ed25519_dalek::Signature::from_slice(signature)
                    .is_ok_and(|signature| key.verify_strict(&message, &signature).is_ok())
            }
        }
    }
}

/// The bytes that a voucher for `list` signs.
pub fn voucher_message(list: &[u8]) -> Vec<u8> {
    [VOUCHER_DOMAIN, list].concat()
}

/// A key that is here and can be used now.
pub trait PresentKey {
    /// Its name in the key list.
    fn name(&self) -> &KeyName;

    /// The public half of what it vouches with, *as the key itself proves it*: read from the token, or derived from
    /// the secret. A FIDO2 token proves nothing before it is touched: its key gives what the list says, and unwraps and signs
    /// nothing unless the touch then proves it. Nothing is sealed to a list before something was unwrapped or signed.
    fn proven_verifier(&self) -> &Verifier;

    /// Unwraps the file key from the one stanza that is for this key. `purpose` reads after "touch ... to".
    ///
    /// # Errors
    /// [`ErrorKind::NoKey`] when no stanza is for this key; else what kept it from working.
    fn unwrap_file_key(&mut self, stanzas: &[Stanza], purpose: &str, touches: &mut Touches<'_>) -> Result<FileKey>;

    /// Signs the exact bytes of a key list.
    fn vouch(&mut self, list: &[u8], purpose: &str, touches: &mut Touches<'_>) -> Result<Vec<u8>>;

    /// How many touches `unwraps` and `vouchers` will take.
    fn touches_for(&self, unwraps: usize, vouchers: usize) -> usize;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_names_are_safe_in_a_shell_and_as_a_file() {
        assert!("yubikey-15042118".parse::<KeyName>().is_ok());
        for bad in ["", "-x", ".x", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<KeyName>().is_err(), "{bad:?}");
        }
    }
}
