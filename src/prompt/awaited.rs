//! A touch that is awaited: what a person sees of it, from before the token blinks until it has answered.
//!
//! A line at the terminal stays. A notification, and a `notify_command` that still runs, go with the touch: also when a signal ends
//! the program.

use super::notice::Notice;
use super::notify_command::Running;
use super::signals::Signals;
use super::{Dialogue, Seen, printable};
use rustix::event::{PollFd, PollFlags, poll};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// What is shown for one touch; it goes with this value.
#[must_use = "what is shown goes with it: hold it until the token has answered"]
pub struct Awaited<'a> {
    dialogue: &'a Dialogue,
    shown: Arc<Mutex<Shown>>,
    watch: Option<Watch>,
}

#[derive(Default)]
struct Shown {
    notice: Option<Notice>,
    command: Option<Running>,
}

impl<'a> Awaited<'a> {
    pub(super) fn begin(dialogue: &'a Dialogue, line: &str) -> Self {
        let mut awaited = Awaited {
            dialogue,
            shown: Arc::default(),
            watch: None,
        };
        awaited.say_instead(line);
        awaited
    }

    /// Other words for the same touch: it was missed, and is waited for once more.
    pub fn say_instead(&mut self, line: &str) {
        let line = printable(line);
        if let Some(person) = self.dialogue.elsewhere() {
            return person.touch(&line);
        }
        self.dialogue.pace.touch(true);
        let desktop = match self.dialogue.tell_printable(&line) {
            Seen::AtTerminal => None,
            Seen::ByNobody => self.dialogue.bus.address(),
        };
        let command = self.dialogue.notify_command.as_ref();
        if desktop.is_some() || command.is_some() {
            // Before anything is shown that would have to be taken away.
            self.watch = self.watch.take().or_else(|| Watch::begin(&self.shown));
        }
        let mut shown = lock(&self.shown);
        if let Some(command) = command {
            shown.command = None;
            shown.command = command.run(&line);
        }
        match (desktop, &mut shown.notice) {
            (None, notice) => *notice = None,
            (Some(_), Some(notice)) => notice.replace(&line),
            (Some(address), notice) => *notice = Some(Notice::show(&address, &line)),
        }
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        match self.dialogue.elsewhere() {
            Some(person) => person.touched(),
            None => {
                self.dialogue.pace.touch(false);
                over(&self.shown);
            }
        }
    }
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes everything away. Locked while it does: who comes second goes on when it is done.
fn over(shown: &Mutex<Shown>) {
    *lock(shown) = Shown::default();
}

/// A thread that takes away what is shown when a signal comes, before the program dies of it; until dropped.
struct Watch {
    /// Closed, it ends the thread.
    end: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// `None` when the system has no more descriptors or threads: then a signal leaves it as it is.
    fn begin(shown: &Arc<Mutex<Shown>>) -> Option<Self> {
        let signals = Signals::caught().ok()?;
        let (end, ended) = UnixStream::pair().ok()?;
        let shown = Arc::clone(shown);
        let thread = std::thread::Builder::new()
            .spawn(move || watch(signals, &ended, &shown))
            .ok()?;
        Some(Watch {
            end: Some(end),
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.end.take());
        // From then on signals do again what they do by default.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(signals: Signals, ended: &UnixStream, shown: &Mutex<Shown>) {
    loop {
        let mut ready = [
            PollFd::new(signals.pipe, PollFlags::IN),
            PollFd::new(ended, PollFlags::IN),
        ];
        match poll(&mut ready, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Ok(_) | Err(_) => break,
        }
    }
    // What ends the program otherwise has taken everything away already.
    if let Some(signal) = signals.release() {
        over(shown);
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
}
