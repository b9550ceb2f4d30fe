//! What OATH remembers for good: its ID, the password's key and the accounts.

use hmac::{Hmac, Mac, digest::KeyInit};
use rand::{RngCore, rngs::OsRng};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::soft_token::hex::Hex;

/// See the module's words.
#[derive(Serialize, Deserialize)]
pub struct State {
    /// The salt of passwords; a reset makes a new one.
    pub id: Hex,
    pub password: Option<PasswordKey>,
    /// In the order in which they were put.
    pub accounts: Vec<Account>,
}

/// What a host makes of the password.
#[derive(Serialize, Deserialize)]
pub struct PasswordKey {
    pub algorithm: Algorithm,
    pub key: Hex,
}

/// One account.
#[derive(Serialize, Deserialize)]
pub struct Account {
    /// As it was given: nothing says that it is text.
    pub name: Hex,
    pub kind: Kind,
    pub algorithm: Algorithm,
    pub digits: u8,
    pub key: Hex,
    pub touch: Touch,
    /// Counter-based accounts: what the next code is made of (RFC 4226, 5.1).
    pub counter: u64,
}

/// The high half of the type byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Hotp = 0x10,
    Totp = 0x20,
}

/// The low half of the type byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    Sha1 = 1,
    Sha256 = 2,
    Sha512 = 3,
}

/// Whether a finger is needed for each code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Touch {
    Required,
    NotRequired,
}

impl State {
    /// As it leaves the factory, and after a reset.
    pub fn factory() -> Self {
        Self {
            id: Hex(random_eight().to_vec()),
            password: None,
            accounts: Vec::new(),
        }
    }

    pub fn find(&mut self, name: &[u8]) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|account| account.name.0 == name)
    }
}

impl Kind {
    pub fn from_type_byte(byte: u8) -> Option<Self> {
        match byte & 0xf0 {
            0x10 => Some(Self::Hotp),
            0x20 => Some(Self::Totp),
            _ => None,
        }
    }
}

impl Algorithm {
    pub fn from_type_byte(byte: u8) -> Option<Self> {
        match byte & 0x0f {
            1 => Some(Self::Sha1),
            2 => Some(Self::Sha256),
            3 => Some(Self::Sha512),
            _ => None,
        }
    }

    pub fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => hmac::<Hmac<Sha1>>(key, message),
            Self::Sha256 => hmac::<Hmac<Sha256>>(key, message),
            Self::Sha512 => hmac::<Hmac<Sha512>>(key, message),
        }
    }
}

impl Account {
    pub fn type_byte(&self) -> u8 {
        self.kind as u8 | self.algorithm as u8
    }

    /// The HMAC that a code is made of.
    pub fn hmac(&self, message: &[u8]) -> Vec<u8> {
        self.algorithm.hmac(&self.key.0, message)
    }
}

/// Four bytes of the HMAC, from where its last four bits say, without the sign (RFC 4226, 5.3).
pub fn truncate(hmac: &[u8]) -> [u8; 4] {
    let offset = usize::from(hmac[hmac.len() - 1] & 0x0f);
    [
        hmac[offset] & 0x7f,
        hmac[offset + 1],
        hmac[offset + 2],
        hmac[offset + 3],
    ]
}

pub fn random_eight() -> [u8; 8] {
    let mut bytes = [0; 8];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

fn hmac<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <M as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}
