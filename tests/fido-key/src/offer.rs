//! Makes the key poorer than its firmware: without hmac-secret, or with one PIN protocol only.
//!
//! The firmware can't be told so; requests and answers are rewritten on their way.

use ciborium::Value;
use tapvault_lab::fido_key::protocol::{Extension, PinProtocols};

use crate::{
    journal::{command, parameter},
    message::{Message, hid},
};
use tapvault_lab::fido_key::fault::Command;

/// As long as the true name, so that no length around it changes; the firmware takes no notice of an extension that it
/// does not know.
const TRUE_NAME: &[u8] = b"hmac-secret";
const NO_NAME: &[u8] = b"hmac-absent";

/// CTAP 2.1, 6.4: pinUvAuthProtocols in getInfo's answer.
const PROTOCOLS: i128 = 6;
/// CTAP 2.1, 6.5.5: pinUvAuthProtocol in clientPIN's request.
const PROTOCOL: i128 = 1;
/// CTAP 2.1, 8.2: what a protocol that is not there is answered with.
const INVALID_PARAMETER: u8 = 0x02;

/// See the module's words.
pub struct Offer {
    pub hmac_secret: Extension,
    pub pin_protocols: PinProtocols,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            hmac_secret: Extension::Offered,
            pin_protocols: PinProtocols::Both,
        }
    }
}

impl Offer {
    /// Whether requests have to be looked at before the firmware gets them.
    pub fn is_poorer(&self) -> bool {
        self.hmac_secret == Extension::Absent || self.pin_protocols != PinProtocols::Both
    }

    /// Rewrites a request, or answers it: that one is refused.
    pub fn request(&self, request: &mut Message) -> Option<Message> {
        if request.command != hid::CBOR {
            return None;
        }
        if self.hmac_secret == Extension::Absent {
            hide_name(&mut request.data);
        }
        if command(request) == Some(Command::ClientPin)
            && parameter(&request.data[1..], PROTOCOL).is_some_and(|number| !self.pin_protocols.includes(number))
        {
            return Some(Message::new(request.channel, hid::CBOR, [INVALID_PARAMETER]));
        }
        None
    }

    /// Rewrites the answer to such a request.
    pub fn answer(&self, asked: Option<Command>, answer: &mut Message) {
        if answer.command != hid::CBOR || asked != Some(Command::GetInfo) || answer.data.first() != Some(&0) {
            return;
        }
        if self.hmac_secret == Extension::Absent {
            hide_name(&mut answer.data);
        }
        if self.pin_protocols != PinProtocols::Both {
            let protocols = self.pin_protocols;
            answer.data.splice(1.., offer_protocols(&answer.data[1..], protocols));
        }
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

fn offer_protocols(info: &[u8], protocols: PinProtocols) -> Vec<u8> {
    let mut info: Value = ciborium::from_reader(info).expect("the firmware's answer is CBOR");
    if let Value::Map(members) = &mut info {
        for (name, value) in members {
            if name.as_integer().map(i128::from) == Some(PROTOCOLS)
                && let Value::Array(numbers) = value
            {
                numbers.retain(|number| {
                    let number = number.as_integer().map(i128::from);
                    number.is_some_and(|number| protocols.includes(number))
                });
            }
        }
    }
    let mut written = Vec::new();
    ciborium::into_writer(&info, &mut written).expect("a vector takes all");
    written
}
