//! Tokens that misbehave: each time a clear error within seconds, and the next command works.

use super::{FIDO2_PIN, KEY, bench, bench_with_prod};
use crate::bench::Bench;
use std::time::{Duration, Instant};
use tapvault_lab::fido_key::fault::{Command, Effect, Fault};
use tapvault_lab::fido_key::protocol::{Access, Extension};
use tapvault_lab::fido_key::rig::KeySpec;

/// Longer than any deadline but that of a touch.
const SECONDS: Duration = Duration::from_secs(30);

#[test]
fn an_answer_that_makes_no_sense_is_a_clear_error() {
    let bench = bench_with_prod();
    for effect in [
        Effect::Empty,
        Effect::Short,
        Effect::Garbage,
        Effect::WrongTypes,
        Effect::ShortAuthData,
    ] {
        for (skip, command) in [
            // The first assertion of a command is the silent one, the second the one with the touch.
            (1, Command::GetAssertion),
            (0, Command::GetAssertion),
            (0, Command::ClientPin),
            (0, Command::GetInfo),
        ] {
            if effect == Effect::ShortAuthData && command != Command::GetAssertion {
                continue;
            }
            bench
                .fido2(0)
                .fault(Fault::new(effect).on(command).skip(skip))
                .expect("a fault");
            let start = Instant::now();
            let output = bench.tapvault(["exec", "prod", "--", "true"]).run();
            assert!(start.elapsed() < SECONDS, "{effect:?} {command:?}\n{output}");
            // A number of tries that is missing is asked for once more.
            assert!(
                output.code != Some(0) || command == Command::ClientPin,
                "{effect:?} {command:?}\n{output}"
            );
            let output = output.releases_nothing().says("Soft FIDO2 key FIDO0001");
            assert!(!output.said().contains("panicked"), "{output}");
            bench.fido2(0).clear_faults().expect("cleared");
            bench
                .tapvault(["exec", "prod", "--", "true"])
                .run()
                .success()
                .touches(1);
        }
    }
}

#[test]
fn a_token_that_does_not_answer_is_given_up() {
    let bench = bench_with_prod();
    for effect in [Effect::Silent, Effect::Late(Duration::from_secs(40)), Effect::Cut] {
        bench
            .fido2(0)
            .fault(Fault::new(effect).on(Command::GetInfo))
            .expect("a fault");
        let start = Instant::now();
        let output = bench.tapvault(["exec", "prod", "--", "true"]).run();
        assert!(start.elapsed() < SECONDS, "{effect:?}\n{output}");
        output
            .fails(1, "other")
            .says("did not answer within")
            .releases_nothing();
        bench.fido2(0).remove().expect("pulled out");
        bench.fido2(0).clear_faults().expect("cleared");
        bench.fido2(0).insert().expect("plugged in");
        bench
            .tapvault(["exec", "prod", "--", "true"])
            .run()
            .success()
            .touches(1);
    }
}

#[test]
fn a_late_answer_is_waited_for() {
    let bench = bench_with_prod();
    bench
        .fido2(0)
        .fault(Fault::new(Effect::Late(Duration::from_secs(2))).on(Command::GetInfo))
        .expect("a fault");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}

#[test]
fn a_token_that_another_program_uses_is_waited_for() {
    let bench = bench_with_prod();
    // CTAP 2.1, 11.2.9.1.6: ERR_CHANNEL_BUSY.
    bench
        .fido2(0)
        .fault(Fault::new(Effect::HidError(6)).on(Command::GetInfo))
        .expect("a fault");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .says("waiting: Soft FIDO2 key FIDO0001 is in use");
}

#[test]
fn a_refusal_on_the_token_cancels() {
    let bench = bench_with_prod();
    // CTAP 2.1, 8.2: OPERATION_DENIED, and KEEPALIVE_CANCEL.
    for status in [0x27, 0x2d] {
        bench
            .fido2(0)
            .fault(Fault::new(Effect::Error(status)).on(Command::GetAssertion).skip(1))
            .expect("a fault");
        bench
            .tapvault(["exec", "prod", "--", "true"])
            .run()
            .fails(130, "cancelled")
            .releases_nothing();
    }
}

#[test]
fn a_token_that_says_nothing_without_a_touch_is_tried() {
    let bench = bench_with_prod();
    // CTAP 2.1, 8.2: UNSUPPORTED_OPTION.
    bench
        .fido2(0)
        .fault(Fault::new(Effect::Error(0x2b)).on(Command::GetAssertion))
        .expect("a fault");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}

#[test]
fn a_node_that_may_not_be_opened_is_told_from_no_token() {
    let bench = bench_with_prod();
    bench.fido2(0).set_access(Access::Forbidden).expect("forbidden");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(5, "no-key")
        .touches(0)
        .says("this user may not open it (/dev/hidraw0)")
        .says("docs/hardware.md has the udev rule");
    let doctor = bench.tapvault(["doctor"]).run();
    assert!(doctor.stdout.contains("may not open it (/dev/hidraw0)"), "{doctor}");
    bench
        .tapvault(["key", "enroll", "fido2"])
        .run()
        .fails(5, "no-key")
        .says("may not open it");
    bench.fido2(0).set_access(Access::Permitted).expect("permitted");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}

#[test]
fn a_token_without_hmac_secret_is_not_enrolled() {
    let bench = bench();
    bench.fido2(0).set_hmac_secret(Extension::Absent).expect("off");
    bench
        .tapvault(["key", "enroll", "fido2"])
        .run()
        .fails(5, "no-key")
        .touches(0)
        .says("has no hmac-secret");
}

#[test]
fn a_broken_token_beside_the_right_one_does_no_harm() {
    let bench = Bench::setup()
        .no_token()
        .fido2(&[KeySpec::new(KEY), KeySpec::new("FIDO0666")])
        .start();
    bench.set_fido2_pin(0, FIDO2_PIN);
    bench
        .tapvault(["key", "enroll", "fido2", "--serial", KEY])
        .run()
        .success();
    bench
        .fido2(1)
        .fault(Fault::new(Effect::Garbage).on(Command::GetInfo))
        .expect("a fault");
    bench.add("prod", crate::bench::ANA);
}
