//! Tokens that are pulled out, and what is not taken for it.

use crate::{
    bench::{BLINKS, Bench, PIN, started},
    probe_process::{self, Probe},
};
use std::{thread, time::Duration};

const FIRST_READER: &str = "Yubico YubiKey OTP+FIDO+CCID 00 00";
const SECOND_READER: &str = "Yubico YubiKey OTP+FIDO+CCID 00 01";

/// Longer than the service takes to see that a card has gone.
const SETTLED: Duration = Duration::from_millis(1500);
/// Longer than a service that is not there is left alone.
const FOUND_AGAIN: Duration = Duration::from_millis(4500);

/// A watch that has seen what is there.
fn watching(bench: &Bench) -> Probe {
    let probe = Probe::start(
        bench
            .command(probe_process::path().to_str().expect("UTF-8"))
            .arg("watch"),
    );
    assert_eq!(probe.next(), "watching");
    assert_eq!(probe.within(SETTLED), None);
    probe
}

/// Sees the removal of a token from a service that has come back. On a busy machine the first one may come before the watch has
/// seen what is there.
fn sees_again(probe: &Probe, bench: &Bench, token: usize, reader: &str) {
    for _ in 0..3 {
        assert_eq!(probe.within(FOUND_AGAIN), None);
        bench.tell(token, "remove");
        if let Some(told) = probe.within(FOUND_AGAIN) {
            return assert_eq!(told, gone(&[reader]));
        }
        bench.tell(token, "insert");
    }
    panic!("it never sees {reader}");
}

fn gone(readers: &[&str]) -> String {
    format!("ended: TokensGone({readers:?})")
}

#[test]
fn a_token_that_is_pulled_out_is_told_by_its_readers_name_each_time() {
    let bench = Bench::new(&["5.7.1", "5.4.3"]);
    let probe = watching(&bench);
    for (token, reader) in [(1, SECOND_READER), (0, FIRST_READER), (1, SECOND_READER)] {
        bench.tell(token, "remove");
        assert_eq!(probe.next(), gone(&[reader]));
        bench.tell(token, "insert");
        assert_eq!(probe.within(SETTLED), None, "an insertion ends nothing");
    }
}

#[test]
fn a_token_that_is_out_for_a_moment_has_been_out() {
    let bench = Bench::new(&["5.7.1"]);
    let probe = watching(&bench);
    bench.tell(0, "remove");
    bench.tell(0, "insert");
    assert_eq!(probe.next(), gone(&[FIRST_READER]));
    assert_eq!(probe.within(SETTLED), None, "once");
}

#[test]
fn a_token_that_is_pulled_out_while_it_blinks_is_told_too() {
    let bench = Bench::new(&["5.7.1"]);
    let key = bench.enrolled(&[]);
    let probe = watching(&bench);
    let mut opening = bench.probe_command(&["open", "82", &key, PIN]);
    let opening = started(&mut opening, "key");
    bench.tell(0, "wait 5000");
    bench.tell(0, "remove");
    assert_eq!(probe.next(), gone(&[FIRST_READER]));
    let (_, worked) = opening.finish();
    assert!(!worked);
}

#[test]
fn what_other_programs_do_is_no_removal() {
    let bench = Bench::new(&["5.7.1"]);
    let key = bench.enrolled(&[]);
    let probe = watching(&bench);
    let quiet = |what: &str| assert_eq!(probe.within(SETTLED), None, "{what}");
    for how in ["shared", "exclusive", "transaction", "reset", "unpower"] {
        let (said, worked) = bench.probe_started(&["hold", how, "300"], "held").finish();
        assert!(worked, "{how}: {said}");
        quiet(how);
        bench.probe_started(&["hold", how, "30000"], "held").kill();
        quiet(&format!("{how}, killed"));
    }
    bench.ykman(&["info"]);
    quiet("ykman");
    // Killed while the token blinks for it.
    let mut opening = bench.probe_command(&["open", "82", &key, PIN]);
    let opening = started(&mut opening, "key");
    bench.tell(0, "wait 5000");
    opening.kill();
    thread::sleep(Duration::from_millis(BLINKS));
    quiet("killed while it blinks");
    bench.touch_always();
    assert!(bench.probe(&["open", "82", &key, PIN]).contains("ecdh: equal"));
    quiet("an opening");
    bench.tell(0, "remove");
    assert_eq!(probe.next(), gone(&[FIRST_READER]), "after all this it still looks");
}

#[test]
fn a_service_that_ends_takes_all_tokens_with_it_and_is_found_when_it_is_back() {
    let mut bench = Bench::new(&["5.7.1", "5.4.3"]);
    let probe = watching(&bench);
    bench.kill_service();
    // In one line, or in two if it has time to say that the tokens have gone before it goes itself. Then its end is an
    // error with nothing inserted, and must not be taken for a refusal.
    let mut told = probe.next();
    if let Some(more) = probe.within(SETTLED) {
        told.push_str(&more);
    }
    assert!(told.contains(FIRST_READER) && told.contains(SECOND_READER), "{told}");
    let before = probe.cpu_time();
    assert_eq!(probe.within(Duration::from_secs(3)), None);
    let spent = probe.cpu_time() - before;
    assert!(
        spent < Duration::from_millis(150),
        "{spent:?} of work while nothing is there"
    );
    bench.start_service();
    sees_again(&probe, &bench, 1, SECOND_READER);
}

#[test]
fn a_service_that_was_never_there_is_found_when_it_comes() {
    let mut bench = Bench::new(&["5.7.1"]);
    bench.kill_service();
    let probe = watching(&bench);
    bench.start_service();
    sees_again(&probe, &bench, 0, FIRST_READER);
}
