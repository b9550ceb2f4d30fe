//! A FIDO2 PIN as it is sent: NFC, 4 to 63 bytes of UTF-8 (CTAP 2.1, 6.5.1). One that can't be a PIN costs no try.

use super::Fault;
use crate::secret::SecretText;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The fewest characters of a PIN, and the most bytes.
const FEWEST: usize = 4;
const MOST: usize = 63;

/// A PIN that a token could take.
#[derive(Clone)]
pub struct Pin(SecretText);

impl Pin {
    /// From what a person typed.
    ///
    /// # Errors
    /// [`Fault::PinLength`]; nothing is sent then.
    pub fn from_typed(typed: &SecretText) -> Result<Self, Fault> {
        // Room for the longest composition at once: a text that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(4 * typed.expose().len()));
        text.extend(typed.expose().nfc());
        if text.chars().count() < FEWEST || text.len() > MOST {
            return Err(Fault::PinLength);
        }
        Ok(Pin(SecretText::new(text)))
    }

    /// Whether a token that takes no PIN of fewer characters than `least` could take it (CTAP 2.1, 6.4: minPINLength, in code points).
    ///
    /// # Errors
    /// [`Fault::PinTooShort`]; nothing is sent then.
    pub fn long_enough(&self, least: u8) -> Result<(), Fault> {
        match self.expose().chars().count() < usize::from(least) {
            true => Err(Fault::PinTooShort { least }),
            false => Ok(()),
        }
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(text: &str) -> Result<Pin, Fault> {
        Pin::from_typed(&SecretText::copy_of(text))
    }

    #[test]
    fn the_same_pin_typed_on_another_keyboard_is_the_same_pin() {
        let decomposed = pin("cafe\u{301}").expect("a PIN");
        assert_eq!(decomposed.expose(), "caf\u{e9}");
        assert_eq!(decomposed.expose(), pin("caf\u{e9}").expect("a PIN").expose());
    }

    #[test]
    fn a_shortest_pin_is_counted_in_characters_not_bytes() {
        let six = pin("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}").expect("a PIN");
        assert_eq!(six.long_enough(6), Ok(()));
        assert_eq!(six.long_enough(7), Err(Fault::PinTooShort { least: 7 }));
    }

    #[test]
    fn a_pin_has_4_characters_to_63_bytes() {
        assert!(pin("1234").is_ok());
        assert!(pin(&"1".repeat(63)).is_ok());
        for bad in ["", "123", &"1".repeat(64), &"\u{e9}".repeat(32)] {
            assert_eq!(pin(bad).err(), Some(Fault::PinLength), "{bad:?}");
        }
    }
}
