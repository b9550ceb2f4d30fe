//! A request for credentials, served: from a lease, from a run under way, or by a run of its own.

use super::Agent;
use super::asker::Asker;
use super::audience::Audience;
use super::caller::{Caller, given_up};
use super::flight::{Candidate, Course, Flight, Terms};
use super::lease::{Files, LeaseKey, NewLease};
use super::protocol::{Failure, NO_TOKEN, READ_FROM_PROCESS, Request, Spoken, Word};
use super::run::{Wanted, run};
use crate::chain::mfa::CodeWishes;
use crate::chain::open::{points, sealed};
use crate::chain::{Chain, default_session_name};
use crate::context::settings::Settings;
use crate::context::{Chatter, Context, Env, Keeper};
use crate::credential::Credentials;
use crate::error::{Error, Result};
use crate::presence::Action;
use crate::profile::ProfileName;
use crate::prompt::{Dialogue, Person, Voice};
use crate::render::{Format, render};
use crate::secret::SecretText;
use crate::vault::Vault;
use crate::vault::keyring::Keyring;
use crate::vault::session::Freshness;
use crate::vault::unlock::KeyChoice;
use sha2::{Digest, Sha256};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;
use zeroize::Zeroizing;

/// A request, read and checked.
struct Order {
    chain: Chain,
    entry: ProfileName,
    settings: Settings,
    env: Env,
    request: Request,
    code: Option<SecretText>,
    /// What network and user make of it.
    surroundings: [u8; 32],
    lease: LeaseKey,
    asker: Asker,
}

/// Serves a request; returns when the client may be listened to. What goes wrong is said to the client.
pub fn serve(agent: &Arc<Agent>, request: Request, body: Zeroizing<String>, caller: &Arc<Caller>) {
    match begin(agent, request, body, caller) {
        Ok(()) => {}
        Err(Refusal::Elsewhere(why)) => caller.send_last(&Word::Elsewhere(why), &[]),
        Err(Refusal::Failed(error)) => caller.send_last(&Word::Failed(Failure::from(&error)), &[]),
    }
}

enum Refusal {
    /// The client can do it by itself, and this agent can't.
    Elsewhere(String),
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Failed(error)
    }
}

fn begin(agent: &Arc<Agent>, request: Request, body: Zeroizing<String>, caller: &Arc<Caller>) -> Result<(), Refusal> {
    if request.folders != agent.folders {
        return Err(Refusal::Elsewhere("the agent serves another vault".into()));
    }
    let differs = |name: &&str| request.network.get(*name).map(String::as_str) != agent.env.text(name);
    if let Some(name) = READ_FROM_PROCESS.iter().find(|name| differs(name)) {
        return Err(Refusal::Elsewhere(format!("the agent runs with another {name}")));
    }
    let order = Order::new(agent, request, body, caller.asker.clone())?;
    agent.hold_pins(order.settings.hold_pin != Some(false));
    let vault = Vault::at(&agent.paths);
    let now = agent.now();
    if !order.request.refresh {
        let files = Files::of(&vault, order.entry.as_str());
        if let Some(leased) = agent.leases.find(&order.lease, &files, now, order.asker.program()) {
            if let Some(line) = leased.note {
                let voice = Spoken::Note;
                caller.send(&Word::Say { voice, line }, &[]);
            }
            caller.send_last(&Word::Credentials, &leased.session);
            return Ok(());
        }
    }
    caller.send(&Word::Heard, &[]);
    caller.asker.look_above();
    let keyring = vault.read()?.0.keyring;
    let has_token = keyring.as_ref().is_some_and(|keyring| keyring.unverified().has_token());
    if !has_token && order.request.lease == 0 {
        return Err(Refusal::Elsewhere(NO_TOKEN.into()));
    }
    let candidate = order.candidate(agent, &vault, keyring.as_ref())?;
    match agent.flights.admit(candidate, caller, order.settings.join, now) {
        Course::Joined(flight) => {
            // The touch was announced for what the first one wants.
            if order.request.lease > 0 && flight.lease == 0 {
                let (voice, line) = (
                    Spoken::Tell,
                    "nothing is leased: the request that this one joined wants none",
                );
                let line = line.to_owned();
                caller.send(&Word::Say { voice, line }, &[]);
            }
            if let Some(outcome) = flight.outcome() {
                flight.serves();
                deliver(&outcome, std::slice::from_ref(caller));
            }
        }
        Course::Own(flight, behind) => {
            let (working, mine) = (Arc::clone(agent), Arc::clone(&flight));
            let worker = move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    work(&working, &mine, behind, order, &vault, keyring)
                }));
                let outcome = outcome.unwrap_or_else(|_| Err(given_up("the agent met an error of its own")));
                mine.end(outcome);
                working.touch_activity();
                if let Some(outcome) = mine.outcome() {
                    deliver(&outcome, &mine.audience.own_callers());
                }
            };
            if let Err(err) = std::thread::Builder::new().name("request".into()).spawn(worker) {
                flight.end(Err(given_up(&format!("the agent can start no more work: {err}"))));
                return Err(Refusal::Elsewhere("the agent has too much to do".into()));
            }
        }
    }
    Ok(())
}

fn work(
    agent: &Arc<Agent>,
    flight: &Arc<Flight>,
    behind: Option<(Arc<Flight>, usize)>,
    order: Order,
    vault: &Vault,
    keyring: Option<Keyring>,
) -> Result<()> {
    let from = match behind {
        Some((front, point)) => front.wait(point, &flight.audience)?,
        None => None,
    };
    let Order {
        chain,
        entry,
        settings,
        env,
        request,
        code,
        lease,
        asker,
        ..
    } = order;
    let files = Files::of(vault, entry.as_str());
    let ctx = Context {
        env,
        paths: agent.paths.clone(),
        settings,
        dialogue: Dialogue::with(Arc::clone(&flight.audience) as Arc<dyn Person>),
        chatter: match request.debug {
            true => Chatter::Debug,
            false => Chatter::Normal,
        },
        keeper: Some(Arc::new(Shared {
            agent: Arc::clone(agent),
            began: flight.began,
            audience: Arc::clone(&flight.audience),
        })),
    };
    let key = match request.key {
        None => KeyChoice::Any,
        Some(name) => KeyChoice::Named(name.parse().map_err(|err: String| given_up(&err))?),
    };
    let wanted = Wanted {
        key,
        codes: CodeWishes {
            given: code,
            source: request.codes.map(Into::into),
        },
        refresh: request.refresh,
        action: request.command.map_or(Action::Export, Action::Run),
        callers: Some(asker.chain()),
        lease: request.lease,
        // The client sees to it.
        patience: None,
    };
    let credentials = run(&ctx, vault, keyring.as_ref(), &chain, wanted, from, &**flight)?;
    if request.lease == 0 {
        return Ok(());
    }
    let Credentials::Temporary(session) = &credentials else {
        ctx.dialogue
            .tell("nothing is leased: what is handed out is the access key itself, which has no end");
        return Ok(());
    };
    let notes = keyring
        .iter()
        .flat_map(|keyring| keyring.unverified().presence_notes(ctx.settings.quiet_presence));
    let notes: Vec<String> = notes.collect();
    let new = NewLease {
        key: lease,
        profile: chain.profile.name.to_string(),
        session: json(&credentials),
        seconds: request.lease,
        fresh_until: session.expires - jiff::SignedDuration::from_secs(i64::from(ctx.settings.min_ttl())),
        files,
        note: (!notes.is_empty()).then(|| notes.join("; ")),
        caller: asker.program().to_owned(),
    };
    if let Err(error) = agent.lease(flight, new) {
        ctx.dialogue.tell(&format!("nothing is leased: {}", error.message()));
    }
    Ok(())
}

/// What one run shares with the others.
struct Shared {
    agent: Arc<Agent>,
    began: Instant,
    audience: Arc<Audience>,
}

impl Keeper for Shared {
    fn token_turn(&self, dialogue: &Dialogue) -> Result<Box<dyn Send>> {
        Ok(Box::new(self.agent.queue.wait(dialogue)?))
    }

    fn pin(&self, token: &str) -> Option<SecretText> {
        self.agent.pins.find(token)
    }

    fn keep_pin(&self, token: &str, pin: &SecretText) {
        if let Err(error) = self.agent.keep_pin(self.began, token, pin) {
            // Else nobody would know why it is asked for each time.
            let line = format!("the PIN is not held: {}", error.message());
            self.audience.say(Voice::Tell, &line);
        }
    }

    fn drop_pin(&self, token: &str) {
        self.agent.pins.drop_of(token);
    }
}

/// Tells those who wait for it how a run went.
fn deliver(outcome: &Result<Credentials>, callers: &[Arc<Caller>]) {
    match outcome {
        Ok(credentials) => {
            let body = json(credentials);
            for caller in callers {
                caller.send_last(&Word::Credentials, &body);
            }
        }
        Err(error) => {
            for caller in callers {
                caller.send_last(&Word::Failed(Failure::from(error)), &[]);
            }
        }
    }
}

fn json(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(render(Format::Json, "", credentials, None).as_bytes().to_vec())
}

impl Order {
    fn new(agent: &Agent, request: Request, body: Zeroizing<String>, asker: Asker) -> Result<Self> {
        let (chain, entry) = request.plan.chain()?;
        let settings = Settings::read(&agent.paths.settings_file())?;
        let env = request.network.iter().chain(&request.user).collect::<Env>();
        let last = chain.steps.len().saturating_sub(1);
        // Whom a call believes, and in whose name it is made; its other inputs are the plan's.
        let bundles: Vec<Option<&str>> = chain
            .steps
            .iter()
            .map(|step| Some(step.address().ca_bundle.as_ref()?.value.as_str()))
            .collect();
        let surroundings = digest(&(&request.network, default_session_name(&env), bundles))?;
        let lease = digest(&(
            surroundings,
            chain.profile.name.as_str(),
            chain.inputs(last),
            &request.key,
        ))?;
        Ok(Order {
            code: request.gives_code.then(|| SecretText::new(body)),
            chain,
            entry,
            settings,
            env,
            request,
            surroundings,
            lease,
            asker,
        })
    }

    fn candidate(&self, agent: &Agent, vault: &Vault, keyring: Option<&Keyring>) -> Result<Candidate> {
        let freshness = Freshness {
            now: agent.now(),
            min_ttl: self.settings.min_ttl(),
        };
        let points = match keyring {
            Some(keyring) => points(vault, keyring, &self.chain, &self.entry)?,
            None => Vec::new(),
        };
        let start = match self.request.refresh {
            true => 0,
            false => sealed(freshness, vault, keyring, &self.chain)?
                .iter()
                .rposition(Option::is_some)
                .map_or(0, |newest| newest + 1),
        };
        let free_from = self.chain.steps.iter().rposition(|step| step.mfa().is_some());
        Ok(Candidate {
            asker: self.asker.clone(),
            terms: Terms {
                surroundings: self.surroundings,
                key: self.request.key.clone(),
                codes: self.request.codes,
            },
            points,
            start,
            free_from: free_from.map_or(0, |last| last + 1),
            refresh: self.request.refresh,
            profile: self.chain.profile.name.to_string(),
            last: self.chain.steps.len(),
            lease: self.request.lease,
        })
    }
}

fn digest<T: serde::Serialize>(value: &T) -> Result<[u8; 32]> {
    let json = serde_json::to_vec(value).map_err(|err| given_up(&err.to_string()))?;
    Ok(Sha256::digest(json).into())
}
