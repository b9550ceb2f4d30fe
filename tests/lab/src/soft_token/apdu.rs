//! Command APDUs and status words: the bytes of ISO 7816-4:2005, parsed once at the card's edge.
//!
//! What a command means is left to the applets, how long answers are cut up to [`super::card`].

use std::fmt;

/// The class byte's bit that says "more of this command follows" (ISO 7816-4:2005, 5.1.1.1).
pub const CLA_CHAINING: u8 = 0x10;

/// What an applet says: data under `9000`, or the status word of a refusal.
pub type Answer = Result<Vec<u8>, StatusWord>;

/// How lengths are written in a command, which also says how long the answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One byte for lengths: up to 256 bytes come back at once.
    Short,
    /// Two bytes for lengths: everything comes back at once.
    Extended,
}

/// One command APDU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub cla: u8,
    pub ins: u8,
    pub p1: u8,
    pub p2: u8,
    pub data: Vec<u8>,
    pub form: Form,
}

impl Command {
    /// Reads the four cases of ISO 7816-4:2005, 5.1, short and extended.
    ///
    /// Le is dropped: a YubiKey sends all it has (in 256-byte pieces for the short form) whatever Le says.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatusWord> {
        let (head, body) = bytes.split_first_chunk::<4>().ok_or(StatusWord::WRONG_LENGTH)?;
        let (form, data) = match body {
            // case 1; case 2 short
            [] | [_] => (Form::Short, &[][..]),
            // case 2 extended
            [0, _, _] => (Form::Extended, &[][..]),
            // cases 3 and 4 extended: Le, if it is there, has two bytes
            [0, high, low, rest @ ..] => {
                let lc = usize::from(u16::from_be_bytes([*high, *low]));
                (Form::Extended, split_le(rest, lc, 2)?)
            }
            // cases 3 and 4 short
            [lc, rest @ ..] => (Form::Short, split_le(rest, usize::from(*lc), 1)?),
        };
        let [cla, ins, p1, p2] = *head;
        Ok(Self {
            cla,
            ins,
            p1,
            p2,
            data: data.to_vec(),
            form,
        })
    }

    /// Is this a piece of a command whose end is still to come?
    pub fn is_chained(&self) -> bool {
        self.cla & CLA_CHAINING != 0
    }

    /// Both parameters as one number, as the standards write them ("P1P2 = 3FFF").
    pub fn p1p2(&self) -> u16 {
        u16::from_be_bytes([self.p1, self.p2])
    }
}

/// The data field of `lc` bytes, if nothing or just an Le of `le` bytes follows it.
fn split_le(rest: &[u8], lc: usize, le: usize) -> Result<&[u8], StatusWord> {
    if lc == 0 || (rest.len() != lc && rest.len() != lc + le) {
        return Err(StatusWord::WRONG_LENGTH);
    }
    Ok(&rest[..lc])
}

/// SW1 SW2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StatusWord(pub u16);

impl StatusWord {
    pub const OK: Self = Self(0x9000);
    pub const MEMORY_FAILURE: Self = Self(0x6581);
    pub const WRONG_LENGTH: Self = Self(0x6700);
    pub const SECURITY_STATUS_NOT_SATISFIED: Self = Self(0x6982);
    pub const AUTHENTICATION_BLOCKED: Self = Self(0x6983);
    /// Yubico's OATH: no such account, no such password.
    pub const NO_SUCH_OBJECT: Self = Self(0x6984);
    pub const CONDITIONS_NOT_SATISFIED: Self = Self(0x6985);
    pub const INCORRECT_DATA: Self = Self(0x6a80);
    pub const NOT_FOUND: Self = Self(0x6a82);
    pub const NO_SPACE: Self = Self(0x6a84);
    pub const INCORRECT_P1P2: Self = Self(0x6a86);
    pub const REFERENCE_NOT_FOUND: Self = Self(0x6a88);
    /// Yubico's "no such slot" (`SW_ERR_INCORRECT_SLOT` in ykpiv.h).
    pub const WRONG_P1P2: Self = Self(0x6b00);
    pub const INSTRUCTION_NOT_SUPPORTED: Self = Self(0x6d00);
    pub const CLASS_NOT_SUPPORTED: Self = Self(0x6e00);
    /// Given when the token was pulled out in the middle: no reader ever gets to see it.
    pub const ABORTED: Self = Self(0x6f00);

    /// `63Cx`: refused, `left` tries remain. The nibble says 15 for "15 or more".
    pub fn tries_left(left: u8) -> Self {
        Self(0x63c0 | u16::from(left.min(15)))
    }

    /// `61xx`: more is there to be fetched; `00` stands for 256 and more.
    pub fn more(remaining: usize) -> Self {
        Self(0x6100 | u16::from(u8::try_from(remaining).unwrap_or(0)))
    }

    pub fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_and_form(bytes: &[u8]) -> Result<(Vec<u8>, Form), StatusWord> {
        Command::parse(bytes).map(|command| (command.data, command.form))
    }

    #[test]
    fn all_cases_of_the_standard_are_read() {
        let head = [0x00, 0xcb, 0x3f, 0xff];
        let with = |tail: &[u8]| data_and_form(&[&head[..], tail].concat());
        assert_eq!(with(&[]), Ok((vec![], Form::Short)));
        assert_eq!(with(&[0]), Ok((vec![], Form::Short)));
        assert_eq!(with(&[2, 1, 2]), Ok((vec![1, 2], Form::Short)));
        assert_eq!(with(&[2, 1, 2, 0]), Ok((vec![1, 2], Form::Short)));
        assert_eq!(with(&[0, 0, 0]), Ok((vec![], Form::Extended)));
        assert_eq!(with(&[0, 0, 2, 1, 2]), Ok((vec![1, 2], Form::Extended)));
        assert_eq!(with(&[0, 0, 2, 1, 2, 0, 0]), Ok((vec![1, 2], Form::Extended)));
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        for bytes in [
            &[][..],
            &[0, 1, 2],
            &[0, 1, 2, 3, 2, 1],
            &[0, 1, 2, 3, 0, 0],
            &[0, 1, 2, 3, 0, 0, 2, 1],
        ] {
            assert_eq!(Command::parse(bytes), Err(StatusWord::WRONG_LENGTH), "{bytes:02x?}");
        }
    }

    #[test]
    fn status_words_saturate() {
        assert_eq!(StatusWord::tries_left(200).0, 0x63cf);
        assert_eq!(StatusWord::more(256).0, 0x6100);
        assert_eq!(StatusWord::more(255).0, 0x61ff);
    }
}
