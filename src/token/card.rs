//! Readers, connections and transactions over PC/SC, with a deadline on everything that waits for other programs.
//!
//! While one program's APDU awaits a touch, SCardConnect and SCardBeginTransaction of all others block, up to 15 s, and
//! PC/SC offers no way to give up. So both are waited for on a helper thread that is left behind when time is up. What is
//! sent to the card is left to `piv`.

mod wait;

pub(super) use wait::on_helper_thread;

use super::{Error, Result, ServiceFault, apdu::Transmit};
use std::sync::Arc;
use std::{
    ffi::{CStr, CString},
    fmt, thread,
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// Hears one line per APDU: the instruction's name and the status word, never data.
pub type Observer = Arc<dyn Fn(&str) + Send + Sync>;

/// A reader's name, as PC/SC has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderName(CString);

/// What a reader is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReaderState {
    /// No card, or one that does not answer.
    Empty,
    /// A card that no program is connected to.
    Present,
    /// A card that a program is connected to, and shares.
    Shared,
    /// A card that a program keeps for itself.
    Exclusive,
}

/// A reader and its state when it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Its name.
    pub name: ReaderName,
    /// Its state.
    pub state: ReaderState,
}

/// The smart card service, through which readers are seen.
pub struct Readers {
    context: pcsc::Context,
    observer: Option<Observer>,
}

impl Readers {
    /// Reaches the service.
    ///
    /// # Errors
    /// [`Error::NoReaderService`] if there is none or it refuses us.
    pub fn open() -> Result<Self> {
        let context = pcsc::Context::establish(pcsc::Scope::System)
            .map_err(|error| fault("reach the smart card service", error))?;
        Ok(Self {
            context,
            observer: None,
        })
    }

    /// Tells `observer` of every APDU on connections made from here on.
    pub fn observed(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// All readers and their states, at once: never waits for a card or another program.
    pub fn list(&self) -> Result<Vec<Reader>> {
        let names = match self.context.list_readers_owned() {
            Err(pcsc::Error::NoReadersAvailable) => Vec::new(),
            names => names.map_err(|error| fault("list the readers", error))?,
        };
        let named = names.into_iter().map(|name| {
            let name = ReaderName(name);
            let state = state(&self.context, &name)?;
            Ok(Reader { name, state })
        });
        named.collect()
    }

    /// Connects to the card in `reader`, sharing it, and waits for other programs no longer than `wait`.
    ///
    /// Nothing is sent to the card and nothing another program has set up is changed. If time is up, a connection that
    /// comes through later is closed again, unseen.
    ///
    /// # Errors
    /// [`Error::Busy`] when `wait` is over, [`Error::Removed`] if there is no card.
    pub fn connect(&self, reader: &ReaderName, wait: Duration) -> Result<Card> {
        let (handle, protocol) = wait::connect(reader, wait)?;
        Ok(Card {
            handle: wait::Turn::Here(handle),
            protocol,
            reader: reader.clone(),
            observer: self.observer.clone(),
            had_turn: true,
        })
    }
}

/// A shared connection to a card; open, it keeps the card powered between transactions.
///
/// Dropping it disconnects and leaves the card as it is.
pub struct Card {
    handle: wait::Turn,
    protocol: Option<pcsc::Protocol>,
    reader: ReaderName,
    observer: Option<Observer>,
    /// Just connected, or in a transaction, which could not be while another program held one.
    had_turn: bool,
}

impl Card {
    /// The reader it is in.
    pub fn reader(&self) -> &ReaderName {
        &self.reader
    }

    /// Waits until no other program holds a transaction on the card, so that one can begin at once.
    ///
    /// # Errors
    /// [`Error::Busy`] when `wait` is over, [`Error::Removed`] if there is no card.
    pub fn await_turn(&mut self, wait: Duration) -> Result<()> {
        // SCardBeginTransaction can't be given up once it waits. So one is begun and ended elsewhere first. Another program can
        // still get between the two; then the second one blocks like anyone's.
        if !self.had_turn {
            self.handle.wait(&self.reader, wait)?;
            self.had_turn = true;
        }
        Ok(())
    }

    /// Begins a transaction: until it is dropped, no other program's APDU comes between ours.
    ///
    /// If another program has reset the card since, the connection is renewed, once; nothing has been sent by then.
    ///
    /// # Errors
    /// [`Error::Busy`] when `wait` is over, [`Error::Removed`] if the card was pulled out, even if it is back.
    pub fn transaction(&mut self, wait: Duration) -> Result<Transaction<'_>> {
        self.await_turn(wait)?;
        self.had_turn = false;
        let reader = &self.reader;
        let doing = "begin a transaction";
        let (inner, was_reset) = match self.handle.card()?.transaction2() {
            Ok(inner) => (inner, false),
            Err((handle, pcsc::Error::ResetCard)) => {
                let again = handle.reconnect(SHARED, PROTOCOLS, pcsc::Disposition::LeaveCard);
                again.map_err(|error| fault("reconnect", error))?;
                let inner = handle.transaction().map_err(|error| trouble(reader, doing, error))?;
                (inner, true)
            }
            Err((_, error)) => return Err(trouble(reader, doing, error)),
        };
        Ok(Transaction {
            inner,
            was_reset,
            protocol: self.protocol,
            reader,
            observer: self.observer.clone(),
        })
    }
}

/// A transaction on a card; dropping it ends it and leaves the card as it is.
pub struct Transaction<'c> {
    inner: pcsc::Transaction<'c>,
    was_reset: bool,
    protocol: Option<pcsc::Protocol>,
    reader: &'c ReaderName,
    observer: Option<Observer>,
}

impl Transmit for Transaction<'_> {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        // Room for more than the 258 bytes of a short answer, for cards that don't count.
        let mut room = Zeroizing::new([0; 4096]);
        let apdu = match self.protocol {
            Some(pcsc::Protocol::T0) => without_le(apdu),
            _ => apdu,
        };
        let answer = self.inner.transmit(apdu, &mut *room);
        answer
            .map(|answer| Zeroizing::new(answer.to_vec()))
            .map_err(|error| trouble(self.reader, "send to the card", error))
    }

    fn note(&mut self, line: fmt::Arguments<'_>) {
        if let Some(observer) = &self.observer {
            observer(&line.to_string());
        }
    }

    fn was_reset(&self) -> bool {
        self.was_reset
    }
}

impl From<CString> for ReaderName {
    fn from(name: CString) -> Self {
        ReaderName(name)
    }
}

impl ReaderName {
    fn as_c_str(&self) -> &CStr {
        &self.0
    }
}

impl fmt::Display for ReaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string_lossy())
    }
}

impl fmt::Debug for ReaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

const SHARED: pcsc::ShareMode = pcsc::ShareMode::Shared;
/// YubiKeys speak T=1; other readers and emulators may offer T=0, and nothing here depends on which.
const PROTOCOLS: pcsc::Protocols = pcsc::Protocols::T0.union(pcsc::Protocols::T1);

/// In T=0 a command with data has no Le; the card announces its answer with 61xx (ISO 7816-3, 12.2.4).
fn without_le(apdu: &[u8]) -> &[u8] {
    match apdu {
        [_, _, _, _, lc, data @ ..] if data.len() > usize::from(*lc) && *lc > 0 => &apdu[..apdu.len() - 1],
        _ => apdu,
    }
}

/// The state of one reader; a reader that has gone is empty.
fn state(context: &pcsc::Context, reader: &ReaderName) -> Result<ReaderState> {
    let mut states = [pcsc::ReaderState::new(reader.as_c_str(), pcsc::State::UNAWARE)];
    match context.get_status_change(Duration::ZERO, &mut states) {
        Ok(()) => {}
        Err(pcsc::Error::UnknownReader | pcsc::Error::ReaderUnavailable) => return Ok(ReaderState::Empty),
        Err(error) => return Err(fault("ask for a reader's state", error)),
    }
    let state = states[0].event_state();
    Ok(match state {
        _ if !state.contains(pcsc::State::PRESENT) || state.contains(pcsc::State::MUTE) => ReaderState::Empty,
        _ if state.contains(pcsc::State::EXCLUSIVE) => ReaderState::Exclusive,
        _ if state.contains(pcsc::State::INUSE) => ReaderState::Shared,
        _ => ReaderState::Present,
    })
}

/// A failure on an open connection. Some codes stand for a pulled out token as well as for a bad line; then its reader is
/// looked at.
pub(super) fn trouble(reader: &ReaderName, doing: &'static str, error: pcsc::Error) -> Error {
    use pcsc::Error::{CommDataLost, CommError, InternalError, InvalidHandle, NotTransacted, UnknownError};
    match error {
        CommDataLost | CommError | InternalError | InvalidHandle | NotTransacted | UnknownError if is_gone(reader) => {
            Error::Removed
        }
        _ => fault(doing, error),
    }
}

/// Whether the card in `reader` has gone, or goes within the time that a polling driver takes to notice.
pub(super) fn is_gone(reader: &ReaderName) -> bool {
    let until = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < until {
        let now = pcsc::Context::establish(pcsc::Scope::System)
            .ok()
            .and_then(|context| state(&context, reader).ok());
        match now {
            Some(ReaderState::Empty) => return true,
            Some(ReaderState::Present | ReaderState::Shared | ReaderState::Exclusive) => thread::sleep(LOOK_AGAIN),
            None => return false,
        }
    }
    false
}

const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What a PC/SC code means to a caller.
fn fault(doing: &'static str, error: pcsc::Error) -> Error {
    use pcsc::Error::*;
    match error {
        NoService | ServiceStopped => Error::NoReaderService {
            fault: ServiceFault::NotRunning,
            detail: error.to_string(),
        },
        // What pcscd says when polkit says no; some versions give the second.
        SecurityViolation | NoAccess => Error::NoReaderService {
            fault: ServiceFault::NotPermitted,
            detail: error.to_string(),
        },
        NoSmartcard | RemovedCard | ReaderUnavailable | UnknownReader | UnpoweredCard => Error::Removed,
        _ => Error::Pcsc {
            doing,
            code: error as u32,
            text: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_command_with_data_and_le_is_shortened_for_t0() {
        assert_eq!(without_le(&[0, 0xa4, 4, 0, 2, 8, 9, 0]), [0, 0xa4, 4, 0, 2, 8, 9]);
        for whole in [
            &[0, 0xfd, 0, 0, 0][..],
            &[0x10, 0xdb, 0x3f, 0xff, 2, 8, 9],
            &[0, 0xc0, 0, 0, 0x20],
        ] {
            assert_eq!(without_le(whole), whole);
        }
    }

    #[test]
    fn codes_that_a_caller_acts_on_have_their_own_errors() {
        assert_eq!(fault("test", pcsc::Error::RemovedCard), Error::Removed);
        assert!(matches!(
            fault("test", pcsc::Error::SecurityViolation),
            Error::NoReaderService {
                fault: ServiceFault::NotPermitted,
                ..
            }
        ));
        assert!(matches!(
            fault("test", pcsc::Error::ProtoMismatch),
            Error::Pcsc { code: 0x8010_000f, .. }
        ));
    }
}
