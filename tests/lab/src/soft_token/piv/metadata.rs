//! GET METADATA (Yubico, since 5.3): what is in a slot, and how many tries are left.

use super::{
    MANAGEMENT_KEY, Piv,
    key_admin::TAG_POINT,
    key_use::ECC_P256,
    pin,
    slot::Slot,
    state::{DEFAULT_PIN, DEFAULT_PUK, Key, Secret},
};
use crate::soft_token::{
    apdu::{Answer, Command, StatusWord},
    tlv,
};

/// Yubico's SDK manual, "get metadata", table 1.
mod tag {
    pub const ALGORITHM: u32 = 0x01;
    pub const POLICIES: u32 = 0x02;
    pub const ORIGIN: u32 = 0x03;
    pub const PUBLIC_KEY: u32 = 0x04;
    pub const IS_DEFAULT: u32 = 0x05;
    pub const TRIES: u32 = 0x06;
}

/// The "algorithm" of PIN and PUK.
const NO_ALGORITHM: u8 = 0xff;

impl Piv {
    /// P2 is the key reference; nobody has to prove anything.
    pub(super) fn metadata(&mut self, command: &Command) -> Answer {
        if command.p1 != 0 {
            return Err(StatusWord::INCORRECT_P1P2);
        }
        match command.p2 {
            pin::PIN => Ok(of_secret(&self.state.pin, &DEFAULT_PIN)),
            pin::PUK => Ok(of_secret(&self.state.puk, &DEFAULT_PUK)),
            MANAGEMENT_KEY => Ok(self.of_management_key()),
            reference => {
                let key = Slot::from_reference(reference).and_then(|slot| self.state.keys.get(&slot));
                key.map(of_key).ok_or(StatusWord::REFERENCE_NOT_FOUND)
            }
        }
    }

    fn of_management_key(&self) -> Vec<u8> {
        let key = &self.state.management_key;
        [
            tlv::encode(tag::ALGORITHM, &[key.algorithm as u8]),
            // no PIN opens the management key: "default"
            tlv::encode(tag::POLICIES, &[0, key.touch as u8]),
            tlv::encode(tag::IS_DEFAULT, &[u8::from(key.has_default_value())]),
        ]
        .concat()
    }
}

fn of_secret(secret: &Secret, default: &[u8]) -> Vec<u8> {
    [
        tlv::encode(tag::ALGORITHM, &[NO_ALGORITHM]),
        tlv::encode(tag::IS_DEFAULT, &[u8::from(secret.value.0 == default)]),
        tlv::encode(tag::TRIES, &[secret.tries, secret.left]),
    ]
    .concat()
}

fn of_key(key: &Key) -> Vec<u8> {
    [
        tlv::encode(tag::ALGORITHM, &[ECC_P256]),
        tlv::encode(tag::POLICIES, &key.policies.to_bytes()),
        tlv::encode(tag::ORIGIN, &[key.origin as u8]),
        tlv::encode(tag::PUBLIC_KEY, &tlv::encode(TAG_POINT, &key.public_point())),
    ]
    .concat()
}
