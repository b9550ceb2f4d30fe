//! A user's own access keys, listed, made, switched off and deleted.

use super::{Iam, IamError, MOST_PAGES, NotDone, unsent};
use crate::aws::client::{Repeatable, incomplete};
use crate::credential::{AccessKey, Credentials};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;
use aws_sdk_iam::types::StatusType;
use jiff::Timestamp;

/// An access key as IAM lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// `AKIA...`.
    pub id: String,
    /// Whether AWS takes it.
    pub status: KeyStatus,
    /// When it was made; IAM says so of every key.
    pub created: Option<Timestamp>,
}

/// Whether AWS takes an access key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// Yes.
    Active,
    /// No, until somebody makes it active again.
    Inactive,
}

/// When an access key was last used, and for which service. IAM knows it with a delay of some minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// `sts`, `s3`, ...
    pub service: String,
}

impl Iam<'_> {
    /// ListAccessKeys, all pages: the keys of the user who signs.
    pub fn list_access_keys(&mut self, credentials: &Credentials) -> Result<Vec<ListedKey>, IamError> {
        let mut keys = Vec::new();
        let mut marker: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let (client, iam, endpoint) = self.client(credentials).map_err(unsent)?;
            let page = client
                .call("ListAccessKeys", endpoint, Repeatable::Yes, || {
                    iam.list_access_keys().set_marker(marker.clone()).send()
                })
                .map_err(|failure| IamError::of(&failure))?;
            keys.extend(page.access_key_metadata.into_iter().filter_map(|key| {
                Some(ListedKey {
                    id: key.access_key_id?,
                    status: match key.status? {
                        StatusType::Active => KeyStatus::Active,
                        // What AWS does not call active is not to be relied on ("Expired" is one of them).
                        _ => KeyStatus::Inactive,
                    },
                    created: key.create_date.and_then(|at| Timestamp::from_second(at.secs()).ok()),
                })
            }));
            marker = page.marker.filter(|_| page.is_truncated);
            if marker.is_none() {
                return Ok(keys);
            }
        }
        Err(unsent(Error::new(
            ErrorKind::Network,
            format!("ListAccessKeys: more than {MOST_PAGES} pages of access keys of one user; that is not AWS"),
        )))
    }

    /// CreateAccessKey. It is never made a second time while a first one may have had its effect.
    pub fn create_access_key(&mut self, credentials: &Credentials) -> Result<AccessKey, NotDone> {
        let (client, iam, endpoint) = self
            .client(credentials)
            .map_err(|error| NotDone::Refused(unsent(error)))?;
        let output = client
            .call("CreateAccessKey", endpoint, Repeatable::Creates, || {
                iam.create_access_key().send()
            })
            .map_err(|failure| NotDone::of(&failure))?;
        let key = output
            .access_key
            .filter(|key| !key.access_key_id.is_empty() && !key.secret_access_key.is_empty())
            .ok_or_else(|| NotDone::Doubtful(unsent(incomplete("CreateAccessKey"))))?;
        Ok(AccessKey {
            id: key.access_key_id,
            // Taken over, not copied; the copies that the SDK made on the way can't be wiped.
            secret: SecretText::new(key.secret_access_key.into()),
        })
    }

    /// GetAccessKeyLastUsed; `None` when IAM knows of no use.
    pub fn last_use(&mut self, credentials: &Credentials, id: &str) -> Result<Option<LastUse>, IamError> {
        let (client, iam, endpoint) = self.client(credentials).map_err(unsent)?;
        let output = client
            .call("GetAccessKeyLastUsed", endpoint, Repeatable::Yes, || {
                iam.get_access_key_last_used().access_key_id(id).send()
            })
            .map_err(|failure| IamError::of(&failure))?;
        // "N/A" and no date: never used, or not since IAM began to keep notes.
        Ok(output.access_key_last_used.and_then(|used| {
            Some(LastUse {
                at: Timestamp::from_second(used.last_used_date?.secs()).ok()?,
                service: used.service_name,
            })
        }))
    }

    /// UpdateAccessKey: AWS takes the key no longer, until somebody makes it active again.
    pub fn deactivate(&mut self, credentials: &Credentials, id: &str) -> Result<(), IamError> {
        let (client, iam, endpoint) = self.client(credentials).map_err(unsent)?;
        client
            .call("UpdateAccessKey", endpoint, Repeatable::Yes, || {
                iam.update_access_key()
                    .access_key_id(id)
                    .status(StatusType::Inactive)
                    .send()
            })
            .map(|_| ())
            .map_err(|failure| IamError::of(&failure))
    }

    /// DeleteAccessKey. One that is gone already is fine: an answer may have been lost.
    pub fn delete(&mut self, credentials: &Credentials, id: &str) -> Result<(), IamError> {
        let (client, iam, endpoint) = self.client(credentials).map_err(unsent)?;
        let deleted = client.call("DeleteAccessKey", endpoint, Repeatable::Yes, || {
            iam.delete_access_key().access_key_id(id).send()
        });
        match deleted.map_err(|failure| IamError::of(&failure)) {
            Ok(_) => Ok(()),
            Err(error) if error.is_missing() && error.0.message().contains(id) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
