//! Broken off while the token is at work: a key made and not yet enrolled, signals during writes and during a touch.

use super::content::content;
use super::scene::Scene;
use super::steps::{enroll_token, lines, touch_at_once};
use super::{quick, two_keys_and_prod};
use crate::bench::{ANA, Bench};
use rustix::process::Signal;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

/// GET METADATA (Yubico's extension of PIV) of a retired slot; the public key is in it.
fn slot_key(bench: &Bench, slot: u8) -> Vec<u8> {
    let mut card = bench.card(0);
    card.select_piv();
    let reply = card.transmit(&[0, 0xf7, 0, slot, 0]);
    assert_eq!(reply.sw, 0x9000, "slot {slot:02x} has a key");
    reply.data
}

#[test]
fn an_enrolment_killed_before_its_certificate_goes_on_with_the_key_that_was_made() {
    killed_at_touch(1);
}

#[test]
fn an_enrolment_killed_between_certificate_and_list_goes_on_with_the_key_that_was_made() {
    killed_at_touch(2);
}

/// The first touch signs the certificate, the second the key list.
fn killed_at_touch(number: usize) {
    let bench = quick();
    bench.withhold_touches();
    let line = ["key", "enroll", "piv", "--pin-policy", "never"];
    let mut enrolling = bench.tapvault(line).on_terminal();
    for touch in 1..=number {
        enrolling.expect(&format!("touch {touch} of 2"));
        bench.token().wait_for_touch(SOON).expect("it blinks");
        if touch < number {
            bench.token().touch().expect("the token listens");
        }
    }
    enrolling.signal(Signal::KILL);
    enrolling.finish();
    touch_at_once(&bench);
    assert!(!bench.vault().join("keys.json").exists());
    // The service resets the card that the killed one held; until then it has no protocol for the bench's own client.
    std::thread::sleep(Duration::from_secs(1));
    let made = slot_key(&bench, 0x82);

    // Nobody writes over it, asked or unasked.
    bench
        .tapvault(["key", "enroll", "piv", "--slot", "1"])
        .run()
        .fails(12, "conflict")
        .says("82");
    assert_eq!(slot_key(&bench, 0x82), made);
    bench
        .tapvault(["key", "enroll", "piv", "--existing", "1"])
        .run()
        .success()
        .says("enrolled");
    assert_eq!(slot_key(&bench, 0x82), made);
    bench.add("prod", ANA);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    // The next key takes the next slot.
    enroll_token(&bench, "next").says("slot 83 (retired 2) is free");
    assert_eq!(slot_key(&bench, 0x82), made);
}

#[test]
fn an_enrolment_whose_touch_is_missed_names_the_command_that_goes_on() {
    let bench = quick();
    for number in 1..=2 {
        bench.withhold_touches();
        let mut enrolling = bench
            .tapvault(["key", "enroll", "piv", "--pin-policy", "never"])
            .on_terminal();
        if number == 2 {
            enrolling.expect("touch 1 of ");
            bench.token().wait_for_touch(SOON).expect("it blinks");
            bench.token().touch().expect("the token listens");
        }
        let output = enrolling.finish().fails(6, "no-touch");
        touch_at_once(&bench);
        let said = output.said();
        let (_, command) = said
            .split_once("tapvault key enroll piv ")
            .expect("a command to go on with");
        let words = command.lines().next().expect("a line").replace('`', "");
        let words = words.split(" takes").next().expect("a command").split_whitespace();
        let name = format!("key-{number}");
        let line = ["key", "enroll", "piv"]
            .into_iter()
            .chain(words)
            .chain(["--name", &name]);
        bench.tapvault(line).run().success();
    }
    assert_eq!(content(&bench).keys.len(), 2);
}

#[test]
fn a_signal_at_any_write_leaves_the_old_or_the_new_state() {
    let bench = two_keys_and_prod();
    Scene::new(bench, &["add", "dev", "--stdin", "--offline"], &[12])
        .stdin(&lines(ANA))
        .becomes(|content| {
            content.entries.insert("dev".into(), ANA.1.into());
        })
        .signal_everywhere(&["SIGINT", "SIGTERM", "SIGHUP"]);
}

#[test]
fn a_signal_during_a_touch_ends_the_command_at_once_and_the_next_one_waits_for_the_token() {
    let bench = two_keys_and_prod();
    bench
        .token()
        .set_touch_timeout(Duration::from_secs(4))
        .expect("the token listens");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        bench.withhold_touches();
        let before = bench.snapshot();
        let mut first = bench.tapvault(["exec", "prod", "-n", "--", "env"]).on_terminal();
        first.expect("touch YubiKey");
        bench.token().wait_for_touch(SOON).expect("it blinks");
        let sent = Instant::now();
        first.signal(signal);
        let first = first.finish().releases_nothing();
        assert_eq!(first.signal, Some(signal.as_raw()), "{first}");
        assert!(sent.elapsed() < Duration::from_secs(2), "{first}");
        assert_eq!(bench.snapshot(), before);

        // The token still blinks for the command that is gone; the next one says that it waits, and then what its own
        // blink is for.
        let mut second = bench.tapvault(["exec", "prod", "-n", "--", "true"]).on_terminal();
        second.expect("waiting: ");
        second.expect("touch YubiKey");
        bench.token().wait_for_touch(SOON).expect("it blinks");
        bench.token().touch().expect("the token listens");
        let second = second.finish().success();
        assert_eq!(second.touch_counts().given, 1, "{second}");
    }
}

#[test]
fn ctrl_c_during_a_touch_of_a_change_of_keys_leaves_it_to_be_resumed() {
    let bench = two_keys_and_prod();
    let before = content(&bench);
    bench.withhold_touches();
    let mut removing = bench.tapvault(["key", "remove", "paper"]).on_terminal();
    removing.expect("touch 1 of 2");
    bench.token().wait_for_touch(SOON).expect("it blinks");
    bench.token().touch().expect("the token listens");
    removing.expect("touch 2 of 2");
    bench.token().wait_for_touch(SOON).expect("it blinks");
    // Ctrl-C, as the keyboard sends it.
    removing.type_("\x03");
    let removing = removing.finish();
    assert_eq!(removing.signal, Some(Signal::INT.as_raw()), "{removing}");
    touch_at_once(&bench);
    assert_eq!(content(&bench), before);
    bench
        .tapvault(["key", "remove", "paper"])
        .run()
        .fails(12, "conflict")
        .says("\"remove paper\" was interrupted")
        .says("tapvault key resume finishes it");
    bench.tapvault(["key", "resume"]).run().success();
    let keys = bench.tapvault(["key", "list", "--json"]).run().success().json();
    assert_eq!(keys.as_array().map(Vec::len), Some(1));
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
}
