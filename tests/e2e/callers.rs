//! Who calls tapvault, and what they find: AWS clients, shells, editors, jobs in the background, pipes.
//!
//! | words of the issue | where |
//! |---|---|
//! | aws CLI and boto3, through credential_process and exec; expiry; a missed touch | [`consumers`], and the scenario `credential-process` |
//! | nested shells | [`nested`], and the scenario `user-profile` |
//! | IDE-like callers: no terminal, short PATH | [`editors`], and `pin` for a pinentry that is missing |
//! | background jobs, full-screen programs | [`jobs`], and `terminal` for a shell without a prompt |
//! | notifications, where nobody would see a line; `notify_command` | [`notices`], [`notify_command`] |
//! | stdin piped to the child, stdout and stderr closed, full or without a reader | [`streams`], and `terminal` for the PIN beside a pipe |
//! | signals | [`signals`], and `terminal` for those at the PIN prompt, `faults` for SIGKILL |
//! | what the child inherits: descriptors, environment | [`child`], and unit tests of `process::environment` |
//! | exit codes 0, 7, 126, 127, 143 and our own | [`child`]; each of our own in the module of its cause |
//! | the profile picker, AWS_PROFILE | [`picker`], and the scenario `user-profile` |
//! | prompt programs | [`child`] |
//! | helpers that tapvault calls (`mfa_process`, ...) at the caller's terminal | [`helpers`] |

mod child;
mod consumers;
mod editors;
mod helpers;
mod jobs;
mod nested;
mod notices;
mod notify_command;
mod picker;
mod signals;
mod streams;

use crate::bench::{Bench, Terminal};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long something that needs no person may take to happen.
const SOON: Duration = Duration::from_secs(20);

/// Waits until `what` is so.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {} s", SOON.as_secs());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a line that ends is in this file, and returns all of it.
#[track_caller]
fn written(path: &Path) -> String {
    let read = || std::fs::read_to_string(path).unwrap_or_default();
    until(&format!("something in {}", path.display()), || read().ends_with('\n'));
    read()
}

/// An interactive bash, as a person has it: job control, and key by key at its prompt. `$tapvault` is the program.
fn shell(bench: &Bench) -> Terminal<'_> {
    let mut shell = bench
        .program("bash", ["--norc", "--noprofile", "-i"])
        .env("PS1", "ready> ")
        .env("HISTFILE", "")
        .env("tapvault", bench.tapvault_path())
        .stdout_at_terminal()
        .on_terminal();
    shell.expect("ready> ");
    shell
}
