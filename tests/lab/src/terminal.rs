//! The moment to type a secret at somebody else's prompt.

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// Longer than a program takes, on a busy machine, from showing a prompt to turning the echo off.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// Waits until the terminal whose name stands in this file doesn't echo.
///
/// Whoever turns the echo off throws away what was typed before, and many programs do so only after they have asked.
///
/// # Panics
/// If it goes on echoing: what a test types next would be lost.
pub fn wait_until_silent(tty_name: &Path) {
    let name = fs::read_to_string(tty_name).expect("the terminal's name was written when it was opened");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let settings = Command::new("stty")
            .args(["-a", "-F", name.trim()])
            .output()
            .expect("stty, of the Debian package coreutils");
        let settings = String::from_utf8_lossy(&settings.stdout);
        if settings.split_whitespace().any(|word| word == "-echo") {
            return;
        }
        assert!(Instant::now() < deadline, "a secret would be seen on {name}{settings}");
        thread::sleep(POLL);
    }
}
