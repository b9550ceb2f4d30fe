//! An agent that holds a lease, and beside it the least that a client can do: a C program that asks a socket, and becomes the command.

use crate::bench::{ANA, Bench};
use crate::stopwatch::Surroundings;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::thread;

/// See limit.c.
const REQUEST: usize = 900;
/// As long as a session is.
const ANSWER: usize = 600;

/// See the module's words.
pub struct Leased {
    /// Where the programs run: nothing has to be touched or typed there.
    pub surroundings: Surroundings,
    limit: String,
    socket: String,
    // Ends last: the agent notices that its folder has gone, and ends.
    _bench: Bench,
}

impl Leased {
    /// Has `program` start an agent and lease `prod`; compiles the C program, and answers it.
    pub fn set(program: &str) -> Self {
        let bench = Bench::setup().agent().start();
        bench.enroll();
        bench.add("prod", ANA).success();
        let surroundings = Surroundings::of(&bench);
        surroundings.time(&[program, "exec", "--lease", "12h", "prod", "--", "/bin/true"]);
        let limit = bench.hand().join("limit");
        compile(&limit);
        let socket = bench.hand().join("limit.sock");
        let listener = UnixListener::bind(&socket).expect("a socket for the limit");
        thread::spawn(move || listener.incoming().flatten().for_each(answer));
        Leased {
            surroundings,
            limit: limit.display().to_string(),
            socket: socket.display().to_string(),
            _bench: bench,
        }
    }

    /// The command line of the C program, up to the command that it becomes.
    pub fn limit(&self) -> [&str; 2] {
        [&self.limit, &self.socket]
    }
}

fn compile(limit: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/speed/limit.c");
    let length = format!("-DANSWER={ANSWER}");
    let status = Command::new("gcc")
        .args(["-O2", "-Wall", "-Wextra", "-Werror", &length, "-o"])
        .args([limit, source.as_path()])
        .status();
    assert!(status.is_ok_and(|status| status.success()), "gcc compiles limit.c");
}

fn answer(mut client: UnixStream) {
    // A client that goes away is seen by its own failure.
    let _ = client
        .read_exact(&mut [0; REQUEST])
        .and_then(|()| client.write_all(&[b'x'; ANSWER]));
}
