//! A FIDO2 key: an age X25519 identity whose secret *is* the hmac-secret output for a fixed salt, the v2 scheme of
//! age-plugin-fido2-hmac, so that the stock plugin opens our files.
//!
//! Sealing needs the public half only. An opening touch gives the output for the salt; a vouching touch gives that of a second salt as
//! well, from which the signature key comes: who captures an opening touch can open, and can't enroll a key of their own. What
//! speaks to the token is [`present`] and [`holder`].

#[cfg(feature = "fido2")]
pub mod holder;
#[cfg(feature = "fido2")]
pub mod present;

use super::SoftwareVerifier;
use crate::prompt::printable;
use age::secrecy::{ExposeSecret, SecretString};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bech32::{Bech32, Checksum, Hrp};
use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// HKDF's info for the signature key, as that of the software keys.
const SIGNING_INFO: &[u8] = b"tapvault key list v1";

/// HKDF's info for the proof, before the verifier that is proven.
const PROOF_INFO: &[u8] = b"tapvault fido2 verifier v1";

/// What makes the second salt of the first.
const VOUCHER_SALT: &[u8] = b"tapvault fido2 voucher salt v1\n";

/// More of what a token calls itself than anybody reads. In characters.
const LONGEST_NAME: usize = 64;

/// The human-readable part of age-plugin-fido2-hmac's identities, in lower case; they are written in capitals.
const IDENTITY_HRP: Hrp = Hrp::parse_unchecked("age-plugin-fido2-hmac-");

/// The human-readable part of age's own identities.
const SECRET_HRP: Hrp = Hrp::parse_unchecked("age-secret-key-");

/// The version of the plugin's format.
const PLUGIN_VERSION: u16 = 2;

/// What the key list records of a FIDO2 key beside its recipient. None of it is secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fido2Details {
    /// What the credential belongs to.
    pub rp_id: RelyingParty,
    /// The credential's ID: the token keeps nothing of it, and makes its key of it anew each time.
    pub credential: Bytes,
    /// The salt whose output is the X25519 secret.
    pub salt: Salt,
    /// Whether the PIN or a finger is asked for; the outputs differ.
    pub uv: Verification,
    /// What the token calls itself.
    pub product: String,
    /// Its serial number, if USB shows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// What its vouchers are checked with.
    pub verifier: SoftwareVerifier,
    /// That the verifier is this token's: only who has the X25519 secret can make it.
    pub proof: Salt,
}

/// The relying party: age-plugin-fido2-hmac knows only this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelyingParty {
    /// That of age's plugins.
    #[serde(rename = "age-encryption.org")]
    Age,
}

/// Whether the token checks who touches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verification {
    /// By PIN or finger.
    Required,
    /// Not at all.
    Discouraged,
}

/// Bytes in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub Vec<u8>);

/// 32 bytes in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Salt(pub [u8; 32]);

impl Fido2Details {
    /// The token as people call it.
    pub fn token(&self) -> String {
        label(&self.product, self.serial.as_deref())
    }

    /// "touch, PIN" and the like.
    pub fn presence_word(&self) -> &'static str {
        match self.uv {
            Verification::Required => "touch, PIN or finger",
            Verification::Discouraged => "touch, no PIN",
        }
    }

    /// The salt for vouchers.
    pub fn voucher_salt(&self) -> [u8; 32] {
        voucher_salt(&self.salt.0)
    }

    /// The identity text that age-plugin-fido2-hmac reads (its specification, version 2): version, PIN flag, salt, credential.
    pub fn plugin_identity(&self) -> String {
        let mut bytes = PLUGIN_VERSION.to_be_bytes().to_vec();
        bytes.push(match self.uv {
            Verification::Required => 1,
            Verification::Discouraged => 0,
        });
        bytes.extend_from_slice(&self.salt.0);
        bytes.extend_from_slice(&self.credential.0);
        bech32::encode::<LongBech32>(IDENTITY_HRP, &bytes)
            .expect("a key list is shorter than the code")
            .to_uppercase()
    }
}

/// "Nitrokey 3 A1B2", or without a serial number just the name. Both come from a device, or from a list that anybody may have
/// written: one line, and not a long one.
pub fn label(product: &str, serial: Option<&str>) -> String {
    let short = |text: &str| printable(&text.chars().take(LONGEST_NAME).collect::<String>());
    let (product, serial) = (short(product), serial.map(short));
    match (product.as_str(), serial.as_deref()) {
        ("", None) => "FIDO2 token".into(),
        ("", Some(serial)) => format!("FIDO2 token {serial}"),
        (product, None) => product.to_owned(),
        (product, Some(serial)) => format!("{product} {serial}"),
    }
}

/// The salt for vouchers that belongs to a salt.
pub fn voucher_salt(salt: &[u8; 32]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(VOUCHER_SALT);
    digest.update(salt);
    digest.finalize().into()
}

/// The age identity whose secret is the output for the salt.
pub fn identity(output: &[u8; 32]) -> age::x25519::Identity {
    let text = bech32::encode::<Bech32>(SECRET_HRP, output).expect("32 bytes fit into Bech32");
    let text = Zeroizing::new(Zeroizing::new(text).to_uppercase());
    text.parse().expect("any 32 bytes are an X25519 secret")
}

/// The signature key from the output for the voucher salt.
pub fn signing_key(output: &[u8; 32]) -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, output)
        .expand(SIGNING_INFO, &mut *seed)
        .expect("HKDF gives up to 8,160 bytes");
    SigningKey::from_bytes(&seed)
}

/// That `verifier` belongs to the token of this identity: an opening touch gives no signature to tell that by.
pub fn proof(identity: &age::x25519::Identity, verifier: &SoftwareVerifier) -> Salt {
    let text: SecretString = identity.to_string();
    let (_, secret) = bech32::decode(text.expose_secret()).expect("age writes its identities in Bech32");
    let secret = Zeroizing::new(secret);
    let mut proof = [0; 32];
    Hkdf::<Sha256>::new(None, &secret)
        .expand_multi_info(&[PROOF_INFO, &verifier.0], &mut proof)
        .expect("HKDF gives up to 8,160 bytes");
    Salt(proof)
}

/// Bech32 for texts longer than those for which it finds every slip: credentials have up to some hundred bytes.
enum LongBech32 {}

impl Checksum for LongBech32 {
    type MidstateRepr = <Bech32 as Checksum>::MidstateRepr;
    const CODE_LENGTH: usize = 1 << 24;
    const CHECKSUM_LENGTH: usize = Bech32::CHECKSUM_LENGTH;
    const GENERATOR_SH: [Self::MidstateRepr; 5] = Bech32::GENERATOR_SH;
    const TARGET_RESIDUE: Self::MidstateRepr = Bech32::TARGET_RESIDUE;
}

impl TryFrom<String> for Bytes {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        BASE64_STANDARD
            .decode(text)
            .map(Bytes)
            .map_err(|_| "not base64".to_owned())
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> String {
        BASE64_STANDARD.encode(bytes.0)
    }
}

impl TryFrom<String> for Salt {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let bytes = Bytes::try_from(text)?.0;
        bytes.try_into().map(Salt).map_err(|_| "not 32 bytes".to_owned())
    }
}

impl From<Salt> for String {
    fn from(salt: Salt) -> String {
        BASE64_STANDARD.encode(salt.0)
    }
}

#[cfg(test)]
mod tests;
