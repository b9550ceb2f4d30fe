//! The terminal: Ctrl-C and signals leave it whole, standard input is never asked, a background job is never stopped.

use crate::bench::{ANA, Bench, CTRL_C, PIN};
use rustix::process::Signal;
use std::time::Duration;
use tapvault_lab::aws_standin::{BEN_KEY, BEN_SECRET};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_secret_is_typed_without_an_echo() {
    let bench = Bench::with_prod();
    let mut terminal = bench.tapvault(["export", "prod"]).prints_secrets().on_terminal();
    terminal.expect("PIN of YubiKey 15042118 (3 tries left): ");
    assert!(!terminal.echoes());
    terminal.enter(PIN);
    // The search finds the PIN if it was shown; finish() looks whether the echo is back.
    terminal.finish().success().touches(1);
}

#[test]
fn ctrl_c_at_the_pin_prompt_leaves_terminal_and_vault_whole() {
    let bench = Bench::with_prod();
    for arguments in [
        &["exec", "prod", "--", "true"][..],
        &["export", "prod"],
        &["remove", "--force", "prod"],
        &["add", "dev", "--stdin"],
    ] {
        let before = bench.snapshot();
        let stdin = format!("{BEN_KEY}\n{BEN_SECRET}\n");
        let invocation = bench.tapvault(arguments);
        let mut terminal = if arguments[0] == "add" {
            invocation.stdin(&stdin)
        } else {
            invocation
        }
        .on_terminal();
        terminal.expect("PIN of YubiKey");
        terminal.type_("471");
        terminal.type_(CTRL_C);
        terminal
            .finish()
            .fails(130, "cancelled")
            .releases_nothing()
            .touches(0)
            .pins(0, 0);
        assert_eq!(bench.snapshot(), before);
    }
}

#[test]
fn ctrl_d_at_the_pin_prompt_cancels_too() {
    let bench = Bench::with_prod();
    let mut terminal = bench.tapvault(["export", "prod"]).on_terminal();
    terminal.expect("PIN of YubiKey");
    terminal.type_("\x04");
    terminal.finish().fails(130, "cancelled").pins(0, 0);
}

#[test]
fn a_signal_at_the_pin_prompt_puts_the_echo_back_and_ends_the_program() {
    let bench = Bench::with_prod();
    let before = bench.snapshot();
    for signal in [Signal::TERM, Signal::HUP, Signal::QUIT, Signal::INT] {
        let mut terminal = bench.tapvault(["export", "prod"]).on_terminal();
        terminal.expect("PIN of YubiKey");
        assert!(!terminal.echoes());
        terminal.signal(signal);
        // finish() fails if the echo stays off.
        let out = terminal.finish().releases_nothing();
        assert_eq!(out.signal, Some(signal.as_raw()), "{out}");
    }
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn ctrl_c_while_the_token_blinks_ends_at_once_and_the_next_command_works() {
    let bench = Bench::with_prod();
    let before = bench.snapshot();
    for arguments in [&["export", "prod"][..], &["remove", "--force", "prod"]] {
        bench.withhold_touches();
        let mut terminal = bench.tapvault(arguments).on_terminal();
        terminal.answer("PIN of", PIN);
        bench.token().wait_for_touch(SOON).expect("a blink");
        terminal.type_(CTRL_C);
        let out = terminal.finish().releases_nothing();
        assert!(out.signal == Some(2) || out.code == Some(130), "{out}");
        assert!(out.took < Duration::from_secs(3), "{out}");
        assert_eq!(bench.snapshot(), before);
        bench.touch_by_itself();
        bench.tapvault(["list"]).run().success();
    }
    // The token may still blink for who has gone; the next command waits for it, and says so before its own blink.
    let mut terminal = bench.tapvault(["exec", "prod", "--", "true"]).on_terminal();
    terminal.answer("PIN of", PIN);
    let out = terminal.finish().success();
    assert_eq!(out.announced(), 1, "{out}");
}

#[test]
fn ctrl_c_while_the_token_blinks_leaves_no_pin_verified() {
    let bench = Bench::with_prod();
    let mut other = bench.card(0);
    other.select_piv();
    bench.withhold_touches();
    let mut terminal = bench.tapvault(["export", "prod"]).on_terminal();
    terminal.answer("PIN of", PIN);
    bench.token().wait_for_touch(SOON).expect("a blink");
    terminal.type_(CTRL_C);
    terminal.finish().releases_nothing();
    // pcscd waits for the end of the blinking and resets the card of who has gone: the old connection tells of the reset,
    // a new one of the PIN. The old one stays, so that the card is not powered down in between.
    let mut another = bench.card(0);
    another.select_piv();
    assert_eq!(another.pin_status(), 0x63c3);
    other.start(&[0, 0x20, 0, 0x80]);
    drop(other);
}

#[test]
fn standard_input_belongs_to_the_child() {
    let bench = Bench::with_prod();
    let mut terminal = bench
        .tapvault(["exec", "prod", "--", "cat"])
        .stdin("for the child\n")
        .on_terminal();
    terminal.answer("PIN of", PIN);
    let out = terminal.finish().success().touches(1);
    assert_eq!(out.stdout, "for the child\n");
    // And without a terminal, where pinentry is asked.
    let out = bench
        .tapvault(["exec", "prod", "--", "cat"])
        .stdin("for the child\n")
        .run()
        .success();
    assert_eq!(out.stdout, "for the child\n");
}

#[test]
fn a_background_job_asks_pinentry_and_leaves_the_terminal_alone() {
    let bench = Bench::with_prod();
    // A shell with job control: its background job has a process group of its own, not in the terminal's foreground.
    let script = format!(
        "set -m; {} exec prod -- sh -c 'echo done' 2>err & wait $!; echo ended $?",
        bench.tapvault_path()
    );
    let terminal = bench.program("sh", ["-c", &script]).on_terminal();
    let out = terminal.finish().success();
    assert_eq!(out.stdout, "done\nended 0\n", "{out}");
    assert_eq!(out.terminal, "", "{out}");
    assert_eq!(out.pinentry_asked(), 1);
    let said = std::fs::read_to_string(bench.home().join("err")).expect("what it said");
    assert!(said.contains("touch YubiKey 15042118 to open prod"), "{said}");
}

#[test]
fn the_childs_exit_code_and_signal_are_the_programs_own() {
    let bench = Bench::with_prod();
    let out = bench.tapvault(["exec", "prod", "--", "sh", "-c", "exit 42"]).run();
    assert_eq!(out.code, Some(42), "{out}");
    let out = bench
        .tapvault(["exec", "prod", "--", "sh", "-c", "kill -KILL $$"])
        .run();
    assert_eq!(out.signal, Some(9), "{out}");
    // The same process: a signal reaches the child, which is what was started.
    let running = bench.tapvault(["exec", "prod", "--", "sleep", "60"]).start();
    let exe = format!("/proc/{}/exe", running.pid().as_raw_nonzero());
    let is_sleep = || std::fs::read_link(&exe).is_ok_and(|exe| !exe.ends_with("tapvault") && !exe.ends_with("setsid"));
    let deadline = std::time::Instant::now() + SOON;
    while !(is_sleep() && bench.calls().contains(&"GetSessionToken".to_owned())) && std::time::Instant::now() < deadline
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
    running.signal(Signal::TERM);
    assert_eq!(running.wait().signal, Some(15));
}

#[test]
fn a_command_with_a_relative_path_is_found_from_where_exec_was_run() {
    let bench = Bench::with_prod();
    let folder = bench.home().join("work");
    std::fs::create_dir(&folder).expect("a folder");
    std::os::unix::fs::symlink("/bin/pwd", folder.join("tool")).expect("a link");
    let out = bench
        .tapvault(["exec", "prod", "--", "./tool"])
        .in_folder(&folder)
        .run()
        .success();
    assert_eq!(out.stdout.trim_end(), folder.display().to_string());
}

#[test]
fn a_mistyped_passphrase_or_question_changes_nothing() {
    let bench = Bench::setup().no_token().start();
    bench.secret("passphrase", "vermilion otter seventeen");
    let mut terminal = bench.tapvault(["key", "enroll", "passphrase"]).on_terminal();
    terminal.answer("new passphrase for passphrase: ", "vermilion otter seventeen");
    terminal.answer("the same once more: ", "vermilion otter sixteen");
    terminal
        .finish()
        .fails(7, "pin")
        .says("the two passphrases differ; nothing was changed");
    assert!(bench.snapshot().file("keys.json").is_none());
    let mut terminal = bench.tapvault(["key", "enroll", "passphrase"]).on_terminal();
    terminal.answer("new passphrase for passphrase: ", "vermilion otter seventeen");
    terminal.answer("the same once more: ", "vermilion otter seventeen");
    terminal.finish().success();
    let mut terminal = bench.add_stdin("prod", ANA).on_terminal();
    terminal.answer("passphrase of passphrase: ", "vermilion otter sixteen");
    terminal
        .finish()
        .fails(7, "pin")
        .says("wrong passphrase for passphrase");
    let mut terminal = bench.add_stdin("prod", ANA).on_terminal();
    terminal.answer("passphrase of passphrase: ", "vermilion otter seventeen");
    terminal.finish().success();
}

#[test]
fn the_first_add_offers_a_key_at_a_terminal_and_names_the_command_elsewhere() {
    let bench = Bench::start();
    bench
        .add_stdin("prod", ANA)
        .run()
        .fails(5, "no-key")
        .says("tapvault key enroll piv");
    let mut terminal = bench.add_stdin("prod", ANA).on_terminal();
    terminal.answer("make a key on YubiKey 15042118? [y/N] ", "n");
    terminal.finish().fails(130, "cancelled").touches(0);
    let mut terminal = bench.add_stdin("prod", ANA).on_terminal();
    terminal.answer("make a key on YubiKey 15042118? [y/N] ", "y");
    terminal.answer("PIN of", PIN);
    terminal.answer("PIN of", PIN);
    terminal
        .finish()
        .success()
        .touches(3)
        .says("sealed prod to yubikey-15042118");
}

#[test]
fn a_recovery_key_is_shown_once_and_opens_what_the_lost_token_cannot() {
    let bench = Bench::with_prod();
    let mut terminal = bench
        .tapvault(["key", "enroll", "recovery"])
        .may_show("recovery key")
        .on_terminal();
    terminal.expect("Type its last 6 characters to go on: ");
    let shown = terminal.text();
    let key = shown
        .lines()
        .find_map(|line| line.trim().strip_prefix("AGE-SECRET-KEY-1"));
    let key = format!("AGE-SECRET-KEY-1{}", key.expect("the key is shown"));
    bench.secret("recovery key", &key);
    terminal.enter("nothing");
    terminal.answer("Type its last 6 characters to go on: ", &key[key.len() - 6..]);
    terminal.answer("PIN of", PIN);
    let out = terminal.finish().success();
    let touches = out.announced();
    out.touches(touches);

    bench.pull_out(0);
    let mut terminal = bench
        .tapvault(["exec", "--recovery", "prod", "--", "true"])
        .on_terminal();
    terminal.answer("recovery key \"paper\" (AGE-SECRET-KEY-1...): ", &key);
    terminal.finish().success().touches(0);
    let mut terminal = bench
        .tapvault(["exec", "--recovery", "prod", "--", "true"])
        .on_terminal();
    terminal.answer("recovery key \"paper\"", "AGE-SECRET-KEY-1NONSENSE");
    terminal.finish().fails(7, "pin");
    bench.token().insert().expect("plugged in");
    // Without a terminal it is never shown, so that it lands in no log.
    bench.tapvault(["key", "enroll", "recovery"]).run().fails(2, "usage");
}
