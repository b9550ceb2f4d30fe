//! How long somebody is kept waiting, and what for: time in which the person is asked something does not count.

use super::complain;
use crate::error::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often is looked whether it has become too long.
const PAUSE: Duration = Duration::from_millis(250);

/// What a dialogue knows of the waiting.
#[derive(Clone)]
pub struct Pace(Arc<Mutex<State>>);

struct State {
    since: Instant,
    /// Time that the person took to answer.
    answering: Duration,
    asked: Option<Instant>,
    touch: bool,
    /// What was said last.
    line: String,
}

impl Pace {
    pub(super) fn begin() -> Self {
        Pace(Arc::new(Mutex::new(State {
            since: Instant::now(),
            answering: Duration::ZERO,
            asked: None,
            touch: false,
            line: String::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn says(&self, line: &str) {
        self.state().line = line.to_owned();
    }

    pub(super) fn touch(&self, awaited: bool) {
        self.state().touch = awaited;
    }

    /// The person is asked something while `ask` runs.
    pub(super) fn asking<T>(&self, ask: impl FnOnce() -> T) -> T {
        self.state().asked = Some(Instant::now());
        let answer = ask();
        let mut state = self.state();
        if let Some(asked) = state.asked.take() {
            state.answering += asked.elapsed();
        }
        answer
    }

    fn waited(&self) -> Duration {
        let state = self.state();
        let answering = state.answering + state.asked.map_or(Duration::ZERO, |asked| asked.elapsed());
        state.since.elapsed().saturating_sub(answering)
    }

    /// Ends the program when it has kept its caller waiting for longer than `patience`: a caller that swallows what is said
    /// can't know what it waits for.
    pub fn limit(&self, patience: Duration) {
        let pace = self.clone();
        // Where no thread can be had it waits as long as it takes.
        let _ = std::thread::Builder::new().name("patience".into()).spawn(move || {
            loop {
                std::thread::sleep(PAUSE);
                if pace.waited() > patience {
                    let error = pace.too_long(patience);
                    complain(&format!("tapvault: {error}"));
                    for hint in error.hints() {
                        complain(hint);
                    }
                    std::process::exit(i32::from(error.kind().exit_code()));
                }
            }
        });
    }

    fn too_long(&self, patience: Duration) -> Error {
        let state = self.state();
        let (kind, what) = match state.touch {
            true => (ErrorKind::NoTouch, "no touch"),
            false => (ErrorKind::Busy, "no answer"),
        };
        let seconds = patience.as_secs();
        let error = match state.line.as_str() {
            "" => Error::new(kind, format!("{what} within {seconds} s")),
            line => Error::new(kind, format!("{what} within {seconds} s; last said: {line}")),
        };
        error.hint("try again; `tapvault status` shows what is waited for")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_the_person_answers_does_not_count() {
        let pace = Pace::begin();
        pace.asking(|| std::thread::sleep(Duration::from_millis(60)));
        assert!(pace.waited() < Duration::from_millis(50), "{:?}", pace.waited());
    }

    #[test]
    fn the_end_says_what_was_waited_for() {
        let pace = Pace::begin();
        pace.says("waiting: YubiKey 1 is in use");
        let error = pace.too_long(Duration::from_secs(45));
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert_eq!(
            error.message(),
            "no answer within 45 s; last said: waiting: YubiKey 1 is in use"
        );
        pace.touch(true);
        assert_eq!(pace.too_long(Duration::from_secs(45)).kind(), ErrorKind::NoTouch);
    }
}
