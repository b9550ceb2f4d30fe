//! Clients go while they wait: the others are served, and a touch that nobody waits for any more serves nobody.

use super::super::{export, status, touches, until, until_waiting, with_prod};
use super::{SOON, withhold};
use crate::bench::Bench;
use rustix::process::Signal;
use serde_json::json;
use std::time::Duration;

#[test]
fn one_that_is_killed_leaves_the_others_waiting() {
    let bench = with_prod();
    withhold(&bench);
    let before = touches(&bench);
    let first = export(&bench, "prod");
    until_waiting(&bench, 1);
    let others: Vec<_> = (0..3).map(|_| export(&bench, "prod")).collect();
    until_waiting(&bench, 4);
    bench.token().wait_for_touch(SOON).expect("a blink");
    first.signal(Signal::KILL);
    assert_eq!(first.wait().signal, Some(9));
    until_waiting(&bench, 3);
    bench.touch_by_itself();
    for run in others {
        assert_eq!(run.wait().success().json()["Version"], 1);
    }
    assert_eq!(touches(&bench) - before, 1);
    assert_eq!(bench.calls(), ["GetSessionToken"]);
}

#[test]
fn ctrl_c_at_a_terminal_ends_the_wait_of_one() {
    let bench = with_prod();
    withhold(&bench);
    let other = export(&bench, "prod");
    until_waiting(&bench, 1);
    let mut terminal = bench.tapvault(["exec", "prod", "--", "true"]).on_terminal();
    // Another session, but the same parent: it waits for the same touch.
    until_waiting(&bench, 2);
    bench.token().wait_for_touch(SOON).expect("a blink");
    terminal.type_(crate::bench::CTRL_C);
    let out = terminal.finish().releases_nothing();
    assert_eq!(out.signal, Some(Signal::INT.as_raw()), "{out}");
    until_waiting(&bench, 1);
    bench.touch_by_itself();
    other.wait().success();
}

/// Starts a request, has it wait for its touch, and ends it; the token blinks on.
fn given_up(bench: &Bench) {
    // Long enough for somebody to come meanwhile.
    bench
        .token()
        .set_touch_timeout(Duration::from_secs(6))
        .expect("patient");
    bench.withhold_touches();
    let run = export(bench, "prod");
    bench.token().wait_for_touch(SOON).expect("a blink");
    run.signal(Signal::INT);
    assert_eq!(run.wait().signal, Some(Signal::INT.as_raw()));
    until("nobody waits", || status(bench)["waiting"] == json!([]));
}

#[test]
fn the_next_request_is_told_that_the_token_still_blinks_and_gets_a_touch_of_its_own() {
    let bench = with_prod();
    let before = touches(&bench);
    given_up(&bench);
    let next = export(&bench, "prod");
    until_waiting(&bench, 1);
    until("the touch of before is missed", || {
        bench.token().counts().expect("counts").touches.missed == 1
    });
    bench.token().wait_for_touch(SOON).expect("the next one's blink");
    bench.token().touch().expect("touched");
    let out = next.wait().success();
    out.says("still blinks for a request that was given up");
    assert_eq!(touches(&bench) - before, 1);
    assert_eq!(
        bench.token().counts().expect("counts").touches.missed,
        1,
        "not armed again"
    );
}

#[test]
fn a_touch_for_a_request_that_was_given_up_serves_nobody() {
    let bench = with_prod();
    let before = touches(&bench);
    given_up(&bench);
    let next = export(&bench, "prod");
    until_waiting(&bench, 1);
    bench.token().touch().expect("touched too early");
    bench.token().wait_for_touch(SOON).expect("the next one's own blink");
    assert_eq!(status(&bench)["waiting"].as_array().map(Vec::len), Some(1));
    bench.token().touch().expect("touched");
    next.wait().success();
    assert_eq!(touches(&bench) - before, 2);
    assert_eq!(
        bench.calls(),
        ["GetSessionToken"],
        "nothing was fetched for who had gone"
    );
}
