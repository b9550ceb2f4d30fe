//! A finger sensor for the key, which its firmware has none of: what CTAP 2.1 calls built-in user verification.
//!
//! A finger that is known is played by a detour. The host's request waits, the firmware is given the PIN in the host's place, and then
//! gets the request with the proof of the PIN in place of the option `uv`: what it signs and calculates is then the same as with a
//! finger. One that is not known is answered as CTAP 2.1 says, without the firmware.

use aes::{
    Aes256,
    cipher::{BlockDecrypt, BlockEncrypt, KeyInit, generic_array::GenericArray},
};
use ciborium::Value;
use hmac::{Hmac, Mac};
use p256::{EncodedPoint, FieldBytes, PublicKey, ecdh::EphemeralSecret, elliptic_curve::sec1::FromEncodedPoint};
use rand_core::OsRng;
use sha2::{Digest, Sha256};
use tapvault_lab::fido_key::{
    fault::Command,
    protocol::{Fingers, PinUse},
};

use crate::{
    journal::command,
    message::{Message, hid},
};

/// CTAP 2.1, 8.2.
const INVALID_OPTION: u8 = 0x2c;
const OPERATION_DENIED: u8 = 0x27;
const PUAT_REQUIRED: u8 = 0x36;
const OTHER: u8 = 0x7f;

/// CTAP 2.1, 6.5.5: clientPIN, and of its subcommands getKeyAgreement and getPinToken.
const CLIENT_PIN: u8 = 0x06;
const GET_KEY_AGREEMENT: i64 = 2;
const GET_PIN_TOKEN: i64 = 5;

const BLOCK: usize = 16;

/// Which members of a request matter here: CTAP 2.1, 6.1 and 6.2.
struct Places {
    client_data_hash: i64,
    options: i64,
    proof: i64,
    protocol: i64,
}

impl Places {
    fn of(command: Option<Command>) -> Option<Self> {
        let places = |client_data_hash, options, proof, protocol| Self {
            client_data_hash,
            options,
            proof,
            protocol,
        };
        match command? {
            Command::MakeCredential => Some(places(1, 7, 8, 9)),
            Command::GetAssertion => Some(places(2, 5, 6, 7)),
            Command::Init | Command::GetInfo | Command::ClientPin | Command::Reset => None,
        }
    }
}

/// What becomes of a request.
pub enum Verdict {
    /// The sensor has nothing to do with it.
    Passes,
    /// It is answered so.
    Answered(Message),
    /// The finger is known.
    Known(Detour),
}

impl Verdict {
    pub fn refused(request: &Message, status: u8) -> Self {
        Self::Answered(Message::new(request.channel, hid::CBOR, [status]))
    }
}

/// Looks at a request.
pub fn look(fingers: &Fingers, pin_use: PinUse, request: &Message) -> Verdict {
    let command = command(request);
    let Some(places) = Places::of(command) else {
        return Verdict::Passes;
    };
    let members = members(&request.data[1..]);
    let wants_finger = option(&members, places.options, "uv") == Some(true);
    if member(&members, places.proof).is_some() {
        // CTAP 2.1, 6.1.2, step 5: with it, uv is as good as false.
        return Verdict::Passes;
    }
    let refusal = match pin_use {
        PinUse::Everything => PUAT_REQUIRED,
        PinUse::Administration | PinUse::Hidden => OPERATION_DENIED,
    };
    match (fingers, wants_finger) {
        (Fingers::Absent, _) => Verdict::Passes,
        (Fingers::NoneEnrolled, true) => Verdict::refused(request, INVALID_OPTION),
        (Fingers::NoneEnrolled, false) => Verdict::Passes,
        (Fingers::Unknown, true) => Verdict::refused(request, refusal),
        (Fingers::Known { pin }, true) => Verdict::Known(Detour::new(pin, request)),
        // It makes nothing without (makeCredUvNotRqd is not offered).
        (Fingers::Unknown | Fingers::Known { .. }, false) if command == Some(Command::MakeCredential) => {
            Verdict::refused(request, refusal)
        }
        (Fingers::Unknown | Fingers::Known { .. }, false) => Verdict::Passes,
    }
}

/// A request that waits until the firmware has taken the PIN for the finger.
pub struct Detour {
    pin: String,
    held: Message,
    /// The secret that the PIN token will come under (CTAP 2.1, 6.5.6).
    shared: Option<[u8; 32]>,
}

/// What comes after an answer of the firmware's.
pub enum Next {
    Ask(Message),
    /// The request itself; the detour is over.
    Give(Message),
    /// It did not take the PIN: the test said a wrong one.
    Failed(Message),
}

impl Detour {
    fn new(pin: &str, request: &Message) -> Self {
        Self {
            pin: pin.to_owned(),
            held: request.clone(),
            shared: None,
        }
    }

    pub fn channel(&self) -> u32 {
        self.held.channel
    }

    /// What the firmware is asked first.
    pub fn begin(&self) -> Message {
        self.client_pin([(1, 1.into()), (2, GET_KEY_AGREEMENT.into())])
    }

    /// Takes the firmware's answer to what it was asked last.
    pub fn go_on(&mut self, answer: &Message) -> Next {
        let failed = || Next::Failed(Message::new(self.held.channel, hid::CBOR, [OTHER]));
        let Some((0, cbor)) = answer.data.split_first() else {
            return failed();
        };
        let answer = members(cbor);
        let next = match self.shared {
            None => self.offer_pin(&answer).map(Next::Ask),
            Some(shared) => self.with_proof(&answer, &shared).map(Next::Give),
        };
        next.unwrap_or_else(|| Next::Failed(Message::new(self.held.channel, hid::CBOR, [OTHER])))
    }

    fn offer_pin(&mut self, answer: &[(Value, Value)]) -> Option<Message> {
        let Value::Map(key) = member(answer, 1)? else {
            return None;
        };
        let [x, y] = [-2, -3].map(|place| member(key, place).and_then(Value::as_bytes));
        let point =
            EncodedPoint::from_affine_coordinates(GenericArray::from_slice(x?), GenericArray::from_slice(y?), false);
        let theirs = Option::<PublicKey>::from(PublicKey::from_encoded_point(&point))?;
        let ours = EphemeralSecret::random(&mut OsRng);
        let shared = Sha256::digest(ours.diffie_hellman(&theirs).raw_secret_bytes()).into();
        self.shared = Some(shared);
        let point = EncodedPoint::from(ours.public_key());
        let coordinate = |bytes: Option<&FieldBytes>| bytes.map(|bytes| Value::Bytes(bytes.to_vec()));
        // CTAP 2.1, 6.5.6: a COSE key, with the members in this order.
        let key = [
            (1, 2.into()),
            (3, (-25).into()),
            (-1, 1.into()),
            (-2, coordinate(point.x())?),
            (-3, coordinate(point.y())?),
        ];
        let key = Value::Map(key.map(|(name, value): (i64, Value)| (name.into(), value)).to_vec());
        let mut hash = Sha256::digest(&self.pin)[..BLOCK].to_vec();
        encrypt(&shared, &mut hash);
        Some(self.client_pin([
            (1, 1.into()),
            (2, GET_PIN_TOKEN.into()),
            (3, key),
            (6, Value::Bytes(hash)),
        ]))
    }

    fn with_proof(&self, answer: &[(Value, Value)], shared: &[u8; 32]) -> Option<Message> {
        let mut token = member(answer, 2)?.as_bytes()?.clone();
        decrypt(shared, &mut token);
        let places = Places::of(command(&self.held))?;
        let mut request = members(&self.held.data[1..]);
        let hash = member(&request, places.client_data_hash)?.as_bytes()?.clone();
        let mut proof = <Hmac<Sha256> as Mac>::new_from_slice(&token).ok()?;
        proof.update(&hash);
        let proof = proof.finalize().into_bytes()[..BLOCK].to_vec();
        for (name, value) in &mut request {
            if name.as_integer() == Some(places.options.into())
                && let Value::Map(options) = value
            {
                options.retain(|(name, _)| name.as_text() != Some("uv"));
            }
        }
        request.push((places.proof.into(), Value::Bytes(proof)));
        request.push((places.protocol.into(), 1.into()));
        request.sort_by_key(|(name, _)| name.as_integer());
        Some(self.message(self.held.data[0], request))
    }

    fn client_pin<const N: usize>(&self, members: [(i64, Value); N]) -> Message {
        let members = members.map(|(name, value)| (name.into(), value));
        self.message(CLIENT_PIN, members.to_vec())
    }

    fn message(&self, command: u8, members: Vec<(Value, Value)>) -> Message {
        let mut data = vec![command];
        ciborium::into_writer(&Value::Map(members), &mut data).expect("a vector takes all");
        Message::new(self.held.channel, hid::CBOR, data)
    }
}

/// Rewrites what the key says of itself: the options of getInfo (CTAP 2.1, 6.4).
pub fn introduce(fingers: &Fingers, pin_use: PinUse, options: &mut Vec<(Value, Value)>) {
    let mut set = |name: &str, value: bool| {
        options.retain(|(other, _)| other.as_text() != Some(name));
        options.push((name.into(), value.into()));
    };
    match fingers {
        Fingers::Absent => {}
        Fingers::NoneEnrolled => {
            set("uv", false);
            set("bioEnroll", false);
        }
        Fingers::Unknown | Fingers::Known { .. } => {
            set("uv", true);
            set("bioEnroll", true);
            set("makeCredUvNotRqd", false);
        }
    }
    match pin_use {
        PinUse::Everything => {}
        PinUse::Administration => set("noMcGaPermissionsWithClientPin", true),
        PinUse::Hidden => options.retain(|(name, _)| name.as_text() != Some("clientPin")),
    }
}

/// The members of a CBOR map.
pub fn members(cbor: &[u8]) -> Vec<(Value, Value)> {
    match ciborium::from_reader(cbor) {
        Ok(Value::Map(members)) => members,
        _ => Vec::new(),
    }
}

fn member(members: &[(Value, Value)], name: i64) -> Option<&Value> {
    let found = members
        .iter()
        .find(|(other, _)| other.as_integer() == Some(name.into()));
    found.map(|(_, value)| value)
}

fn option(request: &[(Value, Value)], place: i64, name: &str) -> Option<bool> {
    let Value::Map(options) = member(request, place)? else {
        return None;
    };
    let found = options.iter().find(|(other, _)| other.as_text() == Some(name));
    found.and_then(|(_, value)| value.as_bool())
}

/// CTAP 2.1, 6.5.6: AES-256-CBC without padding, from zeros on.
fn encrypt(key: &[u8; 32], data: &mut [u8]) {
    let cipher = Aes256::new(key.into());
    let mut before = [0; BLOCK];
    for block in data.chunks_exact_mut(BLOCK) {
        block.iter_mut().zip(before).for_each(|(byte, before)| *byte ^= before);
        cipher.encrypt_block(GenericArray::from_mut_slice(block));
        before.copy_from_slice(block);
    }
}

fn decrypt(key: &[u8; 32], data: &mut [u8]) {
    let cipher = Aes256::new(key.into());
    let mut before = [0; BLOCK];
    for block in data.chunks_exact_mut(BLOCK) {
        let mut encrypted = [0; BLOCK];
        encrypted.copy_from_slice(block);
        cipher.decrypt_block(GenericArray::from_mut_slice(block));
        block.iter_mut().zip(before).for_each(|(byte, before)| *byte ^= before);
        before = encrypted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encrypted_is_decrypted() {
        let mut data: Vec<u8> = (0..48).collect();
        encrypt(&[7; 32], &mut data);
        assert_ne!(data[..BLOCK], data[BLOCK..2 * BLOCK]);
        decrypt(&[7; 32], &mut data);
        assert_eq!(data, (0..48).collect::<Vec<u8>>());
    }
}
