//! Homes, runtime folders and working directories.

use super::{agent_pid, agents, exec, exec_after, runtime, socket, status, until, was_served, with_prod};
use crate::bench::run::Running;
use crate::bench::{ANA, Bench, Invocation};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

/// Any user who is not root.
const NOBODY: u32 = 65_534;

fn folder(path: PathBuf) -> PathBuf {
    fs::create_dir_all(&path).expect("a folder");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).expect("private");
    path
}

#[test]
fn a_home_that_is_named_from_where_one_stands_has_one_agent() {
    let bench = Bench::setup().one_home().agent().start();
    bench.enroll();
    bench.add("prod", ANA);
    let from_here = |run: Invocation<'_>| run.env("TAPVAULT_HOME", "one").in_folder(bench.root()).run();
    let lease = bench.tapvault(["--debug", "exec", "--lease=15m", "prod", "--", "true"]);
    let out = from_here(lease).success().touches(1);
    out.does_not_say("without the agent").does_not_say("nothing is leased");
    from_here(exec(&bench)).success().touches(0);
    exec(&bench).run().success().touches(0);
    assert_eq!(agents(&bench).len(), 1);
}

/// Two homes with one token, one of them with a name that no tool expects.
#[test]
fn two_homes_have_an_agent_each_and_one_token_serves_both() {
    let bench = Bench::setup().agent().start();
    let homes = ["one home", "zu Hause, \u{fc}ber \u{1f511}"].map(|name| folder(bench.root().join(name)));
    for home in &homes {
        bench.everywhere("TAPVAULT_HOME", home.to_str().expect("text"));
        bench.enroll();
        bench.add("prod", ANA);
    }
    fn of<'b>(home: &Path, run: Invocation<'b>) -> Running<'b> {
        run.env("TAPVAULT_HOME", home).start()
    }
    let line = ["--debug", "exec", "--lease=15m", "prod", "--", "true"];
    let runs = homes.each_ref().map(|home| of(home, bench.tapvault(line)));
    for run in runs {
        run.wait().success().does_not_say("without the agent");
    }
    assert_eq!(agents(&bench).len(), 2);
    // `lock` of one leaves the other.
    let locked = of(&homes[0], bench.tapvault(["lock"])).wait().success();
    assert_eq!(locked.stdout, "ended 1 lease, dropped 1 PIN\n");
    of(&homes[0], exec(&bench)).wait().success().touches(1);
    of(&homes[1], exec(&bench)).wait().success().touches(0);
}

/// A name that is no text must not be taken for another one that isn't either.
#[test]
fn homes_whose_names_are_no_text_are_told_apart() {
    use std::os::unix::ffi::OsStrExt;
    let bench = with_prod();
    was_served(exec(&bench));
    let before = agents(&bench).len();
    for (number, byte) in [0xfe_u8, 0xff].into_iter().enumerate() {
        let name = [b"state-".as_slice(), &[byte]].concat();
        let state = bench.root().join(std::ffi::OsStr::from_bytes(&name));
        // This machine has seen nothing of the vault yet.
        let trust = bench.tapvault(["key", "trust", "--yes"]).env("XDG_STATE_HOME", &state);
        trust.run();
        exec(&bench).env("XDG_STATE_HOME", &state).run();
        assert_eq!(agents(&bench).len(), before + number + 1);
    }
}

#[test]
fn without_a_runtime_folder_the_socket_lies_in_the_state_folder() {
    let bench = with_prod();
    let out = was_served(exec(&bench).without_env(&["XDG_RUNTIME_DIR"]));
    let run = bench.state_folder().join("run");
    let modes = fs::read_dir(&run).expect("a folder").flatten().map(|entry| {
        let metadata = entry.metadata().expect("it is there");
        metadata.mode() & 0o777
    });
    assert_eq!(modes.collect::<Vec<_>>(), [0o600, 0o600], "{out}");
    assert_eq!(fs::metadata(run).expect("a folder").mode() & 0o777, 0o700);
}

#[test]
fn a_runtime_folder_may_be_a_link_or_have_a_path_longer_than_a_sockets() {
    let bench = with_prod();
    let long = folder(bench.root().join("x".repeat(100)).join("y".repeat(100)));
    let link = bench.root().join("link");
    symlink(folder(bench.root().join("elsewhere")), &link).expect("a link");
    for run in [long, link] {
        was_served(exec(&bench).env("XDG_RUNTIME_DIR", &run));
        was_served(exec(&bench).env("XDG_RUNTIME_DIR", &run));
        let status = bench.tapvault(["status", "--json"]).env("XDG_RUNTIME_DIR", &run);
        assert!(status.run().success().json()["agent"]["pid"].is_number());
    }
}

/// As for root who took over somebody's environment: what root makes there would keep that user's own agent out.
#[test]
fn another_users_runtime_folder_is_left_alone() {
    let bench = with_prod();
    let theirs = folder(bench.root().join("theirs"));
    chown(&theirs, Some(NOBODY), Some(NOBODY)).expect("given away");
    let out = exec(&bench).env("XDG_RUNTIME_DIR", &theirs).run().success().touches(1);
    out.says("without the agent: it could not be started: ")
        .says("belongs to another user");
    assert_eq!(fs::read_dir(&theirs).expect("a folder").count(), 0);
    chown(&theirs, Some(0), Some(0)).expect("taken back");
}

#[test]
fn whatever_the_umask_nobody_else_gets_at_the_socket() {
    let bench = with_prod();
    was_served(exec_after(&bench, "umask 000; exec"));
    assert_eq!(fs::metadata(runtime(&bench)).expect("a folder").mode() & 0o777, 0o700);
    let socket = socket(&bench).expect("a socket");
    for path in [socket.clone(), socket.with_extension("lock")] {
        let mode = fs::symlink_metadata(&path).expect("it is there").mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
}

#[test]
fn a_program_that_was_replaced_is_served_by_the_agent_of_before() {
    let bench = with_prod();
    let program = bench.root().join("tapvault");
    let run = || {
        let line = ["--debug", "exec", "prod", "--", "true"];
        was_served(bench.program(program.to_str().expect("text"), line));
    };
    let install = || {
        for name in ["tapvault", "tapvault-engine"] {
            let place = program.with_file_name(name);
            let _ = fs::remove_file(&place);
            let built = std::path::Path::new(bench.tapvault_path()).with_file_name(name);
            fs::copy(built, place).expect("a copy");
        }
    };
    install();
    run();
    let agent = agent_pid(&bench);
    install();
    run();
    assert_eq!(agent_pid(&bench), agent);
    until("nothing waits", || status(&bench)["waiting"] == serde_json::json!([]));
}
