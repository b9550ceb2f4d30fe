//! A desktop notification that stands while a touch is awaited (Desktop Notifications Specification 1.2, freedesktop.org).
//!
//! On a thread of its own, for a bus and a notification server may take their time or never answer, and the token is not to wait
//! for them. Whatever fails here fails in silence: the line has been said on stderr too.

use crate::env::Env;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;
use zbus::blocking::Connection;
use zbus::blocking::connection::Builder;
use zbus::zvariant::{DynamicType, Value};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// So long the blink waits for the notification, and what comes after the touch for its end, when nobody has answered anything.
const PATIENCE: Duration = Duration::from_millis(300);

/// So much longer if the server has answered before and is only slow: else what it shows late would stay.
const MORE: Duration = Duration::from_millis(700);

/// After so long a server does not answer any more.
const LONGEST_ANSWER: Duration = Duration::from_secs(20);

/// In milliseconds: longer than a token waits. Only for the case that nobody is left to take it away, after SIGKILL; not every
/// desktop heeds it.
const EXPIRES_AFTER: i32 = 45_000;

/// Section 9: the urgency "critical", which is shown where others are held back.
const CRITICAL: u8 = 2;

/// Section 5: the notification that replaces none.
const NONE: u32 = 0;

/// The session bus, as the environment names it.
pub struct Bus {
    named: Option<String>,
    /// Where it is by custom (systemd's pam_systemd(8), and the D-Bus of most distributions).
    usual: Option<PathBuf>,
}

impl Bus {
    /// `DBUS_SESSION_BUS_ADDRESS`, else `bus` in `XDG_RUNTIME_DIR`.
    pub fn from_env(env: &Env) -> Self {
        Bus {
            named: env.text("DBUS_SESSION_BUS_ADDRESS").map(str::to_owned),
            usual: env.os("XDG_RUNTIME_DIR").map(|folder| Path::new(folder).join("bus")),
        }
    }

    /// Its address; `None` where there is none, so that no thread is started in vain.
    pub fn address(&self) -> Option<String> {
        let usual = || {
            let path = self.usual.as_deref().filter(|path| path.exists())?;
            Some(format!("unix:path={}", path.to_str()?))
        };
        self.named.clone().or_else(usual)
    }
}

/// A notification; it goes with this value.
pub struct Notice {
    orders: Sender<Order>,
    /// Whether the server has answered anything so far.
    alive: Arc<AtomicBool>,
    /// Whether it has kept nobody waiting so far.
    swift: bool,
}

enum Order {
    Show { line: String, done: Sender<()> },
    Close { done: Sender<()> },
}

impl Notice {
    /// Shows `line` on the desktop that is reached at this address, and returns when it is there or can't be waited for.
    pub fn show(address: String, line: &str) -> Self {
        let (orders, to_do) = mpsc::channel();
        let alive = Arc::new(AtomicBool::new(false));
        let sign = Arc::clone(&alive);
        // Without a thread the orders go nowhere.
        let _ = std::thread::Builder::new().spawn(move || work(&address, &to_do, &sign));
        let mut notice = Notice {
            orders,
            alive,
            swift: true,
        };
        notice.replace(line);
        notice
    }

    /// Shows `line` in the place of what was there.
    pub fn replace(&mut self, line: &str) {
        let (done, answer) = mpsc::channel();
        let line = line.to_owned();
        let ordered = self.orders.send(Order::Show { line, done }).is_ok();
        if ordered && self.swift {
            self.swift = self.wait(&answer);
        }
    }

    fn wait(&self, answer: &Receiver<()>) -> bool {
        answer.recv_timeout(PATIENCE).is_ok()
            || (self.alive.load(Ordering::Relaxed) && answer.recv_timeout(MORE).is_ok())
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        let (done, answer) = mpsc::channel();
        if self.orders.send(Order::Close { done }).is_ok() {
            self.wait(&answer);
        }
    }
}

/// Carries out orders until the last of them. One that was given while the server kept silent is carried out when it speaks again,
/// if this process is still there.
fn work(address: &str, orders: &Receiver<Order>, alive: &AtomicBool) {
    let Ok(desktop) = Desktop::reach(address) else { return };
    alive.store(true, Ordering::Relaxed);
    let mut id = NONE;
    for order in orders {
        match order {
            Order::Show { line, done } => {
                if let Ok(shown) = desktop.notify(id, &line) {
                    id = shown;
                }
                let _ = done.send(());
            }
            Order::Close { done } => {
                if id != NONE {
                    let _: zbus::Result<()> = desktop.call("CloseNotification", &id);
                }
                let _ = done.send(());
                return;
            }
        }
    }
}

struct Desktop {
    bus: Connection,
    /// Whether the server reads tags in the text.
    markup: bool,
}

impl Desktop {
    fn reach(address: &str) -> zbus::Result<Self> {
        let bus = Builder::address(address)?.method_timeout(LONGEST_ANSWER).build()?;
        let mut desktop = Desktop { bus, markup: true };
        let capabilities: Vec<String> = desktop.call("GetCapabilities", &())?;
        desktop.markup = capabilities.iter().any(|capability| capability == "body-markup");
        Ok(desktop)
    }

    /// Section 9, "Notify": the server's number for it.
    fn notify(&self, replaces: u32, line: &str) -> zbus::Result<u32> {
        // Shown literally by a server without markup, `&lt;` would spoil the line, in which `<` stands between callers.
        let body = if self.markup { escaped(line) } else { line.to_owned() };
        let actions: [&str; 0] = [];
        let hints = HashMap::from([
            ("urgency", Value::U8(CRITICAL)),
            // Section 8: it is not kept in a list of what was missed.
            ("transient", Value::Bool(true)),
            ("category", Value::from("device")),
        ]);
        self.call(
            "Notify",
            &(
                "tapvault",
                replaces,
                "dialog-password",
                "tapvault waits for a touch",
                body,
                &actions[..],
                hints,
                EXPIRES_AFTER,
            ),
        )
    }

    fn call<T>(&self, method: &str, body: &(impl serde::Serialize + DynamicType)) -> zbus::Result<T>
    where
        T: for<'d> zbus::zvariant::DynamicDeserialize<'d>,
    {
        self.bus
            .call_method(Some(NAME), PATH, Some(NAME), method, body)?
            .body()
            .deserialize()
    }
}

/// Section 4: the body is XML of a few tags.
fn escaped(line: &str) -> String {
    line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_brings_no_tags_of_its_own() {
        assert_eq!(escaped("<b>a & b</b> &lt;"), "&lt;b&gt;a &amp; b&lt;/b&gt; &amp;lt;");
    }
}
