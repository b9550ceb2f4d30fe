//! Connections: a thread each, up to a bound; all of them end with the server.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::http::{ReadError, Reader, Response};
use super::service::{self, Reply};
use super::state::State;

/// Most connections at once; further ones are closed unheard. Well above the 200 clients tests use.
const CONNECTIONS_MAX: usize = 512;
/// How long a peer may refuse to take an answer.
const SEND: Duration = Duration::from_secs(30);

/// A listening server; stops when dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    state: Arc<Mutex<State>>,
    stopping: AtomicBool,
    /// Open connections, to shut down at the end.
    open: Mutex<HashMap<u64, TcpStream>>,
}

impl Server {
    /// Listens on the loopback address; port 0 for any.
    pub fn start(state: Arc<Mutex<State>>, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state,
            stopping: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let acceptor = thread::Builder::new().name("aws-standin".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        })?;
        Ok(Self {
            address,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees the flag.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
        // Connection threads are not waited for: one may be in the middle of a long delay.
        for stream in self.shared.open().values() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for (number, stream) in (0_u64..).zip(listener.incoming()) {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else {
            // Out of file descriptors, most likely: give the others time to close some.
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        let Ok(handle) = stream.try_clone() else { continue };
        {
            let mut open = shared.open();
            if open.len() >= CONNECTIONS_MAX {
                continue;
            }
            open.insert(number, handle);
        }
        let spawned = thread::Builder::new().name(format!("aws-standin-{number}")).spawn({
            let shared = Arc::clone(shared);
            move || {
                // Guards the count also when a thread panics.
                let _closing = Closing {
                    number,
                    shared: &shared,
                };
                // An error here is a peer that left: nothing to tell, and nobody to tell it to.
                drop(converse(stream, &shared));
            }
        });
        if spawned.is_err() {
            shared.open().remove(&number);
        }
    }
}

/// Takes a connection off the list when its thread ends.
struct Closing<'a> {
    number: u64,
    shared: &'a Shared,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        if let Some(stream) = self.shared.open().remove(&self.number) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

/// Requests and answers, until one side ends it.
fn converse(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(SEND))?;
    let mut reader = Reader::new(stream.try_clone()?);
    while !shared.stopping.load(Ordering::SeqCst) {
        let request = match reader.request() {
            Ok(request) => request,
            Err(ReadError::Closed) => return Ok(()),
            Err(ReadError::Refused(status)) => {
                let refusal = Response {
                    status,
                    headers: Vec::new(),
                    body: Vec::new(),
                };
                stream.write_all(&refusal.bytes(false))?;
                return reader.drain();
            }
        };
        match service::reply(&shared.state, &request) {
            Reply::Whole(response) => stream.write_all(&response.bytes(request.keep_alive))?,
            Reply::Half(response) => {
                let bytes = response.bytes(request.keep_alive);
                // Half of the body, so that status and length did arrive.
                let end = bytes.len() - response.body.len().div_ceil(2);
                return stream.write_all(&bytes[..end]);
            }
            Reply::Drip(response, gap) => {
                for byte in response.bytes(request.keep_alive) {
                    stream.write_all(&[byte])?;
                    thread::sleep(gap);
                }
            }
            Reply::Nothing => return Ok(()),
        }
        if !request.keep_alive {
            return Ok(());
        }
    }
    Ok(())
}
