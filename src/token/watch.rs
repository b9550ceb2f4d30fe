//! Which readers lose their card, told without ever connecting to one.
//!
//! What that means for a token that was in one is left to others. A card that other programs reset or power down is not lost.

use super::card::ReaderName;
use pcsc::{Context, PNP_NOTIFICATION, ReaderState, Scope, State};
use std::{collections::BTreeMap, ffi::CString, mem, thread, time::Duration};

/// So long at most a reader is overlooked that comes between a look at the list and the wait for changes.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How often a service that is not there is tried again. Without one this is a look at a socket that does not exist.
const NO_SERVICE: Duration = Duration::from_secs(3);
/// What the pauses grow to, each twice the one before, where a service is there and does not serve: one that refuses us
/// writes that into the system's log each time, and one that is just ending or starting can't be told from it.
const REFUSED: Duration = Duration::from_secs(60);

/// All readers, as they were when last looked at.
#[derive(Default)]
pub struct Watch {
    // A context of its own: while one call waits on it, no other gets through.
    context: Option<Context>,
    states: Vec<ReaderState>,
    cards: BTreeMap<CString, Inserted>,
    /// How long to leave a service alone that does not serve.
    pause: Pause,
}

/// A card, told from the one that was in the same reader before it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Inserted {
    /// The service counts insertions and removals of each reader.
    event: u32,
}

impl Watch {
    /// Looks at nothing yet.
    pub fn new() -> Self {
        Watch::default()
    }

    /// Blocks until cards have gone, alone, with their readers, or with the service; then names the readers.
    ///
    /// A card that is back already has gone as well. Where there is no service, it is waited for.
    pub fn next_gone(&mut self) -> Vec<ReaderName> {
        loop {
            let gone = match self.look() {
                Ok(gone) => {
                    self.pause = Pause::default();
                    gone
                }
                Err(error) => {
                    self.context = None;
                    self.states.clear();
                    let gone = mem::take(&mut self.cards);
                    if gone.is_empty() {
                        thread::sleep(self.pause.after(error));
                    }
                    gone.into_keys().collect()
                }
            };
            if !gone.is_empty() {
                return gone.into_iter().map(ReaderName::from).collect();
            }
        }
    }

    /// Waits for a change, for a while; the readers whose card has gone.
    fn look(&mut self) -> Result<Vec<CString>, pcsc::Error> {
        let context = match self.context.take() {
            Some(context) => context,
            None => Context::establish(Scope::System)?,
        };
        let context = self.context.insert(context);
        let readers = match context.list_readers_owned() {
            Err(pcsc::Error::NoReadersAvailable) => Vec::new(),
            readers => readers?,
        };
        let vanished: Vec<CString> = self
            .cards
            .keys()
            .filter(|name| !readers.contains(name))
            .cloned()
            .collect();
        self.cards.retain(|name, _| readers.contains(name));
        self.states
            .retain(|state| state.name() == PNP_NOTIFICATION() || readers.iter().any(|name| **name == *state.name()));
        if !vanished.is_empty() {
            return Ok(vanished);
        }
        for name in [PNP_NOTIFICATION().to_owned()].into_iter().chain(readers) {
            if !self.states.iter().any(|state| *state.name() == *name) {
                self.states.push(ReaderState::new(name, State::UNAWARE));
            }
        }
        match context.get_status_change(LOOK_AGAIN, &mut self.states) {
            Ok(()) => {}
            // The next look at the list finds which reader it is.
            Err(pcsc::Error::Timeout | pcsc::Error::UnknownReader) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
        let mut gone = Vec::new();
        for state in &mut self.states {
            state.sync_current_state();
            if state.name() == PNP_NOTIFICATION() {
                continue;
            }
            let name = state.name().to_owned();
            let before = self.cards.remove(&name);
            let now = state.event_state().contains(State::PRESENT).then(|| Inserted {
                event: state.event_count(),
            });
            if let Some(now) = now {
                self.cards.insert(name.clone(), now);
            }
            if before.is_some() && before != now {
                gone.push(name);
            }
        }
        Ok(gone)
    }
}

/// The pause before the next try, by what the last ones came to.
#[derive(Default)]
struct Pause {
    last: Option<Duration>,
}

impl Pause {
    fn after(&mut self, error: pcsc::Error) -> Duration {
        let next = match (error, self.last) {
            (pcsc::Error::NoService | pcsc::Error::ServiceStopped, _) | (_, None) => NO_SERVICE,
            (_, Some(last)) => (last * 2).min(REFUSED),
        };
        *self.last.insert(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_is_just_ending_is_looked_for_as_soon_as_one_that_is_not_there() {
        let mut pause = Pause::default();
        assert_eq!(pause.after(pcsc::Error::CommError), NO_SERVICE);
        assert_eq!(pause.after(pcsc::Error::NoService), NO_SERVICE);
    }

    #[test]
    fn one_that_goes_on_refusing_is_asked_less_and_less_often() {
        let mut pause = Pause::default();
        let seconds: Vec<u64> = (0..7)
            .map(|_| pause.after(pcsc::Error::SecurityViolation).as_secs())
            .collect();
        assert_eq!(seconds, [3, 6, 12, 24, 48, 60, 60]);
        assert_eq!(pause.after(pcsc::Error::NoService), NO_SERVICE, "it has ended");
    }
}
