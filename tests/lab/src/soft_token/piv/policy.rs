//! PIN and touch policies of keys: Yubico's extension to PIV, tags `AA` and `AB`.

use serde::{Deserialize, Serialize};

use super::slot::Slot;
use crate::soft_token::{apdu::StatusWord, tlv};

const TAG_PIN_POLICY: u32 = 0xaa;
const TAG_TOUCH_POLICY: u32 = 0xab;

/// When the PIN must have been verified. The numbers are those of metadata and attestations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PinPolicy {
    Never = 1,
    /// Once since the applet was selected.
    Once = 2,
    /// Anew for each use of the key.
    Always = 3,
}

/// When a finger is needed. The numbers are those of metadata and attestations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TouchPolicy {
    Never = 1,
    Always = 2,
    /// A touch counts for 15 s.
    Cached = 3,
}

/// What a new key is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    pub pin: PinPolicy,
    pub touch: TouchPolicy,
}

impl Policies {
    /// Reads `AA` and `AB` out of a command's elements; missing ones and 0 stand for the slot's default.
    pub fn read(elements: &[tlv::Tlv<'_>], slot: Slot) -> Result<Self, StatusWord> {
        let number = |tag| match tlv::find(elements, tag) {
            None => Ok(0),
            Some(&[number]) => Ok(number),
            Some(_) => Err(StatusWord::INCORRECT_DATA),
        };
        let pin = match number(TAG_PIN_POLICY)? {
            0 => Self::default_pin(slot),
            1 => PinPolicy::Never,
            2 => PinPolicy::Once,
            3 => PinPolicy::Always,
            _ => return Err(StatusWord::INCORRECT_DATA),
        };
        let touch = match number(TAG_TOUCH_POLICY)? {
            0 | 1 => TouchPolicy::Never,
            2 => TouchPolicy::Always,
            3 => TouchPolicy::Cached,
            _ => return Err(StatusWord::INCORRECT_DATA),
        };
        Ok(Self { pin, touch })
    }

    /// SP 800-73-4 part 1, table 4b: signatures take the PIN each time, the card authentication key never.
    fn default_pin(slot: Slot) -> PinPolicy {
        match slot {
            Slot::Signature => PinPolicy::Always,
            Slot::CardAuthentication => PinPolicy::Never,
            Slot::Authentication | Slot::KeyManagement | Slot::Retired(_) | Slot::Attestation => PinPolicy::Once,
        }
    }

    /// PIN policy, touch policy: as metadata and attestations say it.
    pub fn to_bytes(self) -> [u8; 2] {
        [self.pin as u8, self.touch as u8]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_depend_on_the_slot() {
        let pin = |slot| Policies::read(&[], slot).map(|policies| policies.pin);
        assert_eq!(pin(Slot::Signature), Ok(PinPolicy::Always));
        assert_eq!(pin(Slot::CardAuthentication), Ok(PinPolicy::Never));
        assert_eq!(pin(Slot::Retired(1)), Ok(PinPolicy::Once));
    }

    #[test]
    fn unknown_policies_are_refused() {
        for bytes in [[0xaa, 1, 4], [0xab, 1, 9]] {
            let elements = tlv::list(&bytes).expect("well-formed");
            assert_eq!(
                Policies::read(&elements, Slot::Signature),
                Err(StatusWord::INCORRECT_DATA)
            );
        }
    }
}
