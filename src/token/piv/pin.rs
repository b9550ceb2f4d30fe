//! The PIN: its state, verifying it, and leaving it as it was found.
//!
//! No try is spent here that a caller did not offer; asking a person is left to the caller.

use super::{MANAGEMENT, OATH, OTP, PinMetadata, Piv, VERIFY, sw};
use crate::token::{
    Error, PinPolicy, PinStatus, Result,
    apdu::{self, Command, Expects, SW_OK, Transmit},
};
use zeroize::Zeroizing;

/// The application PIN, SP 800-73-4 part 1, table 4a.
const PIN_REFERENCE: u8 = 0x80;

/// Who verified the PIN; it decides who drops it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pin {
    /// Nobody has looked.
    Unknown,
    /// Not verified.
    NotVerified,
    /// Verified before we came; left so.
    Theirs,
    /// Verified by us; dropped when we go. `just` until the next use of a key, for the policy "always".
    Ours { just: bool },
    /// Verified before we came, and again by us; left so.
    Both { just: bool },
}

/// Whether a key with this policy needs a VERIFY before its next use.
pub fn pin_needed(policy: PinPolicy, status: PinStatus) -> bool {
    match policy {
        PinPolicy::Never => false,
        PinPolicy::Always => true,
        PinPolicy::Once | PinPolicy::Other(_) => status != PinStatus::Verified,
    }
}

impl Piv<'_> {
    /// Whether the PIN is still the factory's, and its tries. Spends none. 1 APDU.
    ///
    /// # Errors
    /// [`Error::NotSupported`] before firmware 5.3.
    pub fn pin_metadata(&mut self) -> Result<PinMetadata> {
        match self.metadata_of(PIN_REFERENCE)? {
            Some(data) => PinMetadata::parse(&data),
            None => Err(self.unsupported("the PIN's metadata")),
        }
    }

    /// Whether the PIN is verified, else its tries (VERIFY without data). Spends none. 1 APDU.
    pub fn pin_status(&mut self) -> Result<PinStatus> {
        let answer = self.send(&Command::new("VERIFY (status)", VERIFY, 0, PIN_REFERENCE, &[]))?;
        let status = match (answer.sw, sw::tries(answer.sw)) {
            (SW_OK, _) => PinStatus::Verified,
            (sw::BLOCKED, _) | (_, Some(0)) => PinStatus::Blocked,
            (_, Some(tries)) => PinStatus::Tries(tries),
            _ => return Err(answer.refused()),
        };
        self.pin = match (status, self.pin) {
            (PinStatus::Verified, Pin::Unknown | Pin::NotVerified) => Pin::Theirs,
            (PinStatus::Verified, known) => known,
            (PinStatus::Tries(_) | PinStatus::Blocked, _) => Pin::NotVerified,
        };
        Ok(status)
    }

    /// Verifies the PIN. One try is spent if it is wrong; nothing is retried. 1 APDU.
    ///
    /// Ask [`Piv::pin_status`] first: a PIN that nobody is known to have verified before counts as ours and is dropped.
    ///
    /// # Errors
    /// [`Error::WrongPin`], [`Error::PinBlocked`], or [`Error::PinLength`] without sending it.
    pub fn verify(&mut self, pin: &[u8]) -> Result<()> {
        // SP 800-73-4 part 2, 2.4.3: 6 to 8 bytes, padded with ff to 8. YubiKeys allow more than digits.
        if !(6..=8).contains(&pin.len()) {
            return Err(Error::PinLength);
        }
        let mut padded = Zeroizing::new([0xff; 8]);
        padded[..pin.len()].copy_from_slice(pin);
        let command = Command::new("VERIFY", VERIFY, 0, PIN_REFERENCE, &*padded);
        let answer = self.send(&Command {
            expects: Expects::Nothing,
            ..command
        })?;
        let refused = match (answer.sw, sw::tries(answer.sw)) {
            (SW_OK, _) => {
                self.pin = match self.pin {
                    Pin::Theirs | Pin::Both { .. } => Pin::Both { just: true },
                    Pin::Unknown | Pin::NotVerified | Pin::Ours { .. } => Pin::Ours { just: true },
                };
                return Ok(());
            }
            (sw::BLOCKED, _) | (_, Some(0)) => Error::PinBlocked,
            (_, Some(tries)) => Error::WrongPin { tries },
            _ => return Err(answer.refused()),
        };
        // SP 800-73-4 part 2, 3.2.1: a wrong PIN also ends an earlier verification.
        self.pin = Pin::NotVerified;
        Err(refused)
    }

    /// Drops the PIN if we verified it, by selecting another applet. 0 or 1 APDU.
    ///
    /// Otherwise any program could use this token's other slots. Dropping the value does the same, without a word if it
    /// fails.
    ///
    /// # Errors
    /// [`Error::Card`] if the token would neither leave the applet nor forget the PIN.
    pub fn drop_pin(mut self) -> Result<()> {
        self.forget_pin()
    }

    pub(super) fn forget_pin(&mut self) -> Result<()> {
        let Pin::Ours { .. } = std::mem::replace(&mut self.pin, Pin::Unknown) else {
            return Ok(());
        };
        match Self::leave(self.link) {
            // SP 800-73-4 part 2, 3.2.1: P1 ff resets the verification; not every firmware knows it, hence last.
            Err(Error::Card { .. }) => self
                .send(&Command::new("VERIFY (reset)", VERIFY, 0xff, PIN_REFERENCE, &[]))?
                .ok()
                .map(|_| ()),
            result => result,
        }
    }

    /// Leaves the applet: PIN and management key are not proven any more. 1 APDU.
    ///
    /// # Errors
    /// [`Error::Card`] if the token has no other applet to go to.
    pub fn leave(link: &mut dyn Transmit) -> Result<()> {
        // SP 800-73-4 part 2, 3.1.1: selecting another application ends what was verified in this one.
        let mut last = Ok(());
        for aid in [MANAGEMENT, OTP, OATH] {
            let select = Command::select("SELECT (leave PIV)", aid);
            last = apdu::send(link, &select)?.ok().map(|_| ());
            if last.is_ok() {
                break;
            }
        }
        last
    }
}
