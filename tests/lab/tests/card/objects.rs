//! Data objects.

use tapvault_lab::soft_token::{firmware::Firmware, tlv};

use crate::bare::{Bare, PIN};

fn get(bare: &mut Bare, id: &[u8]) -> (Vec<u8>, u16) {
    bare.send([0xcb, 0x3f, 0xff], &tlv::encode(0x5c, id))
}

fn put(bare: &mut Bare, id: &[u8], content: &[u8]) -> u16 {
    bare.send(
        [0xdb, 0x3f, 0xff],
        &[tlv::encode(0x5c, id), tlv::encode(0x53, content)].concat(),
    )
    .1
}

#[test]
fn objects_are_written_with_the_management_key_and_read_by_all() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    let chuid = [0x5f, 0xc1, 0x02];
    assert_eq!(get(&mut bare, &chuid).1, 0x6a82);
    assert_eq!(put(&mut bare, &chuid, b"me"), 0x6982);
    bare.authenticate();
    assert_eq!(put(&mut bare, &chuid, b"me"), 0x9000);
    bare.restart();
    assert_eq!(get(&mut bare, &chuid), (b"\x53\x02me".to_vec(), 0x9000));
    bare.authenticate();
    assert_eq!(put(&mut bare, &chuid, b""), 0x9000);
    assert_eq!(get(&mut bare, &chuid).1, 0x6a82);
}

#[test]
fn some_objects_are_read_with_the_pin_only() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    let printed = [0x5f, 0xc1, 0x09];
    bare.authenticate();
    assert_eq!(put(&mut bare, &printed, b"key"), 0x9000);
    assert_eq!(get(&mut bare, &printed), (vec![], 0x6982));
    bare.verify(PIN);
    assert_eq!(get(&mut bare, &printed).1, 0x9000);
}

#[test]
fn the_discovery_object_is_there_and_fixed() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    let (discovery, status) = get(&mut bare, &[0x7e]);
    assert_eq!(status, 0x9000);
    assert_eq!(discovery[..4], [0x7e, 0x12, 0x4f, 0x0b]);
    assert_eq!(discovery.len(), 0x12 + 2);
    bare.authenticate();
    assert_eq!(put(&mut bare, &[0x7e], b"x"), 0x6a80);
}

#[test]
fn malformed_requests_and_a_full_memory_are_refused() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    bare.authenticate();
    assert_eq!(bare.send([0xcb, 0x3f, 0x00], &[0x5c, 1, 0x7e]).1, 0x6a86);
    assert_eq!(get(&mut bare, &[]).1, 0x6a80);
    assert_eq!(get(&mut bare, &[1, 2, 3, 4]).1, 0x6a80);
    assert_eq!(bare.send([0xdb, 0x3f, 0xff], &[0x5c, 3, 0x5f, 0xff, 0x10]).1, 0x6a80);
    let statuses: Vec<u16> = (0x10..0x30)
        .map(|last| put(&mut bare, &[0x5f, 0xff, last], &[0; 3000]))
        .collect();
    assert_eq!(
        statuses.iter().position(|status| *status == 0x6a84),
        Some(16),
        "51200 bytes with F9's certificate"
    );
    assert_eq!(
        put(&mut bare, &[0x5f, 0xff, 0x10], &[1; 3000]),
        0x9000,
        "what is replaced doesn't count"
    );
}
