//! Clients that are none: whatever they send, they get nothing, others are served meanwhile, and the agent stays small.

mod crowds;
mod frames;
mod strangers;
mod versions;

use super::faults::{runtime, socket};
use super::{agent_pid, export, until, with_prod};
use crate::bench::Bench;
use rustix::process::Pid;
use std::fs;
use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The agent's bound for a connection that says nothing, and time for a busy machine.
const CUT_OFF: Duration = Duration::from_secs(15);

/// What the agent may take, in KiB; at rest it is some 20 MiB.
const MOST_MEMORY: u64 = 100 << 10;

/// The longest head and body.
const LONGEST: (u32, u32) = (256 << 10, 64 << 10);

/// A bench whose agent runs, with nothing under way.
fn with_agent() -> (Bench, Pid) {
    let bench = with_prod();
    export(&bench, "prod").wait().success();
    let agent = agent_pid(&bench).expect("an agent");
    (bench, agent)
}

/// A connection to the agent.
fn connect(bench: &Bench) -> UnixStream {
    let stream = UnixStream::connect(socket(bench).expect("a socket")).expect("somebody listens");
    stream.set_read_timeout(Some(CUT_OFF)).expect("a time");
    stream.set_write_timeout(Some(CUT_OFF)).expect("a time");
    stream
}

/// A frame (see `agent::protocol::frame`).
fn frame(head: &[u8], body: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short").to_be_bytes();
    [&length(head)[..], &length(body), head, body].concat()
}

fn lengths((head, body): (u32, u32)) -> Vec<u8> {
    [head.to_be_bytes(), body.to_be_bytes()].concat()
}

/// The head of the next frame; `None` at the end of the connection.
fn next_head(mut stream: &UnixStream) -> Option<serde_json::Value> {
    let mut lengths = [0; 8];
    stream.read_exact(&mut lengths).ok()?;
    let length = |at: usize| u32::from_be_bytes(lengths[at..at + 4].try_into().expect("4 bytes")) as usize;
    let mut bytes = vec![0; length(0) + length(4)];
    stream.read_exact(&mut bytes).ok()?;
    Some(serde_json::from_slice(&bytes[..length(0)]).expect("a head in JSON"))
}

/// It is closed in time, and nothing is said there.
#[track_caller]
fn is_closed_without_a_word(mut stream: &UnixStream) {
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(0) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        other => panic!("it is open still, or was answered: {other:?}"),
    }
}

/// Somebody who means it is served, by the same agent, which is still small.
#[track_caller]
fn others_are_served(bench: &Bench, agent: Pid) {
    let start = Instant::now();
    let line = ["--debug", "exec", "--refresh", "prod", "--", "true"];
    let out = bench.tapvault(line).run().success();
    assert!(start.elapsed() < CUT_OFF, "{out}");
    let out = out.does_not_say("without the agent").does_not_say("asking again");
    assert_eq!(agent_pid(bench), Some(agent), "another agent\n{out}");
    is_small(agent);
}

#[track_caller]
fn is_small(agent: Pid) {
    let kib = of_status(agent, "VmHWM:");
    assert!(kib < MOST_MEMORY, "{kib} KiB at the most");
}

/// A number in /proc/PID/status.
fn of_status(pid: Pid, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim()
        .split(' ')
        .next()
        .expect("a number")
        .parse()
        .expect("a number")
}

/// A runtime folder of its own, in which somebody plays the agent.
struct Stage {
    run: PathBuf,
    socket: PathBuf,
}

impl Stage {
    /// Beside the usual one; `like` is the socket that is there.
    fn beside(bench: &Bench) -> Self {
        let name = socket(bench).expect("an agent was here");
        let name = name.file_name().expect("a name").to_owned();
        let run = bench.root().join("xdg/stage");
        fs::create_dir_all(run.join("tapvault")).expect("folders");
        for folder in [run.clone(), run.join("tapvault")] {
            fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("private");
        }
        let socket = run.join("tapvault").join(name);
        Stage { run, socket }
    }

    fn listen(&self) -> UnixListener {
        UnixListener::bind(&self.socket).expect("a socket")
    }
}

/// The first connection that comes.
fn accepted(listener: &UnixListener) -> UnixStream {
    listener.set_nonblocking(true).expect("a mode");
    let start = Instant::now();
    loop {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).expect("a mode");
            stream.set_read_timeout(Some(CUT_OFF)).expect("a time");
            return stream;
        }
        assert!(start.elapsed() < CUT_OFF, "nobody comes");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The bytes of a real client's first frame.
fn recorded_opening(bench: &Bench) -> Vec<u8> {
    let stage = Stage::beside(bench);
    let listener = stage.listen();
    let run = bench
        .tapvault(["export", "--format=json", "prod"])
        .env("XDG_RUNTIME_DIR", &stage.run)
        .prints_secrets()
        .start();
    let mut stream = accepted(&listener);
    let mut lengths = [0; 8];
    stream.read_exact(&mut lengths).expect("lengths");
    let length = |at: usize| u32::from_be_bytes(lengths[at..at + 4].try_into().expect("4 bytes")) as usize;
    let mut rest = vec![0; length(0) + length(4)];
    stream.read_exact(&mut rest).expect("a frame");
    run.signal(rustix::process::Signal::KILL);
    run.wait();
    fs::remove_dir_all(&stage.run).expect("the stage goes");
    [&lengths[..], &rest].concat()
}

/// A program of which the words are to be run as another user: everything on the way is opened for it, and closed again.
fn opened_up<T>(bench: &Bench, run: impl FnOnce(&Path) -> T) -> T {
    let socket = socket(bench).expect("a socket");
    let mode = |path: &Path, mode: u32| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(path, mode).expect("its mode");
    };
    let folders = [bench.root().to_owned(), bench.root().join("xdg/run"), runtime(bench)];
    folders.iter().for_each(|folder| mode(folder, 0o755));
    mode(&socket, 0o666);
    let result = run(&socket);
    mode(&socket, 0o600);
    folders.iter().for_each(|folder| mode(folder, 0o700));
    result
}
