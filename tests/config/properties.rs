//! What has to hold for any file at all.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tapvault::chain::{Chain, Request};
use tapvault::profile::{Config, ConfigText, FileKind, ProfileName};

const NO_ENV: [(&str, &str); 0] = [];

fn parse(bytes: &[u8]) -> ConfigText {
    ConfigText::parse("config", FileKind::Config, bytes.to_vec())
}

fn config(text: &ConfigText) -> Config {
    let credentials = ConfigText::parse("credentials", FileKind::Credentials, text.as_bytes().to_vec());
    Config::new(text.clone(), credentials, &NO_ENV)
}

/// Every profile and its keys, without the one named.
fn others(text: &ConfigText, without: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let config = Config::new(text.clone(), parse(b""), &NO_ENV);
    let names = config.names().filter(|name| *name != without);
    names
        .map(|name| (name.to_owned(), config.profile(name).expect("it is named").to_map()))
        .collect()
}

/// A line as people write them, or nearly.
fn line() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["default", "a", "b", "\"a b\"", "it's", "x y", "ö", ""]);
    let key = prop::sample::select(vec![
        "region",
        "Region",
        "role_arn",
        "source_profile",
        "include_profile",
        "credential_process",
        "s3",
        "in valid",
        "services",
    ]);
    let value = prop::sample::select(vec![
        "",
        "a",
        "b",
        "default",
        "arn:aws:iam::1:role/r",
        "x # note",
        "tapvault export a",
        "sh -c 'tapvault",
        "ö\u{7f}",
        "a;b",
    ]);
    let end = prop::sample::select(vec!["\n", "\r\n", "\r", ""]);
    let text = prop_oneof![
        3 => (prop::sample::select(vec!["profile ", "", "services ", "sso-session "]), name).prop_map(|(kind, name)| format!("[{kind}{name}]")),
        5 => (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
        2 => (key_or_nothing(), "[ -~]{0,12}").prop_map(|(indent, text)| format!("{indent}{text}")),
        1 => "[#;][ -~]{0,8}",
        1 => "\\PC{0,12}",
    ];
    (text, end).prop_map(|(text, end)| format!("{text}{end}"))
}

fn key_or_nothing() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![" ", "\t", "  sts = ", " endpoint_url = "])
}

fn file() -> impl Strategy<Value = String> {
    prop::collection::vec(line(), 0..24).prop_map(|lines| lines.concat())
}

/// Nothing panics and nothing hangs, whatever the file says.
fn exercise(text: &ConfigText) {
    let config = config(text);
    for trouble in config.troubles() {
        assert!(trouble.problem.place.line >= 1);
    }
    let names: Vec<ProfileName> = config.names().filter_map(|name| name.parse().ok()).collect();
    for name in names.iter().chain([&"unheard-of".parse().expect("a name")]) {
        for stored in [true, false] {
            match Chain::plan(&config, name, &Request::default(), &|_| stored) {
                Ok(chain) => {
                    let facts: Vec<_> = chain
                        .steps
                        .iter()
                        .flat_map(|step| step.facts("tapvault-ana"))
                        .chain([chain.base.fact()])
                        .collect();
                    serde_json::to_string(&(facts, chain.inputs(9))).expect("JSON");
                }
                Err(error) => {
                    let told = [vec![error.to_string()], error.hints()].concat();
                    assert!(told.iter().all(|line| !line.chars().any(char::is_control)), "{told:?}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_and_kept(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = parse(&bytes);
        prop_assert_eq!(text.as_bytes(), bytes.as_slice());
        exercise(&text);
    }

    #[test]
    fn any_file_is_read_and_kept(file in file()) {
        let text = parse(file.as_bytes());
        prop_assert_eq!(text.as_bytes(), file.as_bytes());
        exercise(&text);
    }

    #[test]
    fn what_is_set_is_read_back_and_nothing_else_changes(
        file in file(),
        name in prop::sample::select(vec!["default", "a", "a b", "new", "q\"u'o]t#e"]),
        key in prop::sample::select(vec!["region", "S3", "new_key"]),
        value in "[ -~]{0,12}|\\PC{0,6}",
    ) {
        let before = parse(file.as_bytes());
        let mut after = before.clone();
        let name: ProfileName = name.parse().unwrap();
        if after.set(&name, key, &value).is_ok() {
            let read = config_only(&after).profile(name.as_str()).unwrap().property(key).unwrap().value();
            prop_assert_eq!(read, value);
            prop_assert_eq!(others(&after, name.as_str()), others(&before, name.as_str()));
            // One more when a comment behind the value moved to a line of its own.
            let mut kept = comments(&after).into_iter();
            prop_assert!(comments(&before).iter().all(|comment| kept.any(|other| other == *comment)));
            prop_assert_eq!(after.problems().len(), before.problems().len());
            let once = after.as_bytes().to_vec();
            let value = config_only(&after).profile(name.as_str()).unwrap().property(key).unwrap().value();
            after.set(&name, key, &value).unwrap();
            prop_assert_eq!(after.as_bytes(), once.as_slice());
            prop_assert!(after.remove(&name, key).unwrap());
            prop_assert!(config_only(&after).profile(name.as_str()).unwrap().property(key).is_none());
            prop_assert_eq!(others(&after, name.as_str()), others(&before, name.as_str()));
        } else {
            prop_assert_eq!(after.as_bytes(), before.as_bytes());
        }
    }
}

fn config_only(text: &ConfigText) -> Config {
    Config::new(text.clone(), parse(b""), &NO_ENV)
}

/// The comment lines, in order.
fn comments(text: &ConfigText) -> Vec<Vec<u8>> {
    let lines = text.as_bytes().split(|&byte| byte == b'\n');
    lines
        .filter(|line| line.starts_with(b"#") || line.starts_with(b";"))
        .map(|line| line.trim_ascii_end().to_vec())
        .collect()
}

#[test]
fn a_line_of_ten_megabytes_is_a_value_like_any_other() {
    let mut file = b"[profile a]\nregion = ".to_vec();
    file.resize(10 << 20, b'x');
    file.extend_from_slice(b"\n[profile b]\nregion = eu-west-1\n");
    let text = parse(&file);
    let config = config_only(&text);
    assert!(config.names().eq(["a", "b"]));
    let error = Chain::plan(&config, &"a".parse().unwrap(), &Request::default(), &|_| true).unwrap_err();
    assert!(error.to_string().len() < 300, "an error does not repeat it");
    assert!(Chain::plan(&config, &"b".parse().unwrap(), &Request::default(), &|_| true).is_ok());
}
