//! Waiting for other programs, but not for ever.

use super::{PROTOCOLS, ReaderName, SHARED, fault};
use crate::token::{Error, Result};
use std::{
    mem,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// How often a card in exclusive use is tried again.
const PAUSE: Duration = Duration::from_millis(50);
/// The least time a helper thread gets, so that "don't wait" still means "try".
const LEAST: Duration = Duration::from_millis(200);

/// A PC/SC handle that leaves the card as it is when dropped.
pub(super) struct Handle(Option<pcsc::Card>);

impl Handle {
    /// The handle, there until it is dropped.
    pub fn card(&mut self) -> Result<&mut pcsc::Card> {
        self.0.as_mut().ok_or(Error::Removed)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Left un-reset: a reset, which is what pcsc::Card's own drop does, would end the PIN verification and the
        // selected applet of every other program that shares this card.
        if let Some(card) = self.0.take()
            && let Err((card, _)) = card.disconnect(pcsc::Disposition::LeaveCard)
        {
            // Its drop would try once more, with a reset. The service closes what it still holds when we end.
            mem::forget(card);
        }
    }
}

/// Connects to `reader`, trying again while another program keeps it for itself, until `wait` is over.
pub(super) fn connect(reader: &ReaderName, wait: Duration) -> Result<(Handle, Option<pcsc::Protocol>)> {
    patiently(reader, wait, |reader| {
        let card = try_connect(reader)?;
        let protocol = card.0.as_ref().and_then(|card| card.status2_owned().ok()?.protocol2());
        Ok((card, protocol))
    })
}

/// Waits until a connection to `reader` could be made, as [`connect`] does; none stays open.
pub(super) fn pass(reader: &ReaderName, wait: Duration) -> Result<()> {
    patiently(reader, wait, |reader| try_connect(reader).map(drop))
}

fn patiently<T: Send + 'static>(
    reader: &ReaderName,
    wait: Duration,
    attempt: fn(&ReaderName) -> std::result::Result<T, pcsc::Error>,
) -> Result<T> {
    let deadline = Instant::now() + wait;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let name = reader.clone();
        let busy = || Error::Busy {
            reader: reader.to_string(),
            serial: None,
        };
        match on_helper_thread(left, move || attempt(&name))?.ok_or_else(busy)? {
            Err(pcsc::Error::SharingViolation) if left > PAUSE => thread::sleep(PAUSE),
            Err(pcsc::Error::SharingViolation) => return Err(busy()),
            result => return result.map_err(|error| fault("connect to the card", error)),
        }
    }
}

fn try_connect(reader: &ReaderName) -> std::result::Result<Handle, pcsc::Error> {
    // A context of its own: PC/SC lets only one call at a time use a context, so a connection that blocks would block
    // everything else.
    let context = pcsc::Context::establish(pcsc::Scope::System)?;
    Ok(Handle(Some(context.connect(reader.as_c_str(), SHARED, PROTOCOLS)?)))
}

/// The result of `job`, or `None` if it takes longer than `wait`, or 200 ms if that is less; then it goes on alone and its result is dropped.
pub(in crate::token) fn on_helper_thread<T: Send + 'static>(
    wait: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>> {
    let (done, result) = mpsc::channel();
    thread::Builder::new()
        .name("token".to_owned())
        .spawn(move || {
            // Nobody listening any more: what was made is dropped here, a connection is closed by that.
            let _ = done.send(job());
        })
        .map_err(|error| Error::Pcsc {
            doing: "start a thread",
            code: 0,
            text: error.to_string(),
        })?;
    Ok(result.recv_timeout(wait.max(LEAST)).ok())
}
