//! The keychain key on a real Secret Service: there and open, locked, emptied, silent, or not there at all. It answers soon, says
//! what to do next, and never takes the place of a key that is only not to be had.

use crate::bench::desktop::{Activation, BUS_VARIABLE, Desktop, daemons_of};
use crate::bench::{ANA, Bench, Output};
use crate::tampering::list;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::Duration;

/// What the issue of a missing store is to take at most.
const SOON: Duration = Duration::from_secs(3);

/// A machine without a token.
fn machine() -> Bench {
    Bench::setup().no_token().start()
}

fn enroll(bench: &Bench) -> Output {
    bench.tapvault(["key", "enroll", "keychain"]).run()
}

/// A vault with a keychain key and Ana's access key; the key's text is a secret from then on.
fn with_prod(bench: &Bench, desktop: &Desktop) {
    enroll(bench).success().releases_nothing();
    bench.secret("the keychain key", &stored(bench, desktop));
    bench.add_stdin("prod", ANA).run().success().releases_nothing();
}

fn recipient(bench: &Bench) -> String {
    list(&bench.vault().join("keys.json")).keys[0].recipient.clone()
}

/// What the store holds for the first key, as another program reads it.
fn stored(bench: &Bench, desktop: &Desktop) -> String {
    desktop.secret_tool(&["lookup", "service", "tapvault", "username", &recipient(bench)], "")
}

fn open_prod(bench: &Bench) -> Output {
    bench.tapvault(["exec", "prod", "-n", "--", "true"]).run()
}

/// Everything that needs the key fails alike: soon, in these words, with nothing given away and nothing changed.
#[track_caller]
fn all_is_refused(bench: &Bench, words: &[&str]) {
    let before = bench.snapshot();
    let add = bench.add_stdin("dev", ANA);
    let commands = [
        bench.tapvault(["exec", "prod", "--", "true"]),
        bench.tapvault(["export", "prod"]),
        bench.tapvault(["key", "enroll", "keychain"]),
        add,
    ];
    for command in commands {
        let out = command.run().fails(5, "no-key").releases_nothing();
        assert!(out.took < SOON, "it took {:?}\n{out}", out.took);
        for word in words {
            assert!(out.said().contains(word), "it does not say {word:?}\n{out}");
        }
    }
    assert!(bench.snapshot() == before, "the vault was changed");
}

#[test]
fn a_key_in_the_keychain_serves_all_day_without_a_token() {
    let bench = machine();
    let desktop = Desktop::log_in(&bench);
    with_prod(&bench, &desktop);
    let text = stored(&bench, &desktop);
    let identity: age::x25519::Identity = text.parse().expect("an age identity, as age itself reads it");
    assert_eq!(identity.to_public().to_string(), recipient(&bench));
    // The way out, without tapvault.
    let file = bench.root().join("id.txt");
    fs::write(&file, &text).expect("written");
    let entry = bench.vault().join("entries/prod.age");
    let words = [OsStr::new("-d"), OsStr::new("-i"), file.as_os_str(), entry.as_os_str()];
    let opened = bench.program("/usr/bin/age", words).prints_secrets().run().success();
    assert!(opened.stdout.contains(ANA.1), "stock age opens the entry");
    let child = ["exec", "prod", "-n", "--", "sh", "-c", "echo ID=$AWS_ACCESS_KEY_ID"];
    let out = bench.tapvault(child).run().success();
    assert_eq!(out.variable("ID"), ANA.0);
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    assert_eq!(bench.calls(), ["GetCallerIdentity", "GetSessionToken"]);
    let exported = bench
        .tapvault(["export", "prod", "--format", "json"])
        .prints_secrets()
        .run()
        .success();
    assert_eq!(exported.json()["Version"], 1);
    assert_eq!(bench.calls().len(), 2, "the sealed session was opened");
    let listed = bench.tapvault(["list", "--json"]).run().success().json();
    assert_eq!(listed[0]["access_key_id"], ANA.0);
    bench.tapvault(["remove", "prod", "--force"]).run().success();
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(4, "no-entry");
}

#[test]
fn a_removed_key_leaves_the_keychain() {
    let bench = machine();
    let desktop = Desktop::log_in(&bench);
    with_prod(&bench, &desktop);
    let first = recipient(&bench);
    bench.enroll_paper_with("paper", &[], None);
    enroll(&bench).success();
    let words = ["key", "remove", "keychain"];
    bench.tapvault(words).run().success().says("removed \"keychain\"");
    let left = desktop.secret_tool(&["search", "--all", "service", "tapvault"], "");
    assert!(!left.contains(&first) && left.contains("age1"), "the other one stays");
    open_prod(&bench).success();
    assert_eq!(desktop.windows(), 0);
}

#[test]
fn a_locked_keychain_is_told_at_once_and_no_window_is_shown() {
    let bench = machine();
    let mut desktop = Desktop::log_in(&bench);
    with_prod(&bench, &desktop);
    let words = ["it is locked", "unlock it", "keyring program"];
    desktop.lock();
    all_is_refused(&bench, &words);
    // On a desktop that could show a window too.
    bench.everywhere("DISPLAY", ":77");
    all_is_refused(&bench, &words);
    desktop.log_in_without_password();
    all_is_refused(&bench, &words);
    assert_eq!(desktop.windows(), 0, "a window was asked for");
    desktop.log_in_again();
    open_prod(&bench).success();
}

#[test]
fn a_locked_keychain_is_no_place_for_a_first_key() {
    let bench = machine();
    let desktop = Desktop::log_in(&bench);
    desktop.lock();
    let out = enroll(&bench)
        .fails(5, "no-key")
        .says("it is locked")
        .says("key enroll passphrase");
    assert!(out.took < SOON, "{out}");
    assert!(!bench.vault().join("keys.json").exists(), "nothing was enrolled");
    assert_eq!(desktop.windows(), 0);
}

#[test]
fn a_keychain_that_the_bus_starts_is_started_by_use() {
    let bench = machine();
    let desktop = Desktop::without_keyring(&bench, Activation::Keyring);
    // Nobody has made a keyring in it yet.
    let out = enroll(&bench)
        .fails(5, "no-key")
        .says("no keyring yet")
        .says("log in at the desktop");
    assert!(out.took < SOON, "{out}");
    assert!(desktop.is_somebody_there());
    assert!(!bench.vault().join("keys.json").exists(), "nothing was enrolled");
}

#[test]
fn an_absent_keychain_is_told_soon() {
    let bench = machine();
    let desktop = Desktop::log_in(&bench);
    with_prod(&bench, &desktop);
    drop(desktop);
    all_is_refused(&bench, &["there is no session bus", "log in at the desktop"]);
    bench.everywhere(BUS_VARIABLE, "unix:path=/nowhere/bus");
    all_is_refused(&bench, &["there is no session bus"]);
    bench.everywhere(BUS_VARIABLE, "no address at all");
    all_is_refused(&bench, &["there is no session bus"]);
    let mut desktop = Desktop::without_keyring(&bench, Activation::None);
    all_is_refused(&bench, &["nobody offers a secret service", "log in at the desktop"]);
    desktop.log_in_again();
    open_prod(&bench).success();
}

#[test]
fn a_keychain_that_never_answers_is_not_waited_for() {
    let bench = machine();
    let mut desktop = Desktop::log_in(&bench);
    with_prod(&bench, &desktop);
    desktop.stop_keyring();
    desktop.take_its_place_silently();
    all_is_refused(&bench, &["it did not answer within 2 s", "tapvault doctor"]);
    drop(desktop);
    let mut desktop = Desktop::without_keyring(&bench, Activation::None);
    desktop.take_its_place_without_a_clue();
    all_is_refused(&bench, &["not as a secret service does"]);
    drop(desktop);
    // A bus that takes the connection and says nothing.
    let socket = bench.root().join("deaf");
    let _deaf = UnixListener::bind(&socket).expect("a socket");
    bench.everywhere(BUS_VARIABLE, &format!("unix:path={}", socket.display()));
    all_is_refused(&bench, &["it did not answer within 2 s"]);
    bench.everywhere(BUS_VARIABLE, "");
    let mut desktop = Desktop::without_keyring(&bench, Activation::None);
    desktop.log_in_again();
    open_prod(&bench).success();
}

#[test]
fn a_missing_key_is_never_replaced() {
    let bench = machine();
    let mut desktop = Desktop::log_in(&bench);
    with_prod(&bench, &desktop);
    let (recipient, text) = (recipient(&bench), stored(&bench, &desktop));
    let everything = ["search", "--all", "service", "tapvault"];
    desktop.secret_tool(&["clear", "service", "tapvault"], "");
    let words = ["there is no such key in it", "no new key was made in its place"];
    all_is_refused(&bench, &words);
    assert_eq!(
        desktop.secret_tool(&everything, ""),
        "",
        "something was put into the keychain"
    );
    // A new user's keyring, or one that was reset.
    let data = bench.root().join("xdg/data/keyrings");
    let aside = bench.root().join("keyrings-aside");
    desktop.stop_keyring();
    fs::rename(&data, &aside).expect("set aside");
    desktop.log_in_again();
    all_is_refused(&bench, &words);
    assert_eq!(
        desktop.secret_tool(&everything, ""),
        "",
        "something was put into the keychain"
    );
    // What comes back opens what was sealed to it.
    let words = [
        "store",
        "--label=put back",
        "service",
        "tapvault",
        "username",
        &recipient,
    ];
    desktop.secret_tool(&words, &text);
    open_prod(&bench).success();
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
}

#[test]
fn a_second_key_stands_beside_the_first() {
    let bench = machine();
    let mut desktop = Desktop::log_in(&bench);
    with_prod(&bench, &desktop);
    let first = stored(&bench, &desktop);
    enroll(&bench).success().says("sealed anew: prod");
    assert!(first == stored(&bench, &desktop), "the first key is as it was");
    desktop.log_in_again();
    for name in ["keychain", "keychain-2"] {
        bench
            .tapvault(["--key", name, "exec", "prod", "-n", "--", "true"])
            .run()
            .success();
    }
    // Two keys that are not to be had take no longer than one.
    desktop.stop_keyring();
    desktop.take_its_place_silently();
    all_is_refused(&bench, &["it did not answer within 2 s"]);
}

#[test]
fn something_else_in_the_keys_place_is_not_used() {
    let bench = machine();
    let desktop = Desktop::log_in(&bench);
    with_prod(&bench, &desktop);
    let recipient = recipient(&bench);
    let other = age::x25519::Identity::generate().to_string();
    for text in ["no key at all", "", age::secrecy::ExposeSecret::expose_secret(&other)] {
        let words = ["store", "--label=x", "service", "tapvault", "username", &recipient];
        desktop.secret_tool(&words, text);
        open_prod(&bench)
            .fails(10, "forged")
            .releases_nothing()
            .says("something else than keychain under its name");
    }
}

#[test]
fn where_the_keychain_is_locked_the_other_keys_are_named() {
    let bench = machine();
    let desktop = Desktop::log_in(&bench);
    with_prod(&bench, &desktop);
    let paper = bench.enroll_paper_with("paper", &[], None);
    desktop.lock();
    all_is_refused(&bench, &["it is locked", "--recovery"]);
    let mut terminal = bench
        .tapvault(["--recovery", "exec", "prod", "-n", "--", "true"])
        .on_terminal();
    terminal.answer("recovery key", &paper);
    terminal.finish().success();
}

#[test]
fn where_the_keychain_is_locked_a_passphrase_is_asked_for_and_the_reason_said() {
    const WORDS: &str = "eight.words.or.so";
    let bench = machine();
    let desktop = Desktop::log_in(&bench);
    with_prod(&bench, &desktop);
    bench.secret("passphrase", WORDS);
    bench.pinentry_answers(&[WORDS, WORDS]);
    bench.tapvault(["key", "enroll", "passphrase"]).run().success();
    open_prod(&bench).success().does_not_say("locked");
    desktop.lock();
    bench.pinentry_answers(&[WORDS]);
    open_prod(&bench)
        .success()
        .says("keychain key keychain")
        .says("it is locked");
}

#[test]
fn presence_none_is_said_once_and_never_on_standard_output() {
    let bench = machine();
    let desktop = Desktop::log_in(&bench);
    with_prod(&bench, &desktop);
    let commands: [&[&str]; 6] = [
        &["exec", "prod", "--", "echo", "of the child"],
        &["exec", "prod", "-n", "--", "echo", "of the child"],
        &["export", "prod"],
        &["export", "prod", "--format", "json"],
        &["list"],
        &["list", "--json"],
    ];
    let said = |words: &[&str]| {
        let out = bench.tapvault(words).prints_secrets().run().success();
        assert!(!out.stdout.contains("presence"), "{out}");
        (out.said().matches("presence: none").count(), out.stdout)
    };
    for words in commands {
        let (times, aloud) = said(words);
        assert_eq!(times, 1, "{words:?}");
        bench.settings("quiet_presence = true\n");
        assert_eq!(said(words), (0, aloud), "{words:?}");
        fs::remove_file(bench.config_folder().join("config.toml")).expect("removed");
    }
    // Nor without a key of that kind.
    bench
        .tapvault(["key", "list"])
        .run()
        .success()
        .does_not_say("presence: none (");
}

#[test]
fn no_bus_is_started_where_there_is_none() {
    let bench = machine();
    let folder = bench.root().join("xdg/run/bin");
    fs::create_dir_all(&folder).expect("a folder");
    let launcher = folder.join("dbus-launch");
    fs::write(
        &launcher,
        format!("#!/bin/sh\necho launched >{}/launched\n", folder.display()),
    )
    .expect("a script");
    fs::set_permissions(&launcher, fs::Permissions::from_mode(0o700)).expect("its mode");
    bench.everywhere("DISPLAY", ":77");
    let path = format!("{}:/usr/bin:/bin", folder.display());
    for words in [&["key", "enroll", "keychain"][..], &["doctor"]] {
        let out = bench.tapvault(words).env("PATH", &path).run();
        assert!(out.took < SOON, "{out}");
    }
    assert!(!folder.join("launched").exists(), "dbus-launch was run");
    assert_eq!(daemons_of(bench.root()), [] as [String; 0]);
}
