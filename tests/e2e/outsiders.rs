//! Programs that other people wrote open what tapvault seals, and tapvault opens what they seal: that is the way out for
//! whoever wants to leave, and shows that the formats are what they are said to be.

use crate::bench::run::{Invocation, Output};
use crate::bench::{ANA, Bench, PIN, SERIAL};
use crate::tampering::{BEN, answer_unseen, made_up, read_json, refused, with_tools, write};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tapvault_lab::soft_token::body::Touch;
use tapvault_lab::soft_token::firmware::Firmware;

/// Stock `age`, with the plugin where it finds it.
fn age<'b>(bench: &'b Bench, words: &[&str]) -> Invocation<'b> {
    with_tools(bench.program("age", words)).in_folder(&bench.vault())
}

/// Writes an identity down where `age -i` reads it.
fn identity_file(bench: &Bench, name: &str, identity: &str) -> String {
    let path = bench.root().join(name);
    write(&path, format!("{identity}\n"));
    path.into_os_string().into_string().expect("text")
}

/// The value of a line of `key show`.
fn shown(bench: &Bench, key: &str, line: &str) -> String {
    let shown = bench.tapvault(["key", "show", key]).run().success().stdout;
    let found = shown.lines().find_map(|text| text.strip_prefix(line));
    found
        .unwrap_or_else(|| panic!("no {line} in\n{shown}"))
        .trim()
        .to_owned()
}

/// Makes the token forget the PIN: the plugin leaves it verified, as long as the token stays plugged in.
fn plugged_in_anew(bench: &Bench) {
    bench.token().remove().expect("pulled out");
    bench.token().insert().expect("plugged in");
}

/// Every age file that is sealed to keys, below the vault.
fn sealed_files(vault: &Path) -> Vec<String> {
    let mut files = vec!["vault.age".to_owned()];
    for part in ["entries", "sessions"] {
        let names = vault.join(part).read_dir().into_iter().flatten();
        files.extend(names.map(|file| format!("{part}/{}", file.expect("a file").file_name().to_string_lossy())));
    }
    files.retain(|file| file.ends_with(".age"));
    files
}

/// The content as docs/format.md has it.
fn content(out: &Output) -> Value {
    let content = out.json();
    assert_eq!(content["tapvault"], 1);
    assert!(
        content["vault_secret"]
            .as_str()
            .is_some_and(|secret| secret.len() == 44)
    );
    content
}

#[test]
fn stock_age_opens_every_file_with_the_identity_on_paper() {
    let bench = Bench::with_prod();
    let paper = bench.enroll_paper_with("paper", &[], Some(PIN));
    let identity = identity_file(&bench, "paper.txt", &paper);
    // An entry from before the paper key, one from after, and a session.
    bench.add("größe/../ ", BEN);
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    let files = sealed_files(&bench.vault());
    assert_eq!(files.len(), 4, "{files:?}");
    let mut secrets = Vec::new();
    for file in &files {
        let out = age(&bench, &["-d", "-i", &identity, file])
            .prints_secrets()
            .run()
            .success()
            .touches(0);
        let content = content(&out);
        secrets.push(content["vault_secret"].clone());
        match (file.split('/').next(), content["kind"].as_str()) {
            (Some("vault.age"), Some("vault-secret")) => {}
            (Some("sessions"), Some("session")) => assert_eq!(content["profile"], "prod"),
            (Some("entries"), Some("access-key")) if content["profile"] == "prod" => {
                assert_eq!(content["secret_access_key"], ANA.1);
                assert_eq!(content["arn"], "arn:aws:iam::111122223333:user/ana");
            }
            (Some("entries"), Some("access-key")) => {
                assert_eq!(content["profile"], "größe/../ ");
                assert_eq!(
                    (&content["access_key_id"], &content["secret_access_key"]),
                    (&json!(BEN.0), &json!(BEN.1))
                );
            }
            other => panic!("{file}: {other:?}"),
        }
    }
    secrets.dedup();
    assert_eq!(secrets.len(), 1, "K is the same in all");
    // After a removal everything is sealed anew, to the paper key too.
    bench.pinentry_answers(&[&paper]);
    bench
        .tapvault(["--recovery", "key", "remove", "yubikey-15042118"])
        .run()
        .success()
        .touches(0);
    for file in sealed_files(&bench.vault()) {
        let out = age(&bench, &["-d", "-i", &identity, &file])
            .prints_secrets()
            .run()
            .success();
        assert_ne!(content(&out)["vault_secret"], secrets[0], "{file}");
    }
}

#[test]
fn stock_age_and_the_plugin_open_what_tapvault_sealed_with_pin_and_touch() {
    for firmware in [Firmware::V5_7_1, Firmware::V5_4_3] {
        let bench = Bench::setup().firmware(firmware).start();
        bench.enroll();
        bench.add("prod", ANA);
        let identity = identity_file(&bench, "token.txt", &shown(&bench, "yubikey-15042118", "identity"));
        // The plugin finds the key by itself as well: same slot, same recipient, same identity.
        let listed = with_tools(bench.program("age-plugin-yubikey", ["--identity"]))
            .run()
            .success();
        for line in ["identity", "recipient"] {
            let ours = shown(&bench, "yubikey-15042118", line);
            assert!(listed.stdout.contains(&ours), "{line} {ours}\n{listed}");
        }
        assert!(listed.stdout.contains(&SERIAL.to_string()), "{listed}");
        for file in ["entries/prod.age", "vault.age"] {
            plugged_in_anew(&bench);
            let mark = bench.token().mark().expect("a mark");
            let mut terminal = age(&bench, &["-d", "-i", &identity, file])
                .prints_secrets()
                .on_terminal();
            answer_unseen(&mut terminal, "PIN for YubiKey", PIN);
            let out = terminal.finish().success();
            let log = bench.token().log_since(mark).expect("the log");
            let touched: Vec<_> = log.iter().filter_map(|entry| entry.touch).collect();
            assert_eq!(touched, [Touch::Given], "{file}");
            let content = content(&out);
            match file {
                "vault.age" => assert_eq!(content["kind"], "vault-secret"),
                _ => assert_eq!(content["secret_access_key"], ANA.1),
            }
        }
        // Without a touch there is nothing.
        bench.withhold_touches();
        plugged_in_anew(&bench);
        let mut terminal = age(&bench, &["-d", "-i", &identity, "entries/prod.age"]).on_terminal();
        answer_unseen(&mut terminal, "PIN for YubiKey", PIN);
        let out = terminal.finish().releases_nothing();
        assert_ne!(out.code, Some(0), "{out}");
    }
}

#[test]
fn tapvault_opens_what_stock_age_and_the_plugin_sealed() {
    let bench = Bench::setup().firmware(Firmware::V5_4_3).start();
    // The key is the plugin's own work.
    let generate = "--generate --slot 1 --touch-policy always --pin-policy once";
    let mut terminal = with_tools(bench.program("age-plugin-yubikey", generate.split(' '))).on_terminal();
    answer_unseen(&mut terminal, "PIN for YubiKey", PIN);
    let out = terminal.finish().success();
    let made = format!("{}{}", out.stdout, out.terminal);
    let recipient = made
        .split_whitespace()
        .find(|word| word.starts_with("age1yubikey1"))
        .expect("the plugin tells its recipient");
    bench
        .tapvault(["key", "enroll", "piv", "--existing", "1"])
        .run()
        .success()
        .touches(1);
    assert_eq!(shown(&bench, "yubikey-15042118", "recipient"), recipient);
    let paper = bench.enroll_paper_with("paper", &[], Some(PIN));
    bench.add("prod", ANA);
    bench.add("dev", BEN);
    // The same content under a header that is all the plugin's: its stanza, its ephemeral key, its file key.
    let identity = identity_file(&bench, "paper.txt", &paper);
    let files = ["entries/dev.age", "vault.age"];
    for file in files {
        let opened = age(&bench, &["-d", "-i", &identity, file])
            .prints_secrets()
            .run()
            .success();
        let plain = bench.root().join("plain.json");
        write(&plain, &opened.stdout);
        let plain = plain.to_str().expect("text");
        let before = fs::read(bench.vault().join(file)).expect("read");
        age(&bench, &["-r", recipient, "-o", "sealed.age", plain])
            .run()
            .success()
            .touches(0);
        fs::remove_file(plain).expect("removed");
        let sealed = fs::read(bench.vault().join("sealed.age")).expect("sealed");
        fs::remove_file(bench.vault().join("sealed.age")).expect("removed");
        assert_ne!(sealed, before);
        let header = String::from_utf8_lossy(&sealed).into_owned();
        assert_eq!(header.matches("-> piv-p256 ").count(), 1, "{header}");
        assert!(!header.contains("-> X25519"), "{header}");
        write(&bench.vault().join(file), sealed);
    }
    let out = bench
        .tapvault(["exec", "dev", "-n", "--", "env"])
        .prints_secrets()
        .run()
        .success()
        .touches(1)
        .pins(1, 0);
    assert_eq!(out.variable("AWS_SECRET_ACCESS_KEY"), BEN.1);
    bench.add("new", BEN);
    // And gives it a recipient more, without touching what the plugin wrote.
    bench.enroll_paper_with("drawer", &[], Some(PIN));
    let out = bench
        .tapvault(["exec", "dev", "-n", "--", "env"])
        .prints_secrets()
        .run()
        .success();
    assert_eq!(out.variable("AWS_SECRET_ACCESS_KEY"), BEN.1);
    let identity = identity_file(&bench, "token.txt", &shown(&bench, "yubikey-15042118", "identity"));
    let mut terminal = age(&bench, &["-d", "-i", &identity, "entries/dev.age"])
        .prints_secrets()
        .on_terminal();
    answer_unseen(&mut terminal, "PIN for YubiKey", PIN);
    assert_eq!(content(&terminal.finish().success())["secret_access_key"], BEN.1);
}

#[test]
fn an_entry_that_stock_age_made_for_all_recipients_is_forged() {
    let bench = Bench::with_prod();
    bench.enroll_paper_with("paper", &[], Some(PIN));
    let plain = bench.root().join("plain.json");
    write(&plain, made_up("access-key", "prod").to_string());
    let (token, paper) = (
        shown(&bench, "yubikey-15042118", "recipient"),
        shown(&bench, "paper", "recipient"),
    );
    let plain = plain.to_str().expect("text");
    let words = ["-r", &token, "-r", &paper, "-o", "entries/prod.age", plain];
    age(&bench, &words).run().success();
    refused(&bench, ["exec", "prod", "--", "echo"], 10, "forged", "entries/prod.age")
        .touches(1)
        .says("somebody with write access made it");
}

#[test]
fn stock_age_opens_a_passphrase_key_and_with_it_the_entries() {
    let words = "eight.words.or.so";
    let bench = Bench::setup().no_token().start();
    bench.secret("passphrase", words);
    bench.pinentry_answers(&[words, words]);
    bench.tapvault(["key", "enroll", "passphrase"]).run().success();
    bench.pinentry_knows("passphrase", words);
    bench.add_stdin("prod", ANA).run().success();
    let file = shown(&bench, "passphrase", "file");
    assert_eq!(file, "passphrases/passphrase.age");
    let identity = bench.root().join("identity.txt");
    let identity = identity.to_str().expect("text");
    let mut terminal = age(&bench, &["-d", "-o", identity, &file]).on_terminal();
    answer_unseen(&mut terminal, "Enter passphrase", words);
    terminal.finish().success();
    let text = fs::read_to_string(identity).expect("an identity");
    assert!(text.starts_with("AGE-SECRET-KEY-1"), "an identity file");
    bench.secret("identity under the passphrase", text.trim());
    for file in sealed_files(&bench.vault()) {
        let out = age(&bench, &["-d", "-i", identity, &file])
            .prints_secrets()
            .run()
            .success();
        content(&out);
    }
    // age-keygen knows it too, and says the recipient that the list has.
    let out = bench.program("age-keygen", ["-y", identity]).run().success();
    assert_eq!(out.stdout.trim(), shown(&bench, "passphrase", "recipient"));
}

#[test]
fn stock_age_refuses_what_was_taken_from_the_removed_key() {
    let bench = Bench::with_prod();
    let paper = bench.enroll_paper_with("paper", &[], Some(PIN));
    let identity = identity_file(&bench, "token.txt", &shown(&bench, "yubikey-15042118", "identity"));
    bench.pinentry_answers(&[&paper]);
    bench
        .tapvault(["--recovery", "key", "remove", "yubikey-15042118"])
        .run()
        .success();
    for file in sealed_files(&bench.vault()) {
        let out = age(&bench, &["-d", "-i", &identity, &file])
            .run()
            .releases_nothing()
            .touches(0);
        assert_ne!(out.code, Some(0), "{file}\n{out}");
    }
    // On the token it is still there, for nothing.
    let listed = with_tools(bench.program("age-plugin-yubikey", ["--list"]))
        .run()
        .success();
    assert!(listed.stdout.contains("age1yubikey1"), "{listed}");
}

#[test]
fn ykman_shows_the_key_as_what_it_is() {
    let bench = Bench::enrolled();
    let serial = SERIAL.to_string();
    let out = bench
        .program("ykman", ["--device", &serial, "piv", "info"])
        .run()
        .success();
    for words in ["Slot 82", "ECCP256", "yubikey-15042118"] {
        assert!(out.stdout.contains(words), "{words}\n{out}");
    }
    assert_eq!(
        read_json(&bench.vault().join("keys.json"))["list"]["keys"][0]["serial"],
        SERIAL
    );
}
