//! A person who sits at another program's terminal: what a dialogue needs of whoever carries its words there and back.

use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// A person should see it now.
    Tell,
    /// For whoever reads stderr, person or log.
    Note,
    /// For who asked for `--debug`.
    Debug,
}

/// How a question is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A line that may be seen.
    Line,
    /// A secret, typed without an echo.
    Secret,
    /// A yes or no; the answer is `y` or something else.
    Consent,
}

/// A program that the person has named in a config file. It is run where the person is, in that environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Helper {
    /// `mfa_process` of the device with this serial.
    Mfa(String),
    /// `passphrase_command`.
    Passphrase,
}

/// Carries the words of a dialogue to a person elsewhere, and the answers back.
pub trait Person: Send + Sync {
    /// Whether anybody is still there.
    fn is_there(&self) -> bool;

    /// Whether questions can be asked at a terminal.
    fn has_terminal(&self) -> bool;

    /// A line, without control characters.
    fn say(&self, voice: Voice, line: &str);

    /// A touch is awaited, for what `line` says.
    fn touch(&self, line: &str);

    /// The touch is over: given, missed or no longer wanted.
    fn touched(&self);

    /// Shows for how many more seconds something is waited for, without waiting.
    fn count_down(&self, words: &str, seconds: u64);

    /// Asks a question.
    ///
    /// # Errors
    /// Those of the dialogue that asks it there; [`ErrorKind::Cancelled`] when nobody is there any more.
    fn ask(&self, how: Asks, question: &str) -> Result<SecretText>;

    /// Runs a program there, and brings what it printed.
    ///
    /// # Errors
    /// The program's; [`ErrorKind::Cancelled`] when nobody is there any more.
    fn run(&self, helper: &Helper) -> Result<SecretText>;
}

/// Nobody waits for the outcome any more.
pub fn nobody() -> Error {
    Error::new(ErrorKind::Cancelled, "whoever asked for it has gone")
}
