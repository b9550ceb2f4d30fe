//! What a vault holds, seen from outside, with stock `age` and the key on paper.

use crate::bench::Bench;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Stock age.
const AGE: &str = "/usr/bin/age";

/// What a vault holds, seen from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The names of the enrolled keys.
    pub keys: BTreeSet<String>,
    /// The secret of each profile's access key.
    pub entries: BTreeMap<String, String>,
}

/// What the vault holds: every entry opened by stock `age` with the key on paper, and K compared with the key list.
#[track_caller]
pub fn content(bench: &Bench) -> Content {
    // A change that was committed is finished by whoever comes first.
    let keys = bench.tapvault(["key", "list", "--json"]).run().success().json();
    let keys: BTreeSet<String> = texts(&keys, "name").collect();
    let list = bench.tapvault(["list", "--json"]).run().success().json();
    let rows = list.as_array().expect("rows").iter();
    let listed: BTreeSet<String> = rows
        .filter(|row| row["access_key"] == true)
        .filter_map(|row| row["profile"].as_str().map(str::to_owned))
        .collect();
    let mut content = Content {
        keys,
        entries: BTreeMap::new(),
    };
    if !content.keys.contains("paper") {
        assert!(listed.is_empty(), "a vault with entries has a key on paper here");
        return content;
    }
    let vault = bench.vault();
    let document: serde_json::Value =
        serde_json::from_slice(&fs::read(vault.join("keys.json")).expect("keys.json")).expect("JSON");
    let digest = document["list"]["vault_secret_sha256"].as_str().expect("a digest");
    let mut files = vec![vault.join("vault.age")];
    for entry in vault.join("entries").read_dir().into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "age")
            && !entry.file_name().to_string_lossy().starts_with('.')
        {
            files.push(entry.path());
        }
    }
    for file in files {
        let payload = opened_by_age(bench, &file);
        let secret = BASE64_STANDARD
            .decode(payload["vault_secret"].as_str().expect("K"))
            .expect("base64");
        assert_eq!(hex(&Sha256::digest(secret)), digest, "K in {}", file.display());
        if let Some(secret) = payload["secret_access_key"].as_str() {
            let profile = payload["profile"].as_str().expect("a profile");
            content.entries.insert(profile.to_owned(), secret.to_owned());
        }
    }
    let opened: BTreeSet<String> = content.entries.keys().cloned().collect();
    assert_eq!(listed, opened, "what `list` shows, and what opens");
    content
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn texts<'j>(rows: &'j serde_json::Value, name: &'j str) -> impl Iterator<Item = String> + 'j {
    let rows = rows.as_array().into_iter().flatten();
    rows.filter_map(move |row| row[name].as_str().map(str::to_owned))
}

/// The content of an age file, opened by stock age with the key on paper.
#[track_caller]
pub fn opened_by_age(bench: &Bench, file: &Path) -> serde_json::Value {
    let output = Command::new(AGE)
        .arg("-d")
        .arg("-i")
        .arg(paper_file(bench))
        .arg(file)
        .output()
        .unwrap_or_else(|error| panic!("{AGE} does not run ({error}): apt-get install age"));
    assert!(
        output.status.success(),
        "stock age does not open {}: {}",
        file.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("a payload is JSON")
}

/// The key on paper.
pub fn paper(bench: &Bench) -> String {
    let text = fs::read_to_string(paper_file(bench)).expect("the key on paper");
    text.trim().to_owned()
}

/// Outside of what is searched for secrets.
pub(super) fn paper_file(bench: &Bench) -> PathBuf {
    bench.root().join("paper.txt")
}
