//! `notify_command`: a command of the person's own, which is run while a touch is awaited.
//!
//! It is left to itself: nobody waits for it, reads what it prints or asks how it went, but for whether it can be run at all.

use super::say;
use crate::error::plain_io;
use crate::secret::SECRET_VARIABLES;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The variable in which it finds what the touch is for.
const WORDS: &str = "TAPVAULT_TOUCH";

/// So long it may tidy up after SIGTERM.
const GRACE: Duration = Duration::from_millis(200);

/// The shell's exit codes for a command that it could not run (POSIX, Shell Command Language 2.8.2).
const NOT_RUN: [i32; 2] = [126, 127];

/// The command as it stands in config.toml.
pub struct NotifyCommand {
    line: String,
    /// Whether it was said that it can't be run.
    complained: AtomicBool,
}

impl NotifyCommand {
    /// It is not run yet.
    pub fn new(line: &str) -> Arc<Self> {
        Arc::new(NotifyCommand {
            line: line.to_owned(),
            complained: AtomicBool::new(false),
        })
    }

    /// Runs it, with `words` in [`WORDS`] and as its first argument.
    pub fn run(self: &Arc<Self>, words: &str) -> Option<Running> {
        let mut command = Command::new("/bin/sh");
        for name in SECRET_VARIABLES {
            command.env_remove(name);
        }
        let spawned = command
            .args(["-c", &self.line, "notify_command", words])
            .env(WORDS, words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // So that all of it can be ended, and Ctrl-C at the terminal does not.
            .process_group(0)
            .spawn();
        match spawned {
            Ok(child) => Some(Running {
                child,
                command: Arc::clone(self),
            }),
            Err(err) => {
                self.complain(&plain_io(&err));
                None
            }
        }
    }

    fn complain(&self, how: &str) {
        if !self.complained.swap(true, Ordering::Relaxed) {
            say(&format!("warning: notify_command in config.toml can't be run: {how}"));
        }
    }
}

/// The command at work; it ends with this value, and all that it started in its group.
pub struct Running {
    child: Child,
    command: Arc<NotifyCommand>,
}

impl Running {
    /// Its exit code once it has ended, or 0 after a signal. It stays to be reaped, so that the group's number is not given to another.
    fn ended(&self) -> Option<i32> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(Pid::from_child(&self.child)), options) {
            Ok(Some(status)) => Some(status.exit_status().unwrap_or(0)),
            Ok(None) => None,
            Err(_) => Some(0),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.child);
        if let Some(code) = self.ended()
            && NOT_RUN.contains(&code)
        {
            self.command.complain(&format!("its exit code was {code}"));
        }
        let _ = kill_process_group(group, Signal::TERM);
        wait(|| self.ended().is_some());
        let _ = kill_process_group(group, Signal::KILL);
        wait(|| !matches!(self.child.try_wait(), Ok(None)));
    }
}

/// Not for ever: a process that hangs in the kernel outlives SIGKILL.
fn wait(mut until: impl FnMut() -> bool) {
    let deadline = Instant::now() + GRACE;
    while !until() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
}
