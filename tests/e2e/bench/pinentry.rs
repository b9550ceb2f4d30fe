//! The fake pinentry: its answers, and what it was asked.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// An answer that closes the window.
pub const CANCEL: &str = "!cancel";

/// The script finds its answers in the folder of the link by which it is called.
pub fn install(hand: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/bench/pinentry.sh");
    symlink(script, program(hand)).expect("a link to the fake pinentry");
}

pub fn program(hand: &Path) -> PathBuf {
    hand.join("pinentry")
}

pub fn knows(hand: &Path, words: &str, answer: &str) {
    let file = hand.join("known");
    let mut lines = fs::read_to_string(&file).unwrap_or_default();
    // The latest comes first.
    lines.insert_str(0, &format!("{words} {answer}\n"));
    fs::write(file, lines).expect("what pinentry knows");
}

pub fn answers(hand: &Path, answers: &[&str]) {
    let mut file = fs::File::create(hand.join("answers")).expect("pinentry's answers");
    for answer in answers {
        writeln!(file, "{answer}").expect("pinentry's answers");
    }
}

pub fn asked(hand: &Path) -> Vec<String> {
    let asked = fs::read_to_string(hand.join("asked")).unwrap_or_default();
    asked.lines().map(str::to_owned).collect()
}
