//! OATH: accounts, codes, counters, the password, and long lists.

use hmac::{Hmac, Mac};
use sha1::Sha1;
use tapvault_lab::soft_token::{firmware::Firmware, tlv};

use crate::bare::{Bare, OATH, PIN, PIV};

const PUT: [u8; 3] = [0x01, 0, 0];
const DELETE: [u8; 3] = [0x02, 0, 0];
const SET_CODE: [u8; 3] = [0x03, 0, 0];
const RENAME: [u8; 3] = [0x05, 0, 0];
const LIST: [u8; 3] = [0xa1, 0, 0];
const CALCULATE: [u8; 3] = [0xa2, 0, 1];
const CALCULATE_ALL: [u8; 3] = [0xa4, 0, 1];
const VALIDATE: [u8; 3] = [0xa3, 0, 0];
const TOUCH: &[u8] = &[0x78, 0x02];
/// The seeds of RFC 4226, appendix D, and RFC 6238, appendix B.
const SEED: &[u8] = b"1234567890123456789012345678901234567890123456789012345678901234";

fn bare() -> Bare {
    let mut bare = Bare::new(Firmware::V5_7_1);
    bare.select(OATH);
    bare
}

fn put(bare: &mut Bare, name: &[u8], type_byte: u8, digits: u8, seed: &[u8], more: &[u8]) -> u16 {
    let key = [&[type_byte, digits], seed].concat();
    let data = [&tlv::encode(0x71, name)[..], &tlv::encode(0x73, &key), more].concat();
    bare.send(PUT, &data).1
}

fn challenge(step: u64) -> Vec<u8> {
    tlv::encode(0x74, &step.to_be_bytes())
}

/// The code as text, or the status word of the refusal.
fn code(bare: &mut Bare, name: &[u8], step: u64) -> Result<String, u16> {
    let (answer, status) = bare.send(CALCULATE, &[tlv::encode(0x71, name), challenge(step)].concat());
    if status != 0x9000 {
        return Err(status);
    }
    let value = tlv::only(&answer, 0x76).expect("a truncated code");
    let (digits, number) = value.split_first().expect("digits");
    let number = u32::from_be_bytes(number.try_into().expect("four bytes"));
    let digits = usize::from(*digits);
    Ok(format!("{:0digits$}", u64::from(number) % 10_u64.pow(digits as u32)))
}

fn names(bare: &mut Bare) -> Vec<Vec<u8>> {
    let (answer, status) = bare.send(LIST, &[]);
    assert_eq!(status, 0x9000);
    let listed = tlv::list(&answer).expect("well-formed");
    listed.iter().map(|element| element.value[1..].to_vec()).collect()
}

#[test]
fn the_codes_of_rfc_6238_appendix_b_come_from_all_three_hashes() {
    let mut bare = bare();
    for (name, type_byte, length) in [(b"1", 0x21, 20), (b"2", 0x22, 32), (b"3", 0x23, 64)] {
        assert_eq!(put(&mut bare, name, type_byte, 8, &SEED[..length], &[]), 0x9000);
    }
    for (second, sha1, sha256, sha512) in [
        (59, "94287082", "46119246", "90693936"),
        (1_111_111_109, "07081804", "68084774", "25091201"),
        (1_111_111_111, "14050471", "67062674", "99943326"),
        (1_234_567_890, "89005924", "91819424", "93441116"),
        (2_000_000_000, "69279037", "90698825", "38618901"),
        (20_000_000_000, "65353130", "77737706", "47863826"),
    ] {
        for (name, expected) in [(b"1", sha1), (b"2", sha256), (b"3", sha512)] {
            assert_eq!(code(&mut bare, name, second / 30).as_deref(), Ok(expected), "{second}");
        }
    }
}

#[test]
fn a_counter_goes_on_with_each_calculation_and_outlives_the_process() {
    let mut bare = bare();
    put(&mut bare, b"h", 0x11, 6, &SEED[..20], &[]);
    put(&mut bare, b"later", 0x11, 6, &SEED[..20], &[0x7a, 4, 0, 0, 0, 8]);
    for expected in ["755224", "287082"] {
        assert_eq!(code(&mut bare, b"h", 0).as_deref(), Ok(expected));
    }
    bare.send(CALCULATE_ALL, &challenge(0));
    bare.restart();
    bare.select(OATH);
    for expected in ["359152", "969429"] {
        assert_eq!(code(&mut bare, b"h", 0).as_deref(), Ok(expected));
    }
    assert_eq!(code(&mut bare, b"later", 0).as_deref(), Ok("399871"));
}

#[test]
fn calculate_all_gives_no_code_that_needs_a_touch_or_moves_a_counter() {
    let mut bare = bare();
    put(&mut bare, b"t", 0x21, 8, &SEED[..20], &[]);
    put(&mut bare, b"h", 0x11, 7, &SEED[..20], &[]);
    put(&mut bare, b"f", 0x21, 6, &SEED[..20], TOUCH);
    let (answer, status) = bare.send(CALCULATE_ALL, &challenge(1));
    assert_eq!(status, 0x9000);
    // 94287082 is 41397eea mod 10^8 (RFC 6238, appendix B, with the four bytes of RFC 4226, appendix D).
    let expected = [
        &[0x71, 1, b't', 0x76, 5, 8, 0x41, 0x39, 0x7e, 0xea][..],
        &[0x71, 1, b'h', 0x77, 1, 7],
        &[0x71, 1, b'f', 0x7c, 1, 6],
    ];
    assert_eq!(answer, expected.concat());
    assert_eq!(bare.device.body.counts().awaited, 0);
}

#[test]
fn a_code_waits_for_the_touch_and_a_missed_one_is_6982() {
    let mut bare = bare();
    put(&mut bare, b"f", 0x21, 6, &SEED[..20], TOUCH);
    assert_eq!(code(&mut bare, b"f", 1), Err(0x6982));
    bare.auto_touch(true);
    assert_eq!(code(&mut bare, b"f", 1).as_deref(), Ok("287082"));
    let counts = bare.device.body.counts();
    assert_eq!((counts.missed, counts.given), (1, 1));
}

#[test]
fn there_is_room_for_so_many_accounts_and_a_name_can_always_be_put_again() {
    for (firmware, most) in [(Firmware::V5_4_3, 32), (Firmware::V5_7_1, 64)] {
        let mut bare = Bare::new(firmware);
        bare.select(OATH);
        for number in 0..most {
            assert_eq!(put(&mut bare, &[number; 64], 0x21, 6, &SEED[..20], &[]), 0x9000);
        }
        assert_eq!(put(&mut bare, b"one more", 0x21, 6, &SEED[..20], &[]), 0x6a84);
        assert_eq!(put(&mut bare, &[0; 64], 0x22, 8, &SEED[..32], &[]), 0x9000);
        assert_eq!(names(&mut bare).len(), usize::from(most));
        assert_eq!(bare.send(DELETE, &tlv::encode(0x71, &[0; 64])).1, 0x9000);
        assert_eq!(bare.send(DELETE, &tlv::encode(0x71, &[0; 64])).1, 0x6984);
        assert_eq!(put(&mut bare, b"one more", 0x21, 6, &SEED[..20], &[]), 0x9000);
    }
}

#[test]
fn a_long_list_comes_in_pieces_by_send_remaining() {
    let mut bare = bare();
    for number in 0..10 {
        put(&mut bare, &[number; 64], 0x21, 6, &SEED[..20], &[]);
    }
    let whole = bare.send(LIST, &[]).0;
    let (mut answer, mut status) = bare.raw(&[0, 0xa1, 0, 0, 0]);
    assert_eq!((answer.len(), status), (256, 0x6100));
    assert_eq!(bare.raw(&[0, 0xc0, 0, 0, 0]).1, 0x6d00, "GET RESPONSE is not OATH's");
    (answer, _) = bare.raw(&[0, 0xa1, 0, 0, 0]);
    for expected in [0x619e, 0x9000] {
        let (piece, now) = bare.raw(&[0, 0xa5, 0, 0, 0]);
        answer.extend(piece);
        status = now;
        assert_eq!(status, expected);
    }
    assert_eq!(answer, whole);
    assert_eq!(status, 0x9000);
}

#[test]
fn what_is_malformed_is_refused_and_nothing_is_kept() {
    let mut bare = bare();
    for (name, type_byte, digits, seed, more) in [
        (&b""[..], 0x21, 6, &SEED[..20], &[][..]),
        (&[7; 65], 0x21, 6, &SEED[..20], &[]),
        (b"a", 0x31, 6, &SEED[..20], &[]),
        (b"a", 0x24, 6, &SEED[..20], &[]),
        (b"a", 0x21, 5, &SEED[..20], &[]),
        (b"a", 0x21, 9, &SEED[..20], &[]),
        (b"a", 0x21, 6, &[], &[]),
        (b"a", 0x21, 6, &SEED[..20], &[0x78]),
        (b"a", 0x11, 6, &SEED[..20], &[0x7a, 2, 0, 0]),
    ] {
        assert_eq!(
            put(&mut bare, name, type_byte, digits, seed, more),
            0x6a80,
            "{name:02x?}"
        );
    }
    for head in [PUT, DELETE, SET_CODE, RENAME, CALCULATE, CALCULATE_ALL] {
        assert_eq!(bare.send(head, &[0x71, 9, 1]).1, 0x6a80, "{head:02x?}");
    }
    assert!(names(&mut bare).is_empty());
    assert_eq!(bare.send([0xa2, 0, 2], &challenge(1)).1, 0x6a86);
    assert_eq!(code(&mut bare, b"a", 1), Err(0x6984));
}

#[test]
fn an_account_is_renamed_but_never_over_another_one() {
    let mut bare = bare();
    put(&mut bare, b"a", 0x21, 6, &SEED[..20], &[]);
    put(&mut bare, b"b", 0x21, 6, &SEED[..20], &[]);
    let pair = |old: &[u8], new: &[u8]| [tlv::encode(0x71, old), tlv::encode(0x71, new)].concat();
    assert_eq!(bare.send(RENAME, &pair(b"a", b"b")).1, 0x6a80);
    assert_eq!(bare.send(RENAME, &pair(b"x", b"y")).1, 0x6984);
    assert_eq!(bare.send(RENAME, &pair(b"a", b"c")).1, 0x9000);
    assert_eq!(names(&mut bare), [b"c", b"b"]);
    let mut old = Bare::new(Firmware::new(5, 2, 7));
    old.select(OATH);
    assert_eq!(old.send(RENAME, &pair(b"a", b"c")).1, 0x6d00);
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn set_password(bare: &mut Bare, key: &[u8]) -> u16 {
    let challenge = [5; 8];
    let data = [
        tlv::encode(0x73, &[&[0x21], key].concat()),
        tlv::encode(0x74, &challenge),
        tlv::encode(0x75, &hmac(key, &challenge)),
    ];
    bare.send(SET_CODE, &data.concat()).1
}

/// The challenge of SELECT, if a password is set.
fn greeted(bare: &mut Bare) -> Option<Vec<u8>> {
    let (greeting, status) = bare.select(OATH);
    assert_eq!(status, 0x9000);
    let elements = tlv::list(&greeting).expect("well-formed");
    tlv::find(&elements, 0x74).map(<[u8]>::to_vec)
}

fn validate(bare: &mut Bare, key: &[u8], challenge: &[u8]) -> (Vec<u8>, u16) {
    let data = [tlv::encode(0x75, &hmac(key, challenge)), tlv::encode(0x74, &[6; 8])];
    bare.send(VALIDATE, &data.concat())
}

#[test]
fn a_password_is_proven_from_both_sides_after_each_selection() {
    let mut bare = bare();
    assert_eq!(validate(&mut bare, b"key", &[]).1, 0x6984, "none is set");
    put(&mut bare, b"a", 0x21, 6, &SEED[..20], &[]);
    assert_eq!(set_password(&mut bare, b"key"), 0x9000);
    assert_eq!(names(&mut bare).len(), 1, "who set it knows it");

    let first = greeted(&mut bare).expect("a challenge");
    for head in [PUT, DELETE, SET_CODE, RENAME, LIST, CALCULATE, CALCULATE_ALL] {
        assert_eq!(bare.send(head, &[]).1, 0x6982, "{head:02x?}");
    }
    assert_eq!(validate(&mut bare, b"no key", &first).1, 0x6a80);
    assert_eq!(bare.send(LIST, &[]).1, 0x6982);
    let (answer, status) = validate(&mut bare, b"key", &first);
    assert_eq!((answer, status), (tlv::encode(0x75, &hmac(b"key", &[6; 8])), 0x9000));
    assert_eq!(names(&mut bare).len(), 1);

    let second = greeted(&mut bare).expect("a challenge");
    assert_ne!(first, second);
    assert_eq!(bare.send(LIST, &[]).1, 0x6982, "selected again");
    validate(&mut bare, b"key", &second);
    assert_eq!(bare.send(SET_CODE, &[0x73, 0]).1, 0x9000);
    assert_eq!(greeted(&mut bare), None);
    assert_eq!(names(&mut bare).len(), 1);
}

#[test]
fn a_password_outlives_the_process_and_a_reset_ends_it_with_everything_else() {
    let mut bare = bare();
    put(&mut bare, b"a", 0x21, 6, &SEED[..20], &[]);
    set_password(&mut bare, b"key");
    bare.restart();
    assert!(greeted(&mut bare).is_some());
    let id = bare.select(OATH).0[5..15].to_vec();
    assert_eq!(bare.send([0x04, 0, 0], &[]).1, 0x6a86);
    assert_eq!(bare.send([0x04, 0xde, 0xad], &[]).1, 0x9000);
    assert_eq!(greeted(&mut bare), None);
    assert!(names(&mut bare).is_empty());
    assert_ne!(bare.select(OATH).0[5..15], id);
}

#[test]
fn oath_and_piv_end_what_was_proven_to_the_other() {
    let mut bare = bare();
    set_password(&mut bare, b"key");
    bare.select(PIV);
    bare.verify(PIN);
    assert_eq!(bare.verify(&[]), 0x9000);
    bare.select(OATH);
    assert_eq!(bare.send(LIST, &[]).1, 0x6982);
    bare.select(PIV);
    assert_eq!(bare.verify(&[]), 0x63c3);
}

#[test]
fn the_journal_names_oath_and_tells_no_account() {
    let mut bare = bare();
    let mark = bare.device.journal.mark();
    put(&mut bare, b"ana", 0x21, 6, &SEED[..20], &[]);
    bare.send(CALCULATE_ALL, &challenge(1));
    let entries = bare.device.journal.since(mark);
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (entry.applet.as_str(), entry.instruction.as_str()))
        .collect();
    assert_eq!(told, [("oath", "PUT"), ("oath", "CALCULATE ALL")]);
    assert!(!format!("{entries:?}").contains("ana"));
}
