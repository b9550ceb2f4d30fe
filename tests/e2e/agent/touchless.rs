//! A vault that no token opens: there is no touch to share, so it does without an agent until a lease is wanted.

use super::faults::agents;
use super::{agent_pid, kill_agent, status, until};
use crate::bench::{ANA, Bench};
use rustix::process::Signal;
use serde_json::json;

const WORDS: &str = "vermilion otter seventeen";

fn with_a_passphrase() -> Bench {
    let bench = Bench::setup().no_token().agent().start();
    bench.secret("passphrase", WORDS);
    bench.pinentry_answers(&[WORDS, WORDS]);
    bench.tapvault(["key", "enroll", "passphrase"]).run().success();
    bench.pinentry_knows("passphrase", WORDS);
    bench.add_stdin("prod", ANA).run().success();
    bench.forget_runs();
    bench
}

fn exec<'b>(bench: &'b Bench, more: &[&'b str]) -> crate::bench::Output {
    let line = [&["--debug", "exec"], more, &["prod", "--", "true"]].concat();
    bench.tapvault(line).run().success()
}

#[test]
fn no_agent_is_started_for_it_and_status_and_lock_say_so() {
    let bench = with_a_passphrase();
    let out = exec(&bench, &[]).says("without the agent: no token is enrolled");
    assert_eq!(out.pinentry_asked(), 1);
    assert!(agents(&bench).is_empty());
    assert_eq!(status(&bench)["agent"], json!(null));
    let out = bench.tapvault(["status"]).run().success();
    assert!(out.stdout.contains("agent       none runs"), "{out}");
    let out = bench.tapvault(["lock"]).run().success();
    assert_eq!(out.stdout, "ended 0 leases, dropped 0 PINs\n");
}

#[test]
fn a_lease_is_held_for_it_but_never_the_passphrase() {
    let bench = with_a_passphrase();
    let out = exec(&bench, &["--lease=15m"]).does_not_say("without the agent");
    assert_eq!(out.pinentry_asked(), 1, "{out}");
    let held = status(&bench);
    assert_eq!(held["leases"][0]["profile"], "prod", "{held}");
    assert_eq!(held["pins"], json!([]));
    assert_eq!(exec(&bench, &[]).pinentry_asked(), 0, "it is leased");
    // Passed over, the passphrase is typed again: by the client, since the agent has no part in it.
    let out = exec(&bench, &["--refresh"]).says("without the agent: no token is enrolled");
    assert_eq!(out.pinentry_asked(), 1, "{out}");
    let out = bench.tapvault(["lock"]).run().success();
    assert_eq!(out.stdout, "ended 1 lease, dropped 0 PINs\n");
    assert_eq!(exec(&bench, &[]).pinentry_asked(), 1);
    let again = exec(&bench, &["--lease=15m"]);
    assert_eq!(again.pinentry_asked(), 1, "{again}");
    kill_agent(&bench);
    assert_eq!(exec(&bench, &[]).pinentry_asked(), 1, "it has ended with its agent");
}

#[test]
fn an_agent_that_runs_for_it_holds_nothing() {
    let bench = with_a_passphrase();
    let agent = bench.tapvault(["agent"]).start();
    until("it serves", || agent_pid(&bench).is_some());
    let out = exec(&bench, &[]).says("without the agent: no token is enrolled");
    assert_eq!(out.pinentry_asked(), 1);
    let held = status(&bench);
    assert_eq!(
        (&held["leases"], &held["waiting"], &held["pins"]),
        (&json!([]), &json!([]), &json!([]))
    );
    let out = bench.tapvault(["lock"]).run().success();
    assert_eq!(out.stdout, "ended 0 leases, dropped 0 PINs\n");
    agent.signal(Signal::TERM);
    agent.wait().success();
}
