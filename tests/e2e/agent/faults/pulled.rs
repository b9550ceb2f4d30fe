//! The token is pulled out: whoever waits is told at once, and what was held for it is gone.

use super::super::{agent_pid, export, status, until, until_waiting, with_prod};
use super::{SOON, withhold};
use crate::bench::SERIAL;
use serde_json::json;

#[test]
fn while_its_touch_is_awaited_and_put_in_again() {
    let bench = with_prod();
    withhold(&bench);
    let runs: Vec<_> = (0..3).map(|_| export(&bench, "prod")).collect();
    until_waiting(&bench, 3);
    bench.token().wait_for_touch(SOON).expect("a blink");
    let agent = agent_pid(&bench);
    bench.pull_out(0);
    for run in runs {
        let out = run.wait().fails(5, "no-key").releases_nothing();
        out.says(&format!("YubiKey {SERIAL} was pulled out"));
    }
    bench.token().insert().expect("put in again");
    bench.touch_by_itself();
    let out = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert_eq!(out.pinentry_asked(), 1, "the PIN is typed again\n{out}");
    assert_eq!(agent_pid(&bench), agent, "the agent has gone on");
}

#[test]
fn its_leases_and_its_pin_end() {
    let bench = with_prod();
    let line = ["exec", "--lease", "15m", "prod", "--", "true"];
    bench.tapvault(line).run().success().touches(1);
    let held = status(&bench);
    assert_eq!(held["leases"].as_array().map(Vec::len), Some(1), "{held}");
    assert_eq!(held["pins"].as_array().map(Vec::len), Some(1), "{held}");
    bench.pull_out(0);
    until("all has ended", || {
        let status = status(&bench);
        status["leases"] == json!([]) && status["pins"] == json!([])
    });
    bench.token().insert().expect("put in again");
    let out = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert_eq!(out.pinentry_asked(), 1, "{out}");
}
