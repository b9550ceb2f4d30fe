//! Which of several voices counts: flag, environment, profile, `include_profile`, `[default]`, in this order.
//!
//! `[default]` feeds other profiles only what changes no identity ([`FED_BY_DEFAULT`]): a role in `[default]` must not turn
//! every profile into that role.

use super::config::{Config, Sections};
use super::error::{Circle, ConfigError, shown};
use super::name::ProfileName;
use super::origin::{Origin, Place, Sourced, Via};
use super::region::Region;
use super::settings::{Durations, Note, Profile, Role, Source, Sso};
use super::value::{self, Command, MfaSerial, Seconds, Unfit};
use super::{endpoints, variables};

/// What `[default]` feeds to every other profile.
pub const FED_BY_DEFAULT: [&str; 4] = ["region", "mfa_serial", "mfa_process", "duration_seconds"];

/// What the command line said about every profile of the chain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// `--region`.
    pub region: Option<Region>,
    /// `--mfa-serial`.
    pub mfa_serial: Option<MfaSerial>,
    /// `--duration`: sets every session's.
    pub duration: Option<Seconds>,
}

/// How a profile comes into play: some variables speak only to the profile that the person named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The person named it.
    ByPerson,
    /// Another profile leads to it.
    ByProfile,
}

impl Config {
    /// Everything that `name` says. A name without a section gives a profile that only flags, environment and `[default]`
    /// speak for: the vault may have an entry for it all the same ([`Profile::place`] tells).
    ///
    /// # Errors
    /// A line of the profile or of what it includes that can't be read or used, or a circle of `include_profile`.
    pub fn resolve(&self, name: &ProfileName, asked: Asked, flags: &Overrides) -> Result<Profile, ConfigError> {
        let mut voices = Voices::gather(self, name, asked)?;
        let endpoints = endpoints::read(&mut voices)?;
        let duration = |variable| -> Result<_, ConfigError> {
            match flags.duration {
                Some(seconds) => Ok(Some(Sourced::new(seconds, Origin::Flag("--duration")))),
                None => voices.environment(variable, "duration_seconds", str::parse),
            }
        };
        let region = voices.flag(&flags.region, "--region");
        let mfa_serial = voices.flag(&flags.mfa_serial, "--mfa-serial");
        Ok(Profile {
            name: name.clone(),
            place: self.profile(name.as_str()).and_then(|sections| sections.place()),
            region: match region {
                Some(region) => Some(region),
                None => voices.read("region", &[variables::REGION, variables::DEFAULT_REGION], |text| {
                    text.parse()
                        .map_err(|_| Unfit("expected a region such as eu-central-1"))
                })?,
            },
            output: voices.text("output", &[variables::DEFAULT_OUTPUT])?,
            mfa_serial: match mfa_serial {
                Some(serial) => Some(serial),
                None => voices.read("mfa_serial", &[variables::MFA_SERIAL], str::parse)?,
            },
            mfa_process: voices.command("mfa_process"),
            role: voices.role()?,
            source: voices.source()?,
            durations: Durations {
                role: match duration(variables::ASSUME_ROLE_TTL)? {
                    Some(said) => Some(said),
                    None => voices.read("duration_seconds", &[], Seconds::from_digits)?,
                },
                session: duration(variables::SESSION_TOKEN_TTL)?,
                base_session: duration(variables::CHAINED_SESSION_TOKEN_TTL)?,
                federation: duration(variables::FEDERATION_TOKEN_TTL)?,
            },
            endpoints,
            static_keys: ["aws_access_key_id", "aws_secret_access_key"]
                .iter()
                .find_map(|key| voices.mention(key)),
            notes: voices.notes,
        })
    }
}

/// Everybody who has a word in a profile's settings.
pub(super) struct Voices<'a> {
    pub config: &'a Config,
    asked: Asked,
    /// The profile itself, what it includes, and `[default]`, the strongest first.
    layers: Vec<(Sections<'a>, Via)>,
    pub notes: Vec<Note>,
}

/// What a profile's `services` leads to.
pub(super) struct Services<'a> {
    pub name: Sourced<String>,
    /// `None` when no section has that name.
    pub sections: Option<Sections<'a>>,
}

impl<'a> Voices<'a> {
    fn gather(config: &'a Config, name: &ProfileName, asked: Asked) -> Result<Self, ConfigError> {
        let mut voices = Voices {
            config,
            asked,
            layers: Vec::new(),
            notes: Vec::new(),
        };
        let mut next = config.profile(name.as_str());
        let mut via = Via::Own;
        while let Some(sections) = next {
            if let Some(problem) = sections.problem() {
                return Err(ConfigError::Malformed {
                    problem: problem.clone(),
                    section: sections.name().to_owned(),
                });
            }
            voices.layers.push((sections, via));
            via = Via::Include;
            next = voices.included(&sections)?;
        }
        voices.add_default();
        Ok(voices)
    }

    /// The profile that `sections` includes.
    fn included(&self, sections: &Sections<'a>) -> Result<Option<Sections<'a>>, ConfigError> {
        let Some((name, place)) = single_line(sections, "include_profile")? else {
            return Ok(None);
        };
        if let Some(start) = self.layers.iter().position(|(layer, _)| layer.name() == name) {
            let links = self.layers[start..].iter().map(|(layer, _)| {
                let line = layer.property("include_profile").map(|property| property.place());
                (layer.name().to_owned(), line)
            });
            return Err(ConfigError::IncludeCircle(Circle {
                key: "include_profile",
                links: links.collect(),
            }));
        }
        match self.config.profile(&name) {
            Some(found) => Ok(Some(found)),
            None => Err(ConfigError::NoInclude {
                close: super::close::close(&name, self.config.names()),
                name,
                place,
            }),
        }
    }

    /// `[default]` speaks last, unless it has spoken already.
    fn add_default(&mut self) {
        let Some(default) = self.config.profile("default") else {
            return;
        };
        if self.layers.iter().any(|(layer, _)| layer.name() == "default") {
            return;
        }
        if let Some(problem) = default.problem() {
            self.notes.push(Note::new(
                format!("[default] feeds this profile, but not with {}", problem.place),
                format!("that line can't be read: {}", problem.fault),
            ));
        }
        self.layers.push((default, Via::DefaultSection));
    }

    /// A value that the command line gave.
    fn flag<T: Clone>(&self, value: &Option<T>, flag: &'static str) -> Option<Sourced<T>> {
        value.clone().map(|value| Sourced::new(value, Origin::Flag(flag)))
    }

    /// A setting from the environment or the files, made into what it should be.
    pub fn read<T>(
        &self,
        key: &'static str,
        variables: &[&'static str],
        parse: impl Fn(&str) -> Result<T, Unfit>,
    ) -> Result<Option<Sourced<T>>, ConfigError> {
        for variable in variables {
            if let Some(found) = self.environment(variable, key, &parse)? {
                return Ok(Some(found));
            }
        }
        match self.file(key)? {
            Some(found) => parsed(key, found, parse).map(Some),
            None => Ok(None),
        }
    }

    /// A setting that may be any text.
    pub fn text(&self, key: &'static str, variables: &[&'static str]) -> Result<Option<Sourced<String>>, ConfigError> {
        self.read(key, variables, |text| Ok(text.to_owned()))
    }

    /// A setting from one variable.
    pub fn environment<T>(
        &self,
        variable: &'static str,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Unfit>,
    ) -> Result<Option<Sourced<T>>, ConfigError> {
        match self.config.env.get(variable) {
            Some(text) => parsed(key, Sourced::new(text.clone(), Origin::Env(variable)), parse).map(Some),
            None => Ok(None),
        }
    }

    /// A setting from the files: the first layer that says something.
    fn file(&self, key: &str) -> Result<Option<Sourced<String>>, ConfigError> {
        for (sections, via) in self.layers_for(key) {
            if let Some((text, place)) = single_line(sections, key)? {
                return Ok(Some(Sourced::new(text, sections.origin(place, *via))));
            }
        }
        Ok(None)
    }

    /// A command, which may go on over several lines.
    fn command(&self, key: &str) -> Option<Sourced<Command>> {
        self.layers_for(key).find_map(|(sections, via)| {
            let property = sections.property(key)?;
            let line = property.value();
            let command = Command::new(line.trim());
            (!line.trim().is_empty()).then(|| Sourced::new(command, sections.origin(property.place(), *via)))
        })
    }

    /// Where a setting stands, whatever it says.
    fn mention(&self, key: &str) -> Option<Origin> {
        self.layers_for(key).find_map(|(sections, via)| {
            let property = sections.property(key)?;
            Some(sections.origin(property.place(), *via))
        })
    }

    /// The `[services]` section that the profile names.
    pub fn services(&self) -> Result<Option<Services<'a>>, ConfigError> {
        let Some(name) = self.file("services")? else {
            return Ok(None);
        };
        let sections = self.config.services(&name.value);
        match sections.and_then(|sections| sections.problem()) {
            Some(problem) => Err(ConfigError::Malformed {
                problem: problem.clone(),
                section: format!("services {}", name.value),
            }),
            None => Ok(Some(Services { name, sections })),
        }
    }

    fn layers_for(&self, key: &str) -> impl Iterator<Item = &(Sections<'a>, Via)> {
        let fed = FED_BY_DEFAULT.contains(&key);
        self.layers
            .iter()
            .filter(move |(_, via)| fed || *via != Via::DefaultSection)
    }

    /// Variables that change who one is speak only to the profile that the person named.
    fn personal(&self, variable: &'static str) -> Vec<&'static str> {
        match self.asked {
            Asked::ByPerson => vec![variable],
            Asked::ByProfile => Vec::new(),
        }
    }

    fn role(&self) -> Result<Role, ConfigError> {
        let env = &self.config.env;
        // With a token file beside it the variable is the SDKs' own web identity (a pod, a CI job), not a word to us.
        let pair = env.contains_key(variables::WEB_IDENTITY_TOKEN_FILE);
        let role_arn = if pair {
            Vec::new()
        } else {
            self.personal(variables::ROLE_ARN)
        };
        Ok(Role {
            arn: self.read("role_arn", &role_arn, str::parse)?,
            session_name: self.read(
                "role_session_name",
                &self.personal(variables::ROLE_SESSION_NAME),
                value::session_name,
            )?,
            external_id: self.read("external_id", &[], value::external_id)?,
            source_identity: self.read(
                "source_identity",
                &self.personal(variables::SOURCE_IDENTITY),
                value::source_identity,
            )?,
            tags: self.read("session_tags", &self.personal(variables::SESSION_TAGS), value::tags)?,
            transitive_tags: self.read(
                "transitive_session_tags",
                &self.personal(variables::TRANSITIVE_TAGS),
                value::tag_keys,
            )?,
        })
    }

    fn source(&self) -> Result<Source, ConfigError> {
        Ok(Source {
            profile: self.read("source_profile", &[], |text| {
                text.parse().map_err(|_| Unfit("expected the name of a profile"))
            })?,
            process: self.command("credential_process"),
            named: self.text("credential_source", &[])?,
            token_file: self.text("web_identity_token_file", &[])?,
            token_process: self.command("web_identity_token_process"),
            sso: Sso {
                session: self.text("sso_session", &[])?,
                start_url: self.text("sso_start_url", &[])?,
                region: self.text("sso_region", &[])?,
                account_id: self.text("sso_account_id", &[])?,
                role_name: self.text("sso_role_name", &[])?,
            },
            login_session: self.mention("login_session"),
        })
    }
}

pub(super) fn parsed<T>(
    key: &'static str,
    found: Sourced<String>,
    parse: impl Fn(&str) -> Result<T, Unfit>,
) -> Result<Sourced<T>, ConfigError> {
    match parse(&found.value) {
        Ok(value) => Ok(Sourced::new(value, found.origin)),
        Err(why) => Err(ConfigError::Value {
            key,
            value: shown(&found.value),
            origin: found.origin,
            why,
        }),
    }
}

/// The value of a key that has no business on several lines; an empty one counts as not there.
///
/// Indented comments below a key are part of its value for the SDKs and comments for the AWS CLI. For a region or a role the
/// CLI is right; anything else indented there is an error, or a stray line would silently become part of an ARN.
fn single_line(sections: &Sections<'_>, key: &str) -> Result<Option<(String, Place)>, ConfigError> {
    let Some(property) = sections.property(key) else {
        return Ok(None);
    };
    if let Some((text, place)) = property.continuations().find(|(line, _)| !line.starts_with(['#', ';'])) {
        return Err(ConfigError::Indented {
            place,
            text: shown(text),
            key: key.to_owned(),
        });
    }
    let text = property.first;
    Ok((!text.is_empty()).then(|| (text.to_owned(), property.place())))
}

#[cfg(test)]
mod tests;
