//! A desktop's notification server, which writes down what it is told to show and to take away (Desktop Notifications Specification
//! 1.2), and how often the token had blinked by then.

use super::Bench;
use super::desktop::Desktop;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tapvault_lab::soft_token::client::Control;
use zbus::blocking::Connection;
use zbus::zvariant::OwnedValue;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// How the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Shows at once, and reads tags.
    Usual,
    /// Knows no tags: what it is given is shown as it is.
    Plain,
    /// Shows when [`Screen::wake`] was called, and answers then.
    Late,
    /// Has the name, and answers nothing.
    Silent,
}

/// What it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Shown(Shown),
    Closed {
        id: u32,
        /// How many touches the token had been given by then.
        touched: u32,
    },
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub id: u32,
    /// 0 if it is a new one.
    pub replaces: u32,
    pub application: String,
    pub summary: String,
    pub body: String,
    pub urgency: Option<u8>,
    pub transient: bool,
    pub expires: i32,
    /// How often the token had blinked by then.
    pub blinked: u32,
}

/// The server; it goes with this value.
pub struct Screen {
    events: Arc<Mutex<Vec<Event>>>,
    awake: Arc<AtomicBool>,
    _bus: Connection,
}

impl Screen {
    pub fn on(bench: &Bench, desktop: &Desktop<'_>, manner: Manner) -> Self {
        let events = Arc::default();
        let awake = Arc::new(AtomicBool::new(manner != Manner::Late));
        let builder = desktop.builder().name(NAME).expect("a name");
        let server = Server {
            manner,
            events: Arc::clone(&events),
            awake: Arc::clone(&awake),
            token: Control::new(bench.token().socket()),
            last: 0,
        };
        let builder = match manner {
            // Without an object to serve, zbus reads messages and answers none.
            Manner::Silent => builder,
            Manner::Usual | Manner::Plain | Manner::Late => builder.serve_at(PATH, server).expect("an object"),
        };
        Screen {
            events,
            awake,
            _bus: builder.build().expect("on the bus"),
        }
    }

    /// A late server shows and answers from now on.
    pub fn wake(&self) {
        self.awake.store(true, Ordering::SeqCst);
    }

    /// Everything so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that was shown so far.
    pub fn shown(&self) -> Vec<Shown> {
        let shown = |event| match event {
            Event::Shown(shown) => Some(shown),
            Event::Closed { .. } => None,
        };
        self.events().into_iter().filter_map(shown).collect()
    }

    /// Whether what was shown last is still there.
    pub fn is_showing(&self) -> bool {
        matches!(self.events().last(), Some(Event::Shown(_)))
    }
}

struct Server {
    manner: Manner,
    events: Arc<Mutex<Vec<Event>>>,
    awake: Arc<AtomicBool>,
    token: Control,
    last: u32,
}

impl Server {
    fn note(&self, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Server {
    fn get_capabilities(&self) -> Vec<String> {
        match self.manner {
            Manner::Plain => vec!["body".to_owned()],
            Manner::Usual | Manner::Late | Manner::Silent => vec!["body".to_owned(), "body-markup".to_owned()],
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the specification has so many")]
    fn notify(
        &mut self,
        application: String,
        replaces: u32,
        _icon: String,
        summary: String,
        body: String,
        _actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        expires: i32,
    ) -> u32 {
        while !self.awake.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.last += u32::from(replaces == 0);
        let id = if replaces == 0 { self.last } else { replaces };
        self.note(Event::Shown(Shown {
            id,
            replaces,
            application,
            summary,
            body,
            urgency: hints.get("urgency").and_then(|value| value.downcast_ref().ok()),
            transient: hints
                .get("transient")
                .is_some_and(|value| value.downcast_ref() == Ok(true)),
            expires,
            blinked: self.token.counts().expect("counts").touches.awaited,
        }));
        id
    }

    fn close_notification(&self, id: u32) {
        let touched = self.token.counts().expect("counts").touches.given;
        self.note(Event::Closed { id, touched });
    }
}
