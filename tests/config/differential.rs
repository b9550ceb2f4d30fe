//! The same files read by `aws_config` and by us: same profiles, same values, and the same files refused.
//!
//! Left out is what differs on purpose or by luck: quoted names (the SDK drops them), a byte order mark and bytes that are
//! no UTF-8 (it drops the file), and headers of one name written differently (it merges them in the order of a hash map).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_config::profile::{ProfileFileLoadError, ProfileSet};
use aws_types::os_shim_internal::{Env, Fs};
use proptest::prelude::*;
use serde::Deserialize;
use tapvault::profile::{Config, ConfigText, FileKind};

/// Files from memory are there at once, so polling until ready is a runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

fn sdk(config: &str, credentials: &str) -> Result<ProfileSet, ProfileFileLoadError> {
    let files = [("config", config), ("credentials", credentials)];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let fs = Fs::from_map(files.into_iter().collect());
    let env = Env::from_slice(&[
        ("AWS_CONFIG_FILE", "config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    ]);
    block_on(aws_config::profile::load(&fs, &env, &Default::default(), None))
}

fn ours(config: &str, credentials: &str) -> Config {
    let env: [(&str, &str); 0] = [];
    Config::new(
        ConfigText::parse("config", FileKind::Config, config.into()),
        ConfigText::parse("credentials", FileKind::Credentials, credentials.into()),
        &env,
    )
}

fn compare(config: &str, credentials: &str) {
    let ours = ours(config, credentials);
    let case = format!("config:\n{config}\ncredentials:\n{credentials}");
    let sdk = match sdk(config, credentials) {
        Err(error) => {
            assert!(ours.troubles().count() > 0, "only the SDK refuses: {error}\n{case}");
            return;
        }
        Ok(sdk) => sdk,
    };
    if let Some(trouble) = ours.troubles().next() {
        panic!("only we refuse: {trouble:?}\n{case}");
    }
    let names: BTreeSet<&str> = sdk.profiles().filter(|name| !name.is_empty()).collect();
    assert_eq!(ours.names().collect::<BTreeSet<_>>(), names, "{case}");
    for name in names {
        let read = ours.profile(name).expect("it is named").to_map();
        let profile = sdk.get_profile(name).expect("it is named");
        for (key, value) in &read {
            assert_eq!(profile.get(key), Some(value.as_str()), "{name} {key}\n{case}");
        }
        // The SDK lists no keys, so those that could be there are asked for.
        for key in KEYS {
            let key = key.to_ascii_lowercase();
            assert_eq!(
                profile.get(&key).is_some(),
                read.contains_key(&key),
                "{name} {key}\n{case}"
            );
        }
    }
    for session in ["a", "b"] {
        let read = ours.sso_session(session).map(|session| session.to_map());
        let other = sdk.sso_session(session);
        assert_eq!(read.is_some(), other.is_some(), "{session}\n{case}");
        for (key, value) in read.iter().flatten() {
            assert_eq!(
                other.and_then(|other| other.get(key)),
                Some(value.as_str()),
                "{session} {key}\n{case}"
            );
        }
    }
}

const KEYS: [&str; 8] = ["region", "Region", "role_arn", "s3", "a.b", "in valid", "k#", "größe"];

fn header() -> impl Strategy<Value = String> {
    let headers = [
        "[default]",
        "[profile default]",
        "[profile a]",
        "[profile b]",
        "[a]",
        "[b]",
        "[profile in valid]",
        "[profilea]",
        "[]",
        "[profile]",
        "[profile a",
        "[profile a]]",
        "[sso-session a]",
        "[sso-session b]",
        "[services s]",
        "[foo bar]",
        "[profile ö]",
    ];
    let tails = prop::sample::select(vec!["", " ", "#c", "; c", " # c", " x", "\t"]);
    (prop::sample::select(headers.to_vec()), tails).prop_map(|(header, tail)| format!("{header}{tail}"))
}

fn line() -> impl Strategy<Value = String> {
    let between = prop::sample::select(vec!["=", " = ", "\t=\t", " =", ""]);
    let value = prop::sample::select(vec![
        "",
        "x",
        "a=b",
        "x # c",
        "x;c",
        "x\t;c",
        "x\u{a0}#c",
        "#c",
        "ö\r",
        "  x  ",
    ]);
    let text = prop_oneof![
        4 => header(),
        8 => (prop::sample::select(KEYS.to_vec()), between, value).prop_map(|(key, is, value)| format!("{key}{is}{value}")),
        3 => prop::sample::select(vec!["  k = v", "\tk=", " = v", " more", "  # c", " k = v # c", "   "]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["", "# c", ";", "=", "= v", "key : v", "\u{b}", "\u{a0}x"]).prop_map(str::to_owned),
    ];
    (text, prop::sample::select(vec!["\n", "\n", "\r\n"])).prop_map(|(text, end)| format!("{text}{end}"))
}

fn file() -> impl Strategy<Value = String> {
    // Few lines, so that many files have nothing wrong with them.
    (header(), prop::collection::vec(line(), 0..8)).prop_map(|(header, lines)| format!("{header}\n{}", lines.concat()))
}

/// Lines that are all right, so that files are read to the end.
fn good_file() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        2 => prop::sample::select(vec!["[default]", "[profile default]", "[profile a]", "[a]", "[sso-session a]", "# c", "", "[services s]"])
            .prop_map(str::to_owned),
        5 => (prop::sample::select(vec!["region", "Region", "role_arn", "a.b"]), prop::sample::select(vec!["x", "a=b", "x # c", "x;c"]))
            .prop_map(|(key, value)| format!("{key} = {value}\n  more # c")),
        2 => Just("s3 =\n  k = v\n\n  l =".to_owned()),
    ];
    prop::collection::vec(line, 0..16).prop_map(|lines| format!("[profile a]\n{}", lines.join("\n")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_config_is_read_alike(config in file()) {
        compare(&config, "");
    }

    #[test]
    fn both_files_are_merged_alike(config in good_file(), credentials in good_file()) {
        compare(&config, &credentials.replace("profile ", ""));
    }
}

#[derive(Deserialize)]
struct Vectors {
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    input: BTreeMap<String, String>,
}

#[test]
fn the_vectors_are_read_alike() {
    let folder = match std::env::var_os("TAPVAULT_VECTORS") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"),
    };
    let vectors =
        std::fs::read(folder.join("profile-parser-tests.json")).expect("TAPVAULT_VECTORS or ../shared/vectors");
    let vectors: Vectors = serde_json::from_slice(&vectors).unwrap();
    assert_eq!(vectors.tests.len(), 65);
    for vector in &vectors.tests {
        let text = |file| vector.input.get(file).map(String::as_str).unwrap_or_default();
        compare(text("configFile"), text("credentialsFile"));
    }
}
