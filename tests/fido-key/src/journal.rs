//! Writes down what the host asked and what it was answered: names, lengths and status codes.

use std::time::Instant;

use ciborium::Value;
use tapvault_lab::{
    fido_key::{
        fault::{Command, Fault},
        journal::Entry,
    },
    soft_token::{body::Touch, journal::Attempts},
};

use crate::message::{Message, hid};

/// CTAP 2.1, 6.5.5: the parameter that says what clientPIN is to do.
const SUB_COMMAND: i128 = 2;

/// See the module's words.
pub struct Journal {
    start: Instant,
    entries: Vec<Entry>,
    pin: Attempts,
}

/// A request that has no answer yet.
pub struct Asked {
    at: Instant,
    name: String,
    sent: usize,
}

impl Asked {
    pub fn new(message: &Message) -> Self {
        Self {
            at: Instant::now(),
            name: name(message),
            sent: message.data.len(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Journal {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            entries: Vec::new(),
            pin: Attempts::default(),
        }
    }

    /// An answer as the firmware gave it, before a fault struck it.
    pub fn answered(&mut self, asked: &Asked, answer: &Message, touch: Option<Touch>, fault: Option<&Fault>) {
        let status = match (answer.command, answer.data.first()) {
            (hid::ERROR, code) => format!("hid {:02x}", code.copied().unwrap_or_default()),
            (hid::CBOR, Some(code)) => format!("{code:02x}"),
            _ => "00".to_owned(),
        };
        if PIN_OFFERS.contains(&asked.name()) {
            match status.as_str() {
                "00" => self.pin.accepted += 1,
                // CTAP 2.1, 8.2: PIN_INVALID, PIN_BLOCKED, PIN_AUTH_BLOCKED
                "31" | "32" | "34" => self.pin.refused += 1,
                _ => {}
            }
        }
        self.add(asked, answer.data.len(), status, touch, fault);
    }

    /// The key was pulled out before its answer.
    pub fn cut(&mut self, asked: &Asked, touch: Option<Touch>) {
        self.add(asked, 0, "cut".to_owned(), touch, None);
    }

    fn add(&mut self, asked: &Asked, received: usize, status: String, touch: Option<Touch>, fault: Option<&Fault>) {
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.entries.push(Entry {
            number: self.entries.len(),
            at_ms: ms(asked.at.duration_since(self.start)),
            took_ms: ms(asked.at.elapsed()),
            command: asked.name.clone(),
            sent: asked.sent,
            received,
            status,
            touch,
            fault: fault.map(ToString::to_string),
        });
    }

    pub fn mark(&self) -> usize {
        self.entries.len()
    }

    pub fn since(&self, mark: usize) -> Vec<Entry> {
        self.entries.iter().skip(mark).cloned().collect()
    }

    pub fn pin(&self) -> Attempts {
        self.pin
    }
}

/// Requests in which a PIN is offered.
const PIN_OFFERS: [&str; 3] = [
    "client-pin change-pin",
    "client-pin get-pin-token",
    "client-pin get-pin-token-with-permissions",
];

/// The request's name; for clientPIN with what it is to do.
fn name(message: &Message) -> String {
    match message.command {
        0x01 => "ping".to_owned(),
        0x03 => "u2f".to_owned(),
        hid::INIT => "init".to_owned(),
        0x08 => "wink".to_owned(),
        hid::CBOR => ctap(&message.data),
        other => format!("hid {other:02x}"),
    }
}

/// CTAP 2.1, 6: the commands' numbers.
fn ctap(data: &[u8]) -> String {
    let name = match data.first() {
        Some(0x01) => "make-credential",
        Some(0x02) => "get-assertion",
        Some(0x04) => "get-info",
        Some(0x06) => return format!("client-pin {}", client_pin(&data[1..])),
        Some(0x07) => "reset",
        Some(0x08) => "get-next-assertion",
        Some(0x0a) => "credential-management",
        Some(0x0b) => "selection",
        Some(0x0c) => "large-blobs",
        Some(0x0d) => "config",
        Some(other) => return format!("ctap {other:02x}"),
        None => "nothing",
    };
    name.to_owned()
}

/// CTAP 2.1, 6.5.5: clientPIN's subcommands.
fn client_pin(parameters: &[u8]) -> String {
    let name = match parameter(parameters, SUB_COMMAND) {
        Some(1) => "get-retries",
        Some(2) => "get-key-agreement",
        Some(3) => "set-pin",
        Some(4) => "change-pin",
        Some(5) => "get-pin-token",
        Some(6) => "get-token-using-uv",
        Some(7) => "get-uv-retries",
        Some(9) => "get-pin-token-with-permissions",
        Some(other) => return other.to_string(),
        None => "?",
    };
    name.to_owned()
}

/// A parameter of a CTAP2 request that is a number.
pub fn parameter(cbor: &[u8], key: i128) -> Option<i128> {
    let Ok(Value::Map(members)) = ciborium::from_reader::<Value, _>(cbor) else {
        return None;
    };
    let integer = |value: &Value| value.as_integer().map(i128::from);
    let found = members.iter().find(|(name, _)| integer(name) == Some(key));
    found.and_then(|(_, value)| integer(value))
}

/// The command that a fault can name.
pub fn command(message: &Message) -> Option<Command> {
    match (message.command, message.data.first()) {
        (hid::INIT, _) => Some(Command::Init),
        (hid::CBOR, Some(0x01)) => Some(Command::MakeCredential),
        (hid::CBOR, Some(0x02)) => Some(Command::GetAssertion),
        (hid::CBOR, Some(0x04)) => Some(Command::GetInfo),
        (hid::CBOR, Some(0x06)) => Some(Command::ClientPin),
        (hid::CBOR, Some(0x07)) => Some(Command::Reset),
        _ => None,
    }
}
