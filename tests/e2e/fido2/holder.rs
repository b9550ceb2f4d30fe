//! How a token checks its holder: fingers, PINs that are not good for keys, tokens that want it for everything. What a token gives
//! with a check and without is not the same, so each time the right one has to be asked for.

use super::{FIDO2_PIN, KEY, bench, bench_with_prod, enroll, know_outputs};
use crate::bench::{ANA, Bench};
use tapvault_lab::fido_key::fault::{Command, Effect, Fault};
use tapvault_lab::fido_key::protocol::{Fingers, PinUse};
use tapvault_lab::fido_key::rig::KeySpec;

/// The finger that touches is enrolled on the first token.
fn known(bench: &Bench) {
    let pin = FIDO2_PIN.to_owned();
    bench.fido2(0).set_fingers(Fingers::Known { pin }).expect("a sensor");
}

/// It is not.
fn unknown(bench: &Bench) {
    bench.fido2(0).set_fingers(Fingers::Unknown).expect("a sensor");
}

/// The entry opens for one touch, and the PIN is asked for so often.
fn opens_asking(bench: &Bench, questions: usize) {
    let opened = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert_eq!(opened.pinentry_asked(), questions, "{opened}");
}

/// The same after a finger that was not recognised: the touch is announced once more, with the PIN.
fn opens_with_the_pin_in_the_end(bench: &Bench) {
    let opened = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches_of_which_announced(1, 2);
    assert_eq!(opened.pinentry_asked(), 1, "{opened}");
}

#[test]
fn a_finger_takes_the_place_of_the_pin_and_gives_the_same() {
    let bench = bench();
    known(&bench);
    let enrolled = bench.tapvault(["key", "enroll", "fido2"]).run();
    let enrolled = enrolled.success().touches(3);
    assert_eq!(enrolled.pinentry_asked(), 0, "{enrolled}");
    know_outputs(&bench, FIDO2_PIN);
    bench.add("prod", ANA);
    opens_asking(&bench, 0);
    // The sensor is gone, or its fingers were deleted: the PIN opens the same.
    bench.fido2(0).set_fingers(Fingers::NoneEnrolled).expect("a sensor");
    opens_asking(&bench, 1);
    bench.fido2(0).set_fingers(Fingers::Absent).expect("none");
    opens_asking(&bench, 1);
}

#[test]
fn fingers_that_were_enrolled_later_open_a_key_of_the_pin() {
    let bench = bench_with_prod();
    known(&bench);
    opens_asking(&bench, 0);
    let doctor = bench.tapvault(["doctor"]).run();
    assert!(
        doctor.stdout.contains("hmac-secret, fingers enrolled, PIN set"),
        "{doctor}"
    );
}

#[test]
fn a_finger_that_is_not_known_is_followed_by_the_pin() {
    let bench = bench();
    unknown(&bench);
    let enrolled = bench.tapvault(["key", "enroll", "fido2"]).run();
    let enrolled = enrolled
        .success()
        .touches_of_which_announced(3, 4)
        .says("did not recognise the finger");
    assert_eq!(enrolled.pinentry_asked(), 1, "{enrolled}");
    know_outputs(&bench, FIDO2_PIN);
    known(&bench);
    bench.add("prod", ANA);
    unknown(&bench);
    opens_with_the_pin_in_the_end(&bench);
    // A wrong PIN then is a wrong PIN.
    bench.pinentry_answers(&["00000000"]);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(7, "pin")
        .touches_of_which_announced(0, 1)
        .says("7 tries left")
        .releases_nothing();
}

#[test]
fn tokens_of_other_versions_say_in_other_ways_that_a_finger_is_not_known() {
    let bench = bench_with_prod();
    known(&bench);
    // CTAP 2.1, 8.2: UV_BLOCKED and UV_INVALID, as tokens before the final CTAP 2.1 have it.
    for status in [0x3c, 0x3f] {
        bench
            .fido2(0)
            .fault(Fault::new(Effect::Error(status)).on(Command::GetAssertion).skip(1))
            .expect("a fault");
        opens_with_the_pin_in_the_end(&bench);
        assert!(bench.fido2(0).faults().expect("faults").is_empty(), "{status:02x}");
    }
}

#[test]
fn a_token_whose_pin_is_not_for_keys_takes_only_a_finger() {
    let bench = bench();
    bench.fido2(0).set_pin_use(PinUse::Administration).expect("so");
    bench
        .tapvault(["key", "enroll", "fido2"])
        .run()
        .fails(7, "pin")
        .touches(0)
        .pins(0, 0)
        .says("takes no PIN for keys");
    let doctor = bench.tapvault(["doctor"]).run();
    assert!(doctor.stdout.contains("takes no PIN for keys"), "{doctor}");
    known(&bench);
    bench.tapvault(["key", "enroll", "fido2"]).run().success().touches(3);
    bench
        .fido2(0)
        .set_pin_use(PinUse::Everything)
        .expect("for the tool that looks at the outputs");
    know_outputs(&bench, FIDO2_PIN);
    bench.fido2(0).set_pin_use(PinUse::Administration).expect("so");
    bench.add("prod", ANA);
    opens_asking(&bench, 0);
    unknown(&bench);
    let refused = bench.tapvault(["exec", "prod", "--", "true"]).run();
    let refused = refused
        .fails(7, "pin")
        .says("did not recognise the finger, or it was refused there")
        .releases_nothing();
    assert_eq!(refused.pinentry_asked(), 0, "{refused}");
}

#[test]
fn a_token_with_fingers_and_no_pin_is_used_by_them_alone() {
    let bench = bench();
    bench.fido2(0).set_pin_use(PinUse::Hidden).expect("hidden");
    bench.fido2(0).set_fingers(Fingers::NoneEnrolled).expect("a sensor");
    bench
        .tapvault(["key", "enroll", "fido2"])
        .run()
        .fails(7, "pin")
        .touches(0)
        .says("has no finger enrolled yet");
    known(&bench);
    bench.tapvault(["key", "enroll", "fido2"]).run().success().touches(3);
    know_outputs(&bench, FIDO2_PIN);
    bench.add("prod", ANA);
    opens_asking(&bench, 0);
    unknown(&bench);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(7, "pin")
        .says("did not recognise the finger");
}

#[test]
fn a_key_that_does_without_is_made_with_a_finger_where_the_token_wants_one() {
    let bench = bench();
    known(&bench);
    let enrolled = bench.tapvault(["key", "enroll", "fido2", "--uv", "discouraged"]).run();
    assert_eq!(enrolled.success().touches(3).pinentry_asked(), 0);
    know_outputs(&bench, FIDO2_PIN);
    bench.add("prod", ANA);
    // It is used without: whose finger touches makes no difference.
    unknown(&bench);
    opens_asking(&bench, 0);
}

#[test]
fn a_token_that_always_asks_opens_only_keys_with_a_check() {
    let bench = bench();
    bench
        .tapvault(["key", "enroll", "fido2", "--uv", "discouraged", "--name", "plain"])
        .run()
        .success();
    know_outputs(&bench, FIDO2_PIN);
    bench.add("prod", ANA);
    bench.fido2_token(0, &["-S", "-u"], &[FIDO2_PIN]);
    let refused = bench.tapvault(["exec", "prod", "--", "true"]).run();
    refused
        .fails(7, "pin")
        .touches(0)
        .pins(0, 0)
        .says("wants its PIN or a finger for this")
        .says("asks for everything (alwaysUv)")
        .releases_nothing();
    bench
        .tapvault(["key", "enroll", "fido2", "--uv", "discouraged", "--name", "other"])
        .run()
        .fails(2, "usage")
        .touches(0)
        .says("alwaysUv");
    let doctor = bench.tapvault(["doctor"]).run();
    assert!(doctor.stdout.contains("asked for each time (alwaysUv)"), "{doctor}");
    assert!(doctor.stdout.contains("it holds plain"), "{doctor}");
    // What was done is undone, and the key is as it was.
    bench.fido2_token(0, &["-D", "-u"], &[FIDO2_PIN]);
    opens_asking(&bench, 0);
}

#[test]
fn a_token_that_always_asks_is_enrolled_with_pin_or_finger_and_looked_for_without() {
    let bench = bench();
    bench.fido2_token(0, &["-S", "-u"], &[FIDO2_PIN]);
    enroll(&bench);
    bench.add("prod", ANA);
    opens_asking(&bench, 1);
    known(&bench);
    opens_asking(&bench, 0);
    // One that refuses even a look without a check (CTAP 2.1, 8.2: PUAT_REQUIRED) is tried all the same.
    bench
        .fido2(0)
        .fault(Fault::new(Effect::Error(0x36)).on(Command::GetAssertion))
        .expect("a fault");
    opens_asking(&bench, 0);
}

#[test]
fn a_token_that_always_asks_and_has_no_pin_is_not_enrolled() {
    let bench = Bench::setup().no_token().fido2(&[KeySpec::new(KEY)]).start();
    bench.fido2_token(0, &["-S", "-u"], &[]);
    let refused = bench.tapvault(["key", "enroll", "fido2"]).run().fails(7, "pin");
    refused
        .touches(0)
        .says("has no PIN yet")
        .does_not_say("--uv discouraged");
}

#[test]
fn a_pin_that_is_shorter_than_the_token_takes_is_not_sent() {
    let bench = bench_with_prod();
    bench.fido2_token(0, &["-S", "-l", "6"], &[FIDO2_PIN]);
    bench.pinentry_answers(&["12345"]);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(7, "pin")
        .touches(0)
        .pins(0, 0)
        .says("has at least 6 characters; nothing was sent");
    opens_asking(&bench, 1);
}

#[test]
fn a_pin_that_has_to_be_changed_is_not_asked_for_and_the_key_outlives_the_change() {
    let bench = bench_with_prod();
    bench.fido2_token(0, &["-S", "-f"], &[FIDO2_PIN]);
    for words in [
        vec!["exec", "prod", "--", "true"],
        vec!["key", "enroll", "fido2", "--name", "other"],
    ] {
        let refused = bench.tapvault(words).run();
        let refused = refused
            .fails(7, "pin")
            .touches(0)
            .pins(0, 0)
            .says("has to be changed before it can be used");
        assert_eq!(refused.pinentry_asked(), 0, "{refused}");
    }
    let doctor = bench.tapvault(["doctor"]).run();
    assert!(doctor.stdout.contains("has to be changed"), "{doctor}");
    let new = "90472215";
    bench.secret("new PIN of the FIDO2 token", new);
    bench.fido2_token(0, &["-C"], &[FIDO2_PIN, new, new]);
    bench.pinentry_answers(&[new]);
    opens_asking(&bench, 1);
}
