//! A plan of the STS calls that a profile takes: a base credential and zero or more steps. A pure value.
//!
//! [`Chain::plan`] makes it from the config and from what the vault has entries for; running it, caching what it yields and
//! asking for codes is left to others. Steps serialise as the inputs of their calls and nothing else, so that a digest of
//! [`Chain::inputs`] changes when an answer could change and stays when a line of the config moves.

mod address;
pub mod call;
mod command;
mod duration;
mod error;
mod explain;
pub mod mfa;
pub mod open;
mod own;
mod plan;
mod refusal;
pub mod resolve;
mod source;
#[cfg(feature = "iam")]
pub mod user;
mod walk;

use serde::Serialize;

use crate::profile::value::{Command, MfaSerial, RoleArn, Seconds, Tag};
use crate::profile::{Note, Origin, Overrides, Profile, ProfileName, Sourced};

pub use address::Address;
pub use call::default_session_name;
pub use error::ChainError;
pub use explain::Fact;
pub use own::Own;

/// What a profile's credentials are made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// The profile that was asked for, resolved.
    pub profile: Profile,
    /// Where it begins.
    pub base: Base,
    /// The calls, in order; the last one's answer is what is handed out. Without any it is the base itself.
    pub steps: Vec<Step>,
    /// What a person should know about the plan: values capped, settings passed over.
    pub notes: Vec<Note>,
}

/// What the person asked for besides the profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Whether a base session may be made.
    pub sessions: Sessions,
    /// Region, MFA serial and duration from the command line.
    pub overrides: Overrides,
    /// What the last role is narrowed to.
    pub policy: Policy,
}

/// Whether GetSessionToken may be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sessions {
    /// Where it makes sense.
    #[default]
    Made,
    /// Never (`--no-session`).
    Skipped,
}

/// A session policy: what a role session may do at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// A policy document (`--policy-file`).
    pub document: Option<String>,
    /// ARNs of managed policies (`--policy-arn`).
    pub arns: Vec<String>,
}

impl Policy {
    /// Nothing is narrowed.
    pub fn is_empty(&self) -> bool {
        self.document.is_none() && self.arns.is_empty()
    }
}

/// The credential that a chain begins with.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// An access key of the vault.
    Entry {
        /// The entry's name, which is a profile's name.
        profile: ProfileName,
        /// What led to it.
        #[serde(skip)]
        origin: Origin,
    },
    /// A command that prints credentials.
    CredentialProcess {
        /// The command.
        command: Command,
        /// Where it was said.
        #[serde(skip)]
        origin: Origin,
    },
    /// A token of an OpenID Connect provider; the first step turns it into a role.
    WebIdentity {
        /// Where the token is.
        token: Token,
        /// Where that was said.
        #[serde(skip)]
        origin: Origin,
    },
}

/// Where a web identity token comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Token {
    /// `web_identity_token_file`.
    File(String),
    /// `web_identity_token_process`: prints it.
    Process(Command),
}

/// One call of STS.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A session of the access key's own user.
    GetSessionToken(GetSessionToken),
    /// A role, assumed with what the step before it yielded.
    AssumeRole(Box<AssumeRole>),
    /// A role, assumed with a web identity token.
    AssumeRoleWithWebIdentity(AssumeRoleWithWebIdentity),
}

/// The inputs of GetSessionToken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GetSessionToken {
    /// The profile it is made for. Not an input: every role above it shares the session.
    #[serde(skip)]
    pub profile: ProfileName,
    /// How long it lives.
    pub duration: Sourced<Seconds>,
    /// The device that a code is needed from.
    pub mfa: Option<Mfa>,
    /// Where the call goes.
    pub address: Address,
}

/// The inputs of AssumeRole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AssumeRole {
    /// The profile that names the role.
    #[serde(skip)]
    pub profile: ProfileName,
    /// The role.
    pub role_arn: Sourced<RoleArn>,
    /// The name of the session; `None` leaves it to whoever makes the call.
    pub session_name: Option<Sourced<String>>,
    /// What the role's trust policy may ask for.
    pub external_id: Option<Sourced<String>>,
    /// How long it lives.
    pub duration: Sourced<Seconds>,
    /// Session tags.
    pub tags: Option<Sourced<Vec<Tag>>>,
    /// Keys of the tags that roles assumed from this one keep.
    pub transitive_tags: Option<Sourced<Vec<String>>>,
    /// Who is behind it, for CloudTrail.
    pub source_identity: Option<Sourced<String>>,
    /// What the session is narrowed to.
    pub policy: Policy,
    /// The device that a code is needed from.
    pub mfa: Option<Mfa>,
    /// Where the call goes.
    pub address: Address,
}

/// The inputs of AssumeRoleWithWebIdentity; the token itself is the base.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AssumeRoleWithWebIdentity {
    /// The profile that names the role.
    #[serde(skip)]
    pub profile: ProfileName,
    /// The role.
    pub role_arn: Sourced<RoleArn>,
    /// The name of the session; `None` leaves it to whoever makes the call.
    pub session_name: Option<Sourced<String>>,
    /// How long it lives.
    pub duration: Sourced<Seconds>,
    /// What the session is narrowed to.
    pub policy: Policy,
    /// Where the call goes.
    pub address: Address,
}

/// A device, and how a code may be had from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mfa {
    /// The device.
    pub serial: Sourced<MfaSerial>,
    /// A command that prints a code. Not an input: how a code is got changes no answer.
    #[serde(skip)]
    pub process: Option<Sourced<Command>>,
}

/// Everything that decides what the first steps of a chain yield: what a cache key is made of.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Inputs<'a> {
    /// Raised when the form changes, so that nothing old is taken for something new.
    version: u8,
    base: &'a Base,
    steps: &'a [Step],
}

impl Chain {
    /// The inputs of the steps up to and including number `last`, counted from 0; later ones don't matter to its answer.
    pub fn inputs(&self, last: usize) -> Inputs<'_> {
        let count = self.steps.len().min(last.saturating_add(1));
        Inputs {
            version: 1,
            base: &self.base,
            steps: &self.steps[..count],
        }
    }

    /// How many codes the whole plan takes; each needs a time step of its own.
    pub fn codes(&self) -> usize {
        self.steps.iter().filter(|step| step.mfa().is_some()).count()
    }

    /// The profiles whose settings speak for `step`, nearest first: the one it is made for, and the one that was asked for if
    /// all codes of the plan are of one device, so that it can only mean that.
    pub fn named_for(&self, step: &Step) -> Vec<String> {
        let mut serials = self.steps.iter().filter_map(Step::mfa).map(|mfa| &mfa.serial.value);
        let first = serials.next();
        let mut names = vec![step.profile().to_string()];
        if serials.all(|serial| Some(serial) == first) {
            names.push(self.profile.name.to_string());
        }
        names
    }

    /// The vault entry it begins with, if it begins with one.
    pub fn entry(&self) -> Option<&ProfileName> {
        match &self.base {
            Base::Entry { profile, .. } => Some(profile),
            Base::CredentialProcess { .. } | Base::WebIdentity { .. } => None,
        }
    }
}

impl Step {
    /// The device that a code is needed from.
    pub fn mfa(&self) -> Option<&Mfa> {
        match self {
            Step::GetSessionToken(step) => step.mfa.as_ref(),
            Step::AssumeRole(step) => step.mfa.as_ref(),
            Step::AssumeRoleWithWebIdentity(_) => None,
        }
    }

    /// The profile that the step is made for.
    pub fn profile(&self) -> &ProfileName {
        match self {
            Step::GetSessionToken(step) => &step.profile,
            Step::AssumeRole(step) => &step.profile,
            Step::AssumeRoleWithWebIdentity(step) => &step.profile,
        }
    }

    /// How long its session lives.
    pub fn duration(&self) -> &Sourced<Seconds> {
        match self {
            Step::GetSessionToken(step) => &step.duration,
            Step::AssumeRole(step) => &step.duration,
            Step::AssumeRoleWithWebIdentity(step) => &step.duration,
        }
    }

    /// Where the call goes.
    pub fn address(&self) -> &Address {
        match self {
            Step::GetSessionToken(step) => &step.address,
            Step::AssumeRole(step) => &step.address,
            Step::AssumeRoleWithWebIdentity(step) => &step.address,
        }
    }

    /// The role, if the step assumes one.
    pub fn role(&self) -> Option<&Sourced<RoleArn>> {
        match self {
            Step::GetSessionToken(_) => None,
            Step::AssumeRole(step) => Some(&step.role_arn),
            Step::AssumeRoleWithWebIdentity(step) => Some(&step.role_arn),
        }
    }
}
