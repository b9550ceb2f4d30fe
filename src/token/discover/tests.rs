//! What is learned of cards that answer from a list.

use super::*;
use crate::token::apdu::script::{Script, to_hex};

const SELECTED: (&str, &str) = ("00a4040005 a000000308 00", "9000");
const MANAGED: &str = "00a4040008 a000000527471117 00";
const NO_METADATA: (&str, &str) = ("00f7008200", "6d00");
const ATTEST: &str = "00f9820000";
const ISSUER: &str = "00cb3fff05 5c035fff01 00";
const CERTIFICATE: &str = "00cb3fff05 5c035fc10d 00";

const LEAF: &[u8] = include_bytes!("../attestation/samples/leaf-rsa.der");
const SIGNER: &[u8] = include_bytes!("../attestation/samples/issuer-rsa.der");
const STRANGER: &[u8] = include_bytes!("../attestation/samples/issuer-p384.der");

fn answer(data: &[u8]) -> String {
    format!("{}9000", to_hex(data))
}

/// A certificate as GET DATA answers it.
fn object(certificate: &[u8]) -> String {
    answer(&tlv::write(0x53, &tlv::write(0x70, certificate)))
}

fn described(steps: Vec<(&'static str, String)>) -> Result<Option<Described>> {
    let mut card = Script::new(steps);
    let slot = Slot::retired(1).expect("1 is a retired slot");
    let result = describe(&mut Piv::select(&mut card)?, slot);
    assert!(card.is_done());
    result
}

fn old(steps: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let start = [SELECTED, NO_METADATA].map(|(ask, say)| (ask, say.to_owned()));
    [&start[..], steps].concat()
}

#[test]
fn old_firmware_is_believed_by_its_attestation() {
    let steps = old(&[(ATTEST, answer(LEAF)), (ISSUER, object(SIGNER))]);
    let found = described(steps).expect("it answers").expect("a key");
    assert_eq!(found.evidence, Evidence::Attestation);
    assert_eq!(found.origin, Some(KeyOrigin::Generated));
}

#[test]
fn without_attestation_the_certificate_is_weaker_evidence() {
    let by_a_stranger = old(&[
        (ATTEST, answer(LEAF)),
        (ISSUER, object(STRANGER)),
        (CERTIFICATE, object(LEAF)),
    ]);
    let imported = old(&[(ATTEST, "6a80".to_owned()), (CERTIFICATE, object(LEAF))]);
    for steps in [by_a_stranger, imported] {
        let found = described(steps).expect("it answers").expect("a key");
        assert_eq!((found.evidence, found.origin), (Evidence::Certificate, None));
        assert_eq!(
            found.policies,
            Policies {
                pin: PinPolicy::Once,
                touch: TouchPolicy::Always
            }
        );
    }
    let empty = old(&[(ATTEST, "6a80".to_owned()), (CERTIFICATE, "6a82".to_owned())]);
    assert_eq!(described(empty), Ok(None));
}

#[test]
fn a_yubikey_with_piv_switched_off_is_still_one() {
    let off = ("00a4040005 a000000308 00", "6a82");
    let info = ("001d000000", "0f 0204 00d59f81 0503050701 0302023f 9000");
    let mut card = Script::new([off, (MANAGED, "9000"), info]);
    let expected = Seen::Token {
        serial: Serial(14_000_001),
        firmware: Firmware::new(5, 7, 1),
        piv: false,
    };
    assert_eq!(look(&mut card), Ok(expected));
    assert_eq!(look(&mut Script::new([off, (MANAGED, "6a82")])), Ok(Seen::Foreign));
    let mute = ("001d000000", "9000");
    assert_eq!(
        look(&mut Script::new([off, (MANAGED, "9000"), mute])),
        Ok(Seen::Foreign)
    );
}

#[test]
fn another_piv_card_is_no_token() {
    let mut card = Script::new([SELECTED, ("00fd000000", "6d00")]);
    assert!(
        matches!(look(&mut card), Err(Error::NotSupported { .. })),
        "find() calls this foreign"
    );
}
