//! Files and folders of the vault that are cut, changed, swapped for something else, or open to others: named, never a panic
//! and never a hang.

use crate::bench::{Bench, SERIAL};
use crate::tampering::{
    Aside, BEN, add_new, chmod, enroll_without_pin, make_folder, refused, refuses, with_two_entries, write,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

const EXEC: [&str; 5] = ["exec", "dev", "--", "echo", "released"];

/// Nobody: a user that owns nothing of ours.
const NOBODY: u32 = 65_534;

/// What may stand in the place of a file that is no file of ours at all.
const IMPOSTORS: [&str; 6] = ["link", "link to nothing", "pipe", "folder", "huge", "another owner's"];

/// Puts it there.
fn impose(what: &str, path: &Path) {
    let outside = path.with_file_name(".outside");
    let bytes = fs::read(path).expect("read");
    fs::remove_file(path).expect("removed");
    match what {
        "link" => {
            // To the very file, so that only the link is wrong.
            write(&outside, bytes);
            symlink(&outside, path).expect("linked");
        }
        "link to nothing" => symlink("/nowhere", path).expect("linked"),
        "pipe" => mknodat(CWD, path, FileType::Fifo, Mode::from(0o600), 0).expect("a pipe"),
        "folder" => make_folder(path),
        "huge" => {
            write(path, "");
            let file = fs::OpenOptions::new().write(true).open(path).expect("open");
            // Without room on the disk, and more than any memory.
            file.set_len(1 << 40).expect("sparse");
        }
        "another owner's" => {
            write(path, bytes);
            chown(path, Some(NOBODY), None).expect("these tests run as root, to see all of /proc too");
        }
        other => panic!("{other}?"),
    }
}

/// Bytes that no file of the vault has: cut, changed, emptied, replaced.
fn spoilt(honest: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![
        ("empty".to_owned(), Vec::new()),
        ("one byte".to_owned(), honest[..1].to_vec()),
        ("text".to_owned(), b"not what it was\n".to_vec()),
        ("binary".to_owned(), (0..=255).cycle().take(4000).collect()),
        ("zeros".to_owned(), vec![0; honest.len()]),
        ("twice".to_owned(), [honest, honest].concat()),
    ];
    for part in 1..8 {
        let at = honest.len() * part / 8;
        all.push((format!("cut at {at}"), honest[..at].to_vec()));
        let mut flipped = honest.to_vec();
        flipped[at] ^= 1;
        all.push((format!("flipped at {at}"), flipped));
    }
    all
}

#[test]
fn a_spoilt_key_list_is_named_by_every_command() {
    let bench = with_two_entries();
    let aside = Aside::of(&bench);
    let file = bench.vault().join("keys.json");
    let honest = fs::read(&file).expect("read");
    for (what, bytes) in spoilt(&honest) {
        write(&file, &bytes);
        let out = bench.tapvault(EXEC).run().releases_nothing();
        // Whether it can still be read as a list decides which of the two it is.
        let name = if out.said().contains("tapvault: damaged:") {
            "damaged"
        } else {
            "forged"
        };
        let thing = if name == "damaged" { "keys.json" } else { "key list" };
        eprintln!("{what}: {name}");
        refused(&bench, EXEC, 10, name, thing).touches(0);
        refuses(&bench, add_new(&bench), 10, name, thing).touches(0);
        if name == "damaged" {
            refused(&bench, ["list"], 10, name, thing);
            refused(&bench, ["key", "list"], 10, name, thing);
            refused(&bench, ["key", "enroll", "piv"], 10, name, thing).touches(0);
        }
    }
    for what in IMPOSTORS {
        aside.put_back();
        impose(what, &file);
        for words in [&EXEC[..], &["list"], &["key", "list"], &["remove", "dev", "--force"]] {
            refused(&bench, words, 10, "damaged", "keys.json").touches(0);
        }
        refuses(&bench, add_new(&bench), 10, "damaged", "keys.json").touches(0);
    }
    // Gone: a new one would lock the person out of their own entries.
    aside.put_back();
    fs::remove_file(&file).expect("removed");
    refused(&bench, EXEC, 10, "damaged", "keys.json");
    refused(&bench, ["key", "enroll", "piv"], 10, "damaged", "keys.json");
    refuses(&bench, add_new(&bench), 10, "damaged", "keys.json");
    refused(&bench, ["remove", "dev", "--force"], 10, "damaged", "keys.json");
    refused(&bench, ["key", "list"], 10, "damaged", "keys.json");
    refused(&bench, ["key", "list", "--json"], 10, "damaged", "keys.json");
}

#[test]
fn a_spoilt_entry_is_named_and_the_others_open() {
    let bench = with_two_entries();
    let aside = Aside::of(&bench);
    let file = bench.vault().join("entries/dev.age");
    let honest = fs::read(&file).expect("read");
    for (what, bytes) in spoilt(&honest) {
        eprintln!("{what}");
        write(&file, &bytes);
        let out = bench.tapvault(EXEC).run();
        // Where the stanza no longer names the key, it is sealed to nobody.
        if out.code == Some(5) {
            refused(&bench, EXEC, 5, "no-key", "dev");
        } else {
            refused(&bench, EXEC, 10, "damaged", "dev");
            refused(&bench, ["remove", "dev", "--force"], 10, "damaged", "dev");
        }
    }
    for what in IMPOSTORS {
        aside.put_back();
        impose(what, &file);
        if what == "link to nothing" {
            // Nothing is there, and nothing is where it leads.
            let _ = bench.tapvault(EXEC).run().releases_nothing().does_not_say("panicked");
            continue;
        }
        refused(&bench, EXEC, 10, "damaged", "entries/dev.age").touches(0);
        refused(&bench, ["export", "dev"], 10, "damaged", "entries/dev.age").touches(0);
    }
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    bench.tapvault(["list"]).run().success();
    // What can't be opened can still be taken out by its owner.
    aside.put_back();
    write(&file, "");
    let mut terminal = bench.tapvault(["remove", "dev", "--without-token"]).on_terminal();
    terminal.answer("type the profile's name", "dev");
    terminal.finish().success().touches(0);
    assert!(!file.exists());
}

#[test]
fn a_spoilt_vault_secret_is_named_by_add() {
    let bench = with_two_entries();
    let aside = Aside::of(&bench);
    let file = bench.vault().join("vault.age");
    let honest = fs::read(&file).expect("read");
    for (what, bytes) in spoilt(&honest) {
        eprintln!("{what}");
        write(&file, &bytes);
        let out = add_new(&bench).run();
        let (code, name) = if out.code == Some(5) {
            (5, "no-key")
        } else {
            (10, "damaged")
        };
        refuses(&bench, add_new(&bench), code, name, "vault.age");
    }
    for what in IMPOSTORS {
        aside.put_back();
        impose(what, &file);
        refuses(&bench, add_new(&bench), 10, "damaged", "vault.age").touches(0);
        bench.tapvault(EXEC).run().success();
    }
}

#[test]
fn what_stands_in_the_place_of_a_sidecar_or_a_session_is_named() {
    let bench = with_two_entries();
    bench.tapvault(EXEC).run().success();
    let aside = Aside::of(&bench);
    let session = bench
        .vault()
        .join("sessions")
        .read_dir()
        .expect("sessions")
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        .find(|name| name.ends_with(".age"))
        .expect("a session");
    let beside = session.replace(".age", ".json");
    for file in [
        "entries/dev.json".to_owned(),
        format!("sessions/{session}"),
        format!("sessions/{beside}"),
    ] {
        for what in IMPOSTORS {
            aside.put_back();
            impose(what, &bench.vault().join(&file));
            refused(&bench, EXEC, 10, "damaged", &file).touches(0);
            if file.ends_with(".json") {
                refused(&bench, ["list"], 10, "damaged", &file);
            }
        }
    }
}

#[test]
fn modes_and_owners_that_let_others_in_are_named_with_the_way_to_close_them() {
    let bench = with_two_entries();
    bench.tapvault(EXEC).run().success();
    let aside = Aside::of(&bench);
    let vault = bench.vault();
    make_folder(&vault.join("next"));
    for folder in ["", "entries", "sessions", "passphrases", "keys.d", "next"] {
        let path = vault.join(folder);
        let thing = path.to_str().expect("text").trim_end_matches('/').to_owned();
        for mode in [0o755, 0o770, 0o701, 0o750, 0o777] {
            chmod(&path, mode);
            refused(&bench, EXEC, 10, "damaged", &thing).touches(0).says("chmod");
            refused(&bench, ["list"], 10, "damaged", &thing).says(&format!("{mode:04o}"));
        }
        refuses(&bench, add_new(&bench), 10, "damaged", &thing).touches(0);
        refused(&bench, ["clear"], 10, "damaged", &thing);
        refused(&bench, ["key", "list"], 10, "damaged", &thing);
        chmod(&path, 0o700);
        chown(&path, Some(NOBODY), None).expect("these tests run as root");
        refused(&bench, EXEC, 10, "damaged", &thing)
            .touches(0)
            .says("another user");
        chown(&path, Some(0), None).expect("these tests run as root");
        bench.tapvault(EXEC).run().success();
    }
    fs::remove_dir(vault.join("next")).expect("removed");
    // A sealed session would be opened instead of the access key.
    let exec = ["exec", "dev", "-n", "--", "echo", "released"];
    for file in ["keys.json", "entries/dev.age", "entries/dev.json"] {
        for mode in [0o644, 0o640, 0o604, 0o666, 0o602] {
            chmod(&vault.join(file), mode);
            refused(&bench, exec, 10, "damaged", file)
                .touches(0)
                .says(&format!("{mode:04o}"))
                .says("chmod");
        }
        aside.put_back();
    }
    for file in vault.join("sessions").read_dir().expect("sessions") {
        let name = format!("sessions/{}", file.expect("a file").file_name().to_string_lossy());
        chmod(&vault.join(&name), 0o644);
        refused(&bench, EXEC, 10, "damaged", &name).touches(0).says("chmod");
        aside.put_back();
    }
    chmod(&vault.join("vault.age"), 0o644);
    refuses(&bench, add_new(&bench), 10, "damaged", "vault.age").touches(0);
    aside.put_back();
    // What this machine remembers is not to be written by others either.
    let state = bench.state_folder();
    for (path, mode) in [(state.join("seen.json"), 0o666), (state.clone(), 0o777)] {
        chmod(&path, mode);
        refused(&bench, EXEC, 10, "damaged", path.to_str().expect("text")).says("chmod");
        aside.put_back();
    }
    // The mode is put right as the hint says.
    chmod(&vault.join("entries"), 0o755);
    bench
        .program("chmod", ["-R", "go=", vault.to_str().expect("text")])
        .run()
        .success();
    bench.tapvault(EXEC).run().success();
}

#[test]
fn what_stands_in_the_place_of_a_lock_is_named() {
    let bench = with_two_entries();
    let aside = Aside::of(&bench);
    for what in ["link", "link to nothing", "pipe", "folder"] {
        aside.put_back();
        impose(what, &bench.vault().join(".lock"));
        for words in [&EXEC[..], &["list"], &["remove", "dev", "--force"]] {
            refused(&bench, words, 10, "damaged", ".lock").touches(0).says("rm -r");
        }
        refuses(&bench, add_new(&bench), 10, "damaged", ".lock").touches(0);
        aside.put_back();
        impose(what, &bench.vault().join(".change-lock"));
        bench.pinentry_answers(&["eight.words.or.so", "eight.words.or.so"]);
        let enroll = ["key", "enroll", "passphrase", "--allow-touchless"];
        refused(&bench, enroll, 10, "damaged", ".change-lock");
    }
    bench.tapvault(EXEC).run().success();
}

#[test]
fn what_this_machine_remembers_is_named_when_it_is_spoilt() {
    let bench = with_two_entries();
    let aside = Aside::of(&bench);
    let file = bench.state_folder().join("seen.json");
    let honest = fs::read(&file).expect("read");
    for (what, bytes) in spoilt(&honest) {
        write(&file, &bytes);
        let out = bench.tapvault(EXEC).run().does_not_say("panicked");
        // A changed digit is another memory; a changed name of the vault is none of this vault.
        if out.code != Some(10) {
            assert!(what.starts_with("flipped"), "{what}\n{out}");
            continue;
        }
        refused(&bench, EXEC, 10, "damaged", "seen.json").touches(0);
    }
    for what in IMPOSTORS {
        aside.put_back();
        impose(what, &file);
        refused(&bench, EXEC, 10, "damaged", "seen.json").touches(0);
    }
}

#[test]
fn a_passphrase_file_that_is_no_file_is_named() {
    let bench = Bench::setup().no_token().start();
    bench.settings("passphrase_command = \"echo correct.horse.battery\"\n");
    bench.tapvault(["key", "enroll", "passphrase"]).run().success();
    bench.add_stdin("dev", BEN).run().success();
    let aside = Aside::of(&bench);
    for what in IMPOSTORS {
        aside.put_back();
        impose(what, &bench.vault().join("passphrases/passphrase.age"));
        refused(&bench, EXEC, 10, "damaged", "passphrases/passphrase.age");
    }
}

#[test]
fn settings_that_others_can_write_are_not_read() {
    let bench = with_two_entries();
    bench.settings("quiet_presence = true\n");
    let (folder, file) = (bench.config_folder(), bench.config_folder().join("config.toml"));
    for (path, mode) in [
        (&file, 0o666),
        (&file, 0o620),
        (&file, 0o602),
        (&folder, 0o770),
        (&folder, 0o707),
    ] {
        let thing = path.to_str().expect("text").to_owned();
        chmod(path, mode);
        refused(&bench, EXEC, 3, "config", &thing).touches(0).says("chmod go-w");
        refuses(&bench, add_new(&bench), 3, "config", &thing).touches(0);
        chmod(path, if path == &file { 0o644 } else { 0o755 });
        bench.tapvault(EXEC).run().success();
    }
    chown(&file, Some(NOBODY), None).expect("these tests run as root");
    refused(&bench, EXEC, 3, "config", "config.toml");
    for what in ["pipe", "folder", "huge"] {
        fs::remove_file(&file).expect("removed");
        write(&file, "");
        impose(what, &file);
        refused(&bench, EXEC, 3, "config", "config.toml").touches(0);
        if what == "folder" {
            fs::remove_dir(&file).expect("removed");
            write(&file, "");
        }
    }
}

#[test]
fn a_spoilt_history_is_named_when_it_is_needed() {
    let bench = Bench::start();
    enroll_without_pin(&bench).success();
    bench.add("dev", BEN);
    let paper = bench.enroll_paper("paper");
    // The next list is vouched for by the paper key only.
    bench.pinentry_answers(&[&paper, "eight.words.or.so", "eight.words.or.so"]);
    bench
        .tapvault(["--recovery", "key", "enroll", "passphrase", "--allow-touchless"])
        .run()
        .success();
    let aside = Aside::of(&bench);
    let key = format!("yubikey-{SERIAL}");
    let exec = ["--key", &key, "exec", "dev", "--", "echo", "released"];
    bench.tapvault(exec).run().success();
    for what in IMPOSTORS {
        aside.put_back();
        impose(what, &bench.vault().join("keys.d/000002.json"));
        refused(&bench, exec, 10, "damaged", "keys.d/000002.json").touches(0);
    }
    aside.put_back();
    let file = bench.vault().join("keys.d/000002.json");
    for (what, bytes) in spoilt(&fs::read(&file).expect("read")) {
        eprintln!("{what}");
        write(&file, &bytes);
        let out = bench.tapvault(exec).run();
        let name = if out.said().contains("tapvault: damaged:") {
            "damaged"
        } else {
            "forged"
        };
        refused(
            &bench,
            exec,
            10,
            name,
            if name == "damaged" {
                "keys.d/000002.json"
            } else {
                "key list"
            },
        )
        .touches(0);
    }
}
