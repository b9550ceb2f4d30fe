//! The agent fails, or what it stands on: nobody who waits is left without an answer, no code is spent twice, nothing is held on.

mod clock;
mod gone;
mod killed;
mod pins;
mod places;
mod pulled;
mod screen;
mod sealed_off;
mod starting;
mod stopped;

use super::{SOON, until};
use crate::bench::Bench;
use rustix::process::Pid;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The runtime folder's part that is tapvault's.
pub fn runtime(bench: &Bench) -> PathBuf {
    bench.root().join("xdg/run/tapvault")
}

/// The agent's socket, whoever listens there.
pub fn socket(bench: &Bench) -> Option<PathBuf> {
    let mut found = runtime(bench).read_dir().ok()?.flatten().map(|entry| entry.path());
    found.find(|path| path.extension().is_some_and(|ending| ending == "sock"))
}

/// The agents of this bench, as the kernel has them: by their program, their words and the folders in their environment.
pub fn agents(bench: &Bench) -> Vec<Pid> {
    agents_below(bench.root())
}

fn agents_below(root: &Path) -> Vec<Pid> {
    let is_ours = |proc: &Path| {
        let words = fs::read(proc.join("cmdline")).unwrap_or_default();
        let environment = fs::read(proc.join("environ")).unwrap_or_default();
        words.split(|&byte| byte == 0).nth(1) == Some(b"agent")
            && memchr::memmem::find(&environment, root.as_os_str().as_bytes()).is_some()
    };
    let entries = Path::new("/proc").read_dir().into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            is_ours(&entry.path()).then(|| Pid::from_raw(pid))?
        })
        .collect()
}

/// Whether the process has ended.
fn has_ended(pid: Pid) -> bool {
    !Path::new(&format!("/proc/{}/exe", pid.as_raw_nonzero())).exists()
}

/// Nobody touches the token but the test, and it is as patient as a real one.
pub fn withhold(bench: &Bench) {
    bench.withhold_touches();
    let patience = std::time::Duration::from_secs(15);
    bench.token().set_touch_timeout(patience).expect("patient");
}

/// Waits for the process's end.
pub fn until_ended(pid: Pid) {
    until("the agent ends", || has_ended(pid));
}
