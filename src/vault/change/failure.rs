//! What is said when a change of keys stops, and how it goes on.

use super::Interrupted;
use crate::error::{Error, ErrorKind};
use crate::vault::keyring::{KeyList, join_and};
use crate::wrap::{EnrolledKey, KeyKind, KeyName};

impl Interrupted {
    /// The error for a new change while this one is unfinished.
    pub fn to_error(&self) -> Error {
        let error = Error::new(
            ErrorKind::Conflict,
            format!(
                "\"{}\" was interrupted after {} entries; nothing is lost",
                self.what, self.prepared
            ),
        );
        if self.first {
            return error.hint("tapvault key resume --abandon throws it away; then enroll the key again");
        }
        error.hint("tapvault key resume finishes it").hint(abandon_hint())
    }
}

pub(super) fn changed_meanwhile() -> Error {
    Error::new(
        ErrorKind::Conflict,
        "the enrolled keys were changed while this command ran",
    )
}

/// The error for a change that has happened, and whose moves the next command will finish.
pub(super) fn unfinished(what: &str, error: &Error) -> Error {
    Error::new(
        error.kind(),
        format!(
            "\"{what}\" has happened, but not every file is in its place yet: {}",
            error.message()
        ),
    )
    .hint("free some space, or mend the folder; then any command, such as `tapvault key list`, finishes it")
}

/// The error for a key that the change takes out: it can't open the new K, which is sealed to the keys of the new list.
pub(super) fn goes(what: &str, name: &KeyName, before: &KeyList, next: &KeyList) -> Error {
    let stays = |key: &&EnrolledKey| before.keys.iter().any(|known| known.recipient == key.recipient);
    let staying: Vec<&EnrolledKey> = next.keys.iter().filter(stays).collect();
    let error = Error::new(
        ErrorKind::NoKey,
        format!("\"{what}\" takes {name} out, so another key has to finish it"),
    );
    let error = if staying.is_empty() {
        error.hint("none of those that stay was enrolled before it")
    } else if staying.iter().any(|key| matches!(key.kind, KeyKind::Recovery { .. })) {
        error.hint("with the key on paper: tapvault key resume --recovery")
    } else {
        error.hint(format!(
            "{} can: tapvault key resume --key NAME",
            join_and(staying.iter().map(|key| key.name.as_str()))
        ))
    };
    error.hint(abandon_hint())
}

pub(super) fn abandon_hint() -> &'static str {
    "tapvault key resume --abandon throws the unfinished change away; the vault is as it was before it"
}
