//! The agent stands still, or is told to end.

use super::super::joining::path_with_tapvault;
use super::super::{SOON, agent_pid, export, until, until_waiting, with_prod};
use super::{agents, agents_below, has_ended, runtime, socket, until_ended, withhold};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

/// A process that stands still until the value is dropped: it could not end with the bench of a test that fails.
struct Stopped(Pid);

impl Stopped {
    fn process(pid: Pid) -> Self {
        kill_process(pid, Signal::STOP).expect("stopped");
        Stopped(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

#[test]
fn one_that_stands_still_is_gone_around_in_a_bounded_time() {
    let bench = with_prod();
    export(&bench, "prod").wait().success();
    let agent = agent_pid(&bench).expect("an agent");
    let stopped = Stopped::process(agent);
    let out = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert!(out.took < Duration::from_secs(20), "{out}");
    out.says("the agent does not answer");
    for line in [&["status"][..], &["lock"]] {
        let out = bench.tapvault(line).run().fails(1, "other");
        assert!(out.took < Duration::from_secs(20), "{out}");
        out.says("the agent does not answer").says("end its process");
    }
    drop(stopped);
    until("it answers again", || agent_pid(&bench) == Some(agent));
    export(&bench, "prod").wait().success();
}

#[test]
fn who_was_heard_by_one_that_then_stands_still_is_told_in_half_a_minute() {
    let bench = with_prod();
    withhold(&bench);
    let run = bench.tapvault(["exec", "prod", "--", "true"]).start();
    bench.token().wait_for_touch(SOON).expect("it blinks");
    let agent = agent_pid(&bench).expect("an agent");
    let stopped = Stopped::process(agent);
    let out = run.wait().fails(1, "other");
    assert!(out.took < Duration::from_secs(60), "{out}");
    let pid = agent.as_raw_nonzero();
    out.says("the agent has said nothing for 30 s")
        .says(&format!("kill -9 {pid}"))
        .releases_nothing();
    kill_process(agent, Signal::KILL).expect("as it was told");
    drop(stopped);
    until_ended(agent);
    bench.touch_by_itself();
    let again = bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    again.does_not_say("the agent");
}

#[test]
fn one_that_works_and_has_nothing_to_say_is_waited_for() {
    let bench = with_prod();
    bench.withhold_touches();
    // Missed twice, which takes longer than silence is borne.
    let patience = Duration::from_secs(20);
    bench.token().set_touch_timeout(patience).expect("patient");
    let exec = || {
        let line = "tapvault exec prod -- true; exit $?";
        let shell = bench.program("/bin/sh", ["-c", line]);
        shell.env("PATH", path_with_tapvault(&bench)).start()
    };
    let first = exec();
    until_waiting(&bench, 1);
    let second = exec();
    first.wait().fails(6, "no-touch");
    bench.touch_by_itself();
    let second = second.wait().success();
    assert!(second.took > patience * 2, "{second}");
}

#[test]
fn a_client_that_stands_still_keeps_nobody_else_waiting() {
    let bench = with_prod();
    withhold(&bench);
    let still = export(&bench, "prod");
    until_waiting(&bench, 1);
    let other = export(&bench, "prod");
    until_waiting(&bench, 2);
    bench.token().wait_for_touch(SOON).expect("it blinks");
    let stopped = Stopped::process(still.pid());
    let touched = Instant::now();
    bench.touch_by_itself();
    other.wait().success();
    // Nor one that comes later, with a touch of its own.
    export(&bench, "prod").wait().success();
    assert!(touched.elapsed() < SOON, "{:?}", touched.elapsed());
    drop(stopped);
    still.wait().success();
}

#[test]
fn sigterm_ends_it_and_takes_the_socket_away() {
    let bench = with_prod();
    let line = ["exec", "--lease=15m", "prod", "--", "true"];
    bench.tapvault(line).run().success();
    let agent = agent_pid(&bench).expect("an agent");
    kill_process(agent, Signal::TERM).expect("told to end");
    until_ended(agent);
    assert_eq!(socket(&bench), None);
    // The lease has ended with it.
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}

#[test]
fn sigterm_while_somebody_waits_hands_over_to_the_next() {
    let bench = with_prod();
    withhold(&bench);
    let run = export(&bench, "prod");
    until_waiting(&bench, 1);
    let agent = agent_pid(&bench).expect("an agent");
    kill_process(agent, Signal::TERM).expect("told to end");
    until_ended(agent);
    bench.touch_by_itself();
    run.wait().success().says("the agent ended; asking again");
    assert_eq!(agents(&bench).len(), 1);
}

#[test]
fn it_ends_when_its_folder_vanishes() {
    let bench = with_prod();
    export(&bench, "prod").wait().success();
    let agent = agent_pid(&bench).expect("an agent");
    std::fs::remove_dir_all(runtime(&bench)).expect("removed as at the end of a login");
    until_ended(agent);
}

#[test]
fn nothing_stays_behind_when_everything_is_gone() {
    let bench = with_prod();
    let line = ["exec", "--lease=15m", "prod", "--", "true"];
    bench.tapvault(line).run().success();
    let agent = agent_pid(&bench).expect("an agent");
    let root = bench.root().to_owned();
    drop(bench);
    until("no process of it is left", || {
        has_ended(agent) && agents_below(&root).is_empty()
    });
}
