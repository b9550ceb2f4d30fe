//! What all applets of one token share: who it is, its body, its memory and its journal.

use std::{
    io,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{apdu::StatusWord, body::Body, firmware::Firmware, journal::Journal, store::Store};

/// The section of the state file that says which token this is.
const SECTION: &str = "device";

/// How a token is made or taken up again.
#[derive(Clone, Debug)]
pub struct Setup {
    /// `None`: what the state file says, else [`DEFAULT_SERIAL`].
    pub serial: Option<u32>,
    /// `None`: what the state file says, else 5.7.1.
    pub firmware: Option<Firmware>,
    pub inserted: bool,
    /// How long the token waits for a touch.
    pub touch_timeout: Duration,
    /// How long a touch counts for keys with the touch policy "cached".
    pub touch_cache: Duration,
}

/// The serial number of a token that nobody gave one.
pub const DEFAULT_SERIAL: u32 = 10_000_001;

/// A YubiKey waits 15 s for a touch, and a cached one counts as long.
pub const FIFTEEN_SECONDS: Duration = Duration::from_secs(15);

impl Default for Setup {
    fn default() -> Self {
        Self {
            serial: None,
            firmware: None,
            inserted: true,
            touch_timeout: FIFTEEN_SECONDS,
            touch_cache: FIFTEEN_SECONDS,
        }
    }
}

/// See the module's words.
pub struct Device {
    pub serial: u32,
    pub firmware: Firmware,
    pub touch_cache: Duration,
    pub body: Body,
    pub journal: Journal,
    store: Mutex<Store>,
}

/// Stays with the state file: a token doesn't change its number.
#[derive(Serialize, Deserialize)]
struct Identity {
    serial: u32,
    firmware: Firmware,
}

impl Device {
    /// Takes up the token of this state file, or makes a new one if there is no file.
    pub fn open(state: &Path, setup: &Setup) -> io::Result<Self> {
        let mut store = Store::open(state)?;
        let identity = match store.read::<Identity>(SECTION)? {
            Some(identity) => identity,
            None => Identity {
                serial: setup.serial.unwrap_or(DEFAULT_SERIAL),
                firmware: setup.firmware.unwrap_or(Firmware::V5_7_1),
            },
        };
        let Identity { serial, firmware } = identity;
        if setup.serial.is_some_and(|wanted| wanted != serial)
            || setup.firmware.is_some_and(|wanted| wanted != firmware)
        {
            let message = format!("{} is the token {serial} with firmware {firmware}", state.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        store.write(SECTION, &identity)?;
        Ok(Self {
            serial,
            firmware,
            touch_cache: setup.touch_cache,
            body: Body::new(setup.inserted, setup.touch_timeout),
            journal: Journal::new(),
            store: Mutex::new(store),
        })
    }

    /// An applet's section of the state file.
    pub fn recall<T: DeserializeOwned>(&self, section: &str) -> io::Result<Option<T>> {
        self.store().read(section)
    }

    /// Replaces an applet's section of the state file.
    pub fn remember<T: Serialize>(&self, section: &str, content: &T) -> Result<(), StatusWord> {
        self.store()
            .write(section, content)
            .map_err(|_| StatusWord::MEMORY_FAILURE)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
