//! An enrolment that nothing cuts short, and those that are refused before anything is done.

use super::{BEN_MFA, CONFIG, config, devices, is_enrolled, is_untouched, journal, with_ana, with_ben};
use crate::bench::{Bench, PIN, SERIAL};
use tapvault_lab::aws_standin::ANA_MFA;

const ENROLL: [&str; 3] = ["mfa", "enroll", "prod"];

#[test]
fn from_no_device_to_a_command_with_two_touches_and_nothing_typed_but_the_pin() {
    let bench = with_ben();
    let out = bench.tapvault(ENROLL).run().success().touches(3).pins(1, 0);
    out.says("3 touches")
        .says(&format!(
            "touch 1 of 3: YubiKey {SERIAL}, to open prod (ben in 111122223333) to enroll an MFA device"
        ))
        .says(&format!(
            "touch 2 of 3: YubiKey {SERIAL}, to give the first of two codes of ben"
        ))
        .says(&format!(
            "touch 3 of 3: YubiKey {SERIAL}, to give the second of two codes of ben"
        ));
    assert_eq!(
        bench.calls(),
        [
            "GetCallerIdentity",
            "ListMFADevices",
            "CreateVirtualMFADevice",
            "EnableMFADevice"
        ]
    );
    is_enrolled(&bench);
    // Both codes are spent: the next one is waited for, and never refused.
    let out = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(2)
        .pins(1, 0);
    assert_eq!(out.pinentry_asked(), 1, "the PIN and nothing else\n{out}");
    assert_eq!(bench.calls().last().expect("a call"), "GetSessionToken");
}

#[test]
fn the_seed_is_shown_only_to_who_asks_for_it_and_only_at_a_terminal() {
    let bench = with_ben();
    let line = ["mfa", "enroll", "prod", "--show-seed"];
    bench
        .tapvault(line)
        .run()
        .fails(2, "usage")
        .says("at a terminal")
        .touches(0);
    is_untouched(&bench);
    let name = format!("seed of {BEN_MFA}");
    let mut terminal = bench.tapvault(line).may_show(&name).on_terminal();
    terminal.answer("PIN of YubiKey", PIN);
    let out = terminal.finish().success().touches(3);
    let (_, seed) = bench.aws().seeds().pop().expect("a device was made");
    let uri =
        format!("otpauth://totp/Amazon%20Web%20Services:ben@111122223333?secret={seed}&issuer=Amazon%20Web%20Services");
    assert!(out.terminal.contains(&uri), "{out}");
    assert!(
        !out.stdout.contains(&seed) && !out.stderr.contains(&seed),
        "on the terminal alone\n{out}"
    );
    is_enrolled(&bench);
}

#[test]
fn another_mfa_serial_in_the_config_is_replaced_only_when_asked() {
    let bench = with_ana();
    let with_phone = CONFIG.replace("[profile prod]\n", &format!("[profile prod]\nmfa_serial = {ANA_MFA}\n"));
    bench.aws_config(&with_phone);
    bench
        .tapvault(ENROLL)
        .run()
        .fails(12, "conflict")
        .touches(0)
        .says(&format!(
            "~/.aws/config:3: the profile has mfa_serial = {ANA_MFA} already"
        ))
        .says("--replace");
    assert_eq!((config(&bench), bench.calls().len()), (with_phone.clone(), 0));
    // The phone gives the session with which IAM is asked.
    let code = bench.code_of_ana();
    let line = ["mfa", "enroll", "prod", "--replace", "-t", &code];
    bench.tapvault(line).run().success().touches(3);
    let second = format!("{ANA_MFA}-tapvault");
    assert_eq!(config(&bench), with_phone.replace(ANA_MFA, &second));
    assert_eq!(devices(&bench), [(second.clone(), Some("ana".to_owned()))]);
    assert_eq!(bench.calls()[0], "GetSessionToken");
    // There is no third name to be guessed.
    bench
        .tapvault(["mfa", "enroll", "prod", "--replace", "--no-session"])
        .run()
        .fails(12, "conflict")
        .says("--serial");
    assert_eq!(devices(&bench).len(), 1);
}

#[test]
fn a_person_at_a_terminal_is_asked_whether_another_mfa_serial_may_go() {
    let bench = with_ana();
    bench.aws_config(&format!("[profile prod]\nmfa_serial = {ANA_MFA}\n"));
    let mut terminal = bench.tapvault(ENROLL).on_terminal();
    terminal.answer("put the new device in its place?", "n");
    terminal.finish().fails(12, "conflict").touches(0);
    let mut terminal = bench.tapvault(ENROLL).on_terminal();
    terminal.answer("put the new device in its place?", "y");
    terminal.answer("PIN of YubiKey", PIN);
    terminal.answer("MFA code of ana", &bench.code_of_ana());
    terminal.finish().success().touches(3);
    assert_eq!(
        config(&bench),
        format!("[profile prod]\nmfa_serial = {ANA_MFA}-tapvault\n")
    );
}

#[test]
fn a_device_is_called_as_the_person_says_and_a_name_that_can_not_be_is_refused() {
    let bench = with_ben();
    for (serial, words) in [
        ("arn:aws:iam::444455556666:mfa/ben", "can't be the device"),
        (
            "arn:aws:iam::111122223333:mfa/a-name-that-is-longer-than-tokens-take",
            "64",
        ),
    ] {
        let line = ["mfa", "enroll", "prod", "--serial", serial];
        bench.tapvault(line).run().fails(2, "usage").says(words);
        is_untouched(&bench);
    }
    let serial = "arn:aws:iam::111122223333:mfa/team/ben-key";
    bench
        .tapvault(["mfa", "enroll", "prod", "--serial", serial])
        .run()
        .success();
    assert_eq!(devices(&bench), [(serial.to_owned(), Some("ben".to_owned()))]);
    assert_eq!(bench.oath_accounts(0), [serial]);
}

#[test]
fn a_profile_without_a_section_or_a_file_gets_one() {
    let bench = with_ben();
    std::fs::remove_file(bench.home().join(".aws/config")).expect("removed");
    bench.tapvault(ENROLL).run().success();
    assert_eq!(config(&bench), format!("[profile prod]\nmfa_serial = {BEN_MFA}\n"));
}

#[test]
fn a_config_that_can_not_be_written_is_told_before_anything_is_touched() {
    let bench = with_ben();
    let config = bench.home().join(".aws/config");
    std::fs::hard_link(&config, bench.home().join("another")).expect("linked");
    bench.tapvault(ENROLL).run().fails(3, "config").touches(0);
    std::fs::remove_file(bench.home().join("another")).expect("removed");
    bench.aws_config("[profile prod]\nno equals sign\n");
    bench.tapvault(ENROLL).run().fails(3, "config").touches(0);
    assert_eq!((bench.calls().len(), journal(&bench)), (0, None));
}

#[test]
fn the_root_user_is_sent_to_the_console() {
    let bench = Bench::enrolled();
    let root = (
        tapvault_lab::aws_standin::sample::ROOT_KEY,
        tapvault_lab::aws_standin::sample::ROOT_SECRET,
    );
    super::give(&bench, root);
    bench.tapvault(ENROLL).run().fails(8, "aws").says("in the console");
    is_untouched(&bench);
}

#[test]
fn a_clock_that_is_off_is_named_and_nothing_is_left_behind() {
    let bench = with_ben();
    // Less than the five minutes that signatures may be off, more than codes.
    bench.aws().world(|world| world.clock_offset_seconds = 240);
    let out = bench.tapvault(ENROLL).run().fails(8, "aws");
    let out = out.says("EnableMFADevice refused: InvalidAuthenticationCode");
    let about = (235..=245).any(|seconds| out.said().contains(&format!("clock is {seconds} s behind AWS")));
    assert!(about, "{out}");
    out.says(&format!("{BEN_MFA} was deleted again; nothing of it is left"));
    is_untouched(&bench);
    bench.aws().world(|world| world.clock_offset_seconds = 0);
    bench.tapvault(ENROLL).run().success();
    is_enrolled(&bench);
}
