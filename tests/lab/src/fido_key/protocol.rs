//! The words of a key's control socket: those of the soft token ([`crate::soft_token::protocol`]), which mean the same
//! here, and some more.
//!
//! | line | does | answer's fields |
//! |---|---|---|
//! | `ping` | tells who and where the key is | `serial`, `product`, `inserted`, `connected`, `recognised` |
//! | `remove`, `insert` | pulls it out, even while it works; plugs it in. Together a power cycle | `recognised` |
//! | `counts` | touches, and PINs offered, since the start | `touches`, `pin` |
//! | `log [MARK]` | the journal since MARK (0) | `entries` |
//! | `reset` | pulls it out, makes it as new, plugs it in | `recognised` |
//! | `forbid`, `permit` | its node can't, can be opened (in a rig; a guest has chmod) | |
//! | `hmac-secret on`, `hmac-secret off` | whether it has the extension | |
//! | `pin-protocol 1`, `2`, `both` | which PIN protocols it offers and takes | |
//! | `fingers absent` | it has no finger sensor, as its firmware | |
//! | `fingers none`, `fingers unknown` | it has one, but no finger is enrolled; the one that touches is not | |
//! | `fingers known PIN` | the finger that touches is enrolled; PIN is the key's, by which it is played | |
//! | `pin-use everything` | its PIN is good for all | |
//! | `pin-use administration`, `hidden` | not for credentials; it tells of none | |
//! | `u2f-only on`, `u2f-only off` | whether it is from before FIDO2 | |
//! | `fault [on COMMAND] [skip N] EFFECT` | an answer goes wrong, see [`super::fault`] | |
//! | `faults` | what has not struck yet | `faults` |
//! | `faults clear` | nothing more strikes; ends one that goes on | |

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{fault::Fault, journal::Entry};
use crate::soft_token::{body::Plug, protocol::Request as Common};

/// One line to the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Common(Common),
    Reset,
    Node(Access),
    HmacSecret(Extension),
    PinProtocol(PinProtocols),
    Fingers(Fingers),
    PinUse(PinUse),
    Speech(Speech),
    Fault(Fault),
    Faults,
    ClearFaults,
}

/// Whether the key's node can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Permitted,
    Forbidden,
}

/// Whether the key has an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    Offered,
    Absent,
}

/// PIN/UV auth protocols (CTAP 2.1, 6.5.6 and 6.5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinProtocols {
    One,
    Two,
    Both,
}

impl PinProtocols {
    pub fn includes(self, number: i128) -> bool {
        match self {
            Self::One => number == 1,
            Self::Two => number == 2,
            Self::Both => number == 1 || number == 2,
        }
    }
}

/// Built-in user verification (CTAP 2.1, 6.4: the option `uv`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fingers {
    /// There is no sensor.
    Absent,
    NoneEnrolled,
    /// Some are enrolled, but not that of who touches.
    Unknown,
    /// That of who touches is.
    Known {
        pin: String,
    },
}

/// What the PIN is good for beside fingers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinUse {
    Everything,
    /// CTAP 2.1, 6.4: `noMcGaPermissionsWithClientPin`.
    Administration,
    /// The key does not tell of one.
    Hidden,
}

/// What the key speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    Ctap2,
    OnlyU2f,
}

/// Answer to `ping`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// `None`: it tells none, as most keys do.
    pub serial: Option<String>,
    pub product: String,
    #[serde(flatten)]
    pub plug: Plug,
}

/// Answer to `log`.
#[derive(Serialize, Deserialize)]
pub struct Log {
    pub entries: Vec<Entry>,
}

/// Answer to `faults`.
#[derive(Serialize, Deserialize)]
pub struct Faults {
    pub faults: Vec<String>,
}

impl FromStr for Request {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match words.as_slice() {
            ["reset"] => Self::Reset,
            ["forbid"] => Self::Node(Access::Forbidden),
            ["permit"] => Self::Node(Access::Permitted),
            ["hmac-secret", "on"] => Self::HmacSecret(Extension::Offered),
            ["hmac-secret", "off"] => Self::HmacSecret(Extension::Absent),
            ["pin-protocol", "1"] => Self::PinProtocol(PinProtocols::One),
            ["pin-protocol", "2"] => Self::PinProtocol(PinProtocols::Two),
            ["pin-protocol", "both"] => Self::PinProtocol(PinProtocols::Both),
            ["fingers", "absent"] => Self::Fingers(Fingers::Absent),
            ["fingers", "none"] => Self::Fingers(Fingers::NoneEnrolled),
            ["fingers", "unknown"] => Self::Fingers(Fingers::Unknown),
            ["fingers", "known", pin] => Self::Fingers(Fingers::Known { pin: (*pin).to_owned() }),
            ["pin-use", "everything"] => Self::PinUse(PinUse::Everything),
            ["pin-use", "administration"] => Self::PinUse(PinUse::Administration),
            ["pin-use", "hidden"] => Self::PinUse(PinUse::Hidden),
            ["u2f-only", "on"] => Self::Speech(Speech::OnlyU2f),
            ["u2f-only", "off"] => Self::Speech(Speech::Ctap2),
            ["fault", rest @ ..] => Self::Fault(rest.join(" ").parse()?),
            ["faults"] => Self::Faults,
            ["faults", "clear"] => Self::ClearFaults,
            _ => Self::Common(line.parse()?),
        })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Common(request) => write!(f, "{request}"),
            Self::Reset => write!(f, "reset"),
            Self::Node(Access::Forbidden) => write!(f, "forbid"),
            Self::Node(Access::Permitted) => write!(f, "permit"),
            Self::HmacSecret(Extension::Offered) => write!(f, "hmac-secret on"),
            Self::HmacSecret(Extension::Absent) => write!(f, "hmac-secret off"),
            Self::PinProtocol(PinProtocols::One) => write!(f, "pin-protocol 1"),
            Self::PinProtocol(PinProtocols::Two) => write!(f, "pin-protocol 2"),
            Self::PinProtocol(PinProtocols::Both) => write!(f, "pin-protocol both"),
            Self::Fingers(Fingers::Absent) => write!(f, "fingers absent"),
            Self::Fingers(Fingers::NoneEnrolled) => write!(f, "fingers none"),
            Self::Fingers(Fingers::Unknown) => write!(f, "fingers unknown"),
            Self::Fingers(Fingers::Known { pin }) => write!(f, "fingers known {pin}"),
            Self::PinUse(PinUse::Everything) => write!(f, "pin-use everything"),
            Self::PinUse(PinUse::Administration) => write!(f, "pin-use administration"),
            Self::PinUse(PinUse::Hidden) => write!(f, "pin-use hidden"),
            Self::Speech(Speech::OnlyU2f) => write!(f, "u2f-only on"),
            Self::Speech(Speech::Ctap2) => write!(f, "u2f-only off"),
            Self::Fault(fault) => write!(f, "fault {fault}"),
            Self::Faults => write!(f, "faults"),
            Self::ClearFaults => write!(f, "faults clear"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fido_key::fault::{Command, Effect};

    #[test]
    fn lines_are_read_back_as_they_were_written() {
        for request in [
            Request::Common(Common::Ping),
            Request::Common(Common::Log { since: 7 }),
            Request::Reset,
            Request::Node(Access::Forbidden),
            Request::Node(Access::Permitted),
            Request::HmacSecret(Extension::Offered),
            Request::HmacSecret(Extension::Absent),
            Request::PinProtocol(PinProtocols::One),
            Request::PinProtocol(PinProtocols::Two),
            Request::PinProtocol(PinProtocols::Both),
            Request::Fingers(Fingers::Absent),
            Request::Fingers(Fingers::NoneEnrolled),
            Request::Fingers(Fingers::Unknown),
            Request::Fingers(Fingers::Known { pin: "1234".into() }),
            Request::PinUse(PinUse::Everything),
            Request::PinUse(PinUse::Administration),
            Request::PinUse(PinUse::Hidden),
            Request::Speech(Speech::Ctap2),
            Request::Speech(Speech::OnlyU2f),
            Request::Fault(Fault::new(Effect::Error(0x31)).on(Command::ClientPin)),
            Request::Faults,
            Request::ClearFaults,
        ] {
            assert_eq!(request.to_string().parse(), Ok(request));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "pin-protocol 3",
            "fingers known",
            "hmac-secret",
            "fault",
            "faults off",
            "reset now",
        ] {
            assert!(line.parse::<Request>().is_err(), "{line:?}");
        }
    }
}
