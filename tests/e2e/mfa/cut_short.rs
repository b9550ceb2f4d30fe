//! Refused, cut off, killed or without room at any point: what was begun is undone, or the next run finishes or undoes it.

use super::managing::{SECOND, with_second};
use super::{CONFIG, config, devices, is_enrolled, is_untouched, journal, start_over, with_ben};
use crate::bench::{Bench, Output};
use crate::faults::strace::{self, Point};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use tapvault_lab::aws_standin::fault::Effect;
use tapvault_lab::aws_standin::{Fault, When};

const ENROLL: [&str; 3] = ["mfa", "enroll", "prod"];
const REMOVE: [&str; 5] = ["mfa", "remove", "prod", "--force", "--no-session"];

fn run(bench: &Bench, line: &[&str]) -> Output {
    bench.tapvault(line).run()
}

/// The calls of an enrolment that goes well; nothing of it is left.
fn calls_of_enrolment(bench: &Bench) -> Vec<String> {
    run(bench, &ENROLL).success();
    is_enrolled(bench);
    let calls = bench.calls();
    start_over(bench);
    calls
}

/// After an enrolment that was cut short: nothing is left, or it is said; and the next run enrolls.
#[track_caller]
fn the_next_run_enrolls(bench: &Bench, out: &Output) {
    if out.code == Some(0) {
        is_enrolled(bench);
    } else {
        match journal(bench) {
            None => is_untouched(bench),
            Some(_) => assert!(
                out.code.is_none() || out.said().contains("`tapvault mfa enroll prod` finishes or undoes it"),
                "{out}"
            ),
        }
        run(bench, &ENROLL).success();
        is_enrolled(bench);
    }
    start_over(bench);
}

#[test]
fn an_enrolment_refused_at_any_call_leaves_nothing_behind() {
    let bench = with_ben();
    for action in calls_of_enrolment(&bench) {
        let fault = Fault::on(&action).every().error(403, "AccessDenied", "not you");
        bench.aws().fault(fault);
        let out = run(&bench, &ENROLL).fails(8, "aws").says("AccessDenied");
        bench.aws().clear_faults();
        println!("{action}: {out}");
        is_untouched(&bench);
        the_next_run_enrolls(&bench, &out);
    }
}

#[test]
fn an_enrolment_whose_answers_are_lost_at_any_call_ends_well_or_can_be_ended() {
    let bench = with_ben();
    for action in calls_of_enrolment(&bench) {
        for effect in [
            Effect::Drop { when: When::Before },
            Effect::Drop { when: When::After },
            Effect::Cut,
            Effect::Garbage {
                status: 200,
                body: "<html>".into(),
            },
        ] {
            let name = effect.name();
            bench.aws().fault(Fault::on(&action).with(effect));
            let out = run(&bench, &ENROLL);
            bench.aws().clear_faults();
            println!("{action}, {name}: {out}");
            the_next_run_enrolls(&bench, &out);
        }
    }
}

#[test]
fn an_undoing_that_fails_too_is_told_and_done_by_the_next_run() {
    let bench = with_ben();
    bench
        .aws()
        .fault(Fault::on("EnableMFADevice").error(403, "AccessDenied", "not you"));
    bench
        .aws()
        .fault(Fault::on("DeleteVirtualMFADevice").error(403, "AccessDenied", "not you"));
    let out = run(&bench, &ENROLL).fails(8, "aws");
    assert_eq!(journal(&bench).expect("a journal")["stage"], "enabling");
    assert_eq!(devices(&bench), [(super::BEN_MFA.to_owned(), None)]);
    // Whoever does not go on at once is told by every command that uses the entry.
    let reminder = format!(
        "prod: the enrolment of {} stopped at EnableMFADevice; `tapvault mfa enroll prod` ends it",
        super::BEN_MFA
    );
    for line in [&["list"][..], &["explain", "prod"], &["exec", "prod", "--", "true"]] {
        run(&bench, line).success().says(&reminder);
    }
    the_next_run_enrolls(&bench, &out);
    run(&bench, &["list"]).success().does_not_say("stopped");
}

/// Runs `line`, and kills it when `action` took effect and its answer is on the way.
fn killed_before_the_answer(bench: &Bench, line: &[&str], action: &str) -> Output {
    let before = bench.aws().calls_of(action).len();
    bench.aws().fault(Fault::on(action).delay(2_000, When::After));
    let running = bench.tapvault(line).start();
    // The code before it may have to wait for its half minute.
    let deadline = Instant::now() + Duration::from_secs(60);
    while bench.aws().calls_of(action).len() == before {
        assert!(Instant::now() < deadline, "{action} was never called");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal(Signal::KILL);
    let out = running.wait();
    bench.aws().clear_faults();
    assert_eq!(out.code, None, "killed\n{out}");
    out
}

#[test]
fn an_enrolment_killed_before_any_answer_is_finished_or_undone_by_the_next_run() {
    let bench = with_ben();
    for action in calls_of_enrolment(&bench) {
        println!("{action}");
        let out = killed_before_the_answer(&bench, &ENROLL, &action);
        the_next_run_enrolls(&bench, &out);
    }
}

/// Where files change place; between two of these every call is made, and every seed goes to a token.
fn turning_points(bench: &Bench, line: &[&str]) -> Vec<Point> {
    let (output, points) = strace::points(bench, line, |invocation| invocation);
    output.success();
    points
        .into_iter()
        .filter(|point| point.call.starts_with("rename") || point.call.starts_with("unlink"))
        .collect()
}

#[test]
fn an_enrolment_killed_or_without_room_at_any_change_of_a_file_is_finished_or_undone() {
    let bench = with_ben();
    // What this machine remembers of the vault is written once.
    calls_of_enrolment(&bench);
    let points = turning_points(&bench, &ENROLL);
    assert!(
        points.len() >= 6,
        "each stage, the spent codes and the config: {points:?}"
    );
    start_over(&bench);
    for point in points {
        for fault in [strace::Fault::Kill, strace::Fault::Error("ENOSPC")] {
            let out = strace::strike(&bench, &ENROLL, |invocation| invocation, &point, fault);
            println!("{fault:?} at {point}: {out}");
            the_next_run_enrolls(&bench, &out);
        }
    }
}

/// After a removal that was cut short, the next run ends it; then Ana's second device is made anew.
#[track_caller]
fn the_next_run_removes(bench: &Bench, out: &Output) {
    if out.code != Some(0) {
        if journal(bench).is_some() && out.code.is_some() {
            assert!(
                out.said().contains("`tapvault mfa remove prod` goes on from here"),
                "{out}"
            );
        }
        run(bench, &REMOVE).success();
    }
    assert_eq!(
        (devices(bench), config(bench), journal(bench)),
        (vec![], CONFIG.to_owned(), None)
    );
    assert_eq!(bench.oath_accounts(0), [""; 0]);
    run(bench, &ENROLL).success();
    bench.aws().clear_calls();
}

#[test]
fn a_removal_cut_short_at_any_call_is_ended_by_the_next_run() {
    let bench = with_second();
    run(&bench, &REMOVE).success();
    let calls = bench.calls();
    run(&bench, &ENROLL).success();
    for action in calls {
        println!("{action}");
        let out = killed_before_the_answer(&bench, &REMOVE, &action);
        the_next_run_removes(&bench, &out);
        for effect in [
            Effect::Drop { when: When::Before },
            Effect::Drop { when: When::After },
            Effect::Cut,
        ] {
            bench.aws().fault(Fault::on(&action).with(effect));
            let out = run(&bench, &REMOVE);
            bench.aws().clear_faults();
            the_next_run_removes(&bench, &out);
        }
        let fault = Fault::on(&action).every().error(403, "AccessDenied", "not you");
        bench.aws().fault(fault);
        let out = run(&bench, &REMOVE).fails(8, "aws");
        bench.aws().clear_faults();
        the_next_run_removes(&bench, &out);
    }
}

#[test]
fn a_removal_whose_device_gives_no_session_any_more_goes_on_without() {
    let bench = with_second();
    let line = ["mfa", "remove", "prod", "--force"];
    killed_before_the_answer(&bench, &line, "DeactivateMFADevice");
    assert_eq!(devices(&bench), [(SECOND.to_owned(), None)]);
    let again = ["mfa", "enroll", "prod", "--replace"];
    run(&bench, &again)
        .fails(12, "conflict")
        .says("`tapvault mfa remove prod` finishes it first");
    run(&bench, &line).success().says("trying without a session");
    assert_eq!(
        (devices(&bench), config(&bench), journal(&bench)),
        (vec![], CONFIG.to_owned(), None)
    );
    assert_eq!(bench.oath_accounts(0), [""; 0]);
}

#[test]
fn two_commands_at_once_do_not_mix() {
    let bench = with_ben();
    bench.withhold_touches();
    let first = bench.tapvault(ENROLL).start();
    bench
        .token()
        .wait_for_touch(Duration::from_secs(10))
        .expect("it waits for a touch");
    run(&bench, &ENROLL)
        .fails(12, "conflict")
        .says("another command changes the MFA devices of prod");
    bench.touch_by_itself();
    bench.token().touch().expect("touched");
    first.wait().success();
    is_enrolled(&bench);
}
