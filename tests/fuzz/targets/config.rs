//! The two AWS files, and every plan that follows from them.

use super::is_plain;
use std::collections::BTreeMap;
use tapvault::agent::protocol::plan::Plan;
use tapvault::chain::{Chain, Request};
use tapvault::profile::{Config, ConfigText, FileKind, ProfileName};

const NO_ENV: [(&str, &str); 0] = [];

/// So many profiles are planned and edited; a file of many would only be slow.
const ENOUGH: usize = 4;

/// The config file; behind a NUL, which no such file has, the credentials file.
pub fn config(bytes: &[u8]) -> bool {
    let mut files = bytes.splitn(2, |byte| *byte == 0);
    let mut text = |file, kind| {
        let bytes = files.next().unwrap_or_default();
        let text = ConfigText::parse(file, kind, bytes.to_vec());
        assert_eq!(text.as_bytes(), bytes);
        text
    };
    let (config_file, credentials) = (
        text("config", FileKind::Config),
        text("credentials", FileKind::Credentials),
    );
    let config = Config::new(config_file.clone(), credentials.clone(), &NO_ENV);
    for trouble in config.troubles() {
        assert!(trouble.problem.place.line >= 1);
        is_plain(&trouble.problem.fault.to_string());
    }
    let names: Vec<ProfileName> = config
        .names()
        .filter_map(|name| name.parse().ok())
        .take(ENOUGH)
        .collect();
    let mut planned = false;
    for name in names.iter().chain([&"unheard-of".parse().expect("a name")]) {
        // With every profile's access key in the vault, and with none.
        for stored in [true, false] {
            match Chain::plan(&config, name, &Request::default(), &|_| stored) {
                Ok(chain) => {
                    planned |= !chain.steps.is_empty();
                    is_told_whole(&chain);
                }
                Err(error) => {
                    is_plain(&error.to_string());
                    error.hints().iter().for_each(|hint| is_plain(hint));
                }
            }
        }
    }
    for text in [&config_file, &credentials] {
        text.keys_passed_over();
        text.commented_keys();
        text.lines_with("secret");
        for keys in text.static_keys() {
            assert!(keys.place.line >= 1);
        }
        names.iter().take(2).for_each(|name| is_edited_in_place(text, name));
    }
    planned
}

/// It can be explained, and the agent gets what the client meant.
fn is_told_whole(chain: &Chain) {
    let facts: Vec<_> = chain.steps.iter().flat_map(|step| step.facts("tapvault-ana")).collect();
    let inputs = serde_json::to_string(&chain.inputs(usize::MAX)).expect("JSON");
    serde_json::to_string(&(facts, chain.base.fact())).expect("JSON");
    let Some(plan) = Plan::of(chain) else { return };
    let sent = serde_json::to_vec(&plan).expect("JSON");
    let arrived: Plan = serde_json::from_slice(&sent).expect("what was sent");
    let (there, entry) = arrived.chain().expect("what this client sends");
    assert_eq!(Some(&entry), chain.entry());
    assert_eq!(there.profile.name, chain.profile.name);
    assert_eq!(serde_json::to_string(&there.inputs(usize::MAX)).expect("JSON"), inputs);
    let profiles = |chain: &Chain| -> Vec<ProfileName> {
        let profiles = chain.steps.iter().map(|step| step.profile());
        profiles.cloned().collect()
    };
    assert_eq!(profiles(&there), profiles(chain));
}

/// What is set is read back, what is removed is gone, and nothing else changes; what is refused changes nothing.
fn is_edited_in_place(before: &ConfigText, name: &ProfileName) {
    let mut after = before.clone();
    if after.set(name, "region", "eu-west-1").is_ok() {
        assert_eq!(value(&after, name, "region").as_deref(), Some("eu-west-1"));
        assert_eq!(others(&after, name), others(before, name));
        assert!(after.remove(name, "region").expect("it was set"));
        assert_eq!(value(&after, name, "region"), None);
        assert_eq!(others(&after, name), others(before, name));
    } else {
        assert_eq!(after.as_bytes(), before.as_bytes());
    }
    let mut after = before.clone();
    if after.replace_static_keys(name, "tapvault export x").is_ok() {
        assert_eq!(
            value(&after, name, "credential_process").as_deref(),
            Some("tapvault export x")
        );
        assert_eq!(value(&after, name, "aws_secret_access_key"), None);
        assert_eq!(others(&after, name), others(before, name));
    } else {
        assert_eq!(after.as_bytes(), before.as_bytes());
    }
}

/// The file alone.
fn alone(text: &ConfigText) -> Config {
    let other = match text.kind() {
        FileKind::Config => FileKind::Credentials,
        FileKind::Credentials => FileKind::Config,
    };
    let empty = ConfigText::parse("none", other, Vec::new());
    match text.kind() {
        FileKind::Config => Config::new(text.clone(), empty, &NO_ENV),
        FileKind::Credentials => Config::new(empty, text.clone(), &NO_ENV),
    }
}

fn value(text: &ConfigText, name: &ProfileName, key: &str) -> Option<String> {
    let config = alone(text);
    let property = config.profile(name.as_str())?.property(key)?;
    Some(property.value())
}

/// Every other profile and its keys.
fn others(text: &ConfigText, but: &ProfileName) -> BTreeMap<String, BTreeMap<String, String>> {
    let config = alone(text);
    let names = config.names().filter(|name| *name != but.as_str());
    names
        .map(|name| (name.to_owned(), config.profile(name).expect("it is named").to_map()))
        .collect()
}
