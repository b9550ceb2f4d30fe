//! PINs through the agent: a wrong one costs one try whoever waits, and one that is held is never what blocks a token.

use super::super::{export, status, until_waiting, with_prod};
use super::withhold;
use crate::bench::{Bench, PIN, SERIAL};
use serde_json::json;

const EXEC: [&str; 4] = ["exec", "prod", "--", "true"];
const NEW: &str = "24681357";

/// Has the agent hold the PIN, and nothing else.
fn with_a_held_pin() -> Bench {
    let bench = with_prod();
    bench.tapvault(EXEC).run().success().touches(1);
    assert_eq!(status(&bench)["pins"].as_array().map(Vec::len), Some(1));
    bench.tapvault(["clear"]).run().success();
    bench.forget_runs();
    bench
}

/// The person's last question was this one.
#[track_caller]
fn asked_with(bench: &Bench, tries: &str) {
    let asked = bench.pinentry_asked();
    let last = asked.last().map(String::as_str).unwrap_or_default();
    assert_eq!(last, format!("PIN of YubiKey {SERIAL} ({tries})"));
}

#[test]
fn a_wrong_one_costs_one_try_however_many_wait() {
    let bench = with_prod();
    withhold(&bench);
    bench.pinentry_answers(&["00000000"]);
    // One that holds the card, so that all are there before the PIN is.
    let mut other = bench.card(0);
    other.begin();
    let runs: Vec<_> = (0..4).map(|_| export(&bench, "prod")).collect();
    until_waiting(&bench, 4);
    other.end();
    let before = bench.token().counts().expect("counts").attempts.pin;
    for run in runs {
        let out = run.wait().fails(7, "pin").releases_nothing();
        out.says("2 tries left (nothing was retried)");
    }
    let after = bench.token().counts().expect("counts").attempts.pin;
    assert_eq!(after.refused - before.refused, 1);
    assert_eq!(status(&bench)["pins"], json!([]), "a wrong PIN is not held");
    asked_with(&bench, "3 tries left");
    bench.touch_by_itself();
    bench.tapvault(EXEC).run().success().pins(1, 0);
    asked_with(&bench, "2 tries left");
}

#[test]
fn a_held_one_that_is_refused_is_dropped() {
    let bench = with_a_held_pin();
    bench.ykman(&["piv", "access", "change-pin", "--pin", PIN, "--new-pin", NEW]);
    bench.secret("the new PIN", NEW);
    bench.pinentry_knows(&SERIAL.to_string(), NEW);
    let out = bench.tapvault(EXEC).run().fails(7, "pin").pins(0, 1).touches(0);
    assert_eq!(out.pinentry_asked(), 0, "{out}");
    out.says("2 tries left");
    assert_eq!(status(&bench)["pins"], json!([]));
    bench.tapvault(EXEC).run().success().pins(1, 0).touches(1);
    asked_with(&bench, "2 tries left");
    assert_eq!(status(&bench)["pins"].as_array().map(Vec::len), Some(1), "held anew");
}

#[test]
fn a_held_one_is_not_sent_as_the_last_try() {
    let bench = with_a_held_pin();
    let mut card = bench.card(0);
    card.select_piv();
    card.verify("00000000");
    card.verify("00000000");
    drop(card);
    let out = bench.tapvault(EXEC).run().fails(7, "pin").pins(0, 0).touches(0);
    out.says("1 PIN try left; the PIN was not sent again by itself");
    assert_eq!(status(&bench)["pins"], json!([]));
    bench.tapvault(EXEC).run().success().pins(1, 0).touches(1);
    asked_with(&bench, "1 try left");
}
