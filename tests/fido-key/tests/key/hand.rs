//! The hand: touching, pulling out, plugging in; and two keys at once, beside the PIV rig.

use std::{fs, thread, time::Duration};

use tapvault_lab::{
    fido_key::{protocol::Access, rig::KeySpec},
    soft_token::{
        body::{AutoTouch, Touch},
        firmware::Firmware,
        rig::{Rig, SOCKET_VARIABLE, TokenSpec},
    },
};

use crate::bench::{Bench, PIN, RP, SALT};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_touch_that_is_not_given_is_missed_and_one_in_time_counts() {
    let bench = Bench::start();
    let credential = bench.credential();
    let words = ["secret", "/dev/hidraw0", RP, &credential, SALT];
    bench.key().auto_touch(AutoTouch::Off).expect("it listens");
    let mark = bench.key().mark().expect("a mark");
    bench.run(&words).fails_with("0x2F");
    let entries = bench.key().log_since(mark).expect("entries");
    let missed = entries
        .iter()
        .find(|entry| entry.command == "get-assertion")
        .expect("it was asked");
    assert_eq!((missed.status.as_str(), missed.touch), ("2f", Some(Touch::Missed)));

    let running = bench.start_with(&words, &[("PIN", PIN)]);
    let request = bench.key().wait_for_touch(SOON).expect("it blinks");
    assert_eq!(request.purpose, "get-assertion");
    assert!(bench.key().touch().expect("it listens"));
    running.finish().ok();
    assert!(!bench.key().touch().expect("it listens"), "nobody asks now");
}

#[test]
fn a_key_that_is_pulled_out_while_it_blinks_ends_the_request() {
    let bench = Bench::start();
    let credential = bench.credential();
    bench.key().auto_touch(AutoTouch::Off).expect("it listens");
    let running = bench.start_with(&["secret", "/dev/hidraw0", RP, &credential, SALT], &[("PIN", PIN)]);
    bench.key().wait_for_touch(SOON).expect("it blinks");
    bench.key().remove().expect("pulled out");
    running.finish().fails();
    assert_eq!(bench.run(&["list"]).ok(), "");
    let last = bench.key().log().expect("entries").pop().expect("an entry");
    assert_eq!((last.command.as_str(), last.status.as_str()), ("get-assertion", "cut"));
    assert_eq!(bench.key().counts().expect("counts").touches.interrupted, 1);
    bench.key().insert().expect("plugged in");
    bench
        .key()
        .auto_touch(AutoTouch::Always(Duration::ZERO))
        .expect("it listens");
    bench.secret(&credential, SALT).ok();
}

#[test]
fn a_key_keeps_its_credentials_from_rig_to_rig_and_loses_them_when_it_is_reset() {
    let bench = Bench::start();
    let credential = bench.credential();
    let before = bench.secret(&credential, SALT).ok();
    let bench = bench.restarted(&[KeySpec::new("LAB00001")]);
    assert_eq!(bench.secret(&credential, SALT).ok(), before);
    bench.key().reset().expect("plugged in again");
    bench.run(&["set-pin", "/dev/hidraw0"]).ok();
    bench.secret(&credential, SALT).fails_with("0x2E");
}

#[test]
fn two_keys_are_told_apart_beside_a_piv_rig() {
    let bench = Bench::with(&[
        KeySpec::new("LAB00001"),
        KeySpec::without_serial().product("Other key").ids(0x1050, 0x0402),
    ]);
    let listed = bench.run(&["list"]).ok();
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(
        lines[0].starts_with("/dev/hidraw0 20a0:42b2") && lines[0].contains("LAB00001"),
        "{listed}"
    );
    assert!(
        lines[1].starts_with("/dev/hidraw1 1050:0402") && lines[1].contains("Other key"),
        "{listed}"
    );
    let credential = bench.run_with(&["make", "/dev/hidraw1", RP], &[]).ok();
    bench
        .run_with(&["has", "/dev/hidraw0", RP, &credential], &[])
        .fails_with("0x2E");
    bench.run_with(&["has", "/dev/hidraw1", RP, &credential], &[]).ok();

    let piv = Rig::start(
        &bench.path().join("piv"),
        &[TokenSpec::new(10_000_001, Firmware::V5_7_1)],
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let socket = piv.socket();
    let readers = bench.run_with(&["readers"], &[(SOCKET_VARIABLE, socket.to_str().expect("UTF-8"))]);
    assert!(readers.ok().contains("YubiKey"));
}

#[test]
fn a_node_that_nobody_may_open_is_listed_and_refused() {
    let bench = Bench::start();
    bench.key().set_access(Access::Forbidden).expect("its mode");
    bench.run(&["retries", "/dev/hidraw0"]).fails_with("open");
    bench.key().set_access(Access::Permitted).expect("its mode");
    bench.run(&["retries", "/dev/hidraw0"]).ok();
}

#[test]
fn nothing_survives_the_rig() {
    let bench = Bench::start();
    let path = bench.path().to_str().expect("UTF-8").to_owned();
    let living = || {
        let lines = fs::read_dir("/proc").expect("proc").flatten();
        let lines = lines.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
        lines.filter(|line| line.contains(&path)).count()
    };
    assert_eq!(living(), 1);
    drop(bench);
    thread::sleep(Duration::from_millis(50));
    assert_eq!(living(), 0);
}
