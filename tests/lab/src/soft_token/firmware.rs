//! Firmware versions, and what each of them was the first to know.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A YubiKey's firmware version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Firmware {
    pub major: u8,
    pub minor: u8,
    pub patch: u8,
}

impl Firmware {
    /// The last generation with a triple-DES management key out of the box.
    pub const V5_4_3: Self = Self::new(5, 4, 3);
    /// The generation with an AES-192 management key out of the box, and with keys that can be moved.
    pub const V5_7_1: Self = Self::new(5, 7, 1);

    pub const fn new(major: u8, minor: u8, patch: u8) -> Self {
        Self { major, minor, patch }
    }

    pub const fn to_bytes(self) -> [u8; 3] {
        [self.major, self.minor, self.patch]
    }

    /// GET METADATA came with 5.3.
    pub fn has_metadata(self) -> bool {
        self >= Self::new(5, 3, 0)
    }

    /// AES management keys came with 5.4.
    pub fn has_aes_management_keys(self) -> bool {
        self >= Self::new(5, 4, 0)
    }

    /// RENAME of OATH accounts came with 5.3.1.
    pub fn has_oath_rename(self) -> bool {
        self >= Self::new(5, 3, 1)
    }

    /// How many OATH accounts there is room for.
    pub fn oath_accounts(self) -> usize {
        if self.is_5_7() { 64 } else { 32 }
    }

    /// 5.7 brought MOVE KEY, the AES-192 default management key, and PINs and PUKs limited to `00`..`7F`.
    pub fn is_5_7(self) -> bool {
        self >= Self::new(5, 7, 0)
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Firmware {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<u8>> = text.split('.').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            // all that is emulated here is a YubiKey 5: older ones lack GET SERIAL and more
            Some(&[5, minor, patch]) => Ok(Self::new(5, minor, patch)),
            _ => Err(format!("{text:?} is not a firmware version like 5.7.1")),
        }
    }
}

impl TryFrom<String> for Firmware {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Firmware> for String {
    fn from(firmware: Firmware) -> Self {
        firmware.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_numbers() {
        assert!("5.10.0".parse::<Firmware>().expect("a version") > Firmware::V5_7_1);
        assert!(Firmware::V5_4_3.has_metadata() && !Firmware::V5_4_3.is_5_7());
        assert!("5.7".parse::<Firmware>().is_err() && "4.3.5".parse::<Firmware>().is_err());
    }
}
