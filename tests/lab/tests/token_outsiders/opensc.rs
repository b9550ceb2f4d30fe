//! OpenSC 0.23: its PIV driver takes the token for any other PIV card.

use std::fs;

use tapvault_lab::soft_token::firmware::Firmware;

use crate::bench::{Bench, DEFAULT_MANAGEMENT_KEY};

#[test]
fn pkcs11_lists_and_signs() {
    let bench = Bench::new(Firmware::V5_7_1);
    bench.touch_at_once();
    bench.ykman_piv(&format!(
        "keys generate -m {DEFAULT_MANAGEMENT_KEY} -a ECCP256 --touch-policy CACHED 9a key.pem"
    ));
    bench.ykman_piv(&format!(
        "certificates generate -m {DEFAULT_MANAGEMENT_KEY} -P 123456 -s CN=lab 9a key.pem"
    ));

    assert!(
        bench
            .run("opensc-tool -r 0 -n")
            .contains("Personal Identity Verification Card")
    );
    assert!(
        bench
            .run("pkcs11-tool -l -p 123456 -O")
            .contains("Private Key Object; EC")
    );
    fs::write(bench.path("digest"), [7; 32]).expect("written");
    bench.run("pkcs11-tool -l -p 123456 --id 01 --sign -m ECDSA --signature-format openssl -i digest -o signature");
    bench.run("openssl pkeyutl -verify -pubin -inkey key.pem -in digest -sigfile signature");
}
