//! PIN, PUK, their counters and the reset.

use tapvault_lab::soft_token::firmware::Firmware;

use crate::bare::{Bare, PIN, PUK, WRONG};

/// CHANGE REFERENCE DATA.
fn change(bare: &mut Bare, reference: u8, old: &[u8], new: &[u8]) -> u16 {
    bare.send([0x24, 0x00, reference], &[old, new].concat()).1
}

/// RESET RETRY COUNTER.
fn unblock(bare: &mut Bare, puk: &[u8], new_pin: &[u8]) -> u16 {
    bare.send([0x2c, 0x00, 0x80], &[puk, new_pin].concat()).1
}

#[test]
fn wrong_pins_count_down_and_the_right_one_counts_up_again() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    assert_eq!(bare.verify(&[]), 0x63c3);
    assert_eq!(bare.verify(WRONG), 0x63c2);
    assert_eq!(bare.verify(WRONG), 0x63c1);
    assert_eq!(bare.verify(PIN), 0x9000);
    assert_eq!(bare.verify(&[]), 0x9000);
    assert_eq!(bare.verify(WRONG), 0x63c2);
    assert_eq!(bare.verify(&[]), 0x63c2, "a wrong PIN ends the verification");
}

#[test]
fn a_blocked_pin_stays_blocked_until_the_puk_comes() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    let replies = [(); 4].map(|()| bare.verify(WRONG));
    assert_eq!(replies, [0x63c2, 0x63c1, 0x6983, 0x6983]);
    assert_eq!(bare.verify(PIN), 0x6983);
    assert_eq!(bare.verify(&[]), 0x6983);
    assert_eq!(unblock(&mut bare, WRONG, b"654321\xff\xff"), 0x63c2);
    assert_eq!(unblock(&mut bare, PUK, b"654321\xff\xff"), 0x9000);
    assert_eq!(bare.verify(&[]), 0x63c3, "unblocked is not verified");
    assert_eq!(bare.verify(b"654321\xff\xff"), 0x9000);
    let attempts = bare.device.journal.pin_counts();
    assert_eq!((attempts.pin.accepted, attempts.pin.refused), (1, 5));
    assert_eq!((attempts.puk.accepted, attempts.puk.refused), (1, 1));
}

#[test]
fn counters_outlive_the_process() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    bare.verify(WRONG);
    bare.restart();
    assert_eq!(bare.verify(&[]), 0x63c2);
    assert_eq!(bare.metadata(0x80), (vec![1, 1, 0xff, 5, 1, 1, 6, 2, 3, 2], 0x9000));
}

#[test]
fn malformed_tries_cost_nothing() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    assert_eq!(bare.verify(b"123456"), 0x6a80);
    assert_eq!(bare.send([0x20, 0x00, 0x00], PIN).1, 0x6a88, "there is no global PIN");
    assert_eq!(bare.send([0x20, 0x01, 0x80], PIN).1, 0x6a86);
    assert_eq!(bare.send([0x24, 0x00, 0x80], PIN).1, 0x6a80);
    assert_eq!(bare.send([0x24, 0x00, 0x9b], &[PIN, PIN].concat()).1, 0x6a88);
    assert_eq!(bare.verify(&[]), 0x63c3);
}

#[test]
fn a_verification_can_be_taken_back() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    bare.verify(PIN);
    assert_eq!(bare.send([0x20, 0xff, 0x80], &[]).1, 0x9000);
    assert_eq!(bare.verify(&[]), 0x63c3);
}

#[test]
fn new_values_have_six_to_eight_bytes() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    assert_eq!(change(&mut bare, 0x80, PIN, b"12345\xff\xff\xff"), 0x6985);
    assert_eq!(
        change(&mut bare, 0x80, PIN, b"123456\xff7"),
        0x6985,
        "no fill in the middle"
    );
    assert_eq!(
        change(&mut bare, 0x81, PUK, b"\x80234567\xff"),
        0x6985,
        "ASCII since 5.7"
    );
    assert_eq!(change(&mut bare, 0x80, PIN, b"12345678"), 0x9000);
    assert_eq!(bare.verify(b"12345678"), 0x9000);
    assert_eq!(bare.metadata(0x80).0[3..6], [5, 1, 0], "not the default any more");
    let mut old = Bare::new(Firmware::V5_4_3);
    assert_eq!(change(&mut old, 0x81, PUK, b"\x80234567\xff"), 0x9000);
}

#[test]
fn numbers_of_tries_are_set_by_who_knows_both_secrets() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    let set = |bare: &mut Bare| bare.send([0xfa, 20, 7], &[]).1;
    bare.authenticate();
    assert_eq!(set(&mut bare), 0x6982);
    bare.verify(PIN);
    assert_eq!(bare.send([0xfa, 0, 7], &[]).1, 0x6a80);
    assert_eq!(set(&mut bare), 0x9000);
    assert_eq!(bare.verify(&[]), 0x63cf, "15 or more");
    assert_eq!(bare.metadata(0x81).0[6..], [6, 2, 7, 7]);
}

#[test]
fn reset_needs_both_blocked_and_keeps_attestation() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    bare.authenticate();
    bare.generate(0x9a, &[]);
    let device_certificate = bare.send([0xcb, 0x3f, 0xff], &[0x5c, 3, 0x5f, 0xff, 0x01]);
    let reset = |bare: &mut Bare| bare.send([0xfb, 0, 0], &[]).1;
    assert_eq!(reset(&mut bare), 0x6985);
    while bare.verify(WRONG) != 0x6983 {}
    assert_eq!(reset(&mut bare), 0x6985);
    while unblock(&mut bare, WRONG, PIN) != 0x6983 {}
    assert_eq!(reset(&mut bare), 0x9000);
    assert_eq!(bare.verify(PIN), 0x9000);
    assert_eq!(bare.metadata(0x9a).1, 0x6a88);
    assert_eq!(
        bare.send([0xcb, 0x3f, 0xff], &[0x5c, 3, 0x5f, 0xff, 0x01]),
        device_certificate
    );
    assert_eq!(
        bare.send([0x47, 0, 0x9a], &[0xac, 3, 0x80, 1, 0x11]).1,
        0x6982,
        "authentication is gone"
    );
}
