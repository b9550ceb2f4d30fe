//! Two rotations of one entry at once, on this machine and on another one.

use super::interrupted::{stopped_after_sealing, with_two_keys};
use super::{journal, keys_at_aws};
use std::fs;
use std::time::Duration;
use tapvault_lab::aws_standin::{Fault, When};

#[test]
fn a_second_rotation_at_the_same_time_ends_at_once_and_names_the_process() {
    let bench = with_two_keys();
    bench
        .aws()
        .fault(Fault::on("CreateAccessKey").delay(3_000, When::Before));
    let first = bench.tapvault(["rotate", "prod"]).start();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while bench.aws().arrived("CreateAccessKey") == 0 {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = bench.tapvault(["rotate", "prod"]).run();
    let pid = first.pid().as_raw_nonzero();
    second
        .fails(12, "conflict")
        .says(&format!("under way already (process {pid})"))
        .touches_of_which_announced(0, 0);
    // While it runs it did not stop.
    bench.tapvault(["list"]).run().success().does_not_say("stopped");
    first.wait().success();
    assert_eq!(keys_at_aws(&bench).len(), 2);
}

#[test]
fn a_rotation_that_another_machine_may_be_in_the_middle_of_is_left_to_it() {
    let bench = with_two_keys();
    stopped_after_sealing(&bench);
    let before = keys_at_aws(&bench);
    // What a synced folder has brought so far: the journal, and not the new key.
    fs::remove_file(bench.vault().join("rotations/prod.age")).expect("a key waits");
    let mut journal = journal(&bench, "prod").expect("a journal");
    journal["host"] = "desk".into();
    fs::write(bench.vault().join("rotations/prod.json"), journal.to_string()).expect("written");
    for line in [&["rotate", "prod"][..], &["rotate", "--resume", "prod"]] {
        bench
            .tapvault(line.iter().copied())
            .run()
            .fails(12, "conflict")
            .touches(0)
            .says("was under way on desk");
    }
    assert_eq!(keys_at_aws(&bench), before);
}
