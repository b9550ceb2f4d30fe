//! What is inside an age file of the vault: versioned JSON that names what it is, for which profile, and carries the vault secret K.
//!
//! docs/format.md has the fields. Whoever opens an entry compares kind, profile, generation and K; see [`Payload::check`].

use super::name::hex;
use crate::credential::{AccessKey, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::{SecretText, VaultSecret};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use rand::RngCore;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The version of the JSON inside and beside the entries.
pub const FORMAT: u32 = 1;

/// Room for the largest payload, so that writing it never moves it and leaves a copy behind: session tokens have no
/// documented maximum; AWS's largest seen are about 2 KiB. In bytes.
const ROOM: usize = 64 << 10;

/// The random name of an entry: 16 bytes in hex. A new access key for the same profile is a new entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(String);

impl EntryId {
    /// A new one.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        rand::rngs::OsRng.fill_bytes(&mut bytes);
        EntryId(hex(&bytes))
    }

    /// The hex text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The decrypted content of one age file.
pub struct Payload {
    /// The profile that the entry is for; empty for the vault secret.
    pub profile: String,
    /// Which entry.
    pub entry: EntryId,
    /// Counts the versions of the profile's entry; it never goes down.
    pub generation: u64,
    /// K, as the sealer knew it.
    pub vault_secret: VaultSecret,
    /// What it holds.
    pub content: Content,
}

/// The kinds of entry.
pub enum Content {
    /// A long-term access key.
    AccessKey {
        /// The key pair.
        key: AccessKey,
        /// `arn:aws:iam::111122223333:user/ana`, as GetCallerIdentity said when it was added; absent after `--offline`.
        arn: Option<String>,
        /// When it was added.
        added: Timestamp,
    },
    /// A session from STS.
    Session {
        /// The credentials.
        session: Session,
        /// The digest of everything that went into it (see `vault::session`).
        inputs: String,
        /// The profile whose access key it was made with: when that goes, it goes.
        base: String,
    },
    /// `vault.age`: K and nothing else.
    VaultSecret,
}

impl Content {
    fn kind(&self) -> &'static str {
        match self {
            Content::AccessKey { .. } => "access-key",
            Content::Session { .. } => "session",
            Content::VaultSecret => "vault-secret",
        }
    }
}

/// The JSON as written. Borrowed, so that serialising makes no copies but the one in the wiped buffer.
#[derive(Serialize)]
struct Written<'a> {
    tapvault: u32,
    kind: &'a str,
    profile: &'a str,
    entry: &'a str,
    generation: u64,
    vault_secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_access_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<Timestamp>,
}

/// The JSON as read. Unknown fields are left alone, so that a later minor version can add some.
#[derive(Deserialize)]
struct Read {
    tapvault: u32,
    kind: String,
    profile: String,
    entry: EntryId,
    generation: u64,
    vault_secret: SecretText,
    access_key_id: Option<String>,
    secret_access_key: Option<SecretText>,
    session_token: Option<SecretText>,
    expires: Option<Timestamp>,
    inputs: Option<String>,
    base: Option<String>,
    arn: Option<String>,
    added: Option<Timestamp>,
}

impl Payload {
    /// The JSON, in a buffer that is wiped on drop.
    pub fn to_json(&self) -> Result<Zeroizing<Vec<u8>>> {
        let mut vault_secret = Zeroizing::new(String::with_capacity(44));
        BASE64_STANDARD.encode_string(self.vault_secret.expose(), &mut vault_secret);
        let mut written = Written {
            tapvault: FORMAT,
            kind: self.content.kind(),
            profile: &self.profile,
            entry: self.entry.as_str(),
            generation: self.generation,
            vault_secret: &vault_secret,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            expires: None,
            inputs: None,
            base: None,
            arn: None,
            added: None,
        };
        match &self.content {
            Content::AccessKey { key, arn, added } => {
                written.access_key_id = Some(&key.id);
                written.secret_access_key = Some(key.secret.expose());
                written.arn = arn.as_deref();
                written.added = Some(*added);
            }
            Content::Session { session, inputs, base } => {
                written.access_key_id = Some(&session.id);
                written.secret_access_key = Some(session.secret.expose());
                written.session_token = Some(session.token.expose());
                written.expires = Some(session.expires);
                written.inputs = Some(inputs);
                written.base = Some(base);
            }
            Content::VaultSecret => {}
        }
        let mut json = Zeroizing::new(Vec::with_capacity(ROOM));
        serde_json::to_writer(&mut *json, &written)
            .map_err(|err| Error::new(ErrorKind::Other, format!("writing an entry: {err}")))?;
        if json.len() > ROOM {
            return Err(Error::new(
                ErrorKind::Other,
                format!("an entry of more than {ROOM} bytes can't be sealed"),
            ));
        }
        Ok(json)
    }

    /// Reads the JSON of the file called `file`.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`]; the text never shows a value.
    pub fn from_json(json: &[u8], file: &str) -> Result<Self> {
        let damaged = |what: &str| {
            Error::new(ErrorKind::Damaged, format!("{file} opens, but {what}"))
                .hint("it was left as it is; restore it from a backup, or add the access key again")
        };
        let read: Read = serde_json::from_slice(json).map_err(|err| {
            // The category and the place; serde's own text may quote what it found.
            damaged(&format!(
                "its content is not what tapvault writes (line {}, column {})",
                err.line(),
                err.column()
            ))
        })?;
        if read.tapvault != FORMAT {
            return Err(damaged(&format!(
                "its format {} is newer than this tapvault knows ({FORMAT})",
                read.tapvault
            ))
            .hint("install the tapvault that wrote it"));
        }
        let mut secret = Zeroizing::new([0; 32]);
        // A wiped vector of the exact size; base64 asks for some bytes more than it fills.
        let mut decoded = Zeroizing::new(vec![0; 64]);
        let length = BASE64_STANDARD
            .decode_slice(read.vault_secret.expose(), &mut decoded)
            .map_err(|_| damaged("it carries no vault secret"))?;
        if length != 32 {
            return Err(damaged("it carries no vault secret"));
        }
        secret.copy_from_slice(&decoded[..32]);
        let content = match read.kind.as_str() {
            "access-key" => Content::AccessKey {
                key: AccessKey {
                    id: read
                        .access_key_id
                        .ok_or_else(|| damaged("the access key ID is missing"))?,
                    secret: read
                        .secret_access_key
                        .ok_or_else(|| damaged("the secret access key is missing"))?,
                },
                arn: read.arn,
                added: read.added.ok_or_else(|| damaged("the time is missing"))?,
            },
            "session" => Content::Session {
                session: Session {
                    id: read
                        .access_key_id
                        .ok_or_else(|| damaged("the access key ID is missing"))?,
                    secret: read
                        .secret_access_key
                        .ok_or_else(|| damaged("the secret access key is missing"))?,
                    token: read
                        .session_token
                        .ok_or_else(|| damaged("the session token is missing"))?,
                    expires: read.expires.ok_or_else(|| damaged("the time is missing"))?,
                },
                inputs: read.inputs.ok_or_else(|| damaged("its inputs are missing"))?,
                base: read.base.unwrap_or_else(|| read.profile.clone()),
            },
            "vault-secret" => Content::VaultSecret,
            other => return Err(damaged(&format!("its kind {other:?} is none that this tapvault knows"))),
        };
        Ok(Payload {
            profile: read.profile,
            entry: read.entry,
            generation: read.generation,
            vault_secret: VaultSecret::from_bytes(secret),
            content,
        })
    }

    /// Whether the payload is what its place in the vault says: made by somebody who knew K, for `profile`, of `kind`.
    ///
    /// `secret_digest` is SHA-256 of K from the *verified* key list.
    ///
    /// # Errors
    /// [`ErrorKind::Forged`], naming the file and what does not fit.
    pub fn check(&self, file: &str, kind: &str, profile: &str, secret_digest: &[u8; 32]) -> Result<()> {
        let forged = |what: String| {
            Error::new(ErrorKind::Forged, format!("{file} {what}"))
                .hint("it was left as it is; restore it from a backup, or add the access key again")
        };
        // The digest of a 256-bit secret is compared, not the secret, so the comparison's timing says nothing.
        if self.vault_secret.digest() != *secret_digest {
            return Err(forged("does not carry this vault's secret; somebody with write access made it, or it is older than the last key removal".into()));
        }
        if self.content.kind() != kind {
            return Err(forged(format!(
                "holds a {} where a {kind} belongs; it was moved there",
                self.content.kind()
            )));
        }
        if self.profile != profile {
            return Err(forged(format!(
                "was sealed for profile {:?}, not for {profile:?}; it was copied there",
                self.profile
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload() -> Payload {
        Payload {
            profile: "prod".into(),
            entry: EntryId::random(),
            generation: 7,
            vault_secret: VaultSecret::random(),
            content: Content::AccessKey {
                key: AccessKey {
                    id: "AKIAIOSFODNN7EXAMPLE".into(),
                    secret: SecretText::copy_of("very/secret+\"quoted\""),
                },
                arn: None,
                added: Timestamp::UNIX_EPOCH,
            },
        }
    }

    #[test]
    fn a_payload_is_read_back_as_it_was_written() {
        let before = payload();
        let after = Payload::from_json(&before.to_json().expect("written"), "prod.age").expect("read");
        assert_eq!(
            (&after.profile, after.generation, &after.entry),
            (&before.profile, 7, &before.entry)
        );
        let Content::AccessKey { key, .. } = after.content else {
            panic!("another kind")
        };
        assert_eq!(key.secret.expose(), "very/secret+\"quoted\"");
        assert_eq!(after.vault_secret.expose(), before.vault_secret.expose());
    }

    #[test]
    fn a_wrong_field_is_reported_without_its_value() {
        let json = br#"{"tapvault":1,"kind":"access-key","profile":"p","entry":"e","generation":1,"vault_secret":{"x":"hunter2"}}"#;
        let error = Payload::from_json(json, "p.age").err().expect("refused");
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn an_entry_of_another_profile_is_forged() {
        let payload = payload();
        let digest = payload.vault_secret.digest();
        assert!(payload.check("f", "access-key", "prod", &digest).is_ok());
        let kinds = [
            payload.check("f", "access-key", "dev", &digest),
            payload.check("f", "session", "prod", &digest),
            payload.check("f", "access-key", "prod", &[0; 32]),
        ];
        for refused in kinds {
            assert_eq!(refused.expect_err("refused").kind(), ErrorKind::Forged);
        }
    }
}
