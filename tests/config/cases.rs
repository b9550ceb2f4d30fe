//! The AWS SDKs' cases as they are read: the folder, the chains, and the ones where tapvault means to differ.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A file of cases, from the folder that `TAPVAULT_VECTORS` names, else from `../shared/vectors`.
///
/// # Panics
/// When it is missing or in another form.
pub fn vectors<T: DeserializeOwned>(file: &str) -> T {
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

/// Keys by section.
pub type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// The chains, all 28.
pub fn chains() -> Vec<ChainTest> {
    let tests: Vec<ChainTest> = vectors("assume-role-tests.json");
    assert_eq!(tests.len(), 28);
    tests
}

/// A case of the chains.
#[derive(Deserialize)]
pub struct ChainTest {
    pub docs: String,
    pub input: ChainInput,
    pub output: ChainOutput,
}

/// What is in the config, and which profile is asked for.
#[derive(Deserialize)]
pub struct ChainInput {
    pub profiles: Sections,
    #[serde(default)]
    sso_sessions: Sections,
    pub selected_profile: String,
}

/// What comes of it.
#[derive(Deserialize)]
pub enum ChainOutput {
    ProfileChain(Vec<Value>),
    Error(#[allow(dead_code, reason = "matched as an error, not by its words")] String),
}

/// Cases where tapvault means to differ: name, what it does instead, why.
pub const OVERRIDDEN: [(&str, Instead, &str); 6] = [
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

/// What tapvault does instead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Instead {
    /// The chain is the profile's own entry and its role; without that entry it is the vector's.
    OwnEntry,
    /// As a source, too, a profile's entry is followed by its role.
    OwnKeysThenRole,
    /// Refused by name.
    NotSupportedYet,
}

impl ChainInput {
    /// The case as a config file.
    pub fn config(&self) -> String {
        let named = |kind: &'static str, sections: &Sections| -> String {
            let section = |(name, keys): (&String, &BTreeMap<String, String>)| {
                let keys: String = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
                format!("[{kind} {name}]\n{keys}")
            };
            sections.iter().map(section).collect()
        };
        named("profile", &self.profiles) + &named("sso-session", &self.sso_sessions)
    }

    /// The profiles with a whole access key: they are the vault's entries.
    pub fn stored(&self) -> BTreeSet<&str> {
        let whole = |keys: &BTreeMap<String, String>| {
            keys.contains_key("aws_access_key_id") && keys.contains_key("aws_secret_access_key")
        };
        let stored = self.profiles.iter().filter(|(_, keys)| whole(keys));
        stored.map(|(name, _)| name.as_str()).collect()
    }
}
