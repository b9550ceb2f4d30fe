//! A probe that runs: lines go in, lines come out, each within a time.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

/// USER_HZ, which is the same on every machine that Debian runs on.
const TICKS_A_SECOND: u32 = 100;
const PATIENCE: Duration = Duration::from_secs(20);

/// Ends with the value.
pub struct Probe {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

/// The probe's path, for a command line of one's own.
pub fn path() -> PathBuf {
    let tests = env::current_exe().expect("this executable");
    let target = tests.ancestors().nth(2).expect("target/debug/deps");
    target.join("examples/agent-probe")
}

impl Probe {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (said, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines() {
                let Ok(line) = line else { return };
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        Probe { child, stdin, lines }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How long it has worked so far.
    pub fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("it runs");
        // Behind the name in brackets, which may hold anything; utime and stime are fields 14 and 15 (proc(5)).
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|field| field.parse::<u64>().expect("a number")).sum();
        Duration::from_secs(ticks) / TICKS_A_SECOND
    }

    /// Says a line and returns the answer.
    pub fn tell(&mut self, line: &str) -> String {
        writeln!(self.stdin, "{line}").expect("the probe reads");
        self.next()
    }

    /// What it says next, which has to come.
    pub fn next(&self) -> String {
        self.within(PATIENCE).expect("the probe says something in time")
    }

    /// What it says within this time, if anything.
    pub fn within(&self, wait: Duration) -> Option<String> {
        match self.lines.recv_timeout(wait) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the probe has ended"),
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // A failure here would hide the test's own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
