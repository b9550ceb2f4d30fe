//! After an interruption: what other commands say, how it goes on, and what may happen meanwhile.

use super::{journal, key_in_vault, keys_at_aws};
use crate::bench::{ANA, Bench};
use crate::faults::steps::{add, enroll_paper, enroll_token, quick};
use rustix::process::Signal;
use std::fs;
use std::time::Duration;
use tapvault_lab::aws_standin::{Fault, KeyStatus, When};

/// A rotation of `prod` that stopped after the new key was sealed: AWS could not be reached any more.
pub(super) fn stopped_after_sealing(bench: &Bench) {
    bench.aws().fault(
        Fault::on("GetCallerIdentity")
            .nth(2)
            .every()
            .error(403, "AccessDenied", "not now"),
    );
    bench
        .tapvault(["rotate", "prod"])
        .run()
        .fails(8, "aws")
        .says("tapvault rotate --resume prod");
    bench.aws().clear_faults();
    assert_eq!(journal(bench, "prod").expect("a journal")["stage"], "proving");
}

pub(super) fn with_two_keys() -> Bench {
    let bench = quick();
    enroll_token(&bench, "yubikey");
    enroll_paper(&bench);
    bench.add("prod", ANA);
    bench
}

#[test]
fn every_later_command_says_in_a_line_how_to_go_on() {
    let bench = with_two_keys();
    stopped_after_sealing(&bench);
    let line = "stopped after the new key was sealed; `tapvault rotate --resume prod` finishes it";
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .says(line);
    let run = bench
        .tapvault(["export", "prod"])
        .prints_secrets()
        .run()
        .success()
        .says(line);
    assert!(!run.stdout.contains("stopped"));
    bench.tapvault(["list"]).run().success().says(line);
    bench.tapvault(["explain", "prod"]).run().success().says(line);
    let doctor = bench.tapvault(["doctor"]).run();
    assert!(
        doctor.stdout.contains("stopped after the new key was sealed"),
        "{doctor}"
    );
    let plan = bench
        .tapvault(["rotate", "--dry-run", "prod"])
        .run()
        .success()
        .touches(0);
    assert!(plan.stdout.contains(line), "{plan}");
    bench
        .tapvault(["rotate", "--resume", "prod"])
        .run()
        .success()
        .touches(2)
        .says("going on with the rotation of")
        .does_not_say("created");
    bench.tapvault(["list"]).run().success().does_not_say("stopped");
    bench
        .tapvault(["rotate", "--resume", "prod"])
        .run()
        .fails(2, "usage")
        .touches(0);
}

#[test]
fn a_lost_journal_costs_nothing() {
    let bench = with_two_keys();
    stopped_after_sealing(&bench);
    fs::remove_file(bench.vault().join("rotations/prod.json")).expect("it was there");
    bench
        .tapvault(["rotate", "prod"])
        .run()
        .success()
        .does_not_say("created");
    let keys = keys_at_aws(&bench);
    assert_eq!(keys[0].1, KeyStatus::Inactive);
    assert_eq!(key_in_vault(&bench, "prod"), keys[1].0);
}

#[test]
fn a_lost_waiting_file_costs_the_new_key_and_nothing_else() {
    let bench = with_two_keys();
    stopped_after_sealing(&bench);
    fs::remove_file(bench.vault().join("rotations/prod.age")).expect("it was there");
    bench
        .tapvault(["rotate", "prod"])
        .run()
        .success()
        .says("which an interrupted rotation had made and could not keep");
    assert_eq!(keys_at_aws(&bench).len(), 2);
}

#[test]
fn a_damaged_journal_is_named_and_the_rest_goes_on() {
    let bench = with_two_keys();
    stopped_after_sealing(&bench);
    fs::write(bench.vault().join("rotations/prod.json"), "{").expect("written");
    bench
        .tapvault(["rotate", "prod"])
        .run()
        .fails(10, "damaged")
        .says("rotations/prod.json")
        .touches(0);
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
}

#[test]
fn the_old_key_deleted_meanwhile_is_no_obstacle() {
    let bench = with_two_keys();
    stopped_after_sealing(&bench);
    bench.aws().world(|world| {
        let user = world.user_mut("111122223333", "ana").expect("ana");
        user.access_keys.retain(|key| key.id != ANA.0);
    });
    bench.tapvault(["rotate", "prod"]).run().success().touches(2);
    let keys = keys_at_aws(&bench);
    assert_eq!(keys.len(), 1);
    assert_eq!(key_in_vault(&bench, "prod"), keys[0].0);
}

#[test]
fn a_user_that_was_deleted_meanwhile_is_told_and_the_vault_stays() {
    let bench = with_two_keys();
    stopped_after_sealing(&bench);
    bench.aws().world(|world| {
        let account = world.accounts.iter_mut().find(|account| account.id == "111122223333");
        account.expect("the account").users.retain(|user| user.name != "ana");
    });
    let before = bench.snapshot();
    bench
        .tapvault(["rotate", "prod"])
        .run()
        .fails(8, "aws")
        .says("InvalidClientTokenId");
    assert_eq!(
        bench.snapshot().file("entries/prod.age"),
        before.file("entries/prod.age")
    );
    assert_eq!(
        bench.snapshot().file("rotations/prod.age"),
        before.file("rotations/prod.age")
    );
}

#[test]
fn an_entry_that_was_replaced_meanwhile_is_rotated_and_the_forgotten_key_deleted() {
    let bench = with_two_keys();
    stopped_after_sealing(&bench);
    // Ana's own key again: another entry, with another ID, of the same user.
    bench
        .tapvault(["add", "prod", "--stdin", "--force"])
        .stdin(&format!("{}\n{}\n", ANA.0, ANA.1))
        .run()
        .success();
    bench.tapvault(["rotate", "prod"]).run().success();
    let keys = keys_at_aws(&bench);
    assert_eq!(key_in_vault(&bench, "prod"), keys[1].0);
    assert_eq!((keys[0].1, keys[1].1), (KeyStatus::Inactive, KeyStatus::Active));
}

#[test]
fn removing_the_entry_names_the_keys_that_stay_at_aws() {
    let bench = with_two_keys();
    stopped_after_sealing(&bench);
    let new = keys_at_aws(&bench)[1].0.clone();
    bench
        .tapvault(["remove", "prod", "--force"])
        .run()
        .success()
        .says(&format!("{new} has to be deleted at AWS too"));
    assert!(!bench.vault().join("rotations/prod.age").exists());
    assert_eq!(journal(&bench, "prod"), None);
    add(&bench, "prod");
    bench.tapvault(["list"]).run().success().does_not_say("stopped");
}

#[test]
fn a_signal_leaves_what_a_kill_leaves() {
    let bench = with_two_keys();
    bench
        .aws()
        .fault(Fault::on("CreateAccessKey").delay(1_500, When::After));
    let run = bench.tapvault(["rotate", "prod"]).start();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while keys_at_aws(&bench).len() < 2 {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    run.signal(Signal::TERM);
    run.wait();
    bench
        .tapvault(["rotate", "prod"])
        .run()
        .success()
        .says("which an interrupted rotation had made");
    assert_eq!(keys_at_aws(&bench).len(), 2);
}

#[test]
fn a_token_pulled_out_between_the_touches_leaves_a_key_that_waits() {
    let bench = Bench::with_prod();
    bench
        .aws()
        .fault(Fault::on("CreateAccessKey").delay(1_500, When::After));
    let run = bench.tapvault(["rotate", "prod"]).start();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while bench.aws().arrived("CreateAccessKey") == 0 {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    bench.pull_out(0);
    let out = run.wait();
    assert_eq!(out.code, Some(5), "{out}");
    let out = out.says("tapvault rotate --resume prod");
    drop(out);
    assert_eq!(journal(&bench, "prod").expect("a journal")["stage"], "proving");
    plug_in_and_rotate(&bench).touches(2);
    assert_ne!(key_in_vault(&bench, "prod"), ANA.0);
}

#[test]
fn a_token_pulled_out_while_it_blinks_loses_nothing() {
    for touch in [1, 2] {
        let bench = Bench::with_prod();
        bench.withhold_touches();
        let run = bench.tapvault(["rotate", "prod"]).start();
        let blinks = || {
            bench
                .token()
                .wait_for_touch(Duration::from_secs(20))
                .expect("it blinks")
        };
        blinks();
        if touch == 2 {
            bench.token().touch().expect("touched");
            blinks();
        }
        bench.pull_out(0);
        let out = run.wait();
        assert!(out.code.is_some_and(|code| code != 0 && code != 101), "{out}");
        assert_eq!(keys_at_aws(&bench).len(), touch, "{out}");
        let id = keys_at_aws(&bench)[0].0.clone();
        assert_eq!((id.as_str(), keys_at_aws(&bench)[0].1), (ANA.0, KeyStatus::Active));
        bench.touch_by_itself();
        plug_in_and_rotate(&bench);
        assert_ne!(key_in_vault(&bench, "prod"), ANA.0);
    }
}

/// Plugs the token in again, and rotates as soon as pcscd has noticed.
fn plug_in_and_rotate(bench: &Bench) -> crate::bench::Output {
    bench.token().insert().expect("plugged in");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let run = bench.tapvault(["rotate", "prod"]).run();
        if run.code != Some(5) || std::time::Instant::now() > deadline {
            break run.success();
        }
    }
}

#[test]
fn a_touch_that_is_missed_stops_it_before_anything_or_leaves_a_key_that_waits() {
    let bench = Bench::with_prod();
    bench.withhold_touches();
    bench.tapvault(["rotate", "prod"]).run().fails(6, "no-touch");
    assert_eq!(keys_at_aws(&bench).len(), 1);
    assert_eq!(journal(&bench, "prod"), None);
    // The first is given, the second is not.
    let run = bench.tapvault(["rotate", "prod"]).start();
    bench
        .token()
        .wait_for_touch(Duration::from_secs(20))
        .expect("it blinks");
    bench.token().touch().expect("touched");
    run.wait().fails(6, "no-touch").says("tapvault rotate --resume prod");
    assert_eq!(keys_at_aws(&bench).len(), 2);
    bench.touch_by_itself();
    bench.tapvault(["rotate", "prod"]).run().success().pins(1, 0);
    assert_ne!(key_in_vault(&bench, "prod"), ANA.0);
}

#[test]
fn a_damaged_waiting_file_is_named_with_the_way_on() {
    let bench = with_two_keys();
    stopped_after_sealing(&bench);
    let path = bench.vault().join("rotations/prod.age");
    fs::write(&path, "age-encryption.org/v1\n-> half").expect("written");
    let remove = format!("rm {}", path.display());
    bench
        .tapvault(["rotate", "prod"])
        .run()
        .fails(10, "damaged")
        .says(&remove);
    let doctor = bench.tapvault(["doctor"]).run();
    assert!(doctor.stdout.contains("fail  rotations/prod.age"), "{doctor}");
    fs::remove_file(&path).expect("it was there");
    bench
        .tapvault(["rotate", "prod"])
        .run()
        .success()
        .says("could not keep");
    assert_eq!(keys_at_aws(&bench).len(), 2);
}

#[test]
fn finish_brings_an_interrupted_rotation_to_its_end_and_deletes_the_old_key() {
    let bench = with_two_keys();
    stopped_after_sealing(&bench);
    let out = bench
        .tapvault(["rotate", "--finish", "prod"])
        .run()
        .success()
        .touches(2);
    out.does_not_say("created")
        .says(&format!("deleted {}, the old access key", ANA.0));
    let keys = keys_at_aws(&bench);
    assert_eq!(keys.len(), 1);
    assert_eq!(key_in_vault(&bench, "prod"), keys[0].0);
    assert_eq!(journal(&bench, "prod"), None);
}
