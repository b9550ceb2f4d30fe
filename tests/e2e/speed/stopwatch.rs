//! One run of a program, from its start until it has ended and been waited for.

use crate::bench::Bench;
use crate::bench::terminal::Pty;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tapvault_lab::fido_key::rig::PRELOAD_VARIABLE;

/// GNU time, which tells a program's peak memory.
const TIME: &str = "/usr/bin/time";

/// So long the longest job may take.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// Where a program runs and what it is given.
pub struct Surroundings {
    pub environment: BTreeMap<OsString, OsString>,
    pub folder: PathBuf,
    /// What goes to standard input when there is no terminal.
    pub stdin: Option<PathBuf>,
}

impl Surroundings {
    /// A bench's, without what keeps the machine's own FIDO2 tokens away from tests: it would be measured at each start of a program.
    pub fn of(bench: &Bench) -> Self {
        let mut environment = bench.environment();
        environment.remove(OsStr::new(PRELOAD_VARIABLE));
        Surroundings {
            environment,
            folder: bench.home(),
            stdin: None,
        }
    }

    /// The same with one more variable.
    pub fn with(&self, name: &str, value: impl Into<OsString>) -> Self {
        let mut environment = self.environment.clone();
        environment.insert(name.into(), value.into());
        Surroundings {
            environment,
            folder: self.folder.clone(),
            stdin: self.stdin.clone(),
        }
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).env_clear().envs(&self.environment);
        command.current_dir(&self.folder);
        command
    }

    /// Runs it without a terminal.
    ///
    /// # Panics
    /// When it fails: the time of a failure says nothing.
    pub fn time(&self, line: &[&str]) -> Duration {
        let errors = self.folder.join("errors");
        let mut command = self.command(line);
        command.stdin(match &self.stdin {
            Some(file) => File::open(file).expect("standard input").into(),
            None => Stdio::null(),
        });
        command.stdout(Stdio::null());
        command.stderr(File::create(&errors).expect("a file for standard error"));
        let start = Instant::now();
        let status = command.status().unwrap_or_else(|error| panic!("{}: {error}", line[0]));
        let took = start.elapsed();
        let said = || fs::read_to_string(&errors).unwrap_or_default();
        assert!(status.success(), "`{}` failed: {}", line.join(" "), said());
        took
    }

    /// Runs it so many times at once: from the first start until the last has ended.
    ///
    /// # Panics
    /// When one of them fails.
    pub fn time_together(&self, line: &[&str], number: usize) -> Duration {
        let errors = self.folder.join("errors");
        File::create(&errors).expect("a file for standard error");
        let start = Instant::now();
        let running: Vec<Child> = (0..number)
            .map(|_| {
                let appending = File::options().append(true).open(&errors).expect("standard error");
                let mut command = self.command(line);
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(appending);
                command.spawn().unwrap_or_else(|error| panic!("{}: {error}", line[0]))
            })
            .collect();
        let ended: Vec<bool> = running
            .into_iter()
            .map(|mut child| child.wait().expect("it can be waited for").success())
            .collect();
        let took = start.elapsed();
        let failed = ended.iter().filter(|succeeded| !**succeeded).count();
        let said = || fs::read_to_string(&errors).unwrap_or_default();
        assert!(
            failed == 0,
            "{failed} of {number} `{}` failed: {}",
            line.join(" "),
            said()
        );
        took
    }

    /// Runs it on a terminal of its own, where `answer` is typed as soon as `question` is shown.
    ///
    /// # Panics
    /// As [`Self::time`].
    pub fn time_on_terminal(&self, line: &[&str], question: &str, answer: &str) -> Duration {
        let pty = Pty::open();
        let mut command = self.command(&[&["/usr/bin/setsid", "--ctty"], line].concat());
        command.stdin(pty.end()).stdout(Stdio::null()).stderr(pty.end());
        let start = Instant::now();
        let mut child = command.spawn().expect("setsid, of the Debian package util-linux");
        let Pty { mut person, program } = pty;
        // The end of all that holds the program's side is how the person's side comes to its end.
        drop((command, program));
        let mut shown = String::new();
        let mut question = Some(question);
        while let Some(more) = read(&mut person, &mut child) {
            shown.push_str(&more);
            if question.is_some_and(|question| shown.contains(question)) {
                question = None;
                writeln!(person, "{answer}").expect("the terminal is there");
            }
        }
        let status = child.wait().expect("it can be waited for");
        let took = start.elapsed();
        assert!(status.success(), "`{}` failed: {shown}", line.join(" "));
        took
    }
}

/// A line with GNU time before it, which writes the peak of the program's memory, in KiB, into `file`.
pub fn weighed<'a>(line: &[&'a str], file: &'a Path) -> Vec<&'a str> {
    let file = file.to_str().expect("a path of the bench");
    assert!(Path::new(TIME).exists(), "{TIME} is missing: apt-get install time");
    [&[TIME, "--format", "%M", "--output", file], line].concat()
}

/// What is shown next; `None` when the last program has gone from the terminal.
fn read(person: &mut File, child: &mut Child) -> Option<String> {
    let mut ready = [PollFd::new(person, PollFlags::IN)];
    if poll(&mut ready, Some(&PATIENCE)).expect("a terminal can be polled") == 0 {
        let _ = child.kill();
        panic!("nothing was shown for {} s", PATIENCE.tv_sec);
    }
    let mut room = [0; 4096];
    match person.read(&mut room) {
        Ok(read @ 1..) => Some(String::from_utf8_lossy(&room[..read]).into_owned()),
        // EIO is how Linux says that nobody is at the other side any more.
        Ok(0) | Err(_) => None,
    }
}
