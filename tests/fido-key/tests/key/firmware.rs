//! What the firmware does for a program: PIN, credentials, hmac-secret.

use crate::bench::{Bench, OTHER_SALT, PIN, RP, SALT};

#[test]
fn a_salt_gives_the_same_output_each_time_and_another_salt_another_one() {
    let bench = Bench::start();
    let credential = bench.credential();
    let one = bench.secret(&credential, SALT).ok();
    let other = bench.secret(&credential, OTHER_SALT).ok();
    assert_eq!(bench.secret(&credential, SALT).ok(), one);
    assert_ne!(one, other);
    let both = bench
        .run(&["secret", "/dev/hidraw0", RP, &credential, SALT, OTHER_SALT])
        .ok();
    assert_eq!(both, format!("{one}\n{other}"));
}

#[test]
fn the_output_does_not_depend_on_the_pin_protocol_but_on_the_pin_being_given() {
    let bench = Bench::start();
    let credential = bench.credential();
    let words = ["secret", "/dev/hidraw0", RP, &credential, SALT];
    let one = bench.run(&words).ok();
    assert_eq!(bench.run_with(&words, &[("PIN", PIN), ("PROTOCOL", "2")]).ok(), one);
    assert_ne!(bench.run_with(&words, &[]).ok(), one, "without a PIN");
}

#[test]
fn a_wrong_pin_costs_a_try_and_three_block_it_until_the_key_is_plugged_in_anew() {
    let bench = Bench::start();
    let credential = bench.credential();
    let words = ["secret", "/dev/hidraw0", RP, &credential, SALT];
    let retries = || bench.run(&["retries", "/dev/hidraw0"]).ok();
    assert_eq!(retries(), "8");
    for code in ["0x31", "0x31", "0x34"] {
        bench.run_with(&words, &[("PIN", "000000")]).fails_with(code);
    }
    assert_eq!(retries(), "5");
    bench.run(&words).fails_with("0x34");
    bench.key().remove().expect("pulled out");
    bench.key().insert().expect("plugged in");
    bench.run(&words).ok();
    assert_eq!(retries(), "8");
    let pin = bench.key().counts().expect("counts").pin;
    // one for the credential
    assert_eq!((pin.accepted, pin.refused), (2, 4));
}

#[test]
fn another_credential_is_refused_and_the_right_one_is_found_without_touch_or_pin() {
    let bench = Bench::start();
    let credential = bench.credential();
    let mut wrong = credential.clone();
    let last = if wrong.pop() == Some('0') { '1' } else { '0' };
    wrong.push(last);
    bench.secret(&wrong, SALT).fails_with("0x2E");
    let before = bench.key().counts().expect("counts").touches;
    assert_eq!(
        bench.run_with(&["has", "/dev/hidraw0", RP, &credential], &[]).ok(),
        "yes"
    );
    bench
        .run_with(&["has", "/dev/hidraw0", RP, &wrong], &[])
        .fails_with("0x2E");
    assert_eq!(bench.key().counts().expect("counts").touches, before);
}
