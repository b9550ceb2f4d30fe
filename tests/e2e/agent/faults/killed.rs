//! The agent is killed: whoever waits asks once more, of a new one, and no code is used twice.

use super::super::{
    agent_pid, export, kill_agent, quiet, status, touches, until, until_waiting, with_codes, with_prod,
};
use super::{SOON, withhold};
use crate::bench::Bench;
use tapvault_lab::aws_standin::fault::Effect;
use tapvault_lab::aws_standin::{Fault, When};

/// AWS refused nothing, and took no code twice.
#[track_caller]
fn nothing_was_refused(bench: &Bench) {
    for call in bench.aws().calls() {
        assert!(call.error.is_none(), "{call:?}");
    }
}

#[test]
fn while_a_touch_is_awaited() {
    let bench = with_prod();
    withhold(&bench);
    let run = export(&bench, "prod");
    bench.token().wait_for_touch(SOON).expect("a blink");
    let first = agent_pid(&bench);
    kill_agent(&bench);
    bench.touch_by_itself();
    run.wait().success().says("the agent ended; asking again");
    let second = agent_pid(&bench);
    assert!(second.is_some() && second != first, "{first:?} {second:?}");
    assert_eq!(bench.calls(), ["GetSessionToken"]);
}

#[test]
fn while_twelve_wait() {
    let bench = with_codes();
    withhold(&bench);
    let runs: Vec<_> = (0..12).map(|_| export(&bench, "prod")).collect();
    until_waiting(&bench, 12);
    bench.token().wait_for_touch(SOON).expect("a blink");
    kill_agent(&bench);
    // All of them are with the new one before it gets anything.
    until("all ask again", || {
        status(&bench)["waiting"].as_array().map(Vec::len) == Some(12)
    });
    let before = touches(&bench);
    bench.touch_by_itself();
    for run in runs {
        assert_eq!(run.wait().success().json()["Version"], 1);
    }
    assert_eq!(bench.calls(), ["GetSessionToken"]);
    // The token blinks on for the one that was killed, and that blink may get a touch too.
    let given = touches(&bench) - before;
    assert!((2..=3).contains(&given), "{given} touches");
    assert_eq!(super::agents(&bench).len(), 1);
    nothing_was_refused(&bench);
}

#[test]
fn between_opening_and_the_code() {
    let bench = with_codes();
    withhold(&bench);
    let run = export(&bench, "prod");
    bench.token().wait_for_touch(SOON).expect("a blink to open");
    bench.token().touch().expect("touched");
    bench.token().wait_for_touch(SOON).expect("a blink for the code");
    kill_agent(&bench);
    bench.touch_by_itself();
    // No step was spent, so it waits for none.
    run.wait().success().does_not_say("is spent");
    assert_eq!(bench.calls(), ["GetSessionToken"]);
    nothing_was_refused(&bench);
}

/// The call has reached AWS, or has even been carried out: nobody here knows which.
fn while_the_code_is_on_its_way(when: When) {
    let bench = with_codes();
    let arrived = bench.aws().arrived("GetSessionToken");
    bench
        .aws()
        .fault(Fault::on("GetSessionToken").with(Effect::Delay { ms: 4000, when }));
    let run = export(&bench, "prod");
    until("the call", || bench.aws().arrived("GetSessionToken") > arrived);
    kill_agent(&bench);
    run.wait().success().says("the agent ended; asking again");
    nothing_was_refused(&bench);
    let steps = bench.aws().used_steps(crate::codes::ANA_MFA).len();
    let calls = bench.aws().calls_of("GetSessionToken").len();
    assert_eq!(steps, calls, "each call had a step of its own");
}

#[test]
fn while_the_code_is_on_its_way_to_aws() {
    while_the_code_is_on_its_way(When::Before);
}

#[test]
fn when_aws_has_taken_the_code() {
    while_the_code_is_on_its_way(When::After);
}

#[test]
fn a_code_that_was_given_by_hand_is_not_sent_again() {
    let bench = with_codes();
    let arrived = bench.aws().arrived("GetSessionToken");
    let fault = Fault::on("GetSessionToken").delay(4000, When::After);
    bench.aws().fault(fault);
    let code = bench.code_of_ana();
    let run = bench
        .tapvault(["export", "--format=json", "-t", &code, "prod"])
        .prints_secrets()
        .start();
    until("the call", || bench.aws().arrived("GetSessionToken") > arrived);
    kill_agent(&bench);
    let out = run.wait().fails(1, "other").releases_nothing();
    out.says("the code may be spent").says("the next code");
    assert_eq!(bench.aws().arrived("GetSessionToken"), arrived + 1);
}

#[test]
fn twice_is_an_error_and_no_circle() {
    let bench = with_prod();
    withhold(&bench);
    let run = export(&bench, "prod");
    for round in 1..=2 {
        until_waiting(&bench, 1);
        bench.token().wait_for_touch(SOON).expect("a blink");
        let killed = agent_pid(&bench);
        kill_agent(&bench);
        if round == 1 {
            until("another agent", || {
                agent_pid(&bench).is_some_and(|pid| Some(pid) != killed)
            });
        }
    }
    let out = run.wait().fails(1, "other").releases_nothing();
    out.says("the agent ended twice").says("--no-agent");
    bench.touch_by_itself();
    quiet(&bench);
    export(&bench, "prod").wait().success();
}
