//! More than one token: two FIDO2 tokens, or one beside a YubiKey.

use super::{FIDO2_PIN, KEY, OTHER_FIDO2_PIN, OTHER_KEY};
use crate::bench::{ANA, Bench};
use tapvault_lab::fido_key::rig::KeySpec;

fn two() -> Bench {
    let bench = Bench::setup()
        .no_token()
        .fido2(&[KeySpec::new(KEY), KeySpec::new(OTHER_KEY)])
        .start();
    bench.set_fido2_pin(0, FIDO2_PIN);
    bench.set_fido2_pin(1, OTHER_FIDO2_PIN);
    bench
}

#[test]
fn which_of_two_is_to_be_enrolled_has_to_be_said() {
    let bench = two();
    bench
        .tapvault(["key", "enroll", "fido2"])
        .run()
        .fails(2, "usage")
        .touches(0)
        .says("Soft FIDO2 key FIDO0001 at /dev/hidraw0, Soft FIDO2 key FIDO0002 at /dev/hidraw1");
    bench
        .tapvault(["key", "enroll", "fido2", "--device", "/dev/hidraw1"])
        .run()
        .success()
        .touches(3)
        .says("touch 1 of 3: Soft FIDO2 key FIDO0002");
    bench
        .tapvault(["key", "enroll", "fido2", "--serial", "FIDO0009"])
        .run()
        .fails(5, "no-key");
}

#[test]
fn each_of_two_opens_all_and_the_absent_one_is_not_needed_to_seal() {
    let bench = two();
    bench
        .tapvault(["key", "enroll", "fido2", "--serial", KEY, "--name", "first"])
        .run()
        .success()
        .touches(3);
    bench.add("prod", ANA);
    // The first vouches, and gives prod the second's recipient, for one touch.
    bench
        .tapvault(["key", "enroll", "fido2", "--serial", OTHER_KEY, "--name", "second"])
        .run()
        .success()
        .touches(4);
    bench.fido2(1).remove().expect("pulled out");
    bench.add("dev", ANA).says("sealed dev to first and second");
    bench.fido2(0).remove().expect("pulled out");
    bench.fido2(1).insert().expect("plugged in");
    for profile in ["prod", "dev"] {
        bench
            .tapvault(["exec", profile, "--", "true"])
            .run()
            .success()
            .touches(1)
            .says("touch Soft FIDO2 key FIDO0002");
    }
    bench.fido2(0).insert().expect("plugged in");
    // With both here the list decides, and only that one blinks.
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .says("touch Soft FIDO2 key FIDO0001");
    bench
        .tapvault(["--key", "second", "exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .says("touch Soft FIDO2 key FIDO0002");
    // The second goes on with the first in a drawer.
    bench.fido2(0).remove().expect("pulled out");
    bench.tapvault(["key", "remove", "first"]).run().success().touches(1);
    bench.tapvault(["exec", "dev", "--", "true"]).run().success().touches(1);
}

#[test]
fn a_yubikey_and_a_fido2_token_each_open_all() {
    let bench = Bench::setup().fido2(&[KeySpec::new(KEY)]).start();
    bench.set_fido2_pin(0, FIDO2_PIN);
    bench.enroll();
    bench.add("prod", ANA);
    // Two for the YubiKey, which vouches and opens; three for the new key.
    bench.tapvault(["key", "enroll", "fido2"]).run().success().touches(5);
    bench.fido2(0).remove().expect("pulled out");
    bench.add("dev", ANA).says("sealed dev to yubikey-15042118 and fido2");
    bench.fido2(0).insert().expect("plugged in");
    bench.pull_out(0);
    for profile in ["prod", "dev"] {
        bench
            .tapvault(["exec", profile, "--", "true"])
            .run()
            .success()
            .touches(1)
            .says("touch Soft FIDO2 key FIDO0001");
    }
    bench
        .tapvault(["key", "remove", "yubikey-15042118"])
        .run()
        .success()
        .touches(1);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}
