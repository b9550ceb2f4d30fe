//! Secrets through pinentry, for callers without a terminal: an editor, a background job, credential_process.
//!
//! Which pinentry, for how long, and what its answer means. Its protocol is spoken in `assuan`.

mod assuan;

use super::Absence;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::{SECRET_VARIABLES, SecretText};
use assuan::{Assuan, Failure};
use std::ffi::OsString;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The names under which distributions and Homebrew install it, best first.
const USUAL_NAMES: [&str; 6] = [
    "pinentry",
    "pinentry-gnome3",
    "pinentry-qt",
    "pinentry-gtk-2",
    "pinentry-mac",
    "pinentry-x11",
];

/// Nothing (PATH) first, then where package managers put it.
const USUAL_FOLDERS: [&str; 4] = ["", "/usr/bin/", "/usr/local/bin/", "/opt/homebrew/bin/"];

/// How long the window stays open.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much longer a pinentry may take that does not know the time-out.
const GRACE: Duration = Duration::from_secs(5);

/// A line has at most 1,000 bytes (libassuan's manual, "Client requests"); percent-encoding triples some.
const LONGEST_TEXT: usize = 300;

/// Which pinentry to run; looked for on PATH only when it is needed.
pub struct Pinentry {
    named: Option<OsString>,
}

impl Pinentry {
    /// `PINENTRY_PROGRAM` if set.
    pub fn from_env(env: &Env) -> Self {
        Pinentry {
            named: env.os("PINENTRY_PROGRAM").map(OsString::from),
        }
    }

    /// Shows `question` and returns what was typed. `absence` is why it is not asked at the terminal.
    ///
    /// # Errors
    /// [`ErrorKind::Pin`] when no pinentry can show a window, or nobody answers; [`ErrorKind::Cancelled`] when it is closed.
    pub fn ask(&self, question: &str, absence: Absence) -> Result<SecretText> {
        let Some(mut pinentry) = self.start() else {
            return Err(self.none(question, absence, None));
        };
        match converse(&mut pinentry, question) {
            Ok(secret) => Ok(secret),
            Err(Failure::Cancelled) => Err(Error::new(
                ErrorKind::Cancelled,
                format!("pinentry was closed at \"{question}\""),
            )),
            Err(Failure::TimedOut) => Err(Error::new(
                ErrorKind::Pin,
                format!(
                    "nobody answered pinentry within {} s at \"{question}\"",
                    PATIENCE.as_secs()
                ),
            )),
            Err(Failure::NoWindow(flavor)) => Err(self.none(
                question,
                absence,
                Some(&format!("can't open a window here (it is pinentry-{flavor})")),
            )),
            Err(Failure::Failed(why)) => Err(self.none(question, absence, Some(&format!("failed: {why}")))),
        }
    }

    fn start(&self) -> Option<Running> {
        let candidates: Vec<OsString> = match &self.named {
            Some(program) => vec![program.clone()],
            // Callers such as editors run with a short PATH, so the usual folders are tried too.
            None => USUAL_NAMES
                .iter()
                .flat_map(|name| USUAL_FOLDERS.map(|folder| OsString::from(format!("{folder}{name}"))))
                .collect(),
        };
        candidates.iter().find_map(|program| {
            let mut command = Command::new(program);
            for name in SECRET_VARIABLES {
                command.env_remove(name);
            }
            let spawned = command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                // Its toolkit's warnings would land on a terminal that others are using.
                .stderr(Stdio::null())
                .spawn();
            spawned.ok().map(Running)
        })
    }

    fn none(&self, question: &str, absence: Absence, failure: Option<&str>) -> Error {
        let why = match (failure, &self.named) {
            (Some(failure), _) => format!("pinentry {failure}"),
            (None, Some(program)) => format!(
                "PINENTRY_PROGRAM names {}, which can't be run",
                program.to_string_lossy()
            ),
            (None, None) => "no pinentry program is installed".to_owned(),
        };
        Error::new(
            ErrorKind::Pin,
            format!("could not ask \"{question}\": {}, and {why}", absence.words()),
        )
        .hint(absence.remedy())
        .hint(
            "or install a graphical pinentry (Debian: pinentry-gnome3) and set PINENTRY_PROGRAM to its path; it needs the \
             desktop's DISPLAY or WAYLAND_DISPLAY and DBUS_SESSION_BUS_ADDRESS",
        )
    }
}

/// A pinentry at work; its window goes with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has seen the end of its input and goes by itself; one that doesn't is ended.
        let deadline = Instant::now() + Duration::from_millis(500);
        while Instant::now() < deadline {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// On a thread of its own: a pinentry that ignores its time-out must not hang a caller that has none.
fn converse(pinentry: &mut Running, question: &str) -> Result<SecretText, Failure> {
    let (Some(input), Some(output)) = (pinentry.0.stdin.take(), pinentry.0.stdout.take()) else {
        return Err(Failure::Failed("it has no input or no output".into()));
    };
    let mut text = question.to_owned();
    while text.len() > LONGEST_TEXT {
        text.pop();
    }
    let (send, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = send.send(Assuan { input, output }.ask(&text, PATIENCE));
    });
    answer.recv_timeout(PATIENCE + GRACE).unwrap_or(Err(Failure::TimedOut))
}
