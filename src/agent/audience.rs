//! Everybody who waits for the same thing, as one person: who asked first is asked and shown the touch; the others, if they are
//! elsewhere, are told what is awaited; nobody is told twice on one screen.

use super::asker::{Asker, crowd};
use super::caller::{Caller, unpoisoned};
use super::protocol::{Spoken, Word};
use crate::error::{ErrorKind, Result};
use crate::prompt::{Asks, Helper, Person, Voice, nobody};
use crate::secret::SecretText;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// A crowd that has not grown for so long is told; while callers still come in, each line would be old at once.
const SETTLED: Duration = Duration::from_millis(400);

/// Those who wait for one run.
pub struct Audience {
    state: Mutex<State>,
    me: Weak<Audience>,
}

#[derive(Default)]
struct State {
    members: Vec<Member>,
    /// What is awaited now, in words.
    awaits: String,
    touch: Option<Touch>,
}

/// A touch that is awaited.
struct Touch {
    line: String,
    /// Who was shown it as a touch.
    shown_to: Option<Arc<Caller>>,
    /// Counts touches, so that a late teller knows its own.
    number: u64,
    /// How many were said to wait.
    told: usize,
}

enum Member {
    /// A client.
    Caller(Arc<Caller>),
    /// Those who wait for a run that goes on from this one.
    Behind(Weak<Audience>),
}

impl Audience {
    /// Nobody so far.
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|me| Audience {
            state: Mutex::default(),
            me: me.clone(),
        })
    }

    /// One more waits.
    pub fn join(&self, caller: Arc<Caller>) {
        let mut state = unpoisoned(&self.state);
        state.members.push(Member::Caller(Arc::clone(&caller)));
        let touch = state.touch.as_ref().map(|touch| touch.line.clone());
        drop(state);
        if let Some(line) = touch {
            self.tell_late(&caller, &line);
        }
    }

    /// Those of another run wait for this one too.
    pub fn join_behind(&self, behind: &Arc<Audience>) {
        let mut state = unpoisoned(&self.state);
        state.members.push(Member::Behind(Arc::downgrade(behind)));
        let touch = state.touch.as_ref().map(|touch| touch.line.clone());
        drop(state);
        if let Some(line) = touch {
            for caller in behind.callers() {
                self.tell_late(&caller, &line);
            }
        }
    }

    /// Those who still wait, in the order in which they came.
    pub fn callers(&self) -> Vec<Arc<Caller>> {
        let members: Vec<Result<Arc<Caller>, Weak<Audience>>> = {
            let state = unpoisoned(&self.state);
            let member = |member: &Member| match member {
                Member::Caller(caller) => Ok(Arc::clone(caller)),
                Member::Behind(behind) => Err(Weak::clone(behind)),
            };
            state.members.iter().map(member).collect()
        };
        let mut callers = Vec::new();
        for member in members {
            match member {
                Ok(caller) => callers.push(caller),
                Err(behind) => callers.extend(behind.upgrade().iter().flat_map(|behind| behind.callers())),
            }
        }
        callers.retain(|caller| caller.is_there());
        callers
    }

    /// The clients of this run alone; those behind it get their answer from their own.
    pub fn own_callers(&self) -> Vec<Arc<Caller>> {
        let state = unpoisoned(&self.state);
        let own = state.members.iter().filter_map(|member| match member {
            Member::Caller(caller) => Some(Arc::clone(caller)),
            Member::Behind(_) => None,
        });
        own.collect()
    }

    /// What is awaited now.
    pub fn awaits(&self) -> String {
        unpoisoned(&self.state).awaits.clone()
    }

    fn send_once_per_screen(&self, word: &Word) {
        let mut screens = HashSet::new();
        for caller in self.callers() {
            if screens.insert(caller.screen.place) {
                caller.send(word, &[]);
            }
        }
    }

    /// Who comes while a touch is awaited has to know it, unless it is on that screen already.
    fn tell_late(&self, caller: &Arc<Caller>, line: &str) {
        let on_screen = self
            .callers()
            .iter()
            .any(|other| !Arc::ptr_eq(other, caller) && other.screen.place == caller.screen.place);
        if !on_screen {
            caller.send(&said(Voice::Tell, line), &[]);
        }
    }

    /// Tells, once no more come, how many wait: the line before the touch could not know.
    fn tell_crowd_later(&self, number: u64) {
        let Some(me) = self.me.upgrade() else { return };
        let _ = std::thread::Builder::new().stack_size(128 << 10).spawn(move || {
            let mut last = 0;
            loop {
                std::thread::sleep(SETTLED);
                let callers = me.callers();
                let mut state = unpoisoned(&me.state);
                let Some(touch) = state.touch.as_mut().filter(|touch| touch.number == number) else {
                    return;
                };
                let settled = last == callers.len();
                last = callers.len();
                if !settled || touch.told >= last {
                    continue;
                }
                touch.told = last;
                drop(state);
                if let Some(words) = crowd(others(&callers)) {
                    me.send_once_per_screen(&said(Voice::Tell, &words));
                }
            }
        });
    }
}

fn said(voice: Voice, line: &str) -> Word {
    Word::Say {
        voice: Spoken::from(voice),
        line: line.to_owned(),
    }
}

/// All but the first.
fn others(callers: &[Arc<Caller>]) -> impl Iterator<Item = &Asker> {
    callers.iter().skip(1).map(|caller| &caller.asker)
}

impl Person for Audience {
    fn is_there(&self) -> bool {
        !self.callers().is_empty()
    }

    fn has_terminal(&self) -> bool {
        self.callers().iter().any(|caller| caller.screen.asks)
    }

    fn say(&self, voice: Voice, line: &str) {
        match voice {
            Voice::Tell | Voice::Note => self.send_once_per_screen(&said(voice, line)),
            Voice::Debug => {
                for caller in self.callers().iter().filter(|caller| caller.debug) {
                    caller.send(&said(voice, line), &[]);
                }
            }
        }
    }

    fn touch(&self, line: &str) {
        let callers = self.callers();
        let line = match crowd(others(&callers)) {
            Some(crowd) => format!("{line}; {crowd}"),
            None => line.to_owned(),
        };
        let number = {
            let mut state = unpoisoned(&self.state);
            let number = state.touch.as_ref().map_or(0, |touch| touch.number) + 1;
            state.awaits.clone_from(&line);
            state.touch = Some(Touch {
                line: line.clone(),
                shown_to: callers.first().cloned(),
                number,
                told: callers.len(),
            });
            number
        };
        let mut screens = HashSet::new();
        for (place, caller) in callers.iter().enumerate() {
            let word = match place {
                0 => Word::Touch { line: line.clone() },
                _ => said(Voice::Tell, &line),
            };
            if screens.insert(caller.screen.place) {
                caller.send(&word, &[]);
            }
        }
        self.tell_crowd_later(number);
    }

    fn touched(&self) {
        let touch = {
            let mut state = unpoisoned(&self.state);
            state.awaits.clear();
            state.touch.take()
        };
        if let Some(caller) = touch.and_then(|touch| touch.shown_to) {
            caller.send(&Word::Touched, &[]);
        }
    }

    fn count_down(&self, words: &str, seconds: u64) {
        self.send_once_per_screen(&Word::CountDown {
            words: words.to_owned(),
            seconds,
        });
    }

    fn ask(&self, how: Asks, question: &str) -> Result<SecretText> {
        unpoisoned(&self.state).awaits = question.to_owned();
        let answer = self.first_answer(|caller| caller.ask(how, question));
        unpoisoned(&self.state).awaits.clear();
        answer
    }

    fn run(&self, helper: &Helper) -> Result<SecretText> {
        self.first_answer(|caller| caller.run(helper))
    }
}

impl Audience {
    /// Asks who came first, or who can best be asked; the next one when that one has gone.
    fn first_answer(&self, ask: impl Fn(&Caller) -> Result<SecretText>) -> Result<SecretText> {
        loop {
            let callers = self.callers();
            let Some(caller) = callers.iter().find(|caller| caller.screen.asks).or(callers.first()) else {
                return Err(nobody());
            };
            match ask(caller) {
                Err(error) if error.kind() == ErrorKind::Cancelled && !caller.is_there() => {}
                outcome => return outcome,
            }
        }
    }
}
