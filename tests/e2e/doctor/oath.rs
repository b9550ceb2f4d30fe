//! The OATH accounts: which of the profiles' MFA devices have one, and what is only said and not looked at.

use super::Findings;
use crate::bench::desktop::Desktop;
use crate::bench::{Bench, SERIAL};
use crate::codes::{ANA_MFA, Touch, put, put_with, with_mfa};

const PASSWORD: &str = "correct horse";

/// The AWS config with `more` lines for `prod`, and a role of it in `deploy`.
fn with_role(bench: &Bench, more: &str) {
    bench.aws_config(&format!(
        "[profile prod]\nregion = eu-central-1\nmfa_serial = {ANA_MFA}\n{more}\n\
         [profile deploy]\nsource_profile = prod\nrole_arn = arn:aws:iam::111122223333:role/deploy\nmfa_serial = {ANA_MFA}\n"
    ));
}

#[test]
fn an_account_with_a_touch_is_found_for_every_profile_that_names_the_device() {
    let bench = with_mfa();
    with_role(&bench, "");
    put(&bench, "GitHub:ana", Touch::None);
    put(&bench, "Amazon Web Services:ana@acme", Touch::Required);
    let findings = Findings::of(&bench);
    findings.have("oath", "ok", &format!("YubiKey {SERIAL}: OATH enabled, 2 accounts"));
    findings.have(
        "mfa-devices",
        "ok",
        &format!(
            "MFA device ana of prod and deploy: \"Amazon Web Services:ana@acme\" on YubiKey {SERIAL} gives the codes"
        ),
    );
}

#[test]
fn an_account_without_a_touch_serves_any_program() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::None);
    Findings::of(&bench).mended_by(
        "mfa-devices",
        "warn",
        "without a touch, to any program",
        "tapvault mfa enroll --replace prod",
    );
}

#[test]
fn a_device_without_an_account_is_named_with_what_gives_it_one() {
    let bench = with_mfa();
    let findings = Findings::of(&bench);
    let words = format!("MFA device ana of prod: no account for it on YubiKey {SERIAL}");
    findings.mended_by("mfa-devices", "warn", &words, "tapvault mfa enroll --replace prod");
    findings.mended_by("mfa-devices", "warn", &words, "[profile.prod] and below it oath = ");
    bench.settings("[profile.prod]\noath = \"work phone\"\n");
    put(&bench, ANA_MFA, Touch::Required);
    Findings::of(&bench).have("mfa-devices", "warn", "no account \"work phone\"");
    put(&bench, "work phone", Touch::Required);
    Findings::of(&bench).have("mfa-devices", "ok", "\"work phone\" on YubiKey");
    // A program in its place is enough.
    bench.settings("");
    bench.ykman(&["oath", "accounts", "delete", "--force", ANA_MFA]);
    with_role(&bench, "mfa_process = echo 000000");
    Findings::of(&bench).have("mfa-devices", "ok", "mfa_process gives the codes");
    bench.pull_out(0);
    bench.aws_config(&format!("[profile prod]\nmfa_serial = {ANA_MFA}\n"));
    Findings::of(&bench).have("mfa-devices", "ok", "no token that could give the codes is plugged in");
}

#[test]
fn what_exec_would_stumble_over_fails() {
    let bench = with_mfa();
    put(&bench, "AWS:ana@acme", Touch::Required);
    put(&bench, "AWS:ana@acme-test", Touch::Required);
    Findings::of(&bench).mended_by(
        "mfa-devices",
        "fail",
        "\"AWS:ana@acme-test\"",
        "oath = \"AWS:ana@acme\"",
    );
    let bench = with_mfa();
    put_with(&bench, ANA_MFA, Touch::Required, &["--digits", "8"]);
    Findings::of(&bench).have("mfa-devices", "fail", "gives no codes of 6 digits");
}

#[test]
fn accounts_under_a_password_are_looked_at_only_with_a_kept_one() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::Required);
    bench.ykman(&["oath", "access", "change", "--new-password", PASSWORD]);
    bench.secret("the OATH password", PASSWORD);
    bench.pinentry_knows("password", PASSWORD);
    let desktop = Desktop::log_in(&bench);
    let asked = || bench.pinentry_asked().len();
    let before = asked();
    let not_looked_at = |words: &str| {
        let findings = Findings::of(&bench);
        findings.have("oath", "ok", &format!("{words}; they were not looked at"));
        findings.have(
            "mfa-devices",
            "ok",
            "a token that was not looked at may have its account",
        );
    };
    not_looked_at(&format!(
        "the OATH accounts on YubiKey {SERIAL} have a password, which is not kept"
    ));
    assert_eq!(asked(), before, "doctor asks nobody");
    bench.tapvault(["code", "--remember-password"]).run().success();
    let findings = Findings::of(&bench);
    findings.have("oath", "ok", "OATH enabled, 1 account");
    findings.have("mfa-devices", "ok", "gives the codes");
    desktop.lock();
    not_looked_at(&format!(
        "the keychain gives no OATH password for YubiKey {SERIAL}: it is locked"
    ));
    assert_eq!(desktop.windows(), 0);
    drop(desktop);
    let desktop = Desktop::log_in(&bench);
    bench.ykman(&[
        "oath",
        "access",
        "change",
        "--password",
        PASSWORD,
        "--new-password",
        "staple",
    ]);
    Findings::of(&bench).mended_by(
        "oath",
        "warn",
        "is not the one that was kept",
        "tapvault code --remember-password",
    );
    drop(desktop);
}

#[test]
fn looking_at_accounts_moves_no_counter_and_awaits_no_touch() {
    let bench = with_mfa();
    put_with(
        &bench,
        "counter",
        Touch::None,
        &["--oath-type", "HOTP", "--counter", "0"],
    );
    put(&bench, ANA_MFA, Touch::Required);
    let before = bench.token().counts().expect("counts").touches.awaited;
    Findings::of(&bench).have("oath", "ok", "2 accounts");
    assert_eq!(bench.token().counts().expect("counts").touches.awaited, before);
    // RFC 4226: the first code of a counter that has not moved, which ykman calculates.
    let printed = bench.ykman(&["oath", "accounts", "code", "--single", "counter"]);
    assert_eq!(printed.trim(), FIRST_OF_COUNTER);
}

/// HOTP (RFC 4226, 5.3) of the tests' seed and counter 0: HMAC-SHA-1, truncated to six digits.
const FIRST_OF_COUNTER: &str = "702218";
