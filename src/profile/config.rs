//! The two files and the environment as one: which sections make up a profile, and which line of them counts.

use std::collections::{BTreeMap, HashMap};

use super::close::close;
use super::env::EnvView;
use super::error::{ConfigError, NoProfile};
use super::fault::Problem;
use super::header::{Header, is_identifier};
use super::name::ProfileName;
use super::origin::{Origin, Place, Via};
use super::text::{ConfigText, Property};

/// What the outside says about profiles: the config file, the credentials file and the environment.
///
/// Sections of one name are one profile, the credentials file coming last; of a key set twice the last counts.
#[derive(Clone, Debug)]
pub struct Config {
    config: ConfigText,
    credentials: ConfigText,
    pub(super) env: BTreeMap<&'static str, String>,
    profiles: Named,
    sso_sessions: Named,
    services: Named,
    /// Profile names as they first appear.
    order: Vec<String>,
}

/// Sections by name.
type Named = HashMap<String, Vec<Part>>;

/// One section of one file.
#[derive(Clone, Copy, Debug)]
struct Part {
    file: File,
    section: usize,
}

#[derive(Clone, Copy, Debug)]
enum File {
    Config,
    Credentials,
}

/// All sections of one name, read together.
#[derive(Clone, Copy, Debug)]
pub struct Sections<'a> {
    config: &'a Config,
    name: &'a str,
    parts: &'a [Part],
}

/// A line that can't be read, and the profile that it spoils.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble<'a> {
    /// The line and its fault.
    pub problem: &'a Problem,
    /// The profile, when the line stands in one.
    pub profile: Option<&'a str>,
}

impl Config {
    /// Puts the files and the environment together; of the environment only the variables that matter here are kept.
    pub fn new(config: ConfigText, credentials: ConfigText, env: &dyn EnvView) -> Self {
        let env = super::variables::ALL
            .iter()
            .filter_map(|&name| Some((name, env.filled(name)?.trim().to_owned())))
            .collect();
        let mut all = Config {
            config,
            credentials,
            env,
            profiles: Named::new(),
            sso_sessions: Named::new(),
            services: Named::new(),
            order: Vec::new(),
        };
        all.index(File::Config);
        all.index(File::Credentials);
        all
    }

    /// The config file.
    pub fn config_text(&self) -> &ConfigText {
        &self.config
    }

    /// The credentials file.
    pub fn credentials_text(&self) -> &ConfigText {
        &self.credentials
    }

    /// Every profile's name, as they first appear in the files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    /// Every line that can't be read: for `doctor`.
    pub fn troubles(&self) -> impl Iterator<Item = Trouble<'_>> {
        [&self.config, &self.credentials].into_iter().flat_map(|text| {
            text.problems().iter().map(|problem| Trouble {
                problem,
                profile: match problem.section.map(|at| &text.sections[at].header) {
                    Some(Header::Profile { name, .. }) => Some(name.as_str()),
                    Some(Header::SsoSession(_) | Header::Services(_) | Header::Ignored) | None => None,
                },
            })
        })
    }

    /// The sections of a profile; `None` when there are none.
    pub fn profile<'a>(&'a self, name: &str) -> Option<Sections<'a>> {
        self.sections(&self.profiles, name)
    }

    /// `[sso-session NAME]`.
    pub fn sso_session<'a>(&'a self, name: &str) -> Option<Sections<'a>> {
        self.sections(&self.sso_sessions, name)
    }

    /// `[services NAME]`.
    pub fn services<'a>(&'a self, name: &str) -> Option<Sections<'a>> {
        self.sections(&self.services, name)
    }

    /// `AWS_PROFILE`, which stands in for a profile that isn't named.
    pub fn named_by_environment(&self) -> Option<&str> {
        self.env.get("AWS_PROFILE").map(String::as_str)
    }

    /// The error for a name that no section has.
    pub fn no_such_profile(&self, name: &ProfileName) -> ConfigError {
        let mut files = vec![self.config.file().to_string()];
        if !self.credentials.as_bytes().is_empty() {
            files.push(self.credentials.file().to_string());
        }
        ConfigError::NoProfile(Box::new(NoProfile {
            name: name.clone(),
            files,
            close: close(name.as_str(), self.names()),
            passed_over: self.config.passed_over(name.as_str()),
            stray: self
                .config
                .problems()
                .iter()
                .find(|problem| problem.section.is_none())
                .cloned(),
        }))
    }

    fn sections<'a>(&'a self, named: &'a Named, name: &str) -> Option<Sections<'a>> {
        let (name, parts) = named.get_key_value(name)?;
        Some(Sections {
            config: self,
            name,
            parts,
        })
    }

    fn index(&mut self, file: File) {
        let text = match file {
            File::Config => &self.config,
            File::Credentials => &self.credentials,
        };
        for (section, name) in text.profiles() {
            let part = Part { file, section };
            match self.profiles.get_mut(name) {
                Some(parts) => parts.push(part),
                None => {
                    self.profiles.insert(name.to_owned(), vec![part]);
                    self.order.push(name.to_owned());
                }
            }
        }
        for (at, section) in text.sections.iter().enumerate() {
            let (named, name) = match &section.header {
                Header::SsoSession(name) => (&mut self.sso_sessions, name),
                Header::Services(name) => (&mut self.services, name),
                Header::Profile { .. } | Header::Ignored => continue,
            };
            named.entry(name.clone()).or_default().push(Part { file, section: at });
        }
    }
}

impl<'a> Sections<'a> {
    /// The name in the header.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The line of the first header.
    pub fn place(&self) -> Option<Place> {
        let part = self.parts.first()?;
        let text = self.text(*part);
        Some(text.place(text.sections[part.section].line))
    }

    /// The first line that can't be read.
    pub fn problem(&self) -> Option<&'a Problem> {
        self.parts.iter().find_map(|part| {
            let mut problems = self.text(*part).problems().iter();
            problems.find(|problem| problem.section == Some(part.section))
        })
    }

    /// The line that counts for `key`, in any case.
    pub fn property(&self, key: &str) -> Option<Property<'a>> {
        let of = |part: &Part| {
            let text = self.text(*part);
            let found = text.properties(&text.sections[part.section]);
            found.filter(|property| property.key.eq_ignore_ascii_case(key)).last()
        };
        self.parts.iter().rev().find_map(of)
    }

    /// A key of a nested block, such as `endpoint_url` under `sts =`.
    pub fn nested(&self, block: &str, key: &str) -> Option<(&'a str, Place)> {
        let lines = self.property(block)?.continuations();
        lines
            .filter_map(|(line, place)| Some((line.split_once('=')?, place)))
            .filter(|((name, _), _)| name.trim().eq_ignore_ascii_case(key))
            .map(|((_, value), place)| (value.trim(), place))
            .last()
    }

    /// Every key with its whole value, keys in lower case: what the SDKs would see.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        let mut map = BTreeMap::new();
        for part in self.parts {
            let text = self.text(*part);
            for property in text.properties(&text.sections[part.section]) {
                if is_identifier(property.key) {
                    map.insert(property.key.to_ascii_lowercase(), property.value());
                }
            }
        }
        map
    }

    /// Where a line of these sections is from.
    pub fn origin(&self, place: Place, via: Via) -> Origin {
        Origin::File {
            place,
            section: self.name.into(),
            via,
        }
    }

    fn text(&self, part: Part) -> &'a ConfigText {
        match part.file {
            File::Config => &self.config.config,
            File::Credentials => &self.config.credentials,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::header::FileKind;

    fn config(text: &str) -> Config {
        let none: [(&str, &str); 0] = [];
        Config::new(
            ConfigText::parse("config", FileKind::Config, text.into()),
            ConfigText::parse("credentials", FileKind::Credentials, Vec::new()),
            &none,
        )
    }

    #[test]
    fn a_bad_line_names_its_profile() {
        let config = config("x = 1\n[profile a]\noops\n[services s]\noops\n[profile b\nregion = x\n");
        let troubles: Vec<_> = config.troubles().map(|t| (t.problem.place.line, t.profile)).collect();
        assert_eq!(troubles, [(1, None), (3, Some("a")), (5, None), (6, Some("b"))]);
        assert!(config.profile("b").unwrap().problem().is_some());
    }

    #[test]
    fn a_name_that_is_not_there_gets_its_neighbours() {
        let config = config("[profile prod]\n[profile dev]\n");
        let error = config.no_such_profile(&"prdo".parse().unwrap());
        assert_eq!(error.to_string(), "there is no profile prdo in config");
        assert_eq!(error.hints(), ["did you mean prod?"]);
    }

    #[test]
    fn a_header_that_is_passed_over_is_pointed_at() {
        let config = config("[default]\n[prod]\n[profile a b]\n");
        let hints = |name: &str| config.no_such_profile(&name.parse().unwrap()).hints();
        assert_eq!(hints("prod"), ["the section at config:2 has to be [profile prod]"]);
        assert_eq!(hints("a b"), ["the section at config:3 has to be [profile \"a b\"]"]);
    }

    #[test]
    fn nested_blocks_are_read_by_key() {
        let config = config("[services s]\nSTS =\n  endpoint_url = http://a\n  Endpoint_URL = http://b\n");
        let (value, place) = config.services("s").unwrap().nested("sts", "endpoint_url").unwrap();
        assert_eq!((value, place.line), ("http://b", 4));
    }
}
