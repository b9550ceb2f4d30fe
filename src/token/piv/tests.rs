//! The opening path against a card that answers from a list.

use super::*;
use crate::token::{
    KeyOrigin, PinPolicy, PinStatus, Point, Policies, Slot, TouchPolicy,
    apdu::script::{Script, from_hex, to_hex},
};

const PIN: &[u8] = b"123456";
const SELECT: &str = "00a4040005 a000000308 00";
const SELECTED: (&str, &str) = (SELECT, "6111 9000");
const STATUS: &str = "0020008000";
const VERIFY_PIN: &str = "0020008008 313233343536ffff";
const USE: &str = "00871182*";
const LEAVE: &str = "00a4040008 a000000527471117 00";
const ONCE_ALWAYS: Policies = Policies {
    pin: PinPolicy::Once,
    touch: TouchPolicy::Always,
};

fn slot() -> Slot {
    Slot::retired(1).expect("1 is a retired slot")
}

/// The base point of P-256, SEC 2, 2.4.2.
fn point() -> Point {
    let x = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
    Point::from_sec1(&from_hex(&format!("03{x}"))).expect("the base point")
}

fn metadata_answer(policy: &str) -> String {
    let point = to_hex(point().uncompressed());
    format!("010111 0202{policy} 030101 0443 8641{point} 9000")
}

fn secret_answer() -> String {
    format!("7c22 8220 {} 9000", "5a".repeat(32))
}

#[test]
fn an_opening_is_six_apdus_and_tells_no_data() {
    let mut card = Script::new([
        (SELECT, "9000".to_owned()),
        ("00f7008200", metadata_answer("0202")),
        (STATUS, "63c3".to_owned()),
        (VERIFY_PIN, "9000".to_owned()),
        ("0087118247 7c45 8200 8541 04*", secret_answer()),
        (LEAVE, "9000".to_owned()),
    ]);
    let mut piv = Piv::select(&mut card).expect("there is PIV");
    let metadata = piv.metadata(slot()).expect("firmware 5.3").expect("a key");
    assert_eq!(metadata.public_key, Some(point()));
    assert_eq!(
        (metadata.policies, metadata.origin),
        (ONCE_ALWAYS, KeyOrigin::Generated)
    );
    let status = piv.pin_status().expect("it says");
    assert_eq!(status, PinStatus::Tries(3));
    assert!(pin_needed(metadata.policies.pin, status));
    piv.verify(PIN).expect("it is right");
    let secret = piv.ecdh(slot(), metadata.policies, &point()).expect("touched");
    assert_eq!(*secret, [0x5a; 32]);
    piv.drop_pin().expect("it can be left");
    assert!(card.is_done());
    let notes = card.notes.join("\n");
    assert!(
        notes.contains("VERIFY: 9000") && notes.contains("GENERAL AUTHENTICATE: 9000"),
        "{notes}"
    );
    assert!(!notes.contains("3132") && !notes.contains("5a5a"), "{notes}");
}

#[test]
fn dropping_the_value_drops_our_pin_and_leaves_theirs() {
    let mut card = Script::new([SELECTED, (VERIFY_PIN, "9000"), (LEAVE, "9000")]);
    Piv::select(&mut card)
        .and_then(|mut piv| piv.verify(PIN))
        .expect("it is right");
    assert!(card.is_done());

    let mut card = Script::new([SELECTED, (STATUS, "9000"), (VERIFY_PIN, "9000")]);
    let mut piv = Piv::select(&mut card).expect("there is PIV");
    assert_eq!(piv.pin_status(), Ok(PinStatus::Verified));
    piv.verify(PIN).expect("it is right");
    drop(piv);
    assert!(card.is_done());
}

#[test]
fn what_can_not_be_left_is_told_to_forget() {
    let other = |aid: &'static str| (aid, "6a82");
    let mut card = Script::new([
        SELECTED,
        (VERIFY_PIN, "9000"),
        other(LEAVE),
        other("00a4040007 a0000005272001 00"),
        other("00a4040007 a0000005272101 00"),
        ("0020ff8000", "9000"),
    ]);
    let mut piv = Piv::select(&mut card).expect("there is PIV");
    piv.verify(PIN).expect("it is right");
    piv.drop_pin().expect("it forgets");
    assert!(card.is_done());
}

#[test]
fn a_pin_answer_is_one_of_four() {
    let cases = [
        ("63c2", Err(Error::WrongPin { tries: 2 })),
        ("63c0", Err(Error::PinBlocked)),
        ("6983", Err(Error::PinBlocked)),
        (
            "6a80",
            Err(Error::Card {
                instruction: "VERIFY",
                sw: 0x6a80,
            }),
        ),
    ];
    for (answer, expected) in cases {
        let mut card = Script::new([SELECTED, (VERIFY_PIN, answer)]);
        assert_eq!(Piv::select(&mut card).and_then(|mut piv| piv.verify(PIN)), expected);
        assert!(card.is_done(), "nothing is retried");
    }
    for (answer, expected) in [
        ("63c1", PinStatus::Tries(1)),
        ("63c0", PinStatus::Blocked),
        ("6983", PinStatus::Blocked),
    ] {
        let mut card = Script::new([SELECTED, (STATUS, answer)]);
        assert_eq!(
            Piv::select(&mut card).and_then(|mut piv| piv.pin_status()),
            Ok(expected)
        );
    }
}

#[test]
fn a_pin_that_can_not_be_one_is_not_sent() {
    for pin in ["", "12345", "123456789"] {
        let mut card = Script::new([SELECTED]);
        let result = Piv::select(&mut card).and_then(|mut piv| piv.verify(pin.as_bytes()));
        assert_eq!(result, Err(Error::PinLength));
    }
}

/// A use of a key, after the PIN if the policy wants it, that the card answers with `sw`.
fn refused(policies: Policies, sw: &'static str) -> Error {
    let verified = [(STATUS, "63c3"), (VERIFY_PIN, "9000")];
    let verified = if policies.pin == PinPolicy::Never {
        &[][..]
    } else {
        &verified[..]
    };
    let mut card = Script::new([&[SELECTED][..], verified, &[(USE, sw), (LEAVE, "9000")]].concat());
    let mut piv = Piv::select(&mut card).expect("there is PIV");
    if policies.pin != PinPolicy::Never {
        piv.pin_status().and_then(|_| piv.verify(PIN)).expect("it is right");
    }
    piv.ecdh(slot(), policies, &point())
        .map(drop)
        .expect_err("it is refused")
}

#[test]
fn a_refused_use_is_a_missed_touch_only_if_the_pin_was_good() {
    let no_touch = |error: Error| matches!(error, Error::NoTouch { .. });
    for pin in [PinPolicy::Once, PinPolicy::Always] {
        for touch in [TouchPolicy::Always, TouchPolicy::Cached] {
            assert!(no_touch(refused(Policies { pin, touch }, "6982")));
            assert!(no_touch(refused(Policies { pin, touch }, "6985")));
        }
        let untouched = Policies {
            pin,
            touch: TouchPolicy::Never,
        };
        assert_eq!(refused(untouched, "6982"), Error::PinRequired);
    }
    let touch_only = Policies {
        pin: PinPolicy::Never,
        touch: TouchPolicy::Always,
    };
    assert!(no_touch(refused(touch_only, "6982")));
    assert_eq!(refused(ONCE_ALWAYS, "6a88"), Error::SlotEmpty { slot: slot() });
    assert_eq!(refused(ONCE_ALWAYS, ""), Error::Removed);
}

#[test]
fn if_nobody_looked_at_the_pin_the_card_is_asked_afterwards() {
    for (status, missed) in [("9000", true), ("63c3", false)] {
        let mut card = Script::new([SELECTED, (USE, "6982"), (STATUS, status)]);
        let mut piv = Piv::select(&mut card).expect("there is PIV");
        let error = piv.sign(slot(), ONCE_ALWAYS, &[0; 32]).expect_err("it is refused");
        assert_eq!(matches!(error, Error::NoTouch { .. }), missed);
        assert!(missed || error == Error::PinRequired);
    }
}

#[test]
fn the_policy_always_wants_a_pin_for_each_use() {
    let always = Policies {
        pin: PinPolicy::Always,
        touch: TouchPolicy::Always,
    };
    let secret = secret_answer();
    let mut card = Script::new([
        (SELECT, "9000"),
        (STATUS, "63c3"),
        (VERIFY_PIN, "9000"),
        (USE, &secret),
        (USE, "6982"),
        (LEAVE, "9000"),
    ]);
    let mut piv = Piv::select(&mut card).expect("there is PIV");
    piv.pin_status().expect("it says");
    piv.verify(PIN).expect("it is right");
    assert!(piv.ecdh(slot(), always, &point()).is_ok());
    assert_eq!(piv.ecdh(slot(), always, &point()), Err(Error::PinRequired));
    assert!(pin_needed(PinPolicy::Always, PinStatus::Verified));
}

#[test]
fn after_a_pause_nothing_is_selected_anew_unless_another_applet_answers() {
    let mut card = Script::new([SELECTED]);
    let paused = Piv::select(&mut card).expect("there is PIV").pause();
    let mut quiet = Script::new([(STATUS, "63c3"), ("00f7008200", "6a88")]);
    let mut piv = Piv::resume(&mut quiet, paused);
    assert_eq!(piv.pin_status(), Ok(PinStatus::Tries(3)));
    assert_eq!(piv.metadata(slot()), Ok(None), "asked once: PIV has answered before");
    let paused = piv.pause();

    let mut crowded = Script::new([(VERIFY_PIN, "6d00"), SELECTED, (VERIFY_PIN, "9000"), (LEAVE, "9000")]);
    Piv::resume(&mut crowded, paused).verify(PIN).expect("it is right");
    assert!(crowded.is_done());
}

#[test]
fn after_a_reset_piv_is_selected_before_anything_else() {
    let mut card = Script::new([SELECTED, (VERIFY_PIN, "9000")]);
    let mut piv = Piv::select(&mut card).expect("there is PIV");
    piv.verify(PIN).expect("it is right");
    let paused = piv.pause();
    assert!(card.is_done(), "a pause drops no PIN");

    let mut reset = Script::new([SELECTED, (STATUS, "63c3")]);
    reset.reset = true;
    let mut piv = Piv::resume(&mut reset, paused);
    assert_eq!(piv.pin_status(), Ok(PinStatus::Tries(3)));
    drop(piv);
    assert!(reset.is_done(), "the reset has dropped it");
}

#[test]
fn old_firmware_and_other_cards_are_named_as_such() {
    let mut card = Script::new([SELECTED, ("00fd000000", "0502049000"), ("00f7008200", "6d00")]);
    let mut piv = Piv::select(&mut card).expect("there is PIV");
    let firmware = piv.version().expect("it says");
    let expected = Error::NotSupported {
        what: "key metadata",
        firmware: Some(firmware),
    };
    assert_eq!(piv.metadata(slot()), Err(expected));

    let mut none = Script::new([(SELECT, "6a82")]);
    assert!(matches!(
        Piv::select(&mut none),
        Err(Error::NotSupported { what: "PIV", .. })
    ));

    // A YubiKey 4 tells its serial in the OTP applet.
    let otp = ("00a4040007 a0000005272001 00", "9000");
    let mut four = Script::new([
        SELECTED,
        ("00f8000000", "6d00"),
        otp,
        ("0001100000", "00d59f819000"),
        SELECTED,
    ]);
    assert_eq!(
        Piv::select(&mut four).and_then(|mut piv| piv.serial()),
        Ok(Serial(14_000_001))
    );
    assert!(four.is_done());
}

#[test]
fn no_answer_makes_it_panic() {
    let whole = metadata_answer("0202").replace(' ', "");
    let whole = whole.strip_suffix("9000").expect("the status word");
    let secret = secret_answer().replace(' ', "");
    let secret = secret.strip_suffix("9000").expect("the status word");
    for (ask, good) in [("00f7008200", whole), (USE, secret)] {
        for cut in (0..good.len()).step_by(2) {
            let answer = format!("{}9000", &good[..cut]);
            let mut card = Script::new([(SELECT, "9000".to_owned()), (ask, answer)]);
            let mut piv = Piv::select(&mut card).expect("there is PIV");
            let failed = match ask {
                USE => piv.ecdh(slot(), ONCE_ALWAYS, &point()).is_err(),
                _ => piv.metadata(slot()).is_err(),
            };
            assert!(failed, "{ask} {cut}");
        }
    }
}

#[test]
fn unknown_policies_are_kept_apart_and_bad_ones_refused() {
    let read = |policy: &str| {
        let mut card = Script::new([(SELECT, "9000".to_owned()), ("00f7008200", metadata_answer(policy))]);
        Piv::select(&mut card).and_then(|mut piv| piv.metadata(slot()))
    };
    let policies = |policy| read(policy).map(|metadata| metadata.map(|it| it.policies.pin));
    assert_eq!(policies("0502"), Ok(Some(PinPolicy::Other(5))));
    assert_eq!(policies("0300"), Ok(Some(PinPolicy::Always)));
    assert!(read("0209").is_err());
}

#[test]
fn a_certificate_is_read_unless_it_is_compressed() {
    let read = |answer: &str| {
        let mut card = Script::new([SELECTED, ("00cb3fff05 5c035fc10d 00", answer)]);
        Piv::select(&mut card).and_then(|mut piv| piv.certificate(slot()))
    };
    assert_eq!(read("530a 7003010203 710100 fe00 9000"), Ok(Some(vec![1, 2, 3])));
    assert_eq!(read("6a82"), Ok(None));
    assert_eq!(read("5300 9000"), Ok(None));
    assert!(matches!(
        read("530a 7003010203 710101 fe00 9000"),
        Err(Error::NotSupported { .. })
    ));
    assert!(
        matches!(read("5305 7003010203 9000"), Ok(Some(_))),
        "without CertInfo it is not compressed"
    );
    assert!(matches!(read("5303 710100 9000"), Err(Error::Malformed { .. })));
}
