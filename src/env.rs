//! A snapshot of the environment: taken once by whoever starts the program, handed to everybody else.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// A snapshot of the environment, taken once at the start.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// The real one.
    pub fn snapshot() -> Self {
        Env(std::env::vars_os().collect())
    }

    /// Whether the real one has `name`, for who needs to know no more before the snapshot is taken.
    pub fn is_set(name: &str) -> bool {
        std::env::var_os(name).is_some()
    }

    /// The value of `name` if it is set, not empty, and text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.os(name)?.to_str()
    }

    /// The value of `name` if it is set and not empty.
    pub fn os(&self, name: &str) -> Option<&OsStr> {
        self.0
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// Every variable, for the child's environment.
    pub fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }
}

impl<'a> FromIterator<(&'a String, &'a String)> for Env {
    fn from_iter<I: IntoIterator<Item = (&'a String, &'a String)>>(pairs: I) -> Self {
        Env(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Env {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Env(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}
