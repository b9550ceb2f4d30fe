//! What logind says, and what others say in its name.

use crate::probe_process::{self, Probe};
use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};
use tapvault_lab::logind::{self, LOGIND, Logind, OURS, SystemBus, THEIRS};

const SUSPENDED: &str = "ended: Suspended";
const LOCKED: &str = "ended: ScreenLocked";

/// Longer than a signal takes, on a busy machine too.
const A_WHILE: Duration = Duration::from_millis(700);

/// A probe to which this is the system bus.
fn on(bus: &SystemBus) -> Probe {
    let mut command = Command::new(probe_process::path());
    command.arg("watch").env("DBUS_SYSTEM_BUS_ADDRESS", bus.address());
    // No smart card service: this is not about tokens.
    command.env("PCSCLITE_CSOCK_NAME", "/nonexistent/pcscd.comm");
    let probe = Probe::start(&mut command);
    assert_eq!(probe.next(), "watching");
    probe
}

#[test]
fn a_suspend_is_told_before_it_may_happen_and_the_next_one_too() {
    let bus = SystemBus::started();
    let logind = Logind::log_in(&bus);
    let probe = on(&bus);
    for _ in 0..2 {
        let delay = logind.delay();
        assert_eq!(
            delay.words,
            ["sleep", "tapvault", "wipes what its agent holds", "delay"].map(str::to_owned)
        );
        assert_eq!(probe.within(A_WHILE), None);
        assert!(delay.is_held());
        logind.prepare_for_sleep(true);
        delay.is_let_go();
        // Said before it let go, so it is there.
        assert_eq!(probe.within(Duration::from_millis(100)).as_deref(), Some(SUSPENDED));
        logind.prepare_for_sleep(false);
    }
}

#[test]
fn a_locked_session_of_ours_is_told_and_nobody_elses() {
    let bus = SystemBus::started();
    let logind = Logind::log_in(&bus);
    let probe = on(&bus);
    let _delay = logind.delay();
    logind.lock(THEIRS);
    logind.hint(THEIRS, true);
    logind.hint(OURS, false);
    assert_eq!(probe.within(A_WHILE), None);
    logind.lock(OURS);
    assert_eq!(probe.next(), LOCKED);
    logind.hint(OURS, true);
    assert_eq!(probe.next(), LOCKED);
    logind.hint(OURS, false);
    assert_eq!(probe.within(A_WHILE), None, "unlocking ends nothing");
    logind.hint_without_value(THEIRS, true);
    logind.hint_without_value(OURS, true);
    assert_eq!(probe.next(), LOCKED);
    assert_eq!(probe.within(A_WHILE), None);
}

#[test]
fn who_does_not_own_loginds_name_is_not_believed() {
    let bus = SystemBus::started();
    let logind = Logind::log_in(&bus);
    let probe = on(&bus);
    let delay = logind.delay();
    let impostor = bus.stranger();
    let name = bus.name_of(probe.id());
    let own = impostor.unique_name().expect("on a bus").to_string();
    for to in [None, Some(name.as_str())] {
        // Whether it may say who logind is decides about all that follows.
        let change = (LOGIND, "", own.as_str());
        let sent = impostor.emit_signal(
            to,
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "NameOwnerChanged",
            &change,
        );
        sent.expect("it is sent");
        logind::prepare_for_sleep(&impostor, to, true);
        logind::lock(&impostor, to, OURS);
        logind::hint(&impostor, to, OURS, true);
    }
    assert_eq!(probe.within(A_WHILE), None);
    assert!(delay.is_held());
    logind.lock(OURS);
    assert_eq!(probe.next(), LOCKED);
}

#[test]
fn another_logind_is_met_as_the_first_one_was_and_a_screen_locked_meanwhile_is_told() {
    let bus = SystemBus::started();
    let probe = on(&bus);
    assert_eq!(probe.within(A_WHILE), None, "there is none yet");
    let first = Logind::log_in(&bus);
    let delay = first.delay();
    drop(first);
    delay.is_let_go();
    assert_eq!(probe.within(A_WHILE), None);
    let second = Logind::with_a_screen(&bus, true);
    let _delay = second.delay();
    assert_eq!(probe.next(), LOCKED);
    second.prepare_for_sleep(true);
    assert_eq!(probe.next(), SUSPENDED);
}

#[test]
fn a_session_that_cant_be_asked_for_its_user_counts_as_ours() {
    let bus = SystemBus::started();
    let probe = on(&bus);
    for logind in [bus.clueless(), bus.stranger()] {
        logind.request_name(LOGIND).expect("a name");
        let deadline = Instant::now() + Duration::from_secs(20);
        // Until the probe listens, and has waited in vain for answers.
        while {
            logind::lock(&logind, None, OURS);
            probe.within(A_WHILE).is_none_or(|line| line != LOCKED)
        } {
            assert!(Instant::now() < deadline, "it is never told");
        }
        logind.release_name(LOGIND).expect("its name");
    }
}

#[test]
fn a_flood_of_false_signals_hides_no_true_one() {
    let bus = SystemBus::started();
    let logind = Logind::log_in(&bus);
    let probe = on(&bus);
    let _delay = logind.delay();
    let name = bus.name_of(probe.id());
    let impostor = bus.stranger();
    for round in 0..3 {
        for _ in 0..400 {
            logind::lock(&impostor, Some(&name), OURS);
        }
        logind.lock(OURS);
        assert_eq!(probe.next(), LOCKED, "round {round}");
    }
    assert_eq!(probe.within(A_WHILE), None);
}

#[test]
fn a_bus_that_closes_is_waited_for_without_hurry() {
    let mut bus = SystemBus::place();
    let probe = on(&bus);
    assert_eq!(probe.within(A_WHILE), None, "there is none yet");
    for _ in 0..2 {
        bus.start();
        let logind = Logind::log_in(&bus);
        let _delay = logind.delay();
        logind.lock(OURS);
        assert_eq!(probe.next(), LOCKED);
        bus.kill();
        let before = probe.cpu_time();
        thread::sleep(Duration::from_secs(2));
        let spent = probe.cpu_time() - before;
        assert!(
            spent < Duration::from_millis(100),
            "{spent:?} of work while nothing is there"
        );
    }
    assert_eq!(probe.within(A_WHILE), None);
}
