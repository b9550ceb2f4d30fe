//! A code: the digits that RFC 4226 makes of an HMAC.

use super::{
    account::{Digits, Period, TimeStep},
    answer::MALFORMED_CODE,
};
use crate::{
    secret::SecretText,
    token::{Error, Result},
};
use zeroize::Zeroizing;

/// A time-based code and when it counts.
pub struct Code {
    /// 6 to 8 digits, zeros in front included.
    pub text: SecretText,
    /// The step that it is for.
    pub step: TimeStep,
    /// How long a step is.
    pub period: Period,
}

/// An HMAC that the token gave in full; it is worth as much as the codes that can be made of it.
pub struct FullResponse {
    pub(super) digits: Digits,
    pub(super) hmac: Zeroizing<Vec<u8>>,
}

impl FullResponse {
    /// The HMAC, as long as its hash.
    pub fn hmac(&self) -> &[u8] {
        &self.hmac
    }

    /// The code that the token would have made of it (RFC 4226, 5.3).
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is shorter than the shortest HMAC.
    pub fn code(&self) -> Result<SecretText> {
        let malformed = || Error::Malformed { what: MALFORMED_CODE };
        if self.hmac.len() < SHORTEST_HMAC {
            return Err(malformed());
        }
        // The low four bits of the last byte say where the four bytes are; RFC 6238's longer hashes do the same.
        let offset = usize::from(self.hmac.last().ok_or_else(malformed)? & 0x0f);
        let bytes = self.hmac[offset..].first_chunk::<4>().ok_or_else(malformed)?;
        Ok(digits_of(u32::from_be_bytes(*bytes), self.digits))
    }
}

/// SHA-1's 20 bytes: every offset of the truncation lies within them.
const SHORTEST_HMAC: usize = 20;

/// The last digits of the number, whose sign bit is left out (RFC 4226, 5.3, step 3).
pub(super) fn digits_of(number: u32, digits: Digits) -> SecretText {
    let count = digits.count();
    let number = (number & 0x7fff_ffff) % 10_u32.pow(u32::from(count));
    SecretText::new(Zeroizing::new(format!("{number:0width$}", width = usize::from(count))))
}
