//! An old vault, an old entry or an old key list put back is seen by a machine that saw the newer one; a fresh machine asks.

use crate::bench::{ANA, Bench, OTHER_SERIAL, SERIAL, Snapshot};
use crate::tampering::{
    Aside, BEN, add_new, enroll_without_pin, refused, refuses, said_with_a_way_on, state, with_two_entries,
};
use std::fs;

const EXEC: [&str; 5] = ["exec", "dev", "--", "echo", "released"];
const EXPORT: [&str; 3] = ["export", "dev", "-n"];

fn enroll_passphrase(bench: &Bench) {
    bench.pinentry_answers(&["eight.words.or.so", "eight.words.or.so"]);
    bench
        .tapvault(["key", "enroll", "passphrase", "--allow-touchless"])
        .run()
        .success();
}

fn replace_dev(bench: &Bench) {
    bench
        .tapvault(["add", "dev", "--stdin", "--force"])
        .stdin(&format!("{}\n{}\n", ANA.0, ANA.1))
        .run()
        .success();
}

/// Refused as a rollback by everything that opens or seals, without a touch; nothing is learnt from it either.
#[track_caller]
fn the_list_is_seen_to_be_old(bench: &Bench) {
    let before = state(bench);
    let thing = "the key list is generation 1; this machine has seen 2";
    for words in [&EXEC[..], &EXPORT, &["remove", "dev", "--force"]] {
        refused(bench, words, 12, "rollback", thing)
            .touches(0)
            .says("key trust");
    }
    refuses(bench, add_new(bench), 12, "rollback", thing).touches(0);
    bench.pinentry_answers(&["eight.words.or.so", "eight.words.or.so"]);
    let enroll = ["key", "enroll", "passphrase", "--allow-touchless"];
    refused(bench, enroll, 12, "rollback", thing).touches(0);
    assert_eq!(state(bench), before);
}

#[test]
fn an_old_vault_put_back_is_seen_and_trusted_only_when_told() {
    let bench = with_two_entries();
    let old = Aside::of(&bench);
    enroll_passphrase(&bench);
    replace_dev(&bench);
    let new = Aside::of(&bench);
    old.put_back_vault();
    the_list_is_seen_to_be_old(&bench);
    // What opens nothing still shows what there is.
    bench.tapvault(["list"]).run().success();
    bench.tapvault(["key", "list"]).run().success();
    // The new one back: as if nothing had been.
    new.put_back_vault();
    bench.tapvault(EXEC).run().success();
    // The way on: the person knows why.
    old.put_back_vault();
    refused(&bench, ["key", "trust"], 2, "usage", "no terminal").says("--yes");
    let mut terminal = bench.tapvault(["key", "trust"]).on_terminal();
    terminal.answer("is that what you expect? [y/N] ", "n");
    terminal.finish().fails(130, "cancelled");
    the_list_is_seen_to_be_old(&bench);
    let mut terminal = bench.tapvault(["key", "trust"]).on_terminal();
    terminal.expect("key list generation 1, with yubikey-15042118");
    terminal.expect("dev: generation 1");
    terminal.answer("is that what you expect? [y/N] ", "y");
    terminal.finish().success().touches(0);
    let out = bench
        .tapvault(["exec", "dev", "-n", "--", "env"])
        .prints_secrets()
        .run()
        .success();
    assert_eq!(out.variable("AWS_ACCESS_KEY_ID"), BEN.0);
    add_new(&bench).run().success();
}

#[test]
fn an_old_key_list_put_back_is_seen() {
    let bench = with_two_entries();
    let old = Aside::of(&bench);
    enroll_passphrase(&bench);
    let new = Aside::of(&bench);
    old.put_back_file("keys.json");
    the_list_is_seen_to_be_old(&bench);
    new.put_back_file("keys.json");
    bench.tapvault(EXEC).run().success();
    // From before a removal, when the removed key was still sealed to: K is another one by now.
    bench.tapvault(["key", "remove", "passphrase"]).run().success();
    let removed = Aside::of(&bench);
    new.put_back_file("keys.json");
    refuses(
        &bench,
        add_new(&bench),
        12,
        "rollback",
        "the key list is generation 2; this machine has seen 3",
    );
    refused(&bench, EXEC, 12, "rollback", "the key list is generation 2");
    removed.put_back_vault();
    bench.tapvault(EXEC).run().success();
}

#[test]
fn an_old_entry_put_back_is_seen() {
    let bench = with_two_entries();
    let old = Aside::of(&bench);
    replace_dev(&bench);
    let new = Aside::of(&bench);
    for files in [&["entries/dev.age"][..], &["entries/dev.age", "entries/dev.json"]] {
        files.iter().for_each(|file| old.put_back_file(file));
        for words in [&EXEC[..], &EXPORT, &["remove", "dev", "--force"]] {
            refused(
                &bench,
                words,
                12,
                "rollback",
                "entries/dev.age is generation 1; this machine has seen 2",
            )
            .touches(1)
            .says("key trust");
        }
        bench.tapvault(["exec", "prod", "--", "true"]).run().success();
        new.put_back();
    }
    // The whole folder: the key list is the same, so it is the entry that is seen.
    old.put_back_vault();
    refused(&bench, EXEC, 12, "rollback", "entries/dev.age").touches(1);
    // The ways on: restore the newer one, replace it, or trust what is there.
    new.put_back();
    bench.tapvault(EXEC).run().success();
    old.put_back_vault();
    bench.tapvault(["key", "trust", "--yes"]).run().success().touches(0);
    bench.tapvault(EXEC).run().success();
    new.put_back();
    old.put_back_vault();
    replace_dev(&bench);
    let out = bench
        .tapvault(["exec", "dev", "-n", "--", "env"])
        .prints_secrets()
        .run()
        .success();
    assert_eq!(out.variable("AWS_ACCESS_KEY_ID"), ANA.0);
}

#[test]
fn an_entry_that_was_removed_does_not_come_back() {
    let bench = with_two_entries();
    let old = Aside::of(&bench);
    bench.tapvault(["remove", "dev", "--force"]).run().success();
    old.put_back_file("entries/dev.age");
    old.put_back_file("entries/dev.json");
    refused(&bench, EXEC, 12, "rollback", "entries/dev.age").says("key trust");
    // One that was added since is another one.
    bench
        .tapvault(["add", "dev", "--stdin", "--force"])
        .stdin(&format!("{}\n{}\n", BEN.0, BEN.1))
        .run()
        .success();
    bench.tapvault(EXEC).run().success();
    bench.tapvault(["remove", "dev", "--force"]).run().success();
    bench.add("dev", BEN);
    bench.tapvault(EXEC).run().success();
}

#[test]
fn a_fresh_machine_asks_at_a_terminal_and_refuses_without_one() {
    let bench = with_two_entries();
    let seen = bench.state_folder();
    let forget = || fs::remove_dir_all(&seen).expect("a fresh machine");
    forget();
    let thing = "this machine has not seen this vault before";
    for words in [&EXEC[..], &EXPORT, &["remove", "dev", "--force"]] {
        refused(&bench, words, 12, "rollback", thing)
            .touches(0)
            .says("tapvault key trust");
    }
    refuses(&bench, add_new(&bench), 12, "rollback", thing).touches(0);
    assert_eq!(state(&bench), Snapshot::of(&seen.join("nothing")), "nothing was learnt");
    bench.tapvault(["list"]).run().success();
    // A no is a no.
    let mut terminal = bench.tapvault(EXEC).on_terminal();
    terminal.expect("its key list is generation 1, with yubikey-15042118");
    terminal.answer("is that what you expect? [y/N] ", "");
    terminal.finish().fails(130, "cancelled").releases_nothing().touches(0);
    let mut terminal = bench.tapvault(EXEC).on_terminal();
    terminal.answer("is that what you expect? [y/N] ", "y");
    terminal.finish().success().touches(1);
    // Once is enough.
    bench.tapvault(EXEC).run().success().touches(1);
    // And key trust says so without a terminal.
    forget();
    bench.tapvault(["key", "trust", "--yes"]).run().success().touches(0);
    bench.tapvault(EXEC).run().success();
}

#[test]
fn two_copies_that_diverged_are_a_conflict_and_no_attack() {
    let bench = with_two_entries();
    let both = Aside::of(&bench);
    // One machine enrolls one key, the other one another.
    enroll_passphrase(&bench);
    let here = Aside::of(&bench);
    both.put_back();
    bench.enroll_paper("paper");
    let there = Aside::of(&bench);
    here.put_back();
    there.put_back_vault();
    let thing = "two key lists of generation 2 exist: keys were changed on two machines at once";
    refused(&bench, EXEC, 12, "conflict", thing)
        .touches(0)
        .says("keep the vault of one machine")
        .says("key trust")
        .does_not_say("forged");
    // The other machine went on since; it is still no continuation of what was seen here.
    there.put_back();
    enroll_passphrase(&bench);
    let further = Aside::of(&bench);
    here.put_back();
    further.put_back_vault();
    refused(&bench, EXEC, 12, "conflict", "does not continue")
        .says("key trust")
        .touches(0);
    bench.tapvault(["key", "trust", "--yes"]).run().success();
    bench.tapvault(EXEC).run().success();
    // The same of an entry.
    both.put_back();
    replace_dev(&bench);
    let here = Aside::of(&bench);
    both.put_back();
    replace_dev(&bench);
    let there = Aside::of(&bench);
    here.put_back();
    there.put_back_vault();
    refused(&bench, EXPORT, 12, "conflict", "it was added on two machines at once")
        .says("entries/dev.age")
        .says("key trust")
        .does_not_say("forged");
}

#[test]
fn a_machine_that_catches_up_is_no_rollback() {
    let bench = Bench::start();
    enroll_without_pin(&bench).success();
    bench.add("dev", BEN);
    let behind = Aside::of(&bench);
    enroll_passphrase(&bench);
    bench.tapvault(["key", "remove", "passphrase"]).run().success();
    replace_dev(&bench);
    let ahead = Aside::of(&bench);
    // The other machine's memory, this machine's vault.
    behind.put_back();
    ahead.put_back_vault();
    bench.tapvault(EXEC).run().success().touches(1);
    // Now it has seen it.
    behind.put_back_vault();
    refused(&bench, EXEC, 12, "rollback", "this machine has seen 3");
    // A link of the way from what it had seen is missing.
    behind.put_back();
    ahead.put_back_vault();
    fs::remove_file(bench.vault().join("keys.d/000002.json")).expect("removed");
    said_with_a_way_on(bench.tapvault(EXEC).run(), 10, "forged", "keys.d/000002.json");
}

#[test]
fn a_removed_token_cannot_go_on_from_the_last_list_it_was_in() {
    // Two tokens; the second is lost and removed. Whoever finds it, PIN and all, has a copy of the vault from before, and
    // can write the folder.
    let bench = Bench::setup().two_tokens().start();
    for (serial, name) in [(SERIAL, "kept"), (OTHER_SERIAL, "lost")] {
        let serial = serial.to_string();
        let words = [
            "key",
            "enroll",
            "piv",
            "--pin-policy",
            "never",
            "--serial",
            &serial,
            "--name",
            name,
        ];
        bench.tapvault(words).run().success();
    }
    bench.add("dev", BEN);
    let before = Aside::of(&bench);
    bench
        .tapvault(["--key", "kept", "key", "remove", "lost"])
        .run()
        .success();
    bench.add("prod", ANA);
    let after = Aside::of(&bench);
    before.put_back();
    let paper = bench.enroll_paper_with("paper", &["--key", "lost"], None);
    bench.pinentry_answers(&[&paper, "eight.words.or.so", "eight.words.or.so"]);
    let words = ["--recovery", "key", "enroll", "passphrase", "--allow-touchless"];
    bench.tapvault(words).run().success();
    let forked = Aside::of(&bench);
    after.put_back();
    forked.put_back_vault();
    refused(
        &bench,
        ["--key", "kept", "exec", "dev", "--", "echo", "released"],
        12,
        "conflict",
        "does not continue",
    )
    .touches(0);
    refuses(
        &bench,
        bench
            .tapvault(["--key", "kept", "add", "new", "--stdin", "--offline"])
            .stdin(&format!("{}\n{}\n", BEN.0, BEN.1)),
        12,
        "conflict",
        "a key that was removed may have made it",
    )
    .touches(0);
}
