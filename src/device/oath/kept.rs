//! The key of a token's OATH password in the operating system's store, where it lies only if a person wanted it there.
//!
//! One text per token, under its serial number: the 16 bytes in hexadecimal digits. Not the password: what the store gives away is
//! good for this token only, and until its password is changed.

use super::Manner;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;
use crate::store::{Standing, Store, Waking};
use crate::token::Serial;
use crate::token::oath::UnlockKey;
use zeroize::Zeroizing;

/// What the store says of a token.
pub enum Kept {
    /// This key is kept; whether it is still the token's is for the token to say.
    Key(UnlockKey),
    /// None is kept.
    Nothing,
    /// The store can't be asked, or gives something else; with the reason.
    Unknown(Error),
}

/// Looks for the key of the token `serial`. No window is shown; who only looks starts no service either.
pub fn find(serial: Serial, manner: Manner) -> Kept {
    let store = Store::of_session();
    let name = name(serial);
    let waking = match manner {
        Manner::Using => Waking::Allowed,
        Manner::Looking => Waking::Never,
    };
    match store.standing(Some(&name), waking) {
        Ok(Standing::Open) => {}
        Ok(Standing::Empty) => return Kept::Nothing,
        Ok(
            other @ (Standing::Locked
            | Standing::NoKeyring
            | Standing::Asleep
            | Standing::Broken
            | Standing::NoService
            | Standing::NoBus),
        ) => return Kept::Unknown(other.to_error()),
        Err(error) => return Kept::Unknown(error),
    }
    match store.read(&name) {
        Ok(text) => match decode(&text) {
            Some(key) => Kept::Key(UnlockKey::from_bytes(key)),
            None => Kept::Unknown(Error::new(ErrorKind::Forged, "it holds something that is no such key")),
        },
        Err(error) => Kept::Unknown(error),
    }
}

/// Looks whether a key could be kept now.
///
/// # Errors
/// [`ErrorKind::NoKey`] when the store is not there or is locked.
pub fn must_be_possible() -> Result<()> {
    Store::of_session()
        .must_be_open()
        .map_err(|error| error.within("the keychain"))
}

/// Keeps `key` for the token `serial`, in the place of one that may be there, and reads it back.
///
/// # Errors
/// [`ErrorKind::NoKey`] when the store is not there, is locked, or does not keep it.
pub fn keep(serial: Serial, key: &UnlockKey) -> Result<()> {
    let store = Store::of_session();
    let name = name(serial);
    let text = encode(key);
    store
        .keep(&name, text.clone())
        .map_err(|error| error.within("the keychain"))?;
    let back = store
        .read(&name)
        .map_err(|error| error.within("the key was stored, but does not come back"))?;
    match *back == *text.expose().as_bytes() {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::NoKey,
            "the key was stored, but comes back as something else",
        )),
    }
}

/// Takes the key of the token `serial` out of the store; one that has none is fine.
///
/// # Errors
/// [`ErrorKind::NoKey`] when the store is not there or is locked.
pub fn forget(serial: Serial) -> Result<()> {
    Store::of_session()
        .forget(&name(serial))
        .map_err(|error| error.within("the keychain"))
}

/// What the store has it under; enrolled keys are called by their recipients, `age1...`.
fn name(serial: Serial) -> String {
    format!("oath-{serial}")
}

fn encode(key: &UnlockKey) -> SecretText {
    // As long as it will be, so that no copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(2 * key.expose().len()));
    for byte in key.expose() {
        for digit in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(u32::from(digit), 16).expect("four bits are one digit"));
        }
    }
    SecretText::new(text)
}

fn decode(text: &[u8]) -> Option<Zeroizing<[u8; 16]>> {
    let mut key = Zeroizing::new([0; 16]);
    if text.len() != 2 * key.len() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (byte, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_text_and_from_no_other() {
        let bytes = *b"\x00\x01\x9f\xa0\xff...........";
        let text = encode(&UnlockKey::from_bytes(Zeroizing::new(bytes)));
        assert_eq!(text.expose(), "00019fa0ff2e2e2e2e2e2e2e2e2e2e2e");
        assert_eq!(decode(text.expose().as_bytes()).as_deref(), Some(&bytes));
        let with_a_sign = format!("+{}", &text.expose()[1..]);
        for wrong in [
            "",
            "00",
            &text.expose()[1..],
            &with_a_sign,
            &format!("{}0", text.expose()),
        ] {
            assert!(decode(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
