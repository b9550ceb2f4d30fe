//! Signals: those that are meant for the child reach it as if tapvault were not there, and those that end a wait leave nothing.

use super::{SOON, until, written};
use crate::bench::{Bench, PIN};
use rustix::process::Signal;
use std::time::Duration;
use tapvault_lab::aws_standin::{Fault, When, fault::Effect};

/// Masks of blocked, ignored and caught signals (proc(5)).
const MASKS: &str = "grep -E '^Sig(Blk|Ign|Cgt):' /proc/self/status";

#[test]
fn every_signal_reaches_the_child_which_has_the_same_process_and_group() {
    let bench = Bench::with_prod();
    let script = r#"
        for name in INT TERM HUP QUIT WINCH USR1 USR2 CONT; do trap "echo $name >>out" $name; done
        echo ready >>out
        while ! [ -e stop ]; do sleep 0.02; done"#;
    let running = bench.tapvault(["exec", "prod", "--", "bash", "-c", script]).start();
    let out = bench.home().join("out");
    written(&out);
    let pid = running.pid();
    assert_eq!(rustix::process::getpgid(Some(pid)).expect("a group"), pid);
    for (name, signal) in [
        ("INT", Signal::INT),
        ("TERM", Signal::TERM),
        ("HUP", Signal::HUP),
        ("QUIT", Signal::QUIT),
        ("WINCH", Signal::WINCH),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("CONT", Signal::CONT),
    ] {
        running.signal(signal);
        until(name, || {
            let caught = std::fs::read_to_string(&out).unwrap_or_default();
            caught.lines().any(|line| line == name)
        });
    }
    // Stopped and continued like any job. (SIGTSTP itself stops nobody in a session without a shell, POSIX 2.4.3.)
    let state = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
        status.lines().any(|line| line.starts_with("State:\tT"))
    };
    running.signal(Signal::STOP);
    until("stopped", state);
    running.signal(Signal::CONT);
    until("continued", || !state());
    std::fs::write(bench.home().join("stop"), "").expect("stop");
    running.wait().success();
}

/// The masks without signals 32 and 33, which the C library keeps for itself (signal(7)).
fn masks(stdout: &str) -> Vec<(&str, u64)> {
    let lines = stdout
        .lines()
        .map(|line| line.split_once(":\t").expect("a name and a mask"));
    lines
        .map(|(name, mask)| {
            (
                name,
                u64::from_str_radix(mask, 16).expect("hexadecimal") & !(0b11 << 31),
            )
        })
        .collect()
}

/// How the caller starts its children: as it is, under nohup, as a script's background command, as a careful service.
#[test]
fn the_child_ignores_and_blocks_what_its_caller_ignored_and_blocked() {
    let bench = Bench::with_prod();
    for before in [
        "",
        "nohup",
        "env --ignore-signal=INT,QUIT",
        "env --ignore-signal=TERM --block-signal=USR1",
    ] {
        let direct = bench
            .program("sh", ["-c", &format!("{before} sh -c \"{MASKS}\"")])
            .run()
            .success();
        let script = format!("{before} {} exec prod -- sh -c \"{MASKS}\"", bench.tapvault_path());
        let through = bench.program("sh", ["-c", &script]).run().success();
        assert_eq!(
            masks(&through.stdout),
            masks(&direct.stdout),
            "{before:?}, asked by pinentry"
        );
        // At a terminal, where signals are caught while the PIN is typed.
        let mut terminal = bench.program("sh", ["-c", &script]).on_terminal();
        terminal.answer("PIN of", PIN);
        let through = terminal.finish().success();
        assert_eq!(
            masks(&through.stdout),
            masks(&direct.stdout),
            "{before:?}, asked at the terminal"
        );
    }
}

#[test]
fn a_writer_in_the_child_dies_of_its_closed_pipe() {
    let bench = Bench::with_prod();
    let script = format!(
        "{} exec prod -- yes | head -n 1; echo ${{PIPESTATUS[0]}}",
        bench.tapvault_path()
    );
    let out = bench.program("bash", ["-c", &script]).run().success();
    // 128 + SIGPIPE.
    assert_eq!(out.stdout, "y\n141\n");
}

#[test]
fn a_signal_ends_the_wait_for_a_touch_at_once() {
    let bench = Bench::with_prod();
    let before = bench.snapshot();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        bench.withhold_touches();
        let mut terminal = bench.tapvault(["exec", "prod", "--", "true"]).on_terminal();
        terminal.answer("PIN of", PIN);
        bench.token().wait_for_touch(SOON).expect("a blink");
        terminal.signal(signal);
        let out = terminal.finish().releases_nothing();
        assert_eq!(out.signal, Some(signal.as_raw()), "{out}");
        assert_eq!(bench.snapshot(), before);
        bench.touch_by_itself();
        bench
            .tapvault(["exec", "prod", "--no-session", "--", "true"])
            .run()
            .success();
    }
}

#[test]
fn a_signal_ends_the_wait_for_aws_at_once() {
    let bench = Bench::with_prod();
    let before = bench.snapshot();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        bench.aws().clear_calls();
        let arrived = bench.aws().arrived("GetSessionToken");
        bench.aws().fault(Fault {
            action: "GetSessionToken".into(),
            skip: 0,
            times: Some(1),
            effect: Effect::Delay {
                ms: 5000,
                when: When::Before,
            },
        });
        let running = bench.tapvault(["exec", "prod", "--", "true"]).start();
        until("the call", || bench.aws().arrived("GetSessionToken") > arrived);
        let start = std::time::Instant::now();
        running.signal(signal);
        let out = running.wait().releases_nothing();
        assert_eq!(out.signal, Some(signal.as_raw()), "{out}");
        assert!(start.elapsed() < Duration::from_secs(2), "{out}");
        assert_eq!(bench.snapshot(), before);
        bench.aws().clear_faults();
    }
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}

#[test]
fn a_stop_at_the_pin_prompt_is_survived() {
    let bench = Bench::with_prod();
    let mut terminal = bench.tapvault(["exec", "prod", "--", "true"]).on_terminal();
    terminal.expect("PIN of YubiKey");
    terminal.signal(Signal::STOP);
    terminal.signal(Signal::CONT);
    terminal.enter(PIN);
    // finish() looks whether the echo is back.
    terminal.finish().success().touches(1).pins(1, 0);
}
