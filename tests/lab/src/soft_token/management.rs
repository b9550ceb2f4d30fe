//! The management applet: tells which YubiKey this is and which of its applications are switched on.
//!
//! Read-only: WRITE CONFIG is refused, nothing in the lab changes a token's interfaces.

use std::sync::Arc;

use super::{
    apdu::{Answer, Command, StatusWord},
    card::Applet,
    device::Device,
    tlv,
};

const READ_CONFIG: u8 = 0x1d;

/// Application bits of the management applet (`CAPABILITY` in yubikit's management.py).
mod capability {
    pub const OTP: u16 = 0x0001;
    pub const U2F: u16 = 0x0002;
    pub const OPENPGP: u16 = 0x0008;
    pub const PIV: u16 = 0x0010;
    pub const OATH: u16 = 0x0020;
    pub const HSM_AUTH: u16 = 0x0100;
    pub const FIDO2: u16 = 0x0200;
}

/// All that a YubiKey 5 NFC can do.
const SUPPORTED: u16 = ENABLED | capability::OPENPGP | capability::HSM_AUTH;
/// OpenPGP and YubiHSM Auth are "switched off": their SELECT finds nothing here.
const ENABLED: u16 = capability::OTP | capability::U2F | capability::FIDO2 | capability::PIV | capability::OATH;

/// "Keychain (USB-A)"; with NFC that makes a "YubiKey 5 NFC".
pub const FORM_FACTOR: u8 = 0x01;

/// See the module's words.
pub struct Management {
    device: Arc<Device>,
}

impl Management {
    pub fn new(device: Arc<Device>) -> Self {
        Self { device }
    }

    /// One length byte, then the elements (`DeviceInfo.parse` in yubikit's management.py).
    fn config(&self) -> Vec<u8> {
        let elements = [
            tlv::encode(0x01, &SUPPORTED.to_be_bytes()), // on USB
            tlv::encode(0x02, &self.device.serial.to_be_bytes()),
            tlv::encode(0x03, &ENABLED.to_be_bytes()), // on USB
            tlv::encode(0x04, &[FORM_FACTOR]),
            tlv::encode(0x05, &self.device.firmware.to_bytes()),
            tlv::encode(0x06, &[0, 0]),                  // no automatic eject
            tlv::encode(0x07, &[15]),                    // seconds for challenge-response
            tlv::encode(0x08, &[0]),                     // no device flags
            tlv::encode(0x0a, &[0]),                     // no lock code
            tlv::encode(0x0d, &SUPPORTED.to_be_bytes()), // on NFC
            tlv::encode(0x0e, &ENABLED.to_be_bytes()),   // on NFC
        ]
        .concat();
        let length = u8::try_from(elements.len()).expect("eleven short elements");
        [&[length], &elements[..]].concat()
    }
}

impl Applet for Management {
    fn name(&self) -> &'static str {
        "management"
    }

    fn aid(&self) -> &'static [u8] {
        &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17]
    }

    fn select(&mut self) -> Answer {
        Ok(format!("Virtual mgr - FW version {}", self.device.firmware).into_bytes())
    }

    fn execute(&mut self, command: &Command) -> Answer {
        match (command.ins, command.p1) {
            (READ_CONFIG, 0) => Ok(self.config()),
            // P1 is a page since 5.7, and there is but one
            (READ_CONFIG, _) => Ok(vec![0]),
            _ => Err(StatusWord::INSTRUCTION_NOT_SUPPORTED),
        }
    }

    fn deselect(&mut self) {}

    fn instruction_name(&self, ins: u8) -> Option<&'static str> {
        (ins == READ_CONFIG).then_some("READ CONFIG")
    }
}
