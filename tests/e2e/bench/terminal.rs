//! A person at a terminal: sees what is shown, types, presses Ctrl-C.

use super::run::{Output, Running};
use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long something may take to be shown.
const PATIENCE: Duration = Duration::from_secs(40);

/// Ctrl-C as a terminal sends it.
pub const CTRL_C: &str = "\x03";

/// A pseudo-terminal: the person's side, and the program's.
pub struct Pty {
    /// Reading from it ends when nobody holds the other side any more.
    pub person: File,
    pub program: OwnedFd,
}

impl Pty {
    pub fn open() -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo-terminal");
        grantpt(&person).expect("its other side");
        unlockpt(&person).expect("its other side");
        let name = ptsname(&person, Vec::new()).expect("its name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let program = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).expect("its other side");
        let size = Winsize {
            ws_row: 60,
            ws_col: 200,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&program, size).expect("its size");
        Pty {
            person: person.into(),
            program,
        }
    }

    pub fn end(&self) -> Stdio {
        self.program.try_clone().expect("one more handle").into()
    }
}

/// A program on a terminal.
pub struct Terminal<'b> {
    running: Option<Running<'b>>,
    keyboard: File,
    /// Kept open: the kernel sets a terminal's modes back when its last user goes.
    program: OwnedFd,
    screen: Arc<Screen>,
    reader: JoinHandle<()>,
    /// How much of the screen [`Terminal::expect`] has passed.
    passed: usize,
}

#[derive(Default)]
struct Screen {
    shown: Mutex<Vec<u8>>,
    more: Condvar,
}

impl Screen {
    fn text(&self) -> String {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        plain(&shown)
    }
}

fn plain(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n")
}

impl<'b> Terminal<'b> {
    pub(super) fn new(running: Running<'b>, pty: Pty) -> Self {
        let Pty { person, program } = pty;
        let screen = Arc::new(Screen::default());
        let mut source = person.try_clone().expect("one more handle");
        let shown = Arc::clone(&screen);
        let reader = thread::spawn(move || {
            let mut room = [0; 4096];
            // An error says that the last user of the program's side has gone.
            while let Ok(read @ 1..) = source.read(&mut room) {
                let mut all = shown.shown.lock().unwrap_or_else(PoisonError::into_inner);
                all.extend_from_slice(&room[..read]);
                shown.more.notify_all();
            }
        });
        Terminal {
            running: Some(running),
            keyboard: person,
            program,
            screen,
            reader,
            passed: 0,
        }
    }

    /// Waits until these words are shown, after what was waited for before.
    #[track_caller]
    pub fn expect(&mut self, words: &str) {
        self.expect_within(words, PATIENCE);
    }

    /// The same, with another patience.
    #[track_caller]
    pub fn expect_within(&mut self, words: &str, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut shown = self.screen.shown.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let text = plain(&shown);
            if let Some(at) = text[self.passed..].find(words) {
                self.passed += at + words.len();
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(shown);
                panic!(
                    "{words:?} was not shown within {} ms:\n{}",
                    patience.as_millis(),
                    self.text()
                );
            }
            // The end of the program is looked for too: then nothing more will be shown.
            let pause = left.min(Duration::from_millis(200));
            (shown, _) = self
                .screen
                .more
                .wait_timeout(shown, pause)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Types these characters.
    pub fn type_(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("the terminal is there");
    }

    /// Types a line and Enter.
    pub fn enter(&mut self, line: &str) {
        self.type_(&format!("{line}\r"));
    }

    /// Waits for a question and answers it.
    #[track_caller]
    pub fn answer(&mut self, question: &str, line: &str) {
        self.expect(question);
        self.enter(line);
    }

    /// What is shown so far, with plain line ends.
    pub fn text(&self) -> String {
        self.screen.text()
    }

    /// Whether the terminal shows what is typed, hands over whole lines, and turns Ctrl-C into a signal: as a shell left it.
    pub fn is_sane(&self) -> bool {
        let modes = tcgetattr(&self.program).expect("its modes").local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// Whether what is typed is shown.
    pub fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.program).expect("its modes").local_modes;
        modes.contains(LocalModes::ECHO)
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        self.deref().signal(signal);
    }

    /// Waits for the end. The terminal has to be as it was before.
    #[track_caller]
    pub fn finish(mut self) -> Output {
        let running = self.running.take().expect("it is finished once");
        let line = running.line().to_owned();
        let mut sane = true;
        let output = running.wait_with(|| {
            sane = self.is_sane();
            // With the last handle on the program's side the reader comes to its end.
            drop(self.program);
            let deadline = Instant::now() + Duration::from_secs(5);
            while !self.reader.is_finished() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            let raw = self.screen.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
            (plain(&raw), raw)
        });
        assert!(sane, "`{line}` left the terminal without echo, or raw\n{output}");
        output
    }
}

impl<'b> Deref for Terminal<'b> {
    type Target = Running<'b>;

    fn deref(&self) -> &Running<'b> {
        self.running.as_ref().expect("it is finished once")
    }
}

impl DerefMut for Terminal<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.running.as_mut().expect("it is finished once")
    }
}
