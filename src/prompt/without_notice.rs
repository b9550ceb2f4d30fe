//! In place of `notice` in a build without the feature `notify`, and on systems without D-Bus: nothing is shown.

use crate::env::Env;

/// No bus.
pub struct Bus;

impl Bus {
    /// None.
    pub fn from_env(_: &Env) -> Self {
        Bus
    }

    /// None.
    pub fn address(&self) -> Option<String> {
        None
    }
}

/// No notification.
pub struct Notice;

impl Notice {
    /// Shows nothing.
    pub fn show(_: &str, _: &str) -> Self {
        Notice
    }

    /// Shows nothing else.
    pub fn replace(&mut self, _: &str) {}
}
