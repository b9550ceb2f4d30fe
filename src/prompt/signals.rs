//! Signals while the echo is off, or a notification is shown: they would end the program and leave the terminal, or the
//! notification, as it is, so they are caught meanwhile.

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The signals that would end the program; caught until dropped.
pub struct Signals {
    /// Readable once one of them has come.
    pub pipe: &'static UnixStream,
    caught: &'static Caught,
}

/// Registered once: the library does not put a signal's default action back when the last of ours goes, so a flag says
/// whether it is the default's turn.
struct Caught {
    pipe: UnixStream,
    /// Whether signals do what they do by default.
    idle: Arc<AtomicBool>,
    /// How many want them caught now.
    wanted: Mutex<usize>,
    arrived: Vec<(i32, Arc<AtomicBool>)>,
}

static CAUGHT: OnceLock<Caught> = OnceLock::new();

impl Caught {
    fn register() -> std::io::Result<Self> {
        let (pipe, writer) = UnixStream::pair()?;
        let idle = Arc::new(AtomicBool::new(true));
        let mut arrived = Vec::new();
        let ignored = ignored();
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            // What nohup set is for the child too, and a caught signal is not ignored any more after exec.
            if ignored & bit(signal) != 0 {
                continue;
            }
            let flag = Arc::default();
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&idle))?;
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
            arrived.push((signal, flag));
        }
        Ok(Caught {
            pipe,
            idle,
            wanted: Mutex::new(0),
            arrived,
        })
    }

    fn arrived(&self) -> Option<i32> {
        let arrived = self.arrived.iter().find(|(_, flag)| flag.load(Ordering::SeqCst));
        arrived.map(|(signal, _)| *signal)
    }

    fn change(&self, wanted: impl FnOnce(usize) -> usize) {
        let mut count = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        *count = wanted(*count);
        self.idle.store(*count == 0, Ordering::SeqCst);
    }
}

impl Signals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub fn caught() -> std::io::Result<Self> {
        let caught = match CAUGHT.get() {
            Some(caught) => caught,
            None => {
                let new = Caught::register()?;
                CAUGHT.get_or_init(|| new)
            }
        };
        caught.change(|wanted| wanted + 1);
        Ok(Signals {
            pipe: &caught.pipe,
            caught,
        })
    }

    /// The one that came.
    pub fn which(&self) -> i32 {
        self.caught.arrived().unwrap_or(SIGTERM)
    }

    /// Catches them no longer, and says which one came in the last moment.
    pub fn release(self) -> Option<i32> {
        let caught = self.caught;
        drop(self);
        caught.arrived()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.caught.change(|wanted| wanted.saturating_sub(1));
    }
}

/// The signals that whoever started this program had it ignore; none where the system does not tell.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    parse_ignored(&status)
}

/// "SigIgn:\t0000000000001000" (proc(5)), with [`bit`] for each signal.
fn parse_ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Bit N - 1 stands for signal N.
fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_what_the_kernel_says() {
        let status = "Name:\tx\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000004\n";
        let ignored = parse_ignored(status);
        assert_ne!(ignored & bit(SIGHUP), 0);
        assert_eq!(ignored & (bit(SIGINT) | bit(SIGQUIT) | bit(SIGTERM)), 0);
        assert_eq!(parse_ignored("garbage\nSigIgn: xyz\n"), 0);
    }
}
