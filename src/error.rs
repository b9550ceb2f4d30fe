//! What went wrong, for a person and for a script: a kind with a stable name and an exit code, a sentence, and what to do next.
//!
//! Rooms below `cli` that are libraries in their own right (`token`, `profile`) have error types of their own;
//! they become an [`Error`] where somebody knows which profile and which key were meant.

use std::fmt;

/// The kinds of failure, each with a stable name (it begins the message) and an exit code.
///
/// Scripts match on these; neither a name nor a code changes its meaning once released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Anything that has no kind of its own, such as a folder that can't be written. Exit code 1.
    Other,
    /// The command line makes no sense. Exit code 2.
    Usage,
    /// A config file or a profile in it can't be used. Exit code 3.
    Config,
    /// The vault has no such entry. Exit code 4.
    NoEntry,
    /// No enrolled key that could open the entry is present. Exit code 5.
    NoKey,
    /// The token was not touched in time. Exit code 6.
    NoTouch,
    /// A PIN or passphrase is wrong, blocked, or could not be asked for. Exit code 7.
    Pin,
    /// AWS answered, and refused. Exit code 8.
    Aws,
    /// AWS could not be reached, or the answer never came whole. Exit code 9.
    Network,
    /// A file of the vault can't be read as what it should be. Exit code 10.
    Damaged,
    /// A file of the vault was made by somebody who does not hold the vault's secret. Exit code 10.
    Forged,
    /// The token is in use by another program. Exit code 11.
    Busy,
    /// Two histories of the vault, or two commands, contradict each other. Exit code 12.
    Conflict,
    /// The vault is older than what this machine has already seen. Exit code 12.
    Rollback,
    /// The person pressed Ctrl-C or said no. Exit code 130.
    Cancelled,
}

impl ErrorKind {
    /// Every kind, in the order of the exit codes: for the documentation test.
    pub const ALL: [ErrorKind; 15] = [
        ErrorKind::Other,
        ErrorKind::Usage,
        ErrorKind::Config,
        ErrorKind::NoEntry,
        ErrorKind::NoKey,
        ErrorKind::NoTouch,
        ErrorKind::Pin,
        ErrorKind::Aws,
        ErrorKind::Network,
        ErrorKind::Damaged,
        ErrorKind::Forged,
        ErrorKind::Busy,
        ErrorKind::Conflict,
        ErrorKind::Rollback,
        ErrorKind::Cancelled,
    ];

    /// The stable name that begins the message on stderr.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Other => "other",
            ErrorKind::Usage => "usage",
            ErrorKind::Config => "config",
            ErrorKind::NoEntry => "no-entry",
            ErrorKind::NoKey => "no-key",
            ErrorKind::NoTouch => "no-touch",
            ErrorKind::Pin => "pin",
            ErrorKind::Aws => "aws",
            ErrorKind::Network => "network",
            ErrorKind::Damaged => "damaged",
            ErrorKind::Forged => "forged",
            ErrorKind::Busy => "busy",
            ErrorKind::Conflict => "conflict",
            ErrorKind::Rollback => "rollback",
            ErrorKind::Cancelled => "cancelled",
        }
    }

    /// The process exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Other => 1,
            ErrorKind::Usage => 2,
            ErrorKind::Config => 3,
            ErrorKind::NoEntry => 4,
            ErrorKind::NoKey => 5,
            ErrorKind::NoTouch => 6,
            ErrorKind::Pin => 7,
            ErrorKind::Aws => 8,
            ErrorKind::Network => 9,
            ErrorKind::Damaged | ErrorKind::Forged => 10,
            ErrorKind::Busy => 11,
            ErrorKind::Conflict | ErrorKind::Rollback => 12,
            // What a shell reports for a command ended by Ctrl-C (128 + SIGINT).
            ErrorKind::Cancelled => 130,
        }
    }
}

/// A failure: its kind, one sentence that names the thing, and hints that name the next command. Whatever they quote, a file or
/// another program's words, each is one line that does not steer a terminal.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hints: Vec<String>,
    aws_code: Option<String>,
}

/// The result of nearly everything in this program.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure of `kind`; `message` reads after "tapvault: KIND: ".
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: printable(&message.into()),
            hints: Vec::new(),
            aws_code: None,
        }
    }

    /// Adds a line that says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(printable(&hint.into()));
        self
    }

    /// Adds AWS's own code, such as `ExpiredToken`.
    #[must_use]
    pub fn refused_with(mut self, aws_code: String) -> Self {
        self.aws_code = Some(aws_code);
        self
    }

    /// AWS's own code when AWS refused, for callers that act differently on some.
    pub fn aws_code(&self) -> Option<&str> {
        self.aws_code.as_deref()
    }

    /// The kind, for callers that act differently on some of them.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence without the kind's name.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The hints so far.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The same failure seen from one floor up: `context` comes before the message.
    #[must_use]
    pub fn within(mut self, context: impl fmt::Display) -> Self {
        self.message = printable(&format!("{context}: {}", self.message));
        self
    }
}

impl fmt::Display for Error {
    /// One line: the stable name of the kind, then the message. Hints are printed by `cli`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl std::error::Error for Error {}

/// An I/O failure with the path it happened on, and a hint for the ones that people can mend.
pub fn io(doing: &str, path: &std::path::Path, err: &std::io::Error) -> Error {
    let error = Error::new(
        ErrorKind::Other,
        format!("{doing} {}: {}", path.display(), plain_io(err)),
    );
    match err.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            error.hint("free some space and run it again")
        }
        std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => {
            error.hint("tapvault needs to write there; `ls -ld` the folder shows who may")
        }
        _ => error,
    }
}

/// The line without control characters: a profile or a command must not be able to steer the terminal, nor to turn the
/// words of a question round.
pub fn printable(line: &str) -> String {
    // Nearly every line, and in a list each of thousands.
    if line.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return line.to_owned();
    }
    line.chars()
        .map(|c| {
            if c.is_control() || turns_words_round(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// Unicode's explicit bidirectional formatting (UAX #9, 2.1 to 2.4): it would change the order in which the rest is shown.
fn turns_words_round(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The system's words without "(os error N)".
pub fn plain_io(err: &std::io::Error) -> String {
    let text = err.to_string();
    match text.find(" (os error") {
        Some(cut) => text[..cut].to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: HashSet<_> = ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), ErrorKind::ALL.len());
    }

    #[test]
    fn the_message_begins_with_the_stable_name() {
        let error = Error::new(ErrorKind::NoTouch, "YubiKey 1 was not touched").within("prod");
        assert_eq!(error.to_string(), "no-touch: prod: YubiKey 1 was not touched");
    }

    #[test]
    fn a_line_cannot_carry_escape_sequences() {
        assert_eq!(printable("a\x1b[2Jb\nc"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(printable("a\u{202e}b"), "a\u{fffd}b");
        assert_eq!(printable("ä שלום"), "ä שלום");
    }

    #[test]
    fn an_error_is_lines_that_can_be_shown_whatever_it_quotes() {
        let error = Error::new(ErrorKind::Damaged, "unknown kind `rec\x7fvery`")
            .hint("look at a\nb")
            .within("keys\x1b.json");
        assert_eq!(error.message(), "keys\u{fffd}.json: unknown kind `rec\u{fffd}very`");
        assert_eq!(error.hints(), ["look at a\u{fffd}b"]);
    }
}
