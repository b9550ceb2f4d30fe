//! What logind says on the system bus: the machine is about to sleep, a session of ours was locked.
//!
//! The names are those of org.freedesktop.login1(5).

use super::{Ended, Tell};
use crate::env::Env;
use std::collections::HashMap;
use std::thread;
use std::time::Duration;
use zbus::blocking::connection::Builder;
use zbus::blocking::{Connection, MessageIterator};
use zbus::message::{Message, Type};
use zbus::names::OwnedUniqueName;
use zbus::zvariant::{DynamicDeserialize, DynamicType, OwnedFd, OwnedObjectPath, OwnedValue};

const LOGIND: &str = "org.freedesktop.login1";
const MANAGER: (&str, &str) = ("/org/freedesktop/login1", "org.freedesktop.login1.Manager");
const SESSION: &str = "org.freedesktop.login1.Session";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// The bus itself (D-Bus Specification, "Message Bus Messages").
const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// What the bus is to bring. That it did so for one of these is not believed: a message can also be sent to us alone.
const WANTED: [&str; 4] = [
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',\
     arg0='org.freedesktop.login1'",
    "type='signal',sender='org.freedesktop.login1',interface='org.freedesktop.login1.Manager',member='PrepareForSleep'",
    "type='signal',sender='org.freedesktop.login1',interface='org.freedesktop.login1.Session',member='Lock',\
     path_namespace='/org/freedesktop/login1/session'",
    "type='signal',sender='org.freedesktop.login1',interface='org.freedesktop.DBus.Properties',\
     member='PropertiesChanged',path_namespace='/org/freedesktop/login1/session'",
];

/// How often a bus that is not there is tried again.
const NO_BUS: Duration = Duration::from_secs(5);
/// So long an answer may take. While one is awaited, signals wait too.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the system bus is, if not where it usually is.
pub struct Bus(Option<String>);

impl Bus {
    /// As the environment says (D-Bus Specification, "Well-known Message Bus Instances").
    pub fn of(env: &Env) -> Self {
        Bus(env.text("DBUS_SYSTEM_BUS_ADDRESS").map(str::to_owned))
    }

    fn connect(&self) -> zbus::Result<Connection> {
        let builder = match &self.0 {
            Some(address) => Builder::address(address.as_str())?,
            None => Builder::system()?,
        };
        builder.method_timeout(PATIENCE).build()
    }
}

/// Tells of suspends and locked screens.
pub fn watch(bus: &Bus, tell: &Tell) {
    loop {
        if let Ok(bus) = bus.connect() {
            // Whatever ends it: the bus has gone, or does not answer.
            let _ = Login::listen(bus, tell);
        }
        thread::sleep(NO_BUS);
    }
}

/// One connection to the bus, and who logind is on it.
struct Login<'t> {
    bus: Connection,
    tell: &'t Tell,
    logind: Option<OwnedUniqueName>,
    /// While it is open, logind lets the machine sleep only after a delay.
    delay: Option<OwnedFd>,
}

impl<'t> Login<'t> {
    /// Tells of what comes until the bus closes.
    fn listen(bus: Connection, tell: &'t Tell) -> zbus::Result<()> {
        // From here on nothing is missed: what comes during the questions below waits.
        let messages = MessageIterator::from(&bus);
        for rule in WANTED {
            bus.call_method(Some(BUS), BUS_PATH, Some(BUS), "AddMatch", &rule)?;
        }
        let mut login = Login {
            bus,
            tell,
            logind: None,
            delay: None,
        };
        let owner = login.call(BUS, BUS_PATH, BUS, "GetNameOwner", &LOGIND).ok();
        login.meet(owner);
        for message in messages {
            login.hear(&message?);
        }
        Ok(())
    }

    /// There is another logind, or none.
    fn meet(&mut self, logind: Option<OwnedUniqueName>) {
        self.delay = None;
        self.logind = logind;
        if self.logind.is_some() {
            self.ask_for_delay();
            self.catch_up();
        }
    }

    fn hear(&mut self, message: &Message) {
        let header = message.header();
        let (Type::Signal, Some(sender), Some(interface), Some(member), Some(path)) = (
            message.message_type(),
            header.sender(),
            header.interface(),
            header.member(),
            header.path(),
        ) else {
            return;
        };
        let body = message.body();
        match (interface.as_str(), member.as_str()) {
            // The bus lets nobody else be called so.
            (BUS, "NameOwnerChanged") if sender.as_str() == BUS => {
                if let Ok((LOGIND, _, new)) = body.deserialize::<(&str, &str, &str)>() {
                    self.meet(OwnedUniqueName::try_from(new).ok());
                }
            }
            _ if self.logind.as_ref().map(|name| name.as_str()) != Some(sender.as_str()) => {}
            (interface, "PrepareForSleep") if (path.as_str(), interface) == MANAGER => match body.deserialize() {
                Ok(true) => {
                    (self.tell)(Ended::Suspended);
                    self.delay = None;
                }
                Ok(false) | Err(_) => self.ask_for_delay(),
            },
            (SESSION, "Lock") if self.is_ours(path.as_str()) => (self.tell)(Ended::ScreenLocked),
            (PROPERTIES, "PropertiesChanged") => {
                let changed = body.deserialize::<(&str, HashMap<&str, OwnedValue>, Vec<&str>)>();
                if let Ok((SESSION, changed, unknown)) = changed
                    && (changed.contains_key("LockedHint") || unknown.contains(&"LockedHint"))
                {
                    self.tell_if_locked(path.as_str());
                }
            }
            _ => {}
        }
    }

    /// A screen that was locked while nobody listened.
    fn catch_up(&self) {
        let (path, interface) = MANAGER;
        let sessions = self.call(LOGIND, path, interface, "ListSessions", &());
        let sessions: Vec<(String, u32, String, String, OwnedObjectPath)> = sessions.unwrap_or_default();
        for (.., session) in sessions {
            self.tell_if_locked(session.as_str());
        }
    }

    fn tell_if_locked(&self, session: &str) {
        let locked = self
            .property(session, "LockedHint")
            .and_then(|value| value.try_into().ok());
        if locked == Some(true) && self.is_ours(session) {
            (self.tell)(Ended::ScreenLocked);
        }
    }

    /// Whether the session is this user's. One that can't be asked counts as such: at worst a lease ends too early.
    fn is_ours(&self, session: &str) -> bool {
        let user = self.property(session, "User").and_then(|value| value.try_into().ok());
        let user: Option<(u32, OwnedObjectPath)> = user;
        user.is_none_or(|(uid, _)| uid == rustix::process::getuid().as_raw())
    }

    /// Asks that a suspend waits until what is held has been wiped. It may be refused; then the clocks tell afterwards.
    fn ask_for_delay(&mut self) {
        if self.delay.is_none() {
            let what = ("sleep", "tapvault", "wipes what its agent holds", "delay");
            let (path, interface) = MANAGER;
            self.delay = self.call(LOGIND, path, interface, "Inhibit", &what).ok();
        }
    }

    fn property(&self, session: &str, name: &str) -> Option<OwnedValue> {
        self.call(LOGIND, session, PROPERTIES, "Get", &(SESSION, name)).ok()
    }

    fn call<T>(
        &self,
        whom: &str,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl serde::Serialize + DynamicType),
    ) -> zbus::Result<T>
    where
        T: for<'d> DynamicDeserialize<'d>,
    {
        self.bus
            .call_method(Some(whom), path, Some(interface), method, body)?
            .body()
            .deserialize()
    }
}
