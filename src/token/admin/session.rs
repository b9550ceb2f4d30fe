//! The `yubikey` crate, on one token and under a guard: what it is used for and what is done about its edges.
//!
//! It opens the reader it is given and no other, runs on a helper thread while it may wait for other programs, is closed
//! without the reset of its drop, and a panic of its (it indexes into answers that may be short) is an error here.

use super::management::AuthenticationKey;
use crate::token::{
    Error, PinPolicy, Point, Policies, Result, Serial, Slot, TouchPolicy,
    card::{ReaderName, is_gone, on_helper_thread, trouble},
};
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};
use yubikey::{
    Certificate, YubiKey,
    certificate::CertInfo,
    piv::{self, AlgorithmId, SlotId},
};

/// A connection of the crate's, with PIV selected.
pub(super) struct Session {
    guard: Guard,
    reader: ReaderName,
}

/// Closes the crate's connection without a reset.
struct Guard(Option<YubiKey>);

impl Drop for Guard {
    fn drop(&mut self) {
        // Left un-reset: a reset would drop the PIN that other programs rely on.
        if let Some(yubikey) = self.0.take()
            && let Err((yubikey, _)) = yubikey.disconnect(pcsc::Disposition::LeaveCard)
        {
            // Its drop would try once more, with a reset. The service closes what it still holds when we end.
            mem::forget(yubikey);
        }
    }
}

impl Session {
    /// Connects to the token `serial` in `reader` and selects PIV.
    pub fn open(reader: &ReaderName, serial: Serial, wait: Duration) -> Result<Self> {
        let name = reader.to_string();
        let opened = on_helper_thread(wait, move || open(&name))?;
        let opened = opened.unwrap_or_else(|| {
            Err(yubikey::Error::PcscError {
                inner: Some(pcsc::Error::SharingViolation),
            })
        });
        let guard = opened.map_err(|error| translate("open the token", reader, error))?;
        match &guard.0 {
            Some(yubikey) if yubikey.serial().0 == serial.0 => Ok(Self {
                guard,
                reader: reader.clone(),
            }),
            _ => Err(Error::Removed),
        }
    }

    /// Proves the management key.
    pub fn authenticate(&mut self, key: &AuthenticationKey) -> Result<()> {
        let armed = Instant::now();
        let management_key = key.of_the_crate()?;
        match self.call("the management key's proof", |yubikey| {
            yubikey.authenticate(&management_key)
        }) {
            // The crate gives one error for a refused key and a missed touch; only the latter takes seconds.
            Err(Error::NeedsManagementKey)
                if key.touch != TouchPolicy::Never && armed.elapsed() >= Duration::from_secs(1) =>
            {
                Err(Error::NoTouch {
                    waited: armed.elapsed(),
                })
            }
            Err(Error::NeedsManagementKey) => Err(Error::ManagementKeyRefused),
            result => result,
        }
    }

    /// Makes a P-256 key.
    pub fn generate(&mut self, slot: Slot, policies: Policies) -> Result<Point> {
        let pin = match policies.pin {
            PinPolicy::Never => yubikey::PinPolicy::Never,
            PinPolicy::Once => yubikey::PinPolicy::Once,
            PinPolicy::Always => yubikey::PinPolicy::Always,
            PinPolicy::Other(_) => {
                return Err(Error::NotSupported {
                    what: "this PIN policy",
                    firmware: None,
                });
            }
        };
        let touch = match policies.touch {
            TouchPolicy::Never => yubikey::TouchPolicy::Never,
            TouchPolicy::Always => yubikey::TouchPolicy::Always,
            TouchPolicy::Cached => yubikey::TouchPolicy::Cached,
        };
        let slot = slot_of_the_crate(slot)?;
        let info = self.call("the new key", |yubikey| {
            piv::generate(yubikey, slot, AlgorithmId::EccP256, pin, touch)
        })?;
        Point::from_sec1(info.subject_public_key.raw_bytes())
    }

    /// Stores a certificate, not compressed.
    pub fn write_certificate(&mut self, slot: Slot, der: &[u8]) -> Result<()> {
        let slot = slot_of_the_crate(slot)?;
        let certificate = Certificate::from_bytes(der.to_vec()).map_err(|_| Error::Malformed {
            what: "the certificate",
        })?;
        self.call("the certificate's storage", |yubikey| {
            certificate.write(yubikey, slot, CertInfo::Uncompressed)
        })
    }

    fn call<R>(&mut self, what: &'static str, work: impl FnOnce(&mut YubiKey) -> yubikey::Result<R>) -> Result<R> {
        let yubikey = self.guard.0.as_mut().ok_or(Error::Removed)?;
        match catch_unwind(AssertUnwindSafe(|| work(yubikey))) {
            Ok(result) => result.map_err(|error| translate(what, &self.reader, error)),
            Err(_) => Err(Error::Malformed { what }),
        }
    }
}

fn open(name: &str) -> yubikey::Result<Guard> {
    let opened = catch_unwind(|| {
        let mut context = yubikey::Context::open()?;
        // By name: `YubiKey::open_by_serial` would connect to every reader and select PIV on it.
        let reader = context.iter()?.find(|reader| reader.name() == name);
        reader.ok_or(yubikey::Error::NotFound)?.open()
    });
    let yubikey = opened.unwrap_or(Err(yubikey::Error::ParseError))?;
    Ok(Guard(Some(yubikey)))
}

fn slot_of_the_crate(slot: Slot) -> Result<SlotId> {
    SlotId::try_from(slot.byte()).map_err(|_| Error::Malformed { what: "the slot" })
}

fn translate(what: &'static str, reader: &ReaderName, error: yubikey::Error) -> Error {
    match error {
        yubikey::Error::PcscError {
            inner: Some(pcsc::Error::SharingViolation),
        } => Error::Busy {
            reader: reader.to_string(),
            serial: None,
        },
        yubikey::Error::PcscError { inner: Some(error) } => trouble(reader, "use the token", error),
        yubikey::Error::AuthenticationError => Error::NeedsManagementKey,
        // The crate takes an answer without status word, which a card pulled out can leave behind, for a refusal.
        _ if is_gone(reader) => Error::Removed,
        _ => Error::Malformed { what },
    }
}
