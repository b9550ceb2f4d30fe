//! Where a code comes from (flag, `mfa_process`, prompt), and that a time step of a device is never spent twice on this machine.
//!
//! STS takes each code once. A second call within the same 30 s would be refused, so the step is recorded before the code leaves.

use crate::aws::MfaCode;
use crate::chain::Mfa;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::process;
use crate::profile::Sourced;
use crate::profile::value::Command;
use crate::secret::SecretText;
use crate::vault::folder::Folder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// RFC 6238's time step as AWS uses it. In seconds.
const STEP: i64 = 30;

/// The file in the state folder.
const FILE: &str = "steps.json";

/// How long `mfa_process` may take: it may ask somebody.
const PROCESS_PATIENCE: Duration = Duration::from_secs(60);

/// Codes for the calls of one command.
pub struct Codes<'a> {
    ctx: &'a Context,
    steps: Steps,
    /// `-t`: good for one call.
    given: Option<SecretText>,
}

impl<'a> Codes<'a> {
    /// `given` is the code from the command line.
    pub fn new(ctx: &'a Context, given: Option<SecretText>) -> Self {
        Codes {
            ctx,
            steps: Steps {
                folder: Folder::at(&ctx.paths.state),
            },
            given,
        }
    }

    /// A code of the device, for the call that `purpose` names.
    ///
    /// # Errors
    /// [`ErrorKind::Pin`] when there is nobody to ask; what failed in `mfa_process` otherwise.
    pub fn code(&mut self, mfa: &Mfa, purpose: &str) -> Result<MfaCode> {
        let serial = mfa.serial.value.as_str().to_owned();
        if let Some(code) = self.given.take() {
            // The person has read it somewhere; whether its step was spent here is theirs to know.
            self.remember(&serial)?;
            return Ok(MfaCode { serial, code });
        }
        // Another command may spend the same step between the look and the claim; then the next one is waited for.
        loop {
            self.await_unspent(&serial)?;
            let before = self.now_step();
            let (code, origin) = match &mfa.process {
                Some(command) => (self.run(command)?, Origin::Program),
                None => (self.ask(&serial, mfa, purpose)?, Origin::Person),
            };
            match self.steps.claim(&serial, self.now_step()) {
                Ok(true) if origin == Origin::Person || before == self.now_step() => {
                    return Ok(MfaCode { serial, code });
                }
                // The half minute ended while the program ran: which one the code is of nobody knows.
                Ok(true) => {}
                Ok(false) => self
                    .ctx
                    .dialogue
                    .tell("another command has spent the code of this half minute"),
                // Without the record an automatic code could be sent twice; a person knows what was typed where.
                Err(error) if origin == Origin::Program => return Err(error),
                Err(error) => {
                    self.ctx
                        .dialogue
                        .tell(&format!("warning: the spent code could not be recorded: {error}"));
                    return Ok(MfaCode { serial, code });
                }
            }
        }
    }

    fn run(&self, command: &Sourced<Command>) -> Result<SecretText> {
        let output = process::capture(
            command.value.line(),
            "mfa_process",
            process::Inherit::All,
            PROCESS_PATIENCE,
        )?;
        parse(output.expose()).ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                format!("mfa_process ({}) printed no code of 6 digits", command.origin),
            )
        })
    }

    fn ask(&self, serial: &str, mfa: &Mfa, purpose: &str) -> Result<SecretText> {
        let question = format!("MFA code of {} for {purpose}", mfa.serial.value.device());
        for _ in 0..3 {
            let typed = if self.ctx.dialogue.has_terminal() {
                SecretText::copy_of(&self.ctx.dialogue.ask(&question)?)
            } else {
                self.ctx.dialogue.ask_secret(&question).map_err(|error| {
                    error.hint("-t CODE gives it on the command line; mfa_process in the profile runs a program that prints it")
                })?
            };
            if let Some(code) = parse(typed.expose()) {
                return Ok(code);
            }
            self.ctx.dialogue.tell("a code has 6 digits");
        }
        Err(Error::new(
            ErrorKind::Pin,
            format!("no code of 6 digits was given for {serial}"),
        ))
    }

    /// Waits for the next step when this one is spent.
    fn await_unspent(&self, serial: &str) -> Result<()> {
        let now = self.ctx.now().as_second();
        if self.steps.last(serial)? < Some(now.div_euclid(STEP)) {
            return Ok(());
        }
        let left = STEP - now.rem_euclid(STEP);
        self.ctx.dialogue.tell(&format!(
            "the code of this half minute is spent; the next one comes in {left} s"
        ));
        std::thread::sleep(Duration::from_secs(u64::try_from(left).unwrap_or_default()));
        Ok(())
    }

    /// Records the step of a code from the command line. If that fails the person is told, and may go on.
    fn remember(&self, serial: &str) -> Result<()> {
        if let Err(error) = self.steps.claim(serial, self.now_step()) {
            self.ctx
                .dialogue
                .tell(&format!("warning: the spent code could not be recorded: {error}"));
        }
        Ok(())
    }

    fn now_step(&self) -> i64 {
        self.ctx.now().as_second().div_euclid(STEP)
    }
}

/// Who gave a code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Person,
    Program,
}

/// A code of six digits; spaces between them are forgiven.
fn parse(text: &str) -> Option<SecretText> {
    let digits = zeroize::Zeroizing::new(text.trim().split(' ').collect::<String>());
    let well_formed = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit());
    well_formed.then(|| SecretText::new(digits))
}

/// The last time step spent of each device.
struct Steps {
    folder: Folder,
}

#[derive(Default, Serialize, Deserialize)]
struct Spent(BTreeMap<String, i64>);

impl Steps {
    fn last(&self, serial: &str) -> Result<Option<i64>> {
        Ok(self.read()?.0.get(serial).copied())
    }

    /// Takes `step` for one call; `false` if it, or a later one, is taken already. Look and record under one lock.
    fn claim(&self, serial: &str, step: i64) -> Result<bool> {
        self.folder.ensure()?;
        let _lock = self.folder.lock()?;
        let mut spent = self.read()?;
        if spent.0.get(serial).is_some_and(|last| *last >= step) {
            return Ok(false);
        }
        spent.0.insert(serial.to_owned(), step);
        let json = serde_json::to_vec(&spent).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        self.folder.replace(FILE, &json)?;
        Ok(true)
    }

    fn read(&self) -> Result<Spent> {
        let Some(json) = self.folder.read(FILE)? else {
            return Ok(Spent::default());
        };
        serde_json::from_slice(&json).map_err(|_| {
            Error::new(
                ErrorKind::Damaged,
                format!("{} is damaged", self.folder.path().join(FILE).display()),
            )
            .hint("remove it, and wait 30 s before the next code")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_six_digits_and_nothing_else() {
        assert_eq!(parse(" 123 456\n").expect("a code").expose(), "123456");
        for wrong in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"] {
            assert!(parse(wrong).is_none(), "{wrong:?}");
        }
    }

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
    }
}
