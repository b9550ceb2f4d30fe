//! From the profile that was asked for, through `source_profile`, down to a base credential.
//!
//! An entry of the vault ends the walk; without one the AWS SDKs' order holds, and what tapvault can't use yet is said by name.

use super::command::{Leads, leads};
use super::error::ChainError;
use super::{Base, Token};
use crate::profile::{
    Asked, Circle, Config, Note, Origin, Overrides, Profile, ProfileName, Sourced, Via, close, shown,
};

/// The profiles of a chain and what it begins with.
pub(super) struct Walk {
    /// From the profile that was asked for down to the one that has the base.
    pub profiles: Vec<Profile>,
    pub base: Base,
    pub notes: Vec<Note>,
}

/// Where a profile leads.
enum Lead {
    /// It has the base itself.
    Base(Base),
    /// To another profile, by this setting.
    On(&'static str, Sourced<ProfileName>),
}

/// Walks from `name`; `stored` says for which names the vault has an entry.
pub(super) fn walk(
    config: &Config,
    name: &ProfileName,
    overrides: &Overrides,
    stored: &dyn Fn(&ProfileName) -> bool,
) -> Result<Walk, ChainError> {
    let mut profiles: Vec<Profile> = Vec::new();
    // What led on from each of them.
    let mut links: Vec<(&'static str, Origin)> = Vec::new();
    let mut notes = Vec::new();
    let mut name = name.clone();
    loop {
        let asked = if profiles.is_empty() {
            Asked::ByPerson
        } else {
            Asked::ByProfile
        };
        let profile = config.resolve(&name, asked, overrides)?;
        if profile.place.is_none() && !stored(&name) {
            return Err(missing(config, name, links.pop()));
        }
        notes.extend(profile.notes.iter().cloned());
        let lead = lead(config, &profile, links.last(), stored, &mut notes)?;
        profiles.push(profile);
        match lead {
            Lead::Base(base) => {
                return Ok(Walk { profiles, base, notes });
            }
            Lead::On(key, next) => {
                links.push((key, next.origin));
                if let Some(start) = profiles.iter().position(|profile| profile.name == next.value) {
                    return Err(circle(&profiles[start..], &links[start..]));
                }
                name = next.value;
            }
        }
    }
}

fn lead(
    config: &Config,
    profile: &Profile,
    link: Option<&(&'static str, Origin)>,
    stored: &dyn Fn(&ProfileName) -> bool,
    notes: &mut Vec<Note>,
) -> Result<Lead, ChainError> {
    let source = &profile.source;
    if stored(&profile.name) {
        passed_over(profile, notes);
        return Ok(Lead::Base(Base::Entry {
            profile: profile.name.clone(),
            origin: link.map_or(Origin::Default("its own entry"), |(_, origin)| origin.clone()),
        }));
    }
    // A profile with a token is no role over a source: its role is what the token is for.
    let has_token = source.token_file.is_some() || source.token_process.is_some();
    let Some(role) = profile.role.arn.as_ref().filter(|_| !has_token) else {
        return match own_base(config, profile, notes)? {
            Some(lead) => Ok(lead),
            None => no_base(profile),
        };
    };
    match (&source.profile, &source.named) {
        (Some(source_profile), Some(named)) => Err(ChainError::TwoSources {
            profile: profile.name.clone(),
            source_profile: source_profile.origin.clone(),
            named: named.origin.clone(),
        }),
        (None, None) => Err(ChainError::RoleWithoutSource {
            profile: profile.name.clone(),
            origin: role.origin.clone(),
        }),
        (Some(next), None) if next.value != profile.name => {
            if let Some(process) = &source.process {
                notes.push(Note::new(
                    format!(
                        "credential_process of {} ({}) is passed over",
                        profile.name, process.origin
                    ),
                    "a role is assumed with its source_profile, as by the AWS CLI",
                ));
            }
            Ok(Lead::On("source_profile", next.clone()))
        }
        // Its own credential, then its role.
        (Some(_), None) | (None, Some(_)) => match own_base(config, profile, notes)? {
            Some(lead) => Ok(lead),
            None => no_base(profile),
        },
    }
}

/// What the profile itself names as its credential, in the order of the AWS SDKs.
fn own_base(config: &Config, profile: &Profile, notes: &mut Vec<Note>) -> Result<Option<Lead>, ChainError> {
    let source = &profile.source;
    if let Some(named) = &source.named {
        // `Environment` too: keeping keys out of the environment is what the vault is for.
        return Err(ChainError::NotSupportedYet {
            what: format!("credential_source = {}", shown(&named.value)),
            origin: named.origin.clone(),
        });
    }
    let token = match (&source.token_file, &source.token_process) {
        (Some(file), _) => Some(file.clone().map(Token::File)),
        (None, Some(process)) => Some(process.clone().map(Token::Process)),
        (None, None) => None,
    };
    if let Some(token) = token {
        if profile.role.arn.is_none() {
            return Err(ChainError::TokenWithoutRole {
                profile: profile.name.clone(),
                origin: token.origin,
            });
        }
        return Ok(Some(Lead::Base(Base::WebIdentity {
            token: token.value,
            origin: token.origin,
        })));
    }
    sso(config, profile)?;
    if let Some(origin) = &source.login_session {
        return Err(ChainError::NotSupportedYet {
            what: "login_session".to_owned(),
            origin: origin.clone(),
        });
    }
    let Some(process) = &source.process else {
        return Ok(source_of_no_role(profile));
    };
    let origin = &process.origin;
    match leads(process.value.line()) {
        Leads::Elsewhere => {
            if let (None, Some(next)) = (&profile.role.arn, &source.profile) {
                notes.push(Note::new(
                    format!("source_profile of {} ({}) is passed over", profile.name, next.origin),
                    "without a role_arn its credential_process comes first, as for the AWS SDKs",
                ));
            }
            Ok(Some(Lead::Base(Base::CredentialProcess {
                command: process.value.clone(),
                origin: origin.clone(),
            })))
        }
        Leads::ToProfile(name) if name == profile.name.as_str() => match source_of_no_role(profile) {
            Some(lead) => {
                notes.push(not_run(profile, origin));
                Ok(Some(lead))
            }
            None => Err(ChainError::CallsItself {
                profile: profile.name.clone(),
                origin: origin.clone(),
            }),
        },
        Leads::ToProfile(name) => match name.parse() {
            Ok(name) => {
                notes.push(not_run(profile, origin));
                Ok(Some(Lead::On("credential_process", Sourced::new(name, origin.clone()))))
            }
            Err(_) => Err(ChainError::CallsUs { origin: origin.clone() }),
        },
        Leads::ToUs => Err(ChainError::CallsUs { origin: origin.clone() }),
    }
}

/// `source_profile` of a profile without a role: another name for the source, as in aws-vault. The SDKs pass it over, so it
/// comes last.
fn source_of_no_role(profile: &Profile) -> Option<Lead> {
    let next = profile.source.profile.as_ref()?;
    let alias = profile.role.arn.is_none() && next.value != profile.name;
    alias.then(|| Lead::On("source_profile", next.clone()))
}

fn no_base(profile: &Profile) -> Result<Lead, ChainError> {
    Err(ChainError::NoCredential {
        profile: profile.name.clone(),
        static_keys: profile.static_keys.clone(),
    })
}

/// IAM Identity Center: mistakes are named as the SDKs name them, the rest is for later.
fn sso(config: &Config, profile: &Profile) -> Result<(), ChainError> {
    let sso = &profile.source.sso;
    let Some(first) = sso.origin() else {
        return Ok(());
    };
    let wrong = |origin: &Origin, why: String| {
        Err(ChainError::Sso {
            origin: origin.clone(),
            why,
        })
    };
    let (mut start_url, mut region) = (sso.start_url.is_some(), sso.region.is_some());
    if let Some(session) = &sso.session {
        let name = shown(&session.value);
        for (key, setting) in [("sso_start_url", &sso.start_url), ("sso_region", &sso.region)] {
            if let Some(setting) = setting {
                return wrong(&setting.origin, format!("{key} belongs into [sso-session {name}]"));
            }
        }
        let Some(sections) = config.sso_session(&session.value) else {
            return wrong(&session.origin, format!("there is no [sso-session {name}]"));
        };
        if let Some(problem) = sections.problem() {
            return wrong(
                &sections.origin(problem.place.clone(), Via::Source),
                problem.fault.to_string(),
            );
        }
        start_url = sections.property("sso_start_url").is_some();
        region = sections.property("sso_region").is_some();
    }
    match (&sso.account_id, &sso.role_name) {
        (Some(account), None) => return wrong(&account.origin, "sso_account_id needs sso_role_name".to_owned()),
        (None, Some(role)) => return wrong(&role.origin, "sso_role_name needs sso_account_id".to_owned()),
        (Some(_), Some(_)) | (None, None) => {}
    }
    if !start_url || !region {
        let key = if start_url { "sso_region" } else { "sso_start_url" };
        return wrong(first, format!("{key} is missing"));
    }
    Err(ChainError::NotSupportedYet {
        what: "IAM Identity Center (SSO)".to_owned(),
        origin: first.clone(),
    })
}

/// Says which settings an entry of the vault made idle.
fn passed_over(profile: &Profile, notes: &mut Vec<Note>) {
    let source = &profile.source;
    let elsewhere = source.profile.as_ref().filter(|next| next.value != profile.name);
    let idle = [
        ("source_profile", elsewhere.map(|next| &next.origin)),
        (
            "credential_process",
            source.process.as_ref().map(|process| &process.origin),
        ),
        ("credential_source", source.named.as_ref().map(|named| &named.origin)),
        (
            "web_identity_token_file",
            source.token_file.as_ref().map(|file| &file.origin),
        ),
        (
            "web_identity_token_process",
            source.token_process.as_ref().map(|process| &process.origin),
        ),
        ("login_session", source.login_session.as_ref()),
        ("sso", source.sso.origin()),
        ("aws_access_key_id", profile.static_keys.as_ref()),
    ];
    for (key, origin) in idle {
        if let Some(origin) = origin {
            notes.push(Note::new(
                format!("{key} of {} ({origin}) is passed over", profile.name),
                format!("the vault has an entry {}", profile.name),
            ));
        }
    }
}

fn not_run(profile: &Profile, origin: &Origin) -> Note {
    Note::new(
        format!("credential_process of {} ({origin}) is followed, not run", profile.name),
        "it is tapvault itself",
    )
}

fn missing(config: &Config, name: ProfileName, link: Option<(&'static str, Origin)>) -> ChainError {
    match link {
        None => config.no_such_profile(&name).into(),
        Some((key, origin)) => ChainError::SourceMissing {
            key,
            close: close(name.as_str(), config.names()),
            name,
            origin,
        },
    }
}

fn circle(profiles: &[Profile], links: &[(&'static str, Origin)]) -> ChainError {
    let key = match links.iter().any(|(key, _)| *key == "credential_process") {
        true => "credential_process",
        false => "source_profile",
    };
    let links = profiles.iter().zip(links);
    ChainError::SourceCircle(Circle {
        key,
        links: links
            .map(|(profile, (_, origin))| (profile.name.to_string(), origin.place().cloned()))
            .collect(),
    })
}
