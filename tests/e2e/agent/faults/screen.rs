//! logind says that the screen is locked or that the machine is about to sleep; or there is nobody to say so.

use super::super::{agent_pid, status, until, with_prod};
use crate::bench::Bench;
use rustix::process::Pid;
use serde_json::{Value, json};
use std::time::Duration;
use tapvault_lab::logind::{self, LOGIND, Logind, OURS, SystemBus, THEIRS};

/// Longer than a signal takes, on a busy machine too.
const A_WHILE: Duration = Duration::from_secs(1);

/// A bench whose programs find `bus` where the system's should be.
fn on(bus: &SystemBus) -> Bench {
    let bench = with_prod();
    bench.everywhere("DBUS_SYSTEM_BUS_ADDRESS", &bus.address());
    bench
}

/// A lease and a PIN are held from now on.
fn hold(bench: &Bench) -> Pid {
    let line = ["exec", "--lease=15m", "prod", "--", "true"];
    bench.tapvault(line).run().success().touches(1);
    assert!(is_held(bench), "{}", status(bench));
    agent_pid(bench).expect("an agent")
}

fn is_held(bench: &Bench) -> bool {
    let status = status(bench);
    let number = |what: &Value| what.as_array().map(Vec::len);
    (number(&status["leases"]), number(&status["pins"])) == (Some(1), Some(1))
}

fn is_over(bench: &Bench) -> bool {
    let status = status(bench);
    (&status["leases"], &status["pins"]) == (&json!([]), &json!([]))
}

/// The lease still answers.
#[track_caller]
fn no_touch_is_needed(bench: &Bench) {
    let line = ["exec", "prod", "--", "true"];
    bench.tapvault(line).run().success().touches(0);
}

#[track_caller]
fn touch_and_pin_are_asked_for(bench: &Bench, agent: Pid) {
    let line = ["exec", "prod", "--", "true"];
    let out = bench.tapvault(line).run().success().touches(1);
    assert_eq!(out.pinentry_asked(), 1, "{out}");
    assert_eq!(agent_pid(bench), Some(agent), "the agent itself goes on");
}

#[test]
fn a_locked_screen_ends_leases_and_pins_and_somebody_elses_does_not() {
    let bus = SystemBus::started();
    let logind = Logind::log_in(&bus);
    let bench = on(&bus);
    let agent = hold(&bench);
    let _delay = logind.delay();
    logind.lock(THEIRS);
    logind.hint(THEIRS, true);
    std::thread::sleep(A_WHILE);
    assert!(is_held(&bench));
    no_touch_is_needed(&bench);
    logind.lock(OURS);
    until("all has ended", || is_over(&bench));
    touch_and_pin_are_asked_for(&bench, agent);
}

#[test]
fn all_has_ended_when_the_machine_may_go_to_sleep() {
    let bus = SystemBus::started();
    let logind = Logind::log_in(&bus);
    let bench = on(&bus);
    let agent = hold(&bench);
    let delay = logind.delay();
    assert!(delay.is_held());
    logind.prepare_for_sleep(true);
    delay.is_let_go();
    assert!(is_over(&bench), "{}", status(&bench));
    logind.prepare_for_sleep(false);
    touch_and_pin_are_asked_for(&bench, agent);
    let _for_the_next_time = logind.delay();
}

#[test]
fn what_was_asked_for_before_the_screen_was_locked_is_served_and_not_leased() {
    let bus = SystemBus::started();
    let logind = Logind::log_in(&bus);
    let bench = on(&bus);
    super::withhold(&bench);
    let run = bench.tapvault(["exec", "--lease=15m", "prod", "--", "true"]).start();
    bench.token().wait_for_touch(super::SOON).expect("it blinks");
    let _delay = logind.delay();
    logind.lock(OURS);
    // Nothing shows when it was heard.
    std::thread::sleep(A_WHILE);
    bench.token().touch().expect("the token listens");
    run.wait().success().says("nothing is leased");
    assert!(is_over(&bench), "{}", status(&bench));
}

#[test]
fn without_logind_leases_go_on_and_a_screen_that_was_locked_meanwhile_ends_them() {
    let bus = SystemBus::started();
    let bench = on(&bus);
    let agent = hold(&bench);
    no_touch_is_needed(&bench);
    let logind = Logind::log_in(&bus);
    let delay = logind.delay();
    drop(logind);
    delay.is_let_go();
    no_touch_is_needed(&bench);
    let logind = Logind::with_a_screen(&bus, true);
    let _delay = logind.delay();
    until("all has ended", || is_over(&bench));
    touch_and_pin_are_asked_for(&bench, agent);
}

#[test]
fn a_logind_that_makes_no_sense_ends_nothing_and_disturbs_nobody() {
    let bus = SystemBus::started();
    let bench = on(&bus);
    let agent = hold(&bench);
    let other = bus.clueless();
    other.request_name(LOGIND).expect("a name");
    logind::nonsense(&other);
    std::thread::sleep(A_WHILE);
    assert!(is_held(&bench), "{}", status(&bench));
    no_touch_is_needed(&bench);
    assert_eq!(agent_pid(&bench), Some(agent));
    // It is logind all the same, and is believed as far as it can be understood.
    logind::lock(&other, None, OURS);
    until("all has ended", || is_over(&bench));
}

#[test]
fn without_a_system_bus_leases_are_had_and_ended_by_hand() {
    let mut bus = SystemBus::started();
    let bench = on(&bus);
    bus.kill();
    hold(&bench);
    no_touch_is_needed(&bench);
    let out = bench.tapvault(["lock"]).run().success();
    assert_eq!(out.stdout, "ended 1 lease, dropped 1 PIN\n");
    assert!(is_over(&bench));
}
