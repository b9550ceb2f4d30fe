//! An agent that says nothing: how long that is borne, and how it is named then.
//!
//! One that works says so every [`SIGN_OF_LIFE`], so what is silent for longer was stopped, or its machine is too busy for it.

use crate::agent::protocol::SIGN_OF_LIFE;
use crate::error::{Error, ErrorKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How many signs of life may be missing.
const MISSED: u32 = 3;

/// Waits until the agent says something or is gone. Says how long it was silent if it does neither.
pub fn outlast(stream: &UnixStream) -> Result<(), Duration> {
    let start = Instant::now();
    for _ in 0..MISSED {
        if stirs(stream, SIGN_OF_LIFE) {
            return Ok(());
        }
        // A container that was frozen finds this wait over when it goes on, and its agent has had no time to speak yet: that is
        // why there is more than one.
    }
    Err(start.elapsed())
}

fn stirs(stream: &UnixStream, within: Duration) -> bool {
    let start = Instant::now();
    loop {
        let left = within.saturating_sub(start.elapsed());
        let Ok(left) = Timespec::try_from(left) else {
            return true;
        };
        match poll(&mut [PollFd::new(stream, PollFlags::IN)], Some(&left)) {
            Ok(0) => return false,
            // Stopped and continued in between (signal(7)).
            Err(rustix::io::Errno::INTR) => {}
            // What is wrong with it, reading tells.
            Ok(_) | Err(_) => return true,
        }
    }
}

/// The agent has heard the request and is silent since.
pub fn stands_still(stream: &UnixStream, silent: Duration) -> Error {
    let error = Error::new(
        ErrorKind::Other,
        format!("the agent has said nothing for {} s; it stands still", silent.as_secs()),
    );
    error.hint(format!(
        "end {}, then try again; what it holds ends with it",
        named(stream)
    ))
}

/// The agent's process, as a person ends it.
pub fn named(stream: &UnixStream) -> String {
    match socket_peercred(stream) {
        Ok(peer) => format!("its process (`kill -9 {}`)", peer.pid.as_raw_nonzero()),
        Err(_) => "its process".into(),
    }
}
