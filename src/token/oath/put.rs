//! Accounts put on a token and taken off it.

use super::{
    INS_DELETE, INS_PUT, Oath,
    account::{AccountName, Algorithm, Digits, Touch},
    answer::tag,
    sw,
};
use crate::token::{Firmware, OathFault, Result, apdu::SW_OK, tlv};
use hmac::digest::core_api::BlockSizeUser;
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

/// The secret that codes are made from, as bytes (AWS hands it out in base32).
pub struct Seed(Zeroizing<Vec<u8>>);

impl Seed {
    /// Takes over a buffer that is wiped on drop already.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The key as the token takes it: never longer than a block of the hash, never shorter than 14 bytes.
    ///
    /// Neither changes a code: HMAC itself hashes a longer key and fills a shorter one up with zeros (RFC 2104, 2).
    fn as_key(&self, algorithm: Algorithm) -> Zeroizing<Vec<u8>> {
        let mut key = match algorithm {
            Algorithm::Sha1 => in_a_block::<Sha1>(&self.0),
            Algorithm::Sha256 => in_a_block::<Sha256>(&self.0),
            Algorithm::Sha512 => in_a_block::<Sha512>(&self.0),
        };
        if key.len() < SHORTEST_KEY {
            key.resize(SHORTEST_KEY, 0);
        }
        key
    }
}

/// The seed, or its hash if it is longer than a block. The room is reserved in full, so that filling up leaves no unwiped copy.
fn in_a_block<H: Digest + BlockSizeUser>(seed: &[u8]) -> Zeroizing<Vec<u8>> {
    let block = H::block_size();
    let mut key = Zeroizing::new(Vec::with_capacity(block));
    if seed.len() > block {
        key.extend_from_slice(&H::digest(seed));
    } else {
        key.extend_from_slice(seed);
    }
    key
}

/// What Yubico's programs fill a shorter key up to: older firmware refuses those.
const SHORTEST_KEY: usize = 14;
/// YKOATH, TYPES.
const TOTP: u8 = 0x20;
/// YKOATH, PROPERTIES.
const REQUIRE_TOUCH: u8 = 0x02;
/// YKOATH: "Require touch requires YubiKey 4.2.4 or later".
const FIRST_WITH_TOUCH: Firmware = Firmware::new(4, 2, 4);
/// YKOATH: "HMAC-SHA512 requires YubiKey 4.3.1 or later".
const FIRST_WITH_SHA512: Firmware = Firmware::new(4, 3, 1);

/// A time-based account to be put on a token.
pub struct NewAccount {
    /// Its name, which holds its period.
    pub name: AccountName,
    /// The hash.
    pub algorithm: Algorithm,
    /// How long its codes are.
    pub digits: Digits,
    /// Whether each code wants a touch.
    pub touch: Touch,
    /// What its codes are made from.
    pub seed: Seed,
}

impl Oath<'_> {
    /// Puts a new account on the token. 2 APDUs, and some more with many accounts.
    ///
    /// The token would overwrite an account of the same name, whatever it is for, without a word; so it is looked first.
    ///
    /// # Errors
    /// [`OathFault::AccountExists`], [`OathFault::Full`], [`OathFault::PasswordRequired`], or
    /// [`Error::NotSupported`](crate::token::Error::NotSupported) if the
    /// firmware knows no touch or no SHA-512.
    pub fn put(&mut self, new: &NewAccount) -> Result<()> {
        match new.touch {
            Touch::Required if self.version < FIRST_WITH_TOUCH => {
                return Err(self.unsupported("touch for OATH accounts"));
            }
            Touch::Required | Touch::NotRequired => {}
        }
        match new.algorithm {
            Algorithm::Sha512 if self.version < FIRST_WITH_SHA512 => return Err(self.unsupported("OATH with SHA-512")),
            Algorithm::Sha1 | Algorithm::Sha256 | Algorithm::Sha512 => {}
        }
        if self.list()?.iter().any(|account| account.name == new.name) {
            let account = new.name.to_string();
            return Err(OathFault::AccountExists { account }.into());
        }
        let answer = self.send("PUT", INS_PUT, 0, &put_data(new))?;
        match answer.sw {
            SW_OK => Ok(()),
            sw::NO_SPACE => Err(OathFault::Full.into()),
            _ => Err(self.refused(&answer)),
        }
    }

    /// Deletes an account. 1 APDU.
    ///
    /// # Errors
    /// [`OathFault::NoSuchAccount`], [`OathFault::PasswordRequired`].
    pub fn delete(&mut self, name: &AccountName) -> Result<()> {
        let answer = self.send("DELETE", INS_DELETE, 0, &tlv::write(tag::NAME, name.bytes()))?;
        match answer.sw {
            SW_OK => Ok(()),
            sw::NO_SUCH_OBJECT => Err(OathFault::NoSuchAccount {
                account: name.to_string(),
            }
            .into()),
            _ => Err(self.refused(&answer)),
        }
    }
}

/// 71 with the name; 73 with type and algorithm, digits and key; 78 and the property, which has no length.
fn put_data(new: &NewAccount) -> Zeroizing<Vec<u8>> {
    let key = new.seed.as_key(new.algorithm);
    let mut value = Zeroizing::new(Vec::with_capacity(key.len() + 2));
    value.extend_from_slice(&[TOTP | new.algorithm.byte(), new.digits.count()]);
    value.extend_from_slice(&key);
    let name = tlv::write(tag::NAME, new.name.bytes());
    let key = Zeroizing::new(tlv::write(tag::KEY, &value));
    let property: &[u8] = match new.touch {
        Touch::Required => &[tag::PROPERTY, REQUIRE_TOUCH],
        Touch::NotRequired => &[],
    };
    Zeroizing::new([&name[..], &key, property].concat())
}
