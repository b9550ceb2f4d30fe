//! The OTP applet, as far as programs look for a serial number in it: both its slots are empty.

use std::sync::Arc;

use super::{
    apdu::{Answer, Command, StatusWord},
    card::Applet,
    device::Device,
};

const API_REQUEST: u8 = 0x01;
const READ_STATUS: u8 = 0x03;
/// The "slot" of API_REQUEST that holds the serial number.
const SLOT_DEVICE_SERIAL: u8 = 0x10;

/// See the module's words.
pub struct Otp {
    device: Arc<Device>,
}

impl Otp {
    pub fn new(device: Arc<Device>) -> Self {
        Self { device }
    }

    /// Version, programming sequence 0, touch level 0: what an unprogrammed key says.
    fn status(&self) -> Vec<u8> {
        [&self.device.firmware.to_bytes()[..], &[0, 0, 0]].concat()
    }
}

impl Applet for Otp {
    fn name(&self) -> &'static str {
        "otp"
    }

    fn aid(&self) -> &'static [u8] {
        &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x20, 0x01, 0x01]
    }

    fn select(&mut self) -> Answer {
        Ok(self.status())
    }

    fn execute(&mut self, command: &Command) -> Answer {
        match (command.ins, command.p1) {
            (API_REQUEST, SLOT_DEVICE_SERIAL) => Ok(self.device.serial.to_be_bytes().to_vec()),
            (API_REQUEST, _) => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
            (READ_STATUS, _) => Ok(self.status()),
            _ => Err(StatusWord::INSTRUCTION_NOT_SUPPORTED),
        }
    }

    fn deselect(&mut self) {}

    fn instruction_name(&self, ins: u8) -> Option<&'static str> {
        match ins {
            API_REQUEST => Some("API REQUEST"),
            READ_STATUS => Some("READ STATUS"),
            _ => None,
        }
    }
}
