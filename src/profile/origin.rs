//! Where a value came from: `explain` shows it, and errors name it.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A line of a file, numbered from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Place {
    /// The file, as a person would write it (`~/.aws/config`).
    #[serde(serialize_with = "plain")]
    pub file: Arc<str>,
    /// The line.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

fn plain<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// How a line of another section reached a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// It is the profile's own line.
    Own,
    /// Through `include_profile`.
    Include,
    /// `[default]` feeds it to every profile.
    DefaultSection,
    /// From the profile named by `source_profile`.
    Source,
    /// From a profile further up, the one that this one serves as a source.
    Above,
    /// From the `[services NAME]` section that the profile names.
    Services,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// An option of the command line.
    Flag(&'static str),
    /// An environment variable.
    Env(&'static str),
    /// A line of a file.
    File {
        /// The line.
        place: Place,
        /// The section it stands in, by name.
        #[serde(serialize_with = "plain")]
        section: Arc<str>,
        /// How it reached the profile.
        via: Via,
    },
    /// Nobody said anything; why it is this value.
    Default(&'static str),
    /// Another process of this program knows; its words for the origin.
    Told(#[serde(serialize_with = "plain")] Arc<str>),
}

impl Origin {
    /// The line, if a file said it.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Origin::File { place, .. } => Some(place),
            Origin::Flag(_) | Origin::Env(_) | Origin::Default(_) | Origin::Told(_) => None,
        }
    }

    /// The same line, seen from another profile.
    #[must_use]
    pub fn seen(self, from: Via) -> Origin {
        match self {
            Origin::File { place, section, .. } => Origin::File {
                place,
                section,
                via: from,
            },
            other => other,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(flag) => f.write_str(flag),
            Origin::Env(name) => f.write_str(name),
            Origin::File { place, .. } => place.fmt(f),
            Origin::Default(why) => write!(f, "default: {why}"),
            Origin::Told(words) => f.write_str(words),
        }
    }
}

/// A value and where it came from.
///
/// It serialises as the value alone: an input of a call is the same input when its line moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// `value`, which came from `origin`.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// Another value from the same place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced::new(change(self.value), self.origin)
    }

    /// The same value, its origin seen otherwise.
    #[must_use]
    pub fn map_origin(self, change: impl FnOnce(Origin) -> Origin) -> Self {
        Self::new(self.value, change(self.origin))
    }
}

impl<T: Serialize> Serialize for Sourced<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}
