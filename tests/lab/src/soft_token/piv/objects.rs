//! Data objects: certificates, CHUID and the rest, as opaque bytes (GET DATA and PUT DATA).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Piv;
use crate::soft_token::{
    apdu::{Answer, Command, StatusWord},
    hex::Hex,
    tlv,
};

/// Tag list of the wanted object and its content (SP 800-73-4 part 2, 3.1.2 and 3.3.1).
const TAG_OBJECT_ID: u32 = 0x5c;
const TAG_CONTENT: u32 = 0x53;
/// "Current DF" in P1P2 of GET DATA and PUT DATA.
const CURRENT_APPLICATION: u16 = 0x3fff;
/// A YubiKey's memory for objects, all together ("51 kB" in its technical manual).
const MEMORY: usize = 51_200;

/// The discovery object, which nobody can write (SP 800-73-4 part 1, 3.3.2): the AID, and a PIN usage policy that
/// says "the applet's own PIN, no global PIN" (`40 00`).
const DISCOVERY: ObjectId = ObjectId(0x7e);
const DISCOVERY_CONTENT: [u8; 18] = [
    0x4f, 0x0b, 0xa0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00, 0x5f, 0x2f, 0x02, 0x40, 0x00,
];

/// Fingerprints, facial image, printed information, iris: read only with the PIN (SP 800-73-4 part 1, table 2).
/// In "printed information" ykman keeps a PIN-protected management key.
const PIN_TO_READ: [ObjectId; 4] = [
    ObjectId(0x5fc103),
    ObjectId(0x5fc108),
    ObjectId(0x5fc109),
    ObjectId(0x5fc121),
];

/// The BER-TLV tag that names an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId(pub u32);

impl ObjectId {
    /// From the value of `5C`: one to three bytes.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [] | [_, _, _, _, ..] => None,
            bytes => Some(Self(bytes.iter().fold(0, |id, byte| id << 8 | u32::from(*byte)))),
        }
    }

    /// PIV's own objects are `5FC1xx`, Yubico's `5FFFxx`; a YubiKey keeps anything between.
    fn is_writable(self) -> bool {
        (0x5f0000..=0x5fffff).contains(&self.0)
    }
}

impl Piv {
    /// GET DATA: SP 800-73-4 part 2, 3.1.2.
    pub(super) fn get_data(&mut self, command: &Command) -> Answer {
        if command.p1p2() != CURRENT_APPLICATION {
            return Err(StatusWord::INCORRECT_P1P2);
        }
        let id = tlv::only(&command.data, TAG_OBJECT_ID).and_then(ObjectId::from_bytes);
        let id = id.ok_or(StatusWord::INCORRECT_DATA)?;
        if id == DISCOVERY {
            // it alone comes under its own tag instead of 53
            return Ok(tlv::encode(DISCOVERY.0, &DISCOVERY_CONTENT));
        }
        if PIN_TO_READ.contains(&id) && !self.session.pin_verified {
            return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
        }
        let Hex(content) = self.state.objects.get(&id).ok_or(StatusWord::NOT_FOUND)?;
        Ok(tlv::encode(TAG_CONTENT, content))
    }

    /// PUT DATA: SP 800-73-4 part 2, 3.3.1. Empty content deletes.
    pub(super) fn put_data(&mut self, command: &Command) -> Answer {
        if command.p1p2() != CURRENT_APPLICATION {
            return Err(StatusWord::INCORRECT_P1P2);
        }
        self.require_management()?;
        let elements = tlv::list(&command.data).ok_or(StatusWord::INCORRECT_DATA)?;
        let id = tlv::find(&elements, TAG_OBJECT_ID).and_then(ObjectId::from_bytes);
        let (Some(id), Some(content)) = (id, tlv::find(&elements, TAG_CONTENT)) else {
            return Err(StatusWord::INCORRECT_DATA);
        };
        if !id.is_writable() {
            return Err(StatusWord::INCORRECT_DATA);
        }
        if content.is_empty() {
            self.state.objects.remove(&id);
        } else {
            let others = self.state.objects.iter().filter(|(other, _)| **other != id);
            let used: usize = others.map(|(_, Hex(content))| content.len()).sum();
            if used + content.len() > MEMORY {
                return Err(StatusWord::NO_SPACE);
            }
            self.state.objects.insert(id, Hex(content.to_vec()));
        }
        self.save()
    }
}

/// The tag in hexadecimal: `5fc105`.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl FromStr for ObjectId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        u32::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| format!("{text:?} is not an object's tag"))
    }
}

impl TryFrom<String> for ObjectId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.to_string()
    }
}
