//! The operating system's store for secrets (Secret Service, Keychain, Credential Manager): short texts under a name.
//!
//! Any program of the user can ask an unlocked store for them. It is asked in a way that shows no window and ends soon. What the
//! texts are is left to those who keep them: `wrap::keychain` an enrolled key, `device` the key of a token's OATH password.

use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;
use keyring::v1::{Entry, Error as StoreError};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

#[cfg(all(unix, not(target_os = "macos")))]
mod secret_service;

/// The service under which the store files everything of this program's; the user is the name that it is kept under.
const SERVICE: &str = "tapvault";

/// A store answers at once, or never: with what else a command does, it is to end within 3 s. macOS may show a window that
/// asks whether this program may have the text.
const PATIENCE: Duration = if cfg!(target_os = "macos") {
    Duration::from_secs(60)
} else {
    Duration::from_secs(2)
};

/// How the store is, as far as it can be told without unlocking anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It answers, and what is asked for is there and not locked.
    Open,
    /// It answers, nothing in it is locked, and what is asked for is not there.
    Empty,
    /// It answers, and somebody has to unlock it.
    Locked,
    /// It answers, and there is no keyring in it for anything new: nobody has made one, or none is opened.
    NoKeyring,
    /// It does not run, and would be started when it is asked.
    Asleep,
    /// Somebody offers a secret service, and answers as none does.
    Broken,
    /// Nobody offers a secret service here, or it can't be started.
    NoService,
    /// There is no session bus to look for it on.
    NoBus,
}

/// Whether looking at the store may start it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waking {
    /// As any program does that wants something of it.
    Allowed,
    /// Only for looking: nothing is started.
    Never,
}

/// The operating system's store, asked several things that have to be answered within a few seconds together (a minute on macOS).
///
/// Nothing here makes the store show a window: whoever runs a command from a script or an editor would wait for ever.
pub struct Store {
    until: Instant,
}

/// What keeps an answer from being one.
enum Failure {
    Standing(Standing),
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Store(error)
    }
}

impl Store {
    /// The store of this login session; time runs from now.
    pub fn of_session() -> Self {
        Store {
            until: Instant::now() + PATIENCE,
        }
    }

    /// Puts `text` into the store under `name`, in the place of what may be there.
    ///
    /// # Errors
    /// [`ErrorKind::NoKey`] when the store is not there, is locked, or does not keep it.
    pub fn keep(&self, name: &str, text: SecretText) -> Result<()> {
        let name = name.to_owned();
        self.ask(move || {
            need_open(standing(None, Waking::Allowed))?;
            Ok(entry(&name)?.set_secret(text.expose().as_bytes())?)
        })
    }

    /// What is kept under `name`. The bytes are whatever somebody has put there.
    ///
    /// # Errors
    /// [`ErrorKind::NoKey`] when the store is not there, is locked, or has nothing under this name.
    pub fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>> {
        let name = name.to_owned();
        self.ask(move || {
            need_open(standing(Some(&name), Waking::Allowed))?;
            Ok(Zeroizing::new(entry(&name)?.get_secret()?))
        })
    }

    /// Looks whether [`Store::keep`] would work, so that nobody types something in vain.
    ///
    /// # Errors
    /// [`ErrorKind::NoKey`] when the store is not there or is locked.
    pub fn must_be_open(&self) -> Result<()> {
        self.ask(|| need_open(standing(None, Waking::Allowed)))
    }

    /// Takes what is kept under `name` out of the store for good. A store that does not have it is fine.
    ///
    /// # Errors
    /// [`ErrorKind::NoKey`] when the store is not there or is locked.
    pub fn forget(&self, name: &str) -> Result<()> {
        let wanted = name.to_owned();
        self.ask(move || {
            match standing(Some(&wanted), Waking::Allowed) {
                Standing::Empty | Standing::NoKeyring => return Ok(()),
                other => need_open(other)?,
            }
            match entry(&wanted)?.delete_credential() {
                Err(StoreError::NoEntry) => Ok(()),
                outcome => Ok(outcome?),
            }
        })
    }

    /// How the store is; unlocks nothing. With a `name` it is about what is kept under it, else about something new.
    ///
    /// # Errors
    /// [`ErrorKind::NoKey`] when it does not answer in time.
    pub fn standing(&self, name: Option<&str>, waking: Waking) -> Result<Standing> {
        let wanted = name.map(str::to_owned);
        self.ask(move || Ok(standing(wanted.as_deref(), waking)))
    }

    /// Asks on a thread of its own: some stores never answer, and nothing here may hang. The process's end, or exec, ends it.
    fn ask<T: Send + 'static>(&self, question: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T> {
        let (send, answer) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = send.send(question());
        });
        match answer.recv_timeout(self.until.saturating_duration_since(Instant::now())) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failure::Standing(standing))) => Err(standing.to_error()),
            Ok(Err(Failure::Store(error))) => Err(describe(&error)),
            Err(RecvTimeoutError::Timeout) => Err(Error::new(
                ErrorKind::NoKey,
                format!("it did not answer within {} s", PATIENCE.as_secs()),
            )
            .hint("log out and in again, which starts it anew; `tapvault doctor` says how it is")),
            Err(RecvTimeoutError::Disconnected) => Err(Error::new(
                ErrorKind::NoKey,
                "it gave an answer that nobody understands",
            )),
        }
    }
}

impl Standing {
    /// What it means for somebody who needs the store now.
    pub fn to_error(self) -> Error {
        let (what, next) = match self {
            Standing::Open | Standing::Asleep => ("it could not be read", "`tapvault doctor` says how it is"),
            Standing::Empty => (
                "there is no such key in it; it was deleted, or is another user's",
                "no new key was made in its place; if you have a copy of your desktop's keyring, put that back",
            ),
            Standing::Locked => (
                "it is locked",
                "unlock it: log in with your password, or use your desktop's keyring program (Passwords and Keys, KWalletManager, KeePassXC)",
            ),
            Standing::NoKeyring => (
                "it has no keyring yet, or none that is opened",
                "log in at the desktop once, or make a default keyring in your desktop's keyring program (Passwords and Keys, KWalletManager, KeePassXC)",
            ),
            Standing::Broken => (
                "it answers, but not as a secret service does",
                "log out and in again, which starts it anew; `tapvault doctor` says how it is",
            ),
            Standing::NoService => (
                "nobody offers a secret service on the session bus",
                "log in at the desktop, or start one: gnome-keyring, KWallet or KeePassXC",
            ),
            Standing::NoBus => (
                "there is no session bus, so no secret service can be asked (over ssh and in containers there often is none)",
                "log in at the desktop, or set DBUS_SESSION_BUS_ADDRESS to its bus",
            ),
        };
        Error::new(ErrorKind::NoKey, what).hint(next)
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn standing(name: Option<&str>, waking: Waking) -> Standing {
    secret_service::standing(name, waking)
}

/// Elsewhere the store is a part of the system.
#[cfg(not(all(unix, not(target_os = "macos"))))]
fn standing(_: Option<&str>, _: Waking) -> Standing {
    Standing::Open
}

fn need_open(standing: Standing) -> Result<(), Failure> {
    match standing {
        Standing::Open => Ok(()),
        Standing::Empty
        | Standing::Locked
        | Standing::NoKeyring
        | Standing::Asleep
        | Standing::Broken
        | Standing::NoService
        | Standing::NoBus => Err(Failure::Standing(standing)),
    }
}

fn entry(name: &str) -> Result<Entry, StoreError> {
    Entry::new(SERVICE, name)
}

fn describe(error: &StoreError) -> Error {
    match error {
        // Between our look and the question somebody changed it.
        StoreError::NoEntry => Standing::Empty.to_error(),
        StoreError::NoStorageAccess(_) => Standing::Locked.to_error(),
        StoreError::NoDefaultStore | StoreError::PlatformFailure(_) => Standing::Broken.to_error(),
        // The library's own words may quote what the store holds.
        _ => Error::new(ErrorKind::NoKey, "it could not be read"),
    }
}
