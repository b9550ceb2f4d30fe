//! Tests that use libpcsclite in their own process.
//!
//! It reads its environment once in a process, and all tests of an executable share theirs. So such a test is run as
//! a child by another one, which brings up the rig; it is marked `#[ignore]`, so that it never runs on its own.

use std::{
    env,
    path::Path,
    process::{Command, Output},
};

use tapvault_lab::soft_token::{
    client::Control,
    rig::{Layout, Rig, SOCKET_VARIABLE},
};

/// Tells a child test where its rig is.
const RIG_VARIABLE: &str = "RIG";

/// Runs another test of this executable as a process of its own.
pub fn run_child_test(rig: &Rig, name: &str) {
    let mut command = Command::new(env::current_exe().expect("this executable"));
    command.args([name, "--exact", "--ignored", "--nocapture"]);
    command
        .env(SOCKET_VARIABLE, rig.socket())
        .env(RIG_VARIABLE, rig.layout().dir());
    let output = command.output().expect("runs");
    let text = text(&output);
    assert!(output.status.success() && text.contains("1 passed"), "{name}:\n{text}");
}

/// In a child test: the control of a token.
pub fn token_of_parent(index: usize) -> Control {
    let dir = env::var_os(RIG_VARIABLE).expect("this test runs as another one's child only");
    Control::new(&Layout::new(Path::new(&dir).to_owned()).token_socket(index))
}

/// What a process wrote on both streams.
pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
