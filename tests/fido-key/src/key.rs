//! One key as the process knows it: who it is, its body, its line to the host and its memory.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fido_authenticator::{Error, Result, TrussedRequirements, UserPresence};
use tapvault_lab::soft_token::body::{Body, Touch};

use crate::line::Line;

/// What the host is told when it looks for keys.
#[derive(Clone, Debug)]
pub struct Identity {
    pub product: String,
    pub serial: Option<String>,
    pub vendor_id: u16,
    pub product_id: u16,
}

/// See the module's words.
pub struct Key {
    pub identity: Identity,
    pub body: Body,
    memory: PathBuf,
    line: Mutex<Line>,
}

impl Key {
    pub fn new(identity: Identity, memory: &Path, inserted: bool, touch_timeout: Duration) -> Self {
        Self {
            identity,
            body: Body::new(inserted, touch_timeout),
            memory: memory.to_owned(),
            line: Mutex::new(Line::new()),
        }
    }

    /// No invariant spans two calls, so a panic elsewhere doesn't spoil it.
    pub fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_inserted(&self) -> bool {
        self.body.plug().inserted
    }

    /// The two memories that outlive a power cycle.
    pub fn memories(&self) -> [PathBuf; 2] {
        ["internal", "external"].map(|part| self.memory.with_added_extension(part))
    }

    /// Makes it as it came from the factory; it has to be pulled out.
    pub fn forget(&self) -> io::Result<()> {
        for memory in self.memories() {
            match fs::remove_file(memory) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The firmware's way to the body.
#[derive(Clone, Copy)]
pub struct Finger<'a>(pub &'a Key);

impl UserPresence for Finger<'_> {
    /// The firmware's own time is not asked: the body has its patience, which can change meanwhile.
    fn user_present<T: TrussedRequirements>(self, _: &mut T, _: u32) -> Result<()> {
        let purpose = self.0.line().current();
        match self.0.body.await_touch(&purpose) {
            Touch::Given | Touch::Cached => Ok(()),
            Touch::Missed => Err(Error::UserActionTimeout),
            Touch::Interrupted => Err(Error::KeepaliveCancel),
        }
    }
}
