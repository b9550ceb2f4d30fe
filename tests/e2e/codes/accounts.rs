//! Which account is taken.

use super::{ANA_MFA, Touch, put, put_with, with_mfa};
use crate::bench::{Bench, SERIAL};

fn exec(bench: &Bench) -> crate::bench::Output {
    bench.tapvault(["exec", "prod", "--", "true"]).run()
}

#[test]
fn an_account_named_as_the_device_runs_a_command_with_two_touches_and_nothing_typed_but_the_pin() {
    let bench = with_mfa();
    put(&bench, "GitHub:ana", Touch::None);
    put(&bench, ANA_MFA, Touch::Required);
    let out = exec(&bench).success().touches(2).pins(1, 0);
    let out = out.says(&format!(
        "touch 1 of 2: YubiKey {SERIAL}, to open prod (ana in 111122223333) for `true`"
    ));
    let out = out.says(&format!("touch 2 of 2: YubiKey {SERIAL}, to give the MFA code of ana"));
    assert_eq!(out.pinentry_asked(), 1, "the PIN and nothing else\n{out}");
    assert_eq!(bench.calls(), ["GetSessionToken"]);
    // The session is sealed: no code and one touch.
    exec(&bench).success().touches(1).does_not_say("MFA code");
    assert_eq!(bench.calls(), ["GetSessionToken"]);
}

#[test]
fn an_account_that_wants_no_touch_is_not_announced() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::None);
    exec(&bench)
        .success()
        .touches(1)
        .says(&format!("touch YubiKey {SERIAL} to open prod"));
    assert_eq!(bench.calls(), ["GetSessionToken"]);
}

#[test]
fn the_name_that_the_consoles_qr_code_gives_is_known_with_number_and_with_alias() {
    for name in ["ana@111122223333", "ana@acme"] {
        let bench = with_mfa();
        put(&bench, "Amazon Web Services:ana@999988887777", Touch::None);
        put(&bench, &format!("Amazon Web Services:{name}"), Touch::Required);
        exec(&bench).success().touches(2);
        assert_eq!(bench.calls(), ["GetSessionToken"], "{name}");
    }
}

#[test]
fn two_accounts_that_fit_are_listed_with_the_line_that_settles_it() {
    let bench = with_mfa();
    put(&bench, "AWS:ana@acme", Touch::None);
    put(&bench, "AWS:ana@acme-test", Touch::None);
    let before = bench.snapshot();
    let out = exec(&bench).fails(3, "config").releases_nothing().touches(0);
    let out = out.says("\"AWS:ana@acme\"").says("\"AWS:ana@acme-test\"");
    out.says("[profile.NAME] and below it oath = \"AWS:ana@acme\"");
    assert!(bench.calls().is_empty());
    assert_eq!(bench.snapshot(), before);
    bench.settings("[profile.prod]\noath = \"AWS:ana@acme\"\n");
    exec(&bench).success().touches(1);
}

#[test]
fn what_config_toml_names_is_taken_and_nothing_in_its_place() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::None);
    bench.settings("[profile.prod]\noath = \"work phone\"\n");
    let asked = bench.tapvault(["exec", "--mfa", "oath", "prod", "--", "true"]).run();
    asked
        .fails(5, "no-key")
        .touches(0)
        .says(&format!("no OATH account \"work phone\" on YubiKey {SERIAL}"));
    put(&bench, "work phone", Touch::None);
    exec(&bench).success().touches(1);
}

#[test]
fn counters_and_other_periods_are_left_alone() {
    let bench = with_mfa();
    put_with(&bench, ANA_MFA, Touch::None, &["--oath-type", "HOTP", "--counter", "5"]);
    let out = bench.tapvault(["exec", "--mfa", "oath", "prod", "--", "true"]).run();
    out.fails(5, "no-key").says("no OATH account for ana");
    // RFC 4226: had anything been calculated, the counter would have moved.
    put_with(&bench, ANA_MFA, Touch::None, &["--period", "60", "--force"]);
    bench
        .tapvault(["exec", "--mfa", "oath", "prod", "--", "true"])
        .run()
        .fails(5, "no-key");
    assert!(bench.calls().is_empty());
}

#[test]
fn an_account_with_codes_of_eight_digits_is_refused_with_its_name() {
    let bench = with_mfa();
    put_with(&bench, ANA_MFA, Touch::None, &["--digits", "8"]);
    let out = exec(&bench).fails(3, "config").releases_nothing();
    out.says("gives no codes of 6 digits").says(ANA_MFA);
    assert!(bench.calls().is_empty());
}

#[test]
fn among_more_than_thirty_two_accounts_with_names_in_any_script_the_right_one_is_found() {
    let bench = with_mfa();
    for number in 0..33 {
        let name = ["ä:ö", "שלום", "名前:アカウント", "a b:c d", "emoji 🔑"][number % 5];
        put(&bench, &format!("{name} {number}"), Touch::None);
    }
    put(&bench, ANA_MFA, Touch::Required);
    exec(&bench).success().touches(2);
}

#[test]
fn the_token_that_opens_is_asked_first_and_any_other_then() {
    let bench = Bench::setup().two_tokens().start();
    bench
        .tapvault(["key", "enroll", "piv", "--serial", &SERIAL.to_string()])
        .run()
        .success();
    bench.aws_config(&format!("[profile prod]\nmfa_serial = {ANA_MFA}\n"));
    bench.add("prod", crate::bench::ANA).success();
    // The other one has it; no key of it is enrolled here.
    bench.ykman_on(1, &["oath", "accounts", "add", "--touch", ANA_MFA, super::SEED]);
    bench.secret("the seed", super::SEED);
    let other = bench.serial(1);
    let out = exec(&bench).success().touches(2);
    out.says(&format!("touch 2 of 2: YubiKey {other}, to give the MFA code of ana"));
    bench.tapvault(["clear"]).run().success();
    put(&bench, ANA_MFA, Touch::Required);
    bench.wait_for_next_step();
    let out = exec(&bench).success().touches(2);
    out.says(&format!("touch 2 of 2: YubiKey {SERIAL}, to give the MFA code of ana"));
}

#[test]
fn a_token_whose_accounts_nobody_can_unlock_does_not_hide_the_one_that_has_the_account() {
    let bench = Bench::setup().two_tokens().start();
    let (own, other) = (bench.serial(0).to_string(), bench.serial(1));
    let enroll = ["key", "enroll", "piv", "--serial", &own, "--pin-policy", "never"];
    bench.tapvault(enroll).run().success();
    bench.aws_config(&format!("[profile prod]\nmfa_serial = {ANA_MFA}\n"));
    bench.add("prod", crate::bench::ANA).success();
    bench.secret("the seed", super::SEED);
    bench.secret("the OATH password", "correct horse");
    bench.ykman_on(1, &["oath", "accounts", "add", "--touch", ANA_MFA, super::SEED]);
    bench.ykman(&["oath", "access", "change", "--new-password", "correct horse"]);
    let exec = bench.tapvault(["exec", "prod", "--", "true"]);
    let out = exec.env("PINENTRY_PROGRAM", "/nowhere/pinentry").run().success();
    out.touches(2)
        .says(&format!("touch 2 of 2: YubiKey {other}, to give the MFA code of ana"));
}
