//! What a fault may not cost: a sealed session that worked, or a code that is spent twice.

use super::{CONFIG, bench};
use crate::bench::Bench;
use std::collections::BTreeSet;
use tapvault_lab::aws_standin::{ANA_MFA, Fault, When};

const READER: [&str; 4] = ["exec", "reader", "--", "true"];

fn sealed(bench: &Bench) -> Vec<String> {
    let snapshot = bench.snapshot();
    let names = snapshot
        .names()
        .into_iter()
        .filter(|name| name.starts_with("sessions/"));
    names.map(str::to_owned).collect()
}

/// Only the session under the role is sealed afterwards.
fn seal_first_step(bench: &Bench) {
    bench.tapvault(["clear"]).run().success();
    bench
        .aws()
        .fault(Fault::on("AssumeRole").error(403, "AccessDenied", "not yet"));
    bench.tapvault(READER).run().fails(8, "aws");
}

#[test]
fn a_step_that_worked_stays_sealed_whatever_happens_to_the_next() {
    let bench = bench();
    let faults: [fn() -> Fault; 5] = [
        || Fault::on("AssumeRole").every().error(500, "InternalFailure", ""),
        || Fault::on("AssumeRole").every().error(403, "AccessDenied", "no"),
        || Fault::on("AssumeRole").every().drop_connection(When::Before),
        || Fault::on("AssumeRole").every().cut(),
        || Fault::on("AssumeRole").every().garbage("<html>"),
    ];
    for fault in faults {
        bench.tapvault(["clear"]).run().success();
        bench.aws().fault(fault());
        let out = bench.tapvault(READER).run();
        assert!(matches!(out.code, Some(8 | 9)), "{out}");
        bench.aws().clear_faults();
        bench.aws().clear_calls();
        // The user's session is opened, and only the role is asked for.
        bench.tapvault(READER).run().success().touches(1);
        assert_eq!(bench.calls(), ["AssumeRole"]);
    }
}

#[test]
fn a_sealed_session_that_aws_no_longer_takes_is_fetched_anew_once() {
    let bench = bench();
    seal_first_step(&bench);
    bench.aws().expire_sessions();
    bench.aws().clear_calls();
    bench
        .tapvault(READER)
        .run()
        .success()
        .touches(2)
        .says("AWS no longer takes the sealed session (ExpiredToken); it is fetched anew");
    assert_eq!(bench.calls(), ["AssumeRole", "GetSessionToken", "AssumeRole"]);
    // What came then was sealed in its place.
    bench.aws().clear_calls();
    bench.tapvault(READER).run().success().touches(1);
    assert_eq!(bench.calls(), Vec::<String>::new());

    // Refused each time, it is not tried a third time; the vault is as it was.
    seal_first_step(&bench);
    let before = sealed(&bench);
    bench.aws().clear_calls();
    let message = "The security token included in the request is invalid";
    bench.aws().fault(
        Fault::on("AssumeRole")
            .every()
            .error(403, "InvalidClientTokenId", message),
    );
    bench.tapvault(READER).run().fails(8, "aws").touches(2).says(message);
    assert_eq!(bench.calls(), ["AssumeRole", "GetSessionToken", "AssumeRole"]);
    assert_eq!(sealed(&bench), before);
    bench.aws().clear_faults();
    bench.tapvault(READER).run().success().touches(1);
}

#[test]
fn refresh_passes_over_a_session_that_was_revoked() {
    let bench = bench();
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    bench.aws().expire_sessions();
    // Nothing is called with a session that is handed out as it is, so only the command's own calls could tell.
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    bench.aws().clear_calls();
    bench
        .tapvault(["exec", "--refresh", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert_eq!(bench.calls(), ["GetSessionToken"]);
}

#[test]
fn a_code_whose_call_broke_off_is_not_sent_again() {
    let bench = bench();
    let authenticator = bench.home().join("authenticator");
    // RFC 6238, with Ana's seed in the sample world.
    let script = "import base64, hmac, struct, time\n\
        digest = hmac.digest(base64.b32decode('JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'), struct.pack('>Q', int(time.time()) // 30), 'sha1')\n\
        at = digest[-1] & 15\n\
        print('%06d' % ((struct.unpack('>I', digest[at:at + 4])[0] & 0x7fffffff) % 1000000))\n";
    std::fs::write(&authenticator, script).expect("a program");
    bench.except_file(&authenticator);
    bench.aws_config(&format!(
        "{CONFIG}mfa_serial = {ANA_MFA}\nmfa_process = /usr/bin/python3 {}\n",
        authenticator.display()
    ));
    for when in [When::Before, When::After] {
        bench.aws().fault(Fault::on("AssumeRole").drop_connection(when));
        bench
            .tapvault(["exec", "admin", "--", "true"])
            .run()
            .fails(9, "network");
        assert_eq!(bench.aws().calls_of("AssumeRole").len(), 1, "it was sent once");
        bench.aws().clear_calls();
        let out = bench.tapvault(["exec", "admin", "--", "true"]).run().success();
        out.says("the code of this half minute is spent");
        assert_eq!(bench.aws().calls_of("AssumeRole").len(), 1);
        bench.aws().clear_calls();
        bench.tapvault(["clear"]).run().success();
    }
    let steps: BTreeSet<u64> = bench.aws().used_steps(ANA_MFA);
    assert_eq!(steps.len(), 3, "one of the four never arrived");
}
