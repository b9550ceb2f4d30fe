//! Keys in slots: made, imported, moved, described and used, with their policies.

use p256::{
    PublicKey, SecretKey,
    ecdh::diffie_hellman,
    ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier},
    elliptic_curve::sec1::ToEncodedPoint,
};
use rand::rngs::OsRng;
use std::{thread, time::Duration};
use tapvault_lab::soft_token::{body::Touch, firmware::Firmware, tlv};

use crate::bare::{Bare, MANAGEMENT, PIN, PIV, WRONG};

/// `AA` and `AB`.
fn policies(pin: u8, touch: u8) -> [u8; 6] {
    [0xaa, 1, pin, 0xab, 1, touch]
}

fn authenticated(firmware: Firmware) -> Bare {
    let mut bare = Bare::new(firmware);
    bare.authenticate();
    bare
}

/// The content of `82` in `7C`.
fn response(answer: &[u8]) -> Vec<u8> {
    let response = tlv::only(answer, 0x7c).and_then(|template| tlv::only(template, 0x82));
    response.expect("a response").to_vec()
}

fn agree(bare: &mut Bare, slot: u8, point: &[u8]) -> (Vec<u8>, u16) {
    let template = [tlv::encode(0x82, &[]), tlv::encode(0x85, point)].concat();
    bare.send([0x87, 0x11, slot], &tlv::encode(0x7c, &template))
}

#[test]
fn signatures_and_secrets_are_real() {
    let mut bare = authenticated(Firmware::V5_7_1);
    let point = bare.generate(0x9d, &[]);
    let theirs = PublicKey::from_sec1_bytes(&point).expect("a point");
    bare.verify(PIN);

    let (answer, status) = bare.sign(0x9d);
    assert_eq!(status, 0x9000);
    let signature = Signature::from_der(&response(&answer)).expect("a signature");
    VerifyingKey::from(theirs)
        .verify_prehash(&[7; 32], &signature)
        .expect("valid");

    // a short digest is filled up from the left
    let (answer, _) = bare.send(
        [0x87, 0x11, 0x9d],
        &[&[0x7c, 24, 0x82, 0, 0x81, 20][..], &[7; 20]].concat(),
    );
    let filled = [&[0; 12][..], &[7; 20]].concat();
    let signature = Signature::from_der(&response(&answer)).expect("a signature");
    VerifyingKey::from(theirs)
        .verify_prehash(&filled, &signature)
        .expect("valid");

    let ours = SecretKey::random(&mut OsRng);
    let (answer, status) = agree(&mut bare, 0x9d, ours.public_key().to_encoded_point(false).as_bytes());
    assert_eq!(status, 0x9000);
    let expected = diffie_hellman(ours.to_nonzero_scalar(), theirs.as_affine());
    assert_eq!(response(&answer), expected.raw_secret_bytes().as_slice());
}

#[test]
fn nonsense_is_refused_before_anybody_is_asked_for_a_touch() {
    let mut bare = authenticated(Firmware::V5_7_1);
    bare.generate(0x82, &policies(2, 2));
    bare.verify(PIN);
    let ours = SecretKey::random(&mut OsRng).public_key();
    let compressed = ours.to_encoded_point(true);
    let mut off_the_curve = ours.to_encoded_point(false).as_bytes().to_vec();
    off_the_curve[64] ^= 1;
    for point in [&[][..], compressed.as_bytes(), &off_the_curve, &[0; 65]] {
        assert_eq!(agree(&mut bare, 0x82, point).1, 0x6a80);
    }
    assert_eq!(
        bare.send(
            [0x87, 0x11, 0x82],
            &[&[0x7c, 37, 0x82, 0, 0x81, 33][..], &[7; 33]].concat()
        )
        .1,
        0x6a80
    );
    assert_eq!(
        bare.send([0x87, 0x14, 0x82], &[0x7c, 4, 0x82, 0, 0x81, 0]).1,
        0x6a80,
        "P-384"
    );
    assert_eq!(bare.sign(0x83).1, 0x6a80, "empty");
    assert_eq!(bare.sign(0xf9).1, 0x6a80, "attests only");
    assert_eq!(bare.sign(0x99).1, 0x6b00, "no slot");
    assert_eq!(bare.device.body.counts().awaited, 0);
}

#[test]
fn pin_policies_are_kept() {
    let mut bare = authenticated(Firmware::V5_7_1);
    bare.generate(0x9a, &[]); // once
    bare.generate(0x9c, &[]); // always
    bare.generate(0x9e, &[]); // never
    bare.generate(0x82, &policies(3, 1));
    assert_eq!(
        [0x9a, 0x9c, 0x9e, 0x82].map(|slot| bare.sign(slot).1),
        [0x6982, 0x6982, 0x9000, 0x6982]
    );
    bare.verify(PIN);
    assert_eq!(
        [0x9a, 0x9a, 0x9c, 0x9c].map(|slot| bare.sign(slot).1),
        [0x9000, 0x9000, 0x9000, 0x6982]
    );
    assert_eq!(bare.sign(0x82).1, 0x6982, "one PIN is good for one use of whatever key");
    bare.verify(PIN);
    bare.verify(WRONG);
    assert_eq!(bare.sign(0x9a).1, 0x6982);
}

#[test]
fn touch_policies_are_kept() {
    let mut bare = authenticated(Firmware::V5_7_1);
    bare.generate(0x9e, &policies(1, 2));
    bare.generate(0x82, &policies(1, 3));
    assert_eq!(bare.sign(0x9e).1, 0x6982, "nobody touches");
    bare.auto_touch(true);
    assert_eq!([0x9e, 0x9e, 0x82].map(|slot| bare.sign(slot).1), [0x9000; 3]);
    bare.auto_touch(false);
    assert_eq!(bare.sign(0x82).1, 0x9000, "cached");
    assert_eq!(bare.sign(0x9e).1, 0x6982, "always is always");
    thread::sleep(bare.device.touch_cache + Duration::from_millis(10));
    assert_eq!(bare.sign(0x82).1, 0x6982, "too long ago");
    let touches: Vec<Touch> = bare
        .device
        .journal
        .since(0)
        .iter()
        .filter_map(|entry| entry.touch)
        .collect();
    use Touch::{Cached, Given, Missed};
    assert_eq!(touches, [Missed, Given, Given, Cached, Cached, Missed, Missed]);

    bare.auto_touch(true);
    assert_eq!(bare.sign(0x82).1, 0x9000);
    bare.auto_touch(false);
    bare.select(MANAGEMENT);
    bare.select(PIV);
    assert_eq!(bare.sign(0x82).1, 0x6982, "another applet ends the cache");
}

#[test]
fn metadata_says_what_a_slot_holds() {
    let mut bare = authenticated(Firmware::V5_4_3);
    assert_eq!(bare.metadata(0x82).1, 0x6a88);
    let point = bare.generate(0x82, &policies(2, 2));
    let expected = [&[1, 1, 0x11, 2, 2, 2, 2, 3, 1, 1, 4, 0x43, 0x86, 0x41], &point[..]].concat();
    assert_eq!(bare.metadata(0x82), (expected, 0x9000));
    bare.generate(0x9c, &[]);
    assert_eq!(
        bare.metadata(0x9c).0[3..7],
        [2, 2, 3, 1],
        "defaults are shown as what they stand for"
    );
    assert_eq!(bare.metadata(0x9b).0, [1, 1, 0x03, 2, 2, 0, 1, 5, 1, 1]);
}

#[test]
fn keys_outlive_the_process() {
    let mut bare = authenticated(Firmware::V5_7_1);
    bare.generate(0x82, &policies(1, 1));
    let before = bare.metadata(0x82);
    bare.restart();
    assert_eq!(bare.metadata(0x82), before);
    assert_eq!(bare.sign(0x82).1, 0x9000);
}

#[test]
fn an_imported_key_says_so_and_has_no_attestation() {
    let mut bare = authenticated(Firmware::V5_7_1);
    let secret = SecretKey::random(&mut OsRng);
    let import = |bare: &mut Bare, scalar: &[u8]| bare.send([0xfe, 0x11, 0x9d], &tlv::encode(0x06, scalar)).1;
    assert_eq!(import(&mut bare, &[0; 32]), 0x6a80);
    assert_eq!(import(&mut bare, &[1; 31]), 0x6a80);
    assert_eq!(import(&mut bare, &secret.to_bytes()), 0x9000);
    let (metadata, _) = bare.metadata(0x9d);
    assert_eq!(metadata[7..10], [3, 1, 2]);
    assert_eq!(metadata[14..], *secret.public_key().to_encoded_point(false).as_bytes());
    assert_eq!(bare.send([0xf9, 0x9d, 0], &[]).1, 0x6a80);
    bare.generate(0x9d, &[]);
    assert_eq!(bare.send([0xf9, 0x9d, 0], &[]).1, 0x9000);
}

#[test]
fn keys_are_moved_and_deleted_since_5_7() {
    let mut bare = authenticated(Firmware::V5_7_1);
    bare.generate(0x9a, &[]);
    bare.generate(0x82, &[]);
    let moved = bare.metadata(0x9a);
    assert_eq!(bare.send([0xf6, 0x82, 0x9a], &[]).1, 0x6a80, "occupied");
    assert_eq!(bare.send([0xf6, 0x83, 0x9a], &[]).1, 0x9000);
    assert_eq!((bare.metadata(0x83), bare.metadata(0x9a).1), (moved, 0x6a88));
    assert_eq!(bare.send([0xf6, 0xff, 0x83], &[]).1, 0x9000);
    assert_eq!(bare.send([0xf6, 0xff, 0x83], &[]).1, 0x6a88, "gone");
    assert_eq!(bare.send([0xf6, 0x83, 0xf9], &[]).1, 0x6a80, "attestation stays");
    bare.reset();
    assert_eq!(bare.send([0xf6, 0xff, 0x82], &[]).1, 0x6982);
    let mut old = authenticated(Firmware::V5_4_3);
    old.generate(0x9a, &[]);
    assert_eq!(old.send([0xf6, 0xff, 0x9a], &[]).1, 0x6d00);
}

#[test]
fn what_a_key_needs_is_checked_when_it_is_made() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    let generate = |bare: &mut Bare, slot, data: &[u8]| bare.send([0x47, 0, slot], &tlv::encode(0xac, data)).1;
    assert_eq!(generate(&mut bare, 0x9a, &[0x80, 1, 0x11]), 0x6982);
    bare.authenticate();
    assert_eq!(generate(&mut bare, 0x80, &[0x80, 1, 0x11]), 0x6b00);
    assert_eq!(generate(&mut bare, 0x9a, &[0x80, 1, 0x07]), 0x6a80, "RSA");
    assert_eq!(generate(&mut bare, 0x9a, &[0x80, 1, 0x11, 0xaa, 1, 9]), 0x6a80);
    assert_eq!(bare.send([0x47, 0, 0x9a], &[0xac, 9]).1, 0x6a80);
    assert_eq!(bare.metadata(0x9a).1, 0x6a88);
}
