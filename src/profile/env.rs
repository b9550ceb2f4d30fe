//! The environment as a value: read once by whoever starts the program, looked at here.

use std::collections::{BTreeMap, HashMap};

/// A snapshot of environment variables.
///
/// A trait, so that tests and the real program hand in what they have; nothing below asks the process itself.
pub trait EnvView {
    /// The value of `name`, if it is set.
    fn get(&self, name: &str) -> Option<&str>;

    /// The value of `name` if it is set to something. An empty variable counts as unset, as it does for the AWS CLI.
    fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.trim().is_empty())
    }
}

impl EnvView for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        BTreeMap::get(self, name).map(String::as_str)
    }
}

impl EnvView for HashMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        HashMap::get(self, name).map(String::as_str)
    }
}

impl EnvView for [(&str, &str)] {
    fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

impl<const N: usize> EnvView for [(&str, &str); N] {
    fn get(&self, name: &str) -> Option<&str> {
        EnvView::get(self.as_slice(), name)
    }
}
