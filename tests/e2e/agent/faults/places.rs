//! There is no place for a socket: each is served in its own process, and `--debug` says why.

use super::super::with_prod;
use super::{agents, runtime};
use crate::bench::Bench;
use crate::faults::disk::{READ_ONLY, mounted};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A disk on which no more files can be made.
const FULL: &str = r#"
set -e
mount -t tmpfs -o nr_inodes=1,mode=0700 full "$1"
shift 2
exec "$@"
"#;

/// Served, and without a word about it unless asked for.
#[track_caller]
fn served_alone(bench: &Bench, script: Option<&str>, why: &str) {
    let folder = bench.root().join("xdg/run");
    let run = |line: &[&str]| match script {
        Some(script) => mounted(bench, script, &folder, Path::new("-"), line),
        None => bench.tapvault(line),
    };
    let quiet = run(&["exec", "prod", "--", "true"]).run().success().touches(1);
    quiet.does_not_say("agent");
    let told = run(&["--debug", "exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    told.says("without the agent: it could not be started: ").says(why);
    let lease = run(&["exec", "--lease=5m", "prod", "--", "true"]).run().success();
    lease.says("nothing is leased, for that takes the agent");
    assert!(agents(bench).is_empty());
}

#[test]
fn a_folder_that_can_only_be_read() {
    served_alone(&with_prod(), Some(READ_ONLY), "read-only file system");
}

#[test]
fn a_full_disk() {
    served_alone(&with_prod(), Some(FULL), "no space left on device");
}

#[test]
fn a_file_in_the_folders_place() {
    let bench = with_prod();
    // One that others may read is not even tried, and that is said.
    fs::write(runtime(&bench), "").expect("a file");
    let out = bench.tapvault(["exec", "prod", "--", "true"]).run();
    out.success()
        .touches(1)
        .says("the agent is not used")
        .says("is no folder");
    fs::set_permissions(runtime(&bench), PermissionsExt::from_mode(0o600)).expect("private");
    served_alone(&bench, None, "");
}

#[test]
fn a_folder_that_others_may_enter_is_not_used_and_that_is_said() {
    let bench = with_prod();
    fs::create_dir(runtime(&bench)).expect("a folder");
    fs::set_permissions(runtime(&bench), PermissionsExt::from_mode(0o777)).expect("opened");
    let out = bench.tapvault(["exec", "prod", "--", "true"]).run();
    out.success().touches(1).says("the agent is not used");
    assert!(agents(&bench).is_empty());
}
