//! FIDO2 tokens through the agent: joined, leased and with a held PIN as the others.

use super::{FIDO2_PIN, KEY, know_outputs};
use crate::bench::{ANA, Bench};
use std::time::{Duration, Instant};
use tapvault_lab::fido_key::rig::KeySpec;

/// An enrolled FIDO2 token, Ana's key as `prod`, and requests that go through an agent.
fn bench_with_prod() -> Bench {
    let bench = Bench::setup().no_token().agent().fido2(&[KeySpec::new(KEY)]).start();
    bench.set_fido2_pin(0, FIDO2_PIN);
    bench.tapvault(["key", "enroll", "fido2"]).run().success();
    know_outputs(&bench, FIDO2_PIN);
    bench.add("prod", ANA).success();
    bench
}

#[test]
fn ten_at_once_share_one_touch_and_the_pin_is_typed_once() {
    let bench = bench_with_prod();
    let before = bench.fido2(0).counts().expect("counts");
    bench.withhold_touches();
    let runs: Vec<_> = (0..10)
        .map(|_| {
            bench
                .tapvault(["export", "--format=json", "prod"])
                .prints_secrets()
                .start()
        })
        .collect();
    let start = Instant::now();
    loop {
        let status = bench.tapvault(["status", "--json"]).run().success().json();
        if status["waiting"].as_array().map(Vec::len) == Some(10) {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{status}");
    }
    bench.touch_by_itself();
    for run in runs {
        assert_eq!(run.wait().success().json()["Version"], 1);
    }
    let after = bench.fido2(0).counts().expect("counts");
    assert_eq!(after.touches.given - before.touches.given, 1);
    let again = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert_eq!(again.pinentry_asked(), 0, "the PIN is held\n{again}");
}

#[test]
fn a_lease_takes_no_touch_and_lock_ends_it() {
    let bench = bench_with_prod();
    let first = bench.tapvault(["exec", "--lease", "15m", "prod", "--", "true"]).run();
    first.success().touches(1).says("leased for 15 min");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(0);
    bench.tapvault(["lock"]).run().success();
    let out = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert_eq!(out.pinentry_asked(), 1, "{out}");
}

#[test]
fn a_token_that_is_pulled_out_ends_the_lease_and_the_pin() {
    let bench = bench_with_prod();
    let leasing = ["exec", "--lease", "15m", "prod", "--", "true"];
    bench.tapvault(leasing).run().success().touches(1);
    bench.fido2(0).remove().expect("pulled out");
    let start = Instant::now();
    loop {
        let status = bench.tapvault(["status", "--json"]).run().success().json();
        if status["leases"].as_array().is_some_and(Vec::is_empty) {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{status}");
    }
    bench.fido2(0).insert().expect("plugged in");
    let out = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert_eq!(out.pinentry_asked(), 1, "{out}");
}
