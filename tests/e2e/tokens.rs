//! Which token: missing, another, two of them, pulled out, in other programs' hands, of another firmware or with another
//! management key.

use crate::bench::{ANA, Bench, OTHER_PIN, OTHER_SERIAL, Output, PIN, SERIAL};
use std::time::{Duration, Instant};
use tapvault_lab::soft_token::firmware::Firmware;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_missing_token_is_told_with_what_the_entry_is_sealed_to() {
    let bench = Bench::with_prod();
    bench.aws().clear_calls();
    let before = bench.snapshot();
    bench.pull_out(0);
    for arguments in [
        &["exec", "prod", "--", "true"][..],
        &["export", "prod"],
        &["remove", "--force", "prod"],
    ] {
        let out = bench.tapvault(arguments).run().fails(5, "no-key").releases_nothing();
        out.says("prod is sealed to yubikey-15042118")
            .says("plug in YubiKey 15042118")
            .touches(0)
            .pins(0, 0);
    }
    bench.add_stdin("dev", ANA).run().fails(5, "no-key");
    bench.tapvault(["key", "enroll", "piv"]).run().fails(5, "no-key");
    assert_eq!(bench.snapshot(), before);
    bench.token().insert().expect("plugged in");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}

#[test]
fn remove_without_its_token_says_what_to_do_when_it_is_lost() {
    let bench = Bench::with_prod();
    bench.pull_out(0);
    let out = bench.tapvault(["remove", "--force", "prod"]).run().fails(5, "no-key");
    out.says("if the token is lost: tapvault remove --without-token prod");
}

#[test]
fn without_pcscd_the_service_is_named() {
    let bench = Bench::with_prod();
    let nowhere = bench.root().join("nowhere");
    let out = bench
        .tapvault(["export", "prod"])
        .env("PCSCLITE_CSOCK_NAME", &nowhere)
        .run();
    out.fails(5, "no-key")
        .says("the smart card service does not run")
        .says("apt install pcscd");
    let enroll = bench
        .tapvault(["key", "enroll", "piv"])
        .env("PCSCLITE_CSOCK_NAME", &nowhere);
    enroll
        .run()
        .fails(5, "no-key")
        .says("the smart card service does not run");
}

#[test]
fn another_token_in_its_place_is_not_touched() {
    let bench = Bench::setup().two_tokens().start();
    bench
        .tapvault(["key", "enroll", "piv", "--serial", "15042118"])
        .run()
        .success()
        .touches(2);
    bench.add("prod", ANA);
    bench.pull_out(0);
    let mark = bench.nth_token(1).mark().expect("a journal");
    let out = bench
        .tapvault(["export", "prod"])
        .run()
        .fails(5, "no-key")
        .touches(0)
        .pins(0, 0);
    out.says("prod is sealed to yubikey-15042118")
        .says("plug in YubiKey 15042118");
    let log = bench.nth_token(1).log_since(mark).expect("a journal");
    let instructions: Vec<&str> = log.iter().map(|entry| entry.instruction.as_str()).collect();
    assert!(
        !instructions.contains(&"VERIFY") && !instructions.contains(&"GENERAL AUTHENTICATE"),
        "{instructions:?}"
    );
}

#[test]
fn of_two_tokens_only_the_enrolled_one_is_used() {
    let bench = Bench::setup().two_tokens().start();
    for slot in [0, 1] {
        // Once the enrolled one is in the first slot of the reader, once in the second.
        let serial = [SERIAL, OTHER_SERIAL][slot];
        let other = bench.nth_token(1 - slot);
        let before = other.counts().expect("counts");
        let home = bench.root().join(format!("home-{slot}"));
        let run = |arguments: &[&str]| bench.tapvault(arguments).env("TAPVAULT_HOME", &home);
        run(&["key", "enroll", "piv", "--serial", &serial.to_string()])
            .run()
            .success()
            .touches(2);
        run(&["add", "prod", "--stdin"])
            .stdin(&format!("{}\n{}\n", ANA.0, ANA.1))
            .run()
            .success()
            .touches(1);
        run(&["exec", "prod", "--", "true"])
            .run()
            .success()
            .touches(1)
            .says(&format!("touch YubiKey {serial}"));
        assert_eq!(other.counts().expect("counts"), before);
    }
}

#[test]
fn with_two_tokens_enroll_wants_to_know_which() {
    let bench = Bench::setup().two_tokens().start();
    let out = bench
        .tapvault(["key", "enroll", "piv"])
        .run()
        .fails(2, "usage")
        .touches(0);
    out.says("15042118").says("15042177").says("--serial");
    let out = bench
        .tapvault(["key", "enroll", "piv", "--serial", "999"])
        .run()
        .fails(5, "no-key");
    out.says("YubiKey 999 is not plugged in");
    bench
        .tapvault(["key", "enroll", "piv", "--serial", "15042177"])
        .run()
        .success()
        .touches(2);
}

#[test]
fn two_enrolled_tokens_open_alone_and_together() {
    let bench = both_enrolled();
    // Together: one touch, of the first.
    let out = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    out.says("touch YubiKey 15042118");
    let out = bench
        .tapvault(["exec", "--key", "yubikey-15042177", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    out.says("touch YubiKey 15042177");
    bench.pull_out(0);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .says("touch YubiKey 15042177");
    bench
        .tapvault(["exec", "--key", "yubikey-15042118", "prod", "--", "true"])
        .run()
        .fails(5, "no-key")
        .touches(0);
    bench.token().insert().expect("plugged in");
    bench.pull_out(1);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .says("touch YubiKey 15042118");
    let out = bench.tapvault(["list"]).run().success();
    out.does_not_say("one way in");
}

#[test]
fn a_removed_key_opens_nothing_any_more() {
    let bench = both_enrolled();
    let out = bench
        .tapvault(["key", "remove", "yubikey-15042118", "--key", "yubikey-15042177"])
        .run()
        .success();
    let out = out
        .says("1 entry was readable with it: prod")
        .says("tapvault rotate prod");
    let touches = out.announced();
    out.touches(touches);
    bench.pull_out(1);
    bench
        .tapvault(["export", "prod"])
        .run()
        .fails(5, "no-key")
        .says("prod is sealed to yubikey-15042177")
        .touches(0);
    bench.nth_token(1).insert().expect("plugged in");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .says("touch YubiKey 15042177");
}

fn both_enrolled() -> Bench {
    let bench = Bench::setup().two_tokens().start();
    bench
        .tapvault(["key", "enroll", "piv", "--serial", "15042118"])
        .run()
        .success()
        .touches(2);
    bench.add("prod", ANA);
    // The first one opens: the new key's two touches, a voucher, the entry and the vault secret.
    let out = bench
        .tapvault(["key", "enroll", "piv", "--serial", "15042177"])
        .run()
        .success();
    let total = out.announced();
    out.says(&format!("{total} touches\n")).touches(total).pins_at_least(2);
    assert_ne!(PIN, OTHER_PIN);
    bench
}

#[test]
fn a_token_pulled_out_while_it_blinks_is_told_and_nothing_released() {
    for arguments in [
        &["export", "prod"][..],
        &["remove", "--force", "prod"],
        &["add", "dev", "--stdin"],
    ] {
        let bench = Bench::with_prod();
        let before = bench.snapshot();
        bench.withhold_touches();
        let running = bench
            .tapvault(arguments)
            .stdin(&format!("{}\n{}\n", ANA.0, ANA.1))
            .start();
        bench.token().wait_for_touch(SOON).expect("a blink");
        let pulled = Instant::now();
        bench.token().remove().expect("pulled out");
        let out = running.wait().fails(5, "no-key").releases_nothing();
        assert!(pulled.elapsed() < Duration::from_secs(3), "{out}");
        let out = out.says("YubiKey 15042118 was pulled out");
        assert_eq!(out.touch_counts().interrupted, 1);
        assert_eq!(bench.snapshot(), before);
        bench.touch_by_itself();
        bench.token().insert().expect("plugged in");
        bench
            .tapvault(["exec", "prod", "--", "true"])
            .run()
            .success()
            .touches(1);
    }
}

#[test]
fn a_token_pulled_out_while_the_pin_is_typed_is_told() {
    let bench = Bench::with_prod();
    let mut terminal = bench.tapvault(["export", "prod"]).on_terminal();
    terminal.expect("PIN of YubiKey 15042118");
    bench.pull_out(0);
    terminal.enter(PIN);
    terminal
        .finish()
        .fails(5, "no-key")
        .releases_nothing()
        .says("was pulled out")
        .pins(0, 0);
}

#[test]
fn a_card_that_another_program_keeps_is_waited_for_and_said_to_be_busy() {
    let bench = Bench::with_prod();
    let kept = bench.card_kept_by_scdaemon(0);
    let mut terminal = bench.tapvault(["exec", "prod", "--", "true"]).on_terminal();
    terminal.expect("waiting: YubiKey 15042118 is in use, perhaps by ");
    terminal.expect("scdaemon (pid ");
    drop(kept);
    terminal.answer("PIN of", PIN);
    terminal.finish().success().touches(1);
}

#[test]
fn a_transaction_of_another_program_is_waited_for() {
    let bench = Bench::with_prod();
    let mut other = bench.card(0);
    other.begin();
    let mut terminal = bench.tapvault(["exec", "prod", "--", "true"]).on_terminal();
    terminal.expect("waiting: YubiKey 15042118 is in use");
    other.end();
    terminal.answer("PIN of", PIN);
    terminal.finish().success().touches(1);
}

#[test]
fn a_busy_token_at_enroll_exits_with_busy() {
    let bench = Bench::start();
    let _kept = bench.card_kept_by_scdaemon(0);
    let out = bench
        .tapvault(["key", "enroll", "piv"])
        .run()
        .fails(11, "busy")
        .touches(0);
    out.says("a YubiKey is in use, perhaps by ")
        .says("scdaemon (pid ")
        .says("`gpgconf --kill scdaemon` frees it");
}

#[test]
fn a_card_that_stays_in_other_hands_exits_with_busy_and_nothing_released() {
    let bench = Bench::with_prod();
    let before = bench.snapshot();
    let _kept = bench.card_kept_by_scdaemon(0);
    let out = bench
        .tapvault(["export", "prod"])
        .run()
        .fails(11, "busy")
        .releases_nothing()
        .touches(0)
        .pins(0, 0);
    let out = out
        .says("YubiKey 15042118 is in use, perhaps by ")
        .says("`gpgconf --kill scdaemon` frees it");
    // It says at once that it waits, and for two touches that somebody else may miss.
    assert!(
        (Duration::from_secs(30)..Duration::from_secs(60)).contains(&out.took),
        "{out}"
    );
    out.says("waiting: ");
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn two_commands_at_once_take_turns_at_the_token() {
    let bench = Bench::with_prod();
    let first = bench.tapvault(["exec", "--refresh", "prod", "--", "true"]).start();
    let second = bench.tapvault(["exec", "--refresh", "prod", "--", "true"]).start();
    let outs: Vec<Output> = [first, second]
        .into_iter()
        .map(|running| running.wait().success())
        .collect();
    assert!(outs.iter().all(|out| out.announced() == 1), "{}\n{}", outs[0], outs[1]);
}

#[test]
fn every_command_works_with_firmware_5_4_3() {
    let bench = Bench::setup().firmware(Firmware::V5_4_3).start();
    bench.enroll().says("firmware 5.4.3");
    bench.add("prod", ANA);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    bench
        .tapvault(["export", "prod"])
        .prints_secrets()
        .run()
        .success()
        .touches(1);
    bench.tapvault(["remove", "--force", "prod"]).run().success().touches(1);
}

#[test]
fn an_occupied_slot_is_refused_and_left_as_it_is() {
    let bench = Bench::enrolled();
    let before = bench.token().log().expect("a journal").len();
    let out = bench
        .tapvault(["key", "enroll", "piv", "--slot", "1"])
        .run()
        .fails(12, "conflict")
        .touches(0);
    out.says("slot 82 (retired 1) of YubiKey 15042118 is not empty; it was left as it is");
    let log = bench.token().log_since(before).expect("a journal");
    assert!(
        log.iter()
            .all(|entry| !entry.instruction.contains("GENERATE") && !entry.instruction.contains("PUT"))
    );
    bench
        .tapvault(["key", "enroll", "piv", "--slot", "20"])
        .run()
        .success()
        .says("slot 95 (retired 20) is free");
}

#[test]
fn a_pin_protected_management_key_is_taken_from_the_token() {
    let bench = Bench::start();
    bench.ykman(&[
        "piv",
        "access",
        "change-management-key",
        "--generate",
        "--protect",
        "-m",
        FACTORY_KEY,
        "-P",
        PIN,
    ]);
    let out = bench.tapvault(["key", "enroll", "piv"]).run().success().touches(2);
    assert_eq!(out.pinentry_asked(), 1, "{out}");
    bench.add("prod", ANA);
}

#[test]
fn a_management_key_of_ones_own_is_asked_for() {
    const OWN_KEY: &str = "a1b2c3d4e5f60718a1b2c3d4e5f60718a1b2c3d4e5f60718";
    let bench = Bench::start();
    bench.secret("management key", OWN_KEY);
    bench.ykman(&[
        "piv",
        "access",
        "change-management-key",
        "-m",
        FACTORY_KEY,
        "-n",
        OWN_KEY,
        "-f",
    ]);
    let mut terminal = bench.tapvault(["key", "enroll", "piv"]).on_terminal();
    terminal.answer("PIN of", PIN);
    terminal.answer("management key of YubiKey 15042118 (hex): ", &OWN_KEY.replace('a', "b"));
    terminal
        .finish()
        .fails(7, "pin")
        .says("refused the management key")
        .touches(0);
    let mut terminal = bench.tapvault(["key", "enroll", "piv"]).on_terminal();
    terminal.answer("PIN of", PIN);
    terminal.answer("management key of YubiKey 15042118 (hex): ", OWN_KEY);
    terminal
        .finish()
        .success()
        .touches(2)
        .says("slot 82 (retired 1) is free");
}

/// Yubico, PIV: the management key of a new or reset token.
const FACTORY_KEY: &str = "010203040506070801020304050607080102030405060708";
