//! The management key (9B): a symmetric key that lets its owner administer the applet.
//!
//! Here are its algorithms, its blocks and its place in the state; proving it is [`super::authenticate`].

use aes::cipher::{BlockEncrypt, KeyInit, generic_array::GenericArray};
use serde::{Deserialize, Serialize};

use super::policy::TouchPolicy;
use crate::soft_token::{apdu::StatusWord, firmware::Firmware, hex::Hex};

/// The value of every management key from the factory, triple-DES and AES-192 alike.
const DEFAULT: [u8; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8];

/// SP 800-78-4, table 6-2; the number is the algorithm reference in P1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    TripleDes = 0x03,
    Aes128 = 0x08,
    Aes192 = 0x0a,
    Aes256 = 0x0c,
}

/// See the module's words.
#[derive(Serialize, Deserialize)]
pub struct ManagementKey {
    pub algorithm: Algorithm,
    pub touch: TouchPolicy,
    value: Hex,
}

impl Algorithm {
    pub fn from_reference(reference: u8) -> Option<Self> {
        match reference {
            0x03 => Some(Self::TripleDes),
            0x08 => Some(Self::Aes128),
            0x0a => Some(Self::Aes192),
            0x0c => Some(Self::Aes256),
            _ => None,
        }
    }

    pub fn key_length(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// Also the length of witnesses and challenges.
    pub fn block_length(self) -> usize {
        match self {
            Self::TripleDes => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }
}

impl ManagementKey {
    pub fn default_of(firmware: Firmware) -> Self {
        let algorithm = if firmware.is_5_7() {
            Algorithm::Aes192
        } else {
            Algorithm::TripleDes
        };
        Self {
            algorithm,
            touch: TouchPolicy::Never,
            value: Hex(DEFAULT.to_vec()),
        }
    }

    /// Refuses keys of the wrong length and triple-DES keys with a weak DES key in them.
    pub fn new(algorithm: Algorithm, value: &[u8], touch: TouchPolicy) -> Result<Self, StatusWord> {
        let weak = algorithm == Algorithm::TripleDes && value.chunks(8).any(is_weak_des_key);
        if value.len() != algorithm.key_length() || weak {
            return Err(StatusWord::INCORRECT_DATA);
        }
        Ok(Self {
            algorithm,
            touch,
            value: Hex(value.to_vec()),
        })
    }

    pub fn has_default_value(&self) -> bool {
        self.value.0 == DEFAULT
    }

    /// One block, encrypted; `None` if it isn't one block long. Proving a key needs no decryption on the token's side.
    pub fn encrypt(&self, block: &[u8]) -> Option<Vec<u8>> {
        if block.len() != self.algorithm.block_length() {
            return None;
        }
        match self.algorithm {
            Algorithm::TripleDes => encrypt_block::<des::TdesEde3>(&self.value.0, block),
            Algorithm::Aes128 => encrypt_block::<aes::Aes128>(&self.value.0, block),
            Algorithm::Aes192 => encrypt_block::<aes::Aes192>(&self.value.0, block),
            Algorithm::Aes256 => encrypt_block::<aes::Aes256>(&self.value.0, block),
        }
    }
}

fn encrypt_block<C: KeyInit + BlockEncrypt>(key: &[u8], block: &[u8]) -> Option<Vec<u8>> {
    let mut block = GenericArray::clone_from_slice(block);
    C::new_from_slice(key).ok()?.encrypt_block(&mut block);
    Some(block.to_vec())
}

/// Whatever the parity bits say, which DES doesn't use.
fn is_weak_des_key(key: &[u8]) -> bool {
    const WITHOUT_PARITY: u64 = 0xfefe_fefe_fefe_fefe;
    let Ok(key) = key.try_into().map(u64::from_be_bytes) else {
        return false;
    };
    WEAK_DES_KEYS.iter().any(|weak| (weak ^ key) & WITHOUT_PARITY == 0)
}

/// The weak and semi-weak keys of SP 800-67, "Weak Keys".
const WEAK_DES_KEYS: [u64; 16] = [
    0x0101_0101_0101_0101,
    0xfefe_fefe_fefe_fefe,
    0xe0e0_e0e0_f1f1_f1f1,
    0x1f1f_1f1f_0e0e_0e0e,
    0x01fe_01fe_01fe_01fe,
    0xfe01_fe01_fe01_fe01,
    0x1fe0_1fe0_0ef1_0ef1,
    0xe01f_e01f_f10e_f10e,
    0x01e0_01e0_01f1_01f1,
    0xe001_e001_f101_f101,
    0x1ffe_1ffe_0efe_0efe,
    0xfe1f_fe1f_fe0e_fe0e,
    0x011f_011f_010e_010e,
    0x1f01_1f01_0e01_0e01,
    0xe0fe_e0fe_f1fe_f1fe,
    0xfee0_fee0_fef1_fef1,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn key(algorithm: Algorithm, value: &[u8]) -> Result<ManagementKey, StatusWord> {
        ManagementKey::new(algorithm, value, TouchPolicy::Never)
    }

    #[test]
    fn aes_is_that_of_fips_197() {
        // appendix C: the same block under 00 01 02 ... of three lengths
        let block: Vec<u8> = (0..16).map(|nibble| nibble * 0x11).collect();
        for (algorithm, begins) in [
            (Algorithm::Aes128, [0x69, 0xc4, 0xe0, 0xd8]),
            (Algorithm::Aes192, [0xdd, 0xa9, 0x7c, 0xa4]),
            (Algorithm::Aes256, [0x8e, 0xa2, 0xb7, 0xca]),
        ] {
            let value: Vec<u8> = (0..).take(algorithm.key_length()).collect();
            let sealed = key(algorithm, &value)
                .expect("a key")
                .encrypt(&block)
                .expect("one block");
            assert_eq!(sealed[..4], begins, "{algorithm:?}");
        }
    }

    #[test]
    fn triple_des_is_that_of_sp_800_67() {
        // appendix B.1, first block
        let value = b"\x01\x23\x45\x67\x89\xab\xcd\xef\x23\x45\x67\x89\xab\xcd\xef\x01\x45\x67\x89\xab\xcd\xef\x01\x23";
        let key = key(Algorithm::TripleDes, value).expect("a key");
        assert_eq!(
            key.encrypt(b"The qufc"),
            Some(vec![0xa8, 0x26, 0xfd, 0x8c, 0xe5, 0x3b, 0x85, 0x5f])
        );
        assert_eq!(key.encrypt(b"short"), None);
    }

    #[test]
    fn weak_des_keys_and_wrong_lengths_are_refused() {
        let mut value = *b"\x10\x11\x12\x13\x14\x15\x16\x17\xfe\x01\xfe\x01\xfe\x01\xfe\x01abcdefgh";
        assert!(key(Algorithm::TripleDes, &value).is_err());
        assert!(key(Algorithm::Aes192, &value).is_ok(), "AES has no weak keys");
        value[8] = 0x7e;
        assert!(key(Algorithm::TripleDes, &value).is_ok());
        assert!(key(Algorithm::Aes256, &value).is_err());
    }
}
