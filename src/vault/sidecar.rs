//! The small clear file beside each age file, so that `list` opens nothing. It is untrusted: rechecked on opening, rebuilt when missing.

use super::payload::{Content, EntryId, FORMAT, Payload};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a sidecar says of its entry. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sidecar {
    /// The format's version.
    pub tapvault: u32,
    /// The profile in full; the file name may be shortened.
    pub profile: String,
    /// The entry's random name.
    pub entry: EntryId,
    /// The version of the profile's entry.
    pub generation: u64,
    /// What the entry holds, as in the payload.
    pub kind: SidecarKind,
    /// `AKIA...` or `ASIA...`.
    pub access_key_id: String,
    /// Whose key it is, as GetCallerIdentity said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// When the access key was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<Timestamp>,
    /// The profile whose access key a session was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// When a session ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// The kinds of entry that have a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SidecarKind {
    /// A long-term access key.
    AccessKey,
    /// A session.
    Session,
}

impl Sidecar {
    /// The sidecar that belongs beside `payload`; `None` for the vault secret, which needs none.
    pub fn of(payload: &Payload) -> Option<Self> {
        let common = |kind, access_key_id: &str| Sidecar {
            tapvault: FORMAT,
            profile: payload.profile.clone(),
            entry: payload.entry.clone(),
            generation: payload.generation,
            kind,
            access_key_id: access_key_id.to_owned(),
            arn: None,
            added: None,
            base: None,
            expires: None,
        };
        match &payload.content {
            Content::AccessKey { key, arn, added } => Some(Sidecar {
                arn: arn.clone(),
                added: Some(*added),
                ..common(SidecarKind::AccessKey, &key.id)
            }),
            Content::Session { session, base, .. } => Some(Sidecar {
                base: Some(base.clone()),
                expires: Some(session.expires),
                ..common(SidecarKind::Session, &session.id)
            }),
            Content::VaultSecret => None,
        }
    }

    /// The bytes of the file.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(self).expect("a sidecar has only texts and numbers");
        json.push(b'\n');
        json
    }

    /// Reads one. `None` when it is no sidecar of this format: it is rebuilt at the next opening, so that is no error.
    pub fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json)
            .ok()
            .filter(|sidecar: &Sidecar| sidecar.tapvault == FORMAT)
    }

    /// "ana in 111122223333", from the ARN.
    pub fn owner(&self) -> Option<String> {
        self.arn.as_deref().and_then(owner_of)
    }

    /// "ana", from the ARN of a user.
    pub fn user(&self) -> Option<&str> {
        let (_, path) = self.arn.as_deref()?.split_once(":user/")?;
        path.rsplit('/').next()
    }
}

/// "ana in 111122223333" from `arn:aws:iam::111122223333:user/path/ana`.
pub fn owner_of(arn: &str) -> Option<String> {
    let mut parts = arn.splitn(6, ':').skip(4);
    let (account, resource) = (parts.next()?, parts.next()?);
    let name = resource.rsplit('/').next()?;
    Some(format!("{name} in {account}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_read_from_users_with_a_path_and_from_root() {
        assert_eq!(
            owner_of("arn:aws:iam::111122223333:user/team/ana").as_deref(),
            Some("ana in 111122223333")
        );
        assert_eq!(
            owner_of("arn:aws:iam::111122223333:root").as_deref(),
            Some("root in 111122223333")
        );
        assert_eq!(owner_of("nonsense"), None);
    }

    #[test]
    fn anything_else_is_no_sidecar() {
        assert_eq!(Sidecar::parse(b"{}"), None);
        assert_eq!(Sidecar::parse(b"\xff"), None);
    }
}
