//! What PIV remembers for good: PINs with their counters, the management key, keys and objects.

use std::{collections::BTreeMap, mem};

use p256::{SecretKey, elliptic_curve::sec1::ToEncodedPoint};
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};

use super::{
    attestation,
    management_key::ManagementKey,
    objects::ObjectId,
    policy::{PinPolicy, Policies, TouchPolicy},
    slot::Slot,
};
use crate::soft_token::{device::Device, hex::Hex};

/// "123456", filled up with `FF` (SP 800-73-4 part 2, 2.4.3).
pub const DEFAULT_PIN: [u8; 8] = *b"123456\xff\xff";
pub const DEFAULT_PUK: [u8; 8] = *b"12345678";
const DEFAULT_TRIES: u8 = 3;

/// See the module's words.
#[derive(Serialize, Deserialize)]
pub struct State {
    pub pin: Secret,
    pub puk: Secret,
    pub management_key: ManagementKey,
    pub keys: BTreeMap<Slot, Key>,
    pub objects: BTreeMap<ObjectId, Hex>,
}

/// A PIN or PUK and its tries.
#[derive(Serialize, Deserialize)]
pub struct Secret {
    pub value: Hex,
    pub tries: u8,
    pub left: u8,
}

/// A P-256 key in a slot.
#[derive(Serialize, Deserialize)]
pub struct Key {
    #[serde(with = "scalar")]
    pub secret: SecretKey,
    pub origin: Origin,
    pub policies: Policies,
}

/// Where a key came from. The numbers are those of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Generated = 1,
    Imported = 2,
}

impl State {
    /// As it leaves the factory: default secrets, and nothing in it but the attestation key and its certificate.
    pub fn factory(device: &Device) -> Self {
        let mut state = Self::blank(device);
        let mut key = Key::generate(Policies {
            pin: PinPolicy::Once,
            touch: TouchPolicy::Never,
        });
        // unverified: the factory brings the key in from outside
        key.origin = Origin::Imported;
        let certificate = attestation::device_certificate(device, &key.public_point());
        state.objects.insert(
            Slot::Attestation.certificate_object(),
            Hex(attestation::as_object(&certificate)),
        );
        state.keys.insert(Slot::Attestation, key);
        state
    }

    /// After RESET: as from the factory, but attestation stays what it was.
    pub fn reset(&mut self, device: &Device) {
        let old = mem::replace(self, Self::blank(device));
        let certificate = Slot::Attestation.certificate_object();
        self.keys
            .extend(old.keys.into_iter().filter(|(slot, _)| *slot == Slot::Attestation));
        self.objects
            .extend(old.objects.into_iter().filter(|(id, _)| *id == certificate));
    }

    fn blank(device: &Device) -> Self {
        Self {
            pin: Secret::new(&DEFAULT_PIN, DEFAULT_TRIES),
            puk: Secret::new(&DEFAULT_PUK, DEFAULT_TRIES),
            management_key: ManagementKey::default_of(device.firmware),
            keys: BTreeMap::new(),
            objects: BTreeMap::new(),
        }
    }
}

impl Secret {
    pub fn new(value: &[u8], tries: u8) -> Self {
        Self {
            value: Hex(value.to_vec()),
            tries,
            left: tries,
        }
    }

    pub fn is_blocked(&self) -> bool {
        self.left == 0
    }
}

impl Key {
    pub fn generate(policies: Policies) -> Self {
        Self {
            secret: SecretKey::random(&mut OsRng),
            origin: Origin::Generated,
            policies,
        }
    }

    /// `None` if the bytes are no scalar of P-256 in its full length.
    pub fn import(scalar: &[u8], policies: Policies) -> Option<Self> {
        let scalar: &[u8; 32] = scalar.try_into().ok()?;
        let secret = SecretKey::from_slice(scalar).ok()?;
        Some(Self {
            secret,
            origin: Origin::Imported,
            policies,
        })
    }

    /// The public key as an uncompressed point, 65 bytes.
    pub fn public_point(&self) -> Vec<u8> {
        self.secret.public_key().to_encoded_point(false).as_bytes().to_vec()
    }
}

/// A private key as hexadecimal text.
mod scalar {
    use p256::SecretKey;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::Hex;

    pub fn serialize<S: Serializer>(secret: &SecretKey, serializer: S) -> Result<S::Ok, S::Error> {
        Hex(secret.to_bytes().to_vec()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretKey, D::Error> {
        let Hex(bytes) = Hex::deserialize(deserializer)?;
        SecretKey::from_slice(&bytes).map_err(|_| D::Error::custom("not a private key of P-256"))
    }
}
