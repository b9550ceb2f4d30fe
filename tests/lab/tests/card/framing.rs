//! SELECT, chaining, long answers, classes and instructions that don't exist.

use tapvault_lab::soft_token::firmware::Firmware;

use crate::bare::{Bare, MANAGEMENT, PIN, PIV};

#[test]
fn an_applet_is_selected_by_the_beginning_of_its_name() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    let full = [0xa0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00];
    for length in [5, 9, 11] {
        let (properties, status) = bare.select(&full[..length]);
        assert_eq!(status, 0x9000);
        assert_eq!(properties[..2], [0x61, 0x11]);
        assert_eq!(properties.len(), 0x11 + 2);
    }
    let too_long = [&full[..], &[0]].concat();
    // four bytes are no AID; OpenPGP and YubiHSM Auth aren't here
    for aid in [
        &full[..4],
        &too_long,
        &[0xa0, 0, 0, 5, 0x27, 0x21, 7, 1],
        &[0xd2, 0x76, 0, 1, 0x24, 1],
    ] {
        assert_eq!(bare.select(aid).1, 0x6a82, "{aid:02x?}");
    }
    assert_eq!(
        bare.send([0xfd, 0, 0], &[]),
        (vec![5, 7, 1], 0x9000),
        "PIV is still selected"
    );
}

#[test]
fn the_other_applets_know_the_serial_number() {
    let mut bare = Bare::new(Firmware::V5_4_3);
    let serial = bare.send([0xf8, 0, 0], &[]).0;
    assert_eq!(serial, bare.device.serial.to_be_bytes());
    assert_eq!(bare.select(MANAGEMENT).0, b"Virtual mgr - FW version 5.4.3");
    let config = bare.send([0x1d, 0, 0], &[]).0;
    assert_eq!(usize::from(config[0]), config.len() - 1);
    assert!(
        config
            .windows(6)
            .any(|element| element == [&[2, 4], &serial[..]].concat())
    );
    bare.select(&[0xa0, 0x00, 0x00, 0x05, 0x27, 0x20, 0x01]);
    assert_eq!(bare.send([0x01, 0x10, 0], &[]).0, serial);
}

#[test]
fn a_long_command_can_come_in_pieces_and_a_long_answer_goes_in_pieces() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    bare.authenticate();
    let content = vec![0x42; 600];
    let command = [&[0x5c, 3, 0x5f, 0xff, 0x10, 0x53, 0x82, 0x02, 0x58], &content[..]].concat();
    let pieces: Vec<&[u8]> = command.chunks(255).collect();
    for (index, piece) in pieces.iter().enumerate() {
        let class = if index + 1 < pieces.len() { 0x10 } else { 0x00 };
        let head = [class, 0xdb, 0x3f, 0xff, u8::try_from(piece.len()).expect("short")];
        assert_eq!(bare.raw(&[&head, *piece].concat()), (vec![], 0x9000));
    }

    let fetch = [0x00, 0xcb, 0x3f, 0xff, 5, 0x5c, 3, 0x5f, 0xff, 0x10];
    let (mut answer, status) = bare.raw(&fetch);
    assert_eq!(
        (answer.len(), status),
        (256, 0x6100),
        "348 more is more than a byte can say"
    );
    let (piece, status) = bare.raw(&[0x00, 0xc0, 0, 0, 0]);
    assert_eq!((piece.len(), status), (256, 0x615c));
    answer.extend(piece);
    let (piece, status) = bare.raw(&[0x00, 0xc0, 0, 0, 0]);
    assert_eq!(status, 0x9000);
    answer.extend(piece);
    assert_eq!(answer[4..], content);
    assert_eq!(bare.raw(&[0x00, 0xc0, 0, 0, 0]).1, 0x6a80, "nothing is left");

    // the extended form has it all at once
    assert_eq!(bare.send([0xcb, 0x3f, 0xff], &fetch[5..]), (answer, 0x9000));
    // and another command forgets the rest
    bare.raw(&fetch);
    bare.send([0xfd, 0, 0], &[]);
    assert_eq!(bare.raw(&[0x00, 0xc0, 0, 0, 0]).1, 0x6a80);
}

#[test]
fn a_chain_is_ended_by_another_command_and_by_the_length_of_the_buffer() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    assert_eq!(bare.raw(&[0x10, 0x20, 0, 0x80, 3, 0x31, 0x32, 0x33]).1, 0x9000);
    assert_eq!(bare.send([0xfd, 0, 0], &[]).0, [5, 7, 1]);
    assert_eq!(
        bare.raw(&[0x00, 0x20, 0, 0x80, 5, 0x34, 0x35, 0x36, 0xff, 0xff]).1,
        0x6a80,
        "five bytes are no PIN"
    );
    assert_eq!(bare.raw(&[0x10, 0x20, 0, 0x80, 3, 0x31, 0x32, 0x33]).1, 0x9000);
    assert_eq!(
        bare.raw(&[0x00, 0x20, 0, 0x80, 5, 0x34, 0x35, 0x36, 0xff, 0xff]).1,
        0x9000
    );

    let piece = [&[0x10, 0xdb, 0x3f, 0xff, 0xff][..], &[0; 255]].concat();
    let refused = (0..20).map(|_| bare.raw(&piece).1).find(|status| *status != 0x9000);
    assert_eq!(refused, Some(0x6700));
}

#[test]
fn unknown_classes_and_instructions_have_their_status_words() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    assert_eq!(bare.raw(&[0x80, 0x20, 0, 0x80]).1, 0x6e00);
    assert_eq!(bare.raw(&[0x04, 0x20, 0, 0x80]).1, 0x6e00);
    assert_eq!(bare.raw(&[0x00, 0x99, 0, 0]).1, 0x6d00);
    assert_eq!(bare.raw(&[0x00, 0xa4, 0x04, 0x0c, 5, 0xa0, 0, 0, 3, 8]).1, 0x6a86);
    assert_eq!(bare.raw(&[0x00, 0x20]).1, 0x6700);
    let mut old = Bare::new(Firmware::new(5, 2, 7));
    assert_eq!(old.metadata(0x80).1, 0x6d00, "metadata came with 5.3");
}

#[test]
fn what_was_proved_ends_with_power_and_with_another_applet_but_not_with_piv_again() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    let is_verified = |bare: &mut Bare| bare.verify(&[]) == 0x9000;
    bare.verify(PIN);
    bare.select(PIV);
    assert!(is_verified(&mut bare));
    assert_eq!(bare.select(&[0xd2, 0x76, 0, 1, 0x24, 1]).1, 0x6a82);
    assert!(is_verified(&mut bare), "nothing else was selected");
    bare.select(MANAGEMENT);
    bare.select(PIV);
    assert!(!is_verified(&mut bare));
    bare.verify(PIN);
    bare.authenticate();
    bare.reset();
    assert!(!is_verified(&mut bare));
    assert_eq!(bare.send([0x47, 0, 0x9a], &[0xac, 3, 0x80, 1, 0x11]).1, 0x6982);
}

#[test]
fn the_journal_has_names_and_lengths_and_never_a_pin() {
    let mut bare = Bare::new(Firmware::V5_7_1);
    bare.verify(PIN);
    let entries = bare.device.journal.since(0);
    let last = entries.last().expect("two entries");
    assert_eq!(
        (last.applet.as_str(), last.instruction.as_str(), last.p1p2.as_str()),
        ("piv", "VERIFY", "0080")
    );
    assert_eq!((last.sent, last.received, last.status.as_str()), (8, 0, "9000"));
    assert_eq!(entries[0].instruction, "SELECT");
    let everything = format!("{entries:?}");
    assert!(!everything.contains("123456") && !everything.contains("313233343536"));
}
