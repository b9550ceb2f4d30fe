//! PIN: asked once, never tried by itself, dropped when it was ours, and what a person is told when it fails.

use crate::bench::{ANA, Bench, FACTORY_PIN, PIN, SERIAL, pinentry::CANCEL};
use tapvault_lab::aws_standin::{BEN_KEY, BEN_SECRET};

#[test]
fn a_wrong_pin_spends_one_try_and_is_not_tried_again() {
    let bench = Bench::with_prod();
    let before = bench.snapshot();
    bench.pinentry_answers(&["00000000"]);
    let out = bench
        .tapvault(["export", "prod"])
        .run()
        .fails(7, "pin")
        .releases_nothing()
        .touches(0);
    let out = out
        .says("wrong PIN for YubiKey 15042118; 2 tries left (nothing was retried)")
        .pins(0, 1);
    assert_eq!(out.pinentry_asked(), 1);
    assert_eq!(bench.snapshot(), before);
    // The tries are shown, and the right PIN makes them whole again.
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .pins(1, 0);
    let asked = bench.pinentry_asked();
    assert_eq!(
        asked.last().map(String::as_str),
        Some("PIN of YubiKey 15042118 (2 tries left)")
    );
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    assert_eq!(
        bench.pinentry_asked().last().map(String::as_str),
        Some("PIN of YubiKey 15042118 (3 tries left)")
    );
}

#[test]
fn a_wrong_pin_at_add_enroll_and_remove_costs_one_try_each_and_changes_nothing() {
    let bench = Bench::start();
    bench.pinentry_answers(&["00000000"]);
    bench
        .tapvault(["key", "enroll", "piv"])
        .run()
        .fails(7, "pin")
        .pins(0, 1)
        .touches(0);
    // Nothing was made on the token either.
    bench.enroll().says("slot 82 (retired 1) is free");
    bench.add("prod", ANA);
    let before = bench.snapshot();
    bench.pinentry_answers(&["00000000"]);
    bench
        .add_stdin("dev", (BEN_KEY, BEN_SECRET))
        .run()
        .fails(7, "pin")
        .pins(0, 1)
        .touches(0);
    bench.pinentry_answers(&["00000000"]);
    bench
        .tapvault(["remove", "--force", "prod"])
        .run()
        .fails(7, "pin")
        .pins(0, 1)
        .touches(0);
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn a_blocked_pin_is_not_asked_for_and_the_command_that_helps_is_named() {
    let bench = Bench::with_prod();
    let mut card = bench.card(0);
    card.select_piv();
    for _ in 0..3 {
        card.verify("00000000");
    }
    drop(card);
    let before = bench.snapshot();
    let out = bench
        .tapvault(["export", "prod"])
        .run()
        .fails(7, "pin")
        .releases_nothing();
    let out = out
        .says("the PIN of YubiKey 15042118 is blocked")
        .says("ykman piv access unblock-pin");
    assert_eq!(out.pins(0, 0).touches(0).pinentry_asked(), 0);
    bench
        .tapvault(["key", "enroll", "piv"])
        .run()
        .fails(7, "pin")
        .pins(0, 0);
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn the_last_try_is_the_persons_own() {
    let bench = Bench::with_prod();
    for tries in ["(3 tries left)", "(2 tries left)", "(1 try left)"] {
        bench.pinentry_answers(&["00000000"]);
        bench.tapvault(["export", "prod"]).run().fails(7, "pin").pins(0, 1);
        assert!(
            bench
                .pinentry_asked()
                .last()
                .is_some_and(|asked| asked.ends_with(tries))
        );
    }
    bench
        .tapvault(["export", "prod"])
        .run()
        .fails(7, "pin")
        .pins(0, 0)
        .says("is blocked");
}

#[test]
fn what_can_be_no_pin_is_not_sent() {
    let bench = Bench::with_prod();
    for wrong in ["1234", "123456789"] {
        bench.pinentry_answers(&[wrong]);
        let out = bench.tapvault(["export", "prod"]).run().fails(7, "pin").pins(0, 0);
        out.says("nothing was sent to YubiKey 15042118");
    }
}

#[test]
fn pinentry_that_is_closed_cancels() {
    let bench = Bench::with_prod();
    bench.pinentry_answers(&[CANCEL]);
    let out = bench
        .tapvault(["export", "prod"])
        .run()
        .fails(130, "cancelled")
        .releases_nothing();
    assert_eq!(out.pins(0, 0).touches(0).pinentry_asked(), 1);
}

#[test]
fn without_terminal_and_pinentry_the_way_out_is_named() {
    let bench = Bench::with_prod();
    let out = bench
        .tapvault(["export", "prod"])
        .env("PINENTRY_PROGRAM", "/no/such/pinentry")
        .run();
    out.fails(7, "pin")
        .says("PINENTRY_PROGRAM names /no/such/pinentry, which can't be run")
        .touches(0);
}

#[test]
fn a_pin_that_we_verified_is_dropped_again() {
    let bench = Bench::with_prod();
    // A connection that is open keeps the card powered; without it the PIN would go anyway.
    let mut other = bench.card(0);
    for arguments in [
        &["exec", "prod", "--", "true"][..],
        &["export", "prod"],
        &["remove", "--force", "prod"],
    ] {
        bench
            .tapvault(arguments)
            .prints_secrets()
            .run()
            .success()
            .touches(1)
            .pins(1, 0);
        other.select_piv();
        assert_eq!(other.pin_status(), 0x63c3, "{arguments:?} left the PIN verified");
        other.start_ecdh(0x82);
        assert_eq!(
            other.reply().sw,
            0x6982,
            "the slot can be used without a PIN after {arguments:?}"
        );
    }
    let counts = bench.token().counts().expect("counts");
    bench.enroll_another();
    other.select_piv();
    assert_eq!(other.pin_status(), 0x63c3, "enroll left the PIN verified");
    assert!(bench.token().counts().expect("counts").touches.given > counts.touches.given);
}

#[test]
fn a_pin_is_dropped_after_a_missed_touch_too() {
    let bench = Bench::with_prod();
    let mut other = bench.card(0);
    bench.withhold_touches();
    bench.tapvault(["export", "prod"]).run().fails(6, "no-touch");
    other.select_piv();
    assert_eq!(other.pin_status(), 0x63c3);
}

#[test]
fn a_pin_that_somebody_else_verified_is_neither_asked_for_nor_dropped() {
    let bench = Bench::with_prod();
    let mut other = bench.card(0);
    other.select_piv();
    assert_eq!(other.verify(PIN), 0x9000);
    let out = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .pins(0, 0);
    assert_eq!(out.pinentry_asked(), 0, "{out}");
    // Not selected again: our own SELECT would not tell.
    assert_eq!(other.pin_status(), 0x9000);
}

#[test]
fn pin_policy_never_asks_for_none() {
    let bench = Bench::start();
    bench
        .tapvault(["key", "enroll", "piv", "--pin-policy", "never"])
        .run()
        .success()
        .touches(2)
        .says("touch, no PIN");
    let listed = bench.tapvault(["key", "list", "--json"]).run().success().json();
    assert_eq!(listed[0]["presence"], "touch, no PIN");
    bench.add_stdin("prod", ANA).run().success().touches(1).pins(0, 0);
    let out = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .pins(0, 0);
    assert_eq!(out.pinentry_asked(), 0);
}

#[test]
fn pin_policy_always_is_verified_for_every_use_and_asked_for_once() {
    let bench = Bench::start();
    bench
        .tapvault(["key", "enroll", "piv", "--pin-policy", "always"])
        .run()
        .success()
        .touches(2)
        .says("PIN each time");
    bench.add("prod", ANA);
    bench.add("dev", (BEN_KEY, BEN_SECRET));
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .pins(1, 0);
    // A PIN that somebody else verified does not serve such a key.
    let mut other = bench.card(0);
    other.select_piv();
    other.verify(PIN);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .pins(1, 0);
    drop(other);
    // Many touches: verified before each, typed once.
    bench.settings("passphrase_command = \"echo 'vermilion otter seventeen'\"\n");
    let out = bench
        .tapvault(["key", "enroll", "passphrase", "--allow-touchless"])
        .run()
        .success();
    let touches = out.announced();
    assert!(touches > 1, "{out}");
    let out = out.touches(touches).pins(u32::try_from(touches).expect("few"), 0);
    assert_eq!(out.pinentry_asked(), 1);
}

#[test]
fn pin_policy_always_is_verified_again_after_a_missed_touch() {
    let bench = Bench::start();
    bench
        .tapvault(["key", "enroll", "piv", "--pin-policy", "always"])
        .run()
        .success();
    bench.add("prod", ANA);
    bench.withhold_touches();
    let out = bench
        .tapvault(["export", "prod"])
        .run()
        .fails(6, "no-touch")
        .missed_touch()
        .pins(2, 0);
    assert_eq!(out.pinentry_asked(), 1);
}

#[test]
fn a_factory_pin_is_refused_with_the_command_that_changes_it() {
    let bench = Bench::setup().factory_pin().start();
    let out = bench
        .tapvault(["key", "enroll", "piv"])
        .run()
        .fails(7, "pin")
        .touches(0)
        .pins(0, 0);
    out.says("still has the factory's PIN")
        .says(&format!("ykman --device {SERIAL} piv access change-pin"));
    // Nothing was made on the token.
    let out = bench
        .tapvault(["key", "enroll", "piv", "--allow-factory-pin"])
        .run()
        .success()
        .touches(2);
    out.says("slot 82 (retired 1) is free");
    assert_eq!(FACTORY_PIN, "123456");
}
