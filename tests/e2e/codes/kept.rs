//! The password of the OATH accounts in the keychain: it spares the question, and whatever is wrong with it is said and the
//! password asked for.

use super::{ANA_MFA, Touch, put, with_mfa};
use crate::bench::desktop::{Activation, Desktop};
use crate::bench::{Bench, Output, SERIAL};
use std::fs;
use std::time::Duration;

const PASSWORD: &str = "correct horse";

/// A password is set, and the person knows it.
fn with_password() -> Bench {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::Required);
    bench.ykman(&["oath", "access", "change", "--new-password", PASSWORD]);
    bench.secret("the OATH password", PASSWORD);
    bench.pinentry_knows("password", PASSWORD);
    bench
}

fn remember(bench: &Bench, desktop: &Desktop<'_>) {
    let out = bench.tapvault(["code", "--remember-password"]).run().success();
    let out = out.touches(0).pins(0, 0).releases_nothing();
    assert_eq!(out.pinentry_asked(), 1, "{out}");
    out.says(&format!(
        "the OATH password of YubiKey {SERIAL} is kept in the keychain"
    ));
    bench.secret("the kept key", &stored(desktop));
}

/// What the store holds, as another program reads it.
fn stored(desktop: &Desktop<'_>) -> String {
    let name = format!("oath-{SERIAL}");
    desktop.secret_tool(&["lookup", "service", "tapvault", "username", &name], "")
}

/// Lets a code be given again at once. AWS sees none of them, so nobody refuses it.
fn unspend(bench: &Bench) {
    // The first one has nothing to forget.
    let _ = fs::remove_file(bench.state_folder().join("steps.json"));
}

/// A code that needs no session and no PIN; the touch is for the code.
fn code(bench: &Bench) -> Output {
    unspend(bench);
    bench.tapvault(["code", "prod"]).run()
}

#[test]
fn a_kept_password_is_asked_for_by_no_command() {
    let bench = with_password();
    let desktop = Desktop::log_in(&bench);
    remember(&bench, &desktop);
    let key = stored(&desktop);
    assert_eq!(key.len(), 32, "16 bytes in hexadecimal digits, and not the password");
    let out = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(2);
    assert_eq!(out.pinentry_asked(), 1, "the PIN and nothing else\n{out}");
    // Not everything of this program's in the keychain is an enrolled key.
    bench.tapvault(["key", "list"]).run().success();
    assert_eq!(desktop.windows(), 0);
}

#[test]
fn a_forgotten_password_is_asked_for_again() {
    let bench = with_password();
    let desktop = Desktop::log_in(&bench);
    remember(&bench, &desktop);
    // The serial number is enough: the token may be lost.
    bench.pull_out(0);
    let words = ["code".to_owned(), format!("--forget-password={SERIAL}")];
    let out = bench.tapvault(&words).run().success().releases_nothing();
    out.says(&format!("the keychain keeps no OATH password of YubiKey {SERIAL} now"));
    assert_eq!(stored(&desktop), "");
    // Twice is no error.
    bench.tapvault(&words).run().success();
    bench.nth_token(0).insert().expect("plugged in");
    let out = code(&bench).success();
    assert_eq!(out.pinentry_asked(), 1, "the password\n{out}");
    out.does_not_say("keychain");
}

#[test]
fn a_keychain_that_gives_nothing_is_said_and_the_password_asked_for() {
    let bench = with_password();
    let mut desktop = Desktop::log_in(&bench);
    remember(&bench, &desktop);
    desktop.lock();
    let asked = |words: &str| {
        let out = code(&bench).success().says(&format!(
            "the keychain gives no OATH password for YubiKey {SERIAL}: {words}"
        ));
        assert_eq!(out.pinentry_asked(), 1, "the password\n{out}");
    };
    asked("it is locked");
    let out = bench.tapvault(["code", "--remember-password"]).run();
    let out = out.fails(5, "no-key").says("the keychain: it is locked");
    assert_eq!(out.pinentry_asked(), 0, "nothing is typed in vain\n{out}");
    let out = bench.tapvault(["code", "--forget-password"]).run();
    out.fails(5, "no-key").says("the keychain: it is locked");
    assert_eq!(desktop.windows(), 0, "a window was asked for");
    desktop.stop_keyring();
    desktop.take_its_place_silently();
    asked("it did not answer within 2 s");
    drop(desktop);
    asked("there is no session bus");
    let _nobody = Desktop::without_keyring(&bench, Activation::None);
    asked("nobody offers a secret service");
}

#[test]
fn a_password_that_was_changed_since_is_said_and_the_kept_one_stays_until_the_person_says_otherwise() {
    let bench = with_password();
    let desktop = Desktop::log_in(&bench);
    remember(&bench, &desktop);
    let before = stored(&desktop);
    let new = "battery staple";
    bench.secret("the new OATH password", new);
    bench.ykman(&[
        "oath",
        "access",
        "change",
        "--password",
        PASSWORD,
        "--new-password",
        new,
    ]);
    bench.pinentry_knows("password", new);
    let out = code(&bench).success().says(&format!(
        "the OATH password of YubiKey {SERIAL} is not the one that was kept"
    ));
    let out = out.says("tapvault code --remember-password");
    assert_eq!(out.pinentry_asked(), 1, "the password\n{out}");
    assert_eq!(stored(&desktop), before, "forgotten without being asked");
    remember(&bench, &desktop);
    assert_ne!(stored(&desktop), before);
    let out = code(&bench).success().does_not_say("keychain");
    assert_eq!(out.pinentry_asked(), 0, "{out}");
    // At a terminal, a wrong kept one costs none of the tries.
    bench.ykman(&[
        "oath",
        "access",
        "change",
        "--password",
        new,
        "--new-password",
        PASSWORD,
    ]);
    unspend(&bench);
    let mut terminal = bench.tapvault(["code", "prod"]).on_terminal();
    terminal.expect("is not the one that was kept");
    for wrong in ["wrong one", "wrong two"] {
        terminal.answer("password of the OATH accounts", wrong);
        terminal.expect("that is not the password");
    }
    terminal.answer("password of the OATH accounts", PASSWORD);
    terminal.finish().success();
}

#[test]
fn only_the_right_password_of_a_token_that_is_meant_is_kept() {
    let bench = with_password();
    let desktop = Desktop::log_in(&bench);
    bench.pinentry_knows("password", "wrong horse");
    let remember = || bench.tapvault(["code", "--remember-password"]).run();
    remember().fails(7, "pin").says("wrong password for the OATH accounts");
    assert_eq!(stored(&desktop), "");
    bench.ykman(&["oath", "access", "change", "--password", PASSWORD, "--clear"]);
    let out = remember().success().says("no password is set on the OATH accounts");
    assert_eq!(out.pinentry_asked(), 0, "{out}");
    assert_eq!(stored(&desktop), "");
    let absent = bench.tapvault(["code", "--remember-password=7"]).run();
    absent.fails(5, "no-key").says("YubiKey 7 is not plugged in");
    bench
        .tapvault(["code", "--remember-password", "prod"])
        .run()
        .fails(2, "usage");
    bench.tapvault(["code"]).run().fails(2, "usage");
}

#[test]
fn of_two_tokens_the_one_that_is_meant_has_to_be_said() {
    let bench = Bench::setup().two_tokens().start();
    let _desktop = Desktop::log_in(&bench);
    for option in ["--remember-password", "--forget-password"] {
        let out = bench.tapvault(["code", option]).run().fails(2, "usage");
        out.says("are plugged in").says(&format!("say which: {option}="));
    }
}

#[test]
fn what_is_no_key_in_the_keychain_is_never_sent_and_the_password_asked_for() {
    let bench = with_password();
    let desktop = Desktop::log_in(&bench);
    let name = format!("oath-{SERIAL}");
    desktop.secret_tool(
        &["store", "--label", "x", "service", "tapvault", "username", &name],
        "no key at all",
    );
    let out = code(&bench).success().says("it holds something that is no such key");
    assert_eq!(out.pinentry_asked(), 1, "the password\n{out}");
    assert!(out.took < Duration::from_secs(20), "{out}");
}
