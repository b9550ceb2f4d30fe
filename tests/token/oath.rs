//! OATH on the rig: ykman beside us, a person who touches or does not, passwords, and names of all kinds.
//!
//! Codes are compared in a period of 126 years, so that no step ends in the middle of a test.

use crate::bench::{Bench, FIRST, PIN, started, value};
use std::time::{Duration, Instant};

/// The seed of RFC 4226, appendix D, in both notations; its first codes are 755224 and 287082.
const SEED: &str = "3132333435363738393031323334353637383930";
const SEED_BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
/// The period, and a moment in its second step.
const PERIOD: &str = "4000000000";
const SECOND_STEP: &str = "at=4000000000";
const ANA: &str = "4000000000/AWS:ana";

#[test]
fn what_ykman_put_we_list_and_calculate_as_ykman_does() {
    for firmware in ["5.4.3", "5.7.1"] {
        let bench = Bench::new(&[firmware]);
        let add = |words: &[&str]| {
            bench.ykman(&[&["oath", "accounts", "add", "--period", PERIOD], words, &[SEED_BASE32]].concat());
        };
        add(&["-i", "AWS", "ana"]);
        add(&["-a", "SHA256", "-d", "7", "seven"]);
        add(&["-a", "SHA512", "-d", "8", "eight"]);
        add(&["--touch", "touched"]);
        bench.ykman(&["oath", "accounts", "add", "-o", "HOTP", "counted", SEED_BASE32]);
        let listed = bench.oath(&[FIRST, "accounts"]);
        for line in [
            "account: 4000000000/AWS:ana | Totp Some(Sha1) Some(6) Some(NotRequired)",
            "account: 4000000000/seven | Totp Some(Sha256) Some(7) Some(NotRequired)",
            "account: 4000000000/eight | Totp Some(Sha512) Some(8) Some(NotRequired)",
            "account: 4000000000/touched | Totp Some(Sha1) Some(6) Some(Required)",
            "account: counted | Hotp Some(Sha1) Some(6) None",
        ] {
            assert!(listed.contains(line), "{line} in {listed}");
        }
        for (ykmans, ours) in [
            ("AWS:ana", ANA),
            ("seven", "4000000000/seven"),
            ("eight", "4000000000/eight"),
        ] {
            let theirs = bench.ykman(&["oath", "accounts", "code", "-s", ykmans]);
            let code = value(&bench.oath(&[FIRST, "code", ours]), "code");
            assert!(theirs.lines().any(|line| line == code), "{code} in {theirs}");
            let in_full = bench.oath(&[FIRST, "code", ours, "full"]);
            assert_eq!(value(&in_full, "code"), code);
        }
        assert_eq!(value(&bench.oath(&[FIRST, "code", ANA, SECOND_STEP]), "code"), "287082");
        // The counter has not moved through all this.
        assert!(bench.oath_fails(&[FIRST, "code", "counted"]).contains("NotTimeBased"));
        assert!(
            bench
                .ykman(&["oath", "accounts", "code", "-s", "counted"])
                .contains("755224")
        );
    }
}

#[test]
fn what_we_put_ykman_calculates_and_nothing_is_overwritten() {
    let bench = Bench::new(&["5.7.1"]);
    let put = |words: &[&str]| bench.oath(&[&[FIRST, "put"], words].concat());
    put(&[ANA, SEED]);
    put(&["4000000000/eight", SEED, "sha512", "digits=8"]);
    put(&["4000000000/touched", SEED, "touch"]);
    // Shorter than a token takes, and longer than a block of its hash.
    put(&["4000000000/short", "31"]);
    put(&["4000000000/long", &"31".repeat(90), "sha256"]);
    let theirs = bench.ykman(&["oath", "accounts", "code"]);
    for name in ["AWS:ana", "eight", "short", "long"] {
        let code = value(&bench.oath(&[FIRST, "code", &format!("4000000000/{name}")]), "code");
        let line = theirs.lines().find(|line| line.contains(name)).unwrap_or_default();
        assert!(line.ends_with(&format!(" {code}")), "{name} {code} in {theirs}");
    }
    assert!(theirs.contains("[Requires Touch]"), "{theirs}");

    let refused = bench.oath_fails(&[FIRST, "put", ANA, "ff", "touch"]);
    assert!(refused.contains("AccountExists"), "{refused}");
    assert_eq!(value(&bench.oath(&[FIRST, "code", ANA]), "code"), "755224");
    bench.oath(&[FIRST, "delete", ANA]);
    assert!(bench.oath_fails(&[FIRST, "delete", ANA]).contains("NoSuchAccount"));
    assert!(!bench.ykman(&["oath", "accounts", "list"]).contains("AWS:ana"));
}

#[test]
fn a_touch_is_waited_for_and_a_missed_one_can_be_made_up_for() {
    let bench = Bench::new(&["5.7.1"]);
    bench.oath(&[FIRST, "put", ANA, SEED, "touch"]);
    let missed = bench.oath_fails(&[FIRST, "code", ANA]);
    assert!(missed.contains("NoTouch"), "{missed}");

    let probe = started(&mut bench.oath_command(&[FIRST, "code", ANA, "tries=2"]), "no touch: ");
    bench.tell(0, "wait");
    bench.tell(0, "touch");
    let (said, worked) = probe.finish();
    assert!(worked && said.contains("code: 755224"), "{said}");
    bench.touch_always();
    assert!(bench.oath(&[FIRST, "code", ANA]).contains("code: 755224"));
}

#[test]
fn a_token_pulled_out_while_it_blinks_is_removed_and_fine_again_when_it_is_back() {
    let bench = Bench::new(&["5.7.1"]);
    bench.tell(0, "touch-timeout 15000");
    bench.oath(&[FIRST, "put", ANA, SEED, "touch"]);
    let probe = started(&mut bench.oath_command(&[FIRST, "code", ANA]), "calculating");
    bench.tell(0, "wait");
    bench.tell(0, "remove");
    let (said, worked) = probe.finish();
    assert!(!worked && said.contains("Removed"), "{said}");
    assert!(bench.oath_fails(&[FIRST, "code", ANA]).contains("NoToken"));
    bench.tell(0, "insert");
    bench.touch_always();
    assert!(bench.oath(&[FIRST, "code", ANA]).contains("code: 755224"));
}

#[test]
fn a_busy_token_is_busy_and_nothing_is_sent_to_it() {
    let bench = Bench::new(&["5.7.1"]);
    bench.oath(&[FIRST, "put", ANA, SEED]);
    for how in ["exclusive", "transaction"] {
        let holder = bench.probe_started(&["hold", how, "30000"], "held");
        let mark = bench.mark(0);
        let begun = Instant::now();
        let said = bench.oath_fails(&[FIRST, "code", ANA]);
        assert!(said.contains("Busy"), "{how}: {said}");
        assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
        assert!(bench.since(0, mark).is_empty(), "{how}");
        holder.kill();
    }
    assert!(bench.oath(&[FIRST, "code", ANA]).contains("code: 755224"));
}

#[test]
fn a_full_token_is_listed_to_its_end_and_takes_no_more() {
    for (firmware, most) in [("5.4.3", 32), ("5.7.1", 64)] {
        let bench = Bench::new(&[firmware]);
        let filled = bench.oath_fails(&[FIRST, "fill", "100", SEED]);
        assert_eq!(filled.matches("put: ").count(), most, "{filled}");
        assert!(filled.contains("Full"), "{filled}");
        let mark = bench.mark(0);
        let listed = bench.oath(&[FIRST, "accounts"]);
        assert_eq!(listed.matches("account: ").count(), most, "{listed}");
        assert_eq!(listed.matches("Some(NotRequired)").count(), most, "{listed}");
        assert!(bench.since(0, mark).contains(&"SEND REMAINING 9000".to_owned()));
        let last = format!("4000000000/{:02}-{}", most - 1, "x".repeat(50));
        assert!(bench.oath(&[FIRST, "code", &last]).contains("code: 755224"));
        let theirs = bench.ykman(&["oath", "accounts", "code"]);
        assert_eq!(theirs.matches(" 755224").count(), most, "{theirs}");
    }
}

#[test]
fn a_password_that_ykman_sets_is_wanted_from_then_on() {
    let bench = Bench::new(&["5.7.1"]);
    bench.oath(&[FIRST, "put", ANA, SEED]);
    bench.ykman(&["oath", "access", "change", "-n", "open sesame"]);
    let password = "password=open sesame";
    for command in [
        &["accounts"][..],
        &["code", ANA],
        &["put", "new", SEED],
        &["delete", ANA],
    ] {
        let said = bench.oath_fails(&[&[FIRST], command].concat());
        assert!(said.contains("PasswordRequired"), "{command:?}: {said}");
        let said = bench.oath_fails(&[&[FIRST], command, &["password=open simsim"]].concat());
        assert!(said.contains("WrongPassword"), "{command:?}: {said}");
    }
    assert!(bench.oath(&[FIRST, "code", ANA, password]).contains("code: 755224"));
    bench.oath(&[FIRST, "put", "new", SEED, password]);
    // What one program has proven is worth nothing to the next.
    assert!(bench.oath_fails(&[FIRST, "accounts"]).contains("PasswordRequired"));
    assert!(
        bench
            .ykman(&["oath", "accounts", "list", "-p", "open sesame"])
            .contains("new")
    );
    bench.ykman_fails(&["oath", "accounts", "list", "-p", "open simsim"]);
    bench.ykman(&["oath", "access", "change", "-p", "open sesame", "-c"]);
    assert!(bench.oath(&[FIRST, "code", ANA]).contains("lock: Open"));
}

#[test]
fn a_missed_touch_behind_a_password_is_a_missed_touch() {
    let bench = Bench::new(&["5.4.3"]);
    bench.oath(&[FIRST, "put", ANA, SEED, "touch"]);
    bench.ykman(&["oath", "access", "change", "-n", "sesame"]);
    let said = bench.oath_fails(&[FIRST, "code", ANA, "password=sesame"]);
    assert!(said.contains("NoTouch"), "{said}");
}

#[test]
fn names_are_bytes_in_any_script_or_in_none() {
    let bench = Bench::new(&["5.7.1"]);
    let longest = format!("4000000000/{}", "ж".repeat(26));
    let names = [
        "4000000000/AWS:Größe",
        "4000000000/亚马逊:阿娜",
        "4000000000/עברית🔑",
        "arn:aws:iam::111122223333:mfa/ana",
        longest.as_str(),
        // No UTF-8, a colour for the terminal, and nothing but a zero.
        "hex:ff fe 1b5b33316d",
        "hex:00",
    ];
    let names = names.map(|name| name.replace("ff fe ", "fffe"));
    for name in &names {
        bench.oath(&[FIRST, "put", name, SEED]);
        assert!(bench.oath(&[FIRST, "code", name]).contains("code: 755224"), "{name}");
    }
    let listed = bench.oath(&[FIRST, "accounts"]);
    for shown in ["阿娜", "עברית🔑", "\\xff\\xfe\\u{1b}[31m |", "\\u{0} |"] {
        assert!(listed.contains(shown), "{shown} in {listed}");
    }
    assert!(!listed.contains('\x1b'));
    for name in &names[5..] {
        bench.oath(&[FIRST, "delete", name]);
    }
    let theirs = bench.ykman(&["oath", "accounts", "list"]);
    for shown in ["AWS:Größe", "亚马逊:阿娜", "arn:aws:iam::111122223333:mfa/ana"] {
        assert!(theirs.contains(shown), "{shown} in {theirs}");
    }
    let too_long = "x".repeat(65);
    let mark = bench.mark(0);
    let said = bench.oath_fails(&[FIRST, "put", &too_long, SEED]);
    assert!(said.contains("NameLength"), "{said}");
    assert!(!bench.since(0, mark).iter().any(|line| line.starts_with("PUT")));
}

#[test]
fn a_code_follows_a_pin_in_one_transaction_and_ends_it() {
    let bench = Bench::new(&["5.7.1"]);
    bench.oath(&[FIRST, "put", ANA, SEED]);
    let mark = bench.mark(0);
    assert!(bench.oath(&[FIRST, "after-piv", PIN, ANA]).contains("code: 755224"));
    let log = bench.since(0, mark);
    let verified = log.iter().position(|line| line == "VERIFY 9000").expect("verified");
    let expected = ["SELECT 9000", "LIST 9000", "CALCULATE ALL 9000", "CALCULATE 9000"];
    assert_eq!(log[verified + 1..], expected);
    assert!(
        bench.probe(&["pin", FIRST]).contains("Tries(3)"),
        "the PIN is not verified any more"
    );
}
