//! Strikes the shipped program at one system call: killed before it, or told that it failed. strace(1) does it, so nothing of
//! this is in the program.
//!
//! First the command runs untouched under strace; its trace gives every call that writes to the vault, the state folder or ~/.aws, and
//! the how-manieth of its name it is in its thread, for so strace counts (`when=`). Then it runs once for each of them.

use crate::bench::Bench;
use crate::bench::run::{Invocation, Output, Running};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

const STRACE: &str = "/usr/bin/strace";

/// Every call by which a file or a folder can be made, filled, moved or removed.
const WRITING: &str = "open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,write,writev,pwrite64,pwritev,pwritev2,\
                       copy_file_range,sendfile,fsync,fdatasync,syncfs,sync_file_range,truncate,ftruncate,fallocate,rename,\
                       renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,chmod,fchmod,fchmodat,chown,\
                       fchown,fchownat,utimensat,msync";

/// A call of a command that writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// "rename".
    pub call: String,
    /// Counted in its thread, from 1.
    pub nth: usize,
    /// "vault/entries/prod.age"; random names of temporary files are shown as `.tmp-*`.
    pub place: String,
}

impl Point {
    /// Whether it writes nothing itself, but waits until what was written is on the disk.
    pub fn is_sync(&self) -> bool {
        self.call.contains("sync")
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {}", self.call, self.nth, self.place)
    }
}

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// kill -9 before the call is carried out.
    Kill,
    /// Another signal, which comes with the call.
    Signal(&'static str),
    /// The call fails in this way.
    Error(&'static str),
}

impl Fault {
    fn injection(self) -> String {
        match self {
            Fault::Kill => "signal=SIGKILL".into(),
            Fault::Signal(name) => format!("signal={name}"),
            Fault::Error(name) => format!("error={name}"),
        }
    }
}

/// Fails in words that say what to do without strace.
pub fn check() {
    assert!(
        Path::new(STRACE).exists(),
        "{STRACE} is missing: apt-get install strace"
    );
}

/// Runs `line` untouched, and says at which calls it writes.
pub fn points(bench: &Bench, line: &[&str], dress: impl Fn(Invocation<'_>) -> Invocation<'_>) -> (Output, Vec<Point>) {
    let output = dress(traced(bench, None, line)).run();
    let points = Trace::read(bench).writes;
    (output, points)
}

/// Runs `line` and strikes it at `point`.
///
/// # Panics
/// When another call was hit than the one that was meant.
#[track_caller]
pub fn strike(
    bench: &Bench,
    line: &[&str],
    dress: impl Fn(Invocation<'_>) -> Invocation<'_>,
    point: &Point,
    fault: Fault,
) -> Output {
    try_strike(bench, line, dress, point, fault)
        .unwrap_or_else(|output| panic!("{point} was not come by, so nothing was struck\n{output}"))
}

/// The same; the error is a run in which another call was hit. Where AWS is called the async runtime writes too, to wake itself, and not
/// always as often.
pub fn try_strike(
    bench: &Bench,
    line: &[&str],
    dress: impl Fn(Invocation<'_>) -> Invocation<'_>,
    point: &Point,
    fault: Fault,
) -> Result<Output, Box<Output>> {
    let output = dress(traced(bench, Some((point, fault)), line)).run();
    match Trace::read(bench).writes.iter().any(|write| write == point) {
        true => Ok(output),
        false => Err(Box::new(output)),
    }
}

/// A command that is stopped in the middle.
pub struct Held<'b> {
    running: Running<'b>,
    pid: Pid,
}

impl Held<'_> {
    /// Lets it run to its end.
    pub fn go_on(self) -> Output {
        kill_process(self.pid, Signal::CONT).expect("it is there");
        self.running.wait()
    }
}

/// Starts `line` and stops it just before it opens the file at `place`; returns when it stands.
pub fn hold<'b>(bench: &'b Bench, line: &[&str], place: &str) -> Held<'b> {
    traced(bench, None, line).run().success();
    let trace = Trace::read(bench);
    let at = trace.opens.iter().position(|open| open.place == place);
    // A stop comes when the call is over, so it is the one before.
    let point = at.and_then(|at| trace.opens.get(at.checked_sub(1)?));
    let point = point.unwrap_or_else(|| panic!("{place} is not opened, or first: {:?}", trace.opens));
    fs::remove_file(log(bench)).expect("the log of before goes");
    let running = traced(bench, Some((point, Fault::Signal("SIGSTOP"))), line).start();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let text = fs::read_to_string(log(bench)).unwrap_or_default();
        let stopped = text
            .lines()
            .find_map(|line| line.strip_suffix(" --- stopped by SIGSTOP ---"));
        if let Some(pid) = stopped {
            let pid = pid.trim().parse().ok().and_then(Pid::from_raw).expect("a process");
            return Held { running, pid };
        }
        assert!(Instant::now() < deadline, "it was not stopped: {text}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn traced<'b>(bench: &'b Bench, at: Option<(&Point, Fault)>, line: &[&str]) -> Invocation<'b> {
    let log = log(bench);
    let mut arguments: Vec<String> = ["-f", "-qq", "-y", "-s", "0", "-o"].map(str::to_owned).to_vec();
    arguments.push(log.display().to_string());
    arguments.extend([
        "-e".into(),
        "signal=SIGSTOP".into(),
        "-e".into(),
        format!("trace={WRITING}"),
    ]);
    if let Some((point, fault)) = at {
        let inject = format!("inject={}:{}:when={}", point.call, fault.injection(), point.nth);
        arguments.extend(["-e".into(), inject]);
    }
    arguments.push(env!("CARGO_BIN_EXE_tapvault").into());
    arguments.extend(line.iter().map(|&word| word.to_owned()));
    bench.program(STRACE, arguments)
}

/// Outside of what is searched for secrets; `-s 0` keeps them out of it anyway.
fn log(bench: &Bench) -> PathBuf {
    bench.root().join("strace.log")
}

struct Trace {
    writes: Vec<Point>,
    /// Files opened, for whatever purpose.
    opens: Vec<Point>,
}

impl Trace {
    fn read(bench: &Bench) -> Self {
        let text = fs::read_to_string(log(bench)).expect("strace's log");
        let folders = [
            ("vault", bench.vault()),
            ("state", bench.state_folder()),
            ("aws", bench.home().join(".aws")),
        ];
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let (mut writes, mut opens) = (Vec::new(), Vec::new());
        for line in text.lines() {
            // "123 call(...": not "+++ exited", nor "<... call resumed>".
            let Some((thread, rest)) = line.split_once(' ') else {
                continue;
            };
            let Some((call, arguments)) = rest.trim_start().split_once('(') else {
                continue;
            };
            if !call
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            {
                continue;
            }
            let nth = counts.entry((thread, call)).or_default();
            *nth += 1;
            let Some(place) = place(&folders, arguments) else {
                continue;
            };
            let point = Point {
                call: call.to_owned(),
                nth: *nth,
                place,
            };
            if call.starts_with("open") {
                opens.push(point.clone());
                // Reading opens files too.
                if !arguments.contains("O_CREAT") {
                    continue;
                }
            }
            writes.push(point);
        }
        Trace { writes, opens }
    }
}

/// The last path among the arguments that is in one of the folders: of a rename, where to.
fn place(folders: &[(&str, PathBuf)], arguments: &str) -> Option<String> {
    let mut handle: Option<PathBuf> = None;
    let mut found: Option<PathBuf> = None;
    let mut rest = arguments;
    while let Some(start) = rest.find(['"', '<']) {
        let is_handle = rest.as_bytes()[start] == b'<';
        let end = start + 1 + rest[start + 1..].find(if is_handle { '>' } else { '"' })?;
        let text = &rest[start + 1..end];
        rest = &rest[end + 1..];
        let path = match &handle {
            // unlinkat(7</folder>, "name"
            Some(folder) if !is_handle && !text.starts_with('/') => folder.join(text),
            _ => PathBuf::from(text),
        };
        if is_handle {
            handle = Some(path.clone());
        }
        found = folders
            .iter()
            .find_map(|(name, folder)| Some(Path::new(name).join(path.strip_prefix(folder).ok()?)))
            .or(found);
    }
    Some(plain(found?.to_str()?))
}

/// Without the random part of a temporary file's name.
pub fn plain(path: &str) -> String {
    let at = [".tmp-", ".tapvault-tmp-"].iter().find_map(|name| path.find(name));
    match at {
        Some(at) => format!("{}.tmp-*", &path[..at]),
        None => path.trim_end_matches('/').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_named_by_where_it_goes() {
        let folders = [("vault", PathBuf::from("/v")), ("state", PathBuf::from("/s"))];
        let place = |arguments| place(&folders, arguments);
        assert_eq!(
            place(r#""/v/entries/.tmp-a8x", "/v/entries/a.age") = 0"#).as_deref(),
            Some("vault/entries/a.age")
        );
        assert_eq!(
            place(r#"5</v/entries/.tmp-a8x>, ""..., 900) = 900"#).as_deref(),
            Some("vault/entries/.tmp-*")
        );
        assert_eq!(
            place(r#"4</v/next>, "keys.json", 0) = 0"#).as_deref(),
            Some("vault/next/keys.json")
        );
        assert_eq!(
            place(r#"AT_FDCWD</home>, "/s/seen.json", O_RDWR"#).as_deref(),
            Some("state/seen.json")
        );
        assert_eq!(place(r#"2</dev/null>, ""..., 9) = 9"#), None);
        assert_eq!(place(r#"3</v>) = 0"#).as_deref(), Some("vault"));
    }
}
