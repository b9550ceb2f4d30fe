//! How a request ends that nobody touches for, or that takes too long.

use super::joining::stranger;
use super::{export, touch, touches, until_waiting, with_codes, with_prod};
use std::time::Duration;

#[test]
fn a_touch_missed_twice_is_a_clear_error_for_all_who_joined() {
    let bench = with_prod();
    bench.withhold_touches();
    let runs: Vec<_> = (0..5).map(|_| export(&bench, "prod")).collect();
    for run in runs {
        let out = run.wait().fails(6, "no-touch").releases_nothing();
        assert!(
            out.said().contains("touch YubiKey") || out.said().contains("was not touched"),
            "{out}"
        );
        assert_eq!(out.stdout, "");
    }
    assert_eq!(
        bench.token().counts().expect("counts").touches.missed,
        2,
        "it blinked for all of them together"
    );
    assert_eq!(bench.calls(), Vec::<String>::new());
}

#[test]
fn no_caller_of_credential_process_waits_longer_than_45_s() {
    let bench = with_prod();
    bench.withhold_touches();
    bench
        .token()
        .set_touch_timeout(Duration::from_secs(20))
        .expect("more patient than a real one");
    let first = stranger(&bench);
    until_waiting(&bench, 1);
    let second = stranger(&bench);
    first.wait().fails(6, "no-touch");
    let second = second.wait();
    assert!(second.took < Duration::from_secs(48), "{second}");
    second.fails(6, "no-touch").says("within 45 s").releases_nothing();
}

#[test]
fn a_missed_code_ends_all_and_the_next_one_begins_anew() {
    let bench = with_codes();
    bench.withhold_touches();
    let runs: Vec<_> = (0..3).map(|_| export(&bench, "prod")).collect();
    until_waiting(&bench, 3);
    touch(&bench);
    for run in runs {
        run.wait().fails(6, "no-touch");
    }
    bench.touch_by_itself();
    let before = touches(&bench);
    export(&bench, "prod").wait().success();
    assert_eq!(touches(&bench) - before, 2);
    assert_eq!(bench.calls(), ["GetSessionToken"], "no code went out before");
}
