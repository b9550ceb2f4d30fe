//! The applet's password: a key is made of it, and both sides prove that they have that key.

use super::{account::Algorithm, answer::tag};
use crate::{
    secret::SecretText,
    token::{Error, OathFault, Result, tlv},
};
use hmac::{Hmac, Mac};
use rand::{RngCore, rngs::OsRng};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

/// What makes the keys of one password differ between tokens: the ID that SELECT tells. A reset of the applet changes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Salt(Vec<u8>);

impl Salt {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes; 8 on every YubiKey. Not secret: whoever has the token can read them.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The key that a password makes on one token. As good as the password there, and of no use on another.
#[derive(Clone)]
pub struct UnlockKey(Zeroizing<[u8; 16]>);

impl UnlockKey {
    /// PBKDF2-HMAC-SHA1, 1000 rounds, 16 bytes (YKOATH, SET CODE INSTRUCTION).
    pub fn derive(password: &SecretText, salt: &Salt) -> Self {
        let mut key = Zeroizing::new([0; 16]);
        pbkdf2::pbkdf2_hmac::<Sha1>(password.expose().as_bytes(), &salt.0, ROUNDS, &mut *key);
        Self(key)
    }

    /// A key that was kept; what [`UnlockKey::expose`] gave.
    pub fn from_bytes(bytes: Zeroizing<[u8; 16]>) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, to be kept where a password may be kept.
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

const ROUNDS: u32 = 1000;

/// One VALIDATE: our answer to the token's challenge, and a challenge for the token.
pub(super) struct Handshake<'k> {
    key: &'k UnlockKey,
    algorithm: Algorithm,
    challenge: [u8; 8],
}

impl<'k> Handshake<'k> {
    /// A handshake with a fresh challenge.
    pub fn new(key: &'k UnlockKey, algorithm: Algorithm) -> Self {
        let mut challenge = [0; 8];
        OsRng.fill_bytes(&mut challenge);
        Self {
            key,
            algorithm,
            challenge,
        }
    }

    /// VALIDATE's data: 75 with our answer, 74 with our challenge.
    pub fn request(&self, challenge: &[u8]) -> Vec<u8> {
        let answer = hmac(self.algorithm, self.key.expose(), challenge);
        [
            tlv::write(tag::FULL, &answer),
            tlv::write(tag::CHALLENGE, &self.challenge),
        ]
        .concat()
    }

    /// Whether the token's answer, in 75, is what our challenge and the key make; compared in constant time.
    pub fn check(&self, answer: &[u8]) -> Result<()> {
        let proof = tlv::Reader::new(answer, "the token's proof that it knows the OATH password")
            .expect(u32::from(tag::FULL))?;
        match is_hmac(self.algorithm, self.key.expose(), &self.challenge, proof.value) {
            true => Ok(()),
            false => Err(Error::Oath(OathFault::Unproven)),
        }
    }
}

const ANY_KEY: &str = "HMAC takes keys of any length";

fn hmac(algorithm: Algorithm, key: &[u8], message: &[u8]) -> Vec<u8> {
    fn of<M: Mac + hmac::digest::KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
        let mut mac = <M as Mac>::new_from_slice(key).expect(ANY_KEY);
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    }
    match algorithm {
        Algorithm::Sha1 => of::<Hmac<Sha1>>(key, message),
        Algorithm::Sha256 => of::<Hmac<Sha256>>(key, message),
        Algorithm::Sha512 => of::<Hmac<Sha512>>(key, message),
    }
}

fn is_hmac(algorithm: Algorithm, key: &[u8], message: &[u8], claimed: &[u8]) -> bool {
    fn of<M: Mac + hmac::digest::KeyInit>(key: &[u8], message: &[u8], claimed: &[u8]) -> bool {
        let mut mac = <M as Mac>::new_from_slice(key).expect(ANY_KEY);
        mac.update(message);
        mac.verify_slice(claimed).is_ok()
    }
    match algorithm {
        Algorithm::Sha1 => of::<Hmac<Sha1>>(key, message, claimed),
        Algorithm::Sha256 => of::<Hmac<Sha256>>(key, message, claimed),
        Algorithm::Sha512 => of::<Hmac<Sha512>>(key, message, claimed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::apdu::script::{from_hex, to_hex};

    fn key() -> UnlockKey {
        UnlockKey::derive(&SecretText::copy_of("tap"), &Salt::new(&[1, 2, 3, 4, 5, 6, 7, 8]))
    }

    /// What another implementation makes of the password, and of our challenge.
    const KEY: &str = "6226f9f62906f5447260c6795821617e";
    const SHA1_PROOF: &str = "d5beffbdc92eb21df49f501c8d972f6f43b099c8";
    const SHA256_PROOF: &str = "880677d250044659e4e26e7ee47286adf4db44105cb14177cb2eb844b860f840";

    #[test]
    fn a_password_makes_the_key_that_other_programs_make() {
        assert_eq!(to_hex(key().expose()), KEY);
    }

    #[test]
    fn only_the_right_proof_in_full_length_is_one() {
        let key = key();
        for (algorithm, proof) in [(Algorithm::Sha1, SHA1_PROOF), (Algorithm::Sha256, SHA256_PROOF)] {
            let handshake = Handshake {
                key: &key,
                algorithm,
                challenge: [9; 8],
            };
            let proof = from_hex(proof);
            assert_eq!(handshake.check(&tlv::write(tag::FULL, &proof)), Ok(()));
            let wrong = [&proof[..proof.len() - 1], &[!proof[proof.len() - 1]]].concat();
            for forged in [&wrong[..], &proof[..10], &[]] {
                let result = handshake.check(&tlv::write(tag::FULL, forged));
                assert_eq!(result, Err(OathFault::Unproven.into()));
            }
        }
    }
}
