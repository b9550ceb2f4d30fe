//! libfaketime, which stands between a program and the C library's clocks.

use std::{fs, path::Path, process::Command};

/// Where the library is says the program that comes with it.
pub fn library() -> String {
    let output = Command::new("faketime")
        .args(["-f", "+0s", "printenv", "LD_PRELOAD"])
        .output()
        .unwrap_or_else(|error| panic!("faketime: {error}; `bash tests/setup test` installs it"));
    let text = String::from_utf8(output.stdout).expect("a path").trim().to_owned();
    // For programs with threads.
    text.replace("libfaketime.so", "libfaketimeMT.so")
}

/// Moves the clocks of those whose FAKETIME_TIMESTAMP_FILE is `offset` in this folder.
pub fn set(dir: &Path, seconds: i32) {
    // In one move: a file that is read half written is read as no offset.
    let new = dir.join("new");
    fs::write(&new, format!("{seconds:+}s\n")).expect("the offset");
    fs::rename(new, dir.join("offset")).expect("the offset");
}
