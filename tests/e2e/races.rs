//! Many at once, on one vault and one token: nothing is lost, and who can't go on says so.

use crate::bench::run::Output;
use crate::bench::{ANA, Bench};
use crate::faults::content::{Content, content, paper};
use crate::faults::steps::{add, copy, enroll_paper, enroll_token, lines, quick, start_anew, touch_at_once};
use crate::faults::strace;
use std::time::Duration;
use tapvault_lab::aws_standin::{BEN_KEY, BEN_SECRET};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn fifty_at_once_on_one_token_lose_nothing() {
    let bench = token_paper_and_prod();
    let keys: Vec<(String, String, String)> = (0..25)
        .map(|number| {
            let secret = format!("tapvault/lab+not/a/real+secret/race/{number:04}");
            (format!("race-{number}"), format!("AKIATAPVAULTLABR{number:04}"), secret)
        })
        .collect();
    keys.iter().for_each(|(name, _, secret)| bench.secret(name, secret));
    let mut expected = content(&bench);
    let mut runs = Vec::new();
    for (number, (profile, id, secret)) in keys.iter().enumerate() {
        let adding = bench
            .tapvault(["add", profile, "--stdin", "--offline"])
            .stdin(&lines((id, secret)))
            .start();
        let opening = if number.is_multiple_of(2) {
            bench.tapvault(["exec", "prod", "--", "true"]).start()
        } else {
            bench.tapvault(["export", "prod"]).prints_secrets().start()
        };
        runs.push((Some(profile), adding));
        runs.push((None, opening));
    }
    let mut busy = 0;
    for (profile, run) in runs {
        let output = run.wait();
        match output.code {
            Some(0) => {
                if let Some(profile) = profile {
                    let (_, _, secret) = keys.iter().find(|key| key.0 == *profile).expect("one of them");
                    expected.entries.insert(profile.clone(), secret.clone());
                }
            }
            _ => {
                output.fails(11, "busy");
                busy += 1;
            }
        }
    }
    println!("{busy} of 50 found the token busy for too long");
    assert_eq!(busy, 0, "40 s are enough for 50 touches that take no time");
    assert_eq!(content(&bench), expected);
    bench.search_files();
}

#[test]
fn of_two_that_add_the_same_profile_at_once_one_wins_and_the_other_says_so() {
    let bench = token_paper_and_prod();
    bench.withhold_touches();
    let line = ["add", "dev", "--stdin", "--offline"];
    let mut first = bench.tapvault(line).stdin(&lines(ANA)).on_terminal();
    first.expect("touch YubiKey");
    let mut second = bench.tapvault(line).stdin(&lines((BEN_KEY, BEN_SECRET))).on_terminal();
    // Neither has found an access key of that name.
    second.expect("waiting: ");
    touch_at_once(&bench);
    first.finish().success();
    let second = second.finish().fails(12, "conflict");
    assert!(second.said().contains("left as it is"), "{second}");
    let now = content(&bench);
    assert_eq!(now.entries["dev"], ANA.1);
}

#[test]
fn of_many_that_add_the_same_profile_at_once_exactly_one_wins() {
    let bench = token_paper_and_prod();
    let runs: Vec<_> = (0..6).map(|_| bench.add_stdin("dev", ANA).start()).collect();
    let outputs: Vec<Output> = runs.into_iter().map(|run| run.wait()).collect();
    let won = outputs.iter().filter(|output| output.code == Some(0)).count();
    assert_eq!(won, 1);
    for output in outputs.into_iter().filter(|output| output.code != Some(0)) {
        output.fails(12, "conflict").releases_nothing();
    }
    assert_eq!(content(&bench).entries["dev"], ANA.1);
}

#[test]
fn what_is_added_while_a_key_is_enrolled_is_sealed_to_that_key_too_or_refused() {
    let bench = with_a_key_in_the_second_slot();
    let before = content(&bench);
    bench.withhold_touches();
    let mut enrolling = bench
        .tapvault(["key", "enroll", "piv", "--existing", "2", "--name", "spare"])
        .on_terminal();
    for touch in 1..=2 {
        enrolling.expect(&format!("touch {touch} of 3"));
        bench.token().wait_for_touch(SOON).expect("it blinks");
        bench.token().touch().expect("the token listens");
    }
    enrolling.expect("touch 3 of 3");
    let adding = bench.add_stdin("dev", ANA).start();
    bench.token().wait_for_touch(SOON).expect("it blinks");
    touch_at_once(&bench);
    enrolling.finish().success();
    let adding = adding.wait();
    let mut after = before;
    after.keys.insert("spare".into());
    if adding.code == Some(0) {
        after.entries.insert("dev".into(), ANA.1.into());
    } else {
        changed_meanwhile(adding);
    }
    assert_eq!(content(&bench), after);
    opens_with(&bench, &after, "spare");
}

#[test]
fn a_key_enrolled_while_another_one_was_being_shown_is_noticed_before_anything_is_prepared() {
    let bench = with_a_key_in_the_second_slot();
    let mut slow = bench
        .tapvault(["key", "enroll", "recovery", "--name", "late"])
        .may_show("late key")
        .on_terminal();
    slow.expect("Type its last");
    let shown = slow.text();
    let start = shown.find("AGE-SECRET-KEY-1").expect("it is shown");
    let late: String = shown[start..].chars().take_while(|c| !c.is_whitespace()).collect();
    bench.secret("late key", &late);
    bench
        .tapvault(["key", "enroll", "piv", "--existing", "2", "--name", "spare"])
        .run()
        .success();
    slow.enter(&late[late.len() - 6..]);
    changed_meanwhile(slow.finish());
    assert!(!bench.vault().join("next").exists(), "nothing was prepared");
    let now = content(&bench);
    assert!(now.keys.contains("spare") && !now.keys.contains("late"));
    opens_with(&bench, &now, "spare");
}

#[test]
fn two_keys_enrolled_at_once_are_both_enrolled_in_the_end() {
    let bench = quick();
    for name in ["yubikey", "spare", "third"] {
        enroll_token(&bench, name);
    }
    start_anew(&bench);
    adopt(&bench, "1", "yubikey");
    enroll_paper(&bench);
    add(&bench, "prod");
    let line = |slot, name| ["key", "enroll", "piv", "--existing", slot, "--name", name];
    let (spare, third) = (line("2", "spare"), line("3", "third"));
    let runs = [spare, third].map(|line| (line, bench.tapvault(line).start()));
    let outputs = runs.map(|(line, run)| (line, run.wait()));
    for (line, output) in outputs {
        match output.code {
            Some(0) => {}
            Some(11) => drop(output.fails(11, "busy")),
            _ => drop(output.fails(12, "conflict")),
        }
        // Nobody has left anything in the way of the next try.
        let again = bench.tapvault(line).run();
        assert!(
            again.code == Some(0)
                || again.said().contains("enrolled already")
                || again.said().contains("a key is called"),
            "{again}"
        );
    }
    let now = content(&bench);
    assert_eq!(now.keys.len(), 4, "{now:?}");
    for key in ["yubikey", "spare", "third"] {
        opens_with(&bench, &now, key);
    }
}

#[test]
fn a_profile_removed_while_it_is_opened_is_gone_and_the_command_ran() {
    let bench = token_paper_and_prod();
    bench.withhold_touches();
    let mut opening = bench.tapvault(["exec", "prod", "--", "true"]).on_terminal();
    opening.expect("touch YubiKey");
    let mut removing = bench.tapvault(["remove", "prod", "--force"]).on_terminal();
    removing.expect("waiting: ");
    touch_at_once(&bench);
    opening.finish().success();
    removing.finish().success();
    assert_eq!(content(&bench).entries.len(), 0);
    let sessions = bench.vault().join("sessions");
    assert_eq!(
        sessions.read_dir().expect("a folder").count(),
        0,
        "no session outlives it"
    );
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(4, "no-entry");
}

#[test]
fn a_key_list_that_changes_while_a_person_types_is_no_rollback() {
    let bench = with_a_key_in_the_second_slot();
    adopt(&bench, "2", "spare");
    let mut adding = bench.tapvault(["add", "dev", "--offline"]).on_terminal();
    adding.expect("Access key ID: ");
    bench.tapvault(["key", "remove", "spare"]).run().success();
    adding.enter(ANA.0);
    adding.answer("Secret access key: ", ANA.1);
    adding.finish().success();

    adopt(&bench, "2", "spare");
    let mut removing = bench.tapvault(["remove", "dev"]).on_terminal();
    removing.expect("remove the access key of dev?");
    bench.tapvault(["key", "remove", "spare"]).run().success();
    removing.enter("y");
    removing.finish().success();
    assert_eq!(content(&bench).entries.len(), 1);
}

#[test]
fn an_entry_sealed_anew_between_key_list_and_opening_is_no_forgery() {
    strace::check();
    let bench = with_a_key_in_the_second_slot();
    adopt(&bench, "2", "spare");
    let line = ["exec", "prod", "-n", "--", "true"];
    // Stopped after it has read the key list and before it reads the entry.
    let held = strace::hold(&bench, &line, "vault/entries/prod.age");
    let mut removing = bench.tapvault(["key", "remove", "spare", "--recovery"]).on_terminal();
    removing.answer("recovery key", &paper(&bench));
    removing.finish().success();
    // What was read before is an old vault by now, so exec looks again.
    held.go_on().success().says("starting over");
}

#[test]
fn two_machines_that_diverged_are_a_conflict_and_no_attack() {
    let bench = with_a_key_in_the_second_slot();
    let other = bench.root().join("other");
    let vault = other.join("data/tapvault");
    copy(&bench.vault(), &vault);
    let there = |line: &[&str]| {
        bench
            .tapvault(line)
            .env("XDG_DATA_HOME", other.join("data"))
            .env("XDG_STATE_HOME", other.join("state"))
    };
    // A machine that sees the vault for the first time asks; here nobody answers.
    there(&["exec", "prod", "--", "true"])
        .run()
        .fails(12, "rollback")
        .says("key trust");
    there(&["key", "trust", "--yes"]).run().success();
    there(&["exec", "prod", "--", "true"]).run().success();

    let replace = ["add", "prod", "--stdin", "--offline", "--force"];
    bench.tapvault(replace).stdin(&lines(ANA)).run().success();
    there(&replace).stdin(&lines((BEN_KEY, BEN_SECRET))).run().success();
    let ours = bench.root().join("ours");
    copy(&bench.vault(), &ours);
    copy(&vault.join("entries"), &bench.vault().join("entries"));
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(12, "conflict")
        .says("two machines at once");
    copy(&ours, &bench.vault());

    adopt(&bench, "2", "spare");
    there(&["key", "enroll", "piv", "--existing", "3", "--name", "third"])
        .run()
        .success();
    copy(&bench.vault(), &ours);
    copy(&vault, &bench.vault());
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(12, "conflict")
        .says("keys were changed on two machines at once");
    // Either vault is whole, and the person says which one stays.
    bench.tapvault(["key", "trust", "--yes"]).run().success();
    let theirs = content(&bench);
    assert_eq!(theirs.entries["prod"], BEN_SECRET);
    opens_with(&bench, &theirs, "third");
    copy(&ours, &bench.vault());
    bench.tapvault(["key", "trust", "--yes"]).run().success();
    let ours = content(&bench);
    assert_eq!(ours.entries["prod"], ANA.1);
    opens_with(&bench, &ours, "spare");
}

/// It ended because somebody else changed the keys: a conflict, not an attack, and another try helps.
#[track_caller]
fn changed_meanwhile(output: Output) {
    output
        .fails(12, "conflict")
        .says("the enrolled keys were changed while this command ran")
        .says("run it again");
}

fn token_paper_and_prod() -> Bench {
    let bench = quick();
    enroll_token(&bench, "yubikey");
    enroll_paper(&bench);
    add(&bench, "prod");
    bench
}

/// The same, and keys in two more slots of the token that are not enrolled.
fn with_a_key_in_the_second_slot() -> Bench {
    let bench = quick();
    for name in ["yubikey", "spare", "third"] {
        enroll_token(&bench, name);
    }
    start_anew(&bench);
    adopt(&bench, "1", "yubikey");
    enroll_paper(&bench);
    add(&bench, "prod");
    bench
}

fn adopt(bench: &Bench, slot: &str, name: &str) {
    let line = ["key", "enroll", "piv", "--existing", slot, "--name", name];
    bench.tapvault(line).run().success();
}

#[track_caller]
fn opens_with(bench: &Bench, content: &Content, key: &str) {
    for (profile, secret) in &content.entries {
        let line = ["export", profile, "-n", "--format", "json", "--key", key];
        let run = bench.tapvault(line).prints_secrets().run().success();
        assert_eq!(run.json()["SecretAccessKey"], **secret);
    }
}
