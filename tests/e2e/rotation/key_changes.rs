//! Keys that are enrolled and removed while a rotation is under way or was interrupted.

use super::interrupted::{stopped_after_sealing, with_two_keys};
use super::{journal, key_in_vault, keys_at_aws};
use crate::bench::ANA;
use crate::faults::content::{content, opened_by_age};
use crate::faults::steps::enroll_token;
use std::fs;
use std::time::Duration;
use tapvault_lab::aws_standin::{Fault, KeyStatus, When};

#[test]
fn enrolling_a_key_meanwhile_seals_the_waiting_key_to_it_too() {
    let bench = with_two_keys();
    stopped_after_sealing(&bench);
    enroll_token(&bench, "spare").says("touch");
    bench
        .tapvault(["rotate", "--resume", "prod", "--key", "spare"])
        .run()
        .success()
        .touches(2);
    for key in ["spare", "yubikey"] {
        let line = ["export", "prod", "-n", "--key", key];
        bench.tapvault(line).prints_secrets().run().success();
    }
    assert_eq!(content(&bench).keys.len(), 3);
    assert_ne!(key_in_vault(&bench, "prod"), ANA.0);
}

#[test]
fn removing_a_key_meanwhile_seals_the_waiting_key_anew() {
    let bench = with_two_keys();
    enroll_token(&bench, "spare");
    stopped_after_sealing(&bench);
    let waiting = bench.vault().join("rotations/prod.age");
    let before = fs::read(&waiting).expect("a key waits");
    bench.tapvault(["key", "remove", "spare"]).run().success().touches(3);
    assert_ne!(fs::read(&waiting).expect("it still waits"), before);
    opened_by_age(&bench, &waiting);
    bench.tapvault(["rotate", "prod"]).run().success().touches(2);
    let keys = keys_at_aws(&bench);
    assert_eq!(key_in_vault(&bench, "prod"), keys[1].0);
    // K is the new list's everywhere.
    content(&bench);
}

#[test]
fn a_key_change_that_was_interrupted_after_its_commit_carries_the_waiting_key_along() {
    let bench = with_two_keys();
    enroll_token(&bench, "spare");
    stopped_after_sealing(&bench);
    let line = ["key", "remove", "spare"];
    let (folders, kept) = (bench.vault(), bench.root().join("kept"));
    crate::faults::steps::copy(&folders, &kept);
    let (out, points) = crate::faults::strace::points(&bench, &line, |run| run);
    out.success();
    crate::faults::steps::copy(&kept, &folders);
    fs::remove_dir_all(bench.state_folder()).expect("the memory of what was put back");
    bench.tapvault(["key", "trust", "--yes"]).run().success();
    let into_place = |point: &&crate::faults::strace::Point| point.place == "vault/rotations/prod.age";
    let point = points.iter().rfind(into_place).expect("it is moved into its place");
    crate::faults::strace::strike(&bench, &line, |run| run, point, crate::faults::strace::Fault::Kill);
    bench.tapvault(["rotate", "prod"]).run().success().touches(2);
    assert_ne!(key_in_vault(&bench, "prod"), ANA.0);
    content(&bench);
}

#[test]
fn keys_that_change_while_a_new_one_is_made_cost_that_one_and_nothing_else() {
    let bench = with_two_keys();
    bench
        .aws()
        .fault(Fault::on("CreateAccessKey").delay(4_000, When::After));
    let run = bench.tapvault(["rotate", "prod"]).start();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while bench.aws().arrived("CreateAccessKey") == 0 {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    enroll_token(&bench, "spare");
    run.wait()
        .fails(12, "conflict")
        .says("the enrolled keys were changed while this command ran")
        .says("was deleted again");
    assert_eq!(keys_at_aws(&bench), [(ANA.0.to_owned(), KeyStatus::Active)]);
    assert_eq!(journal(&bench, "prod"), None);
    bench.tapvault(["rotate", "prod"]).run().success();
}
