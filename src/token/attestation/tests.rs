//! Attestations made with openssl in the form that Yubico publishes, by an RSA and by a P-384 issuer.

use super::*;

const SAMPLES: [(&[u8], &[u8]); 2] = [
    (
        include_bytes!("samples/leaf-rsa.der"),
        include_bytes!("samples/issuer-rsa.der"),
    ),
    (
        include_bytes!("samples/leaf-p384.der"),
        include_bytes!("samples/issuer-p384.der"),
    ),
];

#[test]
fn what_the_token_testifies_is_read() {
    for (leaf, _) in SAMPLES {
        let attestation = Attestation::parse(leaf).expect("a sample");
        assert_eq!(attestation.serial, Some(Serial(14_000_001)));
        assert_eq!(attestation.firmware, Firmware::new(5, 7, 1));
        assert_eq!(
            attestation.policies,
            Policies {
                pin: PinPolicy::Once,
                touch: TouchPolicy::Always
            }
        );
        assert!(attestation.public_key.is_some());
    }
}

#[test]
fn the_issuer_is_the_one_who_signed() {
    let [(rsa_leaf, rsa), (p384_leaf, p384)] = SAMPLES;
    assert_eq!(is_signed_by(rsa_leaf, rsa), Ok(true));
    assert_eq!(is_signed_by(p384_leaf, p384), Ok(true));
    assert_eq!(is_signed_by(rsa, rsa), Ok(true), "self-signed");
    assert_eq!(is_signed_by(rsa_leaf, p384), Ok(false));
    assert_eq!(is_signed_by(p384_leaf, rsa), Ok(false));
    assert_eq!(is_signed_by(rsa_leaf, rsa_leaf), Ok(false));
}

#[test]
fn no_bit_can_be_changed_unnoticed() {
    for (leaf, issuer) in SAMPLES {
        for at in (0..leaf.len()).step_by(7) {
            let mut changed = leaf.to_vec();
            changed[at] ^= 0x10;
            assert_ne!(is_signed_by(&changed, issuer), Ok(true), "byte {at}");
        }
    }
}

#[test]
fn a_cut_attestation_is_an_error_and_no_panic() {
    for (leaf, issuer) in SAMPLES {
        for cut in 0..leaf.len() {
            assert!(Attestation::parse(&leaf[..cut]).is_err());
        }
        for cut in 0..issuer.len() {
            assert!(is_signed_by(leaf, &issuer[..cut]).is_err());
        }
        // Without the extensions it is just a certificate.
        assert!(Attestation::parse(issuer).is_err());
    }
}
