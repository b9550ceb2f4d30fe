//! The AWS SDKs' own cases for config files and chains (Apache-2.0, github:smithy-lang/smithy-rs). The project does not
//! contain them; [`cases`] reads them. `tests/e2e/vectors.rs` asks the program itself about the chains.

mod cases;

use cases::{ChainInput, ChainOutput, Instead, OVERRIDDEN, Sections, chains, vectors};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use tapvault::chain::{Base, Chain, ChainError, Request, Sessions, Step, Token};
use tapvault::profile::files::{Platform, locate};
use tapvault::profile::{Config, ConfigText, FileKind, ProfileName};

const NO_ENV: [(&str, &str); 0] = [];

fn config(config: &str, credentials: &str) -> Config {
    Config::new(
        ConfigText::parse("config", FileKind::Config, config.into()),
        ConfigText::parse("credentials", FileKind::Credentials, credentials.into()),
        &NO_ENV,
    )
}

#[derive(Deserialize)]
struct ParserTests {
    tests: Vec<ParserTest>,
}

#[derive(Deserialize)]
struct ParserTest {
    name: String,
    input: ParserInput,
    output: ParserOutput,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParserInput {
    #[serde(default)]
    config_file: String,
    #[serde(default)]
    credentials_file: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParserOutput {
    config: Option<ParsedConfig>,
    error_containing: Option<String>,
}

#[derive(Deserialize)]
struct ParsedConfig {
    profiles: Sections,
    #[serde(default)]
    sso_sessions: Option<Sections>,
}

/// All 65 pass: where the SDKs refuse the file, the line is named, and it spoils the profile it stands in.
#[test]
fn config_files_are_read_as_the_sdks_read_them() {
    let tests: ParserTests = vectors("profile-parser-tests.json");
    assert_eq!(tests.tests.len(), 65);
    for test in &tests.tests {
        let config = config(&test.input.config_file, &test.input.credentials_file);
        let name = &test.name;
        match (&test.output.config, &test.output.error_containing) {
            (Some(expected), None) => {
                let read: Sections = config
                    .names()
                    .map(|name| (name.to_owned(), config.profile(name).unwrap().to_map()))
                    .collect();
                assert_eq!(read, expected.profiles, "{name}");
                assert_eq!(config.troubles().count(), 0, "{name}");
                for (session, keys) in expected.sso_sessions.iter().flatten() {
                    assert_eq!(&config.sso_session(session).unwrap().to_map(), keys, "{name}");
                }
            }
            (None, Some(_)) => {
                let trouble = config.troubles().next().unwrap_or_else(|| panic!("{name}: no error"));
                if let Some(profile) = trouble.profile {
                    let error = Chain::plan(&config, &profile.parse().unwrap(), &Request::default(), &|_| true);
                    let message = error.unwrap_err().to_string();
                    assert!(
                        message.starts_with(&trouble.problem.place.to_string()),
                        "{name}: {message}"
                    );
                }
            }
            (Some(_), Some(_)) | (None, None) => panic!("{name}: a case that is neither"),
        }
    }
}

#[derive(Deserialize)]
struct LocationTests {
    tests: Vec<LocationTest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LocationTest {
    name: String,
    environment: BTreeMap<String, String>,
    platform: String,
    profile: Option<String>,
    config_location: String,
    credentials_location: String,
}

#[test]
fn files_are_found_where_the_sdks_find_them() {
    let tests: LocationTests = vectors("file-location-tests.json");
    assert_eq!(tests.tests.len(), 9);
    for test in &tests.tests {
        let platform = match test.platform.as_str() {
            "linux" => Platform::Unix,
            "windows" => Platform::Windows,
            other => panic!("{}: platform {other}", test.name),
        };
        let found = |kind| locate(kind, &test.environment, platform).unwrap().path;
        assert_eq!(
            found(FileKind::Config),
            PathBuf::from(&test.config_location),
            "{}",
            test.name
        );
        assert_eq!(
            found(FileKind::Credentials),
            PathBuf::from(&test.credentials_location),
            "{}",
            test.name
        );
        if let Some(profile) = &test.profile {
            let empty = |kind| ConfigText::parse("", kind, Vec::new());
            let config = Config::new(empty(FileKind::Config), empty(FileKind::Credentials), &test.environment);
            assert_eq!(
                config.named_by_environment().unwrap_or("default"),
                profile,
                "{}",
                test.name
            );
        }
    }
}

#[test]
fn chains_are_those_of_the_sdks() {
    let tests = chains();
    let mut overridden = BTreeSet::new();
    for test in &tests {
        let docs = test.docs.as_str();
        let (config, stored) = (config(&test.input.config(), ""), test.input.stored());
        let name: ProfileName = test.input.selected_profile.parse().unwrap();
        let plan = |stored: &BTreeSet<&str>, sessions| {
            let request = Request {
                sessions,
                ..Request::default()
            };
            Chain::plan(&config, &name, &request, &|name| stored.contains(name.as_str()))
        };
        let planned = plan(&stored, Sessions::Skipped);
        match OVERRIDDEN.iter().find(|(name, ..)| *name == docs) {
            Some((name, Instead::OwnEntry, _)) => {
                overridden.insert(*name);
                let own = planned.unwrap();
                assert_eq!(own.entry().unwrap().as_str(), test.input.selected_profile, "{docs}");
                assert_eq!(own.steps.len(), 1, "{docs}");
                let mut others = stored.clone();
                others.remove(test.input.selected_profile.as_str());
                expect(docs, &test.input, &test.output, plan(&others, Sessions::Skipped));
            }
            Some((name, Instead::OwnKeysThenRole, _)) => {
                overridden.insert(*name);
                assert_eq!(planned.unwrap().entry().unwrap().as_str(), "A", "{docs}");
                let chain = plan(&BTreeSet::from(["B", "C"]), Sessions::Skipped).unwrap();
                let roles: Vec<_> = chain
                    .steps
                    .iter()
                    .map(|step| step.role().expect("a role").value.role())
                    .collect();
                assert_eq!(
                    (chain.entry().unwrap().as_str(), roles),
                    ("B", vec!["RoleB", "RoleA"]),
                    "{docs}"
                );
            }
            Some((name, Instead::NotSupportedYet, _)) => {
                overridden.insert(*name);
                assert!(
                    matches!(planned, Err(ChainError::NotSupportedYet { .. })),
                    "{docs}: {planned:?}"
                );
            }
            None => {
                expect(docs, &test.input, &test.output, planned);
                with_a_session(docs, plan(&stored, Sessions::Made));
            }
        }
    }
    assert_eq!(overridden.len(), OVERRIDDEN.len(), "an overridden case is gone");
}

fn expect(docs: &str, input: &ChainInput, output: &ChainOutput, planned: Result<Chain, ChainError>) {
    match (output, planned) {
        (ChainOutput::ProfileChain(expected), Ok(chain)) => assert_eq!(&as_vector(input, &chain), expected, "{docs}"),
        (ChainOutput::Error(_), Err(_)) => {}
        (ChainOutput::ProfileChain(_), Err(error)) => panic!("{docs}: {error}"),
        (ChainOutput::Error(_), Ok(chain)) => panic!("{docs}: {chain:?}"),
    }
}

/// With sessions the same roles follow, after GetSessionToken if an entry is the base.
fn with_a_session(docs: &str, planned: Result<Chain, ChainError>) {
    let Ok(chain) = planned else {
        return;
    };
    let first = chain.steps.first().map(Step::call);
    let expected = match chain.base {
        Base::Entry { .. } => "GetSessionToken",
        Base::WebIdentity { .. } => "AssumeRoleWithWebIdentity",
        Base::CredentialProcess { .. } => panic!("{docs}: no case has a process"),
    };
    assert_eq!(first, Some(expected), "{docs}");
}

/// A plan in the words of the vectors. The access key itself is in the case's profile, as the vault knows only its name.
fn as_vector(input: &ChainInput, chain: &Chain) -> Vec<Value> {
    let mut vector = Vec::new();
    if let Base::Entry { profile, .. } = &chain.base {
        let keys = &input.profiles[profile.as_str()];
        let mut key = json!({
            "access_key_id": keys["aws_access_key_id"],
            "secret_access_key": keys["aws_secret_access_key"],
        });
        if let Some(account) = keys.get("aws_account_id") {
            key["account_id"] = json!(account);
        }
        vector.push(json!({ "AccessKey": key }));
    }
    for step in &chain.steps {
        let mut call = json!({ "role_arn": step.role().expect("a role").value.as_str() });
        let mut add = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                call[key] = json!(value);
            }
        };
        let kind = match step {
            Step::GetSessionToken(_) => panic!("no session was asked for"),
            Step::AssumeRole(step) => {
                add(
                    "role_session_name",
                    step.session_name.as_ref().map(|name| name.value.as_str()),
                );
                add("external_id", step.external_id.as_ref().map(|id| id.value.as_str()));
                "AssumeRole"
            }
            Step::AssumeRoleWithWebIdentity(step) => {
                add(
                    "role_session_name",
                    step.session_name.as_ref().map(|name| name.value.as_str()),
                );
                if let Base::WebIdentity {
                    token: Token::File(path),
                    ..
                } = &chain.base
                {
                    add("web_identity_token_file", Some(path));
                }
                "WebIdentityToken"
            }
        };
        vector.push(json!({ kind: call }));
    }
    vector
}
