//! Opening with a slot key: APDUs, PIN, touch.

use crate::bench::{BLINKS, Bench, FIRST, PIN, SECOND, value};
use std::{
    thread,
    time::{Duration, Instant},
};

const SIX: [&str; 6] = [
    "SELECT 9000",
    "GET METADATA 9000",
    "VERIFY 63c3",
    "VERIFY 9000",
    "GENERAL AUTHENTICATE 9000",
    "SELECT 9000",
];

#[test]
fn opening_takes_six_apdus_on_both_firmwares() {
    for firmware in ["5.4.3", "5.7.1"] {
        let bench = Bench::new(&[firmware]);
        let key = bench.enrolled(&[]);
        bench.touch_always();
        let mark = bench.mark(0);
        assert!(bench.probe(&["open", "82", &key, PIN]).contains("ecdh: equal"));
        assert_eq!(bench.since(0, mark), SIX, "{firmware}");
        assert!(bench.probe(&["sign", "82", &key, PIN]).contains("signature: good"));
        let attested = bench.probe(&["attest", FIRST, "82"]);
        assert_eq!(value(&attested, "point"), key);
        assert_eq!(value(&attested, "signed"), "true");
        assert!(value(&attested, "attested").contains("pin: Once, touch: Always"));
    }
}

#[test]
fn a_wrong_pin_spends_one_try_until_none_is_left() {
    let bench = Bench::new(&["5.7.1"]);
    let key = bench.enrolled(&[]);
    bench.touch_always();
    for left in [2, 1] {
        let said = bench.probe_fails(&["open", "82", &key, "654321"]);
        assert!(said.contains(&format!("WrongPin {{ tries: {left} }}")), "{said}");
        assert_eq!(bench.refused_pins(0), 3 - left);
    }
    let said = bench.probe_fails(&["open", "82", &key, "12345"]);
    assert!(said.contains("PinLength"), "{said}");
    assert_eq!(bench.refused_pins(0), 2);
    for pin in ["654321", PIN] {
        let said = bench.probe_fails(&["open", "82", &key, pin]);
        assert!(said.contains("PinBlocked"), "{said}");
    }
    assert!(bench.probe(&["pin", FIRST]).contains("status: Blocked"));
}

#[test]
fn no_pin_is_no_touch_either() {
    let bench = Bench::new(&["5.7.1"]);
    let key = bench.enrolled(&[]);
    let said = bench.probe_fails(&["open", "82", &key, "-"]);
    assert!(said.contains("PinRequired"), "{said}");
    assert_eq!(bench.refused_pins(0), 0);
}

#[test]
fn a_missed_touch_is_told_from_a_missing_pin_and_can_be_armed_again() {
    let bench = Bench::new(&["5.7.1"]);
    let key = bench.enrolled(&[]);
    let mark = bench.mark(0);
    let said = bench.probe_fails(&["open", "82", &key, PIN, "tries=2"]);
    assert!(said.contains("NoTouch"), "{said}");
    let waited: u64 = value(&said, "no touch")
        .trim_end_matches(" ms")
        .parse()
        .expect("a number");
    assert!((BLINKS..BLINKS + 1000).contains(&waited), "{waited}");
    let sent = bench.since(0, mark);
    assert_eq!(sent.iter().filter(|line| line.starts_with("GENERAL")).count(), 2);
    // What we verified is dropped on the way out.
    assert_eq!(sent.last().map(String::as_str), Some("SELECT 9000"));
    assert!(bench.probe(&["pin", FIRST]).contains("status: Tries(3)"));

    bench.tell(0, "auto-touch count 1 500");
    assert!(bench.probe(&["open", "82", &key, PIN]).contains("ecdh: equal"));
}

#[test]
fn a_token_pulled_out_while_it_blinks_is_removed_and_works_when_it_is_back() {
    let bench = Bench::new(&["5.7.1"]);
    let key = bench.enrolled(&[]);
    let mut opening = bench.probe_command(&["open", "82", &key, PIN]);
    let opening = thread::scope(|scope| {
        let opening = scope.spawn(|| opening.output().expect("the probe runs"));
        bench.tell(0, "wait 10000");
        let pulled = Instant::now();
        bench.tell(0, "remove");
        let output = opening.join().expect("it ends");
        assert!(pulled.elapsed() < Duration::from_millis(1200), "{:?}", pulled.elapsed());
        output
    });
    let said = String::from_utf8_lossy(&opening.stderr);
    assert!(said.contains("Removed"), "{said}");

    let said = bench.probe_fails(&["open", "82", &key, PIN]);
    assert!(said.contains("NoToken"), "{said}");
    bench.tell(0, "insert");
    bench.touch_always();
    assert!(bench.probe(&["open", "82", &key, PIN]).contains("ecdh: equal"));
}

#[test]
fn of_two_tokens_the_one_with_the_key_is_used_and_the_other_left_alone() {
    let bench = Bench::new(&["5.4.3", "5.7.1"]);
    let key = bench.enrolled(&[]);
    bench.touch_always();
    let listed = bench.probe(&["list"]);
    assert!(
        listed.contains(&format!("token: {FIRST} firmware 5.4.3 piv true")),
        "{listed}"
    );
    assert!(
        listed.contains(&format!("token: {SECOND} firmware 5.7.1 piv true")),
        "{listed}"
    );

    let mark = bench.mark(1);
    assert!(bench.probe(&["open", "82", &key, PIN]).contains("ecdh: equal"));
    let sent = bench.since(1, mark);
    assert!(
        sent.is_empty() || sent == ["SELECT 9000", "GET METADATA 6a88"],
        "{sent:?}"
    );

    // The same slot, another key: not this one.
    bench.tell(1, "auto-touch on");
    let other = value(&bench.probe(&["enroll", SECOND, "82", PIN]), "point");
    bench.tell(0, "remove");
    let said = bench.probe_fails(&["open", "82", &key, PIN]);
    assert!(said.contains("NoToken"), "{said}");
    assert!(bench.probe(&["open", "82", &other, PIN]).contains("ecdh: equal"));
}

#[test]
fn a_pin_that_another_program_verified_stays_verified_and_ours_does_not() {
    let bench = Bench::new(&["5.7.1"]);
    let key = bench.enrolled(&[]);
    bench.touch_always();
    let other = bench.probe_started(&["verified", PIN, "30000"], "verified");
    let mark = bench.mark(0);
    assert!(bench.probe(&["open", "82", &key, "-"]).contains("ecdh: equal"));
    let without_pin = [
        "SELECT 9000",
        "GET METADATA 9000",
        "VERIFY 9000",
        "GENERAL AUTHENTICATE 9000",
    ];
    assert_eq!(bench.since(0, mark), without_pin);
    assert!(bench.probe(&["pin", FIRST]).contains("status: Verified"));
    other.kill();

    // Another connection keeps the card powered, so that only our dropping it can end the verification.
    thread::sleep(Duration::from_secs(1));
    let idle = bench.probe_started(&["hold", "shared", "30000"], "held");
    assert!(bench.probe(&["open", "82", &key, PIN]).contains("ecdh: equal"));
    assert!(bench.probe(&["pin", FIRST]).contains("status: Tries(3)"));
    idle.kill();
}

#[test]
fn another_program_may_come_while_the_pin_is_typed() {
    let bench = Bench::new(&["5.7.1"]);
    let key = bench.enrolled(&[]);
    bench.touch_always();
    // One selects another applet, one resets the card; and neither waits for our typing.
    for intruder in ["applet", "reset"] {
        let mut command = bench.probe_command(&["open", "82", &key, PIN]);
        command.env("PROBE_TYPING_MS", "1500");
        let opening = crate::bench::started(&mut command, "typing");
        let begun = Instant::now();
        match intruder {
            "applet" => drop(bench.ykman(&["info"])),
            _ => drop(bench.probe(&["hold", "reset", "0"])),
        }
        assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
        let (said, worked) = opening.finish();
        assert!(worked && said.contains("ecdh: equal"), "{intruder}: {said}");
    }
    assert_eq!(bench.refused_pins(0), 0);
}

#[test]
fn policies_decide_what_is_asked() {
    let bench = Bench::new(&["5.7.1"]);
    let never = bench.enrolled(&["pin=never", "touch=never"]);
    let mark = bench.mark(0);
    assert!(bench.probe(&["open", "82", &never, "-"]).contains("ecdh: equal"));
    assert_eq!(
        bench.since(0, mark),
        ["SELECT 9000", "GET METADATA 9000", "GENERAL AUTHENTICATE 9000"]
    );

    let always = bench.enrolled(&["pin=always", "touch=always"]);
    bench.touch_always();
    let other = bench.probe_started(&["verified", PIN, "30000"], "verified");
    // Verified by another program does not do for this policy; and theirs stays.
    assert!(bench.probe_fails(&["open", "83", &always, "-"]).contains("PinRequired"));
    assert!(bench.probe(&["open", "83", &always, PIN]).contains("ecdh: equal"));
    other.kill();

    thread::sleep(Duration::from_secs(1));
    let cached = bench.enrolled(&["pin=never", "touch=cached"]);
    bench.tell(0, "auto-touch off");
    assert!(bench.probe_fails(&["open", "84", &cached, "-"]).contains("NoTouch"));
    let idle = bench.probe_started(&["hold", "shared", "30000"], "held");
    bench.tell(0, "auto-touch count 1");
    assert!(bench.probe(&["open", "84", &cached, "-"]).contains("ecdh: equal"));
    assert!(bench.probe(&["open", "84", &cached, "-"]).contains("ecdh: equal"));
    idle.kill();
}
