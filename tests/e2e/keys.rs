//! Keys come and go: names, touches, what is sealed to whom, and what each kind is said to be worth.

mod changes;
mod enrolling;
mod listing;

use crate::bench::Bench;
use crate::bench::run::Output;
use crate::tampering::list;
use std::fs;
use std::path::Path;
use tapvault::agefile::AgeFile;
use tapvault::wrap::EnrolledKey;

const FIRST: &str = "yubikey-15042118";
const SECOND: &str = "yubikey-15042177";
const WORDS: &str = "eight.words.or.so";

/// `key enroll passphrase`, with the passphrase from pinentry.
fn enroll_passphrase(bench: &Bench, more: &[&str]) -> Output {
    bench.secret("passphrase", WORDS);
    bench.pinentry_answers(&[WORDS, WORDS]);
    bench.tapvault([&["key", "enroll", "passphrase"], more].concat()).run()
}

/// Enrolls the token with this serial number, without a PIN.
fn enroll_token(bench: &Bench, serial: u32, more: &[&str]) -> Output {
    let serial = serial.to_string();
    let words = ["key", "enroll", "piv", "--pin-policy", "never", "--serial", &serial];
    bench.tapvault([&words, more].concat()).run()
}

/// The enrolled keys' names, as `key list --json` gives them.
fn names(bench: &Bench) -> Vec<String> {
    let listed = bench.tapvault(["key", "list", "--json"]).run().success().json();
    let rows = listed.as_array().expect("a list").iter();
    rows.map(|row| row["name"].as_str().expect("a name").to_owned())
        .collect()
}

/// Every age file of the vault that is sealed to keys, by its name.
fn sealed_files(vault: &Path) -> Vec<(String, AgeFile)> {
    let mut files = vec!["vault.age".to_owned()];
    for part in ["entries", "sessions"] {
        for file in vault.join(part).read_dir().into_iter().flatten() {
            files.push(format!(
                "{part}/{}",
                file.expect("a file").file_name().to_string_lossy()
            ));
        }
    }
    files.retain(|file| file.ends_with(".age"));
    let parsed = files.into_iter().map(|file| {
        let bytes = fs::read(vault.join(&file)).expect("read");
        let parsed = AgeFile::parse(&file, bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
        (file, parsed)
    });
    parsed.collect()
}

/// Whether a stanza in this file names the PIV key.
fn is_sealed_to(file: &AgeFile, key: &EnrolledKey) -> bool {
    key.piv_recipient().expect("a PIV key").find(file.stanzas()).is_some()
}

fn key_called(bench: &Bench, name: &str) -> EnrolledKey {
    let list = list(&bench.vault().join("keys.json"));
    let key = list.key(&name.parse().expect("a name")).cloned();
    key.unwrap_or_else(|| panic!("no key is called {name}"))
}
