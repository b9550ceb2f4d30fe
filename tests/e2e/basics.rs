//! The first five minutes: enroll, add, exec, export, list, remove.

use crate::bench::{ANA, Bench, PIN, SERIAL, Snapshot};

#[test]
fn the_first_five_minutes_go_by_at_a_terminal() {
    let bench = Bench::start();
    let mut terminal = bench.tapvault(["key", "enroll", "piv"]).on_terminal();
    terminal.answer(&format!("PIN of YubiKey {SERIAL} (3 tries left): "), PIN);
    terminal
        .finish()
        .success()
        .touches(2)
        .pins(3, 0)
        .says("enrolled \"yubikey-15042118\"");

    let mut terminal = bench.tapvault(["add", "prod"]).on_terminal();
    terminal.answer("Access key ID: ", ANA.0);
    terminal.answer("Secret access key: ", ANA.1);
    terminal.answer("PIN of YubiKey", PIN);
    let out = terminal
        .finish()
        .success()
        .touches(1)
        .says("belongs to ana in account 111122223333");
    assert_eq!(out.stdout, "");

    let mut terminal = bench
        .tapvault(["exec", "prod", "--", "env"])
        .prints_secrets()
        .on_terminal();
    terminal.answer("PIN of YubiKey", PIN);
    let out = terminal.finish().success().touches(1).says("for `env`");
    assert!(out.variable("AWS_ACCESS_KEY_ID").starts_with("ASIA"));
    assert_eq!(bench.calls(), ["GetCallerIdentity", "GetSessionToken"]);
}

#[test]
fn tapvault_home_holds_everything_and_the_home_stays_as_it_was() {
    let bench = Bench::setup().one_home().start();
    let before = (Snapshot::of(&bench.home()), Snapshot::of(&bench.root().join("xdg")));
    bench.enroll();
    bench.add("prod", ANA);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert_eq!(
        (Snapshot::of(&bench.home()), Snapshot::of(&bench.root().join("xdg"))),
        before
    );
    let names = bench.snapshot();
    assert!(
        names.names().contains(&"entries/prod.age") && names.names().contains(&"keys.json"),
        "{names:?}"
    );
    assert!(bench.state_folder().exists());
}

#[test]
fn all_files_are_private_and_no_temporary_ones_stay() {
    let bench = Bench::with_prod();
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    for folder in [bench.vault(), bench.state_folder()] {
        let snapshot = Snapshot::of(&folder);
        assert!(!snapshot.names().is_empty());
        for name in snapshot.names() {
            let mode = snapshot.mode(name);
            assert_eq!(mode & 0o077, 0, "{name} has mode {mode:o}");
            assert!(!name.contains("tmp"), "{name} was left behind");
        }
    }
}

/// The search that every test ends with would be worth nothing if it found nothing.
#[test]
fn a_secret_is_found_wherever_it_is_left() {
    let bench = Bench::setup().no_token().start();
    let secret = ANA.1;
    let find = |what: &str, place: &str| {
        let findings = bench.findings();
        let found = findings.iter().any(|line| line.contains(place));
        assert!(found, "{what}: {findings:?}");
        bench.forget_runs();
    };
    let sh = |script: &str| bench.program("sh", ["-c", script]);
    sh("read -r x; echo \"<$x>\"").stdin(secret).run();
    find("standard output", "stdout of");
    sh("read -r x; echo \"<$x>\" | base64 >&2").stdin(secret).run();
    find("standard error, in base64", "stderr of");
    sh("read -r x; printf %s \"$x\" | od -An -v -tx1 | tr -d ' \\n' >/dev/tty")
        .stdin(secret)
        .on_terminal()
        .finish();
    find("the terminal, in hexadecimal", "terminal of");
    sh("sleep 0.2").env("X", secret).run();
    find("an environment", "environ of");
    sh("read -r x; X=$x sleep 0.2; true").stdin(secret).run();
    find("a child's environment", "environ of /usr/bin/sleep");
    sh("read -r x; sh -c 'sleep 0.2; true' \"$x\"; true")
        .stdin(secret)
        .run();
    find("a command line", "cmdline of");
    let file = bench.home().join("notes");
    std::fs::write(&file, format!("key={secret}")).expect("a file");
    find("a file", "notes");
    bench.except_file(&file);
    assert_eq!(bench.findings(), [""; 0]);
}
