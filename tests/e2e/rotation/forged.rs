//! Somebody who can write into the vault's folder, but opens nothing, has no say over the access keys at AWS.

use super::users::second_key;
use super::{journal, key_in_vault, keys_at_aws};
use crate::bench::{ANA, Bench};
use crate::faults::steps::{enroll_paper, enroll_token, quick};
use serde_json::json;
use std::fs;
use tapvault_lab::aws_standin::KeyStatus;

/// What an attacker writes: the entry's key is the new one, and the one that somebody else uses the old.
fn forge(bench: &Bench, stage: &str, old: &str, new: Option<&str>) {
    let folder = bench.vault().join("rotations");
    fs::create_dir_all(&folder).expect("made");
    fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("closed");
    let now = jiff::Timestamp::now();
    // Long enough ago for no other machine to be in the middle of it.
    let at = now - jiff::SignedDuration::from_hours(1);
    let mut journal = json!({
        "tapvault": 1, "profile": "prod", "stage": stage, "old": old, "known": [], "attempts": [now.to_string()], "at": at.to_string(),
        "host": "elsewhere", "proof": "00".repeat(32),
    });
    if let Some(new) = new {
        journal["new"] = new.into();
    }
    let path = folder.join("prod.json");
    fs::write(&path, journal.to_string()).expect("written");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("closed");
}

#[test]
fn a_journal_that_a_stranger_wrote_switches_nothing_off_and_deletes_nothing() {
    let bench = Bench::with_prod();
    let other = second_key(&bench);
    let before = keys_at_aws(&bench);
    for (stage, old, new) in [
        ("retiring", other, Some(ANA.0)),
        ("retired", other, Some(ANA.0)),
        ("proving", ANA.0, Some(other)),
        ("creating", ANA.0, None),
    ] {
        for aim in ["--resume", "--finish", "--delete-old"] {
            forge(&bench, stage, old, new);
            bench.tapvault(["rotate", aim, "prod"]).run();
            assert_eq!(keys_at_aws(&bench), before, "{stage} {aim}");
        }
    }
    bench
        .tapvault(["rotate", "prod"])
        .run()
        .fails(10, "forged")
        .says("rotations/prod.json")
        .says("rm ");
}

#[test]
fn an_old_key_is_still_deleted_by_itself_after_an_enrolled_key_was_removed() {
    let bench = quick();
    enroll_token(&bench, "yubikey");
    enroll_paper(&bench);
    enroll_token(&bench, "spare");
    bench.add("prod", ANA);
    bench.tapvault(["rotate", "prod"]).run().success();
    let before = journal(&bench, "prod").expect("a journal");
    bench.tapvault(["key", "remove", "spare"]).run().success();
    let after = journal(&bench, "prod").expect("a journal");
    assert_ne!(before["proof"], after["proof"], "K is another one");
    bench.tapvault(["rotate", "--finish", "prod"]).run().success();
    let left = keys_at_aws(&bench);
    assert_eq!(left, [(key_in_vault(&bench, "prod"), KeyStatus::Active)]);
}
