//! openssl follows the chain of an attestation and reads what Yubico's extensions say.

use std::fs;

use tapvault_lab::soft_token::{firmware::Firmware, piv::attestation};

use crate::bench::{Bench, DEFAULT_MANAGEMENT_KEY};

#[test]
fn openssl_follows_the_chain_up_to_the_root() {
    let bench = Bench::new(Firmware::V5_7_1);
    bench.ykman_piv(&format!(
        "keys generate -m {DEFAULT_MANAGEMENT_KEY} -a ECCP256 --pin-policy ALWAYS --touch-policy CACHED 82 key.pem"
    ));
    bench.ykman_piv("keys attest 82 leaf.pem");
    bench.ykman_piv("certificates export f9 device.pem");
    fs::write(bench.path("root.der"), attestation::root_certificate()).expect("written");
    bench.run("openssl x509 -inform DER -in root.der -out root.pem");

    bench.run("openssl verify -x509_strict -CAfile root.pem root.pem");
    bench.run("openssl verify -CAfile root.pem -untrusted device.pem leaf.pem");
    bench.run_refused("openssl verify -CAfile root.pem leaf.pem");

    // the attested key is the generated one
    bench.run("openssl x509 -in leaf.pem -noout -pubkey -out attested.pem");
    let pem = |name| fs::read_to_string(bench.path(name)).expect("there").trim().to_owned();
    assert_eq!(pem("attested.pem"), pem("key.pem"));

    let text = bench.run("openssl x509 -in leaf.pem -noout -text -certopt ext_dump");
    for (extension, content) in [
        ("1.3.6.1.4.1.41482.3.3", "05 07 01"),
        ("1.3.6.1.4.1.41482.3.7", "02 04 00 d5 9f 81"),
        ("1.3.6.1.4.1.41482.3.8", "03 03"),
        ("1.3.6.1.4.1.41482.3.9", "01"),
    ] {
        let (_, after) = text
            .split_once(extension)
            .unwrap_or_else(|| panic!("{extension} isn't in:\n{text}"));
        let dump = after.lines().nth(1).unwrap_or_default();
        assert!(dump.contains(&format!("- {content} ")), "{extension}: {dump}");
    }
    assert!(text.contains("CN = YubiKey PIV Attestation 82"), "{text}");
}
