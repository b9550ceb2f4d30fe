//! The Assuan protocol as far as pinentry needs it: a command a line, answered by `OK`, `ERR`, or `D` lines and `OK`.
//!
//! libassuan's manual, "Client requests" and "Server responses".

use crate::prompt::printable;
use crate::secret::SecretText;
use std::io::{self, Read, Write};
use std::time::Duration;
use zeroize::Zeroizing;

/// More than any line. The buffer never grows, so no copy of a secret is left behind.
const LONGEST_LINE: usize = 4096;

/// libgpg-error's codes, in the low 16 bits of what ERR says.
const CANCELED: u32 = 99;
const TIMEOUT: u32 = 62;

/// Pinentries that ask at a terminal. They are asked for none: it is not ours, or there is none.
const TERMINAL_FLAVORS: [&str; 2] = ["curses", "tty"];

/// Why pinentry brought nothing.
pub enum Failure {
    /// The window was closed.
    Cancelled,
    /// Nobody answered.
    TimedOut,
    /// It is one for terminals, or has fallen back to being one; the flavour it says it is.
    NoWindow(String),
    /// In pinentry's words or the system's.
    Failed(String),
}

/// Our end of a conversation with pinentry.
pub struct Assuan<W, R> {
    /// What it reads.
    pub input: W,
    /// What it writes.
    pub output: R,
}

impl<W: Write, R: Read> Assuan<W, R> {
    /// Shows `text` for at most `patience` and returns what was typed.
    pub fn ask(mut self, text: &str, patience: Duration) -> Result<SecretText, Failure> {
        self.answer()?;
        self.command("SETTITLE tapvault")?;
        self.command(&format!("SETDESC {}", encoded(text)))?;
        self.command("SETPROMPT PIN:")?;
        // Old ones don't know it; then the caller's own patience ends them.
        match self.command(&format!("SETTIMEOUT {}", patience.as_secs())) {
            Ok(_) | Err(Failure::Failed(_)) => {}
            Err(failure) => return Err(failure),
        }
        if let Some(flavor) = self.flavor()?
            && TERMINAL_FLAVORS
                .iter()
                .any(|terminal| flavor.split(':').any(|part| part == *terminal))
        {
            return Err(Failure::NoWindow(flavor));
        }
        let typed = self.command("GETPIN")?;
        let typed =
            std::str::from_utf8(&typed).map_err(|_| Failure::Failed("it answered with no UTF-8 text".into()))?;
        Ok(SecretText::copy_of(typed))
    }

    /// Such as "gnome3", or "gnome3:curses" when there is no display; `None` if it does not say.
    fn flavor(&mut self) -> Result<Option<String>, Failure> {
        match self.command("GETINFO flavor") {
            Ok(flavor) => Ok(std::str::from_utf8(&flavor).ok().map(printable)),
            Err(Failure::Failed(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    fn command(&mut self, line: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        self.input.write_all(format!("{line}\n").as_bytes()).map_err(lost)?;
        self.answer()
    }

    /// The data that comes before OK.
    fn answer(&mut self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let mut data = Zeroizing::new(Vec::with_capacity(LONGEST_LINE));
        loop {
            let line = self.line()?;
            let (word, rest) = match line.iter().position(|byte| *byte == b' ') {
                Some(space) => (&line[..space], &line[space + 1..]),
                None => (&line[..], &[][..]),
            };
            match word {
                b"OK" => return Ok(data),
                b"D" if data.len() + rest.len() <= LONGEST_LINE => decode_onto(&mut data, rest),
                b"ERR" => return Err(refusal(&String::from_utf8_lossy(rest))),
                // Status lines and comments.
                b"S" => {}
                _ if word.starts_with(b"#") => {}
                _ => return Err(Failure::Failed("it answered with something that is not Assuan".into())),
            }
        }
    }

    fn line(&mut self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_LINE));
        loop {
            let mut byte = Zeroizing::new([0]);
            match self.output.read(&mut *byte) {
                Ok(0) => return Err(Failure::Failed("it ended without an answer".into())),
                Ok(_) if byte[0] == b'\n' => return Ok(line),
                Ok(_) if line.len() < LONGEST_LINE => line.push(byte[0]),
                Ok(_) => return Err(Failure::Failed("it answered with too long a line".into())),
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(lost(err)),
            }
        }
    }
}

fn lost(err: io::Error) -> Failure {
    Failure::Failed(err.to_string())
}

/// "83886179 Operation cancelled <Pinentry>".
fn refusal(text: &str) -> Failure {
    let code = text.split(' ').next().and_then(|code| code.parse::<u32>().ok());
    match code.map(|code| code & 0xffff) {
        Some(CANCELED) => Failure::Cancelled,
        Some(TIMEOUT) => Failure::TimedOut,
        Some(_) | None => Failure::Failed(printable(text)),
    }
}

/// Percent-encoded where a line could not carry it (libassuan's manual, "Client requests").
fn encoded(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn decode_onto(data: &mut Zeroizing<Vec<u8>>, mut text: &[u8]) {
    while let [first, rest @ ..] = text {
        match text {
            [b'%', high, low, rest @ ..] => match (nibble(*high), nibble(*low)) {
                (Some(high), Some(low)) => {
                    data.push(high << 4 | low);
                    text = rest;
                    continue;
                }
                _ => data.push(b'%'),
            },
            _ => data.push(*first),
        }
        text = rest;
    }
}

fn nibble(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(answers: &str) -> (Result<String, Failure>, String) {
        let mut said = Vec::new();
        let assuan = Assuan {
            input: &mut said,
            output: answers.as_bytes(),
        };
        let outcome = assuan
            .ask("PIN of a 50% key", Duration::from_secs(60))
            .map(|pin| pin.expose().to_owned());
        (outcome, String::from_utf8(said).expect("text"))
    }

    #[test]
    fn the_answer_is_decoded_and_the_question_encoded() {
        let (pin, said) = ask(
            "OK hello\n# a comment\nOK\nOK\nOK\nERR 83886355 Unknown IPC command\nD gnome3\nOK\nS PASSPHRASE\nD 12%2534\nD %C3%A9\nOK\n",
        );
        assert_eq!(pin.ok().as_deref(), Some("12%34é"));
        assert!(said.contains("\nSETDESC PIN of a 50%25 key\n"), "{said}");
        assert!(said.ends_with("\nGETPIN\n"), "{said}");
    }

    #[test]
    fn a_closed_window_and_a_time_out_are_told_from_failures() {
        let settings = "OK\nOK\nOK\nOK\nOK\nERR 83886355 Unknown IPC command\n";
        let outcome = |last: &str| ask(&format!("{settings}{last}")).0;
        assert!(matches!(
            outcome("ERR 83886179 Operation cancelled <Pinentry>\n"),
            Err(Failure::Cancelled)
        ));
        assert!(matches!(
            outcome("ERR 83886142 Timeout <Pinentry>\n"),
            Err(Failure::TimedOut)
        ));
        assert!(matches!(
            outcome("ERR 83918950 Inappropriate ioctl for device\n"),
            Err(Failure::Failed(_))
        ));
        let flavor = |flavor: &str| ask(&format!("OK\nOK\nOK\nOK\nOK\nD {flavor}\nOK\n")).0;
        assert!(matches!(flavor("gnome3:curses"), Err(Failure::NoWindow(_))));
        assert!(matches!(flavor("tty"), Err(Failure::NoWindow(_))));
        assert!(matches!(outcome("D 12"), Err(Failure::Failed(_))));
        assert!(matches!(outcome("what?\n"), Err(Failure::Failed(_))));
    }
}
