//! The token's body: is it plugged in, and is there a finger on it?
//!
//! The card's thread asks here and waits; the control socket's threads are the hand. Nothing in here knows
//! APDUs or applets.

use std::{
    net::{Shutdown, TcpStream},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// How a wait for a touch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Touch {
    /// There was a finger in time.
    Given,
    /// The token's patience ran out.
    Missed,
    /// The token was pulled out while it blinked, or the host took its request back.
    Interrupted,
    /// No wait at all: an earlier touch still counted (touch policy "cached").
    Cached,
}

/// Touches that come by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoTouch {
    Off,
    /// Each wait is touched after this time.
    Always(Duration),
    /// The next `left` waits are touched after this time, further ones are not.
    Count {
        left: u32,
        after: Duration,
    },
}

/// A wait for a touch that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Counts up from 1 since the process started.
    pub number: u32,
    /// What the touch is for, as far as a token can know: "sign with 9c".
    pub purpose: String,
}

/// How many waits there were, and how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchCounts {
    pub awaited: u32,
    pub given: u32,
    pub missed: u32,
    pub interrupted: u32,
}

/// Where the token is, seen from the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plug {
    /// Somebody has it plugged in.
    pub inserted: bool,
    /// The reader's driver is connected to it.
    pub connected: bool,
    /// The reader has powered it since it was inserted: programs find a card now.
    pub recognised: bool,
}

/// See the module's words.
pub struct Body {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    inserted: bool,
    recognised: bool,
    /// What has to be cut when the token is pulled out.
    link: Option<TcpStream>,
    connected: bool,
    patience: Duration,
    auto: AutoTouch,
    wait: Option<Wait>,
    counts: TouchCounts,
    last: Option<Touch>,
}

struct Wait {
    request: Request,
    ended: Option<Touch>,
}

impl State {
    /// The wait that a touch would end. One that was ended is over, even if the card's thread hasn't noticed yet:
    /// else a quick hand would take it for the next one.
    fn blinking(&mut self) -> Option<&mut Wait> {
        self.wait.as_mut().filter(|wait| wait.ended.is_none())
    }
}

impl Body {
    pub fn new(inserted: bool, patience: Duration) -> Self {
        let state = State {
            inserted,
            recognised: false,
            link: None,
            connected: false,
            patience,
            auto: AutoTouch::Off,
            wait: None,
            counts: TouchCounts::default(),
            last: None,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    // --- the hand

    /// One touch. It is lost, and `false`, when the token isn't blinking.
    pub fn touch(&self) -> bool {
        let mut state = self.lock();
        let Some(wait) = state.blinking() else { return false };
        wait.ended = Some(Touch::Given);
        self.changed.notify_all();
        true
    }

    pub fn set_auto_touch(&self, auto: AutoTouch) {
        self.lock().auto = auto;
        self.changed.notify_all();
    }

    /// How long the token blinks from the next wait on.
    pub fn set_patience(&self, patience: Duration) {
        self.lock().patience = patience;
    }

    /// Blocks until the token blinks.
    pub fn next_request(&self, timeout: Duration) -> Option<Request> {
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |state| state.blinking().is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.blinking().map(|wait| wait.request.clone())
    }

    /// Out of the port: the reader's connection goes, and with it a wait for a touch.
    pub fn remove(&self) {
        let mut state = self.lock();
        state.inserted = false;
        if let Some(link) = state.link.take() {
            // an error only says that the reader was gone first
            let _ = link.shutdown(Shutdown::Both);
        }
        self.changed.notify_all();
    }

    /// Into the port; blocks until the reader has recognised the token. `false` if it didn't in time.
    pub fn insert(&self, timeout: Duration) -> bool {
        let mut state = self.lock();
        if !state.inserted {
            state.inserted = true;
            state.recognised = false;
            self.changed.notify_all();
        }
        let (state, _) = self
            .changed
            .wait_timeout_while(state, timeout, |state| state.inserted && !state.recognised)
            .unwrap_or_else(PoisonError::into_inner);
        state.recognised
    }

    pub fn plug(&self) -> Plug {
        let state = self.lock();
        Plug {
            inserted: state.inserted,
            connected: state.connected,
            recognised: state.recognised,
        }
    }

    pub fn counts(&self) -> TouchCounts {
        self.lock().counts
    }

    // --- the card

    /// Blinks until there is a touch, the patience is over or the token is pulled out.
    pub fn await_touch(&self, purpose: &str) -> Touch {
        let mut state = self.lock();
        state.counts.awaited += 1;
        let request = Request {
            number: state.counts.awaited,
            purpose: purpose.to_owned(),
        };
        state.wait = Some(Wait { request, ended: None });
        self.changed.notify_all();

        let start = Instant::now();
        let patience = state.patience;
        let outcome = loop {
            let waited = start.elapsed();
            if !state.inserted {
                break Touch::Interrupted;
            }
            if let Some(ended) = state.wait.as_ref().and_then(|wait| wait.ended) {
                break ended;
            }
            let finger_comes_after = state.auto.delay();
            if finger_comes_after.is_some_and(|after| waited >= after) {
                state.auto.spend();
                break Touch::Given;
            }
            if waited >= patience {
                break Touch::Missed;
            }
            let until = finger_comes_after.unwrap_or(patience).min(patience);
            (state, _) = self
                .changed
                .wait_timeout(state, until.saturating_sub(waited))
                .unwrap_or_else(PoisonError::into_inner);
        };

        state.wait = None;
        match outcome {
            Touch::Given => state.counts.given += 1,
            Touch::Missed => state.counts.missed += 1,
            Touch::Interrupted => state.counts.interrupted += 1,
            Touch::Cached => {}
        }
        state.last = Some(outcome);
        outcome
    }

    /// Notes that an earlier touch was good enough.
    pub fn note_cached_touch(&self) {
        self.lock().last = Some(Touch::Cached);
    }

    /// What became of the touch of the command that just ended, if it needed one.
    pub fn take_last_touch(&self) -> Option<Touch> {
        self.lock().last.take()
    }

    /// Blocks while the token lies beside the computer.
    pub fn wait_until_inserted(&self) {
        let waiting = self.changed.wait_while(self.lock(), |state| !state.inserted);
        drop(waiting.unwrap_or_else(PoisonError::into_inner));
    }

    /// The host takes its request back: the wait is over.
    pub fn interrupt(&self) {
        let mut state = self.lock();
        if let Some(wait) = state.blinking() {
            wait.ended = Some(Touch::Interrupted);
            self.changed.notify_all();
        }
    }

    /// A connection to the host is there, as long as the guard lives; `link` is cut when the token is pulled out. `None`
    /// if it was pulled out meanwhile.
    pub fn attach(&self, link: Option<TcpStream>) -> Option<Attached<'_>> {
        let mut state = self.lock();
        if !state.inserted {
            return None;
        }
        state.link = link;
        state.connected = true;
        Some(Attached(self))
    }

    /// The reader gave power.
    pub fn recognise(&self) {
        let mut state = self.lock();
        state.recognised = state.inserted;
        self.changed.notify_all();
    }

    /// No invariant spans two fields, so a panic elsewhere doesn't spoil the state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection to the reader's driver; dropped when it ended, from whichever side.
pub struct Attached<'a>(&'a Body);

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.link = None;
        state.connected = false;
        state.recognised = false;
        self.0.changed.notify_all();
    }
}

impl AutoTouch {
    fn delay(self) -> Option<Duration> {
        match self {
            Self::Off | Self::Count { left: 0, .. } => None,
            Self::Always(after) | Self::Count { after, .. } => Some(after),
        }
    }

    fn spend(&mut self) {
        if let Self::Count { left, .. } = self {
            *left -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LATE: Duration = Duration::from_secs(10);

    #[test]
    fn a_touch_counts_only_while_the_token_blinks() {
        let body = Body::new(true, LATE);
        assert!(!body.touch(), "nobody asked");
        thread::scope(|scope| {
            let wait = scope.spawn(|| body.await_touch("sign with 9c"));
            assert_eq!(body.next_request(LATE).expect("it blinks").purpose, "sign with 9c");
            assert!(body.touch());
            assert!(!body.touch(), "one is enough");
            assert_eq!(wait.join().expect("no panic"), Touch::Given);
        });
        assert!(!body.touch(), "over");
    }

    #[test]
    fn patience_ends() {
        let body = Body::new(true, SOON);
        assert_eq!(body.await_touch("x"), Touch::Missed);
        assert_eq!(body.next_request(SOON), None);
    }

    #[test]
    fn counted_auto_touches_run_out() {
        let body = Body::new(true, SOON);
        body.set_auto_touch(AutoTouch::Count {
            left: 2,
            after: Duration::ZERO,
        });
        let outcomes = [(); 3].map(|()| body.await_touch("x"));
        assert_eq!(outcomes, [Touch::Given, Touch::Given, Touch::Missed]);
        assert_eq!(
            body.counts(),
            TouchCounts {
                awaited: 3,
                given: 2,
                missed: 1,
                interrupted: 0
            }
        );
    }

    #[test]
    fn a_finger_that_is_slower_than_the_patience_comes_too_late() {
        let body = Body::new(true, SOON);
        body.set_auto_touch(AutoTouch::Always(LATE));
        assert_eq!(body.await_touch("x"), Touch::Missed);
    }

    #[test]
    fn a_request_that_is_taken_back_ends_its_wait_and_no_other() {
        let body = Body::new(true, LATE);
        thread::scope(|scope| {
            let wait = scope.spawn(|| body.await_touch("x"));
            body.next_request(LATE).expect("it blinks");
            body.interrupt();
            assert_eq!(wait.join().expect("no panic"), Touch::Interrupted);
        });
        body.interrupt();
        body.set_auto_touch(AutoTouch::Always(Duration::ZERO));
        assert_eq!(body.await_touch("x"), Touch::Given);
    }

    #[test]
    fn removal_ends_a_wait_and_a_removed_token_does_not_wait() {
        let body = Body::new(true, LATE);
        thread::scope(|scope| {
            let wait = scope.spawn(|| body.await_touch("x"));
            body.next_request(LATE).expect("it blinks");
            body.remove();
            assert_eq!(wait.join().expect("no panic"), Touch::Interrupted);
        });
        assert_eq!(body.await_touch("x"), Touch::Interrupted);
    }
}
