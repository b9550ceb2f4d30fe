//! The control socket: the hand that plugs, pulls and touches the token. Its words are in [`super::protocol`].

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process,
    sync::Arc,
    thread,
    time::Duration,
};

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    device::Device,
    protocol::{Awaited, Counts, Done, Log, Mark, Pong, Recognised, Request, Taken},
};

/// A reader looks for cards every 400 ms; this is for a busy machine.
const RECOGNITION: Duration = Duration::from_secs(20);

/// Listens for ever.
pub fn listen(device: Arc<Device>, socket: &Path) -> io::Result<()> {
    answer_lines(socket, move |line| {
        let request = line.parse()?;
        let then = if request == Request::Quit {
            Then::End
        } else {
            Then::GoOn
        };
        Ok((answer(&device, request), then))
    })
}

/// What comes after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    GoOn,
    /// The process ends.
    End,
}

/// Answers each line that comes in at a socket with a line of JSON, in threads of its own: one for the socket and one
/// for each connection.
pub fn answer_lines<F>(socket: &Path, answer: F) -> io::Result<()>
where
    F: Fn(&str) -> Result<(Value, Then), String> + Send + Sync + 'static,
{
    if let Err(error) = fs::remove_file(socket)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let listener = UnixListener::bind(socket)?;
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            // an error says that the client went away
            thread::spawn(move || serve(&*answer, &stream));
        }
    });
    Ok(())
}

fn serve(answer: &impl Fn(&str) -> Result<(Value, Then), String>, stream: &UnixStream) -> io::Result<()> {
    let mut writer = stream;
    for line in BufReader::new(stream).lines() {
        let (reply, then) = answer(&line?).unwrap_or_else(|error| (json!({ "ok": false, "error": error }), Then::GoOn));
        writeln!(writer, "{reply}")?;
        if then == Then::End {
            process::exit(0);
        }
    }
    Ok(())
}

fn answer(device: &Device, request: Request) -> Value {
    let body = &device.body;
    match request {
        Request::Ping => ok(Pong {
            serial: device.serial,
            firmware: device.firmware,
            plug: body.plug(),
        }),
        Request::Touch => ok(Taken { taken: body.touch() }),
        Request::AutoTouch(auto) => {
            body.set_auto_touch(auto);
            ok(Done {})
        }
        Request::TouchTimeout(patience) => {
            body.set_patience(patience);
            ok(Done {})
        }
        Request::Wait(timeout) => ok(Awaited {
            request: body.next_request(timeout),
        }),
        Request::Remove => {
            body.remove();
            ok(Done {})
        }
        Request::Insert => ok(Recognised {
            recognised: body.insert(RECOGNITION),
        }),
        Request::Counts => ok(Counts {
            touches: body.counts(),
            attempts: device.journal.pin_counts(),
        }),
        Request::Mark => ok(Mark {
            mark: device.journal.mark(),
        }),
        Request::Log { since } => ok(Log {
            entries: device.journal.since(since),
        }),
        Request::Quit => ok(Done {}),
    }
}

/// The answer's fields, and `"ok": true` among them.
pub fn ok(fields: impl Serialize) -> Value {
    let mut value = serde_json::to_value(fields).unwrap_or_default();
    value["ok"] = Value::Bool(true);
    value
}
