//! Sessions kept sealed between commands: found by a digest of everything that went into them, used while they are fresh.
//!
//! A cache that can't be written costs a call to STS, never the command.

use super::entry::{open, refuse_changed_list};
use super::keyring::TrustedList;
use super::name::hex;
use super::payload::{Content, EntryId, Payload};
use super::sidecar::{Sidecar, SidecarKind};
use super::unlock::Unlocked;
use super::{SESSIONS, Vault};
use crate::agefile::{AgeFile, seal};
use crate::context::Context;
use crate::credential::Session;
use crate::error::{ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::ProfileName;
use crate::secret::VaultSecret;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Names a session by everything that went into it; hex of a SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    /// From the inputs of all calls so far, in a form whose serialisation never leaves one out.
    pub fn of<T: Serialize>(inputs: &T) -> Result<Self> {
        let json = serde_json::to_vec(inputs)
            .map_err(|err| crate::error::Error::new(ErrorKind::Other, format!("naming a session: {err}")))?;
        Ok(SessionId(hex(&Sha256::digest(
            [b"tapvault session v1\n", &json[..]].concat(),
        ))))
    }

    fn file(&self) -> String {
        format!("{}.age", self.0)
    }

    fn sidecar(&self) -> String {
        format!("{}.json", self.0)
    }
}

/// When a sealed session may still be handed out.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    /// The time now.
    pub now: Timestamp,
    /// How much life must be left. In seconds.
    pub min_ttl: u32,
}

impl Freshness {
    /// As the clock and the settings have it.
    pub fn at_present(ctx: &Context) -> Self {
        Freshness {
            now: ctx.now(),
            min_ttl: ctx.settings.min_ttl(),
        }
    }

    /// Whether a session that ends at `expires` is fresh.
    pub fn holds(self, expires: Timestamp) -> bool {
        expires.duration_since(self.now) >= SignedDuration::from_secs(i64::from(self.min_ttl))
    }
}

/// When the sealed session ends, if there is one that is fresh according to its sidecar. Opens nothing.
pub fn expiry(vault: &Vault, id: &SessionId, freshness: Freshness) -> Result<Option<Timestamp>> {
    let sidecar = vault
        .sessions()
        .read(&id.sidecar())?
        .as_deref()
        .and_then(Sidecar::parse);
    Ok(sidecar
        .and_then(|sidecar| sidecar.expires)
        .filter(|expires| freshness.holds(*expires)))
}

/// The sealed session, if there is one that is fresh according to its sidecar. Opens nothing.
pub fn find(vault: &Vault, id: &SessionId, freshness: Freshness) -> Result<Option<AgeFile>> {
    if expiry(vault, id, freshness)?.is_none() {
        return Ok(None);
    }
    match vault.sessions().read(&id.file())? {
        // A damaged session is fetched anew; it is no loss.
        Some(bytes) => Ok(AgeFile::parse(&format!("{SESSIONS}/{}", id.file()), bytes).ok()),
        None => Ok(None),
    }
}

/// Opens a sealed session. `None` when it turns out to be another one, or older than its sidecar said.
pub fn open_sealed(
    unlocked: &mut Unlocked<'_>,
    file: &AgeFile,
    id: &SessionId,
    profile: &str,
    freshness: Freshness,
    purpose: &str,
    touches: &mut Touches<'_>,
) -> Result<Option<(Session, VaultSecret)>> {
    let payload = open(
        &mut *unlocked.key,
        &unlocked.trusted,
        file,
        "session",
        profile,
        purpose,
        touches,
    )?;
    let Content::Session { session, inputs, .. } = payload.content else {
        return Ok(None);
    };
    let usable = inputs == id.0 && freshness.holds(session.expires);
    Ok(usable.then_some((session, payload.vault_secret)))
}

/// A session on its way into the vault.
pub struct NewSession<'a> {
    /// What it is found by.
    pub id: &'a SessionId,
    /// The profile whose step it is.
    pub profile: &'a ProfileName,
    /// The profile whose access key made it.
    pub base: &'a ProfileName,
    /// The credentials.
    pub session: &'a Session,
}

/// Seals a session for later commands. What has ended goes.
pub fn store(
    vault: &Vault,
    trusted: &TrustedList,
    secret: &VaultSecret,
    new: NewSession<'_>,
    now: Timestamp,
) -> Result<()> {
    let NewSession {
        id,
        profile,
        base,
        session,
    } = new;
    let payload = Payload {
        profile: profile.to_string(),
        entry: EntryId::random(),
        generation: 1,
        vault_secret: secret.clone(),
        content: Content::Session {
            session: session.clone(),
            inputs: id.0.clone(),
            base: base.to_string(),
        },
    };
    let sealed = seal(&payload.to_json()?, &trusted.recipients()?)?;
    let _lock = vault.lock()?;
    refuse_changed_list(vault.folder(), trusted)?;
    // Removed while this command ran: a session would outlive its access key.
    if !vault.has_entry(base) {
        return Ok(());
    }
    drop_ended(vault, now)?;
    let sessions = vault.sessions();
    sessions.replace(&id.file(), &sealed)?;
    match Sidecar::of(&payload) {
        Some(sidecar) => sessions.replace(&id.sidecar(), &sidecar.to_json()),
        None => Ok(()),
    }
}

/// Drops the sessions of `profile` and those made with its access key, or all. Call it under the vault's lock. Says how many.
pub(super) fn drop_for(vault: &Vault, profile: Option<&str>) -> Result<usize> {
    let concerned =
        |sidecar: &Sidecar, profile: &str| sidecar.profile == profile || sidecar.base.as_deref() == Some(profile);
    drop_where(vault, |sidecar| {
        // One without a readable sidecar would never be found again.
        profile.is_none_or(|profile| sidecar.is_none_or(|sidecar| concerned(sidecar, profile)))
    })
}

/// Drops the sessions of `profile` and those made with its access key, or all. Says how many.
pub fn clear(vault: &Vault, profile: Option<&str>) -> Result<usize> {
    if !vault.sessions().exists() {
        return Ok(0);
    }
    let _lock = vault.lock()?;
    drop_for(vault, profile)
}

/// Drops what has ended: nobody will open it again. Call it under the vault's lock.
fn drop_ended(vault: &Vault, now: Timestamp) -> Result<usize> {
    drop_where(vault, |sidecar| {
        sidecar.is_some_and(|sidecar| {
            sidecar.kind == SidecarKind::Session && sidecar.expires.is_some_and(|expires| expires < now)
        })
    })
}

fn drop_where(vault: &Vault, condemned: impl Fn(Option<&Sidecar>) -> bool) -> Result<usize> {
    let sessions = vault.sessions();
    let mut dropped = 0;
    for file in sessions.names(".age")? {
        let beside = format!("{}.json", file.strip_suffix(".age").unwrap_or_default());
        let sidecar = sessions.read(&beside)?.as_deref().and_then(Sidecar::parse);
        if condemned(sidecar.as_ref()) {
            sessions.remove(&file)?;
            sessions.remove(&beside)?;
            dropped += 1;
        }
    }
    if dropped > 0 {
        sessions.sync()?;
    }
    Ok(dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_fresh_while_enough_of_it_is_left() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |seconds| now + SignedDuration::from_secs(seconds);
        let freshness = |min_ttl| Freshness { now, min_ttl };
        assert!(freshness(300).holds(at(300)));
        assert!(!freshness(300).holds(at(299)));
        assert!(!freshness(0).holds(at(-1)));
    }

    #[test]
    fn any_other_input_is_another_session() {
        let id = |role: &str, duration: u32| SessionId::of(&(role, duration)).expect("named");
        assert_eq!(id("a", 900), id("a", 900));
        assert_ne!(id("a", 900), id("b", 900));
        assert_ne!(id("a", 900), id("a", 901));
    }
}
