//! What became of each key, as a line for each and a sum.

use super::harvest::{Because, Left};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::words;

/// What became of one key.
pub enum Outcome {
    /// It is in the vault now.
    Sealed,
    /// The vault has this very key.
    Same,
    /// The vault has another key for the profile.
    Different,
    /// The vault has a key for the profile, and which one is not told without opening it.
    Unclear,
    /// It ends by itself.
    Temporary,
    /// It can't be read.
    Damaged(String),
    /// Another key for the profile comes first.
    Shadowed(String),
    /// Its source does not hand it out.
    Withheld(String),
    /// AWS does not take it.
    Refused(Error),
}

/// What became of all.
#[derive(Default)]
pub struct Report {
    lines: Vec<(String, Outcome)>,
}

impl Report {
    /// One more.
    pub fn add(&mut self, what: impl Into<String>, outcome: Outcome) {
        self.lines.push((what.into(), outcome));
    }

    /// What a source left.
    pub fn add_left(&mut self, left: Left) {
        let outcome = match left.because {
            Because::Temporary => Outcome::Temporary,
            Because::Damaged(how) => Outcome::Damaged(how),
            Because::Shadowed(how) => Outcome::Shadowed(how),
            Because::Withheld(how) => Outcome::Withheld(how),
        };
        self.add(left.what, outcome);
    }

    /// Tells everything.
    ///
    /// # Errors
    /// When a key could not be taken in although it is one: AWS refused it, or it is damaged.
    pub fn tell(self, ctx: &Context) -> Result<()> {
        let note = |line: &str| ctx.dialogue.note(line);
        if self.lines.is_empty() {
            note("no access key was found, so there is nothing to import");
            return Ok(());
        }
        let mut failed: Option<Error> = None;
        let mut counts: Vec<(&str, usize)> = Vec::new();
        let all = self.lines.len();
        for (what, outcome) in self.lines {
            let (word, line) = match &outcome {
                Outcome::Sealed => ("sealed", format!("{what}: sealed")),
                Outcome::Same => ("there already", format!("{what}: the vault has this key already")),
                Outcome::Different => (
                    "different",
                    format!("{what}: the vault has another key for it, which was left; --force replaces it"),
                ),
                Outcome::Unclear => (
                    "there already",
                    format!(
                        "{what}: the vault has a key for it already; `tapvault export {}` shows which",
                        words::in_command(&what)
                    ),
                ),
                Outcome::Temporary => (
                    "temporary",
                    format!("{what}: temporary credentials, left where they are; they end by themselves"),
                ),
                Outcome::Damaged(how) => ("damaged", format!("{what}: not an access key that can be used: {how}")),
                Outcome::Shadowed(how) => ("second for a profile", format!("{what}: left, for {how}")),
                Outcome::Withheld(how) => ("skipped", format!("{what}: skipped: {how}")),
                Outcome::Refused(error) => ("refused", format!("{what}: not sealed: {}", error.message())),
            };
            note(&line);
            match counts.iter_mut().find(|(known, _)| *known == word) {
                Some((_, count)) => *count += 1,
                None => counts.push((word, 1)),
            }
            let error = match outcome {
                Outcome::Refused(error) => Some(error.within(&what)),
                Outcome::Damaged(how) | Outcome::Withheld(how) => {
                    Some(Error::new(ErrorKind::Config, format!("{what}: {how}")))
                }
                Outcome::Sealed
                | Outcome::Same
                | Outcome::Different
                | Outcome::Unclear
                | Outcome::Temporary
                | Outcome::Shadowed(_) => None,
            };
            failed = failed.or(error);
        }
        if all > 1 {
            let sum: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
            note(&sum.join(", "));
        }
        match failed {
            Some(error) => Err(error.hint("the others are as the lines above say")),
            None => Ok(()),
        }
    }
}
