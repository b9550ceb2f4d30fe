//! The AWS SDKs' chains, asked of the program itself: their static keys are put into the vault, and `explain --json` says the plan.
//!
//! The cases are not part of the project; `tests/config/cases.rs` says where they are.

use crate::bench::Bench;
use crate::cases::{ChainInput, ChainOutput, ChainTest, Instead, OVERRIDDEN, chains};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

#[test]
fn explain_says_the_chains_of_the_sdks() {
    let bench = Bench::setup().one_home().start();
    bench.enroll();
    for (number, test) in chains().iter().enumerate() {
        let stored = test.input.stored();
        let case = Case::start(&bench, number, test);
        stored.iter().for_each(|profile| case.add(profile));
        match OVERRIDDEN.iter().find(|(docs, ..)| *docs == test.docs) {
            None => case.expect(),
            Some((_, Instead::OwnEntry, _)) => {
                let own = case.explain(&["--no-session"]).expect("a plan");
                assert_eq!(
                    own["base"]["value"],
                    test.input.selected_profile.as_str(),
                    "{}",
                    test.docs
                );
                assert_eq!(own["steps"].as_array().map(Vec::len), Some(1), "{}", test.docs);
                case.forget(&test.input.selected_profile);
                case.expect();
            }
            Some((_, Instead::OwnKeysThenRole, _)) => {
                let plan = |case: &Case<'_>| as_vector(&test.input, &case.explain(&["--no-session"]).expect("a plan"));
                assert_eq!(
                    plan(&case)[0]["AccessKey"]["access_key_id"],
                    test.input.profiles["A"]["aws_access_key_id"]
                );
                case.forget("A");
                let vector = plan(&case);
                let roles: Vec<&Value> = vector[1..].iter().map(|step| &step["AssumeRole"]["role_arn"]).collect();
                assert_eq!(
                    vector[0]["AccessKey"]["access_key_id"],
                    test.input.profiles["B"]["aws_access_key_id"]
                );
                assert_eq!(
                    roles,
                    [
                        &test.input.profiles["B"]["role_arn"],
                        &test.input.profiles["A"]["role_arn"]
                    ],
                    "{}",
                    test.docs
                );
            }
            Some((_, Instead::NotSupportedYet, _)) => {
                case.run(&[])
                    .fails(3, "config")
                    .says("not supported yet")
                    .releases_nothing();
            }
        }
    }
    assert!(bench.calls().is_empty(), "nobody was called");
}

/// A home of its own with the enrolled token and the case's config.
struct Case<'b> {
    bench: &'b Bench,
    test: &'b ChainTest,
    home: PathBuf,
}

impl<'b> Case<'b> {
    fn start(bench: &'b Bench, number: usize, test: &'b ChainTest) -> Self {
        let home = bench.home().join(number.to_string());
        let copied = Command::new("cp")
            .arg("-a")
            .arg(bench.root().join("one"))
            .arg(&home)
            .status();
        assert!(
            copied.is_ok_and(|status| status.success()),
            "the enrolled home is copied"
        );
        std::fs::write(home.join("aws-config"), test.input.config()).expect("the case's config");
        Case { bench, test, home }
    }

    fn tapvault(&self, arguments: &[&str]) -> crate::bench::Invocation<'b> {
        self.bench
            .tapvault(arguments)
            .env("TAPVAULT_HOME", &self.home)
            .env("AWS_CONFIG_FILE", self.home.join("aws-config"))
    }

    /// Puts the profile's key into the vault, in the form that keys have.
    fn add(&self, profile: &str) {
        let keys = &self.test.input.profiles[profile];
        let secret = format!("{:0<40}", keys["aws_secret_access_key"]);
        self.bench.secret(&format!("{} of {profile}", self.test.docs), &secret);
        self.tapvault(&["add", profile, "--stdin", "--offline"])
            .stdin(&format!("{}\n{secret}\n", id(&keys["aws_access_key_id"])))
            .run()
            .success();
    }

    fn forget(&self, profile: &str) {
        self.tapvault(&["remove", "--force", profile]).run().success();
    }

    fn run(&self, options: &[&str]) -> crate::bench::Output {
        let words = [&["explain", "--json", &self.test.input.selected_profile], options].concat();
        self.tapvault(&words).run().touches(0)
    }

    /// The plan; `None` when there is none, which has to be said as something about the config or the vault.
    fn explain(&self, options: &[&str]) -> Option<Value> {
        let out = self.run(options);
        if out.code == Some(0) {
            return Some(out.json_as("explain"));
        }
        assert!(matches!(out.code, Some(3 | 4)), "{}\n{out}", self.test.docs);
        out.releases_nothing();
        None
    }

    /// The program's plan is the case's; with a session it is the same, after GetSessionToken.
    fn expect(&self) {
        let docs = &self.test.docs;
        let plan = self.explain(&["--no-session"]);
        match (&self.test.output, &plan) {
            (ChainOutput::ProfileChain(expected), Some(plan)) => {
                assert_eq!(&as_vector(&self.test.input, plan), expected, "{docs}");
                let first = self.explain(&[]).expect("a plan")["steps"][0]["call"].clone();
                let usual = match plan["base"]["name"].as_str() {
                    Some("access key") => "GetSessionToken",
                    _ => "AssumeRoleWithWebIdentity",
                };
                assert_eq!(first, usual, "{docs}");
            }
            (ChainOutput::Error(_), None) => {}
            (ChainOutput::ProfileChain(_), None) | (ChainOutput::Error(_), Some(_)) => panic!("{docs}: {plan:?}"),
        }
    }
}

/// An access key ID of a case in the form that AWS's have.
fn id(short: &str) -> String {
    let word: String = short.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("AKIA{:0>16}", word.to_ascii_uppercase())
}

/// A plan in the words of the cases.
fn as_vector(input: &ChainInput, plan: &Value) -> Vec<Value> {
    let mut vector = Vec::new();
    let base = &plan["base"];
    if base["name"] == "access key" {
        let keys = &input.profiles[base["value"].as_str().expect("a profile")];
        assert_eq!(plan["access_key"]["id"], id(&keys["aws_access_key_id"]));
        let mut key = json!({
            "access_key_id": keys["aws_access_key_id"],
            "secret_access_key": keys["aws_secret_access_key"],
        });
        if let Some(account) = keys.get("aws_account_id") {
            key["account_id"] = json!(account);
        }
        vector.push(json!({ "AccessKey": key }));
    }
    for step in plan["steps"].as_array().expect("steps") {
        let kind = match step["call"].as_str() {
            Some("AssumeRoleWithWebIdentity") => "WebIdentityToken",
            Some(call) => call,
            None => panic!("no call: {step}"),
        };
        let wanted = BTreeSet::from(["role_arn", "role_session_name", "external_id"]);
        let facts = step["facts"].as_array().expect("facts");
        let mut call: serde_json::Map<String, Value> = facts
            .iter()
            .filter(|fact| fact["origin"].get("default").is_none())
            .filter_map(|fact| Some((fact["name"].as_str()?.to_owned(), fact["value"].clone())))
            .filter(|(name, _)| wanted.contains(name.as_str()))
            .collect();
        if kind == "WebIdentityToken" {
            call.insert("web_identity_token_file".into(), base["value"].clone());
        }
        vector.push(json!({ kind: call }));
    }
    vector
}
