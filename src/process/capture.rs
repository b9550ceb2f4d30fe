//! Runs a helper and takes what it prints: `passphrase_command`, `mfa_process`, `credential_process`, all by the shell, and programs
//! that talk with the person themselves.

use crate::error::{Error, ErrorKind, Result, plain_io};
use crate::secret::{SECRET_VARIABLES, SecretText};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Read;
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
/// `what` names the setting for the messages. Standard input is empty: it belongs to the child of `exec`. The terminal is the
/// helper's as it is ours: it may ask there, and Ctrl-C ends both. In a group of its own it would be stopped at its first
/// question.
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
        .spawn()
        .map_err(|err| failed(format!("could not be run: {err}")))?;
    let text = gather(&mut child, what, patience)?;
    if text.expose().trim().is_empty() {
        return Err(failed("printed nothing".into()));
    }
    Ok(text)
}

/// How a program is started that a person may have to talk to.
pub struct Conversation<'a> {
    /// The program, looked for on the PATH.
    pub program: &'a str,
    /// What it is told.
    pub arguments: &'a [&'a str],
    /// Variables that it does not get, beside AWS's secrets.
    pub without: &'a [&'a str],
    /// Variables that it gets with another value.
    pub with: &'a [(&'a str, &'a str)],
    /// When it is killed.
    pub patience: Duration,
}

/// Runs a program that may ask the person something, and returns what it prints, which may be nothing.
///
/// It has our standard input and error.
///
/// # Errors
/// As [`capture`], but for an empty output.
pub fn converse(conversation: &Conversation<'_>) -> Result<SecretText> {
    let what = format!("`{} {}`", conversation.program, conversation.arguments.join(" "));
    let mut command = Command::new(conversation.program);
    for name in SECRET_VARIABLES.iter().chain(conversation.without) {
        command.env_remove(name);
    }
    let mut child = command
        .args(conversation.arguments)
        .envs(conversation.with.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|err| {
            Error::new(
                ErrorKind::Config,
                format!("{what} could not be run: {}", plain_io(&err)),
            )
        })?;
    gather(&mut child, &what, conversation.patience)
}

/// Everything that `child` prints until it ends well.
fn gather(child: &mut Child, what: &str, patience: Duration) -> Result<SecretText> {
    let failed = |how: String| Error::new(ErrorKind::Config, format!("{what} {how}"));
    let stdout = child.stdout.take().ok_or_else(|| failed("has no output".into()))?;
    // A channel and not a join: a background process of the helper's may keep the pipe open for ever.
    let (send, output) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 1));
        let read = stdout.take(LONGEST + 1).read_to_end(&mut bytes);
        let _ = send.send(read.map(|_| bytes));
    });
    let Some(status) = wait(child, patience).map_err(|err| failed(format!("could not be waited for: {err}")))? else {
        end(child);
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

/// Ends the helper and everything below it, as far as the system tells who that is.
fn end(child: &mut Child) {
    // Before the helper ends: what it started would have another parent then.
    let below = descendants(child.id());
    let _ = child.kill();
    for pid in below {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    let _ = child.wait();
}

/// The processes below `ancestor`, from `/proc`; elsewhere none are known.
fn descendants(ancestor: u32) -> Vec<u32> {
    let processes: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, parent(&std::fs::read_to_string(entry.path().join("stat")).ok()?)?))
        })
        .collect();
    let mut found = vec![ancestor];
    let mut looked_at = 0;
    while let Some(above) = found.get(looked_at).copied() {
        let children = processes.iter().filter(|(_, parent)| *parent == above);
        found.extend(children.map(|(pid, _)| *pid));
        looked_at += 1;
    }
    found.split_off(1)
}

/// "PID (NAME) STATE PPID ..."; NAME may hold spaces and brackets (proc(5)).
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
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

    fn talk(script: &str, patience: Duration) -> Result<SecretText> {
        converse(&Conversation {
            program: "sh",
            arguments: &["-c", script],
            without: &["HOME"],
            with: &[("TOLD", "yes")],
            patience,
        })
    }

    #[test]
    fn a_program_that_talks_gets_the_environment_that_it_should_and_may_print_nothing() {
        let long = Duration::from_secs(5);
        let text = talk("printf %s \"$TOLD${HOME-unset}\"", long).expect("output");
        assert_eq!(text.expose(), "yesunset");
        assert!(talk("true", long).expect("output").is_empty());
        let error = talk("exit 3", long).err().expect("an error").to_string();
        assert!(error.contains("failed (exit status: 3)"), "{error}");
        let error = talk("sleep 60", Duration::from_millis(50))
            .err()
            .expect("an error")
            .to_string();
        assert!(error.contains("did not end"), "{error}");
    }

    #[test]
    fn a_helper_that_hangs_is_ended_with_its_children() {
        // Its own number, for no other process has such an argument.
        let seconds = format!("60.{}", std::process::id());
        let is_running = || {
            let processes = std::fs::read_dir("/proc").expect("processes").flatten();
            processes
                .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
                .any(|line| line.starts_with(format!("sleep\0{seconds}\0").as_bytes()))
        };
        let start = Instant::now();
        let error = capture(
            &format!("sleep {seconds} & sh -c 'sleep {seconds}; true'"),
            "helper",
            Inherit::All,
            Duration::from_millis(300),
        )
        .err()
        .expect("an error");
        assert!(error.to_string().contains("did not end"));
        while is_running() {
            assert!(start.elapsed() < Duration::from_secs(5), "a child goes on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn the_parent_is_read_whatever_the_name_of_the_process() {
        assert_eq!(parent("7 (a) b) (c) S 3 7 7"), Some(3));
        assert_eq!(parent("garbage"), None);
    }
}
