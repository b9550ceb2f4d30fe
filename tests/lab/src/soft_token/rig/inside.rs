//! The inside of a rig: the first process in its namespaces, which brings up `pcscd` and the tokens and watches them.
//!
//! It is process 1 of a PID namespace: when it ends, however it ends, the kernel kills all others. It ends when its
//! standard input does, which is a pipe that only the rig's owner holds. So nothing survives the owner, not even
//! when the owner is killed.

use std::{
    fs,
    io::{self, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
};

use super::{DRIVERS, Layout, RUN_PCSCD, TokenSpec, VPCD_PORT, WATCH};

const PCSCD: &str = "/usr/sbin/pcscd";
const NO_POLKIT: &str = "--disable-polkit";

/// Brings up what the rig's folder plans and stays until the owner goes or `pcscd` ends.
pub fn run(dir: &Path) -> io::Result<()> {
    let layout = Layout::new(dir.to_owned());
    let tokens: Vec<TokenSpec> = serde_json::from_slice(&fs::read(layout.plan())?)?;

    let (owner_is_there, owner_went) = mpsc::channel::<()>();
    thread::spawn(move || {
        // nobody writes: this returns at the end of the pipe
        let _ = io::stdin().read(&mut [0]);
        drop(owner_is_there);
    });

    bring_up_loopback()?;
    bind(&layout.ipc(), Path::new(RUN_PCSCD))?;
    // with no other driver in sight, pcscd leaves the real readers of this machine alone
    bind(&layout.drivers(), Path::new(DRIVERS))?;
    let mut pcscd = start_pcscd(&layout)?;
    let mut tokens = (tokens.iter().enumerate())
        .map(|(index, spec)| start_token(&layout, index, spec))
        .collect::<io::Result<Vec<Child>>>()?;

    loop {
        match owner_went.recv_timeout(WATCH) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if let Some(status) = pcscd.try_wait()? {
            return Err(io::Error::other(format!("pcscd ended: {status}")));
        }
        for token in &mut tokens {
            match token.try_wait()? {
                // `None`: alive; success: it was told to quit
                None => {}
                Some(status) if status.success() => {}
                Some(status) => return Err(io::Error::other(format!("a token ended: {status}"))),
            }
        }
    }
}

fn bring_up_loopback() -> io::Result<()> {
    run_tool(Command::new("ip").args(["link", "set", "lo", "up"]))
}

fn bind(source: &Path, target: &Path) -> io::Result<()> {
    run_tool(Command::new("mount").arg("--bind").arg(source).arg(target))
}

fn run_tool(command: &mut Command) -> io::Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| io::Error::other(format!("{command:?}: {error}")))?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{command:?}: {status}")))
    }
}

fn start_pcscd(layout: &Layout) -> io::Result<Child> {
    let mut command = Command::new(PCSCD);
    command
        .args(["--foreground", "--error", "--config"])
        .arg(layout.config());
    if asks_polkit()? {
        // out of reach from in here, and then it refuses everybody
        command.arg(NO_POLKIT);
    }
    command.stdin(Stdio::null()).spawn()
}

/// Debian 12's is built without polkit, and ends at an option that it doesn't know.
fn asks_polkit() -> io::Result<bool> {
    let help = Command::new(PCSCD).arg("--help").stdin(Stdio::null()).output()?;
    let text = [help.stdout, help.stderr].concat();
    Ok(String::from_utf8_lossy(&text).contains(NO_POLKIT))
}

fn start_token(layout: &Layout, index: usize, spec: &TokenSpec) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--state").arg(layout.token_state(index));
    command.arg("--control").arg(layout.token_socket(index));
    command
        .arg("--vpcd")
        .arg(format!("127.0.0.1:{}", usize::from(VPCD_PORT) + index));
    command.arg("--serial").arg(spec.serial.to_string());
    command.arg("--firmware").arg(spec.firmware.to_string());
    command
        .arg("--touch-timeout-ms")
        .arg(spec.touch_timeout.as_millis().to_string());
    command
        .arg("--touch-cache-ms")
        .arg(spec.touch_cache.as_millis().to_string());
    if !spec.inserted {
        command.arg("--removed");
    }
    command.stdin(Stdio::null()).spawn()
}
