//! Leases: off unless asked for, answered from memory, and ended by whatever should end them.

use super::{SOON, export, status, touches, until_waiting, with_prod};
use crate::bench::{ANA, Bench};
use serde_json::json;

#[test]
fn nothing_is_leased_unless_asked_for() {
    let bench = with_prod();
    export(&bench, "prod").wait().success();
    assert_eq!(status(&bench)["leases"], json!([]));
}

#[test]
fn within_a_lease_no_touch_is_asked_for_and_it_was_said_before_the_first() {
    let bench = with_prod();
    let first = bench.tapvault(["exec", "--lease", "15m", "prod", "--", "true"]).run();
    first.success().touches(1).says("leased for 15 min");
    let before = touches(&bench);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(0);
    export(&bench, "prod").wait().success().touches(0);
    assert_eq!(touches(&bench), before);
    let status = status(&bench);
    assert_eq!(status["leases"][0]["profile"], "prod");
    assert_eq!(status["leases"][0]["uses"], 3, "{status}");
}

/// The agent is called before the question, and does not wait for so long.
#[test]
fn whoever_picks_the_profile_slowly_is_served_from_it_too() {
    let bench = with_prod();
    export_with_lease(&bench);
    let mut terminal = bench
        .tapvault(["exec", "--debug", "--", "sh", "-c", "echo $AWS_VAULT"])
        .on_terminal();
    terminal.expect("profile (name or number): ");
    std::thread::sleep(std::time::Duration::from_secs(7));
    terminal.type_("prod\n");
    let out = terminal.finish().success().touches(0);
    assert_eq!(out.stdout, "prod\n");
    assert!(!out.terminal.contains("without the agent"), "{out}");
    assert_eq!(status(&bench)["leases"][0]["uses"], 2);
}

fn export_with_lease(bench: &Bench) {
    let line = ["export", "--format=json", "--lease", "15m", "prod"];
    bench.tapvault(line).prints_secrets().run().success().touches(1);
}

#[test]
fn a_lease_is_set_per_profile_or_for_all() {
    let bench = with_prod();
    bench.settings("lease = \"10m\"\n[profile.prod]\nlease = \"0s\"\n");
    export(&bench, "prod").wait().success();
    assert_eq!(status(&bench)["leases"], json!([]), "the profile's own word counts");
    bench.settings("lease = \"10m\"\n");
    export(&bench, "prod").wait().success().touches(1);
    export(&bench, "prod").wait().success().touches(0);
}

#[test]
fn a_short_lease_ends_by_itself() {
    let bench = with_prod();
    bench
        .tapvault(["exec", "--lease", "2s", "prod", "--", "true"])
        .run()
        .success();
    std::thread::sleep(std::time::Duration::from_secs(4));
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}

#[test]
fn a_lease_longer_than_half_a_day_is_refused_before_any_touch() {
    let bench = with_prod();
    let out = bench.tapvault(["exec", "--lease", "13h", "prod", "--", "true"]).run();
    out.fails(2, "usage").says("12h at most").touches(0);
}

#[test]
fn the_access_key_itself_is_never_leased() {
    let bench = with_prod();
    let line = ["exec", "--no-session", "--lease", "15m", "prod", "--", "true"];
    let out = bench.tapvault(line).run().success();
    out.says("nothing is leased");
    assert_eq!(status(&bench)["leases"], json!([]));
}

#[test]
fn lock_ends_leases_and_drops_pins() {
    let bench = with_prod();
    bench
        .tapvault(["exec", "--lease", "15m", "prod", "--", "true"])
        .run()
        .success();
    let out = bench.tapvault(["lock"]).run().success();
    assert_eq!(out.stdout, "ended 1 lease, dropped 1 PIN\n");
    let out = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert_eq!(out.pinentry_asked(), 1, "the PIN is typed again\n{out}");
}

#[test]
fn a_replaced_access_key_ends_its_lease() {
    let bench = with_prod();
    bench
        .tapvault(["exec", "--lease", "15m", "prod", "--", "true"])
        .run()
        .success();
    bench.add_stdin("prod", ANA).run().fails(12, "conflict");
    let line = ["add", "prod", "--stdin", "--force"];
    bench
        .tapvault(line)
        .stdin(&format!("{}\n{}\n", ANA.0, ANA.1))
        .run()
        .success();
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}

#[test]
fn a_pin_is_typed_once_while_the_token_stays_in() {
    let bench = with_prod();
    let first = bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    assert_eq!(first.pinentry_asked(), 1);
    let second = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert_eq!(second.pinentry_asked(), 0, "{second}");
    assert!(
        status(&bench)["pins"][0]["token"]
            .as_str()
            .is_some_and(|token| token.contains("YubiKey"))
    );
}

#[test]
fn hold_pin_false_has_it_typed_every_time() {
    let bench = with_prod();
    bench.settings("hold_pin = false\n");
    for _ in 0..2 {
        let out = bench
            .tapvault(["exec", "--refresh", "prod", "--", "true"])
            .run()
            .success();
        assert_eq!(out.pinentry_asked(), 1, "{out}");
    }
}

#[test]
fn refresh_passes_over_a_lease_and_renews_it() {
    let bench = with_prod();
    bench
        .tapvault(["exec", "--lease", "15m", "prod", "--", "true"])
        .run()
        .success();
    let line = ["exec", "--refresh", "prod", "--", "true"];
    bench.tapvault(line).run().success().touches(1);
    assert_eq!(bench.calls(), ["GetSessionToken", "GetSessionToken"]);
}

#[test]
fn what_is_ended_while_a_touch_is_awaited_is_not_begun_by_it() {
    let bench = with_prod();
    bench.withhold_touches();
    let run = bench.tapvault(["exec", "--lease", "15m", "prod", "--", "true"]).start();
    bench.token().wait_for_touch(SOON).expect("it blinks");
    bench.tapvault(["lock"]).run().success();
    bench.token().touch().expect("the token listens");
    run.wait().success().says("nothing is leased");
    let status = status(&bench);
    assert_eq!((&status["leases"], &status["pins"]), (&json!([]), &json!([])));
}

#[test]
fn who_joins_a_request_without_a_lease_is_told_that_nothing_is_leased() {
    let bench = with_prod();
    bench.withhold_touches();
    let first = export(&bench, "prod");
    until_waiting(&bench, 1);
    let second = bench.tapvault(["exec", "--lease", "15m", "prod", "--", "true"]).start();
    until_waiting(&bench, 2);
    bench.touch_by_itself();
    first.wait().success().does_not_say("nothing is leased");
    second.wait().success().says("nothing is leased");
    assert_eq!(status(&bench)["leases"], json!([]));
}

#[test]
fn lock_while_fifty_wait_disturbs_none_of_them_and_holds_nothing_for_them() {
    let bench = with_prod();
    bench.withhold_touches();
    let patience = std::time::Duration::from_secs(15);
    bench.token().set_touch_timeout(patience).expect("patient");
    let line = ["exec", "--lease", "15m", "prod", "--", "true"];
    let runs: Vec<_> = (0..50).map(|_| bench.tapvault(line).start()).collect();
    until_waiting(&bench, 50);
    bench.token().wait_for_touch(SOON).expect("it blinks");
    let out = bench.tapvault(["lock"]).run().success();
    assert!(out.stdout.starts_with("ended 0 leases, dropped "), "{out}");
    bench.touch_by_itself();
    for run in runs {
        run.wait().success();
    }
    let status = status(&bench);
    assert_eq!((&status["leases"], &status["pins"]), (&json!([]), &json!([])));
}
