//! `ykman piv` 4.0.9 (Debian package yubikey-manager).

use tapvault_lab::soft_token::firmware::Firmware;

use crate::bench::{Bench, DEFAULT_MANAGEMENT_KEY, SERIAL};

const PUK: &str = "12345678";

#[track_caller]
fn assert_says(text: &str, expected: &str) {
    assert!(text.contains(expected), "{expected:?} isn't in:\n{text}");
}

#[test]
fn a_token_introduces_itself() {
    for firmware in [Firmware::V5_7_1, Firmware::V5_4_3] {
        let bench = Bench::new(firmware);
        assert_says(
            &bench.run("ykman list"),
            &format!("YubiKey 5 NFC ({firmware}) [OTP+FIDO+CCID] Serial: {SERIAL}"),
        );
        assert_says(
            &bench.run(&format!("ykman --device {SERIAL} info")),
            "PIV         \tEnabled",
        );
        let info = bench.ykman_piv("info");
        assert_says(&info, "PIN tries remaining: 3/3");
        assert_says(&info, "Using default Management key");
        assert_says(&info, if firmware == Firmware::V5_7_1 { "AES192" } else { "TDES" });
    }
}

#[test]
fn keys_and_certificates_are_made_with_a_touch() {
    let bench = Bench::new(Firmware::V5_7_1);
    bench.touch_at_once();
    bench.ykman_piv(&format!(
        "keys generate -m {DEFAULT_MANAGEMENT_KEY} -a ECCP256 --touch-policy ALWAYS 9a key.pem"
    ));
    bench.ykman_piv(&format!(
        "certificates generate -m {DEFAULT_MANAGEMENT_KEY} -P 123456 -s CN=lab 9a key.pem"
    ));
    bench.ykman_piv("certificates request -P 123456 -s CN=lab 9a key.pem request.pem");
    bench.ykman_piv("certificates export 9a certificate.pem");
    bench.run("openssl verify -CAfile certificate.pem certificate.pem");
    bench.run("openssl req -in request.pem -verify -noout");
    assert_says(&bench.ykman_piv("info"), "Subject DN:\tCN=lab");
    let touches = bench.token().counts().expect("counts").touches;
    assert_eq!((touches.given, touches.missed), (2, 0));
}

#[test]
fn a_certificate_without_a_touch_fails() {
    let bench = Bench::new(Firmware::V5_7_1);
    bench.ykman_piv(&format!(
        "keys generate -m {DEFAULT_MANAGEMENT_KEY} -a ECCP256 --touch-policy ALWAYS 9a key.pem"
    ));
    let text = bench.ykman_piv_refused(&format!(
        "certificates generate -m {DEFAULT_MANAGEMENT_KEY} -P 123456 -s CN=lab 9a key.pem"
    ));
    assert_says(&text, "Certificate generation failed");
    assert_eq!(bench.token().counts().expect("counts").touches.missed, 1);
}

#[test]
fn other_algorithms_are_refused() {
    let bench = Bench::new(Firmware::V5_7_1);
    for algorithm in ["RSA2048", "ECCP384"] {
        bench.ykman_piv_refused(&format!(
            "keys generate -m {DEFAULT_MANAGEMENT_KEY} -a {algorithm} 9a key.pem"
        ));
    }
}

#[test]
fn pin_and_puk_are_counted_changed_and_unblocked() {
    let bench = Bench::new(Firmware::V5_7_1);
    assert_says(
        &bench.ykman_piv_refused("access change-pin -P 111111 -n 654321"),
        "2 tries left",
    );
    bench.ykman_piv("access change-pin -P 123456 -n 654321");
    bench.ykman_piv(&format!("access change-puk -p {PUK} -n 87654321"));
    for _ in 0..3 {
        bench.ykman_piv_refused("access change-pin -P 111111 -n 222222");
    }
    assert_says(&bench.ykman_piv("info"), "PIN tries remaining: 0/3");
    bench.ykman_piv_refused(&format!("access unblock-pin -p {PUK} -n 123456"));
    bench.ykman_piv("access unblock-pin -p 87654321 -n 123456");
    assert_says(&bench.ykman_piv("info"), "PIN tries remaining: 3/3");
    bench.ykman_piv(&format!(
        "access set-retries -f -m {DEFAULT_MANAGEMENT_KEY} -P 123456 5 7"
    ));
    assert_says(&bench.ykman_piv("info"), "PIN tries remaining: 5/5");
}

#[test]
fn management_keys_of_all_kinds_are_set() {
    let bench = Bench::new(Firmware::V5_7_1);
    bench.touch_at_once();
    let mut old = DEFAULT_MANAGEMENT_KEY.to_owned();
    for (algorithm, length) in [("AES128", 32), ("AES256", 64), ("TDES", 48), ("AES192", 48)] {
        let new: String = "3132333435363738".repeat(4).chars().take(length).collect();
        bench.ykman_piv(&format!(
            "access change-management-key -f -a {algorithm} -m {old} -n {new}"
        ));
        assert_says(&bench.ykman_piv("info"), algorithm);
        old = new;
    }
    bench.ykman_piv(&format!(
        "access change-management-key -f -t -a AES256 -m {old} -n {}",
        "41".repeat(32)
    ));
    assert_eq!(bench.token().counts().expect("counts").touches.awaited, 0);
    bench.ykman_piv(&format!("objects generate -m {} chuid", "41".repeat(32)));
    assert_eq!(
        bench.token().counts().expect("counts").touches.given,
        1,
        "the key was set with -t"
    );
}

#[test]
fn a_protected_management_key_is_found_with_the_pin() {
    for firmware in [Firmware::V5_7_1, Firmware::V5_4_3] {
        let bench = Bench::new(firmware);
        let protect = format!("access change-management-key --protect -a AES256 -m {DEFAULT_MANAGEMENT_KEY} -P 123456");
        bench.ykman_piv(&protect);
        assert_says(&bench.ykman_piv("info"), "stored on the YubiKey, protected by PIN");
        bench.ykman_piv("keys generate -P 123456 -a ECCP256 82 key.pem");
        bench.ykman_piv_refused("keys generate -P 111111 -a ECCP256 83 key.pem");
    }
}

#[test]
fn objects_come_and_go() {
    let bench = Bench::new(Firmware::V5_7_1);
    bench.ykman_piv(&format!("objects generate -m {DEFAULT_MANAGEMENT_KEY} chuid"));
    bench.ykman_piv(&format!("objects generate -m {DEFAULT_MANAGEMENT_KEY} ccc"));
    assert!(!bench.ykman_piv("info").contains("No data available"));
    let content = "x".repeat(3000);
    std::fs::write(bench.path("in"), &content).expect("written");
    bench.ykman_piv(&format!("objects import -m {DEFAULT_MANAGEMENT_KEY} 5fff10 in"));
    bench.ykman_piv("objects export 5fff10 out");
    assert_eq!(std::fs::read_to_string(bench.path("out")).expect("there"), content);
}

#[test]
fn an_imported_key_works_but_is_not_attested() {
    let bench = Bench::new(Firmware::V5_7_1);
    bench.run("openssl ecparam -name prime256v1 -genkey -noout -out private.pem");
    bench.run("openssl ec -in private.pem -pubout -out public.pem");
    bench.ykman_piv(&format!("keys import -m {DEFAULT_MANAGEMENT_KEY} 9d private.pem"));
    bench.ykman_piv(&format!(
        "certificates generate -m {DEFAULT_MANAGEMENT_KEY} -P 123456 -s CN=lab 9d public.pem"
    ));
    bench.ykman_piv_refused("keys attest 9d attestation.pem");
}

#[test]
fn reset_brings_the_factory_back() {
    let bench = Bench::new(Firmware::V5_7_1);
    bench.ykman_piv(&format!(
        "keys generate -m {DEFAULT_MANAGEMENT_KEY} -a ECCP256 9a key.pem"
    ));
    bench.ykman_piv("access change-pin -P 123456 -n 654321");
    bench.ykman_piv("reset -f");
    assert_says(&bench.ykman_piv("info"), "Using default PIN");
    bench.ykman_piv_refused("keys attest 9a attestation.pem");
    // attestation outlives a reset
    bench.ykman_piv(&format!(
        "keys generate -m {DEFAULT_MANAGEMENT_KEY} -a ECCP256 9a key.pem"
    ));
    bench.ykman_piv("keys attest 9a attestation.pem");
}
