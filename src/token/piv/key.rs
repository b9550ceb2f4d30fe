//! The key in a slot: what it is, and the two things it is asked to do.

use super::{ManagementMetadata, Metadata, P256, Piv, pin::Pin, sw};
use crate::token::{
    Error, PinPolicy, PinStatus, Point, Policies, Result, Slot, TouchPolicy,
    apdu::{Answer, Command, SW_OK},
    attestation::Attestation,
    tlv,
};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The management key's reference, SP 800-73-4 part 1, table 4b.
const MANAGEMENT_KEY: u8 = 0x9b;

impl Piv<'_> {
    /// What the token says of the key in `slot`; `None` if there is none. 1 APDU.
    ///
    /// # Errors
    /// [`Error::NotSupported`] before firmware 5.3.
    pub fn metadata(&mut self, slot: Slot) -> Result<Option<Metadata>> {
        let data = self.metadata_of(slot.byte())?;
        data.map(|data| Metadata::parse(&data)).transpose()
    }

    /// What the token says of its management key. 1 APDU.
    ///
    /// # Errors
    /// [`Error::NotSupported`] before firmware 5.3.
    pub fn management_metadata(&mut self) -> Result<ManagementMetadata> {
        match self.metadata_of(MANAGEMENT_KEY)? {
            Some(data) => ManagementMetadata::parse(&data),
            None => Err(self.unsupported("the management key's metadata")),
        }
    }

    /// ECDH of the key in `slot` with `peer`: the 32 bytes of x. 1 APDU, which waits for the touch.
    ///
    /// # Errors
    /// [`Error::NoTouch`] and [`Error::PinRequired`] come from the same status word, 6982, and are told apart by what is
    /// known of the PIN; if nothing is, by asking. [`Error::Removed`] if the token goes while it waits.
    pub fn ecdh(&mut self, slot: Slot, policies: Policies, peer: &Point) -> Result<Zeroizing<[u8; 32]>> {
        // SP 800-73-4 part 2, table 7: 85 is the other party's point.
        let answer = self.general_authenticate(slot, policies, 0x85, peer.uncompressed())?;
        let mut secret = Zeroizing::new([0; 32]);
        let x = response(&answer)?;
        if x.len() != secret.len() {
            return Err(Error::Malformed { what: ANSWER });
        }
        secret.copy_from_slice(x);
        Ok(secret)
    }

    /// Signs a SHA-256 `digest` with the key in `slot`; the DER `ECDSA-Sig-Value`. 1 APDU, which waits for the touch.
    ///
    /// # Errors
    /// As [`Piv::ecdh`].
    pub fn sign(&mut self, slot: Slot, policies: Policies, digest: &[u8; 32]) -> Result<Vec<u8>> {
        // SP 800-73-4 part 2, table 7: 81 is the challenge, here what is to be signed.
        let answer = self.general_authenticate(slot, policies, 0x81, digest)?;
        response(&answer).map(<[u8]>::to_vec)
    }

    /// What the token testifies of the key in `slot`, which it must have made itself. Signed by the token without touch
    /// or PIN. 1 APDU, and one for each further 256 bytes.
    ///
    /// # Errors
    /// [`Error::SlotEmpty`] if it made no key there, [`Error::NotSupported`] before firmware 4.3.
    pub fn attest(&mut self, slot: Slot) -> Result<Attestation> {
        let answer = self.send(&Command::new("ATTEST", 0xf9, slot.byte(), 0, &[]))?;
        match answer.sw {
            SW_OK => Attestation::parse(&answer.data),
            sw::UNKNOWN_INS => Err(self.unsupported("attestation")),
            // An imported key and an empty slot are the same to ATTEST: nothing it made.
            0x6a80 | sw::NOT_FOUND | sw::NO_REFERENCE => Err(Error::SlotEmpty { slot }),
            _ => Err(answer.refused()),
        }
    }

    fn general_authenticate(&mut self, slot: Slot, policies: Policies, tag: u8, value: &[u8]) -> Result<Answer> {
        // SP 800-73-4 part 2, 3.2.4: an empty 82 asks for the response.
        let template = tlv::write(0x7c, &[&tlv::write(0x82, &[])[..], &tlv::write(tag, value)].concat());
        let armed = Instant::now();
        let answer = self.send(&Command::new(
            "GENERAL AUTHENTICATE",
            0x87,
            P256,
            slot.byte(),
            &template,
        ));
        let waited = armed.elapsed();
        // Read after sending: if PIV had to be selected again, nothing is known of the PIN any more.
        let pin = self.pin;
        self.pin = match pin {
            Pin::Ours { .. } => Pin::Ours { just: false },
            Pin::Both { .. } => Pin::Both { just: false },
            Pin::Unknown | Pin::NotVerified | Pin::Theirs => pin,
        };
        let answer = answer.map_err(|error| lost_while_blinking(error, policies.touch, waited))?;
        match (answer.sw, policies.touch) {
            (SW_OK, _) => Ok(answer),
            (sw::SECURITY_STATUS, TouchPolicy::Never) => Err(Error::PinRequired),
            (sw::SECURITY_STATUS | sw::CONDITIONS, TouchPolicy::Always | TouchPolicy::Cached) => {
                if self.pin_was_good(policies.pin, pin)? {
                    Err(Error::NoTouch { waited })
                } else {
                    Err(Error::PinRequired)
                }
            }
            (sw::NO_REFERENCE, _) => Err(Error::SlotEmpty { slot }),
            _ => Err(answer.refused()),
        }
    }

    /// Whether the PIN was such, when the key was used, that only a touch can have been missing.
    fn pin_was_good(&mut self, policy: PinPolicy, pin: Pin) -> Result<bool> {
        Ok(match (policy, pin) {
            (PinPolicy::Never, _) => true,
            (PinPolicy::Always, Pin::Ours { just } | Pin::Both { just }) => just,
            (PinPolicy::Always, Pin::Unknown | Pin::NotVerified | Pin::Theirs) => false,
            (_, Pin::Ours { .. } | Pin::Both { .. } | Pin::Theirs) => true,
            (_, Pin::NotVerified) => false,
            (_, Pin::Unknown) => self.pin_status()? == PinStatus::Verified,
        })
    }
}

/// What a broken line means after the token has blinked for long.
///
/// A driver may give up before the token does: Windows has been seen to answer a missed touch with SCARD_E_COMM_DATA_LOST
/// (Yubico.NET.SDK issue 34). A token that was pulled out has been told from this by then.
pub(in crate::token) fn lost_while_blinking(error: Error, touch: TouchPolicy, waited: Duration) -> Error {
    match (error, touch) {
        (Error::Pcsc { .. }, TouchPolicy::Always | TouchPolicy::Cached) if waited >= BLINKED_LONG => {
            Error::NoTouch { waited }
        }
        (error, _) => error,
    }
}

/// Longer than any answer takes that needs no touch, shorter than any token blinks.
const BLINKED_LONG: Duration = Duration::from_secs(5);

const ANSWER: &str = "the answer to GENERAL AUTHENTICATE";

/// The response in 7C 82, SP 800-73-4 part 2, 3.2.4.
fn response(answer: &Answer) -> Result<&[u8]> {
    let template = tlv::Reader::new(&answer.data, ANSWER).expect(0x7c)?;
    let response = tlv::Reader::new(template.value, ANSWER).find(0x82)?;
    response.map(|tlv| tlv.value).ok_or(Error::Malformed { what: ANSWER })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_breaks_after_long_blinking_is_a_missed_touch() {
        let broken = Error::Pcsc {
            doing: "send to the card",
            code: 0x8010_002f,
            text: String::new(),
        };
        let lost =
            |error: &Error, touch, seconds| lost_while_blinking(error.clone(), touch, Duration::from_secs(seconds));
        assert!(matches!(lost(&broken, TouchPolicy::Always, 10), Error::NoTouch { .. }));
        assert_eq!(lost(&broken, TouchPolicy::Always, 1), broken);
        assert_eq!(lost(&broken, TouchPolicy::Never, 10), broken);
        assert_eq!(lost(&Error::Removed, TouchPolicy::Always, 10), Error::Removed);
    }
}
