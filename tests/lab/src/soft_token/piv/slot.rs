//! Key slots: their key references and the objects that hold their certificates.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::objects::ObjectId;

/// A place for an asymmetric key (SP 800-73-4 part 1, table 4b; `F9` is Yubico's).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Slot {
    Authentication,
    Signature,
    KeyManagement,
    CardAuthentication,
    /// 1 to 20.
    Retired(u8),
    /// Signs attestations and nothing else.
    Attestation,
}

impl Slot {
    /// The slot with this key reference.
    pub fn from_reference(reference: u8) -> Option<Self> {
        match reference {
            0x9a => Some(Self::Authentication),
            0x9c => Some(Self::Signature),
            0x9d => Some(Self::KeyManagement),
            0x9e => Some(Self::CardAuthentication),
            0x82..=0x95 => Some(Self::Retired(reference - 0x81)),
            0xf9 => Some(Self::Attestation),
            _ => None,
        }
    }

    pub fn reference(self) -> u8 {
        match self {
            Self::Authentication => 0x9a,
            Self::Signature => 0x9c,
            Self::KeyManagement => 0x9d,
            Self::CardAuthentication => 0x9e,
            Self::Retired(number) => 0x81 + number,
            Self::Attestation => 0xf9,
        }
    }

    /// Where the certificate of this slot's key is kept (SP 800-73-4 part 1, table 3).
    pub fn certificate_object(self) -> ObjectId {
        ObjectId(match self {
            Self::Authentication => 0x5fc105,
            Self::Signature => 0x5fc10a,
            Self::KeyManagement => 0x5fc10b,
            Self::CardAuthentication => 0x5fc101,
            Self::Retired(number) => 0x5fc10c + u32::from(number),
            Self::Attestation => 0x5fff01,
        })
    }
}

/// The key reference in hexadecimal: `9a`.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.reference())
    }
}

impl FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let reference = u8::from_str_radix(text, 16).ok();
        reference
            .and_then(Self::from_reference)
            .ok_or_else(|| format!("{text:?} is not a key slot"))
    }
}

impl TryFrom<String> for Slot {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Slot> for String {
    fn from(slot: Slot) -> Self {
        slot.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_to_slots_and_back() {
        let slots: Vec<Slot> = (0..=0xff).filter_map(Slot::from_reference).collect();
        assert_eq!(slots.len(), 4 + 20 + 1);
        for slot in slots {
            assert_eq!(Slot::from_reference(slot.reference()), Some(slot));
            assert_eq!(slot.to_string().parse(), Ok(slot));
        }
        assert_eq!(Slot::Retired(20).certificate_object(), ObjectId(0x5fc120));
    }
}
