//! Runs a helper by the shell and takes what it prints: `passphrase_command`, `mfa_process`, `credential_process`.

use crate::error::{Error, ErrorKind, Result};
use crate::secret::{SECRET_VARIABLES, SecretText};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// More than any helper prints. In bytes.
const LONGEST: u64 = 64 << 10;

/// What a helper gets of our environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inherit {
    /// All of it, as AWS clients give it to `credential_process`.
    All,
    /// All but AWS's secrets, which `add --env` was given.
    NoSecrets,
}

/// Runs `line` by `/bin/sh -c` and returns its standard output; its standard error goes where ours goes.
///
/// `what` names the setting for the messages. Standard input is empty: it belongs to the child of `exec`.
///
/// # Errors
/// [`ErrorKind::Config`] when it can't be run, fails, prints too much or nothing, or takes longer than `patience`; then
/// everything that it started is killed.
pub fn capture(line: &str, what: &str, inherit: Inherit, patience: Duration) -> Result<SecretText> {
    let failed = |how: String| Error::new(ErrorKind::Config, format!("{what} {how}"));
    let mut command = Command::new("/bin/sh");
    if inherit == Inherit::NoSecrets {
        for name in SECRET_VARIABLES {
            command.env_remove(name);
        }
    }
    let mut child = command
        .arg("-c")
        .arg(line)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // A group of its own, so that at the deadline all of it can be killed.
        .process_group(0)
        .spawn()
        .map_err(|err| failed(format!("could not be run: {err}")))?;
    let stdout = child.stdout.take().ok_or_else(|| failed("has no output".into()))?;
    // A channel and not a join: a background process of the helper's may keep the pipe open for ever.
    let (send, output) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 1));
        let read = stdout.take(LONGEST + 1).read_to_end(&mut bytes);
        let _ = send.send(read.map(|_| bytes));
    });
    let Some(status) = wait(&mut child, patience).map_err(|err| failed(format!("could not be waited for: {err}")))?
    else {
        end(&mut child);
        return Err(failed(format!("did not end within {} s", patience.as_secs())));
    };
    let bytes = output.recv_timeout(Duration::from_secs(2));
    // Then it was the closed pipe that made it fail.
    if matches!(&bytes, Ok(Ok(bytes)) if bytes.len() as u64 > LONGEST) {
        return Err(failed(format!("printed more than {LONGEST} bytes")));
    }
    if !status.success() {
        return Err(failed(format!("failed ({status})")).hint("its own words, if it had any, are above"));
    }
    let bytes = bytes
        .map_err(|_| failed("ended, but something it started keeps its output open".into()))?
        .map_err(|err| failed(format!("could not be read: {err}")))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| failed("printed something that is not UTF-8 text".into()))?;
    if text.trim().is_empty() {
        return Err(failed("printed nothing".into()));
    }
    Ok(SecretText::copy_of(text))
}

fn wait(child: &mut Child, patience: Duration) -> std::io::Result<Option<std::process::ExitStatus>> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > patience {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<SecretText> {
        capture(line, "helper", Inherit::All, Duration::from_secs(5))
    }

    #[test]
    fn what_it_prints_is_returned() {
        assert_eq!(run("printf 'a\\nb'").expect("output").expose(), "a\nb");
    }

    #[test]
    fn a_failing_silent_or_noisy_helper_is_an_error() {
        for line in [
            "exit 3",
            "true",
            "head -c 100000 /dev/zero | tr '\\0' x",
            "printf '\\377'",
        ] {
            assert_eq!(run(line).err().map(|e| e.kind()), Some(ErrorKind::Config), "{line}");
        }
    }

    #[test]
    fn a_helper_that_hangs_is_ended_with_its_children() {
        let start = Instant::now();
        let error = capture(
            "sleep 60 & sleep 60",
            "helper",
            Inherit::All,
            Duration::from_millis(100),
        )
        .err()
        .expect("an error");
        assert!(error.to_string().contains("did not end"));
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
