//! `ykman oath` of both generations: 4.0.9 (Debian) and 5.9.2 (target/venv).
//!
//! Codes are compared at a time that does not move: counter-based ones, and time-based ones in a period of 126 years.

use tapvault_lab::soft_token::{body::Touch, firmware::Firmware};

use crate::bench::{Bench, SERIAL};

/// The seed of RFC 4226, appendix D, in base32; its codes are 755224, 287082, 359152, ...
const RFC_SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
/// Longer than anybody's test: all codes are those of step 0.
const FOR_EVER: &str = "--period 4000000000";

/// Both programs, each on a token of its own.
fn with_each_ykman(scene: impl Fn(&Bench, &dyn Fn(&str) -> String, &dyn Fn(&str) -> String)) {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/venv/bin/ykman");
    for program in ["/usr/bin/ykman", venv] {
        let bench = Bench::new(Firmware::V5_7_1);
        let line = |arguments: &str| format!("{program} --device {SERIAL} oath {arguments}");
        scene(&bench, &|arguments| bench.run(&line(arguments)), &|arguments| {
            bench.run_refused(&line(arguments))
        });
    }
}

#[track_caller]
fn assert_says(text: &str, expected: &str) {
    assert!(text.contains(expected), "{expected:?} isn't in:\n{text}");
}

#[test]
fn accounts_are_added_listed_calculated_renamed_and_deleted() {
    with_each_ykman(|_, ykman, _| {
        assert_says(&ykman("info"), "5.7.1");
        ykman(&format!("accounts add {FOR_EVER} -i AWS ana {RFC_SEED}"));
        ykman(&format!("accounts add {FOR_EVER} -a SHA512 -d 8 eight {RFC_SEED}"));
        ykman(&format!("accounts add -o HOTP -c 3 counted {RFC_SEED}"));
        let listed = ykman("accounts list -H -o -P");
        assert_says(&listed, "AWS:ana, TOTP, 4000000000");
        assert_says(&listed, "counted, HOTP");
        assert_says(&ykman("accounts code -s AWS:ana"), "755224");
        let all = ykman("accounts code");
        assert_says(&all, "755224");
        assert_says(&ykman("accounts code -s counted"), "969429");
        assert_says(&ykman("accounts code -s counted"), "338314");
        ykman("accounts rename -f AWS:ana Amazon:ana");
        assert_says(&ykman("accounts code -s Amazon:ana"), "755224");
        ykman("accounts delete -f Amazon:ana");
        assert!(!ykman("accounts list").contains("Amazon"));
        ykman("reset -f");
        let listed = ykman("accounts list");
        assert!(!listed.contains("eight") && !listed.contains("counted"), "{listed}");
    });
}

#[test]
fn a_touch_account_waits_and_a_missed_touch_is_said_as_such() {
    with_each_ykman(|bench, ykman, refused| {
        ykman(&format!("accounts add {FOR_EVER} --touch ana {RFC_SEED}"));
        // Of a single account ykman would calculate the code at once.
        ykman(&format!("accounts add {FOR_EVER} other {RFC_SEED}"));
        assert_says(&ykman("accounts code"), "[Requires Touch]");
        assert_says(&refused("accounts code -s ana"), "Touch account timed out!");
        bench.touch_at_once();
        assert_says(&ykman("accounts code -s ana"), "755224");
        let touches = bench.token().log().expect("a journal");
        let touches: Vec<_> = touches.iter().filter_map(|entry| entry.touch).collect();
        assert_eq!(touches, [Touch::Missed, Touch::Given]);
    });
}

#[test]
fn a_password_is_set_asked_changed_and_cleared() {
    with_each_ykman(|_, ykman, refused| {
        ykman(&format!("accounts add {FOR_EVER} ana {RFC_SEED}"));
        ykman("access change -n first");
        assert_says(&ykman("info").to_lowercase(), "enabled");
        refused("accounts list -p wrong");
        assert_says(&ykman("accounts code -p first -s ana"), "755224");
        refused("access change -p wrong -n second");
        ykman("access change -p first -n second");
        refused("accounts list -p first");
        assert_says(&ykman("accounts list -p second"), "ana");
        ykman("access change -p second -c");
        assert_says(&ykman("accounts list"), "ana");
    });
}
