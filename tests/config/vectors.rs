//! The AWS SDKs' own cases for config files and chains (Apache-2.0, github:smithy-lang/smithy-rs). The project does not
//! contain them: they are read from `TAPVAULT_VECTORS`, else from `../shared/vectors`, and a missing folder is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tapvault::chain::{Base, Chain, ChainError, Request, Sessions, Step, Token};
use tapvault::profile::files::{Platform, locate};
use tapvault::profile::{Config, ConfigText, FileKind, ProfileName};

fn vectors<T: DeserializeOwned>(file: &str) -> T {
    let folder = match std::env::var_os("TAPVAULT_VECTORS") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"),
    };
    let path = folder.join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|err| {
        panic!(
            "{}: {err}; set TAPVAULT_VECTORS to the folder of vectors",
            path.display()
        )
    });
    serde_json::from_slice(&bytes).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

const NO_ENV: [(&str, &str); 0] = [];

fn config(config: &str, credentials: &str) -> Config {
    Config::new(
        ConfigText::parse("config", FileKind::Config, config.into()),
        ConfigText::parse("credentials", FileKind::Credentials, credentials.into()),
        &NO_ENV,
    )
}

type Sections = BTreeMap<String, BTreeMap<String, String>>;

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

#[derive(Deserialize)]
struct ChainTest {
    docs: String,
    input: ChainInput,
    output: ChainOutput,
}

#[derive(Deserialize)]
struct ChainInput {
    profiles: Sections,
    #[serde(default)]
    sso_sessions: Sections,
    selected_profile: String,
}

#[derive(Deserialize)]
enum ChainOutput {
    ProfileChain(Vec<Value>),
    Error(#[allow(dead_code, reason = "matched as an error, not by its words")] String),
}

/// Cases where tapvault means to differ: name, what it does instead, why.
const OVERRIDDEN: [(&str, Instead, &str); 6] = [
    (
        "ignore explicit credentials when source profile is specified",
        Instead::OwnEntry,
        "an entry under the profile's own name wins over source_profile, as in aws-vault",
    ),
    (
        "chained assume role profiles with static credentials (ignore assume role when static credentials present)",
        Instead::OwnKeysThenRole,
        "a profile with an entry and a role is that role, also when it is a source: own keys, then its role, as in aws-vault",
    ),
    (
        "infinite loop with static credentials",
        Instead::OwnEntry,
        "an entry under the profile's own name ends the walk before the loop begins",
    ),
    (
        "Load credentials from a credential_source",
        Instead::NotSupportedYet,
        "instance metadata is no business of a vault on a desk; refused by name",
    ),
    (
        "SSO credentials profile selected",
        Instead::NotSupportedYet,
        "IAM Identity Center comes later",
    ),
    (
        "SSO token profile selected",
        Instead::NotSupportedYet,
        "IAM Identity Center comes later",
    ),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Instead {
    /// The chain is the profile's own entry and its role; without that entry it is the vector's.
    OwnEntry,
    /// As a source, too, a profile's entry is followed by its role.
    OwnKeysThenRole,
    NotSupportedYet,
}

#[test]
fn chains_are_those_of_the_sdks() {
    let tests: Vec<ChainTest> = vectors("assume-role-tests.json");
    assert_eq!(tests.len(), 28);
    let mut overridden = BTreeSet::new();
    for test in &tests {
        let docs = test.docs.as_str();
        let (config, stored) = chain_input(&test.input);
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

/// The case as a config file; profiles with a whole access key are the vault's entries.
fn chain_input(input: &ChainInput) -> (Config, BTreeSet<&str>) {
    let mut text = String::new();
    let named = |kind: &'static str, sections: &Sections| -> String {
        let section = |(name, keys): (&String, &BTreeMap<String, String>)| {
            let keys: String = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
            format!("[{kind} {name}]\n{keys}")
        };
        sections.iter().map(section).collect()
    };
    text.push_str(&named("profile", &input.profiles));
    text.push_str(&named("sso-session", &input.sso_sessions));
    let whole = |keys: &BTreeMap<String, String>| {
        keys.contains_key("aws_access_key_id") && keys.contains_key("aws_secret_access_key")
    };
    let stored = input
        .profiles
        .iter()
        .filter(|(_, keys)| whole(keys))
        .map(|(name, _)| name.as_str());
    (config(&text, ""), stored.collect())
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
