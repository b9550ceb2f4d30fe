//! Runs under way, and who joins them: equal steps are made once.
//!
//! A run passes through points (the open access key, the session of each step). A request that would pass through a point of
//! a run under way waits for it there, and goes on from it by itself if its own plan goes on.

use super::asker::Asker;
use super::audience::Audience;
use super::caller::{Caller, given_up, unpoisoned};
use crate::chain::open::Reached;
use crate::chain::resolve::Witness;
use crate::context::settings::Join;
use crate::credential::Credentials;
use crate::error::{Error, Result};
use crate::presence::processes::ticks_since_boot;
use crate::prompt::{Person, nobody};
use crate::vault::session::SessionId;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For so long at most after a run has ended, stragglers are served from it: processes that its first asker's parent has started
/// too, each of them before the one before it was served. They are the rest of the same `make -j`. Two commands that follow each
/// other never overlap so, and each takes its own touch.
const AFTERGLOW: Duration = Duration::from_secs(2);

/// What has to be equal, beside the point, for two requests to share a run.
#[derive(Clone, PartialEq, Eq)]
pub struct Terms {
    /// A digest of network and user.
    pub surroundings: [u8; 32],
    /// `--key`.
    pub key: Option<String>,
    /// `--mfa`, as far as a code is needed.
    pub codes: Option<super::protocol::Codes>,
}

/// A request as the table sees it.
pub struct Candidate {
    /// Who asks.
    pub asker: Asker,
    /// What has to be equal.
    pub terms: Terms,
    /// The names of the plan's points; the index is how many steps are done there. Empty when they can't be known.
    pub points: Vec<SessionId>,
    /// The point that it would begin at by itself, with a touch.
    pub start: usize,
    /// The points from which on no code is needed.
    pub free_from: usize,
    /// Whether it wants everything fetched anew.
    pub refresh: bool,
    /// The profile, for people.
    pub profile: String,
    /// How many steps its plan has.
    pub last: usize,
    /// For how many seconds it wants its session leased.
    pub lease: u32,
}

/// A run under way.
pub struct Flight {
    /// Who waits for it.
    pub audience: Arc<Audience>,
    /// Who asked first.
    pub asker: Asker,
    /// The profile, for people.
    pub profile: String,
    /// Since when.
    pub since: Timestamp,
    /// The same moment by the monotonic clock.
    pub began: Instant,
    /// For how many seconds its session will be leased.
    pub lease: u32,
    terms: Terms,
    refresh: bool,
    points: Vec<SessionId>,
    /// How many steps its plan has.
    last: usize,
    start: usize,
    progress: Mutex<Progress>,
    moved: Condvar,
}

#[derive(Default)]
struct Progress {
    reached: BTreeMap<usize, Reached>,
    ended: Option<(Instant, Result<(), Error>)>,
    /// When somebody was last served, in clock ticks after boot.
    served: u64,
}

/// What a request has to do.
pub enum Course {
    /// The whole of it is under way already.
    Joined(Arc<Flight>),
    /// It makes a run of its own, which goes on from a point of another one if there is a second.
    Own(Arc<Flight>, Option<(Arc<Flight>, usize)>),
}

/// All runs under way.
#[derive(Default)]
pub struct Flights(Mutex<Vec<Arc<Flight>>>);

impl Flights {
    /// Joins a run, or begins one; `caller` is in its audience then.
    pub fn admit(&self, new: Candidate, caller: &Arc<Caller>, rule: Join, now: Timestamp) -> Course {
        let mut flights = unpoisoned(&self.0);
        flights.retain(|flight| flight.may_be_joined());
        let best = flights
            .iter()
            .filter_map(|flight| Some((flight, flight.meets(&new, rule)?)))
            .max_by_key(|(_, point)| *point);
        let last = new.last;
        let behind = match best {
            Some((flight, point)) if point == last => {
                flight.audience.join(Arc::clone(caller));
                return Course::Joined(Arc::clone(flight));
            }
            Some((flight, point)) => Some((Arc::clone(flight), point)),
            None => None,
        };
        let start = behind.as_ref().map_or(new.start, |(_, point)| point + 1);
        let flight = Arc::new(Flight {
            audience: Audience::new(),
            asker: new.asker,
            profile: new.profile,
            since: now,
            began: Instant::now(),
            lease: new.lease,
            terms: new.terms,
            refresh: new.refresh,
            points: new.points,
            last,
            start,
            progress: Mutex::default(),
            moved: Condvar::new(),
        });
        flight.audience.join(Arc::clone(caller));
        if let Some((front, _)) = &behind {
            front.audience.join_behind(&flight.audience);
        }
        flights.push(Arc::clone(&flight));
        Course::Own(flight, behind)
    }

    /// Those that are not done, in the order in which they began.
    pub fn under_way(&self) -> Vec<Arc<Flight>> {
        let flights = unpoisoned(&self.0);
        flights.iter().filter(|flight| !flight.has_ended()).cloned().collect()
    }

    /// Forgets what nobody can join any more, with everything that it holds.
    pub fn sweep(&self) {
        unpoisoned(&self.0).retain(|flight| flight.may_be_joined());
    }

    /// Forgets what has ended, at once.
    pub fn forget_ended(&self) {
        unpoisoned(&self.0).retain(|flight| !flight.has_ended());
    }
}

impl Flight {
    /// The last point of `new`'s plan that this run passes through, if the two may share it and that helps.
    fn meets(&self, new: &Candidate, rule: Join) -> Option<usize> {
        let related = match self.has_ended() {
            false => self.asker.joins(&new.asker, rule),
            true => self.asker.has_parent_of(&new.asker) && new.asker.started_before(unpoisoned(&self.progress).served),
        };
        // Who wants everything anew is not served with what was sealed before.
        if !related || self.terms != new.terms || (new.refresh && !self.refresh) {
            return None;
        }
        let passes = |point: &usize| {
            *point >= self.start
                && new
                    .points
                    .get(*point)
                    .is_some_and(|name| self.points.get(*point) == Some(name))
        };
        let point = (0..new.points.len()).rev().find(passes)?;
        // From a point before its own sealed session a request would need a code that it does not need by itself.
        (point >= new.start || point >= new.free_from).then_some(point)
    }

    fn has_ended(&self) -> bool {
        unpoisoned(&self.progress).ended.is_some()
    }

    fn may_be_joined(&self) -> bool {
        match &unpoisoned(&self.progress).ended {
            Some((when, Ok(()))) => when.elapsed() < AFTERGLOW,
            Some((_, Err(_))) => false,
            // Whose askers have all gone is drained, and its result discarded.
            None => self.audience.is_there(),
        }
    }

    /// Says how it went. Whoever waits for a point that was never reached gets the error.
    pub fn end(&self, outcome: Result<(), Error>) {
        self.serves();
        unpoisoned(&self.progress).ended = Some((Instant::now(), outcome));
        self.moved.notify_all();
    }

    /// Waits until `point` is reached, for an audience that may go. `None` when the run ended well without passing through it.
    ///
    /// # Errors
    /// What ended the run before; [`crate::error::ErrorKind::Cancelled`] when nobody in `audience` is there any more.
    pub fn wait(&self, point: usize, audience: &Audience) -> Result<Option<Reached>> {
        let mut progress = unpoisoned(&self.progress);
        loop {
            if let Some(reached) = progress.reached.get(&point) {
                return Ok(Some(reached.clone()));
            }
            if let Some((_, outcome)) = &progress.ended {
                return outcome.clone().map(|()| None);
            }
            drop(progress);
            if !audience.is_there() {
                return Err(nobody());
            }
            progress = unpoisoned(&self.progress);
            progress = self
                .moved
                .wait_timeout(progress, Duration::from_millis(200))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Somebody is served with what it ended in.
    pub fn serves(&self) {
        if let Some(now) = ticks_since_boot() {
            unpoisoned(&self.progress).served = now;
        }
    }

    /// How it ended, and with what; `None` while it is under way.
    pub fn outcome(&self) -> Option<Result<Credentials>> {
        let progress = unpoisoned(&self.progress);
        let (_, outcome) = progress.ended.as_ref()?;
        Some(match (outcome, progress.reached.get(&self.last())) {
            (Err(error), _) => Err(error.clone()),
            (Ok(()), Some(reached)) => Ok(reached.credentials.clone()),
            (Ok(()), None) => Err(given_up("the request ended without credentials")),
        })
    }

    /// The last point of the plan.
    pub fn last(&self) -> usize {
        self.last
    }
}

impl Witness for Flight {
    fn reached(&self, point: &Reached) {
        unpoisoned(&self.progress).reached.insert(point.done, point.clone());
        self.moved.notify_all();
    }
}
