//! What is wrong with a profile: each kind names its file and line, and knows what to do next.

use std::fmt;

use super::fault::Problem;
use super::header::{self, FileKind};
use super::name::ProfileName;
use super::origin::{Origin, Place};
use super::value::Unfit;

/// Why a profile can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No section has this name.
    #[error(transparent)]
    NoProfile(Box<NoProfile>),
    /// One of the profile's lines can't be read.
    #[error("{}: {}", .problem.place, .problem.fault)]
    Malformed {
        /// The line.
        problem: Problem,
        /// The section that it spoils.
        section: String,
    },
    /// A value that can't be used.
    #[error("{}", BadValue(.key, .value, .origin, .why))]
    Value {
        /// The setting's name in the config file.
        key: &'static str,
        /// What it is set to.
        value: String,
        /// Where that was said.
        origin: Origin,
        /// What was expected.
        why: Unfit,
    },
    /// An indented line below a key that takes one line only: it would silently become part of the value.
    #[error("{place}: {text} is indented, so it would go on with {key} above it, which takes one line only")]
    Indented {
        /// The line.
        place: Place,
        /// What it says.
        text: String,
        /// The key above it.
        key: String,
    },
    /// `include_profile` names a profile that isn't there.
    #[error("{place}: include_profile names {}, which isn't in {}", shown(.name), .place.file)]
    NoInclude {
        /// The name.
        name: String,
        /// The line that names it.
        place: Place,
        /// Names that look like it.
        close: Vec<String>,
    },
    /// `include_profile` leads back to where it began.
    #[error(transparent)]
    IncludeCircle(Circle),
}

impl ConfigError {
    /// What to do next, one line each.
    pub fn hints(&self) -> Vec<String> {
        match self {
            ConfigError::NoProfile(missing) => missing.hints(),
            ConfigError::Malformed { section, .. } => {
                vec![format!(
                    "mend that line; only {} needs it, other profiles work",
                    shown(section)
                )]
            }
            ConfigError::Value { .. } => Vec::new(),
            ConfigError::Indented { .. } => vec!["move it to the beginning of the line".to_owned()],
            ConfigError::NoInclude { close, .. } => did_you_mean(close),
            ConfigError::IncludeCircle(circle) => circle.hints(),
        }
    }
}

/// A name that no section has, and what was perhaps meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoProfile {
    /// The name asked for.
    pub name: ProfileName,
    /// The files that were read.
    pub files: Vec<String>,
    /// Names that look like it.
    pub close: Vec<String>,
    /// A header that says this name, but that the SDKs pass over too.
    pub passed_over: Option<Place>,
    /// A line above all sections that can't be read: perhaps its header is what is broken.
    pub stray: Option<Problem>,
}

impl NoProfile {
    fn hints(&self) -> Vec<String> {
        let mut hints = Vec::new();
        match &self.passed_over {
            Some(place) => {
                let header = header::written(&self.name, FileKind::Config);
                hints.push(format!("the section at {place} has to be {header}"));
            }
            None => hints.extend(did_you_mean(&self.close)),
        }
        if let Some(Problem { place, fault, .. }) = &self.stray {
            hints.push(format!(
                "{place}: {fault}; mend that line if it should begin this profile"
            ));
        }
        hints
    }
}

impl fmt::Display for NoProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = shown(self.name.as_str());
        write!(f, "there is no profile {name} in {}", self.files.join(" or "))
    }
}

impl std::error::Error for NoProfile {}

/// Profiles that lead to each other and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle {
    /// The setting that leads on.
    pub key: &'static str,
    /// Each profile, and the line that leads on from it.
    pub links: Vec<(String, Option<Place>)>,
}

impl Circle {
    /// What to do next.
    pub fn hints(&self) -> Vec<String> {
        let lines: Vec<_> = self
            .links
            .iter()
            .filter_map(|(_, place)| place.as_ref())
            .map(Place::to_string)
            .collect();
        match lines.is_empty() {
            true => Vec::new(),
            false => vec![format!("change one of these lines: {}", lines.join(", "))],
        }
    }
}

impl fmt::Display for Circle {
    /// `source_profile goes in a circle: a (line 3) > b (line 9) > a`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} goes in a circle: ", self.key)?;
        for (name, place) in &self.links {
            match place {
                Some(place) => write!(f, "{} (line {}) > ", shown(name), place.line)?,
                None => write!(f, "{} > ", shown(name))?,
            }
        }
        f.write_str(&self.links.first().map(|(name, _)| shown(name)).unwrap_or_default())
    }
}

impl std::error::Error for Circle {}

struct BadValue<'a>(&'a str, &'a str, &'a Origin, &'a Unfit);

impl fmt::Display for BadValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(key, value, origin, why) = self;
        let value = shown(value);
        match origin {
            Origin::File { place, .. } => write!(f, "{place}: {key} = {value}: {why}"),
            Origin::Env(name) => write!(f, "{name}={value}: {why}"),
            Origin::Flag(flag) => write!(f, "{flag} {value}: {why}"),
            Origin::Default(_) | Origin::Told(_) => write!(f, "{key} = {value}: {why}"),
        }
    }
}

/// "did you mean a or b", as a list of no or one hint.
pub fn did_you_mean(close: &[String]) -> Vec<String> {
    match close {
        [] => Vec::new(),
        close => {
            let names: Vec<_> = close.iter().map(|name| shown(name)).collect();
            vec![format!("did you mean {}?", names.join(" or "))]
        }
    }
}

/// A text from a file as it may be shown: nothing in it for the terminal to obey, and not ten megabytes of it.
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            shown.push_str("...");
            break;
        }
        // Control characters, and those that make the rest of a line run the other way.
        match c {
            c if c.is_control() => shown.extend(c.escape_debug()),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                shown.extend(c.escape_unicode())
            }
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_tame() {
        assert_eq!(shown("a\x1b[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(shown("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(shown(&"x".repeat(1 << 20)).len(), 83);
    }
}
