//! Moving in from elsewhere: access keys from files and from other programs come into the vault, and what is left is said.

mod aws_vault;
mod csv;
mod plain_files;
mod scrub;

use crate::bench::Bench;
use crate::bench::run::Output;
use std::fs;
use std::path::PathBuf;

/// A user's key that the stand-in does not know.
const UNKNOWN: (&str, &str) = ("AKIATAPVAULTNOSUCH22", "nosuchsecretnosuchsecretnosuchsecret/+22");
/// A temporary key, as it stands in files.
const TEMPORARY: (&str, &str, &str) = (
    "ASIATAPVAULTNOSUCH22",
    "temporarysecrettemporarysecrettempora/+2",
    "temporarytokentemporarytokentemporarytoken",
);

/// A file with secrets in it, which the test put there.
fn secret_file(bench: &Bench, path: &str, text: &str) -> PathBuf {
    let path = bench.home().join(path);
    fs::write(&path, text).expect("a file with keys");
    bench.except_file(&path);
    path
}

/// The secret that an entry gives out.
fn secret_of(bench: &Bench, profile: &str) -> String {
    let out = bench
        .tapvault(["export", profile, "-n", "--format", "json"])
        .prints_secrets()
        .run()
        .success();
    out.json()["SecretAccessKey"].as_str().expect("a secret").to_owned()
}

/// `import WORDS`, not by a person at a terminal.
fn import(bench: &Bench, words: &[&str]) -> Output {
    bench.tapvault([&["import"], words].concat()).run()
}
