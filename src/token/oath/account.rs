//! An OATH account: its name with the period in it, and what is known of it without calculating.

use crate::token::OathFault;
use std::{
    fmt::{self, Write},
    num::NonZeroU32,
};

/// YKOATH, PUT INSTRUCTION: "max 64 bytes".
const LONGEST_NAME: usize = 64;

/// An account's name as the token keeps it: bytes in the form `period/issuer:account`, where period and issuer may be missing.
///
/// Other programs may have written anything there, so nothing is assumed of it but what [`AccountName::new`] checks.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(Vec<u8>);

impl AccountName {
    /// A name to be put on a token.
    ///
    /// # Errors
    /// [`OathFault::NameLength`] unless it has 1 to 64 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, OathFault> {
        match bytes.len() {
            1..=LONGEST_NAME => Ok(Self(bytes.to_vec())),
            length => Err(OathFault::NameLength { length }),
        }
    }

    /// A name that a token gave, of any length.
    pub(super) fn from_token(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// How long a code of this account lasts, 30 s unless the name begins with another period and a slash.
    ///
    /// The token itself knows no periods: this is the convention of Yubico's programs, and true of time-based accounts only.
    pub fn period(&self) -> Period {
        self.split().0
    }

    /// The name without its period: `issuer:account`.
    pub fn label(&self) -> &[u8] {
        self.split().1
    }

    /// What stands before the first colon of the label, if both sides have something.
    pub fn issuer(&self) -> Option<&[u8]> {
        self.split_label().0
    }

    /// What stands after the issuer.
    pub fn account(&self) -> &[u8] {
        self.split_label().1
    }

    fn split(&self) -> (Period, &[u8]) {
        let whole = (Period::DEFAULT, &self.0[..]);
        let Some(slash) = self.0.iter().position(|byte| *byte == b'/') else {
            return whole;
        };
        let (digits, label) = (&self.0[..slash], &self.0[slash + 1..]);
        if label.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return whole;
        }
        let seconds = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        seconds.map_or(whole, |seconds| (Period(seconds), label))
    }

    fn split_label(&self) -> (Option<&[u8]>, &[u8]) {
        let label = self.label();
        match label.iter().position(|byte| *byte == b':') {
            Some(colon) if colon > 0 && colon + 1 < label.len() => (Some(&label[..colon]), &label[colon + 1..]),
            _ => (None, label),
        }
    }
}

impl fmt::Display for AccountName {
    /// As text for a person; what is no UTF-8, steers a terminal or turns words round is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    // Unicode's explicit bidirectional formatting (UAX #9, 2.1 to 2.4).
                    '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                        write!(f, "{}", c.escape_unicode())?;
                    }
                    _ if c.is_control() => write!(f, "{}", c.escape_default())?,
                    _ => f.write_char(c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountName({self})")
    }
}

/// How long a time-based code lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(NonZeroU32);

impl Period {
    /// RFC 6238, 4.1: 30 s unless agreed otherwise; AWS knows no other.
    pub const DEFAULT: Self = Self(NonZeroU32::new(30).expect("thirty is not zero"));

    /// In seconds, at least 1.
    pub const fn seconds(self) -> u32 {
        self.0.get()
    }

    /// The time step that holds this moment, in seconds since the Unix epoch.
    pub const fn step_at(self, unix_seconds: u64) -> TimeStep {
        TimeStep(unix_seconds / self.0.get() as u64)
    }
}

/// How many periods have passed since the Unix epoch: T of RFC 6238, 4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeStep(pub u64);

/// What makes an account's codes change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The time (RFC 6238).
    Totp,
    /// Each calculation (RFC 4226).
    Hotp,
    /// Something this program does not know, such as another vendor's kinds; the high bits of the type byte.
    Other(u8),
}

impl Kind {
    /// From the high half of YKOATH's type and algorithm byte.
    pub(super) const fn from_byte(byte: u8) -> Self {
        match byte & 0xf0 {
            0x10 => Self::Hotp,
            0x20 => Self::Totp,
            other => Self::Other(other),
        }
    }
}

/// The hash under the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// The one that AWS uses.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512; firmware 4.3.1 and later.
    Sha512,
}

impl Algorithm {
    /// From the low half of YKOATH's type and algorithm byte.
    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        match byte & 0x0f {
            1 => Some(Self::Sha1),
            2 => Some(Self::Sha256),
            3 => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Sha1 => 1,
            Self::Sha256 => 2,
            Self::Sha512 => 3,
        }
    }
}

/// How many digits a code has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digits(u8);

impl Digits {
    /// What AWS asks for.
    pub const SIX: Self = Self(6);

    /// 6, 7 or 8: RFC 4226, 5.3, and all that a YubiKey does.
    pub const fn new(count: u8) -> Option<Self> {
        match count {
            6..=8 => Some(Self(count)),
            _ => None,
        }
    }

    /// The number.
    pub const fn count(self) -> u8 {
        self.0
    }
}

/// Whether an account's codes are calculated only under a finger; fixed when it is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Touch {
    /// For every code.
    Required,
    /// Never.
    NotRequired,
}

/// What a token tells of an account without calculating a code that anybody sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: AccountName,
    /// Time or counter.
    pub kind: Kind,
    /// The hash; `None` if it is one this program does not know.
    pub algorithm: Option<Algorithm>,
    /// How long its codes are; `None` if the token did not tell, or told something odd.
    pub digits: Option<Digits>,
    /// Whether it wants a touch; `None` if the token did not tell, as it never does for counter-based accounts.
    pub touch: Option<Touch>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (u32, Option<String>, String) {
        let name = AccountName::from_token(text.as_bytes());
        let owned = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        (name.period().seconds(), name.issuer().map(owned), owned(name.account()))
    }

    #[test]
    fn a_name_has_period_issuer_and_account_as_yubicos_programs_write_them() {
        let cases = [
            ("ana", 30, None, "ana"),
            ("AWS:ana@example", 30, Some("AWS"), "ana@example"),
            ("60/AWS:ana", 60, Some("AWS"), "ana"),
            ("60/ana", 60, None, "ana"),
            (
                "arn:aws:iam::111122223333:mfa/ana",
                30,
                Some("arn"),
                "aws:iam::111122223333:mfa/ana",
            ),
            // Nothing that could be a period or an issuer.
            ("/ana", 30, None, "/ana"),
            ("60/", 30, None, "60/"),
            ("0/ana", 30, None, "0/ana"),
            ("+60/ana", 30, None, "+60/ana"),
            ("99999999999/ana", 30, None, "99999999999/ana"),
            (":ana", 30, None, ":ana"),
            ("ana:", 30, None, "ana:"),
            ("Größe:алиса/90", 30, Some("Größe"), "алиса/90"),
        ];
        for (text, period, issuer, account) in cases {
            let expected = (period, issuer.map(str::to_owned), account.to_owned());
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_on_a_screen_steers_nothing() {
        let name = AccountName::from_token(b"a\x1b[2J\n\xff\xc3\xa4\xe2\x80\xaeb");
        assert_eq!(name.to_string(), "a\\u{1b}[2J\\n\\xff\u{e4}\\u{202e}b");
    }

    #[test]
    fn a_name_to_be_put_has_1_to_64_bytes() {
        for (length, fits) in [(0, false), (1, true), (64, true), (65, false)] {
            assert_eq!(AccountName::new(&vec![b'a'; length]).is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn a_step_is_a_period_long() {
        assert_eq!(Period::DEFAULT.step_at(59), TimeStep(1));
        assert_eq!(Period::DEFAULT.step_at(60), TimeStep(2));
    }
}
