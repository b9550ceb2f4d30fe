//! A typed client of the control socket.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    body::{AutoTouch, Request as TouchRequest},
    journal::Entry,
    protocol::{Awaited, Counts, Done, Log, Mark, Pong, Recognised, Request, Taken},
};

/// Longer than any answer takes, that to `insert` included: who waits longer waits for a dead token.
const PATIENCE: Duration = Duration::from_secs(30);

/// One token's control socket. Each call is a connection of its own, so a `Control` can be shared and cloned freely.
#[derive(Clone, Debug)]
pub struct Control {
    socket: PathBuf,
}

impl Control {
    /// Connects at each call and not before.
    pub fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn ping(&self) -> io::Result<Pong> {
        self.ask(Request::Ping)
    }

    /// `false`: the touch was lost, the token wasn't blinking.
    pub fn touch(&self) -> io::Result<bool> {
        self.ask(Request::Touch).map(|Taken { taken }| taken)
    }

    pub fn auto_touch(&self, auto: AutoTouch) -> io::Result<()> {
        self.ask(Request::AutoTouch(auto)).map(|Done {}| ())
    }

    pub fn set_touch_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.ask(Request::TouchTimeout(timeout)).map(|Done {}| ())
    }

    /// Blocks until the token blinks; an error if it doesn't in time.
    pub fn wait_for_touch(&self, timeout: Duration) -> io::Result<TouchRequest> {
        let Awaited { request } = self.ask(Request::Wait(timeout))?;
        request.ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "the token doesn't wait for a touch"))
    }

    /// Pulls the token out. The reader notices within half a second.
    pub fn remove(&self) -> io::Result<()> {
        self.ask(Request::Remove).map(|Done {}| ())
    }

    /// Plugs the token in and blocks until the reader has recognised it.
    pub fn insert(&self) -> io::Result<()> {
        match self.ask(Request::Insert)? {
            Recognised { recognised: true } => Ok(()),
            Recognised { recognised: false } => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the reader doesn't recognise the token",
            )),
        }
    }

    pub fn counts(&self) -> io::Result<Counts> {
        self.ask(Request::Counts)
    }

    /// Where the journal stands; [`Self::log_since`] reads on from here.
    pub fn mark(&self) -> io::Result<usize> {
        self.ask(Request::Mark).map(|Mark { mark }| mark)
    }

    pub fn log(&self) -> io::Result<Vec<Entry>> {
        self.log_since(0)
    }

    pub fn log_since(&self, mark: usize) -> io::Result<Vec<Entry>> {
        self.ask(Request::Log { since: mark }).map(|Log { entries }| entries)
    }

    /// Ends the token's process.
    pub fn quit(&self) -> io::Result<()> {
        self.ask(Request::Quit).map(|Done {}| ())
    }

    /// The answer's line as it came, for a person to read.
    pub fn ask_raw(&self, request: Request) -> io::Result<String> {
        exchange(&self.socket, &request.to_string(), blocks_for(&request))
    }

    fn ask<T: DeserializeOwned>(&self, request: Request) -> io::Result<T> {
        unpack(&request.to_string(), &self.ask_raw(request)?)
    }
}

/// How long a request blocks because it says so.
pub fn blocks_for(request: &Request) -> Duration {
    match request {
        Request::Wait(timeout) => *timeout,
        _ => Duration::ZERO,
    }
}

/// Sends one line to a control socket; the answer's line.
pub fn exchange(socket: &Path, line: &str, blocks_for: Duration) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(blocks_for + PATIENCE))?;
    writeln!(stream, "{line}")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer.trim_end().to_owned())
}

/// What a line's answer says, if it is no refusal.
pub fn unpack<T: DeserializeOwned>(line: &str, answer: &str) -> io::Result<T> {
    let answer: Value = serde_json::from_str(answer)?;
    match answer["ok"] {
        Value::Bool(true) => Ok(serde_json::from_value(answer)?),
        _ => Err(io::Error::other(format!(
            "the token refused {line}: {}",
            answer["error"]
        ))),
    }
}
