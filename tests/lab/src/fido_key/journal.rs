//! What a key has to tell: the commands that it was given and how it answered.
//!
//! It holds names, lengths and status codes. Data bytes never get in: among them are secrets.

use serde::{Deserialize, Serialize};

use crate::soft_token::{
    body::{Touch, TouchCounts},
    journal::Attempts,
};

/// One command and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts up from 0 since the process started; also a mark to read on from.
    pub number: usize,
    /// Milliseconds since the process started, at the command's arrival.
    pub at_ms: u64,
    /// Milliseconds until the answer.
    pub took_ms: u64,
    /// `get-assertion`; for the PIN with what was asked: `client-pin get-pin-token`.
    pub command: String,
    /// Length of the command's data.
    pub sent: usize,
    /// Length of the answer's data.
    pub received: usize,
    /// The status code as two hexadecimal digits (CTAP 2.1, 8.2); `hid 06` for an error of the transport, `cut` when
    /// the key was pulled out before its answer.
    pub status: String,
    /// What became of the touch, when the command needed one.
    pub touch: Option<Touch>,
    /// The fault that the answer suffered, in the words of [`super::fault`].
    pub fault: Option<String>,
}

/// Touches, and PINs offered, since the process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub touches: TouchCounts,
    /// A PIN that is offered while the PIN is blocked is refused too.
    pub pin: Attempts,
}
