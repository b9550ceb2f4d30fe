//! The agent's socket: who may connect, how many at once, how long they may take to say what they want.

use super::asker::Asker;
use super::caller::{Caller, unpoisoned};
use super::place::{Place, SocketId};
use super::protocol::{Greeting, Opening, Wants, Word, frame};
use super::spare::Spare;
use super::{Agent, locked, watch, work};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::vault::folder::Lock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::VecDeque;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// How long a client may take to say what it wants.
const GREETING_PATIENCE: Duration = Duration::from_secs(5);

/// Requests at once. Each holds a thread and a descriptor.
const MOST_REQUESTS: usize = 512;

/// Connections at once that have not said yet what they want. The oldest gives way to a new one: who means it speaks at once.
const MOST_SILENT: usize = 128;

/// An agent without anything to do or to hold ends after so long.
const IDLE: Duration = Duration::from_secs(600);

/// How often the agent looks after itself. In seconds.
const TICK: i64 = 1;

/// How long an agent that makes room may take to let go of the place: it notices within a tick.
const MAKING_ROOM: Duration = Duration::from_secs(3);

/// A thread that reads frames needs little. In bytes.
const STACK: usize = 512 << 10;

/// How it went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// It has ended by itself: idle, told to, or replaced.
    Ended,
    /// Another agent serves this vault already.
    Already,
}

/// What the threads of one agent share.
struct Server {
    agent: Arc<Agent>,
    place: Place,
    socket: SocketId,
    /// No new requests are taken: a later version serves them.
    retired: AtomicBool,
    requests: AtomicUsize,
    silent: Mutex<VecDeque<Weak<UnixStream>>>,
}

/// Serves requests until there are none for long. `ready` is called once clients can connect.
///
/// # Errors
/// When no socket can be made.
pub fn serve(ctx: &Context, ready: impl FnOnce()) -> Result<Served> {
    locked::harden()?;
    allow_many_connections();
    let place = Place::of(&ctx.paths);
    let Some(claim) = claim(&place)? else {
        return Ok(Served::Already);
    };
    let (listener, socket) = place.listen()?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|err| Error::new(ErrorKind::Other, format!("preparing for signals: {err}")))?;
    }
    let server = Arc::new(Server {
        agent: Arc::new(Agent::new(ctx)),
        place,
        socket,
        retired: AtomicBool::new(false),
        requests: AtomicUsize::new(0),
        silent: Mutex::default(),
    });
    let watching = Arc::clone(&server.agent);
    watch::watch(&ctx.env, move |_| {
        watching.end(None);
    })?;
    ready();
    server.accept(&listener, &stop);
    // Who comes now finds nobody, and starts the next agent.
    server.place.leave(server.socket);
    drop(listener);
    drop(claim);
    server.drain(&stop);
    Ok(Served::Ended)
}

/// The right to serve. One that makes room at this moment is waited for.
fn claim(place: &Place) -> Result<Option<Lock>> {
    let start = Instant::now();
    loop {
        if let Some(claim) = place.claim()? {
            return Ok(Some(claim));
        }
        if place.connect()?.is_some() || start.elapsed() > MAKING_ROOM {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Server {
    fn accept(self: &Arc<Self>, listener: &UnixListener, stop: &AtomicBool) {
        let tick = Timespec {
            tv_sec: TICK,
            tv_nsec: 0,
        };
        let server = Arc::clone(self);
        let mut threads = Spare::new(STACK, move |stream: Arc<UnixStream>| server.greet(&stream));
        loop {
            let ready = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&tick));
            if stop.load(Ordering::SeqCst) || self.retired.load(Ordering::SeqCst) {
                return;
            }
            if !matches!(ready, Ok(1..)) {
                // Removed with its folder at the end of a login, or replaced: nobody will come any more.
                if self.place.present() != Some(self.socket) || self.agent.idle().is_some_and(|idle| idle > IDLE) {
                    return;
                }
                continue;
            }
            match listener.accept() {
                // Where no thread can be had, the connection is dropped, and the client goes on by itself.
                Ok((stream, _)) => threads.give(self.noted(stream)),
                // Out of descriptors: those who are here will go.
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// The connection, as one that has said nothing yet.
    fn noted(&self, stream: UnixStream) -> Arc<UnixStream> {
        let stream = Arc::new(stream);
        let mut silent = unpoisoned(&self.silent);
        silent.retain(|stream| stream.strong_count() > 0);
        if silent.len() >= MOST_SILENT
            && let Some(oldest) = silent.pop_front().and_then(|oldest| oldest.upgrade())
        {
            let _ = oldest.shutdown(std::net::Shutdown::Both);
        }
        silent.push_back(Arc::downgrade(&stream));
        stream
    }

    /// Hears what a client wants, and does it. Whoever is not understood is not answered.
    fn greet(&self, stream: &Arc<UnixStream>) {
        let Some(asker) = Asker::at_other_end(stream) else {
            return;
        };
        let patience = Some(GREETING_PATIENCE);
        let _ = stream.set_write_timeout(patience);
        let Ok(Some(first)) = frame::read(stream, patience, GREETING_PATIENCE) else {
            return;
        };
        unpoisoned(&self.silent).retain(|silent| !std::ptr::eq(silent.as_ptr(), Arc::as_ptr(stream)));
        let Ok(greeting) = first.parse::<Greeting>() else {
            return;
        };
        if !greeting.is_ours() {
            if Greeting::ours().is_older_than(&greeting) {
                self.retire();
            }
            let _ = frame::write(stream, &Word::OtherVersion(Greeting::ours()), &[]);
            return;
        }
        let Ok(opening) = first.parse::<Opening>() else {
            return;
        };
        match opening.wants {
            Wants::Status => {
                let _ = frame::write(stream, &Word::Status(Box::new(self.agent.status())), &[]);
            }
            Wants::Lock { profile } => {
                let (leases, pins) = self.agent.end(profile.as_deref());
                let _ = frame::write(stream, &Word::Locked { leases, pins }, &[]);
            }
            Wants::Credentials(request) => {
                let Ok(body) = first.text() else { return };
                // It may be long, and the client may stay for long.
                drop(first);
                let stream = Arc::clone(stream);
                let caller = Arc::new(Caller::new(stream, asker, request.screen.clone(), request.debug));
                if self.requests.fetch_add(1, Ordering::SeqCst) < MOST_REQUESTS {
                    self.agent.touch_activity();
                    work::serve(&self.agent, *request, body, &caller);
                    caller.listen();
                } else {
                    caller.send_last(&Word::Elsewhere("the agent has too much to do".into()), &[]);
                }
                self.requests.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    /// A later version is to take over: its agent can be started as soon as this socket is gone.
    fn retire(&self) {
        self.agent.end(None);
        self.place.leave(self.socket);
        self.retired.store(true, Ordering::SeqCst);
    }

    /// Lets what is under way come to its end.
    fn drain(&self, stop: &AtomicBool) {
        self.agent.end(None);
        while !self.agent.flights.under_way().is_empty() && !stop.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(50));
        }
        // The last answers are on their way.
        let mut left = 40;
        while self.requests.load(Ordering::SeqCst) > 0 && left > 0 && !stop.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(50));
            left -= 1;
        }
    }
}

/// The usual 1,024 descriptors are fewer than connections and what their requests open.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    let enough = limit.maximum.map_or(4096, |most| most.min(4096));
    if limit.current.is_some_and(|current| current < enough) {
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(enough),
                ..limit
            },
        );
    }
}
