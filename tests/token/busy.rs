//! Other programs: who holds the token, who waits, and no service at all.

use crate::bench::{Bench, FIRST, PIN};
use std::{
    process::Command,
    time::{Duration, Instant},
};

#[test]
fn a_token_held_exclusively_is_busy_untouched_and_free_again() {
    let bench = Bench::new(&["5.7.1"]);
    let key = bench.enrolled(&[]);
    bench.touch_always();
    let holder = bench.probe_started(&["hold", "exclusive", "30000"], "held");
    let mark = bench.mark(0);
    let listed = bench.probe(&["list"]);
    assert!(
        listed.contains("Exclusive") && listed.contains("busy: Yubico"),
        "{listed}"
    );
    let said = bench.probe_fails(&["open", "82", &key, PIN]);
    assert!(said.contains("busy: Yubico"), "{said}");
    assert!(bench.since(0, mark).is_empty(), "nothing was sent");
    holder.kill();
    assert!(bench.probe(&["open", "82", &key, PIN]).contains("ecdh: equal"));
}

#[test]
fn waiting_for_another_programs_touch_ends_at_the_deadline() {
    let bench = Bench::new(&["5.7.1"]);
    let key = bench.enrolled(&[]);
    let holder = bench.probe_started(&["hold", "transaction", "6000"], "held");
    let begun = Instant::now();
    let said = bench.probe_fails(&["open", "82", &key, PIN]);
    assert!(said.contains("busy: Yubico"), "{said}");
    let waited = begun.elapsed();
    assert!(
        (Duration::from_secs(2)..Duration::from_millis(3500)).contains(&waited),
        "{waited:?}"
    );
    // The connection that was given up comes through, later and unseen, and harms nobody.
    let (_, worked) = holder.finish();
    assert!(worked);
    bench.touch_always();
    assert!(bench.probe(&["open", "82", &key, PIN]).contains("ecdh: equal"));
}

#[test]
fn a_transaction_waits_no_longer_than_it_is_told_either() {
    let bench = Bench::new(&["5.7.1"]);
    let key = bench.enrolled(&[]);
    let mut command = bench.probe_command(&["open", "82", &key, PIN]);
    command.env("PROBE_TYPING_MS", "1000");
    let opening = crate::bench::started(&mut command, "typing");
    let holder = bench.probe_started(&["hold", "transaction", "6000"], "held");
    let begun = Instant::now();
    let (said, worked) = opening.finish();
    assert!(!worked && said.contains("Busy"), "{said}");
    assert!(begun.elapsed() < Duration::from_millis(4500), "{:?}", begun.elapsed());
    holder.kill();
}

#[test]
fn a_shared_connection_of_another_program_is_no_hindrance() {
    let bench = Bench::new(&["5.4.3"]);
    let key = bench.enrolled(&[]);
    bench.touch_always();
    let other = bench.probe_started(&["hold", "shared", "30000"], "held");
    assert!(bench.probe(&["list"]).contains("Shared"));
    assert!(bench.probe(&["open", "82", &key, PIN]).contains("ecdh: equal"));
    other.kill();
}

#[test]
fn nothing_plugged_in_is_no_token() {
    let bench = Bench::new(&["5.7.1"]);
    let key = bench.enrolled(&[]);
    bench.tell(0, "remove");
    let listed = bench.probe(&["list"]);
    assert!(!listed.contains("token:") && listed.contains("Empty"), "{listed}");
    assert!(bench.probe_fails(&["open", "82", &key, PIN]).contains("NoToken"));
    assert!(bench.probe_fails(&["pin", FIRST]).contains("NoToken"));
}

#[test]
fn no_service_is_said_as_such() {
    let bench = Bench::new(&["5.7.1"]);
    let mut command: Command = bench.probe_command(&["list"]);
    let output = command
        .env("PCSCLITE_CSOCK_NAME", "/nonexistent/pcscd.comm")
        .output()
        .expect("the probe runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("NoReaderService") && said.contains("NotRunning"),
        "{said}"
    );
}
