//! A desktop notification that stands while a touch is awaited (Desktop Notifications Specification 1.2, freedesktop.org).
//!
//! A helper shows it, for a bus and a notification server may take their time or never answer, and the token is not to wait for them;
//! and who asks the agent a thousand times a day needs no D-Bus for it. Whatever fails here fails in silence: the line has been
//! said on stderr too.

mod desktop;

use crate::env::Env;
use crate::programs;
use crate::secret::SECRET_VARIABLES;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

pub use desktop::serve;

/// The word that has the engine be the helper.
pub const HELPER: &str = "__notice";

/// The helper has reached the desktop: it is only slow, if anything.
const REACHED: u8 = b'r';

/// It shows what it was told.
const SHOWN: u8 = b's';

/// So long the blink waits for the notification, and what comes after the touch for its end, when nobody has answered anything.
const PATIENCE: Duration = Duration::from_millis(300);

/// So much longer if the server has answered before and is only slow: else what it shows late would stay.
const MORE: Duration = Duration::from_millis(700);

/// The session bus, as the environment names it.
pub struct Bus {
    named: Option<String>,
    /// Where it is by custom (systemd's pam_systemd(8), and the D-Bus of most distributions).
    usual: Option<PathBuf>,
}

impl Bus {
    /// `DBUS_SESSION_BUS_ADDRESS`, else `bus` in `XDG_RUNTIME_DIR`.
    pub fn from_env(env: &Env) -> Self {
        Bus {
            named: env.text("DBUS_SESSION_BUS_ADDRESS").map(str::to_owned),
            usual: env.os("XDG_RUNTIME_DIR").map(|folder| Path::new(folder).join("bus")),
        }
    }

    /// Its address; `None` where there is none, so that no thread is started in vain.
    pub fn address(&self) -> Option<String> {
        let usual = || {
            let path = self.usual.as_deref().filter(|path| path.exists())?;
            Some(format!("unix:path={}", path.to_str()?))
        };
        self.named.clone().or_else(usual)
    }
}

/// A notification; it goes with this value.
pub struct Notice {
    /// `None` where none could be started.
    helper: Option<Helper>,
    /// Whether the server has answered anything so far.
    alive: bool,
    /// Whether it has kept nobody waiting so far.
    swift: bool,
}

struct Helper {
    process: Child,
    /// Closed, they end it.
    orders: Option<ChildStdin>,
    answers: ChildStdout,
}

impl Notice {
    /// Shows `line` on the desktop that is reached at this address, and returns when it is there or can't be waited for.
    pub fn show(address: &str, line: &str) -> Self {
        let mut notice = Notice {
            helper: Helper::start(),
            alive: false,
            swift: true,
        };
        notice.order(address);
        notice.replace(line);
        notice
    }

    /// Shows `line`, which is one, in the place of what was there.
    pub fn replace(&mut self, line: &str) {
        self.order(line);
        if self.swift {
            self.swift = self.wait(SHOWN);
        }
    }

    fn order(&mut self, line: &str) {
        let orders = self.helper.as_mut().and_then(|helper| helper.orders.as_mut());
        // One that has ended shows nothing, and says so by its end.
        let _ = orders.map(|orders| orders.write_all(format!("{line}\n").as_bytes()));
    }

    /// Waits for this answer, or for the helper's end; says whether one of them came in time.
    fn wait(&mut self, answer: u8) -> bool {
        let Some(helper) = &mut self.helper else { return true };
        let start = Instant::now();
        loop {
            let patience = PATIENCE + if self.alive { MORE } else { Duration::ZERO };
            let left = patience.saturating_sub(start.elapsed());
            let Ok(limit) = Timespec::try_from(left) else {
                return false;
            };
            match poll(&mut [PollFd::new(&helper.answers, PollFlags::IN)], Some(&limit)) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return false,
            }
            let mut said = [0];
            match helper.answers.read(&mut said) {
                Ok(1) if said[0] == answer => return true,
                Ok(1) => self.alive = true,
                Ok(_) | Err(_) => return true,
            }
        }
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        if let Some(helper) = &mut self.helper {
            drop(helper.orders.take());
        }
        // No answer is this one: what is waited for is its end.
        self.wait(0);
        if let Some(helper) = &mut self.helper {
            // What this process becomes has no child that it did not start.
            let _ = helper.process.kill();
            let _ = helper.process.wait();
        }
    }
}

impl Helper {
    fn start() -> Option<Self> {
        let mut command = Command::new(programs::engine().ok()?);
        for name in SECRET_VARIABLES {
            command.env_remove(name);
        }
        let mut process = command
            .arg(HELPER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C at the terminal is not for it: it ends with its orders.
            .process_group(0)
            .spawn()
            .ok()?;
        let orders = process.stdin.take();
        let answers = process.stdout.take()?;
        Some(Helper {
            process,
            orders,
            answers,
        })
    }
}
