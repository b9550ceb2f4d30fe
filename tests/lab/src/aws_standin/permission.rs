//! May a caller call an action: allow lists in place of policies.
//!
//! Full policy evaluation (IAM User Guide, "Policy evaluation logic") is left out; what remains are its outcomes
//! that clients meet: allowed, not allowed, allowed only with MFA, narrowed by a session policy.

use super::error::ApiError;
use super::session::{Mfa, Origin, Principal, Session};
use super::world::{UserKind, World};

/// Somebody whose signature held.
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// Its ARN.
    pub arn: String,
    /// Its unique ID.
    pub user_id: String,
    /// The key it signed with.
    pub access_key_id: String,
    /// What kind of key that is.
    pub key: Key,
}

/// What kind of key a caller signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A long-term access key.
    LongTerm,
    /// A session's.
    Session {
        /// Which call made it.
        origin: Origin,
        /// What a session policy left.
        scope_down: Option<Vec<String>>,
    },
}

impl Caller {
    /// The caller behind a session.
    pub fn of_session(session: &Session, arn: String, user_id: String) -> Self {
        Self {
            principal: session.principal.clone(),
            arn,
            user_id,
            access_key_id: session.access_key_id.clone(),
            key: Key::Session {
                origin: session.origin,
                scope_down: session.scope_down.clone(),
            },
        }
    }

    /// Whether a session made with a code speaks. AssumeRole's sessions never count: "temporary credentials
    /// returned by AssumeRole do not include MFA information in the context" (IAM User Guide, "Secure API access
    /// with MFA").
    pub fn mfa(&self) -> Mfa {
        match self.key {
            Key::Session {
                origin: Origin::SessionToken(mfa),
                ..
            } => mfa,
            Key::Session { .. } | Key::LongTerm => Mfa::Absent,
        }
    }

    /// Whether this is an account's root user, by key or by session.
    pub fn is_root(&self, world: &World) -> bool {
        match &self.principal {
            Principal::User { account, name } => world.user(account, name).is_some_and(|u| u.kind == UserKind::Root),
            Principal::Role { .. } | Principal::Federated { .. } => false,
        }
    }

    /// Whether the caller's own policies allow an action such as `iam:GetUser`.
    pub fn allowed(&self, world: &World, action: &str) -> bool {
        let own = match &self.principal {
            Principal::User { account, name } => self.user_allowed(world, account, name, action),
            Principal::Role { role_arn, .. } => world.role(role_arn).is_some_and(|(_, r)| any(&r.permissions, action)),
            Principal::Federated { account, user, .. } => self.user_allowed(world, account, user, action),
        };
        let within = match &self.key {
            Key::LongTerm | Key::Session { scope_down: None, .. } => true,
            Key::Session {
                scope_down: Some(actions),
                ..
            } => any(actions, action),
        };
        own && within
    }

    /// AccessDenied unless [`allowed`](Self::allowed), in IAM's words.
    pub fn require(&self, world: &World, action: &str, resource: &str) -> Result<(), ApiError> {
        if self.allowed(world, action) {
            return Ok(());
        }
        let words = format!("because no identity-based policy allows the {action} action");
        Err(ApiError::access_denied(format!(
            "{} {words}",
            self.refusal(action, resource)
        )))
    }

    /// STS's shorter words for the same, which do not say why.
    pub fn refuse(&self, action: &str, resource: &str) -> ApiError {
        ApiError::access_denied(self.refusal(action, resource))
    }

    fn refusal(&self, action: &str, resource: &str) -> String {
        format!(
            "User: {} is not authorized to perform: {action} on resource: {resource}",
            self.arn
        )
    }

    fn user_allowed(&self, world: &World, account: &str, name: &str, action: &str) -> bool {
        let Some(user) = world.user(account, name) else {
            return false;
        };
        let with_mfa = self.mfa() == Mfa::Present && any(&user.mfa_permissions, action);
        user.kind == UserKind::Root || any(&user.permissions, action) || with_mfa
    }
}

/// Whether one of the patterns matches. Actions are case-insensitive (IAM User Guide, "IAM JSON policy elements:
/// Action").
pub fn any(patterns: &[String], action: &str) -> bool {
    patterns.iter().any(|pattern| {
        glob(
            pattern.to_ascii_lowercase().as_bytes(),
            action.to_ascii_lowercase().as_bytes(),
        )
    })
}

/// `*` stands for any number of characters. Runs in the product of the lengths, whatever the pattern.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, from)) = star {
            // The last star takes one character more.
            star = Some((at, from + 1));
            (p, t) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_policies() {
        let allowed = |pattern: &str, action: &str| any(&[pattern.to_owned()], action);
        assert!(allowed("*", "iam:GetUser") && allowed("iam:*", "iam:GetUser"));
        assert!(allowed("IAM:getuser", "iam:GetUser") && allowed("iam:*AccessKey*", "iam:ListAccessKeys"));
        assert!(!allowed("iam:Get", "iam:GetUser") && !allowed("sts:*", "iam:GetUser"));
        assert!(!allowed("iam:*Key", "iam:ListAccessKeys") && allowed("a*b*c", "aXbYbZc"));
    }
}
