//! What the agent and its callers are started in: folders of all names, another working directory, narrow limits, little of a system.

mod folders;
mod limits;

use super::faults::{agents, runtime, socket};
use super::{agent_pid, export, status, until, until_waiting, with_prod};
use crate::bench::{Bench, Invocation, Output};

/// `exec prod -- true`, which says so if it does without the agent.
fn exec(bench: &Bench) -> Invocation<'_> {
    bench.tapvault(["--debug", "exec", "prod", "--", "true"])
}

/// The same within a shell script, whose last words it is.
fn exec_after<'b>(bench: &'b Bench, script: &str) -> Invocation<'b> {
    let script = format!("{script} \"$@\"");
    let words = ["-c", &script, "sh", bench.tapvault_path()];
    let line = ["--debug", "exec", "prod", "--", "true"];
    bench.program("/bin/sh", words.into_iter().chain(line))
}

/// It went through the agent.
#[track_caller]
fn was_served(run: Invocation<'_>) -> Output {
    run.run().success().touches(1).does_not_say("without the agent")
}
