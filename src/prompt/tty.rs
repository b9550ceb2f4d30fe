//! The controlling terminal, `/dev/tty`: who has it now, lines, questions, and secrets with the echo off.

use super::lost;
use super::signals::Signals;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, getpgid, getpgrp, getppid, getsid};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use zeroize::{Zeroize, Zeroizing};

/// More than any PIN, passphrase or key; the buffer never grows, so no copy of a secret is left behind.
const LONGEST: usize = 4096;

/// Who has the terminal. It changes while a program runs: Ctrl-Z and `bg`, an editor started beside a background job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This process group is in the foreground, and lines are typed as lines: questions can be asked.
    Ours,
    /// This is a background job of a shell, and what has the terminal would not be hurt by a line.
    Background,
    /// A program that takes the whole screen has it: it is read key by key, and whatever is written lands in the picture.
    Occupied,
}

/// The standing of this process at the terminal behind `fd`; `None` if that is not its controlling terminal.
pub fn standing(fd: impl AsFd) -> Option<Standing> {
    let foreground = tcgetpgrp(&fd).ok()?;
    let modes = tcgetattr(&fd).ok()?.local_modes;
    let by_lines = modes.contains(LocalModes::ICANON);
    Some(if foreground == getpgrp() {
        // A shell starts its jobs in groups of their own. Who started this program in its own group and reads key by key
        // would lose keys to a question. A pager at the end of the pipe (`| less`) is no such program: it reads no key
        // before there is something to show.
        if by_lines || group_of_parent() != Some(foreground) {
            Standing::Ours
        } else {
            Standing::Occupied
        }
    } else if modes.contains(LocalModes::TOSTOP) {
        // One word would stop the job (POSIX, General Terminal Interface 11.1.4).
        Standing::Occupied
    } else if by_lines || getsid(None).is_ok_and(|shell| shell == foreground) || group_of_parent() == Some(foreground) {
        // The shell itself: at its prompt it reads key by key too.
        Standing::Background
    } else {
        Standing::Occupied
    })
}

fn group_of_parent() -> Option<Pid> {
    getpgid(Some(getppid()?)).ok()
}

/// The terminal, open for reading and writing.
pub struct Terminal(File);

impl Terminal {
    /// The controlling terminal, if there is one.
    pub fn open() -> Option<Self> {
        let file = File::options().read(true).write(true).open("/dev/tty").ok()?;
        Some(Terminal(file))
    }

    /// The session that it controls, by number.
    pub fn session(&self) -> Option<u64> {
        let session = rustix::termios::tcgetsid(&self.0).ok()?;
        u64::try_from(session.as_raw_nonzero().get()).ok()
    }

    /// Whether this process group has it now, whoever in it reads.
    pub fn is_in_foreground(&self) -> bool {
        tcgetpgrp(&self.0).is_ok_and(|foreground| foreground == getpgrp())
    }

    /// Who has it now; `None` when it has gone.
    pub fn standing(&self) -> Option<Standing> {
        standing(&self.0)
    }

    /// Writes `text` as it is.
    pub fn print(&self, text: &str) -> std::io::Result<()> {
        (&self.0).write_all(text.as_bytes())
    }

    /// Asks for a line with the terminal's own line editing. Ctrl-C ends the program as usual: nothing was changed.
    pub fn ask(&self, question: &str) -> Result<String> {
        self.print(question).map_err(|err| lost(&err))?;
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            match (&self.0).read(&mut byte) {
                Ok(0) if line.is_empty() => {
                    let _ = self.print("\n");
                    return Err(cancelled());
                }
                Ok(0) => break,
                Ok(_) if byte[0] == b'\n' => break,
                Ok(_) if line.len() < LONGEST => line.push(byte[0]),
                Ok(_) => return Err(too_long()),
                Err(err) if err.kind() == std::io::ErrorKind::Interrupted => {}
                Err(err) => return Err(lost(&err)),
            }
        }
        let text =
            String::from_utf8(line).map_err(|_| Error::new(ErrorKind::Usage, "what was typed is not UTF-8 text"))?;
        Ok(text.trim().to_owned())
    }

    /// Asks for a secret with the echo off; the terminal is put back however this ends, signals included.
    pub fn ask_secret(&self, question: &str) -> Result<SecretText> {
        let signals = Signals::caught().map_err(|err| lost(&err))?;
        // The echo goes off, and earlier typing is dropped, before the question is seen: an answer can't be too early.
        let quiet = Quiet::start(&self.0).map_err(|err| lost(&err))?;
        self.print(question).map_err(|err| lost(&err))?;
        let answer = read_quietly(&self.0, &signals);
        drop(quiet);
        let _ = self.print("\n");
        match answer? {
            Answer::Line(secret) => Ok(secret),
            Answer::GaveUp => Err(cancelled()),
            Answer::Signal(signal) => {
                // Die of it, as if it had never been caught.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
                Err(cancelled())
            }
        }
    }
}

enum Answer {
    Line(SecretText),
    GaveUp,
    Signal(i32),
}

/// Reads keys until Enter. The terminal hands over each key at once, so Ctrl-C and Ctrl-Z arrive here as bytes.
fn read_quietly(terminal: &File, signals: &Signals) -> Result<Answer> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    loop {
        let mut ready = [
            PollFd::new(terminal, PollFlags::IN),
            PollFd::new(signals.pipe, PollFlags::IN),
        ];
        match poll(&mut ready, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(err) => return Err(lost(&err)),
        }
        if !ready[1].revents().is_empty() {
            return Ok(Answer::Signal(signals.which()));
        }
        let mut key = [0];
        match (&*terminal).read(&mut key) {
            Ok(0) => return Ok(Answer::GaveUp),
            Ok(_) => {}
            Err(err) if err.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(err) => return Err(lost(&err)),
        }
        match key[0] {
            b'\n' | b'\r' => break,
            0x03 => return Ok(Answer::GaveUp),                    // Ctrl-C
            0x04 if line.is_empty() => return Ok(Answer::GaveUp), // Ctrl-D
            0x08 | 0x7f => drop_last_character(&mut line),        // Backspace
            0x15 => line.zeroize(),                               // Ctrl-U
            0x00..=0x1f => {}
            _ if line.len() < LONGEST => line.push(key[0]),
            _ => return Err(too_long()),
        }
    }
    match std::str::from_utf8(&line) {
        Ok(text) => Ok(Answer::Line(SecretText::copy_of(text))),
        Err(_) => Err(Error::new(ErrorKind::Usage, "what was typed is not UTF-8 text")),
    }
}

fn drop_last_character(line: &mut Vec<u8>) {
    while let Some(byte) = line.pop() {
        // A UTF-8 continuation byte is 10xxxxxx; the first byte of a character is not.
        if byte & 0xc0 != 0x80 {
            break;
        }
    }
}

/// Echo and line editing off, until dropped.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn start(terminal: &'a File) -> rustix::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Quiet { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "nothing was changed")
}

fn too_long() -> Error {
    Error::new(
        ErrorKind::Usage,
        format!("more than {LONGEST} bytes were typed on one line"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backspace_takes_a_whole_character() {
        let mut line = "aé".as_bytes().to_vec();
        drop_last_character(&mut line);
        assert_eq!(line, b"a");
    }
}
