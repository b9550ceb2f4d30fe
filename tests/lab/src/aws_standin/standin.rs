//! The handle a test holds: a running stand-in, what it was asked, what it shall do wrong.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::call::{Call, Log};
use super::fault::Fault;
use super::server::Server;
use super::service::lock;
use super::session::Session;
use super::state::State;
use super::totp;
use super::world::{MfaDevice, World};

/// A running stand-in; stops when dropped.
pub struct Standin {
    server: Server,
    state: Arc<Mutex<State>>,
}

/// How to start one.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Port on 127.0.0.1; 0 for any.
    pub port: u16,
    /// File to append the log of calls to.
    pub log: Option<PathBuf>,
}

impl Standin {
    /// Starts one in this process, on any port.
    ///
    /// # Panics
    /// If the machine has no port left: a test can't go on then.
    pub fn start(world: World) -> Self {
        Self::open(world, &Options::default()).expect("the loopback address has a free port")
    }

    /// Starts one with options.
    pub fn open(world: World, options: &Options) -> io::Result<Self> {
        let log = options
            .log
            .as_deref()
            .map(Log::to_file)
            .transpose()?
            .unwrap_or_default();
        let state = Arc::new(Mutex::new(State::new(world, log)));
        let server = Server::start(Arc::clone(&state), options.port)?;
        Ok(Self { server, state })
    }

    /// `http://127.0.0.1:PORT`, for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The port alone.
    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// The calls so far, in the order they took effect.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state).log.calls().to_vec()
    }

    /// The calls of one action.
    pub fn calls_of(&self, action: &str) -> Vec<Call> {
        lock(&self.state)
            .log
            .calls()
            .iter()
            .filter(|call| call.action == action)
            .cloned()
            .collect()
    }

    /// Forgets the calls so far; a log file keeps them.
    pub fn clear_calls(&self) {
        lock(&self.state).log.clear();
    }

    /// How many calls of an action arrived, also those that still wait for a delay to end.
    pub fn arrived(&self, action: &str) -> u64 {
        lock(&self.state).faults.seen().get(action).copied().unwrap_or(0)
    }

    /// Arms a fault.
    pub fn fault(&self, fault: Fault) {
        lock(&self.state).faults.arm(fault);
    }

    /// Disarms all faults.
    pub fn clear_faults(&self) {
        lock(&self.state).faults.clear();
    }

    /// Looks at the world or changes it. Calls wait meanwhile.
    pub fn world<R>(&self, look: impl FnOnce(&mut World) -> R) -> R {
        look(&mut lock(&self.state).world)
    }

    /// The service's clock.
    pub fn now(&self) -> Timestamp {
        lock(&self.state).now()
    }

    /// Every session handed out so far, secrets and all: for tests that look for them where they must not be.
    pub fn sessions(&self) -> Vec<Session> {
        lock(&self.state).sessions.values().cloned().collect()
    }

    /// Serial and seed of every MFA device made so far, those that are gone again among them: for the same tests.
    pub fn seeds(&self) -> Vec<(String, String)> {
        lock(&self.state).seeds.clone()
    }

    /// Ends all sessions at once: from now on they are expired.
    pub fn expire_sessions(&self) {
        let state = &mut *lock(&self.state);
        let now = state.now();
        for session in state.sessions.values_mut() {
            session.expires = session.expires.min(now);
        }
    }

    /// The code a device shows now, used or not.
    ///
    /// # Panics
    /// If there is no such device.
    pub fn totp(&self, serial: &str) -> String {
        self.device(serial, |device, now| device.code(now))
    }

    /// A code that would be taken now, or `None` if all three are used: for tests that need several and will not
    /// wait half a minute for each.
    ///
    /// # Panics
    /// If there is no such device.
    pub fn unused_totp(&self, serial: &str) -> Option<String> {
        self.device(serial, |device, now| {
            let unused = totp::window(now).into_iter().find(|step| !device.is_spent(*step));
            unused.map(|step| device.code(step))
        })
    }

    /// The steps whose codes a device has spent.
    ///
    /// # Panics
    /// If there is no such device.
    pub fn used_steps(&self, serial: &str) -> BTreeSet<u64> {
        self.device(serial, |device, _| device.used_steps.clone())
    }

    fn device<R>(&self, serial: &str, look: impl FnOnce(&MfaDevice, u64) -> R) -> R {
        let state = lock(&self.state);
        let device = state
            .world
            .mfa_device(serial)
            .unwrap_or_else(|| panic!("the world has no MFA device {serial}"));
        look(device, totp::step_at(state.now()))
    }
}
