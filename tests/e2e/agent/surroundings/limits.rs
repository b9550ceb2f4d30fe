//! Few descriptors, no memory that may be locked, no standard streams, a system of which not all is there.

use super::{agent_pid, agents, exec, exec_after, export, status, until_waiting, was_served, with_prod};
use crate::bench::Bench;
use serde_json::json;
use std::fs;
use std::time::Duration;

/// A program that may lock no memory; root may unless the capability is taken away.
fn without_lockable_memory<'b>(bench: &'b Bench, line: &[&str]) -> crate::bench::Invocation<'b> {
    let words = [
        "--memlock=0:0",
        "--",
        "/usr/bin/setpriv",
        "--bounding-set",
        "-ipc_lock",
        "--",
    ];
    let words = words.into_iter().chain([bench.tapvault_path()]);
    bench.program("/usr/bin/prlimit", words.chain(line.iter().copied()))
}

#[test]
fn where_no_memory_can_be_locked_nothing_is_held_and_that_is_said() {
    let bench = with_prod();
    for _ in 0..2 {
        let line = ["--debug", "exec", "--lease=15m", "prod", "--", "true"];
        let out = without_lockable_memory(&bench, &line).run().success().touches(1);
        assert_eq!(out.pinentry_asked(), 1, "{out}");
        out.does_not_say("without the agent")
            .says("the PIN is not held: memory for secrets can't be kept out of swap")
            .says("nothing is leased: memory for secrets can't be kept out of swap");
        let status = status(&bench);
        assert_eq!((&status["leases"], &status["pins"]), (&json!([]), &json!([])));
    }
    // Who does not want it held is not told that it isn't.
    bench.settings("hold_pin = false\n");
    let line = ["exec", "prod", "--", "true"];
    let out = without_lockable_memory(&bench, &line).run().success();
    out.does_not_say("is not held");
}

#[test]
fn with_few_descriptors_a_crowd_is_served_all_the_same() {
    let bench = with_prod();
    was_served(exec_after(&bench, "ulimit -n 64; exec"));
    let agent = agent_pid(&bench);
    bench.withhold_touches();
    bench
        .token()
        .set_touch_timeout(Duration::from_secs(15))
        .expect("patient");
    let runs: Vec<_> = (0..20).map(|_| export(&bench, "prod")).collect();
    until_waiting(&bench, 20);
    bench.touch_by_itself();
    for run in runs {
        run.wait().success();
    }
    assert_eq!(agent_pid(&bench), agent);
}

#[test]
fn without_standard_streams_an_agent_is_started_and_nothing_of_it_lands_elsewhere() {
    let bench = with_prod();
    let out = exec_after(&bench, "exec 0<&- 1>&- 2>&-; exec").run().success();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
    let agent = agent_pid(&bench).expect("an agent");
    for stream in 0..3 {
        let file = fs::read_link(format!("/proc/{}/fd/{stream}", agent.as_raw_nonzero())).expect("it runs");
        assert_eq!(file.to_str(), Some("/dev/null"), "{stream}");
    }
}

#[test]
fn without_proc_it_is_done_alone() {
    let bench = with_prod();
    let words = [
        "--mount",
        "sh",
        "-c",
        "umount -l /proc && exec \"$@\"",
        "sh",
        bench.tapvault_path(),
    ];
    let line = ["--debug", "exec", "prod", "--", "true"];
    let run = bench.program("/usr/bin/unshare", words.into_iter().chain(line));
    run.run().success().touches(1).says("without the agent: ");
    assert!(agents(&bench).is_empty());
}

/// One in a container of its own, with the same folders: each side sees the other's processes or doesn't.
#[test]
fn from_one_container_to_another_all_are_served() {
    let bench = with_prod();
    let inside = |line: &[&str]| {
        let words = ["--pid", "--fork", "--mount-proc", bench.tapvault_path()];
        bench.program(
            "/usr/bin/unshare",
            words.iter().chain(line).copied().collect::<Vec<_>>(),
        )
    };
    was_served(exec(&bench));
    let line = ["--debug", "exec", "prod", "--", "true"];
    was_served(inside(&line));
    super::super::kill_agent(&bench);
    let agent = inside(&["agent"]).start();
    super::until("it listens", || {
        super::socket(&bench).is_some_and(|socket| std::os::unix::net::UnixStream::connect(socket).is_ok())
    });
    let out = exec(&bench).run().success().touches(1);
    assert!(out.took < Duration::from_secs(15), "{out}");
    drop(agent);
}
