//! `notify_command`: run for every touch, told what it is for, never waited for, and gone with the touch.

use super::{SOON, until};
use crate::bench::{ANA, Bench, PIN};
use rustix::process::Signal;
use std::fs;

fn lines(bench: &Bench, name: &str) -> Vec<String> {
    let text = fs::read_to_string(bench.home().join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Whether a process of this number is there and no zombie (proc(5)).
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn it_gets_the_words_wherever_the_line_is_seen() {
    let bench = Bench::with_prod();
    bench.settings(
        "notify_command = 'echo \"$TAPVAULT_TOUCH\" >>words; echo \"$1\" >>words; echo seen; echo seen >&2'\n",
    );
    bench.withhold_touches();
    let both = |times: usize| {
        until("its words", || lines(&bench, "words").len() == 2 * times);
        let said = lines(&bench, "words").split_off(2 * times - 2);
        assert_eq!(said[0], said[1]);
        assert!(
            said[0].starts_with("touch YubiKey 15042118 to open prod (ana in 111122223333) for `true`, asked by "),
            "{said:?}"
        );
        bench.token().touch().expect("touched");
    };
    let running = bench.tapvault(["exec", "prod", "--", "true"]).start();
    bench.token().wait_for_touch(SOON).expect("a blink");
    both(1);
    running.wait().success().does_not_say("seen").releases_nothing();
    let mut terminal = bench.tapvault(["exec", "prod", "--", "true"]).on_terminal();
    terminal.answer("PIN of", PIN);
    bench.token().wait_for_touch(SOON).expect("a blink");
    both(2);
    terminal.finish().success().does_not_say("seen").releases_nothing();
}

#[test]
fn it_is_run_again_for_a_touch_that_is_waited_for_once_more() {
    let bench = Bench::with_prod();
    bench.settings("notify_command = 'echo \"$1\" >>words'\n");
    bench.withhold_touches();
    bench.tapvault(["exec", "prod", "--", "true"]).run().missed_touch();
    let words = lines(&bench, "words");
    assert_eq!(words.len(), 2, "{words:?}");
    assert!(words[1].starts_with("no touch within "), "{words:?}");
}

#[test]
fn it_ends_with_the_touch_and_so_does_what_it_started() {
    let bench = Bench::with_prod();
    bench.withhold_touches();
    for (command, tidies) in [
        // It does not know that it is to end.
        ("trap '' TERM; sleep 1000 & echo $$ $! >pids; wait; sleep 1000", false),
        // It does, and tidies up.
        (
            "trap 'echo bye >bye; exit' TERM; sleep 1000 & echo $$ $! >pids; wait",
            true,
        ),
        // It has ended, and what it started has not.
        ("sleep 1000 & echo $! >pids", false),
    ] {
        let (pids, bye) = (bench.home().join("pids"), bench.home().join("bye"));
        let _ = fs::remove_file(&pids);
        bench.settings(&format!("notify_command = \"{command}\"\n"));
        let running = bench.tapvault(["exec", "prod", "--", "true"]).start();
        bench.token().wait_for_touch(SOON).expect("a blink");
        until("it runs", || !lines(&bench, "pids").is_empty());
        let pids = lines(&bench, "pids").remove(0);
        assert!(pids.split(' ').all(runs), "{command}");
        bench.token().touch().expect("touched");
        running.wait().success();
        until(command, || !pids.split(' ').any(runs));
        assert_eq!(fs::remove_file(bye).is_ok(), tidies, "{command}");
    }
}

#[test]
fn signals_that_end_the_command_end_it_too() {
    let bench = Bench::with_prod();
    bench.settings("notify_command = 'echo $$ >pid; exec sleep 1000'\n");
    bench.withhold_touches();
    let mut terminal = bench.tapvault(["exec", "prod", "--", "true"]).on_terminal();
    terminal.answer("PIN of", PIN);
    bench.token().wait_for_touch(SOON).expect("a blink");
    until("it runs", || !lines(&bench, "pid").is_empty());
    let pid = lines(&bench, "pid").remove(0);
    terminal.type_(crate::bench::CTRL_C);
    let out = terminal.finish();
    assert_eq!(out.signal, Some(Signal::INT.as_raw()), "{out}");
    until("it has ended", || !runs(&pid));
}

#[test]
fn one_that_fails_changes_nothing_and_one_that_is_not_there_is_told_once() {
    let bench = Bench::with_prod();
    bench.settings("notify_command = 'echo tried >tried; exit 3'\n");
    bench.withhold_touches();
    let running = bench.tapvault(["exec", "prod", "--", "true"]).start();
    bench.token().wait_for_touch(SOON).expect("a blink");
    until("it was run", || !lines(&bench, "tried").is_empty());
    bench.token().touch().expect("touched");
    running.wait().success().touches(1).does_not_say("notify_command");
    bench.settings("notify_command = 'no-such-program --now'\n");
    let out = bench.tapvault(["exec", "prod", "--", "true"]).run().missed_touch();
    let told = |line: &&str| line.starts_with("warning: notify_command in config.toml can't be run: ");
    assert_eq!(out.stderr.lines().filter(told).count(), 1, "{out}");
}

/// The bench looks for the secret in every file, and in the environment of every process but the first.
#[test]
fn it_gets_no_secret_of_aws() {
    let bench = Bench::enrolled();
    bench.settings("notify_command = 'env >environment; echo done >ran'\n");
    bench.withhold_touches();
    let running = bench
        .tapvault(["add", "--env", "prod"])
        .env("AWS_ACCESS_KEY_ID", ANA.0)
        .env("AWS_SECRET_ACCESS_KEY", ANA.1)
        .given_in_environment(&format!("secret of {}", ANA.0))
        .start();
    bench.token().wait_for_touch(SOON).expect("a blink");
    until("it was run", || !lines(&bench, "ran").is_empty());
    bench.token().touch().expect("touched");
    running.wait().success();
    let environment = lines(&bench, "environment");
    assert!(
        environment.iter().any(|line| line.starts_with("TAPVAULT_TOUCH=touch ")),
        "{environment:?}"
    );
    assert!(environment.iter().any(|line| line.starts_with("AWS_ACCESS_KEY_ID=")));
    assert!(!environment.iter().any(|line| line.starts_with("AWS_SECRET_ACCESS_KEY")));
}
