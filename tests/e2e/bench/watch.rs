//! Looks at command lines and environments of a program and of everything that it starts, while it runs.
//!
//! What tapvault turns into by exec, and what that starts, is left out: credentials in its environment are the point.
//! Needs to read other processes' `/proc/PID/environ`, which tapvault closes to its own user: so only root sees it all.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Between two looks. A process that lives for less may go unseen.
const PAUSE: Duration = Duration::from_millis(3);

/// So many watchers look that often; of more, each looks less often, or two hundred would leave no time to the watched.
const UNHURRIED: u32 = 8;

/// The watchers at work in this process.
static WATCHERS: AtomicU32 = AtomicU32::new(0);

/// Something that was there to be seen.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub program: String,
    /// Whether what the test put into the environment may be there: in tapvault, and in what the test runs before it in the
    /// same process. A child of tapvault between fork and exec looks like tapvault.
    pub may_have_given: bool,
    /// `cmdline` or `environ`.
    pub file: &'static str,
    pub bytes: Vec<u8>,
}

/// A watcher at work.
pub struct Watch {
    stop: Arc<AtomicBool>,
    watcher: Option<JoinHandle<BTreeSet<Seen>>>,
}

impl Watch {
    /// Watches the process with this number and its descendants; `is_ours` when it will be the program under test, whether or not it
    /// is seen as that before it becomes another.
    pub fn start(pid: u32, is_ours: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let watcher = thread::spawn(move || {
            WATCHERS.fetch_add(1, Ordering::Relaxed);
            let mut watcher = Watcher {
                started: pid,
                tapvaults: is_ours.then_some(pid).into_iter().collect(),
                ..Watcher::default()
            };
            while !stopped.load(Ordering::Relaxed) {
                watcher.look(pid, Reach::Searched);
                let rivals = WATCHERS.load(Ordering::Relaxed).div_ceil(UNHURRIED);
                thread::sleep(PAUSE * rivals.max(1));
            }
            WATCHERS.fetch_sub(1, Ordering::Relaxed);
            watcher.seen
        });
        Watch {
            stop,
            watcher: Some(watcher),
        }
    }

    /// Everything that was seen.
    pub fn stop(&mut self) -> Vec<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self
            .watcher
            .take()
            .map(|watcher| watcher.join().expect("the watcher goes on"));
        seen.into_iter().flatten().collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether a process is searched, or is one that was given credentials.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Searched,
    GivenCredentials,
}

#[derive(Default)]
struct Watcher {
    started: u32,
    seen: BTreeSet<Seen>,
    /// Processes that were tapvault when last seen.
    tapvaults: BTreeSet<u32>,
}

impl Watcher {
    fn look(&mut self, pid: u32, mut reach: Reach) {
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let Ok(program) = fs::read_link(proc.join("exe")) else {
            return;
        };
        let is_tapvault = super::program::is_ours(&program);
        if is_tapvault {
            self.tapvaults.insert(pid);
        } else if self.tapvaults.contains(&pid) {
            reach = Reach::GivenCredentials;
        }
        if reach == Reach::Searched {
            let read = |file| Some((file, fs::read(proc.join(file)).ok()?));
            let both = [read("cmdline"), read("environ")];
            // Still the same program, so both were its own.
            if fs::read_link(proc.join("exe")).is_ok_and(|now| now == program) {
                for (file, bytes) in both.into_iter().flatten() {
                    self.seen.insert(Seen {
                        program: program.display().to_string(),
                        may_have_given: is_tapvault || pid == self.started,
                        file,
                        bytes,
                    });
                }
            }
        }
        let children = children(&proc);
        // What it has become since may have started them.
        let is_another = fs::read_link(proc.join("exe")).is_ok_and(|now| !super::program::is_ours(&now));
        if is_another && self.tapvaults.contains(&pid) {
            reach = Reach::GivenCredentials;
        }
        for child in children {
            self.look(child, reach);
        }
    }
}

/// proc(5), /proc/PID/task/TID/children: of each thread.
fn children(proc: &Path) -> Vec<u32> {
    let tasks = proc.join("task").read_dir().into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|children| {
            let numbers = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok());
            numbers.collect::<Vec<u32>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn command_line_and_environment_of_a_grandchild_are_seen() {
        let mut child = Command::new("sh")
            .args(["-c", "WORD=in-the-environment sleep 0.3; true"])
            .spawn()
            .expect("a shell");
        let mut watch = Watch::start(child.id(), false);
        child.wait().expect("its end");
        let seen = watch.stop();
        let has = |file, words: &str| {
            let holds = |seen: &&Seen| String::from_utf8_lossy(&seen.bytes).contains(words);
            seen.iter().filter(|seen| seen.file == file).any(|seen| holds(&seen))
        };
        assert!(has("environ", "WORD=in-the-environment"));
        assert!(has("cmdline", "sleep\x000.3"));
    }
}
