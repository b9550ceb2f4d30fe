//! One request, from parsed bytes to an answer: faults, then authentication, then the action, then the log.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::auth;
use super::call::{self, Call};
use super::clock;
use super::credential::Claim;
use super::error::ApiError;
use super::fault::{Effect, When};
use super::http::{Request, Response};
use super::iam;
use super::id;
use super::permission::Caller;
use super::query::Params;
use super::state::State;
use super::sts;
use super::xml::Element;

/// The lock all of it is behind. A test that panics in `world(|w| ...)` must not take the server with it, so
/// poison is ignored: the state is data without invariants across fields.
pub fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A service the stand-in speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Security Token Service.
    Sts,
    /// Identity and Access Management.
    Iam,
}

impl Service {
    /// The version of an API tells which it is, as both share one address here.
    fn of_version(version: Option<&str>) -> Option<Self> {
        match version? {
            "2011-06-15" => Some(Self::Sts),
            "2010-05-08" => Some(Self::Iam),
            _ => None,
        }
    }

    /// The name in a credential scope.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Iam => "iam",
        }
    }

    fn namespace(self) -> &'static str {
        match self {
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
        }
    }
}

/// An action under way: all that its code may look at.
pub struct Invocation<'a> {
    /// Parameters.
    pub params: &'a Params,
    /// Who calls.
    pub caller: &'a Caller,
    /// The region signed for.
    pub region: &'a str,
    /// The service's clock.
    pub now: Timestamp,
    /// What exists.
    pub state: &'a mut State,
}

/// What an action answers: the children of its result, or `None` for actions that have no result element.
pub type Outcome = Result<Option<Vec<Element>>, ApiError>;

/// What to send, and how.
pub enum Reply {
    /// All of it.
    Whole(Response),
    /// Half of it, then close.
    Half(Response),
    /// Byte by byte, with a pause.
    Drip(Response, Duration),
    /// Nothing; close.
    Nothing,
}

/// Answers one request. Waits here if a fault says so, without holding the lock.
pub fn reply(state: &Mutex<State>, request: &Request) -> Reply {
    let exchange = Exchange::new(request);
    let effects = lock(state).faults.strike(&exchange.action);
    pause(&effects, When::Before);
    let response = match terminal(&effects, When::Before) {
        Some(effect) => exchange.refuse(&mut lock(state), &effects, effect),
        None => Some(exchange.perform(&mut lock(state), &effects)),
    };
    pause(&effects, When::After);
    response.map_or(Reply::Nothing, |response| deliver(response, &effects))
}

/// A request with what can be told of it before anything is checked.
struct Exchange<'a> {
    request: &'a Request,
    query: Params,
    params: Params,
    service: Option<Service>,
    action: String,
    request_id: String,
    arrived: Instant,
}

impl<'a> Exchange<'a> {
    fn new(request: &'a Request) -> Self {
        let query = Params::parse(&request.query);
        let mut params = query.clone();
        params.extend(Params::parse(&String::from_utf8_lossy(&request.body)));
        let service = Service::of_version(params.find("Version"));
        let action = params.find("Action").unwrap_or_default().to_owned();
        Self {
            request,
            query,
            params,
            service,
            action,
            request_id: id::request_id(),
            arrived: Instant::now(),
        }
    }

    /// Runs the action and logs it, in one hold of the lock: the log's order is the order of effects.
    fn perform(&self, state: &mut State, effects: &[Effect]) -> Response {
        let now = state.now();
        // Before the action, which may delete the device whose codes the log tells as steps.
        let mut call = self.call(state, effects);
        let mut result = self.run(state, now, &mut call.caller_arn);
        if let (Ok(_), Some(effect)) = (&result, terminal(effects, When::After)) {
            result = injected(effect).map_or(result, Err);
        }
        let response = match &result {
            Ok(children) => self.success(children.clone(), now),
            Err(error) => self.error(error, now),
        };
        call.status = Some(response.status);
        call.error = result.err().map(|error| error.code);
        call.took_us = self.age_us();
        state.log.add(call);
        response
    }

    /// Logs a call that a fault keeps from taking effect; the error it gets, if it gets one.
    fn refuse(&self, state: &mut State, effects: &[Effect], effect: &Effect) -> Option<Response> {
        let mut call = self.call(state, effects);
        let error = injected(effect);
        let response = error.as_ref().map(|error| self.error(error, state.now()));
        call.status = error.as_ref().map(|error| error.status);
        call.error = error.map(|error| error.code);
        call.took_us = self.age_us();
        state.log.add(call);
        response
    }

    fn run(&self, state: &mut State, now: Timestamp, caller_arn: &mut Option<String>) -> Outcome {
        if self.request.path != "/" {
            return Err(ApiError::new(404, "UnknownOperationException", ""));
        }
        if !matches!(self.request.method.as_str(), "GET" | "POST") {
            return Err(ApiError::new(
                405,
                "MethodNotAllowed",
                "The specified method is not allowed.",
            ));
        }
        if self.action.is_empty() {
            return Err(ApiError::new(
                400,
                "MissingAction",
                "The request must contain the parameter Action.",
            ));
        }
        // An action is looked up before its signature: some take none.
        let known = match self.service {
            Some(Service::Sts) => sts::ACTIONS.contains(&self.action.as_str()),
            Some(Service::Iam) => iam::ACTIONS.contains(&self.action.as_str()),
            None => false,
        };
        let Some(service) = self.service.filter(|_| known) else {
            return Err(ApiError::invalid_action(&self.action, self.params.find("Version")));
        };
        if service == Service::Sts && self.action == "AssumeRoleWithWebIdentity" {
            return sts::web_identity::assume_role(state, &self.params, now);
        }
        let (caller, region) = auth::authenticate(state, self.request, &self.query, service.name())?;
        *caller_arn = Some(caller.arn.clone());
        let mut invocation = Invocation {
            params: &self.params,
            caller: &caller,
            region: &region,
            now,
            state,
        };
        match service {
            Service::Sts => sts::run(&self.action, &mut invocation),
            Service::Iam => iam::run(&self.action, &mut invocation),
        }
    }

    fn success(&self, result: Option<Vec<Element>>, now: Timestamp) -> Response {
        let result = result.map(|children| Element::node(&format!("{}Result", self.action), children));
        let metadata = Element::node("ResponseMetadata", [Element::text("RequestId", &self.request_id)]);
        let root = Element::node(
            &format!("{}Response", self.action),
            result.into_iter().chain([metadata]),
        );
        self.response(200, root.in_namespace(self.namespace()).document(), now)
    }

    fn error(&self, error: &ApiError, now: Timestamp) -> Response {
        let mut response = self.response(error.status, error.document(self.namespace(), &self.request_id), now);
        if let Some(seconds) = error.retry_after {
            response.headers.push(("Retry-After", seconds.to_string()));
        }
        response
    }

    /// AWS's `Date` is what clients correct their clocks by, so it is the service's clock too.
    fn response(&self, status: u16, body: String, now: Timestamp) -> Response {
        let headers = vec![
            ("x-amzn-RequestId", self.request_id.clone()),
            ("Content-Type", "text/xml".to_owned()),
            ("Date", clock::http_date(now)),
        ];
        Response {
            status,
            headers,
            body: body.into_bytes(),
        }
    }

    fn namespace(&self) -> &'static str {
        self.service.unwrap_or(Service::Sts).namespace()
    }

    /// The log's record of it, without an outcome yet.
    fn call(&self, state: &State, effects: &[Effect]) -> Call {
        let (access_key_id, region) = Claim::glimpse(self.request, &self.query);
        let now = state.now();
        Call {
            seq: 0,
            time: now,
            service: self.service.map(Service::name).unwrap_or_default().to_owned(),
            action: self.action.clone(),
            parameters: call::redact(&self.params, &state.world, now),
            access_key_id,
            caller_arn: None,
            region,
            user_agent: self.request.header("user-agent").map(str::to_owned),
            request_id: self.request_id.clone(),
            status: None,
            error: None,
            faults: effects.iter().map(|effect| effect.name().to_owned()).collect(),
            took_us: 0,
        }
    }

    fn age_us(&self) -> u64 {
        u64::try_from(self.arrived.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Waits as long as delays at this moment say.
fn pause(effects: &[Effect], moment: When) {
    for effect in effects {
        match effect {
            Effect::Delay { ms, when } if *when == moment => thread::sleep(Duration::from_millis(*ms)),
            _ => {}
        }
    }
}

/// The first effect that decides the answer at this moment.
fn terminal(effects: &[Effect], moment: When) -> Option<&Effect> {
    effects.iter().find(|effect| match effect {
        Effect::Drop { when } | Effect::Error { when, .. } => *when == moment,
        Effect::Delay { .. } | Effect::Cut | Effect::Garbage { .. } | Effect::Drip { .. } => false,
    })
}

/// The error an effect stands for, if it is one.
fn injected(effect: &Effect) -> Option<ApiError> {
    match effect {
        Effect::Error {
            status,
            code,
            message,
            retry_after,
            ..
        } => Some(ApiError {
            retry_after: *retry_after,
            ..ApiError::new(*status, code.as_str(), message.as_str())
        }),
        Effect::Delay { .. } | Effect::Drop { .. } | Effect::Cut | Effect::Garbage { .. } | Effect::Drip { .. } => None,
    }
}

/// What faults do to an answer on its way out.
fn deliver(response: Response, effects: &[Effect]) -> Reply {
    for effect in effects {
        match effect {
            Effect::Drop { when: When::After } => return Reply::Nothing,
            Effect::Cut => return Reply::Half(response),
            Effect::Drip { ms } => return Reply::Drip(response, Duration::from_millis(*ms)),
            Effect::Garbage { status, body } => {
                return Reply::Whole(Response {
                    status: *status,
                    body: body.clone().into_bytes(),
                    ..response
                });
            }
            Effect::Drop { when: When::Before } | Effect::Delay { .. } | Effect::Error { .. } => {}
        }
    }
    Reply::Whole(response)
}
