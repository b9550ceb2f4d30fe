//! Why no plan can be made: each kind names the profile and the line, and knows what to do next.

use crate::profile::value::Seconds;
use crate::profile::{Circle, ConfigError, Origin, ProfileName, Sourced, did_you_mean, shown};

/// Why a profile leads to no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A profile on the way can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A profile leads to one that is neither in the config nor in the vault.
    #[error("{origin}: {key} names {}, and there is no such profile and no such entry in the vault", shown(.name.as_str()))]
    SourceMissing {
        /// The setting that names it.
        key: &'static str,
        /// The name.
        name: ProfileName,
        /// Where it is named.
        origin: Origin,
        /// Names that look like it.
        close: Vec<String>,
    },
    /// Profiles lead to each other and back.
    #[error(transparent)]
    SourceCircle(Circle),
    /// The vault has no entry, and the profile names nothing else.
    #[error("{} has no entry in the vault and its profile names no other source", shown(.profile.as_str()))]
    NoCredential {
        /// The profile.
        profile: ProfileName,
        /// An access key in the files, which isn't used.
        static_keys: Option<Origin>,
    },
    /// A role, and nothing to assume it with.
    #[error("{origin}: {} has a role_arn but no source_profile, and no entry in the vault", shown(.profile.as_str()))]
    RoleWithoutSource {
        /// The profile.
        profile: ProfileName,
        /// The line of its role.
        origin: Origin,
    },
    /// `source_profile` and `credential_source` in one profile.
    #[error("{named}: {} has both credential_source and source_profile ({source_profile})", shown(.profile.as_str()))]
    TwoSources {
        /// The profile.
        profile: ProfileName,
        /// The line of `source_profile`.
        source_profile: Origin,
        /// The line of `credential_source`.
        named: Origin,
    },
    /// A web identity token, and no role to turn it into.
    #[error("{origin}: {} has a web identity token but no role_arn", shown(.profile.as_str()))]
    TokenWithoutRole {
        /// The profile.
        profile: ProfileName,
        /// The line of the token.
        origin: Origin,
    },
    /// IAM Identity Center settings that contradict each other or lack something.
    #[error("{origin}: {why}")]
    Sso {
        /// The line.
        origin: Origin,
        /// What is wrong.
        why: String,
    },
    /// A source of credentials that tapvault does not know how to use.
    #[error("{origin}: {what} is not supported yet")]
    NotSupportedYet {
        /// The source.
        what: String,
        /// Where it is named.
        origin: Origin,
    },
    /// `credential_process` is tapvault itself, for the profile it stands in, and the vault has no such entry.
    #[error("{origin}: credential_process of {} is tapvault itself, and the vault has no such entry", shown(.profile.as_str()))]
    CallsItself {
        /// The profile.
        profile: ProfileName,
        /// The line.
        origin: Origin,
    },
    /// `credential_process` is tapvault itself, and what it asks for can't be told.
    #[error("{origin}: credential_process is tapvault itself, for no profile that can be made out")]
    CallsUs {
        /// The line.
        origin: Origin,
    },
    /// A length of time that AWS would refuse.
    #[error("{}: {} is out of range for {call}, which takes {least} to {most}", .asked.origin, .asked.value)]
    OutOfRange {
        /// The call.
        call: &'static str,
        /// What was asked.
        asked: Sourced<Seconds>,
        /// The least it takes.
        least: Seconds,
        /// The most it takes.
        most: Seconds,
    },
    /// A session policy, and no role to narrow.
    #[error("a policy can only narrow a role, and {} assumes none", shown(.profile.as_str()))]
    NoRoleToNarrow {
        /// The profile.
        profile: ProfileName,
    },
}

impl ChainError {
    /// What to do next, one line each.
    pub fn hints(&self) -> Vec<String> {
        match self {
            ChainError::Config(error) => error.hints(),
            ChainError::SourceMissing { name, close, .. } => match did_you_mean(close) {
                hints if hints.is_empty() => vec![format!("`tapvault add {}` makes the entry", name.in_command())],
                hints => hints,
            },
            ChainError::SourceCircle(circle) => circle.hints(),
            ChainError::NoCredential { profile, static_keys } => {
                let ignored = static_keys.iter().map(|origin| {
                    format!("the access key at {origin} is ignored: tapvault uses only keys in the vault")
                });
                let add = format!("`tapvault add {}` makes the entry", profile.in_command());
                ignored.chain([add]).collect()
            }
            ChainError::RoleWithoutSource { profile, origin } => match origin {
                Origin::Env(name) => vec![format!("unset {name} if no role is meant")],
                Origin::Flag(_) | Origin::File { .. } | Origin::Default(_) | Origin::Told(_) => vec![format!(
                    "add `source_profile = NAME` to say whose access key assumes it; if it is its own, `tapvault add {}`",
                    profile.in_command()
                )],
            },
            ChainError::TwoSources { .. } => vec!["remove one of the two lines".to_owned()],
            ChainError::TokenWithoutRole { .. } => vec!["add the role_arn that the token is for".to_owned()],
            ChainError::Sso { .. } | ChainError::OutOfRange { .. } => Vec::new(),
            ChainError::NotSupportedYet { .. } => Vec::new(),
            ChainError::CallsItself { profile, .. } => {
                vec![format!("`tapvault add {}` makes the entry", profile.in_command())]
            }
            ChainError::CallsUs { .. } => vec!["name the profile: tapvault export --format=json PROFILE".to_owned()],
            ChainError::NoRoleToNarrow { .. } => vec!["name a profile with a role_arn".to_owned()],
        }
    }
}
