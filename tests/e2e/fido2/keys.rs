//! FIDO2 keys among the others: touchless ones leave, keys come and go, the list is proven.

use super::{FIDO2_PIN, bench, bench_with_prod, enroll, know_outputs};
use crate::bench::{ANA, Bench};
use std::fs;
use tapvault_lab::fido_key::rig::KeySpec;

#[test]
fn touchless_keys_leave_when_a_fido2_token_comes() {
    let bench = bench();
    bench.settings("passphrase_command = \"echo 'vermilion otter seventeen'\"\n");
    bench.tapvault(["key", "enroll", "passphrase"]).run().success();
    bench.add_stdin("prod", ANA).run().success().touches(0);
    bench
        .tapvault(["key", "enroll", "fido2"])
        .run()
        .success()
        .touches(3)
        .says("\"passphrase\" is no longer enrolled");
    know_outputs(&bench, FIDO2_PIN);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .does_not_say("presence: none");
    bench
        .tapvault(["key", "enroll", "passphrase"])
        .run()
        .fails(12, "conflict");
}

#[test]
fn changes_of_keys_take_one_touch_that_vouches_and_opens() {
    let bench = bench_with_prod();
    bench.add("dev", ANA);
    bench.settings("passphrase_command = \"echo 'vermilion otter seventeen'\"\n");
    // The line says what for, and both entries are given the new recipient for it.
    bench
        .tapvault(["key", "enroll", "passphrase", "--allow-touchless"])
        .run()
        .success()
        .touches(1)
        .says("to vouch for the new key \"passphrase\"");
    bench
        .tapvault(["key", "remove", "passphrase"])
        .run()
        .success()
        .touches(1);
    bench.tapvault(["exec", "dev", "--", "true"]).run().success().touches(1);
}

/// Somebody who can write the folder makes up a list that their own signature key vouches for.
#[test]
fn a_verifier_that_is_not_the_tokens_opens_and_seals_nothing() {
    let bench = bench_with_prod();
    let file = bench.vault().join("keys.json");
    let genuine = fs::read(&file).expect("keys.json");
    let script = r#"
import base64, json, sys
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
path = sys.argv[1]
document = json.load(open(path))
key = Ed25519PrivateKey.generate()
raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
document["list"]["keys"][0]["verifier"] = base64.b64encode(raw).decode()
text = json.dumps(document["list"], separators=(",", ":"))
signature = base64.b64encode(key.sign(b"tapvault key list v1\n" + text.encode())).decode()
vouchers = json.dumps([{"key": "fido2", "signature": signature}], separators=(",", ":"))
open(path, "w").write('{"list":' + text + ',"vouchers":' + vouchers + "}\n")
"#;
    bench.python(script, [file.to_str().expect("text")]).run().success();
    // A machine that has seen the genuine list knows at once; one that has not learns it from the token.
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(12, "conflict")
        .touches(0);
    bench.tapvault(["key", "trust", "--yes"]).run().success();
    let before = bench.snapshot();
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(10, "forged")
        .touches(1)
        .says("the key list has another key for fido2");
    assert!(bench.snapshot() == before, "something was sealed");
    fs::write(&file, genuine).expect("restored");
    bench.tapvault(["key", "trust", "--yes"]).run().success();
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}

#[test]
fn a_token_that_was_reset_since_is_told_from_one_that_is_absent() {
    let bench = bench_with_prod();
    bench.fido2(0).reset().expect("reset");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(5, "no-key")
        .touches(0)
        .says("does not hold fido2")
        .says("reset since");
    bench.fido2(0).remove().expect("pulled out");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(5, "no-key")
        .says("plug in Soft FIDO2 key FIDO0001");
}

#[test]
fn a_token_without_serial_number_is_called_by_its_name() {
    let key = KeySpec::without_serial().product("Nitrokey 3");
    let bench = Bench::setup().no_token().fido2(&[key]).start();
    bench
        .tapvault(["key", "enroll", "fido2", "--uv", "discouraged", "--name", "nitro"])
        .run()
        .success()
        .touches(3)
        .says("touch 1 of 3: Nitrokey 3, to make the key");
    bench.add("prod", ANA).says("touch Nitrokey 3 to seal prod");
}

#[test]
fn the_doctor_looks_at_nodes_and_pins_without_a_touch() {
    let bench = bench();
    let told = |words: &str| {
        let output = bench.tapvault(["doctor"]).run().touches(0).pins(0, 0);
        assert!(output.stdout.contains(words), "{words}\n{output}");
        output
    };
    told("Soft FIDO2 key FIDO0001 (/dev/hidraw0): hmac-secret, PIN set");
    enroll(&bench);
    told("hmac-secret, PIN set; it holds fido2");
    bench.fido2(0).remove().expect("pulled out");
    told("fido2 (Soft FIDO2 key FIDO0001) is enrolled, and none of the FIDO2 tokens here holds it");
}
