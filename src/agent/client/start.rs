//! Starts an agent that outlives the client and is no child of what the client becomes.

use crate::agent::place::Place;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::programs;
use crate::secret::SECRET_VARIABLES;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a new agent may take to be ready.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the agent prints once clients can connect, or another one serves already.
pub const READY: &str = "ready";

/// How often one is started where another seems to serve and is gone at once: it was being killed at that moment.
const TRIES: usize = 5;

/// Between two of them.
const PAUSE: Duration = Duration::from_millis(200);

/// A connection to an agent that was started now, or by somebody else at this moment. The error is why there is none.
pub fn started(ctx: &Context, place: &Place) -> std::result::Result<UnixStream, String> {
    for _ in 0..TRIES {
        let said = start(ctx)?;
        ctx.debug(|| format!("started an agent: {said}"));
        match place.connect() {
            Ok(Some(stream)) => return Ok(stream),
            Ok(None) | Err(_) if said == READY => std::thread::sleep(PAUSE),
            Ok(None) | Err(_) if said.is_empty() => return Err("it could not be started".into()),
            Ok(None) | Err(_) => return Err(format!("it could not be started: {said}")),
        }
    }
    Err("it was started and is gone".into())
}

/// Starts one, and waits for what it says.
fn start(ctx: &Context) -> std::result::Result<String, String> {
    if cfg!(target_os = "linux") && !std::path::Path::new("/proc/self").exists() {
        return Err("without /proc an agent could not tell who asks".into());
    }
    let program = programs::engine().map_err(|error| error.message().to_owned())?;
    let mut command = Command::new(program);
    for name in SECRET_VARIABLES {
        command.env_remove(name);
    }
    // It may be relative, and the agent has another working directory.
    if let (Some(_), Some(root)) = (ctx.env.os("TAPVAULT_HOME"), ctx.paths.config.parent()) {
        command.env("TAPVAULT_HOME", root);
    }
    let mut child = command
        .args(["agent", "--detach"])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|err| format!("it could not be started: {err}"))?;
    let said = child.stdout.take().map(heard).unwrap_or_default();
    // It has handed over to the agent by now.
    let _ = child.wait();
    Ok(said.trim().to_owned())
}

/// What the new agent prints, up to its first line break.
fn heard(mut pipe: std::process::ChildStdout) -> String {
    let deadline = Instant::now() + PATIENCE;
    let mut text = Vec::new();
    while !text.contains(&b'\n') && text.len() < 4096 {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(left) = Timespec::try_from(left) else { break };
        if !matches!(poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&left)), Ok(1..)) {
            break;
        }
        let mut some = [0; 512];
        match pipe.read(&mut some) {
            Ok(0) | Err(_) => break,
            Ok(read) => text.extend_from_slice(&some[..read]),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The process between client and agent: leaves the client's session and starts the agent, which is nobody's child then.
///
/// # Errors
/// When it can't be started.
pub fn detach() -> Result<()> {
    let failed = |err: &dyn std::fmt::Display| Error::new(ErrorKind::Other, format!("starting the agent: {err}"));
    // In a session of its own it has no terminal, and no signal of one reaches it. It fails for a group leader, who would be
    // somebody who typed this by hand.
    let _ = rustix::process::setsid();
    Command::new(programs::engine()?)
        .args(["agent", "--announce"])
        .spawn()
        .map(|_| ())
        .map_err(|err| failed(&err))
}
