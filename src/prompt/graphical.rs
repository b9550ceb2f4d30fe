//! Secrets through pinentry, for callers without a terminal: an editor, a background job, credential_process.

use crate::context::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;
use pinentry::PassphraseInput;
use std::ffi::OsString;
use std::sync::mpsc;
use std::time::Duration;

/// The names under which distributions and Homebrew install it, best first.
const USUAL_NAMES: [&str; 6] = [
    "pinentry",
    "pinentry-gnome3",
    "pinentry-qt",
    "pinentry-gtk-2",
    "pinentry-mac",
    "pinentry-x11",
];

/// Nothing (PATH) first, then where package managers put it.
const USUAL_FOLDERS: [&str; 4] = ["", "/usr/bin/", "/usr/local/bin/", "/opt/homebrew/bin/"];

/// How long the window stays open. In seconds.
const PATIENCE: u16 = 60;

/// Assuan lines end at 1,000 bytes, and the library panics on longer ones.
const LONGEST_TEXT: usize = 600;

/// Which pinentry to run; looked for on PATH only when it is needed.
pub struct Pinentry {
    named: Option<OsString>,
}

impl Pinentry {
    /// `PINENTRY_PROGRAM` if set.
    pub fn from_env(env: &Env) -> Self {
        Pinentry {
            named: env.os("PINENTRY_PROGRAM").map(OsString::from),
        }
    }

    /// Shows `question` and returns what was typed.
    pub fn ask(&self, question: &str) -> Result<SecretText> {
        let mut text = question.to_owned();
        while text.len() > LONGEST_TEXT {
            text.pop();
        }
        let candidates: Vec<OsString> = match &self.named {
            Some(program) => vec![program.clone()],
            // Callers such as editors run with a short PATH, so the usual folders are tried too.
            None => USUAL_NAMES
                .iter()
                .flat_map(|name| USUAL_FOLDERS.map(|folder| OsString::from(format!("{folder}{name}"))))
                .collect(),
        };
        // On a thread of its own: a pinentry that ignores its time-out must not hang a caller that has none.
        let (send, answer) = mpsc::channel();
        std::thread::spawn(move || {
            let found = candidates.iter().find_map(|name| {
                PassphraseInput::with_binary(name).map(|mut input| {
                    input
                        .with_title("tapvault")
                        .with_description(&text)
                        .with_prompt("PIN:")
                        .with_timeout(PATIENCE)
                        .interact()
                })
            });
            let _ = send.send(found);
        });
        match answer.recv_timeout(Duration::from_secs(u64::from(PATIENCE) + 5)) {
            Ok(Some(Ok(secret))) => {
                use age::secrecy::ExposeSecret;
                Ok(SecretText::copy_of(secret.expose_secret()))
            }
            Ok(Some(Err(pinentry::Error::Cancelled))) => Err(Error::new(
                ErrorKind::Cancelled,
                format!("pinentry was closed at \"{question}\""),
            )),
            Ok(Some(Err(pinentry::Error::Timeout))) | Err(_) => Err(Error::new(
                ErrorKind::Pin,
                format!("nobody answered pinentry within {PATIENCE} s at \"{question}\""),
            )),
            Ok(Some(Err(err))) => Err(self.none(question, Some(&err))),
            Ok(None) => Err(self.none(question, None)),
        }
    }

    fn none(&self, question: &str, err: Option<&pinentry::Error>) -> Error {
        let why = match (err, &self.named) {
            (Some(err), _) => format!("pinentry failed: {err}"),
            (None, Some(program)) => format!(
                "PINENTRY_PROGRAM names {}, which can't be run",
                program.to_string_lossy()
            ),
            (None, None) => "there is neither a terminal nor a pinentry program".to_owned(),
        };
        Error::new(ErrorKind::Pin, format!("could not ask \"{question}\": {why}")).hint(
            "run it at a terminal, or install a graphical pinentry (Debian: pinentry-gnome3) and set PINENTRY_PROGRAM",
        )
    }
}
