//! What is fed, and what has to hold for any bytes at all. Shared by the fuzzer (`main.rs`) and by the test that replays the corpus
//! (`replay.rs`).

mod card;
mod config;
mod fido2;
mod frames;
pub mod key_list;
pub mod sealed;

/// Reads the bytes as one of tapvault's readers does, and panics when a promise is broken. Says whether they were taken for good:
/// a corpus of which nothing is taken has gone stale.
pub type Target = fn(&[u8]) -> bool;

/// The targets by name, which is also the name of the corpus's folder.
pub const ALL: [(&str, Target); 8] = [
    ("config", config::config),
    ("age", sealed::age),
    ("payload", sealed::payload),
    ("keys", key_list::keys),
    ("piv", card::piv),
    ("oath", card::oath),
    ("fido2", fido2::fido2),
    ("frames", frames::frames),
];

/// Text that is shown to a person: it must not steer the terminal, whatever it quotes.
fn is_plain(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// As [`is_plain`], for an error and what it advises.
fn is_plain_error(error: &tapvault::error::Error) {
    is_plain(error.message());
    error.hints().iter().for_each(|hint| is_plain(hint));
}
