//! `explain`: what it says is what exec then does, and saying it opens, touches, calls and changes nothing.

use crate::bench::{ANA, Bench, Output, Snapshot};
use serde_json::Value;
use tapvault_lab::aws_standin::ANA_MFA;

const CONFIG: &str = "\
[default]
region = eu-central-1

[profile prod]
mfa_serial = arn:aws:iam::111122223333:mfa/ana

[profile reader]
role_arn = arn:aws:iam::444455556666:role/reader
source_profile = prod

[profile deploy]
role_arn = arn:aws:iam::444455556666:role/ops/deploy
source_profile = reader
duration_seconds = 7200

[profile tagged]
role_arn = arn:aws:iam::444455556666:role/tagged
source_profile = prod
mfa_serial = arn:aws:iam::111122223333:mfa/ana
role_session_name = nightly
session_tags = team=ops,cost=7
transitive_session_tags = team
source_identity = ana
services = lab

[services lab]
sts =
  endpoint_url = https://sts.lab.example

[profile outside]
credential_process = /bin/keys --secret
";

/// Ana's key, and roles over it.
fn bench() -> Bench {
    let bench = Bench::with_prod();
    bench.aws_config(CONFIG);
    bench
}

fn explain(bench: &Bench, words: &[&str]) -> Value {
    let out = bench.tapvault([&["explain", "--json"], words].concat()).run();
    out.success().touches(0).json_as("explain")
}

/// A code of Ana's device that no call has spent.
fn code(bench: &Bench) -> String {
    bench.aws().unused_totp(ANA_MFA).expect("a code")
}

/// The fact of that name, and the JSON of where it came from.
fn fact<'v>(facts: &'v Value, name: &str) -> (&'v str, &'v Value) {
    let found = facts
        .as_array()
        .expect("facts")
        .iter()
        .find(|fact| fact["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name} in {facts:#}"));
    (found["value"].as_str().expect("text"), &found["origin"])
}

fn line(origin: &Value) -> (u64, &str) {
    let file = &origin["file"];
    (
        file["place"]["line"]
            .as_u64()
            .unwrap_or_else(|| panic!("no line: {origin}")),
        file["via"].as_str().unwrap_or_default(),
    )
}

fn effort(plan: &Value, when: &str) -> [u64; 3] {
    ["touches", "codes", "calls"].map(|what| plan[when][what].as_u64().expect("a number"))
}

#[test]
fn nothing_is_opened_touched_called_or_changed() {
    let bench = bench();
    bench.withhold_touches();
    let folders = || [bench.vault(), bench.state_folder(), bench.home()].map(|folder| Snapshot::of(&folder));
    let (before, calls) = (folders(), bench.calls());
    let mark = bench.token().mark().expect("the token listens");
    for words in [
        &["prod"][..],
        &["deploy", "--json"],
        &["tagged", "--refresh", "--recovery"],
    ] {
        let out = bench.tapvault([&["explain"], words].concat()).run();
        let refused = words.contains(&"--recovery");
        if refused {
            out.fails(5, "no-key").says("no recovery key is enrolled");
        } else {
            out.success().touches(0).pins(0, 0);
        }
    }
    assert!(folders() == before, "a file changed");
    assert_eq!(bench.calls(), calls);
    let log = bench.token().log_since(mark).expect("the token listens");
    // It is asked which accounts it has, and nothing that a key or a seed is needed for.
    let harmless = [
        "SELECT",
        "GET VERSION",
        "GET SERIAL",
        "LIST",
        "CALCULATE ALL",
        "SEND REMAINING",
    ];
    for line in &log {
        assert!(
            harmless.iter().any(|name| line.instruction.starts_with(name)),
            "the token was asked: {log:?}"
        );
    }
}

#[test]
fn every_value_says_where_it_came_from() {
    let bench = bench();
    let policy = bench.home().join("policy.json");
    std::fs::write(&policy, "{}").expect("a policy");
    let words = ["tagged", "-d", "30m", "--policy-file", policy.to_str().expect("text")];
    let arn = ["--policy-arn", "arn:aws:iam::aws:policy/ReadOnlyAccess", "-t", "123456"];
    let plan = explain(&bench, &[&words[..], &arn].concat());
    assert_eq!(plan["section"], "~/.aws/config:16");
    assert_eq!(plan["base"]["value"], "prod");
    assert_eq!(line(&plan["base"]["origin"]), (18, "own"));
    assert_eq!(plan["access_key"]["arn"], "arn:aws:iam::111122223333:user/ana");

    let session = &plan["steps"][0];
    assert_eq!(
        (&session["call"], &session["code"]),
        (&"GetSessionToken".into(), &"given".into())
    );
    let (serial, origin) = fact(&session["facts"], "mfa_serial");
    assert_eq!((serial, line(origin)), (ANA_MFA, (5, "own")));
    assert_eq!(fact(&session["facts"], "duration").1["flag"], "--duration");

    let role = &plan["steps"][1];
    let facts = &role["facts"];
    assert_eq!(fact(facts, "role_arn").0, "arn:aws:iam::444455556666:role/tagged");
    assert_eq!(fact(facts, "duration").1["flag"], "--duration");
    assert_eq!(fact(facts, "policy_arn").1["flag"], "--policy-arn");
    assert_eq!(fact(facts, "policy").1["flag"], "--policy-file");
    assert_eq!(
        (fact(facts, "session_tags").0, line(fact(facts, "session_tags").1)),
        ("team=ops,cost=7", (21, "own"))
    );
    assert_eq!(fact(facts, "transitive_session_tags").0, "team");
    assert_eq!(fact(facts, "source_identity").0, "ana");
    assert_eq!(fact(facts, "role_session_name").0, "nightly");
    assert_eq!(fact(facts, "endpoint_url").1["env"], "AWS_ENDPOINT_URL");
    assert_eq!(
        (fact(facts, "region").0, line(fact(facts, "region").1)),
        ("eu-central-1", (2, "default_section"))
    );
    assert!(
        role.get("code").is_none(),
        "the session's code serves for the role: {role}"
    );
    assert_eq!(effort(&plan, "now"), [1, 1, 2]);

    let out = bench
        .tapvault(["explain", "--json", "tagged"])
        .env("AWS_ENDPOINT_URL", "")
        .run();
    let plan = out.success().json_as("explain");
    let (url, origin) = fact(&plan["steps"][1]["facts"], "endpoint_url");
    assert_eq!((url, line(origin)), ("https://sts.lab.example", (28, "services")));
    let (duration, origin) = fact(&plan["steps"][0]["facts"], "duration");
    assert!(duration == "8 h" && origin["default"].is_string(), "{plan:#}");
}

#[test]
fn options_and_variables_that_exec_takes_change_the_plan() {
    let bench = bench();
    assert_eq!(
        explain(&bench, &["prod", "--no-session"])["steps"],
        serde_json::json!([])
    );
    let plan = explain(&bench, &["prod", "--region", "us-west-2"]);
    assert_eq!(
        (&plan["region"]["value"], &plan["region"]["origin"]["flag"]),
        (&"us-west-2".into(), &"--region".into())
    );
    let out = bench
        .tapvault(["explain", "--json"])
        .env("AWS_PROFILE", "prod")
        .env("AWS_MFA_SERIAL", "GAHT12345678")
        .run();
    let plan = out.success().json_as("explain");
    let (serial, origin) = fact(&plan["steps"][0]["facts"], "mfa_serial");
    assert_eq!((serial, &origin["env"]), ("GAHT12345678", &"AWS_MFA_SERIAL".into()));
    bench.tapvault(["explain", "prod", "-d", "5m"]).run().fails(2, "usage");
    bench
        .tapvault(["explain", "prod", "--policy-arn", "arn:aws:iam::aws:policy/X"])
        .run()
        .fails(3, "config");
    bench
        .tapvault(["explain", "prod", "--key", "nobody"])
        .run()
        .fails(5, "no-key");
}

#[test]
fn what_is_said_is_what_exec_then_takes() {
    let bench = bench();
    let plan = explain(&bench, &["deploy"]);
    assert_eq!(
        (effort(&plan, "now"), effort(&plan, "from_nothing")),
        ([1, 1, 3], [1, 1, 3])
    );
    assert_eq!(plan["steps"][2]["cache"], "empty");
    assert_eq!(
        plan["notes"].as_array().map(Vec::len),
        Some(1),
        "the capped duration: {plan:#}"
    );
    let made = bench.calls().len();
    let exec = |words: &[&str]| -> Output {
        bench
            .tapvault([&["exec"], words, &["--", "true"]].concat())
            .run()
            .success()
    };
    exec(&["deploy", "-t", &code(&bench)]).touches(1);
    assert_eq!(bench.calls().len() - made, 3);

    // All three are sealed: the last one is used.
    let plan = explain(&bench, &["deploy"]);
    assert_eq!(
        (effort(&plan, "now"), effort(&plan, "from_nothing")),
        ([1, 0, 0], [1, 1, 3])
    );
    let caches: Vec<&Value> = (0..3).map(|at| &plan["steps"][at]["cache"]).collect();
    assert_eq!(caches, ["not_needed", "not_needed", "used"]);
    let times = ["sealed_until", "used_until"].map(|name| {
        let text = plan["steps"][2][name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name}: {plan:#}"));
        text.parse::<jiff::Timestamp>().expect("a time")
    });
    assert_eq!(times[0].duration_since(times[1]).as_secs(), 300, "min_ttl_seconds");
    exec(&["deploy"]).touches(1);
    assert_eq!(bench.calls().len() - made, 3, "no call was made");

    // Another role over the same session takes one call and no code.
    assert_eq!(effort(&explain(&bench, &["tagged"]), "now"), [1, 0, 1]);
    let plan = explain(&bench, &["deploy", "--refresh"]);
    assert_eq!(effort(&plan, "now"), [1, 1, 3]);
    assert_eq!(plan["steps"][2]["cache"], "passed_over");
}

#[test]
fn a_chain_that_begins_outside_the_vault_takes_no_touch_and_is_never_sealed() {
    let bench = bench();
    bench.aws_config(&format!(
        "{CONFIG}\n[profile role]\nrole_arn = arn:aws:iam::444455556666:role/reader\nsource_profile = outside\n"
    ));
    let plan = explain(&bench, &["role"]);
    assert_eq!(plan["base"]["name"], "credential_process");
    assert_eq!(plan["base"]["value"], "/bin/keys ...", "its arguments may be secrets");
    assert_eq!(
        (&plan["steps"][0]["cache"], &plan["keys"]),
        (&"never".into(), &serde_json::json!([]))
    );
    assert_eq!(effort(&plan, "now"), [0, 0, 1]);
}

#[test]
fn the_keys_that_would_open_it_are_named() {
    let bench = bench();
    let plan = explain(&bench, &["prod"]);
    assert_eq!(
        plan["keys"],
        serde_json::json!([{ "name": "yubikey-15042118", "presence": "touch, PIN" }])
    );
    let text = bench.tapvault(["explain", "prod"]).run().success().stdout;
    assert!(
        text.contains("opened with") && text.contains("yubikey-15042118"),
        "{text}"
    );
    assert!(text.contains("code") && text.contains("asked for"), "{text}");
    assert!(
        text.ends_with("now: 1 touch, 1 code, 1 call. From nothing: 1 touch, 1 code, 1 call\n"),
        "{text}"
    );
}

#[test]
fn without_the_list_of_keys_it_fails_as_exec_does() {
    let bench = bench();
    std::fs::remove_file(bench.vault().join("keys.json")).expect("keys.json");
    std::fs::remove_dir_all(bench.vault().join("keys.d")).expect("keys.d");
    for words in [&["explain", "prod"][..], &["exec", "prod", "--", "true"]] {
        bench
            .tapvault(words)
            .run()
            .fails(10, "damaged")
            .says("keys.json is missing")
            .touches(0);
    }
}

#[test]
fn list_is_as_its_schema_says() {
    let bench = bench();
    assert_eq!(
        bench
            .tapvault(["list", "--json"])
            .run()
            .success()
            .json_as("list")
            .as_array()
            .map(Vec::len),
        Some(6)
    );
    bench
        .tapvault(["exec", "prod", "-t", &code(&bench), "--", "true"])
        .run()
        .success();
    bench.add("spare", ANA);
    let rows = bench.tapvault(["list", "--json"]).run().success().json_as("list");
    let row = |name: &str| {
        rows.as_array()
            .expect("rows")
            .iter()
            .find(|row| row["profile"] == name)
            .expect("a row")
            .clone()
    };
    assert!(
        row("prod")["session_expires"].is_string() && row("spare")["access_key"] == true,
        "{rows:#}"
    );
}
