//! The agent: one process per vault that runs requests for many callers, so that equal ones share a touch, and holds for a
//! while what a touch has opened.
//!
//! | module     | its idea                                                       |
//! |------------|----------------------------------------------------------------|
//! | `run`      | one request, run; without an agent it is the same               |
//! | `client`   | asks the agent, shows its words, starts one if there is none   |
//! | `protocol` | what the two say to each other                                 |
//! | `server`   | the socket: who may connect, how many, for how long             |
//! | `spare`    | a thread that waits for the next connection                     |
//! | `work`     | a request served: from a lease, a run under way, or a new run   |
//! | `flight`   | runs under way and who joins them                              |
//! | `asker`    | who asks, as the kernel has it                                 |
//! | `audience` | all who wait for one run, as one person; `caller` is one of them |
//! | `queue`    | the token in turn                                              |
//! | `lease`    | sessions that are handed out again without a touch              |
//! | `pins`     | PINs held while their token stays in                           |
//! | `locked`   | memory that stays out of swap, and is wiped                    |
//! | `watch`    | what ends all that is held: sleep, screen lock, a pulled token  |

pub mod asker;
pub mod audience;
pub mod caller;
pub mod client;
pub mod flight;
pub mod lease;
pub mod locked;
pub mod pins;
pub mod place;
pub mod protocol;
pub mod queue;
pub mod run;
pub mod server;
pub mod spare;
pub mod watch;
pub mod work;

use crate::context::{Context, Env, Paths};
use crate::error::Result;
use crate::secret::SecretText;
use caller::unpoisoned;
use flight::{Flight, Flights};
use jiff::Timestamp;
use lease::{Leases, NewLease};
use pins::Pins;
use protocol::{AgentFacts, Folders, Status, VERSION, WaitingFacts};
use queue::Queue;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Everything that an agent holds.
pub struct Agent {
    paths: Paths,
    folders: Folders,
    env: Env,
    flights: Flights,
    leases: Leases,
    pins: Pins,
    queue: Queue,
    since: Timestamp,
    /// As the latest `config.toml` says.
    holds_pins: AtomicBool,
    /// When something was last asked of it.
    active: Mutex<Instant>,
    /// When all that was held was last ended: a run that began before leases nothing.
    ended: Mutex<Instant>,
}

impl Agent {
    /// One that holds nothing yet.
    pub fn new(ctx: &Context) -> Self {
        Agent {
            paths: ctx.paths.clone(),
            folders: Folders::of(&ctx.paths),
            env: ctx.env.clone(),
            flights: Flights::default(),
            leases: Leases::default(),
            pins: Pins::default(),
            queue: Queue::default(),
            since: ctx.now(),
            holds_pins: AtomicBool::new(true),
            active: Mutex::new(Instant::now()),
            ended: Mutex::new(Instant::now()),
        }
    }

    fn now(&self) -> Timestamp {
        crate::context::now()
    }

    /// Something was asked of it.
    fn touch_activity(&self) {
        *unpoisoned(&self.active) = Instant::now();
    }

    /// Since when it has nothing to do and holds nothing; `None` if it does.
    fn idle(&self) -> Option<Duration> {
        let now = self.now();
        self.leases.sweep(now);
        self.flights.sweep();
        let at_rest = self.leases.is_empty() && self.pins.is_empty() && self.flights.under_way().is_empty();
        at_rest.then(|| unpoisoned(&self.active).elapsed())
    }

    /// Ends leases of `profile`, or all of them and all PINs. Says how many of each.
    fn end(&self, profile: Option<&str>) -> (usize, usize) {
        *unpoisoned(&self.ended) = Instant::now();
        self.flights.forget_ended();
        let leases = self.leases.end(profile);
        let pins = match profile {
            Some(_) => 0,
            None => self.pins.drop_all(),
        };
        (leases, pins)
    }

    /// Holds a PIN that a run has brought, unless everything was ended while it ran. The error is that no memory can be locked.
    fn keep_pin(&self, began: Instant, token: &str, pin: &SecretText) -> Result<()> {
        let ended = unpoisoned(&self.ended);
        match self.holds_pins.load(Ordering::SeqCst) && *ended <= began {
            true => self.pins.hold(token, pin, self.now()),
            false => Ok(()),
        }
    }

    /// Whether PINs are held from now on; those that are held go if not.
    fn hold_pins(&self, hold: bool) {
        self.holds_pins.store(hold, Ordering::SeqCst);
        if !hold {
            self.pins.drop_all();
        }
    }

    /// Leases what a run has brought, unless everything was ended while it ran.
    fn lease(&self, flight: &Flight, new: NewLease) -> Result<()> {
        let ended = unpoisoned(&self.ended);
        if *ended > flight.began {
            return Err(caller::given_up("leases were ended while the request ran"));
        }
        self.leases.begin(new, self.now()).map(|_| ())
    }

    /// What it holds and does.
    fn status(&self) -> Status {
        let waiting = self.flights.under_way();
        let facts = waiting.iter().flat_map(|flight| {
            let awaits = flight.audience.awaits();
            let fact = move |caller: &std::sync::Arc<caller::Caller>| WaitingFacts {
                profile: flight.profile.clone(),
                asked_by: caller.asker.chain(),
                since: flight.since,
                awaits: awaits.clone(),
            };
            flight
                .audience
                .own_callers()
                .into_iter()
                .filter(|caller| caller.is_there())
                .map(move |caller| fact(&caller))
        });
        Status {
            agent: Some(AgentFacts {
                pid: std::process::id(),
                version: VERSION.to_owned(),
                since: self.since,
            }),
            leases: self.leases.facts(self.now()),
            waiting: facts.collect(),
            pins: self.pins.facts(),
        }
    }
}
