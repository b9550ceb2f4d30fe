//! GENERAL AUTHENTICATE with the management key, and its replacement.
//!
//! Both ways of SP 800-73-4 part 2, appendix A.1: the host alone proves itself (challenge, response), or host and
//! token both do (witness). The key's touch policy asks for a finger at the second step.

use rand::{RngCore, rngs::OsRng};

use super::{
    MANAGEMENT_KEY, Piv,
    management_key::{Algorithm, ManagementKey},
    policy::TouchPolicy,
};
use crate::soft_token::{
    apdu::{Answer, Command, StatusWord},
    tlv,
};

/// The dynamic authentication template and its parts (SP 800-73-4 part 2, 3.2.4, table 7).
pub(super) const TAG_TEMPLATE: u32 = 0x7c;
const TAG_WITNESS: u32 = 0x80;
pub(super) const TAG_CHALLENGE: u32 = 0x81;
pub(super) const TAG_RESPONSE: u32 = 0x82;

/// What the token asked, in clear: the plaintext of its witness, or the challenge to be encrypted.
pub(super) enum Challenge {
    Witness(Vec<u8>),
    Challenge(Vec<u8>),
}

impl Piv {
    pub(super) fn authenticate(&mut self, command: &Command, challenge: Option<Challenge>) -> Answer {
        // unverified: another algorithm than the key's is "incorrect data"
        if Algorithm::from_reference(command.p1) != Some(self.state.management_key.algorithm) {
            return Err(StatusWord::INCORRECT_DATA);
        }
        let template = tlv::only(&command.data, TAG_TEMPLATE).and_then(tlv::list);
        let template = template.ok_or(StatusWord::INCORRECT_DATA)?;
        let part = |tag| tlv::find(&template, tag);
        match (part(TAG_WITNESS), part(TAG_CHALLENGE), part(TAG_RESPONSE)) {
            (Some([]), None, None) => self.give_witness(),
            (None, Some([]), None) => self.give_challenge(),
            (Some(plain), Some(host_challenge), _) => self.check_witness(challenge, plain, host_challenge),
            (None, None, Some(response)) => self.check_response(challenge, response),
            // 81 with content and 82 empty would have the token encrypt for anybody
            _ => Err(StatusWord::INCORRECT_DATA),
        }
    }

    /// First step of the mutual way: random bytes, encrypted.
    fn give_witness(&mut self) -> Answer {
        let plain = self.random_block();
        let witness = self.encrypt(&plain)?;
        self.session.challenge = Some(Challenge::Witness(plain));
        Ok(tlv::encode(TAG_TEMPLATE, &tlv::encode(TAG_WITNESS, &witness)))
    }

    /// First step of the simple way: random bytes, in clear.
    fn give_challenge(&mut self) -> Answer {
        let plain = self.random_block();
        let answer = tlv::encode(TAG_TEMPLATE, &tlv::encode(TAG_CHALLENGE, &plain));
        self.session.challenge = Some(Challenge::Challenge(plain));
        Ok(answer)
    }

    /// Second step of the mutual way: the host shows the witness decrypted, and wants its own challenge encrypted.
    fn check_witness(&mut self, asked: Option<Challenge>, plain: &[u8], host_challenge: &[u8]) -> Answer {
        let right = matches!(asked, Some(Challenge::Witness(witness)) if witness == plain);
        let response = self.encrypt(host_challenge)?;
        self.conclude(right)?;
        Ok(tlv::encode(TAG_TEMPLATE, &tlv::encode(TAG_RESPONSE, &response)))
    }

    /// Second step of the simple way: the host shows the challenge encrypted.
    fn check_response(&mut self, asked: Option<Challenge>, response: &[u8]) -> Answer {
        let expected = match asked {
            Some(Challenge::Challenge(plain)) => Some(self.encrypt(&plain)?),
            Some(Challenge::Witness(_)) | None => None,
        };
        self.conclude(expected.is_some_and(|expected| expected == response))?;
        Ok(Vec::new())
    }

    /// A wrong answer also ends an earlier authentication.
    fn conclude(&mut self, right: bool) -> Result<(), StatusWord> {
        self.session.management_authenticated = false;
        if !right {
            return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
        }
        self.require_touch(self.state.management_key.touch, "authenticate with 9b")?;
        self.session.management_authenticated = true;
        Ok(())
    }

    /// SET MANAGEMENT KEY (Yubico): P1 `FF`, P2 the touch policy, data algorithm, `9B`, length, key.
    pub(super) fn set_management_key(&mut self, command: &Command) -> Answer {
        self.require_management()?;
        let touch = match (command.p1, command.p2) {
            (0xff, 0xff) => TouchPolicy::Never,
            (0xff, 0xfe) => TouchPolicy::Always,
            (0xff, 0xfd) => TouchPolicy::Cached,
            _ => return Err(StatusWord::INCORRECT_P1P2),
        };
        let [algorithm, key @ ..] = command.data.as_slice() else {
            return Err(StatusWord::INCORRECT_DATA);
        };
        let algorithm = Algorithm::from_reference(*algorithm)
            .filter(|algorithm| *algorithm == Algorithm::TripleDes || self.device.firmware.has_aes_management_keys())
            .ok_or(StatusWord::INCORRECT_DATA)?;
        let value = tlv::only(key, u32::from(MANAGEMENT_KEY)).ok_or(StatusWord::INCORRECT_DATA)?;
        self.state.management_key = ManagementKey::new(algorithm, value, touch)?;
        self.save()
    }

    fn random_block(&self) -> Vec<u8> {
        let mut block = vec![0; self.state.management_key.algorithm.block_length()];
        OsRng.fill_bytes(&mut block);
        block
    }

    fn encrypt(&self, block: &[u8]) -> Answer {
        self.state
            .management_key
            .encrypt(block)
            .ok_or(StatusWord::INCORRECT_DATA)
    }
}
