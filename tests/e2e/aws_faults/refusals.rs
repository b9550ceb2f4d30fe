//! AWS answers, and refuses: its own words are kept, and a line says what can be done.

use super::{CONFIG, EXEC, bench, refused};
use crate::bench::ANA;
use tapvault_lab::aws_standin::{Fault, KeyStatus};

const READER: [&str; 4] = ["exec", "reader", "--", "env"];

#[test]
fn a_refusal_keeps_awss_words_and_says_what_can_be_done() {
    let bench = bench();
    let refusals = [
        (
            403,
            "AccessDenied",
            "User: x is not authorized to perform: sts:AssumeRole",
            "put mfa_serial =",
        ),
        (
            400,
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            "1 h was asked for (default: 1 h for a role); ask for less with -d",
        ),
        (
            403,
            "RegionDisabledException",
            "STS is not activated in this region for account:444455556666.",
            "eu-west-1 is from ~/.aws/config:4",
        ),
        (
            400,
            "PackedPolicyTooLarge",
            "PackedPolicySize = 131%",
            "make them shorter",
        ),
        (
            400,
            "MalformedPolicyDocument",
            "Syntax errors in policy.",
            "--policy-file",
        ),
        (400, "SomethingNew", "words nobody has seen", "SomethingNew"),
    ];
    for (status, code, message, hint) in refusals {
        let fault = Fault::on("AssumeRole").every().error(status, code, message);
        refused(&bench, fault, &READER, (8, "aws"))
            .says(&format!("AssumeRole refused: {code}: \"{message}\""))
            .says("arn:aws:iam::444455556666:role/reader")
            .says(hint);
        // It was tried once: the same answer would have come.
        assert_eq!(bench.aws().calls_of("AssumeRole").len(), 2);
        bench.aws().clear_calls();
    }
    // Words that would take over the terminal.
    let fault = Fault::on("AssumeRole")
        .every()
        .error(403, "AccessDenied", "a\u{1b}]0;owned\u{7}b\nc\u{1b}[2J");
    let out = refused(&bench, fault, &READER, (8, "aws"));
    assert!(!out.said().contains(['\u{1b}', '\u{7}']), "{out:?}", out = out.said());
}

#[test]
fn a_server_that_fails_is_asked_again_and_its_words_are_kept() {
    let bench = bench();
    for (status, code) in [(500, "InternalFailure"), (503, "ServiceUnavailable")] {
        bench
            .aws()
            .fault(Fault::on("GetSessionToken").times(2).error(status, code, "try later"));
        bench.tapvault(EXEC).prints_secrets().run().success().touches(1);
        bench.tapvault(["clear"]).run().success();
        refused(
            &bench,
            Fault::on("GetSessionToken").every().error(status, code, "try later"),
            &EXEC,
            (8, "aws"),
        )
        .says(&format!("{code}: \"try later\" (3 attempts)"));
    }
}

#[test]
fn an_access_key_that_aws_does_not_take_is_named_with_what_replaces_it() {
    let bench = bench();
    let status = |status| {
        bench.aws().world(|world| {
            let users = world.accounts.iter_mut().flat_map(|account| &mut account.users);
            let keys = users.flat_map(|user| &mut user.access_keys);
            keys.filter(|key| key.id == ANA.0).for_each(|key| key.status = status);
        });
    };
    status(KeyStatus::Inactive);
    bench
        .tapvault(EXEC)
        .run()
        .fails(8, "aws")
        .releases_nothing()
        .says("InvalidClientTokenId: \"The security token included in the request is invalid")
        .says(&format!("AWS knows no active access key {} of prod", ANA.0))
        .says("`tapvault add --force prod` replaces it");
    status(KeyStatus::Active);
    bench.tapvault(EXEC).prints_secrets().run().success();
    bench.tapvault(["clear"]).run().success();
    let message = "The request signature we calculated does not match the signature you provided.";
    let fault = Fault::on("GetSessionToken")
        .every()
        .error(403, "SignatureDoesNotMatch", message);
    refused(&bench, fault, &EXEC, (8, "aws")).says(&format!(
        "the secret of access key {} is not the one that AWS has",
        ANA.0
    ));
}

#[test]
fn a_clock_that_is_an_hour_off_is_named_with_side_and_size() {
    let bench = bench();
    for (offset, side) in [(3600, "behind AWS"), (-3600, "ahead of AWS")] {
        bench.aws().world(|world| world.clock_offset_seconds = offset);
        let out = bench.tapvault(EXEC).run().fails(8, "aws").releases_nothing();
        let about_an_hour = (3590..=3610).any(|seconds| out.said().contains(&format!("clock is {seconds} s {side}")));
        assert!(about_an_hour, "{out}");
        out.does_not_say("--force");
    }
    bench.aws().world(|world| world.clock_offset_seconds = 0);
    bench.tapvault(EXEC).prints_secrets().run().success();
}

#[test]
fn a_role_that_needs_mfa_says_what_to_write_where() {
    let bench = bench();
    bench
        .tapvault(["exec", "admin", "--", "true"])
        .run()
        .fails(8, "aws")
        .says("mfa_serial = arn:aws:iam::ACCOUNT:mfa/DEVICE into [profile admin]");
    bench.aws_config(&format!("{CONFIG}mfa_serial = arn:aws:iam::111122223333:mfa/ana\n"));
    bench
        .tapvault(["exec", "admin", "-t", "000000", "--", "true"])
        .run()
        .fails(8, "aws")
        .says("MultiFactorAuthentication failed")
        .says("AWS takes each code once");
}
