//! AWS clients as people have them: Debian's aws CLI and boto3, asking tapvault or being started by it.

use crate::bench::{Bench, Invocation, PIN};
use serde_json::Value;

/// Prints who it is, when its credentials end, and which they are, after each of `argv[1]` calls in one session.
const BOTO3: &str = r#"
import json, sys
import boto3
session = boto3.Session()
sts = session.client("sts")
for _ in range(int(sys.argv[1])):
    identity = sts.get_caller_identity()
    credentials = session.get_credentials()
    ends = getattr(credentials, "_expiry_time", None)
    print(json.dumps({
        "arn": identity["Arn"],
        "key": credentials.get_frozen_credentials().access_key,
        "method": credentials.method,
        "ends": ends and ends.timestamp(),
    }))
"#;

fn config(bench: &Bench, options: &str) {
    bench.aws_config(&format!(
        "[profile prod]\nregion = eu-central-1\n\
         [profile app]\nregion = eu-west-1\ncredential_process = {} export --format=json {options}prod\n",
        bench.tapvault_path()
    ));
}

fn boto3<'b>(bench: &'b Bench, profile: &str, calls: &str) -> Invocation<'b> {
    bench.python(BOTO3, [calls]).env("AWS_PROFILE", profile)
}

fn lines(stdout: &str) -> Vec<Value> {
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// Debian's aws CLI, which is too old for AWS_ENDPOINT_URL.
fn cli<'b>(bench: &'b Bench, words: &[&str]) -> Invocation<'b> {
    let endpoint = bench.aws().endpoint();
    bench.program("/usr/bin/aws", [words, &who_am_i(&endpoint)].concat())
}

/// The CLI's words that print an ARN and nothing else.
fn who_am_i(endpoint: &str) -> [&str; 8] {
    [
        "--endpoint-url",
        endpoint,
        "--output",
        "text",
        "--query",
        "Arn",
        "sts",
        "get-caller-identity",
    ]
}

#[test]
fn boto3_asks_once_for_a_session_that_lasts_and_knows_its_end() {
    let bench = Bench::with_prod();
    config(&bench, "");
    let out = boto3(&bench, "app", "3")
        .run()
        .success()
        .touches_of_which_announced(1, 0);
    let said = lines(&out.stdout);
    assert_eq!(said.len(), 3);
    for line in &said {
        assert_eq!(line["arn"], "arn:aws:iam::111122223333:user/ana");
        assert_eq!(line["method"], "custom-process");
        assert_eq!(line["key"], said[0]["key"]);
    }
    let session = bench.aws().sessions().pop().expect("a session");
    let ends = said[0]["ends"].as_f64().expect("an end");
    let left = ends
        - std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .expect("a clock")
            .as_secs_f64();
    assert!((3500.0..=3600.0).contains(&left), "{left} s are left");
    assert_eq!(said[0]["key"], session.access_key_id.as_str());
}

#[test]
fn boto3_asks_again_when_a_session_is_about_to_end() {
    let bench = Bench::with_prod();
    // boto3 refreshes what ends within 15 minutes, and a session of 15 minutes always does.
    config(&bench, "--duration 15m --refresh ");
    let out = boto3(&bench, "app", "2").run().success();
    let said = lines(&out.stdout);
    assert_ne!(said[0]["key"], said[1]["key"], "{out}");
    assert!(said[1]["ends"].as_f64() >= said[0]["ends"].as_f64());
    let touches = out.touch_counts();
    assert!(touches.given >= 2 && touches.given == touches.awaited, "{out}");
}

#[test]
fn a_profile_whose_credential_process_is_tapvault_for_itself_opens_its_own_entry() {
    let bench = Bench::with_prod();
    bench.aws_config(&format!(
        "[profile prod]\nregion = eu-central-1\ncredential_process = {} export --format=json prod\n\
         [profile nobody]\nregion = eu-central-1\ncredential_process = {} export --format=json nobody\n",
        bench.tapvault_path(),
        bench.tapvault_path()
    ));
    let out = cli(&bench, &["--profile", "prod"]).run().success();
    assert_eq!(
        out.touches_of_which_announced(1, 0).stdout.trim(),
        "arn:aws:iam::111122223333:user/ana"
    );
    let out = boto3(&bench, "prod", "1")
        .run()
        .success()
        .touches_of_which_announced(1, 0);
    assert_eq!(lines(&out.stdout)[0]["arn"], "arn:aws:iam::111122223333:user/ana");
    // Without an entry it would call itself for ever; it says so at once, in the client's own error.
    for client in [cli(&bench, &["--profile", "nobody"]), boto3(&bench, "nobody", "1")] {
        let out = client.run().releases_nothing().touches(0);
        assert!(out.code != Some(0) && out.code.is_some(), "{out}");
        out.says("tapvault: no-entry: ").says("tapvault add nobody");
    }
}

#[test]
fn both_clients_work_as_children_of_exec_whatever_they_had_before() {
    let bench = Bench::with_prod();
    config(&bench, "");
    let endpoint = bench.aws().endpoint();
    let words = [&["exec", "prod", "--", "/usr/bin/aws"][..], &who_am_i(&endpoint)].concat();
    // Stale credentials and a profile that leads elsewhere.
    let stale = |invocation: Invocation<'_>| {
        invocation
            .env("AWS_PROFILE", "app")
            .env("AWS_ACCESS_KEY_ID", "AKIASTALE")
            .env("AWS_SECRET_ACCESS_KEY", "stale")
            .env("AWS_SESSION_TOKEN", "stale")
            .run()
            .success()
            .touches(1)
    };
    let out = stale(bench.tapvault(words));
    assert_eq!(out.stdout.trim(), "arn:aws:iam::111122223333:user/ana");
    let python = crate::bench::PYTHON;
    let out = stale(bench.tapvault(["exec", "prod", "--", python, "-c", BOTO3, "2"]));
    let said = lines(&out.stdout);
    assert_eq!(said[0]["arn"], "arn:aws:iam::111122223333:user/ana");
    assert_eq!(said[0]["method"], "env");
    assert_eq!(said[1]["key"], said[0]["key"]);
}

#[test]
fn the_clients_tell_their_user_that_the_token_was_not_touched() {
    let bench = Bench::with_prod();
    config(&bench, "");
    for client in [cli(&bench, &["--profile", "app"]), boto3(&bench, "app", "1")] {
        bench.withhold_touches();
        let out = client.run().releases_nothing();
        assert!(out.code != Some(0) && out.code.is_some(), "{out}");
        assert_eq!(out.touch_counts().missed, 2, "{out}");
        out.says("tapvault: no-touch: ")
            .says("YubiKey 15042118 was not touched");
    }
    // At a terminal the request itself is seen too, before the blink, though the client keeps our standard error.
    let mut terminal = cli(&bench, &["--profile", "app"]).on_terminal();
    terminal.answer("PIN of YubiKey", PIN);
    terminal.expect("touch YubiKey 15042118 to open prod (ana in 111122223333) for export, asked by ");
    terminal.expect("once more: touch YubiKey 15042118");
    let out = terminal.finish().releases_nothing();
    out.says("tapvault: no-touch: ");
}
