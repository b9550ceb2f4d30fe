//! One more key, one key less: what is sealed to whom afterwards, and what opens what.

use super::{FIRST, SECOND, WORDS, enroll_passphrase, enroll_token, is_sealed_to, key_called, names, sealed_files};
use crate::bench::{ANA, Bench, OTHER_SERIAL, PIN, SERIAL};
use crate::tampering::{Aside, BEN, enroll_without_pin, key_document, public_recipients, refused};
use std::fs;
use std::path::Path;

#[test]
fn a_second_token_opens_what_was_there_and_so_does_the_first() {
    let bench = Bench::setup().two_tokens().start();
    enroll_token(&bench, SERIAL, &[]).success().touches(2);
    bench.add("prod", ANA);
    bench.add("dev", BEN);
    let before = sealed_files(&bench.vault());
    // Two to make the new key and vouch with it; one to vouch with the old one, and one for each entry. This one is of
    // firmware 5.4.3, whose management key is triple DES.
    let out = enroll_token(&bench, OTHER_SERIAL, &[])
        .success()
        .touches(5)
        .says("5 touches")
        .says("2 entries sealed anew: dev and prod");
    let said = out.said();
    let order: Vec<&str> = said.lines().filter(|line| line.starts_with("touch ")).collect();
    assert!(order[0].starts_with("touch 1 of 5: YubiKey 15042177"), "{out}");
    assert!(order[1].starts_with("touch 2 of 5: YubiKey 15042118"), "{out}");
    assert!(order[4].contains("touch 5 of 5"), "{out}");
    let (first, second) = (key_called(&bench, FIRST), key_called(&bench, SECOND));
    for (file, sealed) in sealed_files(&bench.vault()) {
        assert!(
            is_sealed_to(&sealed, &first) && is_sealed_to(&sealed, &second),
            "{file}"
        );
    }
    assert!(
        before
            .iter()
            .all(|(_, sealed)| is_sealed_to(sealed, &first) && !is_sealed_to(sealed, &second))
    );
    // Each of them alone.
    for (pulled, other, name) in [(0, 1, SECOND), (1, 0, FIRST)] {
        bench.nth_token(pulled).remove().expect("pulled out");
        for profile in ["prod", "dev"] {
            bench
                .tapvault(["exec", profile, "-n", "--", "true"])
                .run()
                .success()
                .touches(1);
        }
        bench
            .tapvault(["add", "new", "--stdin", "--offline", "--force"])
            .stdin(&format!("{}\n{}\n", BEN.0, BEN.1))
            .run()
            .success()
            .touches(1);
        assert!(bench.nth_token(other).counts().expect("counts").touches.given > 0);
        // The one that was left out says so, and which to plug in.
        let absent = if name == FIRST { SECOND } else { FIRST };
        refused(
            &bench,
            ["--key", absent, "exec", "prod", "-n", "--", "true"],
            5,
            "no-key",
            absent,
        )
        .touches(0);
        bench.nth_token(pulled).insert().expect("plugged in");
    }
    for name in [FIRST, SECOND] {
        bench
            .tapvault(["--key", name, "exec", "new", "-n", "--", "true"])
            .run()
            .success()
            .touches(1);
    }
}

#[test]
fn the_key_on_paper_opens_enrolls_and_removes_when_the_token_is_lost() {
    let bench = Bench::setup().two_tokens().start();
    enroll_token(&bench, SERIAL, &[]).success();
    let paper = bench.enroll_paper("paper");
    bench.add("prod", ANA);
    bench.add("dev", BEN);
    bench.nth_token(0).remove().expect("lost");
    let exec = ["exec", "prod", "-n", "--", "env"];
    refused(&bench, exec, 5, "no-key", "prod")
        .says("plug in YubiKey 15042118")
        .says("--recovery");
    // At a terminal, in groups and without an echo.
    let mut terminal = bench
        .tapvault([&["--recovery"], &exec[..]].concat())
        .prints_secrets()
        .on_terminal();
    terminal.expect("recovery key \"paper\"");
    assert!(!terminal.echoes());
    terminal.enter(&format!("{} {}", &paper[..30], paper[30..].to_lowercase()));
    let out = terminal.finish().success().touches(0);
    assert_eq!(out.variable("AWS_ACCESS_KEY_ID"), ANA.0);
    // A slip, another key, and nobody to ask.
    let other = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    for (answer, words) in [
        (&paper[..70], "that is no recovery key"),
        (other, "an age identity, but not paper"),
        ("paper", "that is no recovery key"),
    ] {
        bench.pinentry_answers(&[answer]);
        let out = bench.tapvault([&["--recovery"], &exec[..]].concat()).run();
        out.fails(7, "pin")
            .releases_nothing()
            .says(words)
            .says("enrolled are paper");
    }
    // The other YubiKey comes in by it, without a touch of the lost one.
    let serial = OTHER_SERIAL.to_string();
    bench.pinentry_answers(&[&paper]);
    bench
        .tapvault([
            "--recovery",
            "key",
            "enroll",
            "piv",
            "--pin-policy",
            "never",
            "--serial",
            &serial,
        ])
        .run()
        .success()
        .touches(2);
    bench
        .tapvault(["exec", "prod", "-n", "--", "true"])
        .run()
        .success()
        .touches(1);
    // And the lost one goes.
    bench.pinentry_answers(&[&paper]);
    bench
        .tapvault(["--recovery", "key", "remove", FIRST])
        .run()
        .success()
        .touches(0)
        .says("2 entries were readable with it: dev and prod")
        .says("tapvault rotate dev")
        .says("tapvault rotate prod");
    assert_eq!(names(&bench), [SECOND, "paper"]);
    // The drawer token catches up with a list that only the paper key vouched for.
    bench
        .tapvault(["exec", "dev", "-n", "--", "true"])
        .run()
        .success()
        .touches(1);
    bench.pinentry_answers(&[&paper]);
    bench
        .tapvault(["--recovery", "remove", "dev", "--force"])
        .run()
        .success()
        .touches(0);
}

#[test]
fn a_removed_token_opens_nothing_any_more() {
    let bench = Bench::setup().two_tokens().start();
    enroll_token(&bench, SERIAL, &["--name", "kept"]).success();
    enroll_token(&bench, OTHER_SERIAL, &["--name", "lost"]).success();
    bench.add("prod", ANA);
    bench.add("dev", BEN);
    bench
        .tapvault(["--key", "kept", "exec", "prod", "--", "true"])
        .run()
        .success();
    let before = Aside::of(&bench);
    let lost = key_called(&bench, "lost");
    let (old, old_list) = (sealed_files(&bench.vault()), key_document(&bench));
    assert!(old.iter().all(|(_, sealed)| is_sealed_to(sealed, &lost)));
    assert!(old.iter().any(|(file, _)| file.starts_with("sessions/")));
    // One for each entry, one to vouch for the list without it.
    bench
        .tapvault(["--key", "kept", "key", "remove", "lost"])
        .run()
        .success()
        .touches(3)
        .says("3 touches")
        .says("2 entries were readable with it: dev and prod")
        .says("removed \"lost\"")
        .says("copy of this vault from before")
        .says("tapvault rotate")
        .says("one way in so far");
    let new = sealed_files(&bench.vault());
    assert_eq!(new.len(), 3, "sessions are dropped");
    for (file, sealed) in &new {
        assert!(!is_sealed_to(sealed, &lost), "{file}");
    }
    let new_list = key_document(&bench);
    let digest = |list: &serde_json::Value| list["list"]["vault_secret_sha256"].clone();
    assert_ne!(digest(&old_list), digest(&new_list), "K is another one");
    // The payload is sealed anew too: an old header does not open it.
    let files = ["entries/prod.age", "entries/dev.age", "vault.age"];
    for file in files {
        let ends = |path: &Path| fs::read(path.join(file)).expect("read").split_off(400);
        assert_ne!(ends(&before.vault()), ends(&bench.vault()), "{file}");
    }
    refused(
        &bench,
        ["--key", "lost", "exec", "prod", "--", "true"],
        5,
        "no-key",
        "lost",
    )
    .touches(0);
    // Its own vault of before does open with it: that is what the words about old copies mean.
    bench.nth_token(0).remove().expect("pulled out");
    refused(&bench, ["exec", "prod", "-n", "--", "true"], 5, "no-key", "prod").touches(0);
    let after = Aside::of(&bench);
    before.put_back();
    bench
        .tapvault(["exec", "prod", "-n", "--", "true"])
        .run()
        .success()
        .touches(1);
    // But an old entry in the new vault opens with nobody's.
    after.put_back();
    before.put_back_file("entries/prod.age");
    refused(&bench, ["exec", "prod", "-n", "--", "true"], 5, "no-key", "prod").touches(0);
    bench.nth_token(0).insert().expect("plugged in");
    refused(
        &bench,
        ["exec", "prod", "-n", "--", "echo"],
        10,
        "forged",
        "entries/prod.age",
    )
    .says("older than the last key removal");
}

#[test]
fn the_first_token_ends_the_passphrase_key() {
    let bench = Bench::start();
    enroll_passphrase(&bench, &[]).success().touches(0);
    bench.pinentry_knows("passphrase", WORDS);
    for (profile, key) in [("prod", ANA), ("dev", BEN)] {
        bench
            .add_stdin(profile, key)
            .run()
            .success()
            .touches(0)
            .says("presence: none");
    }
    // As long as no touch stands before the entries, every command says so.
    for words in [
        &["exec", "prod", "-n", "--", "true"][..],
        &["list"],
        &["remove", "dev", "--force"],
    ] {
        bench.tapvault(words).run().success().touches(0).says("presence: none");
    }
    bench
        .tapvault(["export", "prod", "-n"])
        .prints_secrets()
        .run()
        .success()
        .says("presence: none");
    let before = Aside::of(&bench);
    let file = bench.vault().join("passphrases/passphrase.age");
    assert!(file.exists());
    let recipient = public_recipients(&bench).len();
    enroll_without_pin(&bench)
        .success()
        .touches(2)
        .says("\"passphrase\" is no longer enrolled");
    assert_eq!((recipient, names(&bench)), (1, vec![FIRST.to_owned()]));
    assert!(!file.exists(), "there would be something to guess passphrases against");
    for (name, sealed) in sealed_files(&bench.vault()) {
        assert_eq!(
            sealed.stanzas().iter().filter(|stanza| stanza.tag == "X25519").count(),
            0,
            "{name}"
        );
    }
    bench
        .tapvault(["exec", "prod", "-n", "--", "true"])
        .run()
        .success()
        .touches(1)
        .does_not_say("presence: none");
    // Beside a token a passphrase would go round its touch.
    refused(
        &bench,
        ["key", "enroll", "passphrase"],
        12,
        "conflict",
        "without a touch",
    )
    .touches(0)
    .says("key enroll recovery")
    .says("--allow-touchless");
    // Unless that is wanted.
    before.put_back();
    let words = ["key", "enroll", "piv", "--pin-policy", "never", "--allow-touchless"];
    bench.tapvault(words).run().success().touches(2);
    assert_eq!(names(&bench), [FIRST, "passphrase"]);
    for words in [&["list"][..], &["exec", "prod", "-n", "--", "true"]] {
        bench.tapvault(words).run().success().says("presence: none");
    }
    bench.tapvault(["key", "list"]).run().success();
    bench.pinentry_knows("passphrase", WORDS);
    let by_passphrase = ["--key", "passphrase", "exec", "prod", "-n", "--", "true"];
    bench.tapvault(by_passphrase).run().success().touches(0);
    // It goes again, and with it the line.
    bench.tapvault(["key", "remove", "passphrase"]).run().success();
    bench
        .tapvault(["exec", "prod", "-n", "--", "true"])
        .run()
        .success()
        .touches(1)
        .does_not_say("presence: none");
}

#[test]
fn the_last_key_stays() {
    let bench = Bench::enrolled();
    bench.add("prod", ANA);
    refused(&bench, ["key", "remove", FIRST], 12, "conflict", FIRST)
        .touches(0)
        .says("only key")
        .says("key enroll recovery");
    // Two, and each can go by the other.
    let paper = bench.enroll_paper_with("paper", &[], Some(PIN));
    bench
        .tapvault(["key", "remove", "paper"])
        .run()
        .success()
        .touches(2)
        .pins(1, 0);
    bench.pinentry_answers(&[&paper]);
    bench.tapvault(["--recovery", "list"]).run().success();
    refused(
        &bench,
        ["--recovery", "exec", "prod", "--", "true"],
        5,
        "no-key",
        "no recovery key",
    )
    .touches(0);
    refused(&bench, ["key", "remove", FIRST], 12, "conflict", "only key");
}
