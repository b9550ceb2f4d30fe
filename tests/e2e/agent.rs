//! The agent: one touch for many callers, leases, and what happens to those who wait when something goes wrong.

mod ending;
mod faults;
mod guests;
mod joining;
mod leases;
mod shown;
mod surroundings;
mod touchless;

use crate::bench::run::Running;
use crate::bench::{ANA, Bench};
use crate::codes::{ANA_MFA, Touch, put, with_mfa_on};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long anything may take that nobody has to wait for.
const SOON: Duration = Duration::from_secs(20);

/// An enrolled token, Ana's key as `prod`, and no session sealed.
fn with_prod() -> Bench {
    let bench = Bench::setup().agent().start();
    bench.enroll();
    bench.add("prod", ANA).success();
    quiet(&bench);
    bench
}

/// `prod` with an MFA device, whose codes come from the token.
fn with_codes() -> Bench {
    let bench = with_mfa_on(Bench::setup().agent().start());
    put(&bench, ANA_MFA, Touch::Required);
    quiet(&bench);
    bench
}

fn quiet(bench: &Bench) {
    bench.forget_runs();
    bench.aws().clear_calls();
}

/// The touches that the token has had since `before`.
fn touches(bench: &Bench) -> u64 {
    u64::from(bench.token().counts().expect("counts").touches.given)
}

/// Touches the token once it blinks: the line comes before that, and a touch that comes too early is lost.
fn touch(bench: &Bench) {
    bench.token().wait_for_touch(SOON).expect("it blinks");
    bench.token().touch().expect("the token listens");
}

/// What `status --json` says.
fn status(bench: &Bench) -> Value {
    bench.tapvault(["status", "--json"]).run().success().json()
}

/// The agent's process.
fn agent_pid(bench: &Bench) -> Option<Pid> {
    let pid = status(bench)["agent"]["pid"].as_i64()?;
    Pid::from_raw(i32::try_from(pid).expect("a pid"))
}

/// Ends the agent as the kernel would.
fn kill_agent(bench: &Bench) {
    let pid = agent_pid(bench).expect("an agent");
    kill_process(pid, Signal::KILL).expect("killed");
    until("it is gone", || {
        !std::path::Path::new(&format!("/proc/{}", pid.as_raw_nonzero()))
            .join("exe")
            .exists()
    });
}

/// Waits for something that comes by itself.
fn until(what: &str, is_so: impl FnMut() -> bool) {
    until_within(SOON, what, is_so);
}

fn until_within(limit: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < limit, "{what}: not within {} s", limit.as_secs());
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Waits until so many requests are under way. Starting many debug builds takes a while of its own.
fn until_waiting(bench: &Bench, number: usize) {
    let limit = SOON + Duration::from_millis(100 * number as u64);
    until_within(limit, &format!("{number} wait"), || {
        status(bench)["waiting"]
            .as_array()
            .is_some_and(|waiting| waiting.len() == number)
    });
}

/// `export --format json` of a profile, started.
fn export<'b>(bench: &'b Bench, profile: &str) -> Running<'b> {
    bench
        .tapvault(["export", "--format=json", profile])
        .prints_secrets()
        .start()
}
