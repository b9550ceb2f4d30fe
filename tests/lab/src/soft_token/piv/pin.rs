//! PIN and PUK: comparing, counting, changing, and the reset when both are blocked.

use super::{
    Piv,
    state::{DEFAULT_PIN, DEFAULT_PUK, Secret},
};
use crate::soft_token::{
    apdu::{Answer, Command, StatusWord},
    firmware::Firmware,
    journal::{Outcome, Reference},
};

/// Key references (SP 800-73-4 part 1, table 4a).
pub const PIN: u8 = 0x80;
pub const PUK: u8 = 0x81;

/// A PIN or PUK on the wire, filled up with `FF` (SP 800-73-4 part 2, 2.4.3).
const LENGTH: usize = 8;
const SHORTEST: usize = 6;
const FILL: u8 = 0xff;

impl Piv {
    /// VERIFY: SP 800-73-4 part 2, 3.2.1.
    pub(super) fn verify(&mut self, command: &Command) -> Answer {
        if command.p2 != PIN {
            return Err(StatusWord::REFERENCE_NOT_FOUND);
        }
        match (command.p1, command.data.as_slice()) {
            (0xff, []) => {
                self.forget_pin();
                Ok(Vec::new())
            }
            (0xff, _) => Err(StatusWord::INCORRECT_DATA),
            (0x00, []) if self.session.pin_verified => Ok(Vec::new()),
            (0x00, []) => Err(refusal(&self.state.pin)),
            (0x00, candidate) if candidate.len() != LENGTH => Err(StatusWord::INCORRECT_DATA),
            (0x00, candidate) => {
                self.forget_pin();
                self.compare(Reference::Pin, candidate)?;
                self.session.pin_verified = true;
                self.session.pin_fresh = true;
                Ok(Vec::new())
            }
            _ => Err(StatusWord::INCORRECT_P1P2),
        }
    }

    /// CHANGE REFERENCE DATA: SP 800-73-4 part 2, 3.2.2. Status words as in Yubico's SDK manual, "change reference
    /// data". Unverified: a changed PIN stays as verified as it was.
    pub(super) fn change_reference_data(&mut self, command: &Command) -> Answer {
        let reference = match (command.p1, command.p2) {
            (0x00, PIN) => Reference::Pin,
            (0x00, PUK) => Reference::Puk,
            _ => return Err(StatusWord::REFERENCE_NOT_FOUND),
        };
        let (old, new) = split(&command.data)?;
        let compared = self.compare(reference, old);
        if compared.is_err() && reference == Reference::Pin {
            self.forget_pin();
        }
        compared?;
        self.replace(reference, new)
    }

    /// RESET RETRY COUNTER: SP 800-73-4 part 2, 3.2.3. The PUK opens, the PIN is set anew.
    pub(super) fn reset_retry_counter(&mut self, command: &Command) -> Answer {
        if (command.p1, command.p2) != (0x00, PIN) {
            return Err(StatusWord::REFERENCE_NOT_FOUND);
        }
        let (puk, new_pin) = split(&command.data)?;
        self.compare(Reference::Puk, puk)?;
        self.forget_pin();
        self.replace(Reference::Pin, new_pin)
    }

    /// SET PIN RETRIES (Yubico): P1 tries for the PIN, P2 for the PUK. Sets both back to their default values.
    pub(super) fn set_pin_retries(&mut self, command: &Command) -> Answer {
        self.require_management()?;
        if !self.session.pin_verified {
            return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
        }
        // unverified: zero tries would make a brick
        if command.p1 == 0 || command.p2 == 0 {
            return Err(StatusWord::INCORRECT_DATA);
        }
        self.forget_pin();
        self.state.pin = Secret::new(&DEFAULT_PIN, command.p1);
        self.state.puk = Secret::new(&DEFAULT_PUK, command.p2);
        self.save()
    }

    /// RESET (Yubico): only for somebody who has lost both PIN and PUK.
    pub(super) fn reset(&mut self) -> Answer {
        if !self.state.pin.is_blocked() || !self.state.puk.is_blocked() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        self.state.reset(&self.device);
        self.session = super::Session::default();
        self.save()
    }

    /// Spends a try and gives it back if the candidate is right.
    ///
    /// The try is spent on disk before the comparison, as a token does it: pulling the plug gains nothing.
    fn compare(&mut self, reference: Reference, candidate: &[u8]) -> Result<(), StatusWord> {
        let result = self.spend_try(reference, candidate);
        let outcome = if result.is_ok() {
            Outcome::Accepted
        } else {
            Outcome::Refused
        };
        self.device.journal.count_attempt(reference, outcome);
        result
    }

    fn spend_try(&mut self, reference: Reference, candidate: &[u8]) -> Result<(), StatusWord> {
        let secret = self.secret(reference);
        secret.left = secret.left.checked_sub(1).ok_or(StatusWord::AUTHENTICATION_BLOCKED)?;
        self.save()?;
        let secret = self.secret(reference);
        if secret.value.0 != candidate {
            return Err(refusal(secret));
        }
        secret.left = secret.tries;
        self.save()?;
        Ok(())
    }

    fn replace(&mut self, reference: Reference, new: &[u8]) -> Answer {
        if !is_acceptable(new, self.device.firmware) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let secret = self.secret(reference);
        *secret = Secret::new(new, secret.tries);
        self.save()
    }

    fn secret(&mut self, reference: Reference) -> &mut Secret {
        match reference {
            Reference::Pin => &mut self.state.pin,
            Reference::Puk => &mut self.state.puk,
        }
    }

    fn forget_pin(&mut self) {
        self.session.pin_verified = false;
        self.session.pin_fresh = false;
    }
}

/// Unverified: the try that blocks says so (6983) instead of "0 left" (63C0).
fn refusal(secret: &Secret) -> StatusWord {
    if secret.is_blocked() {
        StatusWord::AUTHENTICATION_BLOCKED
    } else {
        StatusWord::tries_left(secret.left)
    }
}

/// The two values of a change.
fn split(data: &[u8]) -> Result<(&[u8], &[u8]), StatusWord> {
    if data.len() != 2 * LENGTH {
        return Err(StatusWord::INCORRECT_DATA);
    }
    Ok(data.split_at(LENGTH))
}

/// Six to eight bytes, then fill. Since 5.7 they are ASCII (Yubico's SDK manual, "change reference data").
fn is_acceptable(value: &[u8], firmware: Firmware) -> bool {
    let length = value.iter().position(|byte| *byte == FILL).unwrap_or(value.len());
    let (chosen, fill) = value.split_at(length);
    length >= SHORTEST && fill.iter().all(|byte| *byte == FILL) && (!firmware.is_5_7() || chosen.is_ascii())
}
