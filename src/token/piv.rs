//! Opening: what a slot key is asked to do, in as few APDUs as it takes.
//!
//! A whole opening is at most six: SELECT, GET METADATA, VERIFY without data, VERIFY, GENERAL AUTHENTICATE, and a SELECT
//! of another applet that drops the PIN again if it was ours. Commands are those of SP 800-73-4 part 2 and of Yubico's
//! published extensions. The `yubikey` crate is not used here: it can't tell a missed touch from a missing PIN, selects
//! anew in its own time, and logs PIN and shared secret at trace level. Making keys is left to `admin`.

mod key;
mod metadata;
mod object;
mod pin;
#[cfg(test)]
mod tests;

pub(super) use key::lost_while_blinking;
pub use metadata::{ManagementMetadata, Metadata, PinMetadata};
pub use pin::pin_needed;

use super::{
    Error, Firmware, Result, Serial,
    apdu::{self, Answer, Command, SW_OK, Transmit},
};
use pin::Pin;
use zeroize::Zeroizing;

/// The PIV applet's AID without its version, which every version answers (SP 800-73-4 part 1, 2.2).
const PIV: &[u8] = &[0xa0, 0x00, 0x00, 0x03, 0x08];
/// The YubiKey's management applet, which can't be switched off.
pub(super) const MANAGEMENT: &[u8] = &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17];
/// The OTP applet.
const OTP: &[u8] = &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x20, 0x01];
/// The OATH applet.
pub(super) const OATH: &[u8] = &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x21, 0x01];

/// SP 800-73-4 part 2, 3.2.1.
const VERIFY: u8 = 0x20;
/// ECC P-256, SP 800-78-4, table 6-2.
pub(super) const P256: u8 = 0x11;

/// Status words, SP 800-73-4 part 2, 2.4.2.
mod sw {
    pub const SECURITY_STATUS: u16 = 0x6982;
    pub const BLOCKED: u16 = 0x6983;
    pub const CONDITIONS: u16 = 0x6985;
    pub const NOT_FOUND: u16 = 0x6a82;
    pub const NO_REFERENCE: u16 = 0x6a88;
    pub const UNKNOWN_INS: u16 = 0x6d00;
    /// 63Cx, x tries left.
    pub const fn tries(sw: u16) -> Option<u8> {
        match sw & 0xfff0 {
            0x63c0 => Some((sw & 0xf) as u8),
            _ => None,
        }
    }
}

/// The PIV applet, selected, for the length of one transaction.
///
/// Dropping it drops the PIN, if this value (or one it continues) verified it.
pub struct Piv<'t> {
    link: &'t mut dyn Transmit,
    selected: Selected,
    pin: Pin,
    firmware: Option<Firmware>,
}

/// What is carried from one transaction to the next on the same connection, while a person types a PIN.
///
/// Resume it: a PIN verified before the pause stays verified until then.
#[must_use = "a PIN verified before the pause is only dropped after resuming"]
pub struct Paused {
    selected: Selected,
    pin: Pin,
    firmware: Option<Firmware>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Selected {
    /// In this transaction.
    Surely,
    /// In an earlier one; another program may have selected its own applet since.
    Likely,
    /// The card was reset since.
    Lost,
}

impl<'t> Piv<'t> {
    /// Selects the PIV applet. 1 APDU.
    ///
    /// # Errors
    /// [`Error::NotSupported`] if there is none, or it is switched off.
    pub fn select(link: &'t mut dyn Transmit) -> Result<Self> {
        let mut piv = Self {
            link,
            selected: Selected::Lost,
            pin: Pin::Unknown,
            firmware: None,
        };
        piv.select_again()?;
        Ok(piv)
    }

    /// Goes on where [`Piv::pause`] stopped, on the same connection. No APDU.
    ///
    /// The first command is sent as if nothing had happened. If another applet answers it, because another program was
    /// here, PIV is selected and the command sent once more: no applet of a YubiKey counts a VERIFY of reference 80.
    pub fn resume(link: &'t mut dyn Transmit, paused: Paused) -> Self {
        // A reset leaves no applet selected and no PIN verified, so there is none of ours to drop either.
        let (selected, pin) = match link.was_reset() {
            true => (Selected::Lost, Pin::Unknown),
            false => (paused.selected, paused.pin),
        };
        Self {
            link,
            selected,
            pin,
            firmware: paused.firmware,
        }
    }

    /// Lets go of the transaction without dropping the PIN. No APDU.
    pub fn pause(mut self) -> Paused {
        let pin = std::mem::replace(&mut self.pin, Pin::Unknown);
        let selected = match self.selected {
            Selected::Surely | Selected::Likely => Selected::Likely,
            Selected::Lost => Selected::Lost,
        };
        Paused {
            selected,
            pin,
            firmware: self.firmware,
        }
    }

    /// The firmware (Yubico: GET VERSION). 1 APDU the first time.
    ///
    /// # Errors
    /// [`Error::NotSupported`] on a PIV card that is no YubiKey.
    pub fn version(&mut self) -> Result<Firmware> {
        if let Some(firmware) = self.firmware {
            return Ok(firmware);
        }
        let answer = self.send(&Command::new("GET VERSION", 0xfd, 0, 0, &[]))?;
        if answer.sw == sw::UNKNOWN_INS {
            return Err(self.unsupported("the firmware version"));
        }
        let [major, minor, patch] = answer.ok()?[..] else {
            return Err(Error::Malformed {
                what: "the firmware version",
            });
        };
        let firmware = Firmware::new(major, minor, patch);
        self.firmware = Some(firmware);
        Ok(firmware)
    }

    /// The serial number (Yubico: GET SERIAL, firmware 5). 1 APDU, or 4 with a YubiKey 4, which tells it in its OTP
    /// applet only and forgets the PIN over that.
    ///
    /// # Errors
    /// [`Error::NotSupported`] if the token doesn't tell.
    pub fn serial(&mut self) -> Result<Serial> {
        let mut answer = self.send(&Command::new("GET SERIAL", 0xf8, 0, 0, &[]))?;
        if answer.sw == sw::UNKNOWN_INS && self.send(&Command::select("SELECT OTP", OTP))?.sw == SW_OK {
            answer = self.send(&Command::new("OTP SERIAL", 0x01, 0x10, 0, &[]))?;
            self.select_again()?;
        }
        if answer.sw != SW_OK {
            return Err(self.unsupported("the serial number"));
        }
        match answer.data[..].try_into() {
            Ok(bytes) => Ok(Serial(u32::from_be_bytes(bytes))),
            Err(_) => Err(Error::Malformed {
                what: "the serial number",
            }),
        }
    }

    fn metadata_of(&mut self, reference: u8) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let answer = self.send(&Command::new("GET METADATA", 0xf7, 0, reference, &[]))?;
        match answer.sw {
            sw::NO_REFERENCE | sw::NOT_FOUND => Ok(None),
            sw::UNKNOWN_INS => Err(self.unsupported("key metadata")),
            _ => answer.ok().map(Some),
        }
    }

    fn send(&mut self, command: &Command<'_>) -> Result<Answer> {
        if self.selected == Selected::Lost {
            self.select_again()?;
        }
        let answer = apdu::send(self.link, command)?;
        if self.selected == Selected::Surely || !is_of_another_applet(command, answer.sw) {
            self.selected = Selected::Surely;
            return Ok(answer);
        }
        self.select_again()?;
        apdu::send(self.link, command)
    }

    fn select_again(&mut self) -> Result<()> {
        let command = Command::select("SELECT PIV", PIV);
        let answer = apdu::send(self.link, &command)?;
        if answer.sw != SW_OK {
            return Err(self.unsupported("PIV"));
        }
        // A YubiKey 4 drops the PIN when PIV is selected again, newer ones keep it: look before trusting either.
        self.pin = Pin::Unknown;
        self.selected = Selected::Surely;
        Ok(())
    }

    fn unsupported(&self, what: &'static str) -> Error {
        Error::NotSupported {
            what,
            firmware: self.firmware,
        }
    }
}

impl Drop for Piv<'_> {
    fn drop(&mut self) {
        // Nobody is left to tell; whoever wants to know calls `drop_pin`.
        let _ = self.forget_pin();
    }
}

/// Whether another applet may have said `sw` to a command of PIV's, or PIV itself did not understand.
///
/// PIV answers VERIFY in three ways only. To all else it may say what others say too, and then the command did nothing, so
/// that it can be sent again: unknown instruction, class, function, parameters or reference.
fn is_of_another_applet(command: &Command<'_>, sw: u16) -> bool {
    match command.ins {
        VERIFY => !matches!((sw, sw::tries(sw)), (SW_OK | sw::BLOCKED, _) | (_, Some(_))),
        _ => matches!(
            sw,
            sw::UNKNOWN_INS | 0x6e00 | 0x6a81 | 0x6a86 | sw::NO_REFERENCE | 0x6b00 | 0x6999
        ),
    }
}
