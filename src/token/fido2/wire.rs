//! What goes through the pipes between this program and its child: messages of two bounded parts, JSON that shows what is asked
//! and bytes that are secret, so that no secret ever passes through a JSON writer.

use super::Fault;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use std::io::{Error, ErrorKind, Read, Result, Write};
use zeroize::Zeroizing;

/// The relying party of all credentials: that of age-plugin-fido2-hmac, whose identities ours are.
pub const RP_ID: &str = "age-encryption.org";

/// More than any message has. In bytes.
const MOST_JSON: usize = 64 << 10;

/// A PIN, or two outputs.
const MOST_SECRET: usize = 64;

/// The longest ID that a credential has (Web Authentication, level 2, 4: credential ID). In bytes.
pub const LONGEST_CREDENTIAL: usize = 1023;

/// More than anybody reads of what a device or the system says. In characters.
const LONGEST_WORDS: usize = 64;

/// More than a token has of anything that is a list of words.
const MOST_WORDS: usize = 8;

/// What the child is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Which nodes there are.
    Nodes,
    /// Open this one. Everything below is asked of it.
    Open {
        /// Its path.
        path: String,
    },
    /// How many PIN tries are left.
    PinTries,
    /// Whether a credential is its own.
    Owns {
        /// The credential's ID.
        credential: Bytes,
    },
    /// Check the PIN in the secret part, and keep it.
    Pin,
    /// Make a credential.
    Make {
        /// How its holder is checked.
        check: Check,
    },
    /// Calculate for one or two salts.
    Outputs {
        /// The credential's ID.
        credential: Bytes,
        /// The salts.
        salts: Vec<Bytes>,
        /// How its holder is checked.
        check: Check,
    },
}

/// What the child answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The nodes.
    Nodes(Vec<Node>),
    /// The token is open.
    Info(Info),
    /// This many tries.
    Tries(u8),
    /// Whether it is its own.
    Ownership(Ownership),
    /// It was done.
    Done,
    /// A new credential.
    Made {
        /// Its ID.
        credential: Bytes,
    },
    /// The outputs are in the secret part.
    Outputs,
    /// It was not done.
    Fault(Fault),
}

/// How a token makes sure that its holder holds it, beside the touch. The outputs differ between none and the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Not at all.
    None,
    /// By the PIN that the child was given.
    Pin,
    /// By itself, with a finger.
    BuiltIn,
}

/// Whether a credential is a token's own, as far as it tells without a touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ownership {
    /// Yes.
    Owned,
    /// No.
    Foreign,
    /// This token says nothing without a touch.
    Untold,
}

/// A node of a FIDO token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// `/dev/hidraw3`.
    #[serde(deserialize_with = "plain")]
    pub path: String,
    /// USB's number of the vendor.
    pub vendor: u16,
    /// USB's number of the product.
    pub product: u16,
    /// What the device calls itself.
    #[serde(deserialize_with = "plain")]
    pub name: String,
    /// Few FIDO tokens have one that USB shows.
    #[serde(deserialize_with = "plain_if_any")]
    pub serial: Option<String>,
    /// Whether it can be opened.
    pub access: Outcome,
}

/// Whether something can be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Yes.
    Fine,
    /// No, and why.
    Not(Fault),
}

/// What a token can do (CTAP 2.1, 6.4), as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Such as `FIDO_2_1`.
    #[serde(deserialize_with = "plain_words")]
    pub versions: Vec<String>,
    /// Whether it has hmac-secret.
    pub hmac_secret: bool,
    /// Whether a PIN is set; absent when it can have none.
    pub pin_set: Option<bool>,
    /// Whether fingers are enrolled; absent when it can have none.
    pub fingers_set: Option<bool>,
    /// Whether it wants PIN or finger for everything.
    pub always_uv: bool,
    /// Whether a credential can be made without PIN or finger though they are set.
    pub makes_without_check: bool,
    /// Whether the PIN has to be changed before anything else.
    pub pin_outworn: bool,
    /// Whether the PIN is good for credentials; some tokens with a finger sensor keep it for administration.
    pub pin_is_for_keys: bool,
    /// The fewest characters that a PIN of it has.
    pub shortest_pin: u8,
}

impl Info {
    /// Whether a PIN is set that a credential can be made and used with.
    pub fn has_pin(&self) -> bool {
        self.pin_set == Some(true) && self.pin_is_for_keys
    }
}

/// Bytes as base64.
#[derive(Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub Vec<u8>);

impl Clone for Bytes {
    fn clone(&self) -> Self {
        Bytes(self.0.clone())
    }
}

impl TryFrom<String> for Bytes {
    type Error = base64::DecodeError;
    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        BASE64_STANDARD.decode(text).map(Bytes)
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> String {
        BASE64_STANDARD.encode(bytes.0)
    }
}

/// Writes one message.
pub fn send<T: Serialize>(into: &mut impl Write, message: &T, secret: &[u8]) -> Result<()> {
    let json = serde_json::to_vec(message)?;
    if json.len() > MOST_JSON || secret.len() > MOST_SECRET {
        return Err(ErrorKind::InvalidInput.into());
    }
    // Both fit into 32 bits, as was just checked.
    for length in [json.len(), secret.len()] {
        into.write_all(&u32::try_from(length).unwrap_or_default().to_be_bytes())?;
    }
    into.write_all(&json)?;
    into.write_all(secret)?;
    into.flush()
}

/// Reads one message; `None` at the end.
///
/// # Errors
/// Lengths beyond the bounds, a cut message, and JSON that is none of `T`'s.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> Result<Option<(T, Zeroizing<Vec<u8>>)>> {
    let mut lengths = [0; 8];
    if from.read(&mut lengths[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut lengths[1..])?;
    let (json, secret) = lengths.split_at(4);
    let length = |bytes: &[u8], most: usize| {
        let length = <[u8; 4]>::try_from(bytes).map(u32::from_be_bytes).ok();
        let length = length.and_then(|length| usize::try_from(length).ok());
        length.filter(|length| *length <= most).ok_or(ErrorKind::InvalidData)
    };
    let (json, secret) = (length(json, MOST_JSON)?, length(secret, MOST_SECRET)?);
    let mut text = vec![0; json];
    from.read_exact(&mut text)?;
    let mut bytes = Zeroizing::new(vec![0; secret]);
    from.read_exact(&mut bytes)?;
    let message = serde_json::from_slice(&text).map_err(|_| Error::from(ErrorKind::InvalidData))?;
    Ok(Some((message, bytes)))
}

/// Words that come from a device, cut to what is read, and without what would steer a terminal or turn them round.
pub fn plain<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<String, D::Error> {
    String::deserialize(from).map(|text| made_plain(&text))
}

fn plain_if_any<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.map(|text| made_plain(&text)))
}

fn plain_words<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<String>, D::Error> {
    let words = Vec::<String>::deserialize(from)?;
    Ok(words.iter().take(MOST_WORDS).map(|text| made_plain(text)).collect())
}

fn made_plain(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain = text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c });
    plain.take(LONGEST_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_comes_out_as_it_went_in_with_its_secret_beside_it() {
        let mut pipe = Vec::new();
        let request = Request::Outputs {
            credential: Bytes(vec![1; 300]),
            salts: vec![Bytes(vec![2; 32])],
            check: Check::Pin,
        };
        send(&mut pipe, &request, b"1234").expect("sent");
        send(&mut pipe, &Request::PinTries, b"").expect("sent");
        let mut rest = &pipe[..];
        let (first, secret) = receive::<Request>(&mut rest).expect("read").expect("a message");
        assert!(matches!(first, Request::Outputs { credential, .. } if credential.0 == [1; 300]));
        assert_eq!(&secret[..], b"1234");
        let (second, _) = receive::<Request>(&mut rest).expect("read").expect("a message");
        assert!(matches!(second, Request::PinTries));
        assert!(receive::<Request>(&mut rest).expect("read").is_none());
    }

    #[test]
    fn a_length_beyond_the_bounds_allocates_nothing() {
        let huge = [0xff; 8];
        assert!(receive::<Answer>(&mut &huge[..]).is_err());
    }

    #[test]
    fn a_device_that_calls_itself_something_long_or_wild_is_called_so_in_part() {
        let node = Node {
            path: "/dev/hidraw0".into(),
            vendor: 0x20a0,
            product: 0x42b2,
            name: format!("\u{1b}[2J\u{202e}{}", "x".repeat(100)),
            serial: Some("A\nB".into()),
            access: Outcome::Fine,
        };
        let mut pipe = Vec::new();
        send(&mut pipe, &Answer::Nodes(vec![node]), b"").expect("sent");
        let (answer, _) = receive::<Answer>(&mut &pipe[..]).expect("read").expect("a message");
        let Answer::Nodes(nodes) = answer else { panic!("nodes") };
        assert_eq!(nodes[0].name, format!("\u{fffd}[2J\u{fffd}{}", "x".repeat(59)));
        assert_eq!(nodes[0].serial.as_deref(), Some("A\u{fffd}B"));
    }

    #[test]
    fn a_secret_that_is_too_long_is_not_sent() {
        assert!(send(&mut Vec::new(), &Answer::Outputs, &[0; 65]).is_err());
    }

    proptest! {
        #[test]
        fn whatever_the_child_writes_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = receive::<Answer>(&mut &bytes[..]);
        }

        #[test]
        fn a_cut_message_is_refused(cut in 1_usize..60) {
            let mut pipe = Vec::new();
            send(&mut pipe, &Answer::Made { credential: Bytes(vec![7; 40]) }, b"secret").expect("sent");
            pipe.truncate(pipe.len() - cut);
            prop_assert!(receive::<Answer>(&mut &pipe[..]).is_err());
        }
    }
}
