//! What comes over the agent's socket, from either side.

use super::{is_plain, is_plain_error};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tapvault::agent::protocol::plan::Plan;
use tapvault::agent::protocol::{Answer, Opening, Wants, Word, frame};
use tapvault::error::Error;

const SOON: Duration = Duration::from_secs(5);

/// Frames one after the other, as many as there are.
pub fn frames(bytes: &[u8]) -> bool {
    let (ours, theirs) = UnixStream::pair().expect("sockets");
    // Nobody reads meanwhile.
    ours.set_nonblocking(true).expect("a socket");
    match (&ours).write(bytes) {
        Ok(written) if written == bytes.len() => {}
        Ok(_) => return false,
        Err(err) if err.kind() == ErrorKind::WouldBlock => return false,
        Err(err) => panic!("{err}"),
    }
    ours.shutdown(Shutdown::Write).expect("a socket");
    let mut understood = false;
    loop {
        let frame = match frame::read(&theirs, Some(SOON), SOON) {
            Ok(Some(frame)) => frame,
            Ok(None) => return understood,
            Err(error) => {
                is_plain_error(&error);
                return understood;
            }
        };
        if let Err(error) = frame.text() {
            is_plain_error(&error);
        }
        if let Some(opening) = said_again::<Opening>(&frame) {
            understood |= is_served(&opening);
        }
        if let Some(word) = said_again::<Word>(&frame) {
            understood = true;
            if let Word::Failed(failure) = word {
                let _ = Error::from(failure).to_string();
            }
        }
        if let Some(answer) = said_again::<Answer>(&frame) {
            understood = true;
            if let Answer::Failed(failure) = answer {
                let _ = Error::from(failure).to_string();
            }
        }
    }
}

/// The head as a `T`; what is sent of it is the same again.
fn said_again<T: Serialize + DeserializeOwned>(frame: &frame::Frame) -> Option<T> {
    let read: T = match frame.parse() {
        Ok(read) => read,
        Err(error) => {
            is_plain_error(&error);
            return None;
        }
    };
    let once = serde_json::to_string(&read).expect("JSON");
    let again: T = serde_json::from_str(&once).expect("what is written is read");
    assert_eq!(serde_json::to_string(&again).expect("JSON"), once);
    Some(read)
}

/// A plan that is taken is the same after one more journey.
fn is_served(opening: &Opening) -> bool {
    opening.greeting.is_older_than(&opening.greeting);
    let Wants::Credentials(request) = &opening.wants else {
        return true;
    };
    let (chain, entry) = match request.plan.chain() {
        Ok(chain) => chain,
        Err(error) => {
            is_plain_error(&error);
            return false;
        }
    };
    assert_eq!(chain.entry(), Some(&entry));
    for fact in chain.steps.iter().flat_map(|step| step.facts("tapvault-ana")) {
        is_plain(fact.name);
    }
    let inputs = serde_json::to_string(&chain.inputs(usize::MAX)).expect("JSON");
    let (again, _) = Plan::of(&chain)
        .expect("it begins with an entry")
        .chain()
        .expect("taken before");
    assert_eq!(serde_json::to_string(&again.inputs(usize::MAX)).expect("JSON"), inputs);
    true
}
