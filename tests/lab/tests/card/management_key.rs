//! The management key: proved in both ways, replaced, and touched for.

use aes::cipher::{BlockEncrypt, KeyInit, generic_array::GenericArray};
use tapvault_lab::soft_token::{firmware::Firmware, tlv};

use crate::bare::Bare;

const DEFAULT: [u8; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8];

/// The host's side of the proof, for the two algorithms that come from the factory.
pub fn encrypt_with_default_key(algorithm: u8, block: &[u8]) -> Vec<u8> {
    let mut block = block.to_vec();
    match algorithm {
        0x03 => des::TdesEde3::new(&DEFAULT.into()).encrypt_block(GenericArray::from_mut_slice(&mut block)),
        0x0a => aes::Aes192::new(&DEFAULT.into()).encrypt_block(GenericArray::from_mut_slice(&mut block)),
        other => panic!("no factory uses {other:02x}"),
    }
    block
}

fn template(parts: &[(u32, &[u8])]) -> Vec<u8> {
    let parts: Vec<u8> = parts.iter().flat_map(|(tag, value)| tlv::encode(*tag, value)).collect();
    tlv::encode(0x7c, &parts)
}

/// PUT DATA of nothing, which the management key allows.
fn is_authenticated(bare: &mut Bare) -> bool {
    bare.send([0xdb, 0x3f, 0xff], &[0x5c, 3, 0x5f, 0xff, 0x10, 0x53, 0]).1 == 0x9000
}

#[test]
fn the_simple_proof_is_for_one_try() {
    let mut bare = Bare::new(Firmware::V5_4_3);
    let ask = |bare: &mut Bare| bare.send([0x87, 0x03, 0x9b], &template(&[(0x81, &[])])).0[4..].to_vec();
    let answer = |bare: &mut Bare, response: &[u8]| bare.send([0x87, 0x03, 0x9b], &template(&[(0x82, response)])).1;

    let challenge = ask(&mut bare);
    assert_eq!(answer(&mut bare, &[0; 8]), 0x6982);
    let response = encrypt_with_default_key(0x03, &challenge);
    assert_eq!(answer(&mut bare, &response), 0x6982, "the challenge was spent");
    let response = encrypt_with_default_key(0x03, &ask(&mut bare));
    bare.send([0xfd, 0, 0], &[]);
    assert_eq!(answer(&mut bare, &response), 0x6982, "something came between");
    let response = encrypt_with_default_key(0x03, &ask(&mut bare));
    assert_eq!(answer(&mut bare, &response), 0x9000);
    assert!(is_authenticated(&mut bare));
    assert_eq!(answer(&mut bare, &response), 0x6982);
    assert!(!is_authenticated(&mut bare), "a wrong answer ends an earlier proof");
}

#[test]
fn nobody_gets_an_encryption_without_proving_the_key() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    let send = |bare: &mut Bare, parts: &[(u32, &[u8])]| bare.send([0x87, 0x0a, 0x9b], &template(parts));
    assert_eq!(send(&mut bare, &[(0x82, &[]), (0x81, &[7; 16])]).1, 0x6a80);
    assert_eq!(send(&mut bare, &[(0x80, &[7; 16]), (0x81, &[7; 16])]), (vec![], 0x6982));
    send(&mut bare, &[(0x80, &[])]);
    assert_eq!(send(&mut bare, &[(0x80, &[7; 16]), (0x81, &[7; 16])]), (vec![], 0x6982));
    send(&mut bare, &[(0x80, &[])]);
    assert_eq!(send(&mut bare, &[(0x80, &[7; 16]), (0x81, &[7; 5])]).1, 0x6a80);
    assert_eq!(
        bare.send([0x87, 0x03, 0x9b], &template(&[(0x81, &[])])).1,
        0x6a80,
        "another algorithm"
    );
    assert!(!is_authenticated(&mut bare));
}

#[test]
fn a_key_that_wants_a_touch_gets_none_and_stays_shut() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    bare.authenticate();
    let key = [&[0x0a, 0x9b, 24][..], &DEFAULT].concat();
    assert_eq!(bare.send([0xff, 0xff, 0xfe], &key).1, 0x9000);
    assert_eq!(bare.metadata(0x9b), (vec![1, 1, 0x0a, 2, 2, 0, 2, 5, 1, 1], 0x9000));
    bare.reset();
    let challenge = bare.send([0x87, 0x0a, 0x9b], &template(&[(0x81, &[])])).0;
    let response = encrypt_with_default_key(0x0a, &challenge[4..]);
    assert_eq!(bare.send([0x87, 0x0a, 0x9b], &template(&[(0x82, &response)])).1, 0x6982);
    assert_eq!(bare.device.body.counts().missed, 1);
    bare.auto_touch(true);
    bare.authenticate();
    assert!(is_authenticated(&mut bare));
}

#[test]
fn replacements_are_checked() {
    let mut bare = Bare::new(Firmware::V5_4_3);
    let key = [&[0x03, 0x9b, 24][..], &DEFAULT].concat();
    assert_eq!(bare.send([0xff, 0xff, 0xff], &key).1, 0x6982);
    bare.authenticate();
    assert_eq!(bare.send([0xff, 0xff, 0xfc], &key).1, 0x6a86);
    assert_eq!(bare.send([0xff, 0xff, 0xff], &key[..20]).1, 0x6a80);
    let weak = [&[0x03, 0x9b, 24][..], &[1; 24]].concat();
    assert_eq!(bare.send([0xff, 0xff, 0xff], &weak).1, 0x6a80);
    let mut old = Bare::new(Firmware::new(5, 3, 0));
    old.authenticate();
    let aes = [&[0x08, 0x9b, 16][..], &[7; 16]].concat();
    assert_eq!(old.send([0xff, 0xff, 0xff], &aes).1, 0x6a80, "AES came with 5.4");
    assert_eq!(bare.send([0xff, 0xff, 0xff], &aes).1, 0x9000);
}
