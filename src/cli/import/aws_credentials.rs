//! The two files of the AWS clients as a source.

use super::harvest::{Asked, Because, Found, Harvest};
use crate::cli::common;
use crate::context::Context;
use crate::credential::AccessKey;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::files::Location;
use crate::profile::{ConfigText, FileKind, ProfileName, Property, StaticKeys};
use crate::secret::SecretText;

/// The credentials file and the config file, as they were read.
pub struct AwsFiles {
    /// The credentials file, which clients look into first.
    pub credentials: (Location, ConfigText),
    /// The config file.
    pub config: (Location, ConfigText),
}

impl AwsFiles {
    /// Reads them; missing ones are empty.
    pub fn read(ctx: &Context) -> Result<Self> {
        let config = common::aws_file(ctx, FileKind::Config)?;
        let credentials = common::aws_file(ctx, FileKind::Credentials)?;
        Ok(AwsFiles { credentials, config })
    }

    /// The texts, in the order in which clients look.
    pub fn texts(&self) -> [&ConfigText; 2] {
        [&self.credentials.1, &self.config.1]
    }
}

/// The access keys of both files, or those of the profiles `only`.
///
/// # Errors
/// [`ErrorKind::NoEntry`] when one of `only` has none.
pub fn harvest(files: &AwsFiles, only: &[ProfileName]) -> Result<Harvest> {
    let mut harvest = Harvest::new(if only.is_empty() { Asked::ForAll } else { Asked::ByName });
    let mut seen: Vec<String> = Vec::new();
    for text in files.texts() {
        for keys in text.static_keys() {
            let wanted = only.is_empty() || only.iter().any(|name| name.as_str() == keys.profile);
            // A bad line in the config file is hardly ever meant for a key.
            let only_a_problem = keys.id.is_none() && keys.secret.is_none() && keys.token.is_none();
            if !wanted || (only_a_problem && text.kind() == FileKind::Config) {
                continue;
            }
            seen.push(keys.profile.to_owned());
            match read(&keys) {
                Ok(found) => harvest.add(found),
                Err(because) => harvest.leave(keys.profile, because),
            }
        }
        if only.is_empty() {
            for place in text.keys_passed_over() {
                let how = "a key below a header that AWS clients pass over";
                harvest.leave(place.to_string(), Because::Damaged(how.into()));
            }
        }
    }
    match only.iter().find(|name| !seen.iter().any(|seen| seen == name.as_str())) {
        None => Ok(harvest),
        Some(missing) => {
            let [credentials, config] = files.texts().map(ConfigText::file);
            let error = Error::new(
                ErrorKind::NoEntry,
                format!("neither {credentials} nor {config} has an access key for {missing}"),
            );
            let names: Vec<&str> = files
                .texts()
                .iter()
                .flat_map(|text| text.static_keys())
                .map(|keys| keys.profile)
                .collect();
            Err(
                match crate::profile::close(missing.as_str(), names.iter().copied()).first() {
                    Some(close) => error.hint(format!("did you mean {close}?")),
                    None => error,
                },
            )
        }
    }
}

fn read(keys: &StaticKeys<'_>) -> Result<Found, Because> {
    let damaged = |how: String| Because::Damaged(how);
    if let Some(problem) = keys.problem {
        return Err(damaged(format!("{}: {}", problem.place, problem.fault)));
    }
    if keys.token.is_some() || keys.id.is_some_and(|id| id.first.starts_with("ASIA")) {
        return Err(Because::Temporary);
    }
    let half = |property: Option<Property<'_>>, name: &str| match property {
        None => Err(damaged(format!("{}: there is no {name}", keys.place))),
        Some(property) if property.continuations().next().is_some() => Err(damaged(format!(
            "{}: {name} goes on on a second line",
            property.place()
        ))),
        Some(property) => Ok(()).map(|()| property.place()),
    };
    let place = half(keys.id, "aws_access_key_id")?;
    half(keys.secret, "aws_secret_access_key")?;
    let (id, secret) = (
        keys.id.map_or("", |id| id.first),
        keys.secret.map_or("", |secret| secret.first),
    );
    let profile = keys
        .profile
        .parse()
        .map_err(|err| damaged(format!("{}: {err}", keys.place)))?;
    match AccessKey::parse(id, SecretText::copy_of(secret)) {
        Ok(key) => Ok(Found {
            profile,
            key,
            place: place.to_string(),
        }),
        Err(error) => Err(damaged(format!("{place}: {}", error.message()))),
    }
}
