//! FIDO2 tokens: the firmware of a real one behind nodes of the bench's own.

mod agent;
mod faults;
mod guest;
mod holder;
mod keys;
mod refusals;
mod several;

use crate::bench::{ANA, Bench, PYTHON};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use tapvault_lab::fido_key::rig::KeySpec;

/// The first FIDO2 token's serial number.
const KEY: &str = "FIDO0001";
/// The second one's.
const OTHER_KEY: &str = "FIDO0002";
/// Their PINs. Long, so that they do not turn up by chance.
const FIDO2_PIN: &str = "58210366";
const OTHER_FIDO2_PIN: &str = "otter-7741";

/// One FIDO2 token with a PIN, and no YubiKey.
fn bench() -> Bench {
    let bench = Bench::setup().no_token().fido2(&[KeySpec::new(KEY)]).start();
    bench.set_fido2_pin(0, FIDO2_PIN);
    bench
}

/// The same, enrolled, with Ana's key as `prod`.
fn bench_with_prod() -> Bench {
    let bench = bench();
    enroll(&bench);
    bench.add("prod", ANA);
    bench
}

fn enroll(bench: &Bench) {
    bench.tapvault(["key", "enroll", "fido2"]).run().success().touches(3);
    know_outputs(bench, FIDO2_PIN);
}

/// What the enrolled tokens give must be seen nowhere, in no form.
fn know_outputs(bench: &Bench, pin: &str) {
    let list: Value =
        serde_json::from_slice(&fs::read(bench.vault().join("keys.json")).expect("keys.json")).expect("JSON");
    let keys = list["list"]["keys"].as_array().expect("keys");
    let script = "import base64,sys; print(base64.b64decode(sys.argv[1]).hex())";
    let hex = |text: &Value| {
        let output = std::process::Command::new(PYTHON)
            .args(["-c", script, text.as_str().expect("base64")])
            .output()
            .expect("Python runs");
        String::from_utf8(output.stdout).expect("hex").trim().to_owned()
    };
    for key in keys.iter().filter(|key| key["kind"] == "fido2") {
        let pin = if key["uv"] == "required" { pin } else { "-" };
        let line = format!("{} {} {pin}", hex(&key["credential"]), hex(&key["salt"]));
        let output = bench.fido2_tool("outputs", 0, &line);
        assert_eq!(output.trim().len(), 64, "{output}");
        bench.secret("output of a FIDO2 token", output.trim());
    }
}

#[test]
fn a_key_is_enrolled_and_every_command_takes_one_touch() {
    let bench = bench();
    let enrolled = bench.tapvault(["key", "enroll", "fido2"]).run();
    // The key itself, and two calculations; each proves the PIN anew, which was asked for once.
    let enrolled = enrolled
        .success()
        .touches(3)
        .pins(4, 0)
        .says("3 touches")
        .says("to try it once more");
    assert_eq!(enrolled.pinentry_asked(), 1);
    know_outputs(&bench, FIDO2_PIN);
    bench.add("prod", ANA).pins(2, 0);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .says("Soft FIDO2 key FIDO0001 to open prod");
    // The session was sealed, and takes one too.
    let exported = bench
        .tapvault(["export", "prod"])
        .prints_secrets()
        .run()
        .success()
        .touches(1);
    assert!(exported.variable("AWS_SESSION_TOKEN").len() > 20);
    bench.tapvault(["rotate", "prod"]).run().success().touches(1);
    bench.tapvault(["remove", "--force", "prod"]).run().success().touches(1);
}

#[test]
fn without_a_pin_it_is_refused_unless_that_is_wished() {
    let bench = Bench::setup().no_token().fido2(&[KeySpec::new(KEY)]).start();
    bench
        .tapvault(["key", "enroll", "fido2"])
        .run()
        .fails(7, "pin")
        .touches(0)
        .says("has no PIN yet")
        .says("--uv discouraged");
    bench
        .tapvault(["key", "enroll", "fido2", "--uv", "discouraged"])
        .run()
        .success()
        .touches(3)
        .pins(0, 0);
    bench.add("prod", ANA);
    // A PIN that is set afterwards changes nothing for this key.
    bench.set_fido2_pin(0, FIDO2_PIN);
    know_outputs(&bench, FIDO2_PIN);
    let opened = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert_eq!(opened.pins(0, 0).pinentry_asked(), 0);
}

#[test]
fn a_key_without_pin_can_be_made_on_a_token_that_has_one() {
    let bench = bench();
    let enrolled = bench.tapvault(["key", "enroll", "fido2", "--uv", "discouraged"]).run();
    enrolled.success().touches(3);
    know_outputs(&bench, FIDO2_PIN);
    assert_eq!(bench.add("prod", ANA).pins(0, 0).pinentry_asked(), 0);
}

#[test]
fn a_wrong_pin_is_sent_once_and_its_tries_are_told() {
    let bench = bench_with_prod();
    bench.pinentry_answers(&["00000000"]);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(7, "pin")
        .pins(0, 1)
        .touches(0)
        .says("7 tries left")
        .releases_nothing();
    let asked = bench.pinentry_asked();
    assert!(
        asked.last().is_some_and(|question| question.contains("(8 tries left)")),
        "{asked:?}"
    );
    // The right one sets them back.
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    bench.pinentry_answers(&["12"]);
    let short = bench.tapvault(["exec", "prod", "--", "true"]).run().fails(7, "pin");
    short.pins(0, 0).says("nothing was sent");
}

#[test]
fn after_three_wrong_pins_it_has_to_be_plugged_in_anew() {
    let bench = bench_with_prod();
    for _ in 0..3 {
        bench.pinentry_answers(&["00000000"]);
        bench.tapvault(["exec", "prod", "--", "true"]).run().fails(7, "pin");
    }
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(7, "pin")
        .touches(0)
        .says("until it is plugged in anew");
    bench.fido2(0).remove().expect("pulled out");
    bench.fido2(0).insert().expect("plugged in");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}

#[test]
fn a_pin_that_is_blocked_for_good_is_said_to_be() {
    let bench = bench_with_prod();
    for wrong in 0..8 {
        if wrong % 3 == 0 {
            bench.fido2(0).remove().expect("pulled out");
            bench.fido2(0).insert().expect("plugged in");
        }
        bench.pinentry_answers(&["00000000"]);
        bench
            .tapvault(["exec", "prod", "--", "true"])
            .run()
            .fails(7, "pin")
            .touches(0);
    }
    let blocked = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(7, "pin")
        .pins(0, 0);
    assert_eq!(blocked.says("blocked for good").pinentry_asked(), 0);
}

#[test]
fn a_missed_touch_is_armed_once_more() {
    let bench = bench_with_prod();
    bench.withhold_touches();
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(6, "no-touch")
        .missed_touch()
        .says("once more")
        .releases_nothing();
}

#[test]
fn a_token_that_is_pulled_out_while_it_waits_is_named() {
    let bench = bench_with_prod();
    bench.withhold_touches();
    let running = bench.tapvault(["exec", "prod", "--", "true"]).start();
    bench
        .fido2(0)
        .wait_for_touch(std::time::Duration::from_secs(20))
        .expect("it blinks");
    bench.fido2(0).remove().expect("pulled out");
    running
        .wait()
        .fails(5, "no-key")
        .says("was pulled out before it was done");
    bench.fido2(0).insert().expect("plugged in");
    bench.touch_by_itself();
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
}

#[test]
fn a_token_stops_blinking_when_the_command_is_killed() {
    let bench = bench_with_prod();
    bench.withhold_touches();
    let running = bench.tapvault(["exec", "prod", "--", "true"]).start();
    bench
        .fido2(0)
        .wait_for_touch(std::time::Duration::from_secs(20))
        .expect("it blinks");
    let mark = bench.fido2(0).mark().expect("a mark");
    running.signal(rustix::process::Signal::KILL);
    running.wait();
    let start = std::time::Instant::now();
    loop {
        let log = bench.fido2(0).log_since(mark.saturating_sub(1)).expect("the journal");
        // CTAP 2.1, 8.2: KEEPALIVE_CANCEL. The token's own patience would end it with 2f.
        if log
            .iter()
            .any(|entry| entry.command == "get-assertion" && entry.status == "2d")
        {
            break;
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(1), "{log:?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn the_identity_for_stock_age_is_shown_alone() {
    let bench = bench_with_prod();
    let shown = bench
        .tapvault(["key", "show", "fido2", "--identity"])
        .run()
        .success()
        .touches(0);
    assert!(shown.stdout.starts_with("AGE-PLUGIN-FIDO2-HMAC-1Q"), "{shown}");
    assert_eq!(shown.stdout.lines().count(), 1);
    let whole = bench.tapvault(["key", "show", "fido2"]).run().success();
    assert!(whole.stdout.contains("age-plugin-fido2-hmac installed"), "{whole}");
    let listed = bench.tapvault(["key", "list", "--json"]).run().success().json();
    assert_eq!(listed[0]["kind"], "FIDO2");
    assert_eq!(listed[0]["token"], "Soft FIDO2 key FIDO0001");
}

#[test]
fn export_prints_nothing_of_the_childs_and_debug_no_data() {
    let bench = bench_with_prod();
    let exported = bench
        .tapvault(["--debug", "export", "prod", "--format", "json"])
        .prints_secrets()
        .run()
        .success();
    assert!(exported.json()["AccessKeyId"].is_string());
    exported.says("debug: FIDO2: Soft FIDO2 key FIDO0001 at /dev/hidraw0");
}

#[test]
fn a_bench_without_fido2_tokens_sees_none_of_the_machines_either() {
    let bench = Bench::setup().no_token().start();
    let log = bench.root().join("strace.log");
    let strace = ["-f", "-qq", "-e", "trace=open,openat", "-o"];
    let doctor = [log.as_os_str(), bench.tapvault_path().as_ref(), "doctor".as_ref()];
    let line = strace.iter().map(OsStr::new).chain(doctor);
    bench.program("/usr/bin/strace", line).run();
    let calls = fs::read_to_string(log).expect("strace's log");
    assert!(calls.contains("config.toml"), "doctor ran: {calls}");
    assert!(
        !calls.contains("/sys/class/hidraw") && !calls.contains("/dev/hidraw"),
        "{calls}"
    );
}

#[test]
fn the_vectors_are_what_their_script_makes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fido2");
    let made = std::process::Command::new(PYTHON)
        .arg(format!("{folder}/vectors.py"))
        .output()
        .expect("Python runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(
        String::from_utf8(made.stdout).expect("text"),
        fs::read_to_string(format!("{folder}/vectors.json")).expect("vectors.json")
    );
}
