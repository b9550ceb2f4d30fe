//! yubico-piv-tool 2.2.0, which knows triple-DES management keys only.

use tapvault_lab::soft_token::firmware::Firmware;

use crate::bench::{Bench, DEFAULT_MANAGEMENT_KEY};

const TOOL: &str = "yubico-piv-tool -r Yubico";

#[test]
fn firmware_5_4_3_is_administered() {
    let bench = Bench::new(Firmware::V5_4_3);
    bench.touch_at_once();
    assert!(bench.run(&format!("{TOOL} -a version")).contains("5.4.3"));
    assert!(bench.run(&format!("{TOOL} -a status")).contains("PIN tries left:\t3"));
    bench.run(&format!("{TOOL} -a verify-pin -P 123456"));
    bench.run(&format!(
        "{TOOL} -a generate -s 9a -A ECCP256 --pin-policy once --touch-policy always -o key.pem"
    ));
    bench.run(&format!("{TOOL} -a attest -s 9a -o attestation.pem"));
    bench.run("openssl x509 -in attestation.pem -noout");
    bench.run(&format!("{TOOL} -a set-chuid"));
    bench.run(&format!("{TOOL} -a set-ccc"));
    bench.run(&format!("{TOOL} -a change-pin -P 123456 -N 654321"));
    bench.run(&format!("{TOOL} -a unblock-pin -P 12345678 -N 123456"));
    let new_key = "313233343536373841424344454647485152535455565758";
    bench.run(&format!("{TOOL} -a set-mgm-key -n {new_key}"));
    bench.run_refused(&format!("{TOOL} -a set-chuid"));
    bench.run(&format!("{TOOL} -a set-chuid -k{new_key}"));
}

#[test]
fn a_wrong_pin_is_counted() {
    let bench = Bench::new(Firmware::V5_4_3);
    assert!(
        bench
            .run_refused(&format!("{TOOL} -a verify-pin -P 111111"))
            .contains("2 tries left")
    );
    assert!(bench.run(&format!("{TOOL} -a status")).contains("PIN tries left:\t2"));
}

#[test]
fn keys_sign_and_agree_on_firmware_5_7_1() {
    let bench = Bench::new(Firmware::V5_7_1);
    bench.touch_at_once();
    bench.ykman_piv(&format!(
        "keys generate -m {DEFAULT_MANAGEMENT_KEY} -a ECCP256 --touch-policy ALWAYS 9d key.pem"
    ));
    bench.ykman_piv(&format!(
        "certificates generate -m {DEFAULT_MANAGEMENT_KEY} -P 123456 -s CN=lab 9d key.pem"
    ));
    bench.run(&format!("{TOOL} -a read-certificate -s 9d -o certificate.pem"));
    bench.run(&format!(
        "{TOOL} -a verify-pin -P 123456 -a test-signature -s 9d -A ECCP256 -i certificate.pem"
    ));
    bench.run(&format!(
        "{TOOL} -a verify-pin -P 123456 -a test-decipher -s 9d -A ECCP256 -i certificate.pem"
    ));
    // the second generation's management key is beyond this tool
    bench.run_refused(&format!("{TOOL} -a generate -s 9a -A ECCP256 -o other.pem"));
}
