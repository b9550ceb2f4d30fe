//! The journal: which commands the token was given and how it answered.
//!
//! It holds names, parameters, lengths and status words. Data bytes never get in: VERIFY carries the PIN, and the
//! answer to a key agreement is a secret.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use super::body::Touch;

/// One command and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts up from 0 since the process started; also a mark to read on from.
    pub number: usize,
    /// Milliseconds since the process started, at the command's arrival.
    pub at_ms: u64,
    /// Milliseconds until the answer.
    pub took_ms: u64,
    /// The selected applet: `piv`, `oath`, `management`, `otp`, `-` when none is.
    pub applet: String,
    /// The instruction's name: `VERIFY`; its number when the applet has none for it.
    pub instruction: String,
    /// P1 P2 as four hexadecimal digits.
    pub p1p2: String,
    /// Length of the command's data.
    pub sent: usize,
    /// Length of the answer's data.
    pub received: usize,
    /// The status word as four hexadecimal digits.
    pub status: String,
    /// What became of the touch, when the command needed one.
    pub touch: Option<Touch>,
}

/// What was offered against a PIN or PUK.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    pub accepted: u32,
    pub refused: u32,
}

/// Attempts on both secrets since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinCounts {
    pub pin: Attempts,
    pub puk: Attempts,
}

/// What became of an attempt. Anything offered against a blocked secret is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    Refused,
}

/// Which of the two was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    Pin,
    Puk,
}

/// See the module's words.
pub struct Journal {
    start: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    attempts: PinCounts,
}

impl Journal {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            state: Mutex::default(),
        }
    }

    /// Milliseconds since the process started.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Adds an entry; its number is given here.
    pub fn add(&self, mut entry: Entry) {
        let mut state = self.lock();
        entry.number = state.entries.len();
        state.entries.push(entry);
    }

    /// All entries from this mark on.
    pub fn since(&self, mark: usize) -> Vec<Entry> {
        self.lock().entries.iter().skip(mark).cloned().collect()
    }

    /// The number that the next entry will get.
    pub fn mark(&self) -> usize {
        self.lock().entries.len()
    }

    /// Notes that a PIN or PUK was offered.
    pub fn count_attempt(&self, reference: Reference, outcome: Outcome) {
        let mut state = self.lock();
        let attempts = match reference {
            Reference::Pin => &mut state.attempts.pin,
            Reference::Puk => &mut state.attempts.puk,
        };
        match outcome {
            Outcome::Accepted => attempts.accepted += 1,
            Outcome::Refused => attempts.refused += 1,
        }
    }

    pub fn pin_counts(&self) -> PinCounts {
        self.lock().attempts
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}
