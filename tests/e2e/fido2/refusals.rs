//! What a token refuses, status by status, and tokens that are not what they should be: each time who, why and what next.

use super::{FIDO2_PIN, KEY, OTHER_KEY, bench, bench_with_prod, enroll};
use crate::bench::{ANA, Bench};
use tapvault_lab::fido_key::fault::{Command, Effect, Fault};
use tapvault_lab::fido_key::protocol::{Extension, PinProtocols, Speech};
use tapvault_lab::fido_key::rig::KeySpec;

#[test]
fn each_status_of_an_opening_is_told_in_words_of_its_own() {
    let bench = bench_with_prod();
    // CTAP 2.1, 8.2.
    for (status, code, name, words) in [
        (
            0x27,
            130,
            "cancelled",
            "it was refused on Soft FIDO2 key FIDO0001; nothing was done",
        ),
        (0x2d, 130, "cancelled", "was told to stop"),
        (0x22, 5, "no-key", "does not hold fido2"),
        (0x2e, 5, "no-key", "does not hold fido2"),
        (0x2f, 6, "no-touch", "was not touched (2 x"),
        (0x3a, 6, "no-touch", "was not touched (2 x"),
        (0x31, 7, "pin", "wrong PIN for Soft FIDO2 key FIDO0001; 8 tries left"),
        (0x32, 7, "pin", "is blocked for good"),
        (0x34, 7, "pin", "until it is plugged in anew"),
        (0x35, 7, "pin", "has no PIN, and this key wants one"),
        (0x36, 7, "pin", "wants its PIN or a finger for this"),
        (0x37, 7, "pin", "has to be changed"),
        (0x3c, 7, "pin", "takes no fingers until its PIN was given"),
        (0x3f, 7, "pin", "did not recognise the finger"),
        (0x06, 11, "busy", "in use by another program"),
        (
            0x33,
            1,
            "other",
            "33, the proof of the PIN is no longer good, when calculating with it",
        ),
        (0x7f, 1, "other", "7f, some error, when calculating with it"),
    ] {
        let key = bench.fido2(0);
        let fault = || Fault::new(Effect::Error(status)).on(Command::GetAssertion);
        // The first assertion only looks whether the token holds the key.
        key.fault(fault().skip(1)).expect("a fault");
        if name == "no-touch" {
            key.fault(fault()).expect("a second one, for it is armed twice");
        }
        let output = bench.tapvault(["exec", "prod", "--", "true"]).run();
        assert!(output.said().contains(words), "{status:02x}: {words:?}\n{output}");
        output.fails(code, name).releases_nothing();
        assert_eq!(key.faults().expect("faults"), Vec::<String>::new(), "{status:02x}");
    }
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}

#[test]
fn each_status_of_an_enrolment_enrolls_nothing() {
    let bench = bench();
    for (status, code, name) in [
        (0x27, 130, "cancelled"),
        (0x2d, 130, "cancelled"),
        (0x34, 7, "pin"),
        (0x37, 7, "pin"),
        (0x39, 1, "other"),
    ] {
        bench
            .fido2(0)
            .fault(Fault::new(Effect::Error(status)).on(Command::MakeCredential))
            .expect("a fault");
        bench
            .tapvault(["key", "enroll", "fido2"])
            .run()
            .fails(code, name)
            .says("nothing was enrolled");
    }
    enroll(&bench);
}

#[test]
fn a_token_that_speaks_only_u2f_is_told_so_and_is_in_nobodys_way() {
    let bench = Bench::setup()
        .no_token()
        .fido2(&[KeySpec::new(KEY), KeySpec::new(OTHER_KEY)])
        .start();
    bench.fido2(1).set_speech(Speech::OnlyU2f).expect("u2f");
    bench.set_fido2_pin(0, FIDO2_PIN);
    bench
        .tapvault(["key", "enroll", "fido2", "--serial", OTHER_KEY])
        .run()
        .fails(5, "no-key")
        .touches(0)
        .says("Soft FIDO2 key FIDO0002 speaks only U2F, which has no hmac-secret");
    bench
        .tapvault(["key", "enroll", "fido2", "--serial", KEY])
        .run()
        .success()
        .touches(3);
    bench.add("prod", ANA);
    let doctor = bench.tapvault(["doctor"]).run();
    assert!(
        doctor.stdout.contains("Soft FIDO2 key FIDO0002 speaks only U2F"),
        "{doctor}"
    );
    bench.fido2(0).remove().expect("pulled out");
    // Not "does not hold", as if it could: the right one is asked for.
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(5, "no-key")
        .touches(0)
        .says("plug in Soft FIDO2 key FIDO0001")
        .does_not_say("FIDO0002");
}

#[test]
fn a_token_that_offers_one_pin_protocol_is_spoken_to_with_it() {
    let bench = bench();
    bench.fido2(0).set_pin_protocols(PinProtocols::One).expect("one");
    bench.tapvault(["key", "enroll", "fido2"]).run().success().touches(3);
    bench.add("prod", ANA);
    // The same key, whatever the way to it.
    for protocols in [PinProtocols::Two, PinProtocols::Both, PinProtocols::One] {
        bench.fido2(0).set_pin_protocols(protocols).expect("others");
        bench
            .tapvault(["exec", "prod", "--", "true"])
            .run()
            .success()
            .touches(1);
    }
    bench.fido2(0).set_pin_protocols(PinProtocols::Two).expect("two");
    bench
        .tapvault(["key", "enroll", "fido2", "--name", "second"])
        .run()
        .success()
        .touches(4);
}

#[test]
fn a_token_that_lost_hmac_secret_costs_no_touch_and_no_pin() {
    let bench = bench_with_prod();
    bench.fido2(0).set_hmac_secret(Extension::Absent).expect("off");
    let refused = bench.tapvault(["exec", "prod", "--", "true"]).run();
    let refused = refused
        .fails(5, "no-key")
        .touches(0)
        .pins(0, 0)
        .says("has no hmac-secret");
    assert_eq!(refused.pinentry_asked(), 0, "{refused}");
    let doctor = bench.tapvault(["doctor"]).run();
    assert!(doctor.stdout.contains("has no hmac-secret"), "{doctor}");
}

/// The crate's readers panic on some of these; the child dies of it, and the command says a line.
#[test]
fn whatever_a_token_answers_the_doctor_says_lines() {
    let bench = bench_with_prod();
    for seed in 0..30 {
        let command = [Command::GetInfo, Command::ClientPin, Command::GetAssertion][seed as usize % 3];
        bench
            .fido2(0)
            .fault(Fault::new(Effect::Scrambled(seed)).on(command))
            .expect("a fault");
        let doctor = bench.tapvault(["doctor"]).run();
        assert!(matches!(doctor.code, Some(0 | 1)), "{seed} {command}\n{doctor}");
        assert!(!doctor.said().contains("panicked"), "{seed} {command}\n{doctor}");
        assert!(
            doctor.stdout.lines().any(|line| line.contains("FIDO0001")),
            "{seed}\n{doctor}"
        );
        assert!(!doctor.stdout.contains('\u{1b}'), "{seed}\n{doctor}");
        bench.fido2(0).clear_faults().expect("cleared");
    }
    for seed in 0..10 {
        bench
            .fido2(0)
            .fault(Fault::new(Effect::Scrambled(seed)).on(Command::GetAssertion).skip(1))
            .expect("a fault");
        let output = bench.tapvault(["exec", "prod", "--", "true"]).run();
        assert!(matches!(output.code, Some(0 | 1 | 5 | 10)), "{seed}\n{output}");
        assert!(!output.said().contains("panicked"), "{seed}\n{output}");
        output.releases_nothing();
        bench.fido2(0).clear_faults().expect("cleared");
    }
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}
