//! What leads to a vault that a command is cut short on: keys, entries, copies.

use super::content::paper_file;
use crate::bench::{ANA, Bench, Output};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tapvault_lab::soft_token::body::AutoTouch;

/// A bench whose token is touched at once.
pub fn quick() -> Bench {
    let bench = Bench::start();
    touch_at_once(&bench);
    bench
}

pub fn touch_at_once(bench: &Bench) {
    let at_once = AutoTouch::Always(Duration::ZERO);
    bench.token().auto_touch(at_once).expect("the token listens");
}

/// Makes a key on the token that asks for no PIN.
pub fn enroll_token(bench: &Bench, name: &str) -> Output {
    let line = ["key", "enroll", "piv", "--pin-policy", "never", "--name", name];
    bench.tapvault(line).run().success()
}

/// Enrolls a recovery key called "paper", and keeps it for [`content`](super::content::content).
pub fn enroll_paper(bench: &Bench) {
    const SECRET: &str = "key on paper";
    let mut terminal = bench
        .tapvault(["key", "enroll", "recovery"])
        .may_show(SECRET)
        .on_terminal();
    terminal.expect("Type its last");
    let shown = terminal.text();
    let start = shown.find("AGE-SECRET-KEY-1").expect("it is shown");
    let key: String = shown[start..].chars().take_while(|c| !c.is_whitespace()).collect();
    bench.secret(SECRET, &key);
    fs::write(paper_file(bench), format!("{key}\n")).expect("the key on paper");
    terminal.enter(&key[key.len() - 6..]);
    terminal.finish().success();
}

/// Enrolls a passphrase key. Its file is made cheap to open: each command of the vault pays for that.
pub fn enroll_passphrase(bench: &Bench) {
    const PASSPHRASE: &str = "four words from a hat";
    bench.secret("passphrase", PASSPHRASE);
    // Outside of what is searched for secrets.
    let told_by = bench.root().join("passphrase.txt");
    fs::write(&told_by, format!("{PASSPHRASE}\n")).expect("the passphrase");
    // The shell alone: strace counts in its children too, and a cat(1) has as many calls as tapvault.
    let command = format!("read -r line <{} && echo \"$line\"", told_by.display());
    bench.settings(&format!("passphrase_command = '{command}'\n"));
    bench.tapvault(["key", "enroll", "passphrase"]).run().success();
    let file = bench.vault().join("passphrases/passphrase.age");
    let passphrase = || age::secrecy::SecretString::from(PASSPHRASE);
    let identity = age::scrypt::Identity::new(passphrase());
    let text = age::decrypt(&identity, &fs::read(&file).expect("the key's file")).expect("it opens");
    let mut recipient = age::scrypt::Recipient::new(passphrase());
    recipient.set_work_factor(2);
    fs::write(file, age::encrypt(&recipient, &text).expect("sealed")).expect("the key's file");
}

/// Adds Ana's key to `profile` without asking AWS.
pub fn add(bench: &Bench, profile: &str) {
    let line = ["add", profile, "--stdin", "--offline"];
    bench.tapvault(line).stdin(&lines(ANA)).run().success();
}

/// A key as `add --stdin` reads it.
pub fn lines((id, secret): (&str, &str)) -> String {
    format!("{id}\n{secret}\n")
}

/// Deletes the vault and what this machine remembers of it; what is on the token stays.
pub fn start_anew(bench: &Bench) {
    for folder in [bench.vault(), bench.state_folder()] {
        fs::remove_dir_all(folder).expect("it was there");
    }
}

/// Makes `to` what `from` is, modes included; missing if that is.
pub fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("the old one goes");
    }
    if !from.exists() {
        return;
    }
    fs::create_dir_all(to).expect("a folder");
    let mode = fs::metadata(from).expect("it is there").permissions();
    fs::set_permissions(to, mode).expect("its mode");
    for entry in from.read_dir().expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
