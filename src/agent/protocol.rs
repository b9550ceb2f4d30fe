//! What client and agent say to each other over the agent's socket.
//!
//! Each side sends frames ([`frame`]): a head in JSON, and a body for what must not be copied about, such as a PIN that was
//! typed or the credentials themselves. The client begins with one [`Opening`]; the agent answers with [`Word`]s, and the client
//! answers those that ask for something with an [`Answer`]. The connection ends with the request.

pub mod frame;
pub mod plan;

use crate::chain::mfa::CodeSource;
use crate::error::{Error, ErrorKind};
use crate::prompt::{Asks, Helper, Voice};
use jiff::Timestamp;
use plan::Plan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Raised when a frame changes its meaning. Another version of the program counts as another protocol too.
pub const PROTOCOL: u32 = 2;

/// This program's version, as both sides tell it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How often the agent tells a client who waits that it is still there.
pub const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Who speaks: the only part of the first frame that every version understands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Greeting {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// [`VERSION`].
    pub version: String,
}

impl Greeting {
    /// This program's.
    pub fn ours() -> Self {
        Greeting {
            protocol: PROTOCOL,
            version: VERSION.to_owned(),
        }
    }

    /// Whether the two understand each other.
    pub fn is_ours(&self) -> bool {
        self.protocol == PROTOCOL && self.version == VERSION
    }

    /// Whether it comes from an earlier version than `other`.
    pub fn is_older_than(&self, other: &Greeting) -> bool {
        let rank = |greeting: &Greeting| -> (Vec<u64>, u32) {
            let core = greeting.version.split(['-', '+']).next().unwrap_or_default();
            let numbers = core.split('.').map(|part| part.parse().unwrap_or(0)).collect();
            (numbers, greeting.protocol)
        };
        rank(self) < rank(other)
    }
}

/// The first frame of a client.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opening {
    /// Who speaks.
    #[serde(flatten)]
    pub greeting: Greeting,
    /// What it wants.
    pub wants: Wants,
}

/// What a client wants.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wants {
    /// Credentials. The body is the MFA code that the person gave, if any.
    Credentials(Box<Request>),
    /// What the agent holds and does.
    Status,
    /// An end of what it holds: of one profile, or of all.
    Lock {
        /// The profile; `None` for all.
        profile: Option<String>,
    },
}

/// A request for credentials, with everything that decides what the answer is and how the person is asked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// The four folders of the client; the agent serves one vault.
    pub folders: Folders,
    /// The plan.
    pub plan: Plan,
    /// The variables of [`NETWORK`] that are set.
    pub network: BTreeMap<String, String>,
    /// The variables that decide a session's name when the config names none.
    pub user: BTreeMap<String, String>,
    /// The command to be run; `None` for `export`.
    pub command: Option<Vec<String>>,
    /// The enrolled key that is to open (`--key`).
    pub key: Option<String>,
    /// Pass over what is sealed or leased (`--refresh`).
    pub refresh: bool,
    /// Whether the body is a code.
    pub gives_code: bool,
    /// Where codes come from (`--mfa`).
    pub codes: Option<Codes>,
    /// For how many seconds the agent may hand the session out again without a touch; 0 for not at all.
    pub lease: u32,
    /// Where this client's lines land.
    pub screen: Screen,
    /// `--debug`.
    pub debug: bool,
}

/// The folders of `context::Paths`, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folders {
    /// `config.toml` lies there.
    pub config: String,
    /// The vault.
    pub vault: String,
    /// This machine's memory.
    pub state: String,
}

/// Where the lines of a client land.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Screen {
    /// Whether it can ask at a terminal.
    pub asks: bool,
    /// The file or terminal: device, inode, and the device behind it. Clients with the same one share a screen.
    pub place: (u64, u64, u64),
}

/// The variables that decide how AWS is reached: equal requests have equal ones.
pub const NETWORK: [&str; 11] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "REQUEST_METHOD",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Those of [`NETWORK`] that a library reads from its own process: an agent that has others can't serve the request.
pub const READ_FROM_PROCESS: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Why a request without a lease is left to the client in a vault without a token: there is no touch to share, and the keychain is
/// reached from the client's session, not from where the agent began.
pub const NO_TOKEN: &str = "no token is enrolled";

/// The variables of [`Request::user`].
pub const USER: [&str; 2] = ["USER", "LOGNAME"];

/// `--mfa`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codes {
    /// A token.
    Oath,
    /// `mfa_process`.
    Process,
    /// A question.
    Prompt,
}

impl From<CodeSource> for Codes {
    fn from(source: CodeSource) -> Self {
        match source {
            CodeSource::Oath => Codes::Oath,
            CodeSource::Process => Codes::Process,
            CodeSource::Prompt => Codes::Prompt,
        }
    }
}

impl From<Codes> for CodeSource {
    fn from(source: Codes) -> Self {
        match source {
            Codes::Oath => CodeSource::Oath,
            Codes::Process => CodeSource::Process,
            Codes::Prompt => CodeSource::Prompt,
        }
    }
}

/// What the agent says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// It is of another version; nothing was done.
    OtherVersion(Greeting),
    /// It can't serve this request, for the reason given; the client does it by itself.
    Elsewhere(String),
    /// The request is understood, and worked on; said again every [`SIGN_OF_LIFE`] as long as it is.
    Heard,
    /// A line for the person.
    Say {
        /// How it is meant.
        voice: Spoken,
        /// The line.
        line: String,
    },
    /// A touch is awaited.
    Touch {
        /// What for.
        line: String,
    },
    /// It is over.
    Touched,
    /// So many seconds are waited for something.
    CountDown {
        /// For what.
        words: String,
        /// How many.
        seconds: u64,
    },
    /// A question; an [`Answer`] is awaited.
    Ask {
        /// How it is meant.
        how: Question,
        /// The question.
        question: String,
    },
    /// A program of the person's is to be run; an [`Answer`] is awaited.
    Run(Program),
    /// The credentials are in the body, as the JSON of `credential_process`.
    Credentials,
    /// It failed.
    Failed(Failure),
    /// What the agent holds and does.
    Status(Box<Status>),
    /// What was ended.
    Locked {
        /// How many leases.
        leases: usize,
        /// How many PINs.
        pins: usize,
    },
}

/// [`Voice`] on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spoken {
    /// [`Voice::Tell`].
    Tell,
    /// [`Voice::Note`].
    Note,
    /// [`Voice::Debug`].
    Debug,
}

impl From<Voice> for Spoken {
    fn from(voice: Voice) -> Self {
        match voice {
            Voice::Tell => Spoken::Tell,
            Voice::Note => Spoken::Note,
            Voice::Debug => Spoken::Debug,
        }
    }
}

/// [`Asks`] on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// [`Asks::Line`].
    Line,
    /// [`Asks::Secret`].
    Secret,
    /// [`Asks::Consent`].
    Consent,
}

impl From<Asks> for Question {
    fn from(asks: Asks) -> Self {
        match asks {
            Asks::Line => Question::Line,
            Asks::Secret => Question::Secret,
            Asks::Consent => Question::Consent,
        }
    }
}

/// [`Helper`] on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// `mfa_process` for this device.
    Mfa {
        /// Its serial.
        serial: String,
    },
    /// `passphrase_command`.
    Passphrase,
}

impl From<&Helper> for Program {
    fn from(helper: &Helper) -> Self {
        match helper {
            Helper::Mfa(serial) => Program::Mfa { serial: serial.clone() },
            Helper::Passphrase => Program::Passphrase,
        }
    }
}

/// A client's answer to [`Word::Ask`] and [`Word::Run`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is in the body.
    Given,
    /// There is none.
    Failed(Failure),
}

/// An [`Error`] on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    kind: String,
    message: String,
    hints: Vec<String>,
    aws_code: Option<String>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Failure {
            kind: error.kind().name().to_owned(),
            message: error.message().to_owned(),
            hints: error.hints().to_vec(),
            aws_code: error.aws_code().map(str::to_owned),
        }
    }
}

impl From<Failure> for Error {
    /// A kind that this version does not know is [`ErrorKind::Other`].
    fn from(failure: Failure) -> Self {
        let known = ErrorKind::ALL.into_iter().find(|kind| kind.name() == failure.kind);
        let error = Error::new(known.unwrap_or(ErrorKind::Other), failure.message);
        let error = failure.hints.into_iter().fold(error, Error::hint);
        match failure.aws_code {
            Some(code) => error.refused_with(code),
            None => error,
        }
    }
}

/// What the agent holds and does, as `status --json` prints it (docs/schema/status.json).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The agent itself; none when none runs.
    pub agent: Option<AgentFacts>,
    /// Sessions that are handed out without a touch.
    pub leases: Vec<LeaseFacts>,
    /// Requests under way, in their order.
    pub waiting: Vec<WaitingFacts>,
    /// Tokens whose PIN is held.
    pub pins: Vec<PinFacts>,
}

/// The agent itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentFacts {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Since when it runs.
    pub since: Timestamp,
}

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseFacts {
    /// The profile.
    pub profile: String,
    /// Its end.
    pub until: Timestamp,
    /// How often it was used since the touch.
    pub uses: u64,
    /// The programs that used it, each once.
    pub callers: Vec<String>,
}

/// A request that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingFacts {
    /// The profile.
    pub profile: String,
    /// Who asked, nearest first: "aws (4711)", "make", "zsh".
    pub asked_by: Vec<String>,
    /// Since when.
    pub since: Timestamp,
    /// What for: "touch YubiKey 1 to ...", "the token", "STS".
    pub awaits: String,
}

/// A token whose PIN is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinFacts {
    /// The token.
    pub token: String,
    /// Since when.
    pub since: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let greeting = |version: &str| Greeting {
            protocol: PROTOCOL,
            version: version.into(),
        };
        let ours = Greeting::ours();
        assert!(ours.is_older_than(&greeting("999.0.0")));
        assert!(greeting("0.0.1").is_older_than(&ours));
        assert!(greeting("0.9.0").is_older_than(&greeting("0.10.0-rc.1")));
        assert!(!greeting(VERSION).is_older_than(&ours));
        assert!(greeting("garbage").is_older_than(&ours));
        assert!(greeting(VERSION).is_ours());
    }

    #[test]
    fn an_error_comes_through_whole() {
        let error = Error::new(ErrorKind::Aws, "no")
            .hint("a")
            .hint("b")
            .refused_with("AccessDenied".into());
        let back: Error = Failure::from(&error).into();
        assert_eq!(back.to_string(), error.to_string());
        assert_eq!(back.hints(), error.hints());
        assert_eq!(back.aws_code(), Some("AccessDenied"));
        let unknown: Error = Failure {
            kind: "new-in-2030".into(),
            message: "x".into(),
            hints: Vec::new(),
            aws_code: None,
        }
        .into();
        assert_eq!(unknown.kind(), ErrorKind::Other);
    }
}
