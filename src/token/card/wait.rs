//! Waiting for other programs, but not for ever.

use super::{PROTOCOLS, ReaderName, SHARED, fault, trouble};
use crate::token::{Error, Result};
use std::{
    mem,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// How often a card in exclusive use is tried again.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest that pcscd takes to power a card again that its last user has just left; on a busy machine more than half a second
/// was seen. However short the wait for other programs is: this is none of them.
const POWERING: Duration = Duration::from_secs(2);
/// The least time a helper thread gets, so that "don't wait" still means "try".
const LEAST: Duration = Duration::from_millis(200);

/// A PC/SC handle that leaves the card as it is when dropped.
pub(super) struct Handle(Option<pcsc::Card>);

impl Handle {
    /// The handle, there until it is dropped.
    fn card(&mut self) -> Result<&mut pcsc::Card> {
        self.0.as_mut().ok_or(Error::Removed)
    }

    /// Begins a transaction and ends it again.
    fn pass(&mut self) -> std::result::Result<(), pcsc::Error> {
        match self.0.as_mut().map(pcsc::Card::transaction2) {
            Some(Ok(transaction)) => drop(transaction),
            // That another program has reset the card is learned by the next one, too.
            Some(Err((_, pcsc::Error::ResetCard))) => {}
            Some(Err((_, error))) => return Err(error),
            None => return Err(pcsc::Error::InvalidHandle),
        }
        Ok(())
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

/// Where a connection's handle is: here, or on a helper thread where it waits for its turn.
pub(super) enum Turn {
    /// To be used.
    Here(Handle),
    /// It comes back when no other program holds a transaction any more.
    Awaited(mpsc::Receiver<(Handle, std::result::Result<(), pcsc::Error>)>),
    /// Nowhere: no thread could be started for it.
    Lost,
}

impl Turn {
    /// The handle, unless its turn is still awaited.
    pub fn card(&mut self) -> Result<&mut pcsc::Card> {
        match self {
            Turn::Here(handle) => handle.card(),
            Turn::Awaited(_) | Turn::Lost => Err(Error::Removed),
        }
    }

    /// Waits until a transaction can be begun at once. When `wait` is over the handle goes on waiting, and the next call waits
    /// with it; dropped meanwhile, the connection is closed when it comes through.
    pub fn wait(&mut self, reader: &ReaderName, wait: Duration) -> Result<()> {
        let line = match mem::replace(self, Turn::Lost) {
            Turn::Here(mut handle) => start(move || {
                let outcome = handle.pass();
                (handle, outcome)
            })?,
            Turn::Awaited(line) => line,
            Turn::Lost => return Err(Error::Removed),
        };
        match line.recv_timeout(wait.max(LEAST)) {
            Ok((handle, outcome)) => {
                *self = Turn::Here(handle);
                outcome.map_err(|error| trouble(reader, "begin a transaction", error))
            }
            Err(RecvTimeoutError::Timeout) => {
                *self = Turn::Awaited(line);
                Err(busy(reader))
            }
            Err(RecvTimeoutError::Disconnected) => Err(Error::Removed),
        }
    }
}

fn busy(reader: &ReaderName) -> Error {
    Error::Busy {
        reader: reader.to_string(),
        serial: None,
    }
}

/// Connects to `reader`, trying again while another program keeps it for itself, until `wait` is over.
pub(super) fn connect(reader: &ReaderName, wait: Duration) -> Result<(Handle, Option<pcsc::Protocol>)> {
    let start = Instant::now();
    let deadline = start + wait;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let name = reader.clone();
        match on_helper_thread(left, move || try_connect(&name))?.ok_or_else(|| busy(reader))? {
            // Said while pcscd powers the card down; a moment later a connection powers it up.
            Err(pcsc::Error::UnpoweredCard) if start.elapsed() < POWERING => thread::sleep(PAUSE),
            Err(pcsc::Error::SharingViolation) if left > PAUSE => thread::sleep(PAUSE),
            Err(pcsc::Error::SharingViolation) => return Err(busy(reader)),
            result => return result.map_err(|error| fault("connect to the card", error)),
        }
    }
}

fn try_connect(reader: &ReaderName) -> std::result::Result<(Handle, Option<pcsc::Protocol>), pcsc::Error> {
    // A context of its own: PC/SC lets only one call at a time use a context, so a connection that blocks would block
    // everything else.
    let context = pcsc::Context::establish(pcsc::Scope::System)?;
    let card = Handle(Some(context.connect(reader.as_c_str(), SHARED, PROTOCOLS)?));
    let protocol = card.0.as_ref().and_then(|card| card.status2_owned().ok()?.protocol2());
    Ok((card, protocol))
}

/// The result of `job`, or `None` if it takes longer than `wait`, or 200 ms if that is less; then it goes on alone and its result is dropped.
pub(in crate::token) fn on_helper_thread<T: Send + 'static>(
    wait: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>> {
    Ok(start(job)?.recv_timeout(wait.max(LEAST)).ok())
}

fn start<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<mpsc::Receiver<T>> {
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
    Ok(result)
}
