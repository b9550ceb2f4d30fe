//! The crate `yubikey` 0.9, which knows both generations of management keys.

use std::{thread, time::Duration};

use p256::{SecretKey, ecdh::diffie_hellman, elliptic_curve::sec1::ToEncodedPoint};
use rand::rngs::OsRng;
use tapvault_lab::soft_token::{body::Touch, firmware::Firmware};
use yubikey::{
    Error, MgmKey, PinPolicy, Serial, TouchPolicy, YubiKey,
    piv::{self, AlgorithmId, Origin, RetiredSlotId, SlotId},
};

use crate::{
    bench::{Bench, SERIAL},
    common::token_of_parent,
};

const SLOT: SlotId = SlotId::Retired(RetiredSlotId::R1);

#[test]
fn firmware_5_7_1_serves_the_crate() {
    Bench::new(Firmware::V5_7_1).run_child_test("yubikey_crate::generates_agrees_attests_and_signs");
}

#[test]
fn firmware_5_4_3_serves_the_crate() {
    Bench::new(Firmware::V5_4_3).run_child_test("yubikey_crate::generates_agrees_attests_and_signs");
}

#[test]
#[ignore = "a child of the tests above"]
fn generates_agrees_attests_and_signs() {
    let control = token_of_parent(0);
    let mut key = YubiKey::open_by_serial(Serial(SERIAL)).expect("opened");
    assert!(matches!(piv::metadata(&mut key, SLOT), Err(Error::NotFound)));

    let default = MgmKey::get_default(&key).expect("a default");
    key.authenticate(&default).expect("authenticated");
    let public = piv::generate(
        &mut key,
        SLOT,
        AlgorithmId::EccP256,
        PinPolicy::Once,
        TouchPolicy::Always,
    )
    .expect("generated");
    let point = public.subject_public_key.raw_bytes().to_vec();

    let metadata = piv::metadata(&mut key, SLOT).expect("metadata");
    assert_eq!(metadata.policy, Some((PinPolicy::Once, TouchPolicy::Always)));
    assert!(matches!(metadata.origin, Some(Origin::Generated)));
    assert_eq!(metadata.public.expect("a key").subject_public_key.raw_bytes(), point);

    let ours = SecretKey::random(&mut OsRng);
    let our_point = ours.public_key().to_encoded_point(false);
    let agree = |key: &mut YubiKey| piv::decrypt_data(key, our_point.as_bytes(), AlgorithmId::EccP256, SLOT);

    // without a PIN it doesn't even blink
    assert!(matches!(agree(&mut key), Err(Error::AuthenticationError)));
    assert_eq!(control.counts().expect("counts").touches.awaited, 0);

    assert!(matches!(key.verify_pin(b"000000"), Err(Error::WrongPin { tries: 2 })));
    key.verify_pin(b"123456").expect("the PIN");
    let secret = thread::scope(|scope| {
        let hand = scope.spawn(|| {
            let request = control.wait_for_touch(Duration::from_secs(10)).expect("it blinks");
            assert_eq!(request.purpose, "agree with 82");
            assert!(control.touch().expect("touched"));
        });
        let secret = agree(&mut key).expect("agreed");
        hand.join().expect("no panic");
        secret
    });
    let theirs = p256::PublicKey::from_sec1_bytes(&point).expect("a point");
    let expected = diffie_hellman(ours.to_nonzero_scalar(), theirs.as_affine());
    assert_eq!(secret.as_slice(), expected.raw_secret_bytes().as_slice());

    // nobody touches
    assert!(matches!(agree(&mut key), Err(Error::AuthenticationError)));
    let log = control.log().expect("log");
    let touches: Vec<Touch> = log.iter().filter_map(|entry| entry.touch).collect();
    assert_eq!(touches, [Touch::Given, Touch::Missed]);
    let attempts = control.counts().expect("counts").attempts.pin;
    assert_eq!((attempts.accepted, attempts.refused), (1, 1));

    assert!(
        piv::attest(&mut key, SLOT)
            .expect("attested")
            .starts_with(&[0x30, 0x82])
    );
    piv::generate(
        &mut key,
        SlotId::Signature,
        AlgorithmId::EccP256,
        PinPolicy::Default,
        TouchPolicy::Never,
    )
    .expect("generated");
    key.verify_pin(b"123456").expect("the PIN");
    let sign = |key: &mut YubiKey| piv::sign_data(key, &[7; 32], AlgorithmId::EccP256, SlotId::Signature);
    sign(&mut key).expect("signed");
    assert!(
        matches!(sign(&mut key), Err(Error::AuthenticationError)),
        "9c wants the PIN each time"
    );
}
