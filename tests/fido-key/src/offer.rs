//! Makes the key another one than its firmware: without hmac-secret, with one PIN protocol only, with a finger sensor, or from before
//! FIDO2.
//!
//! The firmware can't be told so; requests and answers are rewritten on their way. What a finger does is in [`finger`].

use ciborium::Value;
use tapvault_lab::fido_key::protocol::{Extension, Fingers, PinProtocols, PinUse, Speech};

use crate::{
    finger::{self, Verdict},
    journal::{command, parameter},
    message::{Message, hid},
};
use tapvault_lab::fido_key::fault::Command;

/// As long as the true name, so that no length around it changes; the firmware takes no notice of an extension that it
/// does not know.
const TRUE_NAME: &[u8] = b"hmac-secret";
const NO_NAME: &[u8] = b"hmac-absent";

/// CTAP 2.1, 6.4: options and pinUvAuthProtocols in getInfo's answer.
const OPTIONS: i128 = 4;
const PROTOCOLS: i128 = 6;
/// CTAP 2.1, 6.5.5: pinUvAuthProtocol and subCommand in clientPIN's request, and getPinToken.
const PROTOCOL: i128 = 1;
const SUB_COMMAND: i128 = 2;
const GET_PIN_TOKEN: i128 = 5;
/// CTAP 2.1, 8.2: what a PIN that is not for credentials is answered with.
const UNAUTHORIZED_PERMISSION: u8 = 0x40;
/// CTAP 2.1, 11.2.9.1.6: what CTAPHID answers to a command that it does not know.
const INVALID_COMMAND: u8 = 0x01;
/// CTAP 2.1, 11.2.9.1.3: where in INIT's answer the capabilities are, and the one for CBOR.
const CAPABILITIES: usize = 16;
const CBOR_CAPABILITY: u8 = 0x04;
/// CTAP 2.1, 8.2: what a protocol that is not there is answered with.
const INVALID_PARAMETER: u8 = 0x02;

/// See the module's words.
pub struct Offer {
    pub hmac_secret: Extension,
    pub pin_protocols: PinProtocols,
    pub fingers: Fingers,
    pub pin_use: PinUse,
    pub speech: Speech,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            hmac_secret: Extension::Offered,
            pin_protocols: PinProtocols::Both,
            fingers: Fingers::Absent,
            pin_use: PinUse::Everything,
            speech: Speech::Ctap2,
        }
    }
}

impl Offer {
    /// Whether requests have to be looked at before the firmware gets them.
    pub fn is_other(&self) -> bool {
        self.hmac_secret == Extension::Absent
            || self.pin_protocols != PinProtocols::Both
            || self.fingers != Fingers::Absent
            || self.pin_use != PinUse::Everything
            || self.speech != Speech::Ctap2
    }

    /// Rewrites a request, or says what becomes of it in place of that.
    pub fn request(&self, request: &mut Message) -> Verdict {
        if request.command != hid::CBOR {
            return Verdict::Passes;
        }
        if self.speech == Speech::OnlyU2f {
            return Verdict::Answered(Message::new(request.channel, hid::ERROR, [INVALID_COMMAND]));
        }
        if self.hmac_secret == Extension::Absent {
            hide_name(&mut request.data);
        }
        if command(request) == Some(Command::ClientPin) {
            let number = |place| parameter(&request.data[1..], place);
            if number(PROTOCOL).is_some_and(|number| !self.pin_protocols.includes(number)) {
                return Verdict::refused(request, INVALID_PARAMETER);
            }
            if self.pin_use == PinUse::Administration && number(SUB_COMMAND) == Some(GET_PIN_TOKEN) {
                return Verdict::refused(request, UNAUTHORIZED_PERMISSION);
            }
        }
        finger::look(&self.fingers, self.pin_use, request)
    }

    /// Rewrites the answer to such a request.
    pub fn answer(&self, asked: Option<Command>, answer: &mut Message) {
        if self.speech == Speech::OnlyU2f
            && answer.command == hid::INIT
            && let Some(capabilities) = answer.data.get_mut(CAPABILITIES)
        {
            *capabilities &= !CBOR_CAPABILITY;
        }
        if answer.command != hid::CBOR || asked != Some(Command::GetInfo) || answer.data.first() != Some(&0) {
            return;
        }
        if self.hmac_secret == Extension::Absent {
            hide_name(&mut answer.data);
        }
        if self.is_other() {
            answer.data.splice(1.., self.introduction(&answer.data[1..]));
        }
    }

    /// getInfo's answer as this key gives it.
    fn introduction(&self, info: &[u8]) -> Vec<u8> {
        let mut info = finger::members(info);
        for (name, value) in &mut info {
            match (name.as_integer().map(i128::from), value) {
                (Some(PROTOCOLS), Value::Array(numbers)) => numbers.retain(|number| {
                    let number = number.as_integer().map(i128::from);
                    number.is_some_and(|number| self.pin_protocols.includes(number))
                }),
                (Some(OPTIONS), Value::Map(options)) => finger::introduce(&self.fingers, self.pin_use, options),
                _ => {}
            }
        }
        let mut written = Vec::new();
        ciborium::into_writer(&Value::Map(info), &mut written).expect("a vector takes all");
        written
    }
}

fn hide_name(data: &mut [u8]) {
    for start in 0..data.len().saturating_sub(TRUE_NAME.len() - 1) {
        let place = &mut data[start..start + TRUE_NAME.len()];
        if place == TRUE_NAME {
            place.copy_from_slice(NO_NAME);
        }
    }
}
