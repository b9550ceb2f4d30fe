//! One run of a program: how it is started, and what came of it.

use super::Bench;
use super::secrets::Needles;
use super::terminal::{Pty, Terminal};
use super::tokens::Usage;
use super::watch::{Seen, Watch};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// So long a program may run.
const PATIENCE: Duration = Duration::from_secs(90);

/// How a program is run; ends in [`Invocation::run`], [`Invocation::start`] or [`Invocation::on_terminal`].
#[must_use = "nothing runs before run, start or on_terminal"]
pub struct Invocation<'b> {
    bench: &'b Bench,
    program: OsString,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    folder: PathBuf,
    stdin: Option<String>,
    stdout_at_terminal: bool,
    allowed: Allowed,
}

/// Where secrets may be seen in one run, because that is what it is for.
#[derive(Clone, Default)]
pub struct Allowed {
    stdout: bool,
    anywhere: BTreeSet<String>,
    environment: BTreeSet<String>,
}

impl Allowed {
    /// Nowhere.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Whether the secret of this name may be in what is being searched.
    pub fn has(&self, name: &str) -> bool {
        self.anywhere.contains(name)
    }
}

impl<'b> Invocation<'b> {
    pub(super) fn new(bench: &'b Bench, program: OsString, arguments: Vec<OsString>) -> Self {
        Invocation {
            environment: bench.environment(),
            folder: bench.home(),
            bench,
            program,
            arguments,
            stdin: None,
            stdout_at_terminal: false,
            allowed: Allowed::default(),
        }
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.insert(name.into(), value.as_ref().to_owned());
        self
    }

    /// Takes variables out of the environment.
    pub fn without_env(mut self, names: &[&str]) -> Self {
        self.environment
            .retain(|name, _| !names.iter().any(|gone| name == gone));
        self
    }

    /// Runs there instead of in the home.
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.folder = folder.to_owned();
        self
    }

    /// What is on standard input; nothing otherwise, or the terminal if there is one.
    pub fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// At a terminal, standard output is the terminal too: what an interactive shell wants.
    pub fn stdout_at_terminal(mut self) -> Self {
        self.stdout_at_terminal = true;
        self
    }

    /// Its standard output may hold secrets: it is export, or a child that prints its environment.
    pub fn prints_secrets(mut self) -> Self {
        self.allowed.stdout = true;
        self
    }

    /// It may show this secret (see [`Bench::secret`]): the recovery key, once.
    pub fn may_show(mut self, name: &str) -> Self {
        self.allowed.anywhere.insert(name.to_owned());
        self
    }

    /// This secret is in its environment because the test put it there; nowhere else, not even in a helper's.
    pub fn given_in_environment(mut self, name: &str) -> Self {
        self.allowed.environment.insert(name.to_owned());
        self
    }

    /// Runs to the end without a terminal, in a session of its own.
    pub fn run(self) -> Output {
        self.start().wait()
    }

    /// Starts without a terminal.
    pub fn start(self) -> Running<'b> {
        let mut command = self.command(&["/usr/bin/setsid"]);
        command.stdin(if self.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = self.spawn(command);
        if let (Some(text), Some(mut pipe)) = (&self.stdin, running.child.stdin.take()) {
            // A program that does not read it is no failure.
            let _ = pipe.write_all(text.as_bytes());
        }
        running
    }

    /// Starts on a terminal of its own, in whose foreground it is. Standard error is the terminal; standard output is
    /// not, so that results can be told from dialogue.
    pub fn on_terminal(self) -> Terminal<'b> {
        let pty = Pty::open();
        let mut command = match &self.stdin {
            None => self.command(&["/usr/bin/setsid", "--ctty"]),
            Some(text) => {
                // setsid makes the terminal of what is its own standard input, so that is changed after it.
                let file = self.bench.hand().join("stdin");
                fs::write(&file, text).expect("standard input");
                let file = file.to_str().expect("text").to_owned();
                let script = r#"in=$1; shift; exec "$@" <"$in""#;
                self.command(&["/usr/bin/setsid", "--ctty", "/bin/sh", "-c", script, "sh", &file])
            }
        };
        command.stdin(pty.end()).stderr(pty.end());
        command.stdout(if self.stdout_at_terminal {
            pty.end()
        } else {
            Stdio::piped()
        });
        let running = self.spawn(command);
        Terminal::new(running, pty)
    }

    fn command(&self, before: &[&str]) -> Command {
        let mut command = Command::new("/usr/bin/env");
        // env(1) finds the program in the PATH that it is given, not in the test's own.
        command.args(before).arg(&self.program).args(&self.arguments);
        command.env_clear().envs(&self.environment).current_dir(&self.folder);
        command
    }

    fn spawn(&self, mut command: Command) -> Running<'b> {
        let before = self.bench.usage();
        let started = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let words = std::iter::once(&self.program).chain(&self.arguments);
        let line: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        Running {
            bench: self.bench,
            line: line.join(" ").replace(super::program::tapvault(), "tapvault"),
            watch: Watch::start(child.id(), super::program::is_ours(std::path::Path::new(&self.program))),
            stdout: child.stdout.take().map(gather),
            stderr: child.stderr.take().map(gather),
            child,
            started,
            before,
            allowed: self.allowed.clone(),
        }
    }
}

fn gather(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

/// A program that was started.
pub struct Running<'b> {
    bench: &'b Bench,
    line: String,
    child: Child,
    watch: Watch,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    started: Instant,
    before: Usage,
    allowed: Allowed,
}

impl<'b> Running<'b> {
    /// Its process, which is tapvault's own and then, with exec, the child's.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is there");
    }

    /// The command line, for messages.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Waits for its end.
    pub fn wait(self) -> Output {
        self.wait_with(|| (String::new(), Vec::new()))
    }

    /// `terminal` is asked for what was shown once the program has ended.
    pub(super) fn wait_with(mut self, terminal: impl FnOnce() -> (String, Vec<u8>)) -> Output {
        let status = self.wait_for_end();
        let took = self.started.elapsed();
        let (shown, raw) = terminal();
        let collect = |reader: Option<JoinHandle<Vec<u8>>>| {
            reader.map_or_else(Vec::new, |reader| reader.join().expect("output is read"))
        };
        let (stdout, stderr) = (collect(self.stdout.take()), collect(self.stderr.take()));
        let seen = self.watch.stop();
        let output = Output {
            line: self.line.clone(),
            code: status.code(),
            signal: status.signal(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            terminal: shown,
            took,
            usage: self.bench.usage().since(self.before),
        };
        self.bench.keep(Finished {
            line: self.line.clone(),
            streams: [("stdout", stdout), ("stderr", stderr), ("terminal", raw)],
            seen,
            allowed: self.allowed.clone(),
        });
        output
    }

    fn wait_for_end(&mut self) -> ExitStatus {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            if self.started.elapsed() > PATIENCE {
                self.kill();
                panic!("`{}` did not end within {} s", self.line, PATIENCE.as_secs());
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }

    fn kill(&mut self) {
        // A session's first process has a group of that number.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.kill();
    }
}

impl Drop for Running<'_> {
    /// Nothing stays behind when a test fails half way.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

/// A run that is over, kept for the search.
pub(super) struct Finished {
    line: String,
    streams: [(&'static str, Vec<u8>); 3],
    seen: Vec<Seen>,
    allowed: Allowed,
}

impl Finished {
    pub(super) fn findings(&self, needles: &Needles) -> Vec<String> {
        let mut findings = Vec::new();
        for (name, bytes) in &self.streams {
            if !(*name == "stdout" && self.allowed.stdout) {
                findings.extend(needles.find(&format!("{name} of `{}`", self.line), bytes, &self.allowed));
            }
        }
        for seen in &self.seen {
            let place = format!("{} of {} under `{}`", seen.file, seen.program, self.line);
            let mut allowed = self.allowed.clone();
            if seen.may_have_given && seen.file == "environ" {
                allowed.anywhere.extend(self.allowed.environment.iter().cloned());
            }
            findings.extend(needles.find(&place, &seen.bytes, &allowed));
        }
        findings
    }
}

/// What came of a run. Its methods that check return it, so that checks read in a row.
#[derive(Clone)]
pub struct Output {
    line: String,
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error; empty when it was the terminal.
    pub stderr: String,
    /// What the terminal showed, with plain line ends.
    pub terminal: String,
    /// How long it took.
    pub took: Duration,
    usage: Usage,
}

impl Output {
    /// Everything that was said to a person: the terminal, and standard error.
    pub fn said(&self) -> String {
        format!("{}{}", self.terminal, self.stderr)
    }

    /// Lines that announce a touch.
    pub fn announced(&self) -> usize {
        self.said().lines().filter(|line| line.starts_with("touch ")).count()
    }

    /// How often the tokens blinked, and what became of it.
    pub fn touch_counts(&self) -> tapvault_lab::soft_token::body::TouchCounts {
        self.usage.touches
    }

    /// How often pinentry was asked.
    pub fn pinentry_asked(&self) -> usize {
        self.usage.pinentry
    }

    /// Exit code 0.
    #[track_caller]
    pub fn success(self) -> Self {
        assert!(self.code == Some(0), "it failed\n{self}");
        self
    }

    /// This exit code, and a message that begins with the stable name.
    #[track_caller]
    pub fn fails(self, code: i32, name: &str) -> Self {
        let begins = format!("tapvault: {name}: ");
        let says = self.said().lines().any(|line| line.starts_with(&begins));
        assert!(
            self.code == Some(code),
            "exit code {:?} and not {code}\n{self}",
            self.code
        );
        assert!(says, "no line begins with {begins:?}\n{self}");
        self
    }

    /// These words were said to the person.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.said().contains(words), "it does not say {words:?}\n{self}");
        self
    }

    /// These were not.
    #[track_caller]
    pub fn does_not_say(self, words: &str) -> Self {
        assert!(!self.said().contains(words), "it says {words:?}\n{self}");
        self
    }

    /// Nothing on standard output.
    #[track_caller]
    pub fn releases_nothing(self) -> Self {
        assert!(self.stdout.is_empty(), "there is something on standard output\n{self}");
        self
    }

    /// So many touches were announced, waited for by the tokens, and given: no more and no fewer.
    #[track_caller]
    pub fn touches(self, number: usize) -> Self {
        self.touches_of_which_announced(number, number)
    }

    /// So many touches were waited for and given, and so many announced where the test can see it.
    #[track_caller]
    pub fn touches_of_which_announced(self, number: usize, announced: usize) -> Self {
        let counts = self.usage.touches;
        let number = u32::try_from(number).expect("few");
        assert!(
            self.announced() == announced && counts.awaited == number && counts.given == number,
            "{} touches were announced, {} waited for and {} given, not {announced}, {number} and {number}\n{self}",
            self.announced(),
            counts.awaited,
            counts.given,
        );
        self
    }

    /// One touch was announced, armed twice and missed twice.
    #[track_caller]
    pub fn missed_touch(self) -> Self {
        let counts = self.usage.touches;
        assert!(
            self.announced() == 1 && counts.awaited == 2 && counts.given == 0 && counts.missed == 2,
            "{} touches were announced and {counts:?} counted, not one that was missed twice\n{self}",
            self.announced(),
        );
        self
    }

    /// So many PINs were accepted and refused by the tokens.
    #[track_caller]
    pub fn pins(self, accepted: u32, refused: u32) -> Self {
        let pin = self.usage.pin;
        assert!(
            (pin.accepted, pin.refused) == (accepted, refused),
            "{} PINs were accepted and {} refused, not {accepted} and {refused}\n{self}",
            pin.accepted,
            pin.refused,
        );
        self
    }

    /// At least so many PINs were accepted, and none refused.
    #[track_caller]
    pub fn pins_at_least(self, accepted: u32) -> Self {
        let pin = self.usage.pin;
        assert!(pin.accepted >= accepted && pin.refused == 0, "{pin:?}\n{self}");
        self
    }

    /// The value of NAME in standard output's `NAME=value` lines.
    #[track_caller]
    pub fn variable(&self, name: &str) -> &str {
        let found = self
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("no {name} in standard output\n{self}"))
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON: {error}\n{self}"))
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {}", self.line)?;
        for (name, text) in [
            ("stdout", &self.stdout),
            ("stderr", &self.stderr),
            ("terminal", &self.terminal),
        ] {
            if !text.is_empty() {
                writeln!(f, "--- {name}\n{}", text.trim_end())?;
            }
        }
        let (touches, pin) = (self.usage.touches, self.usage.pin);
        write!(
            f,
            "--- exit code {:?}, signal {:?}, {} ms; {touches:?}; {pin:?}; pinentry asked {} times",
            self.code,
            self.signal,
            self.took.as_millis(),
            self.usage.pinentry
        )
    }
}
