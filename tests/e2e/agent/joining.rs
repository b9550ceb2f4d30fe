//! Who shares a touch, and who does not.

use super::{export, quiet, status, touches, until_waiting, with_codes, with_prod};
use crate::bench::run::Running;
use crate::codes::ANA_MFA;
use std::collections::BTreeSet;

/// All of them, each with its credentials.
fn all_succeed(runs: Vec<Running<'_>>) -> BTreeSet<String> {
    runs.into_iter()
        .map(|run| {
            let json = run.wait().success().json();
            assert_eq!(json["Version"], 1);
            json["AccessKeyId"].as_str().expect("an ID").to_owned()
        })
        .collect()
}

#[test]
fn fifty_exports_at_once_take_one_touch_to_open_one_code_and_one_call() {
    let bench = with_codes();
    let before = touches(&bench);
    // The touch comes at once, so most of them come after it: as fast as a shell starts them.
    let line = "i=0; while [ $i -lt 50 ]; do tapvault export --format=json prod & i=$((i+1)); done; wait";
    let out = bench
        .program("/bin/sh", ["-c", line])
        .env("PATH", path_with_tapvault(&bench))
        .prints_secrets()
        .run()
        .success();
    let sessions: Vec<serde_json::Value> = serde_json::Deserializer::from_str(&out.stdout)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("JSON after JSON");
    let ids: BTreeSet<&str> = sessions
        .iter()
        .filter_map(|json| json["AccessKeyId"].as_str())
        .collect();
    assert_eq!((sessions.len(), ids.len()), (50, 1), "all have the same session");
    assert_eq!(bench.calls(), ["GetSessionToken"]);
    assert_eq!(touches(&bench) - before, 2, "one to open, one for the code\n{out}");
}

#[test]
fn two_hundred_that_come_while_the_touch_is_awaited_are_served_by_it() {
    let bench = with_codes();
    bench.withhold_touches();
    bench
        .token()
        .set_touch_timeout(std::time::Duration::from_secs(40))
        .expect("more patient than a real one");
    let before = touches(&bench);
    let runs: Vec<_> = (0..200).map(|_| export(&bench, "prod")).collect();
    until_waiting(&bench, 200);
    bench.touch_by_itself();
    assert_eq!(all_succeed(runs).len(), 1);
    assert_eq!(bench.calls(), ["GetSessionToken"]);
    assert_eq!(touches(&bench) - before, 2);
}

#[test]
fn twenty_roles_over_one_base_share_its_session() {
    let bench = with_codes();
    let mut config = format!("[profile prod]\nregion = eu-central-1\nmfa_serial = {ANA_MFA}\n");
    for number in 0..20 {
        config.push_str(&format!(
            "[profile role-{number}]\nrole_arn = {}\nrole_session_name = n{number}\nsource_profile = prod\nmfa_serial = {ANA_MFA}\n",
            tapvault_lab::aws_standin::ADMIN_ROLE
        ));
    }
    bench.aws_config(&config);
    bench.withhold_touches();
    let before = touches(&bench);
    let runs: Vec<_> = (0..20)
        .map(|number| export(&bench, &format!("role-{number}")))
        .collect();
    until_waiting(&bench, 20);
    bench.touch_by_itself();
    assert_eq!(all_succeed(runs).len(), 20, "each has a session of its own");
    let calls = bench.calls();
    assert_eq!(
        calls.iter().filter(|call| *call == "GetSessionToken").count(),
        1,
        "{calls:?}"
    );
    assert_eq!(
        calls.iter().filter(|call| *call == "AssumeRole").count(),
        20,
        "{calls:?}"
    );
    assert_eq!(touches(&bench) - before, 2);
}

#[test]
fn a_sealed_session_is_opened_once_for_all_who_ask() {
    let bench = with_prod();
    export(&bench, "prod").wait().success();
    quiet(&bench);
    bench.withhold_touches();
    let before = touches(&bench);
    let runs: Vec<_> = (0..10).map(|_| export(&bench, "prod")).collect();
    until_waiting(&bench, 10);
    bench.touch_by_itself();
    all_succeed(runs);
    assert_eq!(bench.calls(), Vec::<String>::new());
    assert_eq!(touches(&bench) - before, 1);
}

#[test]
fn one_after_the_other_each_takes_a_touch() {
    let bench = with_prod();
    let before = touches(&bench);
    // The same process starts them, so only that they don't overlap tells them from stragglers.
    let line = "for i in 1 2 3; do tapvault export --format=json prod >/dev/null; done";
    let shell = bench
        .program("/bin/sh", ["-c", line])
        .env("PATH", path_with_tapvault(&bench));
    shell.run().success();
    assert_eq!(touches(&bench) - before, 3);
}

#[test]
fn a_stranger_waits_for_a_touch_of_its_own() {
    let bench = with_prod();
    bench.withhold_touches();
    let before = touches(&bench);
    let (first, second) = (stranger(&bench), stranger(&bench));
    until_waiting(&bench, 2);
    bench.touch_by_itself();
    let (first, second) = (first.wait().success(), second.wait().success());
    assert_eq!(touches(&bench) - before, 2);
    let said = format!("{}{}", first.said(), second.said());
    assert!(said.contains("another request for the token comes first"), "{said}");
}

#[test]
fn join_any_lets_strangers_share() {
    let bench = with_prod();
    bench.settings("join = \"any\"\n");
    bench.withhold_touches();
    let before = touches(&bench);
    let (first, second) = (stranger(&bench), stranger(&bench));
    until_waiting(&bench, 2);
    bench.touch_by_itself();
    first.wait().success();
    second.wait().success();
    assert_eq!(touches(&bench) - before, 1);
}

#[test]
fn who_reaches_aws_another_way_shares_nothing() {
    let bench = with_prod();
    bench.withhold_touches();
    let before = touches(&bench);
    let usual = export(&bench, "prod");
    let other = bench
        .tapvault(["export", "--format=json", "prod"])
        .env("NO_PROXY", "127.0.0.1")
        .prints_secrets()
        .start();
    until_waiting(&bench, 2);
    bench.touch_by_itself();
    usual.wait().success();
    other.wait().success();
    assert_eq!(touches(&bench) - before, 2);
}

#[test]
fn without_the_agent_nothing_is_started_and_each_is_served_alone() {
    let bench = with_prod();
    bench
        .tapvault(["exec", "--no-agent", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert!(status(&bench)["agent"].is_null());
}

/// An export by a program that has a parent and a session of its own.
pub fn stranger(bench: &crate::bench::Bench) -> Running<'_> {
    bench
        .program("/bin/sh", ["-c", "tapvault export --format=json prod; exit $?"])
        .env("PATH", path_with_tapvault(bench))
        .prints_secrets()
        .start()
}

/// A PATH on which the program under test is called as people call it.
pub fn path_with_tapvault(bench: &crate::bench::Bench) -> String {
    let folder = std::path::Path::new(bench.tapvault_path()).parent().expect("a folder");
    format!("{}:/usr/bin:/bin", folder.display())
}
