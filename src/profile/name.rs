//! The name of a profile, checked once.
//!
//! What the name stands for (a section, a vault entry) is for others to say.

use super::words;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The longest name taken, in bytes.
pub const MAX_NAME: usize = 1024;

/// A profile's name: not empty, no control characters, at most [`MAX_NAME`] bytes.
///
/// Spaces, `/`, `..` and any script are allowed: people have such names in their files, and whoever makes a file name of
/// one has to encode it anyway. Names are case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProfileName(String);

impl ProfileName {
    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name at the end of a command in a message, as [`words::in_command`].
    pub fn in_command(&self) -> String {
        words::in_command(&self.0)
    }

    /// The name `default`, which needs no `profile` prefix and feeds others.
    pub fn is_default(&self) -> bool {
        self.0 == "default"
    }
}

/// Why a text is not a profile name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a profile name can't be empty")]
    Empty,
    /// A control character: it could not be written into a config file, and would garble a terminal.
    #[error("a profile name can't hold control characters")]
    Control,
    /// Longer than [`MAX_NAME`].
    #[error("a profile name can't be longer than {MAX_NAME} bytes")]
    TooLong,
}

impl FromStr for ProfileName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(NameError::Control);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_names() {
        for name in ["my prof", "a/b/../c", "größe", "..", "a#b;c", "\"q\"", " "] {
            assert_eq!(name.parse::<ProfileName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_could_garble_a_file_is_refused() {
        assert_eq!("".parse::<ProfileName>(), Err(NameError::Empty));
        assert_eq!("a\nb".parse::<ProfileName>(), Err(NameError::Control));
        assert_eq!("\u{85}".parse::<ProfileName>(), Err(NameError::Control));
        assert_eq!("x".repeat(1025).parse::<ProfileName>(), Err(NameError::TooLong));
    }
}
