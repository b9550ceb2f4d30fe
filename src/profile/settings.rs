//! A profile resolved: every setting with where it came from.

use serde::Serialize;

use super::name::ProfileName;
use super::origin::{Origin, Place, Sourced};
use super::region::Region;
use super::value::{Command, MfaSerial, RoleArn, Seconds, Tag};

/// What one profile says, after flags, environment, `include_profile` and `[default]` had their word.
///
/// A setting that nobody mentions is `None`; defaults are the business of whoever uses it. Which other profiles it leads to
/// is for [`crate::chain`].
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Its name.
    pub name: ProfileName,
    /// The line of its header; `None` when no file mentions it.
    pub place: Option<Place>,
    /// `region`.
    pub region: Option<Sourced<Region>>,
    /// `output`: tapvault only hands it on.
    pub output: Option<Sourced<String>>,
    /// `mfa_serial`. Not inherited through `source_profile`.
    pub mfa_serial: Option<Sourced<MfaSerial>>,
    /// `mfa_process`: prints a code. Inherited through `source_profile`, by `chain`.
    pub mfa_process: Option<Sourced<Command>>,
    /// What the profile says of the role it assumes.
    pub role: Role,
    /// Where its credential comes from when the vault has no entry of its name.
    pub source: Source,
    /// How long its sessions live.
    pub durations: Durations,
    /// Where its calls go.
    pub endpoints: Endpoints,
    /// The line of an access key in the files, which tapvault doesn't use.
    pub static_keys: Option<Origin>,
    /// Things a person should know that don't stop anything.
    pub notes: Vec<Note>,
}

impl Profile {
    /// A profile of which only the name is known: for a plan that was made elsewhere.
    pub fn unsaid(name: ProfileName) -> Self {
        Profile {
            name,
            place: None,
            region: None,
            output: None,
            mfa_serial: None,
            mfa_process: None,
            role: Role::default(),
            source: Source::default(),
            durations: Durations::default(),
            endpoints: Endpoints::default(),
            static_keys: None,
            notes: Vec::new(),
        }
    }
}

/// The settings of a role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Role {
    /// `role_arn`: without it the profile assumes none.
    pub arn: Option<Sourced<RoleArn>>,
    /// `role_session_name`.
    pub session_name: Option<Sourced<String>>,
    /// `external_id`.
    pub external_id: Option<Sourced<String>>,
    /// `source_identity`.
    pub source_identity: Option<Sourced<String>>,
    /// `session_tags`.
    pub tags: Option<Sourced<Vec<Tag>>>,
    /// `transitive_session_tags`.
    pub transitive_tags: Option<Sourced<Vec<String>>>,
}

/// Where a credential comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// `source_profile`.
    pub profile: Option<Sourced<ProfileName>>,
    /// `credential_process`.
    pub process: Option<Sourced<Command>>,
    /// `credential_source`, as it is written.
    pub named: Option<Sourced<String>>,
    /// `web_identity_token_file`.
    pub token_file: Option<Sourced<String>>,
    /// `web_identity_token_process`.
    pub token_process: Option<Sourced<Command>>,
    /// `sso_session`, `sso_*`.
    pub sso: Sso,
    /// `login_session`: keys of a console sign-in.
    pub login_session: Option<Origin>,
}

/// The settings of IAM Identity Center: read so that a mistake in them is named, not used yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sso {
    /// `sso_session`.
    pub session: Option<Sourced<String>>,
    /// `sso_start_url`.
    pub start_url: Option<Sourced<String>>,
    /// `sso_region`.
    pub region: Option<Sourced<String>>,
    /// `sso_account_id`.
    pub account_id: Option<Sourced<String>>,
    /// `sso_role_name`.
    pub role_name: Option<Sourced<String>>,
}

impl Sso {
    /// Where the profile first says anything of it.
    pub fn origin(&self) -> Option<&Origin> {
        let all = [
            &self.session,
            &self.start_url,
            &self.region,
            &self.account_id,
            &self.role_name,
        ];
        all.into_iter().flatten().map(|setting| &setting.origin).next()
    }
}

/// How long sessions live, as far as anybody said; bounds are checked where a call uses them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Durations {
    /// AssumeRole: `duration_seconds` or `AWS_ASSUME_ROLE_TTL`.
    pub role: Option<Sourced<Seconds>>,
    /// GetSessionToken for the profile itself: `AWS_SESSION_TOKEN_TTL`.
    pub session: Option<Sourced<Seconds>>,
    /// GetSessionToken as the base of roles: `AWS_CHAINED_SESSION_TOKEN_TTL`.
    pub base_session: Option<Sourced<Seconds>>,
    /// GetFederationToken: `AWS_FEDERATION_TOKEN_TTL`.
    pub federation: Option<Sourced<Seconds>>,
}

/// Where calls go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoints {
    /// The endpoint for STS, whoever named it: the service's own setting before the general one.
    pub sts: Option<Sourced<String>>,
    /// The same for IAM.
    pub iam: Option<Sourced<String>>,
    /// The general one, `AWS_ENDPOINT_URL` or `endpoint_url`: handed on to children.
    pub general: Option<Sourced<String>>,
    /// `use_fips_endpoint`.
    pub fips: Option<Sourced<bool>>,
    /// `use_dualstack_endpoint`.
    pub dualstack: Option<Sourced<bool>>,
    /// `sts_regional_endpoints`.
    pub sts_regional: Option<Sourced<StsRegional>>,
    /// `ca_bundle`: a file of certificates to trust.
    pub ca_bundle: Option<Sourced<String>>,
}

/// Which STS answers when no endpoint is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StsRegional {
    /// The one of the region: the default of today's SDKs.
    Regional,
    /// `sts.amazonaws.com` for the regions that are older than regional STS.
    Legacy,
}

/// A thing that a person should know: what was done, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What was done.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Note {
    /// A note.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            why: why.into(),
        }
    }
}
