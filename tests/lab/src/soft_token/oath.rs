//! The OATH applet: Yubico's YKOATH protocol.
//!
//! This file has the applet's face (SELECT, the table of instructions) and its session, which a power-off, another
//! applet's SELECT, and OATH's own SELECT wipe. `accounts` keeps the accounts, `calculate` makes codes, `password` guards
//! both, `state` is what lasts.
//!
//! Where the protocol doesn't say what a YubiKey does, the choice made is marked "unverified" in a comment.

use std::{io, sync::Arc};

use super::{
    apdu::{Answer, Command, StatusWord},
    card::Applet,
    device::Device,
    tlv::{self, Tlv},
};

mod accounts;
mod calculate;
mod password;
mod state;

use state::{State, random_eight};

/// The section of the state file.
const SECTION: &str = "oath";

/// YKOATH's tags; 77 and 7c stand for a code that isn't given.
mod tag {
    pub const NAME: u32 = 0x71;
    pub const LISTED: u32 = 0x72;
    pub const KEY: u32 = 0x73;
    pub const CHALLENGE: u32 = 0x74;
    pub const RESPONSE: u32 = 0x75;
    pub const TRUNCATED: u32 = 0x76;
    pub const COUNTER_BASED: u32 = 0x77;
    /// Stands alone, with one byte and no length after it.
    pub const PROPERTY: u8 = 0x78;
    pub const VERSION: u32 = 0x79;
    pub const COUNTER: u32 = 0x7a;
    pub const ALGORITHM: u32 = 0x7b;
    pub const TOUCH: u32 = 0x7c;
}

/// YKOATH's instructions.
mod ins {
    pub const PUT: u8 = 0x01;
    pub const DELETE: u8 = 0x02;
    pub const SET_CODE: u8 = 0x03;
    pub const RESET: u8 = 0x04;
    pub const RENAME: u8 = 0x05;
    pub const LIST: u8 = 0xa1;
    pub const CALCULATE: u8 = 0xa2;
    pub const VALIDATE: u8 = 0xa3;
    pub const CALCULATE_ALL: u8 = 0xa4;
    pub const SEND_REMAINING: u8 = 0xa5;
}

/// P1 P2 of RESET, so that it never happens by mistake.
const RESET_WORD: u16 = 0xdead;

/// See the module's words.
pub struct Oath {
    device: Arc<Device>,
    state: State,
    session: Session,
}

/// What lasts from one SELECT to the next.
#[derive(Default)]
struct Session {
    challenge: [u8; 8],
    authenticated: bool,
}

impl Oath {
    /// Takes up what the device's memory has, or starts as from the factory.
    pub fn new(device: Arc<Device>) -> io::Result<Self> {
        let known = device.recall(SECTION)?;
        let oath = Self {
            state: known.unwrap_or_else(State::factory),
            device,
            session: Session::default(),
        };
        oath.save()
            .map_err(|_| io::Error::other("the state can't be written"))?;
        Ok(oath)
    }

    /// Writes the state. Says `9000`, as the commands that change it do.
    fn save(&self) -> Answer {
        self.device.remember(SECTION, &self.state)?;
        Ok(Vec::new())
    }

    /// RESET: all accounts and the password go, and with the new ID all keys that hosts made of passwords.
    fn reset(&mut self, command: &Command) -> Answer {
        if command.p1p2() != RESET_WORD {
            return Err(StatusWord::INCORRECT_P1P2);
        }
        self.state = State::factory();
        self.save()
    }

    fn require_authentication(&self) -> Result<(), StatusWord> {
        match self.state.password {
            Some(_) if !self.session.authenticated => Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED),
            Some(_) | None => Ok(()),
        }
    }
}

impl Applet for Oath {
    fn name(&self) -> &'static str {
        "oath"
    }

    fn aid(&self) -> &'static [u8] {
        &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x21, 0x01, 0x01]
    }

    /// Version and ID; with a password set, also what the host has to answer.
    fn select(&mut self) -> Answer {
        self.session = Session {
            challenge: random_eight(),
            authenticated: false,
        };
        let mut greeting = tlv::encode(tag::VERSION, &self.device.firmware.to_bytes());
        greeting.extend(tlv::encode(tag::NAME, &self.state.id.0));
        if let Some(password) = &self.state.password {
            greeting.extend(tlv::encode(tag::CHALLENGE, &self.session.challenge));
            greeting.extend(tlv::encode(tag::ALGORITHM, &[password.algorithm as u8]));
        }
        Ok(greeting)
    }

    fn execute(&mut self, command: &Command) -> Answer {
        match command.ins {
            ins::VALIDATE => return self.validate(command),
            ins::RESET => return self.reset(command),
            _ => self.require_authentication()?,
        }
        match command.ins {
            ins::PUT => self.put(command),
            ins::DELETE => self.delete(command),
            ins::SET_CODE => self.set_code(command),
            ins::RENAME if self.device.firmware.has_oath_rename() => self.rename(command),
            ins::LIST => Ok(self.list()),
            ins::CALCULATE => self.calculate(command),
            ins::CALCULATE_ALL => self.calculate_all(command),
            _ => Err(StatusWord::INSTRUCTION_NOT_SUPPORTED),
        }
    }

    fn deselect(&mut self) {
        self.session = Session::default();
    }

    fn instruction_name(&self, ins: u8) -> Option<&'static str> {
        Some(match ins {
            ins::PUT => "PUT",
            ins::DELETE => "DELETE",
            ins::SET_CODE => "SET CODE",
            ins::RESET => "RESET",
            ins::RENAME => "RENAME",
            ins::LIST => "LIST",
            ins::CALCULATE => "CALCULATE",
            ins::VALIDATE => "VALIDATE",
            ins::CALCULATE_ALL => "CALCULATE ALL",
            ins::SEND_REMAINING => "SEND REMAINING",
            _ => return None,
        })
    }

    fn remaining_instruction(&self) -> u8 {
        ins::SEND_REMAINING
    }
}

/// The elements of a command's data.
fn fields(data: &[u8]) -> Result<Vec<Tlv<'_>>, StatusWord> {
    tlv::list(data).ok_or(StatusWord::INCORRECT_DATA)
}
