//! The token in turn: requests use it one after the other, in the order in which they came, and are told what they wait for.

use super::caller::unpoisoned;
use crate::error::Result;
use crate::prompt::{Dialogue, Person};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How often somebody who waits is looked after: whether anybody still wants the outcome.
const PAUSE: Duration = Duration::from_millis(200);

/// Who uses the token, and who comes after.
#[derive(Clone, Default)]
pub struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    places: Mutex<Places>,
    moved: Condvar,
}

#[derive(Default)]
struct Places {
    next: u64,
    /// The one in front has the token.
    waiting: VecDeque<Place>,
}

struct Place {
    number: u64,
    person: Option<Arc<dyn Person>>,
}

/// The token, until dropped.
pub struct Turn {
    queue: Queue,
    number: u64,
}

impl Queue {
    /// Waits until everybody who came before has done with the token.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Cancelled`] when whoever asked has gone meanwhile.
    pub fn wait(&self, dialogue: &Dialogue) -> Result<Turn> {
        let mut places = unpoisoned(&self.0.places);
        let number = places.next;
        places.next += 1;
        places.waiting.push_back(Place {
            number,
            person: dialogue.elsewhere_shared(),
        });
        // Leaves its place when dropped, also on the way out of an error.
        let turn = Turn {
            queue: self.clone(),
            number,
        };
        let mut told = None;
        loop {
            let before = places.waiting.iter().take_while(|place| place.number != number).count();
            if before == 0 {
                return Ok(turn);
            }
            let drained = places.waiting[0]
                .person
                .as_ref()
                .is_some_and(|person| !person.is_there());
            if told != Some(drained) {
                told = Some(drained);
                drop(places);
                dialogue.tell(&words(before, drained));
            } else {
                drop(places);
            }
            if let Err(error) = dialogue.must_be_heard() {
                drop(turn);
                return Err(error);
            }
            places = unpoisoned(&self.0.places);
            places = self
                .0
                .moved
                .wait_timeout(places, PAUSE)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

fn words(before: usize, drained: bool) -> String {
    if drained {
        // SCardCancel does not end it: the token itself does.
        return "waiting: the token still blinks for a request that was given up; it stops by itself within 15 s. Don't touch it yet"
            .into();
    }
    match before {
        1 => "waiting: another request for the token comes first".into(),
        _ => format!("waiting: {before} other requests for the token come first"),
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        unpoisoned(&self.queue.0.places)
            .waiting
            .retain(|place| place.number != self.number);
        self.queue.0.moved.notify_all();
    }
}
