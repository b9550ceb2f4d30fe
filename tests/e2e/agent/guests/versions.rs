//! Agents and clients of other versions meet.

use super::super::faults::{agents, until_ended};
use super::super::until_waiting;
use super::{Stage, accepted, agent_pid, connect, export, frame, next_head, others_are_served, with_agent};
use crate::bench::Bench;
use crate::bench::run::Running;
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;

/// What a client of another version says first; the rest of it may mean anything.
fn greeting(version: &str) -> Vec<u8> {
    let head = format!(r#"{{"protocol":7,"version":"{version}","wants":{{"something":["new"]}},"and":true}}"#);
    frame(head.as_bytes(), b"")
}

#[test]
fn for_a_later_one_the_agent_makes_room_and_finishes_what_is_under_way() {
    let (bench, first) = with_agent();
    bench.tapvault(["clear"]).run().success();
    bench.withhold_touches();
    let run = bench
        .tapvault(["export", "--format=json", "--refresh", "prod"])
        .prints_secrets()
        .start();
    until_waiting(&bench, 1);
    bench.token().wait_for_touch(super::CUT_OFF).expect("a blink");
    let mut later = connect(&bench);
    later.write_all(&greeting("999.0.0")).expect("sent");
    let answer = next_head(&later).expect("an answer");
    assert_eq!(
        answer["other_version"]["version"],
        env!("CARGO_PKG_VERSION"),
        "{answer}"
    );
    // The next client finds no socket and starts an agent; that it is one of the same version makes no difference.
    let next = export(&bench, "prod");
    super::until("a new agent serves", || {
        agent_pid(&bench).is_some_and(|pid| pid != first)
    });
    bench.touch_by_itself();
    run.wait().success().does_not_say("asking again");
    next.wait().success();
    until_ended(first);
    assert_eq!(agents(&bench).len(), 1);
}

#[test]
fn for_an_earlier_one_it_stays() {
    let (bench, agent) = with_agent();
    let mut earlier = connect(&bench);
    earlier.write_all(&greeting("0.0.1")).expect("sent");
    let answer = next_head(&earlier).expect("an answer");
    assert_eq!(
        answer["other_version"]["version"],
        env!("CARGO_PKG_VERSION"),
        "{answer}"
    );
    assert!(next_head(&earlier).is_none(), "and no more");
    others_are_served(&bench, agent);
}

/// A client whose agent is played by the test, and the connection.
fn met<'b>(bench: &'b Bench, stage: &Stage) -> (Running<'b>, UnixStream, std::os::unix::net::UnixListener) {
    let listener = stage.listen();
    let run = bench
        .tapvault(["--debug", "exec", "--refresh", "prod", "--", "true"])
        .env("XDG_RUNTIME_DIR", &stage.run)
        .start();
    let stream = accepted(&listener);
    next_head(&stream).expect("the client's first frame");
    (run, stream, listener)
}

fn says_its_version(mut stream: &UnixStream, version: &str) {
    let head = format!(r#"{{"other_version":{{"protocol":1,"version":"{version}"}}}}"#);
    stream.write_all(&frame(head.as_bytes(), b"")).expect("sent");
}

#[test]
fn from_a_later_agent_a_client_does_without_and_debug_says_why() {
    let (bench, _) = with_agent();
    let stage = Stage::beside(&bench);
    let (run, stream, _listener) = met(&bench, &stage);
    says_its_version(&stream, "999.0.0");
    let out = run.wait().success().touches(1);
    out.says("without the agent: it is of version 999.0.0, later than this one");
}

#[test]
fn of_an_earlier_agent_that_makes_room_a_client_takes_the_place() {
    let (bench, agent) = with_agent();
    let stage = Stage::beside(&bench);
    let (run, stream, listener) = met(&bench, &stage);
    fs::remove_file(&stage.socket).expect("it makes room");
    drop(listener);
    says_its_version(&stream, "0.0.1");
    let out = run.wait().success().touches(1);
    out.says("started an agent: ready").does_not_say("without the agent");
    let others: Vec<_> = agents(&bench).into_iter().filter(|pid| *pid != agent).collect();
    assert_eq!(others.len(), 1, "a new one serves there");
    fs::remove_dir_all(&stage.run).expect("the stage goes");
    until_ended(others[0]);
}

#[test]
fn from_an_earlier_agent_that_stays_a_client_does_without() {
    let (bench, _) = with_agent();
    let stage = Stage::beside(&bench);
    let (run, stream, listener) = met(&bench, &stage);
    says_its_version(&stream, "0.0.1");
    let again = accepted(&listener);
    next_head(&again).expect("it asks once more");
    says_its_version(&again, "0.0.1");
    let out = run.wait().success().touches(1);
    out.says("without the agent: ").says("0.0.1");
}

#[test]
fn what_is_no_agent_at_all_is_done_without_or_ends_in_an_error() {
    let (bench, _) = with_agent();
    for answer in [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        frame(b"{}", b""),
        frame(b"\"sesame\"", b""),
    ] {
        let stage = Stage::beside(&bench);
        let (run, mut stream, listener) = met(&bench, &stage);
        stream.write_all(&answer).expect("sent");
        drop(stream);
        drop(listener);
        fs::remove_file(&stage.socket).expect("it goes");
        let out = run.wait().does_not_say("panicked");
        assert!(matches!(out.code, Some(0 | 1)), "{out}");
    }
    fs::remove_dir_all(bench.root().join("xdg/stage")).expect("the stage goes");
}
