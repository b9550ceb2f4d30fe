//! Secrets in memory: no `Debug`, `Display`, `Serialize` or `PartialEq`; wiped on drop; exposed only where they are used.

use rand::RngCore;
use rand::rngs::OsRng;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Environment variables that carry secrets of AWS. `add --env` has them in its own environment, and the helpers that it
/// starts (pinentry, `passphrase_command`) are not to get them.
pub const SECRET_VARIABLES: [&str; 3] = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"];

/// A secret text: an AWS secret access key, a session token, a PIN, a passphrase.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes over a buffer that is wiped on drop already.
    pub fn new(text: Zeroizing<String>) -> Self {
        SecretText(text)
    }

    /// Copies `text`; the caller's copy is the caller's to wipe.
    pub fn copy_of(text: &str) -> Self {
        SecretText(Zeroizing::new(text.to_owned()))
    }

    /// The secret itself. Look for this word to see every place that uses one.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is anything in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for SecretText {
    /// Copies straight out of the parsed buffer, so that no plain `String` is made on the way.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = SecretText;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SecretText, E> {
                Ok(SecretText::copy_of(text))
            }
        }
        // The error of a wrong type would show the value.
        deserializer
            .deserialize_str(Text)
            .map_err(|_| D::Error::custom("a secret is missing or no text"))
    }
}

/// The vault secret K: 32 random bytes that only somebody who opened an entry knows (docs/format.md).
///
/// age authenticates no sender; an entry that carries K was made by somebody who had opened this vault.
#[derive(Clone)]
pub struct VaultSecret(Zeroizing<[u8; 32]>);

impl VaultSecret {
    /// A new one, from the operating system's random numbers.
    pub fn random() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(&mut *bytes);
        VaultSecret(bytes)
    }

    /// From the 32 bytes of a payload.
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        VaultSecret(bytes)
    }

    /// The 32 bytes.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// SHA-256 of K: what the key list says of it. K has 256 bits, so its digest gives nothing away.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(*self.0).into()
    }
}

/// An access key ID as people may see it: `AKIA...MPLE`.
pub fn short_id(id: &str) -> String {
    match (id.get(..4), id.get(id.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if id.len() > 8 => format!("{head}...{tail}"),
        _ => id.to_owned(),
    }
}
