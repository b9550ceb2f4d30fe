//! Whatever bytes come, there is an answer of two bytes or more, and the counters stay true.

use rand::{Rng, SeedableRng, rngs::StdRng};
use tapvault_lab::soft_token::{firmware::Firmware, tlv};

use crate::bare::Bare;

/// The same every time, so that a failure can be repeated.
const SEED: u64 = 20_261_124;

/// All instructions that any applet knows, and some that none does.
const INSTRUCTIONS: [u8; 27] = [
    0x01, 0x02, 0x03, 0x05, 0x1d, 0xa1, 0xa2, 0xa3, 0x20, 0x24, 0x2c, 0x47, 0x87, 0xa4, 0xc0, 0xcb, 0xdb, 0xf6, 0xf7,
    0xf8, 0xf9, 0xfa, 0xfb, 0xfd, 0xfe, 0xff, 0x99,
];

/// Tags that some command looks for.
const TAGS: [u32; 21] = [
    0x71, 0x73, 0x74, 0x75, 0x78, 0x7a, 0x53, 0x5c, 0x7c, 0x7e, 0x80, 0x81, 0x82, 0x85, 0x9b, 0xaa, 0xab, 0xac, 0x06,
    0x70, 0x5fc105,
];

#[test]
fn random_bytes_get_an_answer() {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut bare = Bare::new(Firmware::V5_7_1);
    for _ in 0..5_000 {
        let bytes: Vec<u8> = (0..random.gen_range(0..300)).map(|_| random.r#gen()).collect();
        bare.raw(&bytes);
    }
}

#[test]
fn random_commands_get_an_answer_from_a_card_that_allows_all() {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut bare = Bare::new(Firmware::V5_7_1);
    for round in 0..5_000 {
        if round % 50 == 0 {
            // a fresh start, for a random command may well block the PIN or change the key
            bare = Bare::new(Firmware::V5_7_1);
            bare.authenticate();
            bare.verify(crate::bare::PIN);
            if round % 100 == 0 {
                bare.select(crate::bare::OATH);
            }
        }
        let instruction = INSTRUCTIONS[random.gen_range(0..INSTRUCTIONS.len())];
        let reference = [0x80, 0x81, 0x82, 0x9a, 0x9b, 0x9c, 0x9e, 0xf9, 0xff, 0x00][random.gen_range(0..10)];
        let first = [0x00, 0x11, 0x0a, 0x3f, 0x9a, 0xff][random.gen_range(0..6)];
        let data = random_elements(&mut random, 3);
        let (_, status) = bare.send([instruction, first, reference], &data);
        assert!(
            matches!(status >> 8, 0x90 | 0x61 | 0x63 | 0x67 | 0x69 | 0x6a | 0x6b | 0x6d),
            "{status:04x}"
        );
    }
}

/// Well-formed elements in one another, sometimes cut off.
fn random_elements(random: &mut StdRng, depth: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.gen_range(0..4) {
        let tag = TAGS[random.gen_range(0..TAGS.len())];
        let value = match random.gen_range(0..4) {
            0 if depth > 0 => random_elements(random, depth - 1),
            1 => vec![0x11],
            2 => Vec::new(),
            _ => (0..[1, 3, 8, 16, 32, 65][random.gen_range(0..6)])
                .map(|_| random.r#gen())
                .collect(),
        };
        bytes.extend(tlv::encode(tag, &value));
    }
    if random.gen_ratio(1, 8) {
        bytes.truncate(bytes.len() / 2);
    }
    bytes
}
