//! Every call of a rotation, struck in every way.

use super::LINE;
use super::state::{Case, Stage};
use crate::bench::run::Output;
use rustix::process::Signal;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tapvault_lab::aws_standin::{Fault, When};

/// So long tapvault waits for an answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// So long a slow answer takes.
const TOO_LONG: Duration = Duration::from_millis(10_500);

/// A way to strike a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Each error that AWS documents for the call, and the common ones; until it is cleared.
    Refused,
    /// Throttled once, and until it is cleared.
    Throttled,
    /// The connection breaks, or the answer is cut or no answer at all; once and until it is cleared.
    Broken,
    /// A server's error, before or after the effect.
    Failing,
    /// The answer takes longer than anybody waits; before or after the effect.
    Slow(When),
    /// kill -9 while the answer is awaited, before or after the effect.
    Killed,
}

impl Manner {
    /// What is done side by side.
    pub const GROUPS: [&[Manner]; 5] = [
        &[Manner::Refused, Manner::Throttled],
        &[Manner::Broken, Manner::Failing],
        &[Manner::Slow(When::Before)],
        &[Manner::Slow(When::After)],
        &[Manner::Killed],
    ];
}

/// One call of a rotation: its action, and the how-manieth of that it is.
struct Call {
    action: String,
    nth: u64,
}

/// Strikes each call of a rotation in these ways.
pub fn strike_every_call(stage: &Stage, manners: &[Manner]) -> Vec<Option<Case>> {
    stage.reset();
    stage.bench.tapvault(LINE).run().success();
    let mut calls: Vec<Call> = Vec::new();
    for action in stage.bench.calls() {
        let nth = 1 + calls.iter().filter(|call| call.action == action).count() as u64;
        calls.push(Call { action, nth });
    }
    let mut cases = Vec::new();
    for (order, call) in calls.iter().enumerate() {
        for manner in manners {
            for (how, fault) in faults(call, *manner) {
                stage.reset();
                let output = match fault {
                    Strike::By(fault) => {
                        stage.bench.aws().fault(fault);
                        let output = stage.bench.tapvault(LINE).run();
                        if let Manner::Slow(_) = manner {
                            // The call takes effect when nobody waits for it any more.
                            sleep(TOO_LONG - ANSWER_PATIENCE + Duration::from_millis(200));
                        }
                        output
                    }
                    Strike::Kill(when) => killed(stage, call, when),
                };
                let point = match call.nth {
                    1 => call.action.clone(),
                    nth => format!("{} ({nth})", call.action),
                };
                cases.push(stage.case((order, point), how, &output));
            }
        }
    }
    cases
}

enum Strike {
    By(Fault),
    Kill(When),
}

fn faults(call: &Call, manner: Manner) -> Vec<(String, Strike)> {
    let on = || Fault::on(&call.action).nth(call.nth);
    let by = |how: &str, fault: Fault| (how.to_owned(), Strike::By(fault));
    match manner {
        Manner::Refused => errors(call)
            .into_iter()
            .map(|(status, code)| by(code, on().every().error(status, code, "as you wished")))
            .collect(),
        Manner::Throttled => vec![
            by("throttled once", on().throttle(0)),
            by("throttled", on().every().throttle(0)),
        ],
        Manner::Broken => vec![
            by("dropped once before effect", on().drop_connection(When::Before)),
            by("dropped once after effect", on().drop_connection(When::After)),
            by("dropped before effect", on().every().drop_connection(When::Before)),
            by("dropped after effect", on().every().drop_connection(When::After)),
            by("cut once", on().cut()),
            by("cut", on().every().cut()),
            by(
                "another answer",
                on().every().garbage("<html>Sign in to the network</html>"),
            ),
        ],
        Manner::Failing => vec![
            by("500 once before effect", on().error(500, "InternalFailure", "")),
            by(
                "500 once after effect",
                on().error_after_effect(500, "ServiceFailure", ""),
            ),
            by(
                "500 after effect",
                on().every().error_after_effect(500, "ServiceFailure", ""),
            ),
            by("503", on().every().error(503, "ServiceUnavailable", "")),
        ],
        Manner::Slow(when) => {
            let how = match when {
                When::Before => "no answer in time, before effect",
                When::After => "no answer in time, after effect",
            };
            vec![by(how, on().delay(TOO_LONG.as_millis() as u64, when))]
        }
        Manner::Killed => vec![
            ("kill -9 before effect".into(), Strike::Kill(When::Before)),
            ("kill -9 before the answer".into(), Strike::Kill(When::After)),
        ],
    }
}

/// The errors that the call can give: its own (IAM API reference, "Errors" of each action), and common ones.
fn errors(call: &Call) -> Vec<(u16, &'static str)> {
    let own: &[(u16, &str)] = match call.action.as_str() {
        "GetCallerIdentity" => &[],
        "ListAccessKeys" => &[(404, "NoSuchEntity"), (500, "ServiceFailure")],
        "CreateAccessKey" => &[(409, "LimitExceeded"), (404, "NoSuchEntity"), (500, "ServiceFailure")],
        "UpdateAccessKey" => &[
            (400, "InvalidInput"),
            (409, "LimitExceeded"),
            (404, "NoSuchEntity"),
            (500, "ServiceFailure"),
        ],
        "DeleteAccessKey" => &[(409, "LimitExceeded"), (404, "NoSuchEntity"), (500, "ServiceFailure")],
        other => panic!("which errors can {other} give?"),
    };
    let common = [
        (403, "AccessDenied"),
        (400, "RequestExpired"),
        (403, "SignatureDoesNotMatch"),
    ];
    own.iter().copied().chain(common).collect()
}

/// kill -9 while the answer is awaited.
fn killed(stage: &Stage, call: &Call, when: When) -> Output {
    let aws = stage.bench.aws();
    let (before, logged) = (aws.arrived(&call.action), aws.calls_of(&call.action).len() as u64);
    aws.fault(Fault::on(&call.action).nth(call.nth).delay(1_500, when));
    let running = stage.bench.tapvault(LINE).start();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let reached = match when {
            When::Before => aws.arrived(&call.action) - before,
            When::After => aws.calls_of(&call.action).len() as u64 - logged,
        };
        if reached >= call.nth {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{} {} was not come by",
            call.action,
            call.nth
        );
        sleep(Duration::from_millis(2));
    }
    running.signal(Signal::KILL);
    let output = running.wait();
    // What waits at the stand-in takes effect, or finds nobody.
    sleep(Duration::from_millis(1_600));
    output
}
