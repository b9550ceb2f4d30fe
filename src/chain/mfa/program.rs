//! Codes of `mfa_process`: a program that knows the device's secret, or asks somebody.

use super::{Draft, Origin, now_step, parse};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::process;
use crate::profile::Sourced;
use crate::profile::value::Command;
use crate::profile::value::MfaSerial;
use crate::prompt::Helper;
use crate::secret::SecretText;
use std::time::Duration;

/// How long `mfa_process` may take: it may ask somebody.
const PROCESS_PATIENCE: Duration = Duration::from_secs(60);

/// How often it is run for one code. A program that takes longer than a half minute never ends in the one it began in.
const PROCESS_RUNS: usize = 3;

/// A code of `mfa_process`, and the half minute that it is of.
///
/// # Errors
/// [`ErrorKind::Config`] when it fails, prints no code, or is never done within one half minute.
pub(super) fn code(ctx: &Context, serial: &MfaSerial, command: &Sourced<Command>) -> Result<Draft> {
    let again = "the half minute ended while mfa_process ran, so nobody knows which one its code is of";
    let outcome = in_one_step(
        || now_step(ctx),
        || run(ctx, serial, command),
        || ctx.dialogue.tell(again),
    )?;
    outcome.ok_or_else(|| {
        Error::new(
            ErrorKind::Config,
            format!(
                "mfa_process ({}) took too long {PROCESS_RUNS} times: its code has to come within one half minute",
                command.origin
            ),
        )
        .hint("--mfa prompt asks for a code instead")
    })
}

fn run(ctx: &Context, serial: &MfaSerial, command: &Sourced<Command>) -> Result<SecretText> {
    let output = match ctx.dialogue.elsewhere() {
        Some(person) => person.run(&Helper::Mfa(serial.as_str().to_owned()))?,
        None => output(command)?,
    };
    parse(output.expose()).ok_or_else(|| {
        Error::new(
            ErrorKind::Config,
            format!("mfa_process ({}) printed no code of 6 digits", command.origin),
        )
    })
}

/// What `mfa_process` prints, run here.
///
/// # Errors
/// [`ErrorKind::Config`] when it fails or prints nothing.
pub fn output(command: &Sourced<Command>) -> Result<SecretText> {
    process::capture(
        command.value.line(),
        "mfa_process",
        process::Inherit::All,
        PROCESS_PATIENCE,
    )
}

/// A code of a program, and the time step that it is of: the one in which the program ran from beginning to end. `None` when
/// it did so in none of [`PROCESS_RUNS`] runs.
fn in_one_step(now: impl Fn() -> i64, run: impl Fn() -> Result<SecretText>, tell: impl Fn()) -> Result<Option<Draft>> {
    for _ in 0..PROCESS_RUNS {
        let step = now();
        let code = run()?;
        if step == now() {
            let origin = Origin::Program;
            return Ok(Some(Draft { step, code, origin }));
        }
        tell();
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_never_ends_in_its_half_minute_is_not_run_for_ever() {
        let (clock, runs) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        let slow_until = |last_slow: usize| {
            clock.set(0);
            runs.set(0);
            in_one_step(
                || clock.get(),
                || {
                    runs.set(runs.get() + 1);
                    clock.set(clock.get() + i64::from(runs.get() <= last_slow));
                    Ok(SecretText::copy_of("123456"))
                },
                || {},
            )
            .expect("no error of the program's")
            .map(|draft| draft.step)
        };
        assert_eq!(slow_until(1), Some(1), "the second run counts");
        assert_eq!(slow_until(usize::MAX), None);
        assert_eq!(runs.get(), PROCESS_RUNS);
    }
}
