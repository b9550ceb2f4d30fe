//! Everything that changes, behind one lock: the world, its sessions, armed faults and the log.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::call::Log;
use super::fault::Faults;
use super::session::Session;
use super::world::World;

/// What the threads share.
pub struct State {
    /// What exists.
    pub world: World,
    /// Temporary credentials by access key ID.
    pub sessions: HashMap<String, Session>,
    /// Serial and seed of every MFA device made here, those that are deleted again among them.
    pub seeds: Vec<(String, String)>,
    /// What shall go wrong.
    pub faults: Faults,
    /// What was asked.
    pub log: Log,
}

impl State {
    /// A beginning.
    pub fn new(world: World, log: Log) -> Self {
        Self {
            world,
            sessions: HashMap::new(),
            seeds: Vec::new(),
            faults: Faults::default(),
            log,
        }
    }

    /// The service's clock.
    pub fn now(&self) -> Timestamp {
        // An offset beyond the calendar is a typing error of a test; it must not take the server down.
        let offset = SignedDuration::from_secs(self.world.clock_offset_seconds);
        Timestamp::now().checked_add(offset).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Keeps a session, and drops those that ended a day ago: until then they answer with ExpiredToken.
    pub fn keep(&mut self, session: Session) {
        let horizon = self.now() - SignedDuration::from_hours(24);
        self.sessions.retain(|_, known| known.expires > horizon);
        self.sessions.insert(session.access_key_id.clone(), session);
    }
}
