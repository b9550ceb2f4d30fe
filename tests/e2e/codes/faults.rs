//! The code does not come: nothing is spent, nothing runs, and the next try works.

use super::{ANA_MFA, Touch, put, with_mfa};
use crate::bench::{Bench, SERIAL};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// Starts a command and touches for the opening; the code's touch is the next.
fn start_and_open(bench: &Bench) -> crate::bench::run::Running<'_> {
    bench.withhold_touches();
    let run = bench.tapvault(["exec", "prod", "--", "true"]).start();
    bench.token().wait_for_touch(SOON).expect("the first touch is awaited");
    bench.token().touch().expect("touched");
    run
}

#[test]
fn a_missed_touch_for_the_code_spends_no_step_and_calls_nobody() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::Required);
    let out = start_and_open(&bench).wait().fails(6, "no-touch").releases_nothing();
    out.says(&format!("YubiKey {SERIAL} was not touched (2 x 1 s)"))
        .says("give the MFA code of ana");
    assert!(bench.calls().is_empty());
    // In the same half minute, perhaps: no step was spent.
    bench.touch_by_itself();
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(2)
        .does_not_say("is spent");
}

#[test]
fn a_token_pulled_out_while_the_code_is_awaited_is_named() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::Required);
    let run = start_and_open(&bench);
    bench.token().wait_for_touch(SOON).expect("the code's touch is awaited");
    bench.pull_out(0);
    run.wait()
        .fails(5, "no-key")
        .releases_nothing()
        .says(&format!("YubiKey {SERIAL} was pulled out"));
    assert!(bench.calls().is_empty());
}

#[test]
fn a_password_on_the_accounts_is_asked_for_once_and_a_wrong_one_is_no_end() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::Required);
    // Set by ykman after everything else was.
    bench.ykman(&["oath", "access", "change", "--new-password", "correct horse"]);
    bench.secret("the OATH password", "correct horse");
    bench.pinentry_knows("password", "wrong horse");
    let out = bench.tapvault(["exec", "prod", "--", "true"]).run();
    let out = out.fails(7, "pin").releases_nothing();
    out.says(&format!("wrong password for the OATH accounts on YubiKey {SERIAL}"));
    assert!(bench.calls().is_empty());
    bench.pinentry_knows("password", "correct horse");
    let out = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(2);
    assert_eq!(out.pinentry_asked(), 2, "the password and the PIN, each once\n{out}");
}

#[test]
fn at_a_terminal_a_wrong_password_can_be_typed_again() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::Required);
    bench.ykman(&["oath", "access", "change", "--new-password", "correct horse"]);
    bench.secret("the OATH password", "correct horse");
    let mut terminal = bench.tapvault(["exec", "prod", "--", "true"]).on_terminal();
    terminal.answer("password of the OATH accounts", "wrong horse");
    terminal.expect("that is not the password");
    terminal.answer("password of the OATH accounts", "correct horse");
    terminal.answer("PIN of YubiKey", crate::bench::PIN);
    terminal.finish().success().touches(2);
}

#[test]
fn a_card_that_another_program_holds_is_waited_for() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::Required);
    let mut other = bench.card(0);
    other.begin();
    let run = bench.tapvault(["exec", "prod", "--", "true"]).start();
    std::thread::sleep(Duration::from_secs(3));
    other.end();
    run.wait().success().touches(2).says("waiting: ");
}

#[test]
fn spent_steps_that_cannot_be_noted_keep_an_automatic_code_back() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::None);
    // A folder in the record's place: it can neither be read nor replaced.
    std::fs::create_dir_all(bench.state_folder().join("steps.json")).expect("a folder");
    let out = bench.tapvault(["exec", "prod", "--", "true"]).run();
    assert_ne!(out.code, Some(0), "{out}");
    out.says("steps.json");
    assert!(bench.calls().is_empty());
}

#[test]
fn a_clock_that_was_ahead_is_no_reason_to_wait_for_ever() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::None);
    let record = bench.state_folder().join("steps.json");
    let ahead = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
        / 30
        + 120;
    crate::bench::files::write_private(&record, format!("{{\"{ANA_MFA}\":{ahead}}}").as_bytes());
    let out = bench.tapvault(["exec", "prod", "--", "true"]).run();
    out.fails(12, "conflict").says("clock was ahead").says("steps.json");
    assert!(bench.calls().is_empty());
}
