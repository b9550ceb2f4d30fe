//! Temporary credentials: made by STS calls, good until they expire.

use jiff::{SignedDuration, Timestamp};

use super::id;
use super::world::{Account, Role, User, World};

/// Temporary credentials and what they stand for. No `Debug`: they are secrets.
#[derive(Clone)]
pub struct Session {
    /// `ASIA...`
    pub access_key_id: String,
    /// The secret access key.
    pub secret: String,
    /// The session token; no other goes with this key.
    pub token: String,
    /// When it ends.
    pub expires: Timestamp,
    /// Whose it is.
    pub principal: Principal,
    /// Which call made it.
    pub origin: Origin,
    /// Only these actions, if a session policy came with the call.
    pub scope_down: Option<Vec<String>>,
}

/// Somebody who can act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A user, or root.
    User {
        /// Account ID.
        account: String,
        /// User name.
        name: String,
    },
    /// A role somebody assumed.
    Role {
        /// Account ID.
        account: String,
        /// The role's ARN.
        role_arn: String,
        /// The session's name.
        session_name: String,
        /// Set once, kept through a chain (IAM User Guide, "Monitor and control actions taken with assumed roles").
        source_identity: Option<String>,
        /// Tags that go on to the next role of a chain.
        transitive_tags: Vec<(String, String)>,
    },
    /// A name a user lent its permissions to with GetFederationToken.
    Federated {
        /// Account ID.
        account: String,
        /// The user who made it.
        user: String,
        /// The name.
        name: String,
    },
}

/// Which call made a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// GetSessionToken.
    SessionToken(Mfa),
    /// GetFederationToken.
    FederationToken,
    /// AssumeRole or AssumeRoleWithWebIdentity.
    AssumedRole,
}

/// Whether a code came with the call (`aws:MultiFactorAuthPresent`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mfa {
    /// One did.
    Present,
    /// None did.
    Absent,
}

impl Session {
    /// Fresh credentials.
    pub fn fresh(principal: Principal, origin: Origin, now: Timestamp, seconds: u32) -> Self {
        // Whole seconds: an Expiration has no fractions.
        let start = Timestamp::from_second(now.as_second()).unwrap_or(now);
        Self {
            access_key_id: id::access_key_id(id::Kind::SessionKey),
            secret: id::secret_access_key(),
            token: id::session_token(),
            expires: start + SignedDuration::from_secs(i64::from(seconds)),
            principal,
            origin,
            scope_down: None,
        }
    }
}

impl Principal {
    /// The ID of the account it acts in.
    pub fn account(&self) -> &str {
        match self {
            Self::User { account, .. } | Self::Role { account, .. } | Self::Federated { account, .. } => account,
        }
    }

    /// Its ARN and unique ID, as GetCallerIdentity tells them. `None` if what it stood for was deleted.
    pub fn identity(&self, world: &World) -> Option<(String, String)> {
        let account = world.account(self.account())?;
        let Account { id, partition, .. } = account;
        Some(match self {
            Self::User { name, .. } => {
                let user = self.user(world, name)?;
                (user.arn(account), user.unique_id(account).to_owned())
            }
            Self::Role {
                role_arn, session_name, ..
            } => {
                let (_, role) = world.role(role_arn)?;
                // The role's path is not part of it (IAM User Guide, "IAM identifiers").
                let arn = format!("arn:{partition}:sts::{id}:assumed-role/{}/{session_name}", role.name);
                (arn, assumed_role_id(role, session_name))
            }
            Self::Federated { user, name, .. } => {
                self.user(world, user)?;
                (
                    format!("arn:{partition}:sts::{id}:federated-user/{name}"),
                    format!("{id}:{name}"),
                )
            }
        })
    }

    fn user<'a>(&self, world: &'a World, name: &str) -> Option<&'a User> {
        world.user(self.account(), name)
    }
}

/// `AROA...:session-name`
pub fn assumed_role_id(role: &Role, session_name: &str) -> String {
    format!("{}:{session_name}", role.id)
}
