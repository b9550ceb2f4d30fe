//! MFA devices of IAM whose seeds live on tokens: enrolled, looked at, resynchronised and removed, so that after whatever cuts it
//! short no seed is on a token without a device, nor a device without its seed, and nobody was told.
//!
//! [`enroll`] and [`remove`] keep a journal, written before each step that could be cut short; the next run finishes or
//! undoes what it speaks of. docs/mfa.md tells it for the person at the terminal.

mod config;
mod device;
mod enroll;
mod journal;
mod look;
pub mod remind;
mod remove;
mod resync;
mod user;
mod words;

use crate::chain::Own;
use crate::chain::mfa::CodeWishes;
use crate::profile::ProfileName;
use crate::profile::value::MfaSerial;
use crate::token::Serial;
use crate::vault::unlock::KeyChoice;
use serde::{Deserialize, Serialize};

pub use crate::device::oath::Passwords;
pub use enroll::enroll;
pub use look::{Device, Holder, look};
pub use remove::{Consent, remove};
pub use resync::resync;

/// Whose devices are meant, and how their user is reached.
pub struct Person {
    /// The entry whose access key is the user's. Its profile gets `mfa_serial`.
    pub entry: ProfileName,
    /// The profile that led to the entry: its settings speak too.
    pub asked: ProfileName,
    /// How the user is spoken for.
    pub own: Own,
    /// Which key opens.
    pub key: KeyChoice,
    /// Where the code of a session comes from.
    pub codes: CodeWishes,
    /// The processes above this one, nearest first.
    pub callers: Vec<String>,
    /// What was typed to unlock the accounts on tokens.
    pub passwords: Passwords,
}

/// What a person wants of an enrolment.
pub struct Wishes {
    /// The device's ARN; else it is called as the user, or with `-tapvault` behind that.
    pub serial: Option<MfaSerial>,
    /// The tokens that get the seed; the first gives the codes. Empty: the one that is plugged in.
    pub tokens: Vec<Serial>,
    /// Whether the seed is shown too.
    pub paper: Paper,
    /// What happens to another `mfa_serial` that the profile has.
    pub other: Other,
}

/// Whether a person gets the seed to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    /// No: it is on the tokens and nowhere else.
    None,
    /// Once, at the terminal (`--show-seed`).
    Shown,
}

/// What happens to a `mfa_serial` of another device in the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Other {
    /// It stays, and nothing is done.
    Kept,
    /// The new device takes its place (`--replace`). The old one stays at AWS.
    Replaced,
}
