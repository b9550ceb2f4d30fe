//! The control socket: the hand that plugs, pulls and touches the key, and the words that spoil it. They are in
//! [`tapvault_lab::fido_key::protocol`].

use std::{
    io,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tapvault_lab::{
    fido_key::{
        journal::Counts,
        protocol::{Faults, Log, Pong, Request},
    },
    soft_token::{
        control::{Then, answer_lines, ok},
        protocol::{Awaited, Done, Mark, Recognised, Request as Common, Taken},
    },
};

use crate::{key::Key, port::Place};

/// It takes some milliseconds; this is for a busy machine.
const PLUGGING: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(1);

/// Listens for ever, in threads of its own.
pub fn listen(key: Arc<Key>, place: Place, socket: &Path) -> io::Result<()> {
    answer_lines(socket, move |line| {
        let request: Request = line.parse()?;
        let then = if request == Request::Common(Common::Quit) {
            Then::End
        } else {
            Then::GoOn
        };
        let answer = answer(&key, &place, request).map_err(|error| error.to_string())?;
        Ok((answer, then))
    })
}

fn answer(key: &Key, place: &Place, request: Request) -> io::Result<Value> {
    Ok(match request {
        Request::Common(request) => common(key, request)?,
        Request::Reset => {
            pull_out(key)?;
            key.forget()?;
            ok(plug_in(key))
        }
        Request::Node(access) => {
            place.set_access(access)?;
            ok(Done {})
        }
        Request::HmacSecret(extension) => {
            key.line().offer.hmac_secret = extension;
            ok(Done {})
        }
        Request::PinProtocol(protocols) => {
            key.line().offer.pin_protocols = protocols;
            ok(Done {})
        }
        Request::Fingers(fingers) => {
            key.line().offer.fingers = fingers;
            ok(Done {})
        }
        Request::PinUse(pin_use) => {
            key.line().offer.pin_use = pin_use;
            ok(Done {})
        }
        Request::Speech(speech) => {
            key.line().offer.speech = speech;
            ok(Done {})
        }
        Request::Fault(fault) => {
            key.line().faults.order(fault);
            ok(Done {})
        }
        Request::Faults => ok(Faults {
            faults: key.line().faults.in_words(),
        }),
        Request::ClearFaults => {
            key.line().clear_faults();
            ok(Done {})
        }
    })
}

fn common(key: &Key, request: Common) -> io::Result<Value> {
    let body = &key.body;
    Ok(match request {
        Common::Ping => ok(Pong {
            serial: key.identity.serial.clone(),
            product: key.identity.product.clone(),
            plug: body.plug(),
        }),
        Common::Touch => ok(Taken { taken: body.touch() }),
        Common::AutoTouch(auto) => {
            body.set_auto_touch(auto);
            ok(Done {})
        }
        Common::TouchTimeout(patience) => {
            body.set_patience(patience);
            ok(Done {})
        }
        Common::Wait(timeout) => ok(Awaited {
            request: body.next_request(timeout),
        }),
        Common::Remove => {
            pull_out(key)?;
            ok(Done {})
        }
        Common::Insert => ok(plug_in(key)),
        Common::Counts => ok(Counts {
            touches: body.counts(),
            pin: key.line().journal.pin(),
        }),
        Common::Mark => ok(Mark {
            mark: key.line().journal.mark(),
        }),
        Common::Log { since } => ok(Log {
            entries: key.line().journal.since(since),
        }),
        Common::Quit => ok(Done {}),
    })
}

fn plug_in(key: &Key) -> Recognised {
    Recognised {
        recognised: key.body.insert(PLUGGING),
    }
}

/// Returns when the node has gone and the firmware has ended.
fn pull_out(key: &Key) -> io::Result<()> {
    key.body.remove();
    let deadline = Instant::now() + PLUGGING;
    while key.body.plug().connected {
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the firmware does not end"));
        }
        thread::sleep(POLL);
    }
    Ok(())
}
