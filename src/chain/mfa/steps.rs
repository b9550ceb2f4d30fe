//! The time steps of MFA devices: each is spent once on this machine, and the record is on disk before the code leaves.
//!
//! STS takes each code once; a second call within the same 30 s would be refused.

use super::now_step;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::vault::folder::Folder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// RFC 6238's time step as AWS uses it. In seconds.
pub const STEP: i64 = 30;

/// A step this far ahead can have been spent by a clock that was set right since; a minute is no reason to complain.
const FARTHEST_AHEAD: i64 = 2;

/// The file in the state folder.
const FILE: &str = "steps.json";

/// The last time step spent of each device.
pub struct Steps {
    folder: Folder,
}

#[derive(Default, Serialize, Deserialize)]
struct Spent(BTreeMap<String, i64>);

impl Steps {
    /// Recorded in this folder.
    pub fn in_folder(folder: Folder) -> Self {
        Steps { folder }
    }

    /// The file.
    pub fn place(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    /// The last step of `serial` that was spent.
    pub fn last(&self, serial: &str) -> Result<Option<i64>> {
        Ok(self.read()?.0.get(serial).copied())
    }

    /// Takes `step` for one call; `false` if it, or a later one, is taken already. Look and record under one lock.
    pub fn claim(&self, serial: &str, step: i64) -> Result<bool> {
        self.folder.ensure()?;
        let _lock = self.folder.lock()?;
        let mut spent = self.read()?;
        if spent.0.get(serial).is_some_and(|last| *last >= step) {
            return Ok(false);
        }
        spent.0.insert(serial.to_owned(), step);
        self.write(&spent)?;
        Ok(true)
    }

    /// Forgets what was spent of `serial`: a device of this name is made anew, and has a seed of its own.
    #[cfg(any(feature = "piv", test))]
    pub fn forget(&self, serial: &str) -> Result<()> {
        if self.last(serial)?.is_none() {
            return Ok(());
        }
        let _lock = self.folder.lock()?;
        let mut spent = self.read()?;
        spent.0.remove(serial);
        self.write(&spent)
    }

    /// Waits until the present step and those before it, `in_a_row` together, are unspent.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when steps to come are spent: the clock was ahead, and waiting could take for ever.
    pub fn await_unspent(&self, ctx: &Context, serial: &str, in_a_row: i64) -> Result<()> {
        let now = ctx.now().as_second();
        let step = now_step(ctx);
        // How many of them are spent, if the spent ones end at or before the present step.
        let spent = match self.last(serial)? {
            None => return Ok(()),
            Some(last) if last > step + FARTHEST_AHEAD => {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "codes of {serial} are noted as spent up to {} s from now: this machine's clock was ahead",
                        (last + 1) * STEP - now
                    ),
                )
                .hint(format!(
                    "if the clock is right now, remove {}, and wait 30 s before the next code",
                    self.place().display()
                )));
            }
            Some(last) => last - (step - in_a_row),
        };
        let words = match in_a_row {
            1 => "the code of this half minute is spent; the next one comes in",
            _ => "codes of this minute are spent; the next ones come in",
        };
        if spent > 0 {
            let left = u64::try_from(spent * STEP - now.rem_euclid(STEP)).unwrap_or_default();
            ctx.dialogue.count_down(words, left)?;
        }
        Ok(())
    }

    fn write(&self, spent: &Spent) -> Result<()> {
        let json = serde_json::to_vec(spent).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        self.folder.replace(FILE, &json)
    }

    fn read(&self) -> Result<Spent> {
        let Some(json) = self.folder.read(FILE)? else {
            return Ok(Spent::default());
        };
        serde_json::from_slice(&json).map_err(|_| {
            Error::new(ErrorKind::Damaged, format!("{} is damaged", self.place().display()))
                .hint("remove it, and wait 30 s before the next code")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_step_stays_spent() {
        let dir = tempfile::tempdir().expect("a folder");
        let steps = Steps {
            folder: Folder::at(dir.path().join("state")),
        };
        assert!(steps.claim("a", 7).expect("recorded"));
        assert!(!steps.claim("a", 7).expect("looked up"), "the same step");
        assert!(!steps.claim("a", 5).expect("looked up"), "an earlier one");
        assert_eq!(steps.last("a").expect("read"), Some(7));
        assert_eq!(steps.last("b").expect("read"), None);
        steps.forget("a").expect("recorded");
        assert!(steps.claim("a", 5).expect("looked up"), "of another seed");
    }
}
