//! A new access key in the place of an old one, so that at every moment a working key is in the vault, and every key at AWS is
//! known to it: a state machine with a journal.
//!
//! [`decide`] says what comes next, from the journal, from what IAM lists, and from what the vault holds; `look` finds these
//! out; [`run`](rotate) takes one step after the other. docs/rotation.md tells it as a story, with a table of what is
//! where when it is cut short.

pub mod decide;
pub mod journal;
mod look;
pub mod remind;
mod run;
mod words;

use crate::chain::Own;
use crate::chain::mfa::CodeWishes;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::ProfileName;
use crate::vault::Vault;
use crate::vault::folder::Lock;
use crate::vault::name::file_stem;
use crate::vault::unlock::KeyChoice;
use decide::Aim;
use std::time::Duration;

pub use run::rotate;

/// What a person wants of a rotation, and how.
pub struct Wishes {
    /// The entry whose access key is replaced.
    pub entry: ProfileName,
    /// How its user is spoken for.
    pub own: Own,
    /// Which key opens.
    pub key: KeyChoice,
    /// Where the code comes from.
    pub codes: CodeWishes,
    /// The profile that led to the entry: its settings speak too.
    pub asked: ProfileName,
    /// What is to be reached.
    pub aim: Aim,
    /// Whether a new rotation may be begun.
    pub begin: Begin,
    /// A key at AWS that is in the way and may be deleted (`--delete-other`).
    pub given_up: Option<String>,
    /// The processes above this one, nearest first.
    pub callers: Vec<String>,
}

/// Whether a new rotation may be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Yes.
    New,
    /// No, only an interrupted one brought to its end (`--resume`).
    Never,
}

/// Says that a rotation of `entry` is under way, until dropped: one at a time.
///
/// # Errors
/// [`ErrorKind::Conflict`] at once when there is one already, with its process ID.
fn claim(vault: &Vault, entry: &ProfileName) -> Result<Lock> {
    let folder = vault.rotations();
    {
        let _lock = vault.lock()?;
        folder.ensure()?;
    }
    let name = lock_file(entry);
    for _ in 0..5 {
        if let Some(lock) = folder.try_lock_called(&name)? {
            lock.sign()?;
            return Ok(lock);
        }
        // Other commands hold it for a moment, to see whether it is held.
        std::thread::sleep(Duration::from_millis(20));
    }
    let signed = folder.read(&name)?.unwrap_or_default();
    let process = String::from_utf8_lossy(&signed).trim().to_owned();
    Err(Error::new(
        ErrorKind::Conflict,
        format!("a rotation of {entry} is under way already (process {process})"),
    )
    .hint("wait until it has ended; nothing was done here"))
}

/// Whether a rotation of `entry` is running now.
fn is_running(vault: &Vault, entry: &ProfileName) -> bool {
    // Where no lock can be made nobody can rotate either.
    matches!(vault.rotations().try_lock_called(&lock_file(entry)), Ok(None))
}

fn lock_file(entry: &ProfileName) -> String {
    format!("{}.lock", file_stem(entry.as_str()))
}

/// Removes an entry by `remove`, and then what its rotation has left. Returns the access keys at AWS that it speaks of, besides
/// the entry's own.
///
/// # Errors
/// [`ErrorKind::Conflict`] while the rotation is under way; nothing is removed then.
pub fn removing(
    ctx: &Context,
    vault: &Vault,
    entry: &ProfileName,
    own: Option<&str>,
    remove: impl FnOnce() -> Result<()>,
) -> Result<Vec<String>> {
    if !vault.rotations().exists() {
        return remove().map(|()| Vec::new());
    }
    let _running = claim(vault, entry)?;
    remove()?;
    let mut left = Vec::new();
    match journal::Journal::read(vault, entry) {
        Ok(Some(journal)) => left.extend(journal.new.into_iter().chain([journal.old])),
        Ok(None) => {}
        Err(error) => ctx.dialogue.tell(&format!("warning: {error}")),
    }
    left.retain(|id| Some(id.as_str()) != own);
    crate::vault::waiting::discard(vault, entry)?;
    journal::Journal::remove(vault, entry)?;
    Ok(left)
}
