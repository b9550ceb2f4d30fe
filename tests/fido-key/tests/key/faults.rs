//! Faults strike as ordered. What they do to the crate is written down here, for it says what tapvault has to guard against.

use std::time::Duration;

use tapvault_lab::fido_key::{
    fault::{Command, Effect, Fault},
    protocol::{Extension, PinProtocols},
};

use crate::bench::{Bench, PIN, RP, SALT};

#[test]
fn errors_of_both_kinds_are_given_in_the_firmwares_place() {
    let bench = Bench::start();
    let credential = bench.credential();
    let before = bench.key().counts().expect("counts").touches;
    for (effect, words) in [
        (Effect::Error(0x32), "0x32"),
        (Effect::Error(0x27), "0x27"),
        (Effect::HidError(6), ""),
    ] {
        bench
            .key()
            .fault(Fault::new(effect).on(Command::GetAssertion))
            .expect("ordered");
        bench.secret(&credential, SALT).fails_with(words);
        assert_eq!(bench.key().faults().expect("faults"), Vec::<String>::new(), "it struck");
    }
    assert_eq!(bench.key().counts().expect("counts").touches, before);
    bench.secret(&credential, SALT).ok();
}

#[test]
fn answers_that_make_no_sense_are_errors_and_the_next_one_is_good() {
    let bench = Bench::start();
    let credential = bench.credential();
    for effect in [Effect::Empty, Effect::Garbage, Effect::WrongTypes, Effect::Short] {
        bench
            .key()
            .fault(Fault::new(effect).on(Command::GetAssertion))
            .expect("ordered");
        bench.secret(&credential, SALT).fails();
        bench.secret(&credential, SALT).ok();
    }
}

#[test]
fn answers_that_do_not_come_hang_the_crate() {
    let bench = Bench::start();
    for effect in [Effect::Silent, Effect::Endless, Effect::Cut] {
        bench
            .key()
            .fault(Fault::new(effect).on(Command::GetInfo))
            .expect("ordered");
        let running = bench.start_with(&["info", "/dev/hidraw0"], &[]);
        assert!(running.hangs_for(Duration::from_secs(3)), "{effect}");
        bench.key().clear_faults().expect("it listens");
        bench.run(&["info", "/dev/hidraw0"]).ok();
    }
}

#[test]
fn a_late_answer_is_late_and_good() {
    let bench = Bench::start();
    let late = Fault::new(Effect::Late(Duration::from_secs(2))).on(Command::GetInfo);
    bench.key().fault(late).expect("ordered");
    let start = std::time::Instant::now();
    bench.run(&["info", "/dev/hidraw0"]).ok();
    assert!(start.elapsed() >= Duration::from_secs(2));
}

#[test]
fn a_key_without_the_extension_offers_none_and_gives_none() {
    let bench = Bench::start();
    bench.key().set_hmac_secret(Extension::Absent).expect("it listens");
    assert!(!bench.run(&["info", "/dev/hidraw0"]).ok().contains("\"hmac-secret\""));
    let credential = bench.credential();
    bench.secret(&credential, SALT).fails();
    bench.key().set_hmac_secret(Extension::Offered).expect("it listens");
    assert!(bench.run(&["info", "/dev/hidraw0"]).ok().contains("\"hmac-secret\""));
}

#[test]
fn a_key_with_one_pin_protocol_refuses_the_other() {
    let bench = Bench::start();
    for (protocols, offered, taken, refused) in [
        (PinProtocols::One, "pin-protocols [1]", "1", "2"),
        (PinProtocols::Two, "pin-protocols [2]", "2", "1"),
    ] {
        bench.key().set_pin_protocols(protocols).expect("it listens");
        assert!(bench.run(&["info", "/dev/hidraw0"]).ok().contains(offered));
        let words = ["make", "/dev/hidraw0", RP];
        bench.run_with(&words, &[("PIN", PIN), ("PROTOCOL", taken)]).ok();
        bench
            .run_with(&words, &[("PIN", PIN), ("PROTOCOL", refused)])
            .fails_with("0x02");
    }
}
