//! Agents are started at the same moment, or beside what an earlier one left.

use super::super::{agent_pid, export, kill_agent, with_prod};
use super::{agents, runtime, socket, until, withhold};
use std::os::unix::fs::PermissionsExt;

fn clients_at_once(number: usize) {
    let bench = with_prod();
    assert!(agents(&bench).is_empty(), "nobody has needed one yet");
    withhold(&bench);
    let runs: Vec<_> = (0..number).map(|_| export(&bench, "prod")).collect();
    super::super::until_waiting(&bench, number);
    // Those that came too late have gone by then.
    until("one agent", || agents(&bench).len() == 1);
    assert_eq!(agents(&bench).first().copied(), agent_pid(&bench));
    bench.touch_by_itself();
    for run in runs {
        run.wait().success().does_not_say("without the agent");
    }
    assert_eq!(bench.calls(), ["GetSessionToken"]);
}

#[test]
fn two_clients_at_once_have_one() {
    clients_at_once(2);
}

#[test]
fn ten_clients_at_once_have_one() {
    clients_at_once(10);
}

#[test]
fn a_socket_that_was_left_is_replaced() {
    let bench = with_prod();
    export(&bench, "prod").wait().success();
    kill_agent(&bench);
    let left = socket(&bench).expect("the socket of the one that was killed");
    let line = ["--debug", "exec", "prod", "--", "true"];
    bench.tapvault(line).run().success().does_not_say("without the agent");
    assert_eq!(agents(&bench).len(), 1);
    assert_eq!(socket(&bench), Some(left));
}

#[test]
fn a_second_one_by_hand_is_refused() {
    let bench = with_prod();
    export(&bench, "prod").wait().success();
    bench
        .tapvault(["agent"])
        .run()
        .fails(12, "conflict")
        .says("runs already");
    export(&bench, "prod").wait().success();
}

#[test]
fn socket_and_folder_are_the_users_alone() {
    let bench = with_prod();
    export(&bench, "prod").wait().success();
    let mode = |path: &std::path::Path| path.metadata().expect("it is there").permissions().mode() & 0o7777;
    assert_eq!(mode(&runtime(&bench)), 0o700);
    assert_eq!(mode(&socket(&bench).expect("a socket")), 0o600);
}
