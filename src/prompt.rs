//! The dialogue with the person: lines before a touch, questions, and secrets typed without an echo.
//!
//! It goes over the terminal when this program is in the terminal's foreground, else over pinentry (secrets), stderr (lines) and
//! the desktop (a touch that is awaited). Who is in the background, or beside a program that takes the whole screen, writes nothing
//! on the terminal. Standard input belongs to the child and to `--stdin`; it is never asked.

mod awaited;
mod graphical;
#[cfg_attr(
    not(all(feature = "notify", unix, not(target_os = "macos"))),
    path = "prompt/without_notice.rs"
)]
pub mod notice;
mod notify_command;
mod pace;
mod person;
mod qr;
mod signals;
mod tty;

pub use crate::error::printable;
pub use awaited::Awaited;
pub use pace::Pace;

use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;
use graphical::Pinentry;
use notice::Bus;
use notify_command::NotifyCommand;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tty::{Standing, Terminal};

pub use person::{Asks, Helper, Person, Voice, nobody};

/// Where the person can be reached. Who has the terminal is looked at anew each time.
pub struct Dialogue {
    /// Set when the person is at another program's terminal; then nothing else here is used.
    elsewhere: Option<Arc<dyn Person>>,
    terminal: Option<Terminal>,
    terminal_kind: TerminalKind,
    pinentry: Pinentry,
    bus: Bus,
    notify_command: Option<Arc<NotifyCommand>>,
    pace: Pace,
}

/// Whether a person at the terminal sees a line that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    AtTerminal,
    /// It went to a log, a caller that swallows it, or nowhere.
    ByNobody,
}

/// Whether a line can be written over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TerminalKind {
    /// The usual ones.
    Moving,
    /// `TERM=dumb`, or not set: editors' shells, and what reads to a person.
    Dumb,
}

impl Dialogue {
    /// The controlling terminal; pinentry as `PINENTRY_PROGRAM` or its usual names say.
    pub fn open(env: &Env) -> Self {
        Dialogue {
            elsewhere: None,
            terminal: Terminal::open(),
            terminal_kind: match env.text("TERM") {
                None | Some("dumb") => TerminalKind::Dumb,
                Some(_) => TerminalKind::Moving,
            },
            pinentry: Pinentry::from_env(env),
            bus: Bus::from_env(env),
            notify_command: None,
            pace: Pace::begin(),
        }
    }

    /// With somebody who is at another program's terminal.
    pub fn with(person: Arc<dyn Person>) -> Self {
        Dialogue {
            elsewhere: Some(person),
            terminal: None,
            terminal_kind: TerminalKind::Dumb,
            pinentry: Pinentry::from_env(&Env::default()),
            bus: Bus::from_env(&Env::default()),
            notify_command: None,
            pace: Pace::begin(),
        }
    }

    /// The person, if there is one elsewhere.
    pub fn elsewhere(&self) -> Option<&dyn Person> {
        self.elsewhere.as_deref()
    }

    /// What names the terminal among others: the session that it controls. `None` for who is not in its foreground.
    pub fn terminal_session(&self) -> Option<u64> {
        let terminal = self.terminal.as_ref()?;
        terminal.is_in_foreground().then(|| terminal.session())?
    }

    /// How long somebody is kept waiting.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// The same, to be kept.
    pub fn elsewhere_shared(&self) -> Option<Arc<dyn Person>> {
        self.elsewhere.clone()
    }

    /// Whether the outcome still matters to anybody. Called before something that can't be taken back or takes long.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`] when whoever asked has gone.
    pub fn must_be_heard(&self) -> Result<()> {
        match self.elsewhere() {
            Some(person) if !person.is_there() => Err(nobody()),
            Some(_) | None => Ok(()),
        }
    }

    /// With a command that is run by the shell for every touch that is awaited.
    pub fn notifying(mut self, command: Option<&str>) -> Self {
        self.notify_command = command.map(NotifyCommand::new);
        self
    }

    /// Whether questions can be asked at a terminal.
    pub fn has_terminal(&self) -> bool {
        if let Some(person) = self.elsewhere() {
            return person.has_terminal();
        }
        self.terminal().is_ok()
    }

    /// A line that a person should see now, such as what a touch is for: on the terminal, else on stderr.
    pub fn tell(&self, line: &str) {
        self.tell_printable(&printable(line));
    }

    /// Says what a touch is for, before the token blinks. Hold what comes back until the token has answered.
    pub fn touch(&self, line: &str) -> Awaited<'_> {
        Awaited::begin(self, line)
    }

    /// A line for whoever reads stderr, person or log.
    pub fn note(&self, line: &str) {
        match self.elsewhere() {
            Some(person) => person.say(Voice::Note, &printable(line)),
            None => say(&printable(line)),
        }
    }

    /// A line for who asked for `--debug`.
    pub fn debug(&self, line: &str) {
        debug(self.elsewhere(), line);
    }

    /// Waits `seconds`, and shows how many are left: "words 12 s". On a terminal that can, the line counts down.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`] when whoever asked has gone.
    pub fn count_down(&self, words: &str, seconds: u64) -> Result<()> {
        let words = printable(words);
        if let Some(person) = self.elsewhere() {
            person.count_down(&words, seconds);
            for _ in 0..seconds {
                std::thread::sleep(Duration::from_secs(1));
                self.must_be_heard()?;
            }
            return Ok(());
        }
        self.show_count_down(&words, seconds);
        Ok(())
    }

    /// Shows it on the terminal, else on stderr, and sleeps that long.
    fn show_count_down(&self, words: &str, seconds: u64) {
        if self.terminal_kind == TerminalKind::Dumb || self.terminal().is_err() {
            self.tell(&format!("{words} {seconds} s"));
            return std::thread::sleep(Duration::from_secs(seconds));
        }
        for left in (1..=seconds).rev() {
            // The command may have been put into the background meanwhile. As wide as before, so that nothing of the longer
            // line stays.
            if let Ok(terminal) = self.terminal() {
                let _ = terminal.print(&format!("\r{words} {left:2} s"));
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        if let Ok(terminal) = self.terminal() {
            let _ = terminal.print("\n");
        }
    }

    /// Several lines as they are (a QR code), on the terminal only.
    ///
    /// # Errors
    /// [`ErrorKind::Other`] without a terminal: what is shown here must not land in a log.
    pub fn show(&self, text: &str) -> Result<()> {
        let terminal = self.need_terminal("shown")?;
        terminal.print(text).map_err(|err| lost(&err))
    }

    /// A text as a QR code, on the terminal only.
    ///
    /// # Errors
    /// As [`Dialogue::show`], and when it is too long for one.
    pub fn show_qr(&self, text: &str) -> Result<()> {
        self.show(&zeroize::Zeroizing::new(qr::lines(text)?))
    }

    /// Asks for a line that may be seen. Spaces around it are dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] without a terminal, [`ErrorKind::Cancelled`] on Ctrl-D.
    pub fn ask(&self, question: &str) -> Result<String> {
        let question = printable(question);
        match self.elsewhere() {
            Some(person) => Ok(person.ask(Asks::Line, &question)?.expose().to_owned()),
            None => {
                let terminal = self.need_terminal("asked")?;
                self.pace.asking(|| terminal.ask(&format!("{question}: ")))
            }
        }
    }

    /// Asks for a yes; anything but `y` or `yes` is a no.
    ///
    /// # Errors
    /// As [`Dialogue::ask`].
    pub fn confirm(&self, question: &str) -> Result<bool> {
        let question = printable(question);
        if let Some(person) = self.elsewhere() {
            return Ok(person.ask(Asks::Consent, &question)?.expose() == "y");
        }
        let terminal = self.need_terminal("asked")?;
        let answer = self.pace.asking(|| terminal.ask(&format!("{question} [y/N] ")))?;
        Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Asks for a secret without an echo: at the terminal, else through pinentry.
    ///
    /// # Errors
    /// [`ErrorKind::Pin`] when there is neither, [`ErrorKind::Cancelled`] when the person gives up.
    pub fn ask_secret(&self, question: &str) -> Result<SecretText> {
        let question = printable(question);
        if let Some(person) = self.elsewhere() {
            return person.ask(Asks::Secret, &question);
        }
        self.pace.asking(|| match self.terminal() {
            Ok(terminal) => terminal.ask_secret(&format!("{question}: ")),
            Err(absence) => self.pinentry.ask(&question, absence),
        })
    }

    fn tell_printable(&self, line: &str) -> Seen {
        if let Some(person) = self.elsewhere() {
            person.say(Voice::Tell, line);
            return Seen::AtTerminal;
        }
        self.pace.says(line);
        let told = self
            .terminal()
            .is_ok_and(|terminal| terminal.print(&format!("{line}\n")).is_ok());
        if told {
            return Seen::AtTerminal;
        }
        say(line);
        match tty::standing(std::io::stderr()) {
            Some(Standing::Ours) => Seen::AtTerminal,
            Some(Standing::Background | Standing::Occupied) | None => Seen::ByNobody,
        }
    }

    /// The terminal if it is ours to use now.
    fn terminal(&self) -> Result<&Terminal, Absence> {
        let terminal = self.terminal.as_ref().ok_or(Absence::NoTerminal)?;
        match terminal.standing() {
            Some(Standing::Ours) => Ok(terminal),
            Some(Standing::Background) => Err(Absence::Background),
            Some(Standing::Occupied) => Err(Absence::Occupied),
            None => Err(Absence::NoTerminal),
        }
    }

    fn need_terminal(&self, what: &str) -> Result<&Terminal> {
        self.terminal().map_err(|absence| {
            Error::new(
                ErrorKind::Usage,
                format!("this has to be {what} at a terminal, and {}", absence.words()),
            )
            .hint(absence.remedy())
        })
    }
}

/// Why nobody can be asked at a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    NoTerminal,
    Background,
    Occupied,
}

impl Absence {
    /// Reads after "could not ask: ".
    fn words(self) -> &'static str {
        match self {
            Absence::NoTerminal => "there is no terminal here",
            Absence::Background => "this is a background job, which may not ask at its terminal",
            Absence::Occupied => "another program has the terminal (it takes the whole screen)",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Absence::NoTerminal => "run it at a terminal",
            Absence::Background => "run it in the foreground, without `&`",
            Absence::Occupied => "run it in another terminal, or after that program has ended",
        }
    }
}

/// A line on stderr, unless that is a terminal which others are using now. That it can't be written (a full disk, a reader
/// that has gone) must not change what the command does: the standard library's macro would panic.
pub fn say(line: &str) {
    match tty::standing(std::io::stderr()) {
        None | Some(Standing::Ours) => write(line),
        Some(Standing::Background | Standing::Occupied) => {}
    }
}

/// A line for who asked for `--debug`, here or elsewhere.
pub fn debug(elsewhere: Option<&dyn Person>, line: &str) {
    match elsewhere {
        Some(person) => person.say(Voice::Debug, &printable(line)),
        None => say(&format!("debug: {line}")),
    }
}

/// The last words of a command that failed. A background job says them at its terminal too, like every program; only into the
/// picture of a full-screen program nothing is written, and the exit code has to do.
pub fn complain(line: &str) {
    match tty::standing(std::io::stderr()) {
        None | Some(Standing::Ours | Standing::Background) => write(line),
        Some(Standing::Occupied) => {}
    }
}

/// In one piece, or lines of callers that run at once would be mixed.
fn write(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

fn lost(err: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Other, format!("the terminal went away: {err}"))
}
