//! A rotation that nothing cuts short.

use super::{journal, key_in_vault, keys_at_aws};
use crate::bench::{ANA, Bench};
use tapvault_lab::aws_standin::KeyStatus;

#[test]
fn a_rotation_makes_seals_proves_tries_switches_and_retires() {
    let bench = Bench::with_prod();
    bench.aws().clear_calls();
    let out = bench.tapvault(["rotate", "prod"]).run().success();
    println!("{out}");
    out.touches(2);
    let keys = keys_at_aws(&bench);
    assert_eq!(keys[0], (ANA.0.to_owned(), KeyStatus::Inactive));
    assert_eq!(keys[1].1, KeyStatus::Active);
    assert_eq!(key_in_vault(&bench, "prod"), keys[1].0);
    assert_eq!(journal(&bench, "prod").expect("a journal")["stage"], "retired");
    assert_eq!(
        bench.calls(),
        [
            "GetCallerIdentity",
            "ListAccessKeys",
            "CreateAccessKey",
            "GetCallerIdentity",
            "UpdateAccessKey"
        ]
    );
}

#[test]
fn the_old_key_is_deleted_by_finish_or_at_the_next_rotation() {
    let bench = Bench::with_prod();
    bench
        .tapvault(["rotate", "--finish", "prod"])
        .run()
        .success()
        .touches(0)
        .says("no old access key waits");
    bench.tapvault(["rotate", "prod"]).run().success();
    bench
        .tapvault(["rotate", "--finish", "prod"])
        .run()
        .success()
        .touches(1)
        .says(&format!("deleted {}, the old access key", ANA.0));
    let first = keys_at_aws(&bench);
    assert_eq!(first.len(), 1);
    assert_eq!(journal(&bench, "prod"), None);
    bench.tapvault(["rotate", "prod"]).run().success();
    bench
        .tapvault(["rotate", "prod"])
        .run()
        .success()
        .touches(2)
        .says(&format!("deleted {}, the old access key", first[0].0));
    assert_eq!(keys_at_aws(&bench).len(), 2);
}

#[test]
fn an_old_key_that_was_switched_on_again_is_not_deleted_unasked() {
    let bench = Bench::with_prod();
    bench.tapvault(["rotate", "prod"]).run().success();
    bench.aws().world(|world| {
        world.user_mut("111122223333", "ana").expect("ana").access_keys[0].status = KeyStatus::Active;
    });
    for line in [&["rotate", "prod"][..], &["rotate", "--finish", "prod"]] {
        bench
            .tapvault(line)
            .run()
            .fails(12, "conflict")
            .says("switched on again");
    }
    bench
        .tapvault(["rotate", "--finish", "--delete-other", ANA.0, "prod"])
        .run()
        .success();
    assert_eq!(keys_at_aws(&bench).len(), 1);
}

#[test]
fn sessions_of_the_old_key_are_dropped_and_the_next_exec_makes_one_of_the_new() {
    let bench = Bench::with_prod();
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    bench.tapvault(["rotate", "--delete-old", "prod"]).run().success();
    bench.aws().clear_calls();
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    assert_eq!(bench.calls(), ["GetSessionToken"]);
    let list = bench.tapvault(["list", "--json"]).run().success().json();
    assert_eq!(list[0]["access_key_id"], *keys_at_aws(&bench)[0].0);
    assert_eq!(list[0]["arn"], "arn:aws:iam::111122223333:user/ana");
}

#[test]
fn several_profiles_are_rotated_one_after_the_other_each_key_once() {
    let bench = Bench::with_prod();
    bench.aws_config(
        "[profile prod]\nregion = eu-central-1\n[profile reader]\nsource_profile = prod\n\
         role_arn = arn:aws:iam::444455556666:role/reader\n[profile lost]\nregion = eu-central-1\n",
    );
    let (gus, secret) = (
        tapvault_lab::aws_standin::GUS_KEY,
        "tapvault/lab+not/a/real+secret/gone/0001",
    );
    bench
        .tapvault(["add", "lost", "--stdin", "--offline"])
        .stdin(&format!("{gus}\n{secret}\n"))
        .run()
        .success();
    // AWS does not take the key of the first; the second is rotated all the same, and the third is the same key.
    let out = bench.tapvault(["rotate", "lost", "reader", "prod"]).run();
    out.fails(8, "aws").says("lost: ").says("deactivated");
    assert_eq!(keys_at_aws(&bench).len(), 2);
    assert_eq!(bench.aws().calls_of("CreateAccessKey").len(), 1);
}

#[test]
fn a_dry_run_opens_nothing_and_calls_nobody() {
    let bench = Bench::with_prod();
    let (before, calls) = (bench.snapshot(), bench.calls());
    let out = bench
        .tapvault(["rotate", "--dry-run", "prod"])
        .run()
        .success()
        .touches(0);
    assert!(out.stdout.contains("would take 2 touches, no code"), "{out}");
    assert_eq!((bench.snapshot(), bench.calls()), (before, calls));
}

#[test]
fn old_keys_are_shown_where_they_are_and_rotated_when_due() {
    let bench = Bench::with_prod();
    bench.add("dev", ANA);
    bench.settings("max_key_age = \"30d\"\n");
    bench.tapvault(["list"]).run().success().does_not_say("limit");
    age(&bench, "prod", 40);
    bench
        .tapvault(["list"])
        .run()
        .success()
        .says("the access key of prod has been in the vault for 40 days, and 30 are its limit; tapvault rotate prod")
        .does_not_say("dev has been");
    bench
        .tapvault(["explain", "prod"])
        .run()
        .success()
        .says("30 are its limit");
    let doctor = bench.tapvault(["doctor"]).run();
    assert!(doctor.stdout.contains("tapvault rotate prod"), "{doctor}");
    bench
        .tapvault(["rotate", "--due", "90d"])
        .run()
        .success()
        .says("no access key is that old");
    bench
        .tapvault(["rotate", "--due", "1w"])
        .run()
        .code
        .filter(|code| *code == 2)
        .expect("a week is no age here");
    age(&bench, "prod", 100);
    bench
        .tapvault(["rotate", "--due", "90d"])
        .run()
        .success()
        .says("deactivated");
    assert_ne!(key_in_vault(&bench, "prod"), ANA.0);
    bench
        .tapvault(["rotate", "--due", "90d"])
        .run()
        .success()
        .says("no access key is that old");
}

#[test]
fn an_old_key_that_was_forgotten_for_a_week_is_mentioned() {
    let bench = Bench::with_prod();
    bench.tapvault(["rotate", "prod"]).run().success();
    bench.tapvault(["list"]).run().success().does_not_say("--finish");
    let path = bench.vault().join("rotations/prod.json");
    let mut journal = journal(&bench, "prod").expect("a journal");
    journal["at"] = "2026-01-01T00:00:00Z".into();
    std::fs::write(path, journal.to_string()).expect("written");
    bench
        .tapvault(["list"])
        .run()
        .success()
        .says("`tapvault rotate --finish prod` deletes it");
    let doctor = bench.tapvault(["doctor"]).run();
    assert!(doctor.stdout.contains("rotate --finish prod"), "{doctor}");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .does_not_say("--finish");
}

/// Lets the sidecar say that the key has been there for so many days. The next opening mends it.
fn age(bench: &Bench, profile: &str, days: i64) {
    let path = bench.vault().join(format!("entries/{profile}.json"));
    let mut sidecar: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).expect("a sidecar")).expect("JSON");
    let then = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days + 1);
    sidecar["added"] = then.to_string().into();
    std::fs::write(path, sidecar.to_string()).expect("written");
}

#[test]
fn list_asks_aws_for_the_age_of_keys_when_told_to() {
    let bench = Bench::with_prod();
    bench.aws_config(
        "[profile prod]\nregion = eu-central-1\n[profile admin]\nrole_arn = arn:aws:iam::444455556666:role/admin\nsource_profile = prod\n",
    );
    bench.tapvault(["rotate", "prod"]).run().success();
    let out = bench.tapvault(["list", "--iam", "--json"]).run().success().touches(1);
    let keys = out.says("to ask AWS about its access keys").json_as("list-iam");
    let rows: Vec<_> = keys.as_array().expect("rows").iter().collect();
    let new = key_in_vault(&bench, "prod");
    let facts = |at: usize| ["access_key_id", "status", "in_vault"].map(|name| rows[at][name].to_string());
    assert_eq!(facts(0), [&format!("{:?}", ANA.0), "\"inactive\"", "false"]);
    assert_eq!(facts(1), [&format!("{new:?}"), "\"active\"", "true"]);
    assert_eq!(rows[1]["age_days"], 0);
    // A role leads to the key under it; nothing is asked unasked.
    let text = bench
        .tapvault(["list", "--iam", "admin"])
        .run()
        .success()
        .touches(1)
        .stdout;
    assert!(text.contains("AT AWS") && text.contains("inactive"), "{text}");
    bench.aws().clear_calls();
    bench.tapvault(["list"]).run().success().touches(0);
    assert!(bench.calls().is_empty());
    bench
        .tapvault(["list", "--iam", "nobody"])
        .run()
        .fails(4, "no-entry")
        .releases_nothing();
}
