//! A PIV slot key: the `piv-p256` stanza of age-plugin-yubikey, so that the stock plugin opens our files and we open its.
//!
//! The file key is wrapped by ECDH with the slot's P-256 key: HKDF-SHA-256 over the shared x coordinate, then
//! ChaCha20-Poly1305. Sealing needs the public key only; unwrapping needs the token ([`present`]).

#[cfg(feature = "piv")]
pub mod present;

use crate::token::{Firmware, KeyOrigin, PinPolicy, Point, Serial, Slot, TouchPolicy};
use age::{DecryptError, EncryptError, Recipient};
use age_core::format::{FileKey, Stanza};
use age_core::primitives::{aead_decrypt, aead_encrypt, hkdf};
use age_core::secrecy::ExposeSecret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use bech32::{Bech32, Hrp};
use p256::ecdh::EphemeralSecret;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use zeroize::Zeroizing;

/// The stanza's type, and HKDF's info.
const STANZA_TAG: &str = "piv-p256";

/// The recipient's human-readable part.
const RECIPIENT_HRP: Hrp = Hrp::parse_unchecked("age1yubikey");

/// The identity's, in lower case; it is written in capitals.
const IDENTITY_HRP: Hrp = Hrp::parse_unchecked("age-plugin-yubikey-");

/// What the key list records of a PIV key beside its public key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PivDetails {
    /// The token's serial number.
    pub serial: Serial,
    /// The slot.
    pub slot: Slot,
    /// Of the token, at enrolment.
    pub firmware: Firmware,
    /// When the PIN is asked for.
    pub pin_policy: PinPolicy,
    /// When a touch is asked for.
    pub touch_policy: TouchPolicy,
    /// Where the private key was made; absent when the firmware can't say.
    pub origin: Option<KeyOrigin>,
    /// How the policies were learnt.
    pub evidence: PolicyEvidence,
}

/// How much the token itself stands behind its policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyEvidence {
    /// GET METADATA (firmware 5.3 and later).
    Metadata,
    /// The slot's attestation certificate.
    Attestation,
    /// The certificate in the slot: anybody with the management key can write one.
    Certificate,
}

impl PivDetails {
    /// The token as people call it.
    pub fn token(&self) -> String {
        format!("YubiKey {}", self.serial)
    }

    /// "82".
    pub fn slot_hex(&self) -> String {
        format!("{:02x}", self.slot.byte())
    }

    /// Why its presence is weaker than a touch for every use of a key that was made on the token; `None` if it is not.
    pub fn weakness(&self) -> Option<&'static str> {
        if self.touch_policy != TouchPolicy::Always {
            Some(match self.touch_policy {
                TouchPolicy::Cached => "one touch serves for 15 s",
                _ => "no touch is asked for",
            })
        } else if self.origin != Some(KeyOrigin::Generated) {
            Some("the key may exist outside the token")
        } else if self.evidence == PolicyEvidence::Certificate {
            Some("the token can't prove its touch policy")
        } else {
            None
        }
    }

    /// "touch, PIN once" and the like.
    pub fn presence_word(&self) -> String {
        let touch = match self.touch_policy {
            TouchPolicy::Always => "touch",
            TouchPolicy::Cached => "touch (cached 15 s)",
            TouchPolicy::Never => "none",
        };
        let pin = match self.pin_policy {
            PinPolicy::Never => "no PIN",
            PinPolicy::Once => "PIN",
            PinPolicy::Always => "PIN each time",
            PinPolicy::Other(_) => "PIN or biometrics",
        };
        match self.weakness() {
            Some(weakness) => format!("{touch}, {pin}; weaker: {weakness}"),
            None => format!("{touch}, {pin}"),
        }
    }

    /// The identity text that age-plugin-yubikey reads: serial (little-endian), slot, and the recipient's tag.
    pub fn plugin_identity(&self, recipient: &PivRecipient) -> String {
        let mut bytes = self.serial.0.to_le_bytes().to_vec();
        bytes.push(self.slot.byte());
        bytes.extend_from_slice(&recipient.tag());
        bech32::encode::<Bech32>(IDENTITY_HRP, &bytes)
            .expect("9 bytes fit into Bech32")
            .to_uppercase()
    }
}

/// `age1yubikey1...`: the slot's public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PivRecipient(Point);

impl PivRecipient {
    /// For the slot with this public key.
    pub fn new(point: Point) -> Self {
        PivRecipient(point)
    }

    /// The public key.
    pub fn point(&self) -> &Point {
        &self.0
    }

    /// The first 4 bytes of SHA-256 of the compressed point: tells which token to ask before anything blinks.
    pub fn tag(&self) -> [u8; 4] {
        let digest = Sha256::digest(self.0.compressed());
        [digest[0], digest[1], digest[2], digest[3]]
    }

    /// The stanza for this key, parsed; `None` when it is for another one or of another type.
    ///
    /// An `Err` says that it is for this key, but malformed.
    pub fn find<'a>(&self, stanzas: &'a [Stanza]) -> Option<Result<PivStanza<'a>, &'static str>> {
        let tag = BASE64_STANDARD_NO_PAD.encode(self.tag());
        let stanza = stanzas
            .iter()
            .find(|stanza| stanza.tag == STANZA_TAG && stanza.args.first() == Some(&tag))?;
        Some(PivStanza::parse(stanza))
    }

    /// Unwraps the stanza with the x coordinate that the token computed.
    ///
    /// # Errors
    /// `DecryptionFailed` when the stanza was not made for this key.
    pub fn unwrap_with(&self, stanza: &PivStanza<'_>, shared_x: &[u8; 32]) -> Result<FileKey, DecryptError> {
        let key = wrap_key(shared_x, &stanza.ephemeral.compressed(), &self.0.compressed());
        let plaintext =
            Zeroizing::new(aead_decrypt(&key, 16, stanza.body).map_err(|_| DecryptError::DecryptionFailed)?);
        FileKey::try_init_with_mut(|file_key| {
            if plaintext.len() != file_key.len() {
                return Err(DecryptError::DecryptionFailed);
            }
            file_key.copy_from_slice(&plaintext);
            Ok(())
        })
    }
}

impl std::fmt::Display for PivRecipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = bech32::encode::<Bech32>(RECIPIENT_HRP, &self.0.compressed()).map_err(|_| std::fmt::Error)?;
        f.write_str(&text)
    }
}

impl std::str::FromStr for PivRecipient {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match bech32::decode(text) {
            Ok((hrp, bytes)) if hrp == RECIPIENT_HRP && bytes.len() == 33 => Point::from_sec1(&bytes)
                .map(PivRecipient)
                .map_err(|_| "not a point of P-256"),
            _ => Err("not an age1yubikey1 recipient"),
        }
    }
}

impl Recipient for PivRecipient {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let ours = p256::PublicKey::from_sec1_bytes(self.0.uncompressed())
            .map_err(|_| EncryptError::Io(std::io::Error::other("a recipient is not a point of P-256")))?;
        let secret = EphemeralSecret::random(&mut rand::rngs::OsRng);
        let ephemeral = p256::EncodedPoint::from(secret.public_key()).compress();
        let shared = secret.diffie_hellman(&ours);
        let shared_x = Zeroizing::new(<[u8; 32]>::from(*shared.raw_secret_bytes()));
        let compressed: [u8; 33] = ephemeral
            .as_bytes()
            .try_into()
            .map_err(|_| EncryptError::Io(std::io::Error::other("an ephemeral key of the wrong length")))?;
        let key = wrap_key(&shared_x, &compressed, &self.0.compressed());
        let stanza = Stanza {
            tag: STANZA_TAG.to_owned(),
            args: vec![
                BASE64_STANDARD_NO_PAD.encode(self.tag()),
                BASE64_STANDARD_NO_PAD.encode(compressed),
            ],
            body: aead_encrypt(&key, file_key.expose_secret()),
        };
        Ok((vec![stanza], HashSet::new()))
    }
}

/// A `piv-p256` stanza whose parts have been checked.
pub struct PivStanza<'a> {
    /// The sealer's ephemeral public key: what the token multiplies.
    pub ephemeral: Point,
    body: &'a [u8],
}

impl<'a> PivStanza<'a> {
    fn parse(stanza: &'a Stanza) -> Result<Self, &'static str> {
        let [_, ephemeral] = &stanza.args[..] else {
            return Err("has a stanza with a missing part");
        };
        // A point that is not on the curve must never reach the token: its answers to such points would give the key away.
        let ephemeral = BASE64_STANDARD_NO_PAD
            .decode(ephemeral)
            .ok()
            .filter(|bytes| bytes.len() == 33)
            .and_then(|bytes| Point::from_sec1(&bytes).ok())
            .ok_or("has a stanza whose ephemeral key is no point of P-256")?;
        if stanza.body.len() != 32 {
            return Err("has a stanza of the wrong length");
        }
        Ok(PivStanza {
            ephemeral,
            body: &stanza.body,
        })
    }
}

/// HKDF-SHA-256(ikm = x, salt = ephemeral key || recipient key, info = "piv-p256"), as age-plugin-yubikey does.
fn wrap_key(shared_x: &[u8; 32], ephemeral: &[u8; 33], recipient: &[u8; 33]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(hkdf(
        &[&ephemeral[..], recipient].concat(),
        STANZA_TAG.as_bytes(),
        shared_x,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::elliptic_curve::sec1::ToEncodedPoint;

    fn token() -> (p256::SecretKey, PivRecipient) {
        let secret = p256::SecretKey::random(&mut rand::rngs::OsRng);
        let point = Point::from_sec1(secret.public_key().to_encoded_point(false).as_bytes()).expect("a point");
        (secret, PivRecipient::new(point))
    }

    fn ecdh(secret: &p256::SecretKey, point: &Point) -> [u8; 32] {
        let peer = p256::PublicKey::from_sec1_bytes(point.uncompressed()).expect("a point");
        (*p256::ecdh::diffie_hellman(secret.to_nonzero_scalar(), peer.as_affine()).raw_secret_bytes()).into()
    }

    #[test]
    fn the_right_token_unwraps_and_no_other_is_asked() {
        let (secret, recipient) = token();
        let (_, other) = token();
        let file_key = FileKey::init_with_mut(|key| key.fill(7));
        let (stanzas, _) = recipient.wrap_file_key(&file_key).expect("wrapped");
        assert!(other.find(&stanzas).is_none());
        let stanza = recipient.find(&stanzas).expect("found").expect("well-formed");
        let unwrapped = recipient
            .unwrap_with(&stanza, &ecdh(&secret, &stanza.ephemeral))
            .expect("unwrapped");
        assert_eq!(unwrapped.expose_secret(), file_key.expose_secret());
        assert!(recipient.unwrap_with(&stanza, &[0; 32]).is_err());
    }

    #[test]
    fn a_malformed_stanza_never_reaches_the_token() {
        let (_, recipient) = token();
        let (stanzas, _) = recipient
            .wrap_file_key(&FileKey::init_with_mut(|key| key.fill(7)))
            .expect("wrapped");
        let spoiled = |change: fn(&mut Stanza)| {
            let Stanza { tag, args, body } = &stanzas[0];
            let mut stanza = Stanza {
                tag: tag.clone(),
                args: args.clone(),
                body: body.clone(),
            };
            change(&mut stanza);
            recipient.find(&[stanza]).expect("found").is_err()
        };
        assert!(spoiled(|s| s.args.truncate(1)));
        assert!(spoiled(|s| s.args[1] = "AAAA".into()));
        assert!(spoiled(|s| s.args[1] = BASE64_STANDARD_NO_PAD.encode([0xff; 33])));
        assert!(spoiled(|s| s.body.truncate(31)));
    }

    #[test]
    fn a_recipient_survives_its_text() {
        let (_, recipient) = token();
        assert_eq!(
            recipient.to_string().parse::<PivRecipient>().expect("parsed"),
            recipient
        );
        assert!(recipient.to_string().starts_with("age1yubikey1"));
        assert!("age1qqqq".parse::<PivRecipient>().is_err());
    }
}
