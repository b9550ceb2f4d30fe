//! `doctor`: each line in its good and its bad state, with what mends it; and that it only looks.

mod oath;

use crate::bench::desktop::{Activation, Desktop};
use crate::bench::{ANA, Bench, Output, PIN, SERIAL, Snapshot};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What doctor found: the JSON, held against its schema, after a look at the text.
struct Findings {
    out: Output,
    rows: Vec<Value>,
}

impl Findings {
    fn of(bench: &Bench) -> Self {
        Self::with(bench, &[])
    }

    fn with(bench: &Bench, more: &[&str]) -> Self {
        let text = bench.tapvault([&["doctor"], more].concat()).run();
        let out = bench.tapvault([&["doctor", "--json"], more].concat()).run();
        let rows = out.json_as("doctor").as_array().expect("rows").clone();
        let fails = rows.iter().any(|row| row["state"] == "fail");
        assert_eq!(out.code, Some(i32::from(fails)), "{out}");
        assert_eq!(text.code, out.code, "{text}");
        // The clock goes on between the two, and other people's programs come and go.
        let lasting = |row: &&Value| row["check"] != "clock" && !row["text"].to_string().contains("(pid ");
        for row in rows.iter().filter(lasting) {
            let line = format!(
                "{:4}  {}\n",
                row["state"].as_str().expect("text"),
                row["text"].as_str().expect("text")
            );
            assert!(text.stdout.contains(&line), "the text has no {line:?}\n{text}");
        }
        let out = out.touches(0).pins(0, 0);
        Findings { out, rows }
    }

    /// A line of this kind and state with these words; its remedies.
    #[track_caller]
    fn have(&self, check: &str, state: &str, words: &str) -> Vec<String> {
        let line = self.rows.iter().find(|row| {
            row["check"] == check
                && row["state"] == state
                && row["text"].as_str().is_some_and(|text| text.contains(words))
        });
        let line = line.unwrap_or_else(|| panic!("no line {check}, {state}, {words:?}\n{}", self.out));
        let remedies = line["remedies"].as_array().expect("remedies").iter();
        remedies
            .map(|remedy| remedy.as_str().expect("text").to_owned())
            .collect()
    }

    /// As [`Findings::have`], with these words in what mends it.
    #[track_caller]
    fn mended_by(&self, check: &str, state: &str, words: &str, remedy: &str) {
        let remedies = self.have(check, state, words);
        assert!(
            remedies.iter().any(|text| text.contains(remedy)),
            "{remedies:?} and not {remedy:?}"
        );
    }

    #[track_caller]
    fn all_are_ok(&self) {
        assert!(self.rows.iter().all(|row| row["state"] == "ok"), "{}", self.out);
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
}

/// Carries a remedy out that ends in a command: "close it again: chmod ...".
fn carry_out(remedy: &str) {
    let command = remedy.rsplit(": ").next().expect("a command");
    let status = Command::new("/bin/sh").args(["-c", command]).status().expect("sh runs");
    assert!(status.success(), "{command}");
}

#[test]
fn where_all_is_well_every_line_says_so() {
    let bench = Bench::with_prod();
    bench.enroll_paper_with("paper", &[], Some(PIN));
    fs::remove_file(bench.config_folder().join("config.toml")).expect("what the bench has set");
    let findings = Findings::of(&bench);
    findings.all_are_ok();
    for (check, words) in [
        ("versions", env!("CARGO_PKG_VERSION")),
        ("versions", "pcscd "),
        ("versions", "polkit"),
        ("settings", "the defaults hold"),
        ("aws-config", "1 profile in the AWS config"),
        ("folders", "config folder"),
        ("folders", "vault folder"),
        ("folders", "state folder"),
        ("folders", "runtime folder"),
        ("keys", "yubikey-15042118 and paper open the vault"),
        ("entries", "1 entry, each sealed to 2 keys"),
        ("smart-cards", "the smart card service answers; access is permitted"),
        (
            "tokens",
            "YubiKey 15042118, firmware 5.7.1, PIV enabled, PIN changed from the factory's",
        ),
        ("oath", "YubiKey 15042118: OATH enabled, 0 accounts"),
        ("keychain", "the keychain is not there; no enrolled key lies in it"),
        ("clock", "the clock says"),
    ] {
        findings.have(check, "ok", words);
    }
}

#[test]
fn doctor_changes_nothing_and_calls_nobody() {
    let bench = Bench::with_prod();
    bench.settings("min_ttl_seconds = 600\n");
    // A vault that came from another machine or out of git.
    fs::remove_file(bench.vault().join(".lock")).expect("a lock file");
    let places = ["xdg", "home"].map(|part| bench.root().join(part));
    let before = places.each_ref().map(|place| Snapshot::of(place));
    let (calls, log) = (bench.calls(), bench.token().counts().expect("counts"));
    Findings::of(&bench);
    bench.tapvault(["doctor", "--debug"]).run().success();
    let after = places.each_ref().map(|place| Snapshot::of(place));
    assert_eq!(before, after);
    assert_eq!(bench.calls(), calls);
    assert_eq!(
        bench.token().counts().expect("counts").touches.awaited,
        log.touches.awaited
    );
    // On a machine that has nothing yet, too.
    let bench = Bench::setup().no_token().agent().start();
    let before = Snapshot::of(bench.root());
    Findings::of(&bench);
    assert_eq!(
        Snapshot::of(&bench.root().join("xdg")).names(),
        ["config", "data", "run", "state"]
    );
    assert_eq!(before, Snapshot::of(bench.root()));
}

#[test]
fn a_bad_line_of_either_config_is_named_with_its_number() {
    let bench = Bench::enrolled();
    bench.settings("min_ttl_seconds = 600\n");
    Findings::of(&bench).have("settings", "ok", "config.toml can be used");
    bench.settings("# mine\nmin_ttl_secs = 600\n");
    bench.aws_config("[profile prod]\nregion = eu-central-1\n\n[profile dev\nregion = x\n");
    let findings = Findings::of(&bench);
    findings.mended_by("settings", "fail", "config.toml:2: ", "docs/cli.md");
    findings.mended_by("aws-config", "fail", ".aws/config:4: ", "mend the line");
    // All the rest is looked at all the same.
    findings.have("tokens", "ok", "YubiKey 15042118");
    findings.have("keys", "warn", "no recovery key");
}

#[test]
fn modes_that_let_others_in_are_told_with_the_command_that_mends_them() {
    let bench = Bench::with_prod();
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    bench.settings("quiet_presence = true\n");
    let session = fs::read_dir(bench.vault().join("sessions"))
        .expect("sessions")
        .flatten()
        .map(|file| file.path());
    let session = session.filter(|path| path.extension().is_some_and(|ending| ending == "age"));
    let session = session.last().expect("a session");
    for (path, mode, check) in [
        (bench.vault(), 0o755, "folders"),
        (bench.vault().join("entries"), 0o750, "folders"),
        (bench.vault().join("keys.json"), 0o644, "folders"),
        (bench.state_folder(), 0o711, "folders"),
        (bench.vault().join("entries/prod.age"), 0o604, "entries"),
        (session, 0o640, "entries"),
        (bench.config_folder(), 0o777, "settings"),
        (bench.config_folder().join("config.toml"), 0o620, "settings"),
    ] {
        let was = fs::metadata(&path).expect("there").permissions().mode();
        chmod(&path, mode);
        let remedies = Findings::of(&bench).have(check, "fail", &path.display().to_string());
        carry_out(&remedies[0]);
        let findings = Findings::of(&bench);
        assert!(
            findings.rows.iter().all(|row| row["state"] != "fail"),
            "{}",
            findings.out
        );
        chmod(&path, was & 0o7777);
    }
}

#[test]
fn the_ways_in_are_counted() {
    let bench = Bench::start();
    Findings::of(&bench).mended_by("keys", "warn", "no key is enrolled", "tapvault key enroll piv");
    bench.enroll();
    let findings = Findings::of(&bench);
    findings.mended_by(
        "keys",
        "warn",
        "only one key opens the vault",
        "tapvault key enroll recovery",
    );
    findings.mended_by(
        "keys",
        "warn",
        "no recovery key is enrolled",
        "tapvault key enroll recovery",
    );
    bench.enroll_paper_with("paper", &[], Some(PIN));
    Findings::of(&bench).have("keys", "ok", "paper open the vault");
}

#[test]
fn without_the_smart_card_service_the_line_says_how_to_have_it() {
    let bench = Bench::enrolled();
    let no_service = bench.root().join("nobody").display().to_string();
    bench.everywhere("PCSCLITE_CSOCK_NAME", &no_service);
    let findings = Findings::of(&bench);
    findings.mended_by(
        "smart-cards",
        "fail",
        "the smart card service does not run",
        "apt install pcscd",
    );
    // Where nothing needs it, it is no failure.
    let bench = Bench::setup().no_token().start();
    Findings::of(&bench).mended_by("smart-cards", "warn", "does not run", "apt install pcscd");
}

#[test]
fn tokens_are_told_apart_by_what_is_wrong_with_them() {
    let bench = Bench::setup().two_tokens().factory_pin().start();
    let findings = Findings::of(&bench);
    let change = format!("ykman --device {SERIAL} piv access change-pin");
    findings.mended_by(
        "tokens",
        "fail",
        "YubiKey 15042118, firmware 5.7.1, still has the factory's PIN",
        &change,
    );
    findings.have("tokens", "fail", "YubiKey 15042177, firmware 5.4.3");
    let bench = Bench::enrolled();
    let mut other = bench.card(0);
    other.select_piv();
    other.verify("00000000");
    drop(other);
    let findings = Findings::of(&bench);
    findings.mended_by("tokens", "warn", "2 of 3 PIN tries left", "the right PIN");
    bench.pull_out(0);
    let findings = Findings::of(&bench);
    findings.have("tokens", "ok", "YubiKey 15042118 is enrolled and not plugged in");
    findings.mended_by(
        "tokens",
        "warn",
        "none of the enrolled tokens is plugged in",
        "plug one in",
    );
}

#[test]
fn a_token_that_somebody_keeps_is_not_waited_for() {
    let bench = Bench::enrolled();
    let kept = bench.card_kept_by_scdaemon(0);
    let findings = Findings::of(&bench);
    findings.mended_by("tokens", "warn", "scdaemon (pid ", "when the other program is done");
    // It may be the enrolled one.
    assert!(!findings.out.stdout.contains("not plugged in"), "{}", findings.out);
    assert!(findings.out.took < Duration::from_secs(3), "{}", findings.out);
    drop(kept);
}

#[test]
fn the_keychain_is_looked_at_without_starting_or_unlocking_it() {
    let bench = Bench::setup().no_token().start();
    let mut desktop = Desktop::log_in(&bench);
    Findings::of(&bench).have("keychain", "ok", "answers and is unlocked; no enrolled key lies in it");
    bench.tapvault(["key", "enroll", "keychain"]).run().success();
    bench.enroll_paper_with("paper", &[], None);
    bench.add_stdin("prod", ANA).run().success();
    let findings = Findings::of(&bench);
    findings.have(
        "keychain",
        "ok",
        "keychain key keychain is in the keychain, which is unlocked",
    );
    findings.mended_by("keys", "warn", "presence: none", "tapvault key enroll piv");
    desktop.lock();
    let locked = Findings::of(&bench);
    locked.mended_by("keychain", "fail", "keychain key keychain: it is locked", "unlock it");
    assert_eq!(desktop.windows(), 0);
    desktop.log_in_again();
    desktop.secret_tool(&["clear", "service", "tapvault"], "");
    Findings::of(&bench).mended_by("keychain", "fail", "there is no such key in it", "no new key was made");
    desktop.stop_keyring();
    Findings::of(&bench).mended_by(
        "keychain",
        "fail",
        "nobody offers a secret service",
        "log in at the desktop",
    );
    desktop.take_its_place_silently();
    let silent = Findings::of(&bench);
    silent.mended_by("keychain", "fail", "it did not answer within 2 s", "log out");
    assert!(silent.out.took < Duration::from_secs(3), "{}", silent.out);
    drop(desktop);
    Findings::of(&bench).mended_by("keychain", "fail", "there is no session bus", "log in at the desktop");
    let desktop = Desktop::without_keyring(&bench, Activation::Keyring);
    Findings::of(&bench).have(
        "keychain",
        "ok",
        "the keychain does not run; the next command that needs it starts it",
    );
    assert!(!desktop.is_somebody_there(), "doctor started it");
}

#[test]
fn the_clock_is_compared_with_aws_when_that_is_wished() {
    let bench = Bench::with_prod();
    Findings::with(&bench, &["--online"]).have("clock", "ok", "agrees with AWS");
    for (offset, state, words) in [(-60, "warn", "s ahead of AWS"), (3600, "fail", "s behind AWS")] {
        bench.aws().world(|world| world.clock_offset_seconds = offset);
        Findings::with(&bench, &["--online"]).mended_by("clock", state, words, "timedatectl set-ntp true");
    }
}

#[test]
fn a_clock_that_went_back_shows_in_the_vault() {
    let bench = Bench::with_prod();
    let sidecar = bench.vault().join("entries/prod.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&sidecar).expect("a sidecar")).expect("JSON");
    record["added"] = "2199-01-01T00:00:00Z".into();
    fs::write(&sidecar, record.to_string()).expect("written");
    let findings = Findings::of(&bench);
    findings.mended_by(
        "clock",
        "fail",
        "something in the vault was made at 2199-01-01",
        "timedatectl set-ntp true",
    );
}
