//! The same handle over a Unix socket, for tests that run the binary: a JSON line asks, a JSON line answers.
//!
//! Questions are objects with a `do`: see [`Request`]. Answers are `{"ok": ...}` or `{"error": "..."}`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::Fault;
use super::standin::Standin;
use super::world::World;

/// Longest question; a world of some hundred accounts fits.
const LINE_MAX: u64 = 4 * 1024 * 1024;

/// What can be asked.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The calls, from a number on: `{"do":"calls","since":3}`.
    Calls {
        /// Only calls with a greater `seq`.
        #[serde(default)]
        since: u64,
        /// Only calls of this action.
        #[serde(default)]
        action: Option<String>,
    },
    /// Forgets the calls.
    ClearCalls,
    /// How many calls of an action arrived: `{"do":"arrived","action":"AssumeRole"}`.
    Arrived {
        /// The action.
        action: String,
    },
    /// Arms a fault: `{"do":"fault","fault":{"action":"AssumeRole","skip":1,"times":2,"effect":{"kind":"cut"}}}`.
    Fault {
        /// The fault.
        fault: Fault,
    },
    /// Disarms all.
    ClearFaults,
    /// Sets the clock: `{"do":"clock","offset_seconds":-600}`.
    Clock {
        /// See [`World::clock_offset_seconds`].
        offset_seconds: i64,
    },
    /// A code: `{"do":"totp","serial":"arn:..."}`; with `"unused":true` one that would be taken, or null.
    Totp {
        /// The device.
        serial: String,
        /// Only one that was not taken yet.
        #[serde(default)]
        unused: bool,
    },
    /// The steps a device has spent.
    UsedSteps {
        /// The device.
        serial: String,
    },
    /// The world as it is, secrets and all.
    World,
    /// Another world in its place; sessions stay.
    SetWorld {
        /// The world.
        world: Box<World>,
    },
    /// Ends all sessions.
    ExpireSessions,
}

/// Listens on a socket of that name; each connection may ask many questions.
pub fn listen(path: &Path, standin: Arc<Standin>) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    thread::Builder::new()
        .name("aws-standin-control".to_owned())
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                let standin = Arc::clone(&standin);
                // A test that went away needs no answer.
                drop(thread::Builder::new().spawn(move || drop(converse(&stream, &standin))));
            }
        })?;
    Ok(())
}

fn converse(stream: &UnixStream, standin: &Standin) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.by_ref().take(LINE_MAX).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut reply = answer(standin, &line).to_string();
        reply.push('\n');
        (&*stream).write_all(reply.as_bytes())?;
    }
}

/// Answers one question.
pub fn answer(standin: &Standin, line: &str) -> Value {
    let request = match serde_json::from_str(line) {
        Ok(request) => request,
        Err(e) => return json!({ "error": e.to_string() }),
    };
    match perform(standin, request) {
        Ok(value) => json!({ "ok": value }),
        Err(message) => json!({ "error": message }),
    }
}

fn perform(standin: &Standin, request: Request) -> Result<Value, String> {
    let known = |serial: &str| {
        let found = standin.world(|world| world.mfa_device(serial).is_some());
        if found {
            Ok(())
        } else {
            Err(format!("no MFA device {serial}"))
        }
    };
    let value = match request {
        Request::Calls { since, action } => {
            let wanted =
                |call: &&super::call::Call| call.seq > since && action.as_ref().is_none_or(|a| *a == call.action);
            let calls = standin.calls();
            json!(calls.iter().filter(wanted).collect::<Vec<_>>())
        }
        Request::ClearCalls => {
            standin.clear_calls();
            Value::Null
        }
        Request::Arrived { action } => json!(standin.arrived(&action)),
        Request::Fault { fault } => {
            standin.fault(fault);
            Value::Null
        }
        Request::ClearFaults => {
            standin.clear_faults();
            Value::Null
        }
        Request::Clock { offset_seconds } => {
            standin.world(|world| world.clock_offset_seconds = offset_seconds);
            Value::Null
        }
        Request::Totp { serial, unused } => {
            known(&serial)?;
            if unused {
                json!(standin.unused_totp(&serial))
            } else {
                json!(standin.totp(&serial))
            }
        }
        Request::UsedSteps { serial } => {
            known(&serial)?;
            json!(standin.used_steps(&serial))
        }
        Request::World => standin
            .world(|world| serde_json::to_value(world))
            .map_err(|e| e.to_string())?,
        Request::SetWorld { world } => {
            standin.world(|present| *present = *world);
            Value::Null
        }
        Request::ExpireSessions => {
            standin.expire_sessions();
            Value::Null
        }
    };
    Ok(value)
}
