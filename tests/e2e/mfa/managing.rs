//! `mfa list`, `mfa resync` and `mfa remove`.

use super::{BEN_MFA, CONFIG, config, devices, journal, with_ana, with_ben};
use crate::bench::{Bench, SERIAL};
use serde_json::json;
use tapvault_lab::aws_standin::ANA_MFA;

/// Ana's second device, on the token, and in the config.
pub const SECOND: &str = "arn:aws:iam::111122223333:mfa/ana-tapvault";

pub fn with_second() -> Bench {
    let bench = with_ana();
    bench.tapvault(["mfa", "enroll", "prod"]).run().success();
    bench.aws().clear_calls();
    bench
}

#[test]
fn the_list_shows_devices_with_the_tokens_that_hold_their_seeds() {
    let bench = with_second();
    let out = bench
        .tapvault(["mfa", "list", "prod", "--json"])
        .run()
        .success()
        .touches(1);
    let listed = out.json_as("mfa-list");
    assert_eq!(listed[0]["serial"], ANA_MFA);
    assert_eq!(
        (&listed[0]["in_config"], &listed[0]["tokens"]),
        (&json!(false), &json!([]))
    );
    assert_eq!(listed[1]["serial"], SECOND);
    assert_eq!(listed[1]["in_config"], true);
    assert_eq!(listed[1]["tokens"], json!([{"serial": SERIAL, "touch": true}]));
    assert_eq!(bench.calls(), ["GetCallerIdentity", "ListMFADevices"]);
    let out = bench.tapvault(["mfa", "list", "prod"]).run().success();
    let line = out.stdout.lines().nth(2).expect("a line");
    assert!(
        line.contains(SECOND) && line.ends_with(&format!("YubiKey {SERIAL}")),
        "{out}"
    );
    // Without a token it is still a list.
    let bench = with_ben();
    assert_eq!(
        bench
            .tapvault(["mfa", "list", "prod", "--json"])
            .run()
            .success()
            .json_as("mfa-list"),
        json!([])
    );
}

/// The second device's clock, as AWS knows it, so many steps ahead.
fn drift(bench: &Bench, steps: i64) {
    bench.aws().world(|world| {
        let devices = world.accounts.iter_mut().flat_map(|account| &mut account.mfa_devices);
        let mut second = devices.filter(|device| device.serial == SECOND);
        second.next().expect("the device").drift_steps = steps;
    });
}

#[test]
fn a_device_out_of_step_gives_codes_again_after_a_resync() {
    let bench = with_second();
    drift(&bench, 40);
    // The codes of the enrolment are spent, so this waits for two that are not.
    let out = bench.tapvault(["mfa", "resync", "prod"]).run().success().touches(3);
    out.says("codes of this minute are spent")
        .says("touch 3 of 3")
        .says("to give the second of two codes of ana-tapvault");
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
}

#[test]
fn a_resync_that_aws_refuses_says_what_that_means() {
    let bench = with_second();
    // A day is the most that AWS looks for.
    drift(&bench, 4_000);
    let out = bench.tapvault(["mfa", "resync", "prod"]).run().fails(8, "aws");
    out.says(&format!("the account {SECOND} on YubiKey {SERIAL} has another seed"));
    let bench = with_ana();
    bench
        .tapvault(["mfa", "resync", "prod"])
        .run()
        .fails(3, "config")
        .touches(0)
        .says("--serial");
    let line = ["mfa", "resync", "prod", "--serial", ANA_MFA];
    bench.tapvault(line).run().fails(5, "no-key").touches(0);
}

#[test]
fn a_removed_device_is_gone_at_aws_on_the_token_and_in_the_config() {
    let bench = with_second();
    let out = bench.tapvault(["mfa", "remove", "prod"]).run();
    out.fails(2, "usage").says("--force").touches(0);
    let mut terminal = bench.tapvault(["mfa", "remove", "prod"]).on_terminal();
    terminal.answer("delete it here and there?", "n");
    terminal.finish().fails(130, "cancelled").touches(0);
    assert_eq!(devices(&bench).len(), 1);
    bench.ykman(&[
        "oath",
        "accounts",
        "add",
        "AWS:ana-tapvault@111122223333",
        "GEZDGNBVGY3TQOJQ",
    ]);
    let out = bench
        .tapvault(["mfa", "remove", "prod", "--force"])
        .run()
        .success()
        .touches(2);
    out.says(&format!(
        "YubiKey {SERIAL} has an account AWS:ana-tapvault@111122223333"
    ));
    assert_eq!(
        bench.calls(),
        [
            "GetSessionToken",
            "GetCallerIdentity",
            "ListMFADevices",
            "DeactivateMFADevice",
            "DeleteVirtualMFADevice"
        ]
    );
    assert_eq!(
        (devices(&bench), config(&bench), journal(&bench)),
        (vec![], CONFIG.to_owned(), None)
    );
    assert_eq!(bench.oath_accounts(0), ["AWS:ana-tapvault@111122223333"]);
    bench
        .tapvault(["mfa", "remove", "prod", "--force"])
        .run()
        .fails(2, "usage")
        .says("no mfa_serial");
}

#[test]
fn the_phone_goes_after_the_move_and_the_config_keeps_the_token() {
    let bench = with_second();
    let before = config(&bench);
    let line = ["mfa", "remove", "prod", "--force", "--serial", ANA_MFA];
    bench.tapvault(line).run().success();
    assert_eq!(config(&bench), before);
    assert_eq!(bench.oath_accounts(0), [SECOND]);
    let phone = bench.aws().world(|world| world.mfa_device(ANA_MFA).is_some());
    assert!(!phone);
}

#[test]
fn what_is_no_device_of_the_user_is_not_touched_and_a_refusal_changes_nothing() {
    let bench = with_ben();
    bench.tapvault(["mfa", "enroll", "prod"]).run().success();
    let line = ["mfa", "remove", "prod", "--force", "--no-session", "--serial", ANA_MFA];
    bench.tapvault(line).run().fails(12, "conflict").says(&format!(
        "ben in 111122223333 has only {BEN_MFA}; {ANA_MFA} was not touched"
    ));
    // Ben may not.
    let line = ["mfa", "remove", "prod", "--force", "--no-session"];
    bench
        .tapvault(line)
        .run()
        .fails(8, "aws")
        .says("this needs iam:ListMFADevices")
        .says("arn:aws:iam::*:user/${aws:username}");
    super::is_enrolled(&bench);
}
