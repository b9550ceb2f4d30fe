//! Somebody can write the vault's folder and holds no key: whatever is put there is found out before anything is handed out.

mod entries;
mod key_list;
mod sessions;

use crate::bench::Bench;

/// What a command prints that must not have run.
const RUNS: [&str; 5] = ["exec", "dev", "--", "echo", "released"];

/// Pinentry answers when a passphrase key is to be made.
fn knows_a_passphrase(bench: &Bench) {
    bench.pinentry_knows("passphrase", "eight.words.or.so");
    bench.pinentry_knows("once", "eight.words.or.so");
}
