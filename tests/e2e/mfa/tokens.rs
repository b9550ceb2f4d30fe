//! Which tokens get the seed, and what tokens do in between.

use super::managing::with_second;
use super::{BEN_MFA, CONFIG, config, devices, give, is_enrolled, is_untouched, journal, with_ben};
use crate::bench::{Bench, OTHER_SERIAL, PIN, SERIAL};
use serde_json::json;
use std::time::Duration;
use tapvault_lab::aws_standin::{ANA_MFA, BEN_KEY, BEN_SECRET, Fault, When};
use tapvault_lab::soft_token::firmware::Firmware;

const ENROLL: [&str; 3] = ["mfa", "enroll", "prod"];
const SOON: Duration = Duration::from_secs(10);

fn two_tokens() -> Bench {
    let bench = Bench::setup().two_tokens().start();
    bench
        .tapvault(["key", "enroll", "piv", "--serial", &SERIAL.to_string()])
        .run()
        .success();
    give(&bench, (BEN_KEY, BEN_SECRET));
    bench
}

#[test]
fn with_two_tokens_the_person_says_which_and_both_may_have_the_seed() {
    let bench = two_tokens();
    bench
        .tapvault(ENROLL)
        .run()
        .fails(2, "usage")
        .touches(0)
        .says(&format!("YubiKey {SERIAL}"))
        .says(&format!("YubiKey {OTHER_SERIAL}"))
        .says("--token SERIAL");
    let (first, second) = (SERIAL.to_string(), OTHER_SERIAL.to_string());
    let line = ["mfa", "enroll", "prod", "--token", &first, "--token", &second];
    bench.tapvault(line).run().success().touches(3);
    is_enrolled(&bench);
    assert_eq!(bench.oath_accounts(1), [BEN_MFA]);
    // The spare one gives codes too.
    bench.ykman(&["oath", "accounts", "delete", "--force", BEN_MFA]);
    let out = bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    out.says(&format!("YubiKey {OTHER_SERIAL}, to give the MFA code of ben"));
}

#[test]
fn a_token_that_is_not_there_or_has_no_oath_is_named_before_anything_blinks() {
    let bench = with_ben();
    let other = OTHER_SERIAL.to_string();
    bench
        .tapvault(["mfa", "enroll", "prod", "--token", &other])
        .run()
        .fails(5, "no-key")
        .touches(0)
        .says(&format!("YubiKey {OTHER_SERIAL} is not plugged in"));
    assert!(bench.calls().is_empty());
}

#[test]
fn an_account_of_that_name_is_left_alone_and_no_device_is_made() {
    let bench = with_ben();
    let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    bench.ykman(&["oath", "accounts", "add", "--touch", BEN_MFA, seed]);
    let before = std::fs::read(bench.root().join("rig/token-0.json")).expect("the token's memory");
    bench
        .tapvault(ENROLL)
        .run()
        .fails(12, "conflict")
        .says(&format!("YubiKey {SERIAL} has an OATH account {BEN_MFA} already"))
        .says("--serial");
    assert_eq!(
        before,
        std::fs::read(bench.root().join("rig/token-0.json")).expect("the token's memory")
    );
    assert_eq!(
        (devices(&bench), config(&bench), journal(&bench)),
        (vec![], CONFIG.to_owned(), None)
    );
}

#[test]
fn a_full_token_is_told_and_the_device_is_deleted_again() {
    let bench = Bench::setup().firmware(Firmware::V5_4_3).start();
    bench.enroll();
    give(&bench, (BEN_KEY, BEN_SECRET));
    for number in 0..32 {
        let name = format!("account {number}");
        bench.ykman(&["oath", "accounts", "add", &name, "GEZDGNBVGY3TQOJQ"]);
    }
    bench
        .tapvault(ENROLL)
        .run()
        .fails(12, "conflict")
        .touches(1)
        .says("a YubiKey holds 32 accounts")
        .says(&format!("{BEN_MFA} was deleted again; nothing of it is left"));
    assert_eq!(bench.oath_accounts(0).len(), 32);
    assert_eq!(
        (devices(&bench), config(&bench), journal(&bench)),
        (vec![], CONFIG.to_owned(), None)
    );
}

#[test]
fn an_account_of_that_name_that_comes_meanwhile_is_left_alone_too() {
    let bench = with_ben();
    bench.withhold_touches();
    let run = bench.tapvault(ENROLL).start();
    bench.token().wait_for_touch(SOON).expect("the first touch is awaited");
    // AWS takes its time, and so there is some to go to the token.
    bench
        .aws()
        .fault(Fault::on("CreateVirtualMFADevice").delay(4_000, When::Before));
    bench.token().touch().expect("touched");
    while bench.aws().arrived("CreateVirtualMFADevice") == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    bench.card(0).put_oath_account(BEN_MFA);
    run.wait().fails(12, "conflict").says("nothing of it is left");
    assert_eq!(bench.oath_accounts(0), [BEN_MFA]);
    assert_eq!(
        (devices(&bench), config(&bench), journal(&bench)),
        (vec![], CONFIG.to_owned(), None)
    );
}

#[test]
fn a_missed_touch_leaves_nothing_behind() {
    let bench = with_ben();
    bench.withhold_touches();
    let run = bench.tapvault(ENROLL).start();
    bench.token().wait_for_touch(SOON).expect("the first touch is awaited");
    bench.token().touch().expect("touched");
    let out = run.wait().fails(6, "no-touch");
    out.says("to give the first of two codes of ben")
        .says(&format!("{BEN_MFA} was deleted again; nothing of it is left"));
    is_untouched(&bench);
    bench.touch_by_itself();
    bench.tapvault(ENROLL).run().success().touches(3);
    is_enrolled(&bench);
}

#[test]
fn a_token_that_is_pulled_out_has_to_come_back_or_be_given_up() {
    let bench = with_ben();
    for way in ["back", "lost"] {
        bench.withhold_touches();
        let run = bench.tapvault(ENROLL).start();
        bench.token().wait_for_touch(SOON).expect("the first touch is awaited");
        bench.token().touch().expect("touched");
        bench.token().wait_for_touch(SOON).expect("the code's touch is awaited");
        bench.pull_out(0);
        run.wait()
            .fails(5, "no-key")
            .says(&format!("{BEN_MFA} could not be undone"))
            .says("`tapvault mfa enroll prod` finishes or undoes it");
        // The device went; the seed, which is of no use any more, is still on the token.
        assert_eq!(devices(&bench), []);
        assert_eq!(journal(&bench).expect("a journal")["stage"], "seeding");
        bench
            .tapvault(ENROLL)
            .run()
            .fails(5, "no-key")
            .says(&format!("YubiKey {SERIAL} may hold the seed"));
        bench.token().insert().expect("plugged in");
        bench.touch_by_itself();
        assert_eq!(bench.oath_accounts(0), [BEN_MFA]);
        if way == "back" {
            bench.tapvault(ENROLL).run().success().says("it is made anew");
            is_enrolled(&bench);
            super::start_over(&bench);
        }
    }
    bench.aws().world(|world| {
        let ben = world
            .accounts
            .iter_mut()
            .flat_map(|it| &mut it.users)
            .find(|it| it.name == "ben");
        ben.expect("Ben").permissions.push("iam:DeactivateMFADevice".into());
    });
    bench.tapvault(["mfa", "remove", "prod", "--force"]).run().success();
    is_untouched(&bench);
}

#[test]
fn a_password_on_the_accounts_is_asked_for_once() {
    let bench = with_ben();
    bench.ykman(&["oath", "access", "change", "--new-password", "correct horse"]);
    bench.secret("the OATH password", "correct horse");
    bench.pinentry_knows("password", "correct horse");
    let out = bench.tapvault(ENROLL).run().success().touches(3);
    assert_eq!(out.pinentry_asked(), 2, "the password and the PIN, each once\n{out}");
    assert_eq!(devices(&bench), [(BEN_MFA.to_owned(), Some("ben".to_owned()))]);
}

#[test]
fn a_password_is_asked_for_once_however_often_the_token_is_looked_at() {
    let bench = with_second();
    bench.ykman(&["oath", "access", "change", "--new-password", "correct horse"]);
    bench.secret("the OATH password", "correct horse");
    bench.pinentry_knows("password", "correct horse");
    // One device gives a code, and the token gets another.
    let third = format!("{ANA_MFA}-third");
    let line = ["mfa", "enroll", "prod", "--replace", "--serial", &third];
    let out = bench.tapvault(line).run().success().touches(4);
    assert_eq!(out.pinentry_asked(), 2, "the password and the PIN, each once\n{out}");
}

#[test]
fn a_token_that_another_program_holds_is_waited_for_until_it_can_be_looked_at() {
    let bench = with_ben();
    bench.tapvault(ENROLL).run().success();
    // AWS takes its time once the entry is open, and so another program comes first.
    bench
        .aws()
        .fault(Fault::on("ListMFADevices").delay(3_000, When::Before));
    let before = bench.aws().arrived("ListMFADevices");
    let mut terminal = bench.tapvault(["mfa", "list", "prod", "--json"]).on_terminal();
    terminal.answer("PIN of", PIN);
    while bench.aws().arrived("ListMFADevices") == before {
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut other = bench.card(0);
    other.begin();
    terminal.expect("waiting: a YubiKey is in use");
    other.end();
    let listed = terminal.finish().success().touches(1).json_as("mfa-list");
    assert_eq!(listed[0]["tokens"], json!([{"serial": SERIAL, "touch": true}]));
}
