//! The line that every later command says about a rotation that was left in the middle, or an old key that was forgotten.

use super::is_running;
use super::journal::{Journal, Stage};
use crate::profile::ProfileName;
use crate::vault::Vault;
use jiff::{SignedDuration, Timestamp};

/// So long an old key may wait, switched off, before somebody is reminded that it is still there.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// "prod: a rotation of 2026-11-25 14:02 UTC stopped ...", if one stopped. One look at one path when there is none.
pub fn of_interrupted(vault: &Vault, entry: &ProfileName) -> Option<String> {
    let journal = read(vault, entry)?;
    let journal = match journal {
        Ok(journal) => journal,
        Err(line) => return Some(line),
    };
    if !journal.is_interrupted() || is_running(vault, entry) {
        return None;
    }
    Some(format!(
        "{entry}: a rotation of {} stopped {}; `tapvault rotate --resume {}` finishes it",
        moment(journal.at),
        journal.stage.after(),
        entry.in_command()
    ))
}

/// Whether rotations of any entry have left something: one look for all of them. In doubt they have.
pub fn is_needed(vault: &Vault) -> bool {
    vault.rotations().names(".json").map_or(true, |names| !names.is_empty())
}

/// The same, and that an old key has been waiting for its deletion for a week.
pub fn of_anything(vault: &Vault, entry: &ProfileName, now: Timestamp) -> Option<String> {
    if let Some(line) = of_interrupted(vault, entry) {
        return Some(line);
    }
    let journal = read(vault, entry)?.ok()?;
    (journal.stage == Stage::Retired && now.duration_since(journal.at) > FORGOTTEN).then(|| {
        format!(
            "{entry}: {}, the access key before this one, has been off for {} days; `tapvault rotate --finish {}` deletes it",
            journal.old,
            now.duration_since(journal.at).as_hours() / 24,
            entry.in_command()
        )
    })
}

fn read(vault: &Vault, entry: &ProfileName) -> Option<Result<Journal, String>> {
    match Journal::read(vault, entry) {
        Ok(journal) => journal.map(Ok),
        Err(error) => Some(Err(format!("{entry}: {}", error.message()))),
    }
}

/// Minutes are enough to tell one run from another.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
