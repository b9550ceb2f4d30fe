//! Without being told to twice, by the feature and by naming it, the program touches no token.

use std::process::{Command, Output};

fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tapvault-hw-tests"))
        .args(words)
        .env_remove("TAPVAULT_HW_SERIAL")
        // a refusal comes before any look at a token; should it not, it looks where there is no service
        .env("PCSCLITE_CSOCK_NAME", "/nonexistent")
        .output()
        .expect("runs")
}

#[track_caller]
fn refused(output: &Output, words: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(words), "{text}");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

#[test]
#[cfg(not(feature = "hardware"))]
fn without_the_feature_even_a_serial_number_is_not_enough() {
    refused(&run(&["--serial", "14000001"]), "without the feature `hardware`");
    refused(&run(&["--fido2", "/dev/hidraw0"]), "without the feature `hardware`");
}

#[test]
#[cfg(feature = "hardware")]
fn without_a_name_the_feature_is_not_enough() {
    refused(&run(&[]), "which token?");
}

#[test]
#[cfg(feature = "hardware")]
fn without_a_terminal_nothing_starts() {
    refused(&run(&["--serial", "14000001"]), "run it at a terminal");
    refused(&run(&["--fido2", "/dev/hidraw0"]), "run it at a terminal");
}
