//! What AWS accepts as a signature key: a long-term access key, or a session that ends.

pub mod csv;
pub mod printed;

use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;
use jiff::Timestamp;

/// A long-term IAM access key: what an entry of the vault holds.
#[derive(Clone)]
pub struct AccessKey {
    /// The public half, `AKIA...`, 16 to 128 characters (IAM API reference, AccessKey).
    pub id: String,
    /// The secret half.
    pub secret: SecretText,
}

impl AccessKey {
    /// Checks the shape of both halves, so that a typing slip is found before a touch is spent.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`], naming the half that is wrong and never showing the secret one.
    pub fn parse(id: &str, secret: SecretText) -> Result<Self> {
        let id = id.trim();
        let usage = |text: &str| Error::new(ErrorKind::Usage, text);
        if id.starts_with("ASIA") {
            return Err(usage("this access key ID belongs to a temporary session (ASIA...); a vault entry needs a long-term key (AKIA...)")
                .hint("create one in the IAM console: Users > your user > Security credentials > Create access key"));
        }
        let id_is_well_formed =
            (16..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !id_is_well_formed {
            return Err(usage(
                "that is not the form of an access key ID: 16 to 128 capital letters and digits, beginning with AKIA",
            ));
        }
        let trimmed = secret.expose().trim();
        // AWS documents no length; every secret key issued so far has 40 characters of base64.
        let secret_is_well_formed =
            (16..=256).contains(&trimmed.len()) && trimmed.bytes().all(|b| b.is_ascii_graphic());
        if !secret_is_well_formed {
            return Err(usage(
                "that is not the form of a secret access key: 40 letters, digits, + and /, no spaces",
            ));
        }
        if trimmed == id {
            return Err(usage(
                "the access key ID was given twice; the secret access key is the longer text beside it",
            ));
        }
        let secret = SecretText::copy_of(trimmed);
        Ok(AccessKey {
            id: id.to_owned(),
            secret,
        })
    }
}

/// Temporary credentials from STS: they end at `expires`.
#[derive(Clone)]
pub struct Session {
    /// `ASIA...`.
    pub id: String,
    /// The secret half.
    pub secret: SecretText,
    /// The session token that has to go with every request.
    pub token: SecretText,
    /// The moment after which AWS refuses them.
    pub expires: Timestamp,
}

/// What a chain ends in and a child process gets.
#[derive(Clone)]
pub enum Credentials {
    /// The access key itself (`--no-session`): it has no end.
    LongTerm(AccessKey),
    /// A session.
    Temporary(Session),
}

impl Credentials {
    /// The access key ID.
    pub fn id(&self) -> &str {
        match self {
            Credentials::LongTerm(key) => &key.id,
            Credentials::Temporary(session) => &session.id,
        }
    }

    /// The secret access key.
    pub fn secret(&self) -> &SecretText {
        match self {
            Credentials::LongTerm(key) => &key.secret,
            Credentials::Temporary(session) => &session.secret,
        }
    }

    /// The session token, if there is one.
    pub fn token(&self) -> Option<&SecretText> {
        match self {
            Credentials::LongTerm(_) => None,
            Credentials::Temporary(session) => Some(&session.token),
        }
    }

    /// When they end, if they do.
    pub fn expires(&self) -> Option<Timestamp> {
        match self {
            Credentials::LongTerm(_) => None,
            Credentials::Temporary(session) => Some(session.expires),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(id: &str, secret: &str) -> Result<AccessKey> {
        AccessKey::parse(id, SecretText::copy_of(secret))
    }

    #[test]
    fn spaces_around_a_pasted_key_are_forgiven() {
        let key = parse(" AKIAIOSFODNN7EXAMPLE\n", " wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY ").expect("a key");
        assert_eq!(key.id, "AKIAIOSFODNN7EXAMPLE");
        assert_eq!(key.secret.expose().len(), 40);
    }

    #[test]
    fn a_session_key_is_refused_with_the_reason() {
        let error = parse("ASIAIOSFODNN7EXAMPLE", "x").err().expect("refused");
        assert!(error.to_string().contains("temporary session"));
    }

    #[test]
    fn a_malformed_secret_is_never_shown() {
        let error = parse("AKIAIOSFODNN7EXAMPLE", "not a secret with spaces")
            .err()
            .expect("refused");
        assert!(!error.to_string().contains("not a secret with"));
    }
}
