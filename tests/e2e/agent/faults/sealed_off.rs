//! The agent's process: nothing of what it holds can be read from outside.

use super::super::{agent_pid, export, with_prod};
use super::until;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

/// Any user who is not root.
const NOBODY: u32 = 65_534;

#[test]
fn it_leaves_no_core_dump_and_has_no_secret_in_command_line_or_environment() {
    let bench = with_prod();
    let secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYTHISISTHEONE";
    bench.secret("a key in the environment", secret);
    let mut run = bench.tapvault(["exec", "--lease=15m", "prod", "--", "true"]);
    for name in ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"] {
        run = run.env(name, secret);
    }
    run.given_in_environment("a key in the environment").run();
    // Whether it was served with such an environment or not: this is about who was started.
    let agent = match agent_pid(&bench) {
        Some(agent) => agent,
        None => {
            export(&bench, "prod").wait().success();
            agent_pid(&bench).expect("an agent")
        }
    };
    let proc = format!("/proc/{}", agent.as_raw_nonzero());
    let limits = fs::read_to_string(format!("{proc}/limits")).expect("its limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let core: Vec<&str> = core.expect("a limit").split_whitespace().skip(4).take(2).collect();
    assert_eq!(core, ["0", "0"]);
    let known = [secret, crate::bench::PIN, crate::bench::ANA.1];
    for file in ["cmdline", "environ"] {
        let bytes = fs::read(format!("{proc}/{file}")).expect("root may read it");
        assert!(!bytes.is_empty(), "{file}");
        for secret in known {
            assert!(
                memchr::memmem::find(&bytes, secret.as_bytes()).is_none(),
                "a secret in its {file}"
            );
        }
    }
}

/// Of a process that may not be dumped or traced, /proc belongs to root (proc(5)).
#[test]
fn it_can_not_be_traced_by_its_own_user() {
    let bench = with_prod();
    let home = tempfile::tempdir().expect("a folder");
    chown(home.path(), Some(NOBODY), Some(NOBODY)).expect("given away");
    let as_nobody = |line: &[&str]| {
        let uid = format!("--reuid={NOBODY}");
        let gid = format!("--regid={NOBODY}");
        let words = [&uid, &gid, "--clear-groups"].into_iter().chain(line.iter().copied());
        bench
            .program("/usr/bin/setpriv", words.collect::<Vec<_>>())
            .in_folder(std::path::Path::new("/"))
            .env("HOME", home.path())
            .env("TAPVAULT_HOME", home.path())
            .start()
    };
    let owner = |pid: Pid| fs::metadata(format!("/proc/{}/mem", pid.as_raw_nonzero())).map(|file| file.uid());
    let plain = as_nobody(&["/bin/sleep", "60"]);
    let agent = as_nobody(&[bench.tapvault_path(), "agent"]);
    until("an ordinary process is its user's", || {
        owner(plain.pid()).ok() == Some(NOBODY)
    });
    until("it listens", || {
        let entries = home.path().join("run").read_dir().into_iter().flatten().flatten();
        entries.count() == 2
    });
    assert_eq!(owner(agent.pid()).expect("it runs"), 0);
    for run in [plain, agent] {
        kill_process(run.pid(), Signal::TERM).expect("told to end");
        run.wait();
    }
}
