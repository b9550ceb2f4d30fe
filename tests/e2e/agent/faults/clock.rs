//! A clock that is set, or a machine that slept, ends what is held.

use super::super::{agent_pid, status, until, with_prod};
use crate::bench::Bench;
use crate::faketime;
use serde_json::json;

/// A lease and a PIN, held by an agent whose clocks can be set; nobody else's are.
fn held_with_clocks(monotonic_too: bool) -> Bench {
    let bench = with_prod();
    faketime::set(&bench.hand(), 0);
    let mut run = bench
        .tapvault(["exec", "--lease=15m", "prod", "--", "true"])
        .env("LD_PRELOAD", faketime::library())
        .env("FAKETIME_TIMESTAMP_FILE", bench.hand().join("offset"))
        .env("FAKETIME_NO_CACHE", "1");
    if !monotonic_too {
        run = run.env("DONT_FAKE_MONOTONIC", "1");
    }
    run.run().success().touches(1);
    let held = status(&bench);
    assert_eq!(held["leases"].as_array().map(Vec::len), Some(1), "{held}");
    assert_eq!(held["pins"].as_array().map(Vec::len), Some(1), "{held}");
    bench
}

fn all_ends_at(offset: i32, monotonic_too: bool) {
    let bench = held_with_clocks(monotonic_too);
    let agent = agent_pid(&bench);
    faketime::set(&bench.hand(), offset);
    until("all has ended", || {
        let status = status(&bench);
        status["leases"] == json!([]) && status["pins"] == json!([])
    });
    assert_eq!(agent_pid(&bench), agent, "the agent itself goes on");
    faketime::set(&bench.hand(), 0);
    let out = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert_eq!(out.pinentry_asked(), 1, "{out}");
}

#[test]
fn a_wall_clock_set_forward() {
    all_ends_at(120, false);
}

/// Set back, the lease would last for longer than was said before the touch.
#[test]
fn a_wall_clock_set_back() {
    all_ends_at(-3600, false);
}

/// The clock that stands still while the machine sleeps falls behind the one that does not, which libfaketime leaves alone.
#[test]
fn a_machine_that_slept() {
    all_ends_at(-300, true);
}
