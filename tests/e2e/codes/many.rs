//! Many commands that need a code of the same device at the same time.

use super::{ANA_MFA, Touch, put, with_mfa};

#[test]
fn twenty_at_once_share_one_session_and_no_code_is_refused() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::Required);
    let runs: Vec<_> = (0..20)
        .map(|_| bench.tapvault(["exec", "prod", "--", "true"]).start())
        .collect();
    for run in runs {
        let out = run.wait();
        assert_eq!(out.code, Some(0), "{out}");
    }
    assert_eq!(bench.calls(), ["GetSessionToken"], "one code, one call");
}

#[test]
fn two_that_need_sessions_of_their_own_take_two_steps() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::Required);
    let short = bench.tapvault(["exec", "-d", "20m", "prod", "--", "true"]).start();
    let long = bench.tapvault(["exec", "-d", "40m", "prod", "--", "true"]).start();
    short.wait().success();
    long.wait().success();
    assert_eq!(bench.calls(), ["GetSessionToken", "GetSessionToken"]);
}
