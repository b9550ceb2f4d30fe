//! The hardware token: which device, which key slot, which policies, spoken in types.
//!
//! Below this file: `card` moves APDUs over PC/SC, `piv` opens with a slot key, `oath` calculates codes, `discover` finds
//! the token that holds a key, `admin` makes keys. None of them knows what a key is used for, asks a person or decides a policy: that is left to
//! `wrap` and `presence`. The types here need no PC/SC library, so a build without token support can still read a key list.
//!
//! | module        | its idea                                                                    |
//! |---------------|-----------------------------------------------------------------------------|
//! | `apdu`        | one command and its whole answer, however many APDUs that takes             |
//! | `attestation` | what the token itself testifies about a key it made                         |
//! | `admin`       | making a key: management key, generation, certificate                       |
//! | `card`        | readers, connections and transactions, with a deadline on everything that waits for others |
//! | `discover`    | which of the tokens that are plugged in                                     |
//! | `error`       | failures, told apart where a caller acts differently                        |
//! | `fido2`       | a FIDO2 token by hmac-secret, in a child of this program                    |
//! | `oath`        | accounts and their codes: select, unlock, list, calculate, put, delete     |
//! | `piv`         | opening: select, PIN, ECDH, signature                                       |
//! | `point`       | a P-256 public key as bytes                                                 |
//! | `tlv`, `x509` | reading and writing the two formats the card speaks                         |
//! | `watch`       | which readers lose their card                                               |

#[cfg(feature = "piv")]
pub mod admin;
#[cfg(feature = "piv")]
pub mod apdu;
#[cfg(feature = "piv")]
pub mod attestation;
#[cfg(feature = "piv")]
pub mod card;
#[cfg(feature = "piv")]
pub mod discover;
mod error;
#[cfg(feature = "fido2")]
pub mod fido2;
#[cfg(feature = "piv")]
pub mod oath;
#[cfg(feature = "piv")]
pub mod piv;
mod point;
mod text;
#[cfg(feature = "piv")]
mod tlv;
#[cfg(feature = "piv")]
pub mod watch;
#[cfg(feature = "piv")]
mod x509;

use std::{fmt, str::FromStr};

pub use error::{Error, OathFault, Result, ServiceFault};
pub use point::Point;

/// The serial number printed on a token; unique per YubiKey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(pub u32);

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The firmware of a token, ordered as versions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Firmware {
    /// 5 for a YubiKey 5.
    pub major: u8,
    /// The version of the feature set.
    pub minor: u8,
    /// The correction within it.
    pub patch: u8,
}

impl Firmware {
    /// The first firmware that knows GET METADATA (Yubico, "PIV commands": get metadata).
    pub const METADATA: Self = Self::new(5, 3, 0);

    /// `major.minor.patch`.
    pub const fn new(major: u8, minor: u8, patch: u8) -> Self {
        Self { major, minor, patch }
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A PIV slot that can hold a private key.
///
/// The numbers are the key references of SP 800-73-4 part 1, table 4b: 9a, 9c, 9d, 9e and the retired key management
/// keys 82 to 95. Slot f9 (attestation) is left out: nothing here uses its key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u8);

impl Slot {
    const FIRST_RETIRED: u8 = 0x82;
    const LAST_RETIRED: u8 = 0x95;

    /// The slot with this key reference, if it is one that holds private keys.
    pub const fn from_byte(reference: u8) -> Option<Self> {
        match reference {
            0x9a | 0x9c..=0x9e | Self::FIRST_RETIRED..=Self::LAST_RETIRED => Some(Self(reference)),
            _ => None,
        }
    }

    /// Retired slot `number`, counted from 1 to 20 as age-plugin-yubikey and ykman's texts do.
    pub const fn retired(number: u8) -> Option<Self> {
        match number {
            1..=20 => Some(Self(Self::FIRST_RETIRED + number - 1)),
            _ => None,
        }
    }

    /// The twenty retired slots, in order.
    pub fn all_retired() -> impl Iterator<Item = Self> {
        (Self::FIRST_RETIRED..=Self::LAST_RETIRED).map(Self)
    }

    /// The key reference, 0x82 for the first retired slot.
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// 1 to 20 for a retired slot.
    pub const fn retired_number(self) -> Option<u8> {
        match self.0 {
            Self::FIRST_RETIRED..=Self::LAST_RETIRED => Some(self.0 - Self::FIRST_RETIRED + 1),
            _ => None,
        }
    }

    /// The tag of the data object with this slot's certificate (SP 800-73-4 part 1, table 3).
    pub const fn certificate_object(self) -> u32 {
        match self.0 {
            0x9a => 0x5f_c105,
            0x9c => 0x5f_c10a,
            0x9d => 0x5f_c10b,
            0x9e => 0x5f_c101,
            retired => 0x5f_c10d + (retired - Self::FIRST_RETIRED) as u32,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retired_number() {
            Some(number) => write!(f, "{:02x} (retired {number})", self.0),
            None => write!(f, "{:02x}", self.0),
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({:02x})", self.0)
    }
}

impl FromStr for Slot {
    type Err = Error;

    /// Reads `82`, `0x82` or `9a`. Retired slot *numbers* are [`Slot::retired`]'s: `10` would be ambiguous here.
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        // Checked first: from_str_radix would also take a sign.
        let reference = match digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            true => u8::from_str_radix(digits, 16).ok(),
            false => None,
        };
        reference.and_then(Self::from_byte).ok_or(Error::Malformed {
            what: "the slot name (9a, 9c, 9d, 9e or 82 to 95)",
        })
    }
}

/// When the token asks for the PIN before it uses a key; fixed when the key is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PinPolicy {
    /// Never.
    Never,
    /// Once, then until the applet is left or the token loses power.
    Once,
    /// Right before every use.
    Always,
    /// A value this program does not know; 4 and 5 are the fingerprint policies of the YubiKey Bio.
    Other(u8),
}

impl PinPolicy {
    /// From the byte of Yubico's policy tag `aa` and of the metadata and attestation answers.
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Never,
            2 => Self::Once,
            3 => Self::Always,
            other => Self::Other(other),
        }
    }

    /// The byte of Yubico's policy tag `aa`.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Never => 1,
            Self::Once => 2,
            Self::Always => 3,
            Self::Other(other) => other,
        }
    }
}

impl fmt::Display for PinPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("no PIN"),
            Self::Once => f.write_str("PIN once per insertion"),
            Self::Always => f.write_str("PIN for every use"),
            Self::Other(byte) => write!(f, "PIN policy {byte}"),
        }
    }
}

/// When the token asks for a touch before it uses a key; fixed when the key is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TouchPolicy {
    /// Never.
    Never,
    /// Before every use.
    Always,
    /// Before a use, unless there was a touch in the 15 s before it.
    Cached,
}

impl TouchPolicy {
    /// From the byte of Yubico's policy tag `ab`.
    ///
    /// # Errors
    /// [`Error::Malformed`] for any other byte: nobody could say whether such a key asks for a touch.
    pub const fn from_byte(byte: u8) -> Result<Self> {
        match byte {
            // 0 is "as the factory has it", which for every slot is no touch (Yubico: PIN, touch and bio policies).
            0 | 1 => Ok(Self::Never),
            2 => Ok(Self::Always),
            3 => Ok(Self::Cached),
            _ => Err(Error::Malformed {
                what: "the touch policy",
            }),
        }
    }

    /// The byte of Yubico's policy tag `ab`.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Never => 1,
            Self::Always => 2,
            Self::Cached => 3,
        }
    }
}

impl fmt::Display for TouchPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "no touch",
            Self::Always => "touch for every use",
            Self::Cached => "touch, remembered for 15 s",
        })
    }
}

/// Both policies of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policies {
    /// When the PIN is asked.
    pub pin: PinPolicy,
    /// When a touch is asked.
    pub touch: TouchPolicy,
}

/// Where a key came into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyOrigin {
    /// On the token: nobody has a copy.
    Generated,
    /// Elsewhere: there may be copies, which ask for no touch.
    Imported,
}

/// Whether the PIN is verified, and how many tries are left if not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinStatus {
    /// Somebody has verified it since the applet was selected; the number of tries can't be read now.
    Verified,
    /// Not verified; this many wrong PINs are still allowed, at least 1.
    Tries(u8),
    /// No try is left; only the PUK helps.
    Blocked,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retired_slots_are_counted_from_one_and_named_in_hex() {
        let first = Slot::retired(1).expect("1 is a retired slot");
        assert_eq!((first.byte(), first.to_string().as_str()), (0x82, "82 (retired 1)"));
        let last = Slot::all_retired().last().expect("there are twenty");
        assert_eq!((last.byte(), last.retired_number()), (0x95, Some(20)));
        assert_eq!(last.certificate_object(), 0x5f_c120);
        assert_eq!(Slot::retired(0), None);
        assert_eq!(Slot::retired(21), None);
    }

    #[test]
    fn slots_parse_what_they_display_and_nothing_else() {
        assert_eq!("9a".parse::<Slot>().ok(), Slot::from_byte(0x9a));
        assert_eq!("0x95".parse::<Slot>().ok(), Slot::from_byte(0x95));
        for wrong in ["9b", "f9", "81", "96", "1", "", "zz", "+82"] {
            assert!(wrong.parse::<Slot>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn firmware_is_ordered_as_versions_are() {
        assert!(Firmware::new(5, 2, 7) < Firmware::METADATA);
        assert!(Firmware::new(5, 10, 0) > Firmware::new(5, 9, 9));
    }
}
