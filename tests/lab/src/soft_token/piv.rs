//! The PIV applet: SP 800-73-4 part 2 and Yubico's extensions, with P-256 as the only asymmetric algorithm.
//!
//! This file has the applet's face (SELECT, the table of instructions) and its session, which is what a power-off
//! or another applet's SELECT wipes. Each group of instructions has a file:
//!
//! | file | instructions |
//! |---|---|
//! | `pin` | VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER, SET PIN RETRIES, RESET |
//! | `authenticate` | GENERAL AUTHENTICATE with the management key, SET MANAGEMENT KEY |
//! | `key_use` | GENERAL AUTHENTICATE with a slot's key: sign, agree |
//! | `key_admin` | GENERATE ASYMMETRIC KEY PAIR, IMPORT KEY, MOVE KEY |
//! | `metadata` | GET METADATA |
//! | `objects` | GET DATA, PUT DATA |
//! | `attestation` | ATTEST |
//!
//! Where neither standard nor manual says what a YubiKey does, the choice made is marked "unverified" in a comment.

use std::{io, sync::Arc, time::Instant};

use super::{
    apdu::{Answer, Command, StatusWord},
    body::Touch,
    card::Applet,
    device::Device,
};

pub mod attestation;
mod authenticate;

mod key_admin;
mod key_use;
mod management_key;
mod metadata;
mod objects;
mod pin;
mod policy;
mod slot;
mod state;
mod x509;

use authenticate::Challenge;
use policy::TouchPolicy;
use state::State;

/// The section of the state file.
const SECTION: &str = "piv";

/// SP 800-73-4 part 1, 2.2, version 01 00.
const AID: [u8; 11] = [0xa0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00];

/// Application property template (SP 800-73-4 part 2, 3.1.1, table 3): the AID without its RID, and who coexists.
/// A YubiKey leaves label and URL out.
const PROPERTIES: [u8; 19] = [
    0x61, 0x11, 0x4f, 0x06, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00, 0x79, 0x07, 0x4f, 0x05, 0xa0, 0x00, 0x00, 0x03, 0x08,
];

/// The key reference of the management key (SP 800-73-4 part 1, table 4b).
const MANAGEMENT_KEY: u8 = 0x9b;

/// Instructions: SP 800-73-4 part 2, table 2, and from `F6` on Yubico's.
mod ins {
    pub const VERIFY: u8 = 0x20;
    pub const CHANGE_REFERENCE_DATA: u8 = 0x24;
    pub const RESET_RETRY_COUNTER: u8 = 0x2c;
    pub const GENERATE_KEY: u8 = 0x47;
    pub const GENERAL_AUTHENTICATE: u8 = 0x87;
    pub const GET_DATA: u8 = 0xcb;
    pub const PUT_DATA: u8 = 0xdb;
    pub const MOVE_KEY: u8 = 0xf6;
    pub const GET_METADATA: u8 = 0xf7;
    pub const GET_SERIAL: u8 = 0xf8;
    pub const ATTEST: u8 = 0xf9;
    pub const SET_PIN_RETRIES: u8 = 0xfa;
    pub const RESET: u8 = 0xfb;
    pub const GET_VERSION: u8 = 0xfd;
    pub const IMPORT_KEY: u8 = 0xfe;
    pub const SET_MANAGEMENT_KEY: u8 = 0xff;
}

/// See the module's words.
pub struct Piv {
    device: Arc<Device>,
    state: State,
    session: Session,
}

/// What was proved since the applet was selected.
#[derive(Default)]
struct Session {
    pin_verified: bool,
    /// VERIFY succeeded and no key with the PIN policy "always" was used since.
    pin_fresh: bool,
    management_authenticated: bool,
    /// What the host has to answer next.
    challenge: Option<Challenge>,
    last_touch: Option<Instant>,
}

impl Piv {
    /// Takes up what the device's memory has, or starts as from the factory.
    pub fn new(device: Arc<Device>) -> io::Result<Self> {
        if let Some(state) = device.recall(SECTION)? {
            return Ok(Self {
                device,
                state,
                session: Session::default(),
            });
        }
        let piv = Self {
            state: State::factory(&device),
            device,
            session: Session::default(),
        };
        piv.device
            .remember(SECTION, &piv.state)
            .map_err(|_| io::Error::other("the state can't be written"))?;
        Ok(piv)
    }

    /// Writes the state. Says `9000`, as most commands that change it do.
    fn save(&self) -> Answer {
        self.device.remember(SECTION, &self.state)?;
        Ok(Vec::new())
    }

    fn require_management(&self) -> Result<(), StatusWord> {
        if self.session.management_authenticated {
            Ok(())
        } else {
            Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED)
        }
    }

    /// Waits for a finger if the policy wants one.
    fn require_touch(&mut self, policy: TouchPolicy, purpose: &str) -> Result<(), StatusWord> {
        match policy {
            TouchPolicy::Never => return Ok(()),
            TouchPolicy::Cached if self.has_recent_touch() => {
                self.device.body.note_cached_touch();
                return Ok(());
            }
            TouchPolicy::Cached | TouchPolicy::Always => {}
        }
        match self.device.body.await_touch(purpose) {
            Touch::Given | Touch::Cached => {
                // unverified: the cache counts from the last touch, whatever key it was for
                self.session.last_touch = Some(Instant::now());
                Ok(())
            }
            Touch::Missed => Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED),
            Touch::Interrupted => Err(StatusWord::ABORTED),
        }
    }

    fn has_recent_touch(&self) -> bool {
        self.session
            .last_touch
            .is_some_and(|touch| touch.elapsed() < self.device.touch_cache)
    }
}

impl Applet for Piv {
    fn name(&self) -> &'static str {
        "piv"
    }

    fn aid(&self) -> &'static [u8] {
        &AID
    }

    /// Selecting PIV when it is selected changes nothing (SP 800-73-4 part 2, 3.1.1). Unverified: a YubiKey 4 was
    /// reported to drop the PIN.
    fn select(&mut self) -> Answer {
        Ok(PROPERTIES.to_vec())
    }

    fn execute(&mut self, command: &Command) -> Answer {
        let firmware = self.device.firmware;
        // a challenge must be answered by the very next command
        let challenge = self.session.challenge.take();
        match command.ins {
            ins::VERIFY => self.verify(command),
            ins::CHANGE_REFERENCE_DATA => self.change_reference_data(command),
            ins::RESET_RETRY_COUNTER => self.reset_retry_counter(command),
            ins::SET_PIN_RETRIES => self.set_pin_retries(command),
            ins::RESET => self.reset(),
            ins::GENERAL_AUTHENTICATE if command.p2 == MANAGEMENT_KEY => self.authenticate(command, challenge),
            ins::GENERAL_AUTHENTICATE => self.use_key(command),
            ins::SET_MANAGEMENT_KEY => self.set_management_key(command),
            ins::GENERATE_KEY => self.generate_key(command),
            ins::IMPORT_KEY => self.import_key(command),
            ins::MOVE_KEY if firmware.is_5_7() => self.move_key(command),
            ins::GET_METADATA if firmware.has_metadata() => self.metadata(command),
            ins::GET_DATA => self.get_data(command),
            ins::PUT_DATA => self.put_data(command),
            ins::ATTEST => self.attest(command),
            ins::GET_SERIAL => Ok(self.device.serial.to_be_bytes().to_vec()),
            ins::GET_VERSION => Ok(firmware.to_bytes().to_vec()),
            _ => Err(StatusWord::INSTRUCTION_NOT_SUPPORTED),
        }
    }

    fn deselect(&mut self) {
        self.session = Session::default();
    }

    fn instruction_name(&self, ins: u8) -> Option<&'static str> {
        Some(match ins {
            ins::VERIFY => "VERIFY",
            ins::CHANGE_REFERENCE_DATA => "CHANGE REFERENCE DATA",
            ins::RESET_RETRY_COUNTER => "RESET RETRY COUNTER",
            ins::GENERATE_KEY => "GENERATE ASYMMETRIC KEY PAIR",
            ins::GENERAL_AUTHENTICATE => "GENERAL AUTHENTICATE",
            ins::GET_DATA => "GET DATA",
            ins::PUT_DATA => "PUT DATA",
            ins::MOVE_KEY => "MOVE KEY",
            ins::GET_METADATA => "GET METADATA",
            ins::GET_SERIAL => "GET SERIAL",
            ins::ATTEST => "ATTEST",
            ins::SET_PIN_RETRIES => "SET PIN RETRIES",
            ins::RESET => "RESET",
            ins::GET_VERSION => "GET VERSION",
            ins::IMPORT_KEY => "IMPORT KEY",
            ins::SET_MANAGEMENT_KEY => "SET MANAGEMENT KEY",
            _ => return None,
        })
    }
}
