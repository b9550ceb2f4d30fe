//! Opens the newest step of a plan whose session is sealed and fresh, else the access key under it. One touch at most.

use super::Chain;
use crate::context::Context;
use crate::credential::Credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::ProfileName;
use crate::secret::VaultSecret;
use crate::vault::keyring::{Keyring, TrustedList};
use crate::vault::payload::EntryId;
use crate::vault::session::{self, Freshness, SessionId};
use crate::vault::unlock::{KeyChoice, KeyHere, unlock};
use crate::vault::{Vault, entry};
use jiff::Timestamp;
use serde::Serialize;

/// What is to be opened, and how.
pub(super) struct Opening<'a, 'r> {
    pub ctx: &'a Context,
    pub vault: &'r Vault,
    pub chain: &'r Chain,
    /// The entry that the plan begins with.
    pub entry: &'r ProfileName,
    /// Which key opens.
    pub key: &'r KeyChoice,
    /// Whether sealed sessions are passed over.
    pub refresh: bool,
    /// What the touch is for.
    pub purpose: String,
}

impl<'a> Opening<'a, '_> {
    /// Opens the newest fresh session of the plan, else the access key under it. `keyring` is the vault's list as it was read.
    ///
    /// # Errors
    /// Everything between a missing entry and a missed touch; nothing is opened then.
    pub fn open(&self, keyring: Option<&Keyring>, touches: &mut Touches<'_>) -> Result<Opened<'a>> {
        let Some(keyring) = keyring else {
            return Err(no_list(self.vault, self.entry));
        };
        let _turn = self.ctx.token_turn()?;
        let run = Run {
            of: self,
            keyring,
            names: names(self.vault, keyring, self.chain, self.entry)?,
        };
        let sealed = match self.refresh {
            true => None,
            false => run.open_sealed(touches)?,
        };
        match sealed {
            Some(opened) => Ok(opened),
            None => run.open_access_key(touches),
        }
    }
}

/// What was opened, and what the sessions of the plan's steps will be found by.
pub(super) struct Opened<'a> {
    /// The key that opened it, in this run.
    pub key: Option<KeyHere<'a>>,
    /// What the first call is made with, and the steps that it leaves.
    pub reached: Reached,
    /// What the session of each step is found by.
    pub names: Vec<SessionId>,
}

/// How far a plan has come: all that its remaining steps need.
#[derive(Clone)]
pub struct Reached {
    /// How many steps are done; 0 when the access key itself is open.
    pub done: usize,
    /// What the next call is made with.
    pub credentials: Credentials,
    /// K, to seal with.
    pub vault_secret: VaultSecret,
    /// The list of keys that the key which opened has verified.
    pub trusted: TrustedList,
}

/// Why `profile`'s entry can't be opened in a vault without a key list: without keys nothing was sealed, so the entry is missing
/// too; if it is there, its list has gone.
pub fn no_list(vault: &Vault, profile: &ProfileName) -> Error {
    vault.entry_file(profile).err().unwrap_or_else(|| {
        Error::new(ErrorKind::Damaged, "there are entries, but keys.json is missing").hint("restore it from a backup")
    })
}

/// When the sealed session of each step ends, as far as it is sealed and fresh. Opens nothing, so it believes the sidecars.
pub fn sealed(
    freshness: Freshness,
    vault: &Vault,
    keyring: Option<&Keyring>,
    chain: &Chain,
) -> Result<Vec<Option<Timestamp>>> {
    let (Some(profile), Some(keyring)) = (chain.entry(), keyring) else {
        return Ok(vec![None; chain.steps.len()]);
    };
    let mut ends = names(vault, keyring, chain, profile)?
        .iter()
        .map(|id| session::expiry(vault, id, freshness))
        .collect::<Result<Vec<_>>>()?;
    ends.resize(chain.steps.len(), None);
    Ok(ends)
}

/// What goes into the name of each step's session.
#[derive(Serialize)]
struct Inputs<'a, T> {
    plan: T,
    entry: &'a EntryId,
    generation: u64,
}

/// The names of the sessions of all steps. Empty when the entry's sidecar is missing: then nothing can be looked up, and
/// opening the entry mends the sidecar.
///
/// A sidecar that is older than what this machine has seen was put back: it may lead to a session of an access key that was
/// replaced, so nothing is looked up by it either.
pub fn names(vault: &Vault, keyring: &Keyring, chain: &Chain, entry: &ProfileName) -> Result<Vec<SessionId>> {
    let Some(sidecar) = vault.sidecar(entry)? else {
        return Ok(Vec::new());
    };
    let list = keyring.unverified();
    let seen = vault.memory().compare_entry(
        &list.vault,
        entry.as_str(),
        sidecar.generation,
        sidecar.entry.as_str(),
        "its sidecar",
    );
    if seen.is_err() {
        return Ok(Vec::new());
    }
    (0..chain.steps.len())
        .map(|step| name(chain, step, &sidecar.entry, sidecar.generation))
        .collect()
}

/// What names each point of the plan, for whoever wants to know whether two plans pass through the same one: first the open
/// access key, then the session of each step. Empty when the entry's sidecar is missing.
///
/// # Errors
/// A sidecar or memory that can't be read.
pub fn points(vault: &Vault, keyring: &Keyring, chain: &Chain, entry: &ProfileName) -> Result<Vec<SessionId>> {
    let Some(sidecar) = vault.sidecar(entry)? else {
        return Ok(Vec::new());
    };
    let base = SessionId::of(&Inputs {
        plan: &chain.base,
        entry: &sidecar.entry,
        generation: sidecar.generation,
    })?;
    let names = names(vault, keyring, chain, entry)?;
    if names.len() < chain.steps.len() {
        return Ok(Vec::new());
    }
    Ok(std::iter::once(base).chain(names).collect())
}

fn name(chain: &Chain, step: usize, entry: &EntryId, generation: u64) -> Result<SessionId> {
    SessionId::of(&Inputs {
        plan: chain.inputs(step),
        entry,
        generation,
    })
}

/// One attempt to open something.
struct Run<'o, 'a, 'r> {
    of: &'o Opening<'a, 'r>,
    keyring: &'o Keyring,
    names: Vec<SessionId>,
}

impl<'a> Run<'_, 'a, '_> {
    /// Opens the newest fresh session of the plan, if one is sealed to a key that is here.
    fn open_sealed(&self, touches: &mut Touches<'_>) -> Result<Option<Opened<'a>>> {
        for step in (0..self.names.len()).rev() {
            if let Some(opened) = self.open_session(step, touches)? {
                return Ok(Some(opened));
            }
        }
        Ok(None)
    }

    fn open_session(&self, step: usize, touches: &mut Touches<'_>) -> Result<Option<Opened<'a>>> {
        let freshness = Freshness::at_present(self.of.ctx);
        let id = &self.names[step];
        let Some(file) = session::find(self.of.vault, id, freshness)? else {
            return Ok(None);
        };
        let (ctx, stanzas) = (self.of.ctx, Some(file.stanzas()));
        // A session is no loss: one that can't be opened as it should is fetched anew.
        let anew = |error: Error| {
            ctx.dialogue
                .tell(&format!("a sealed session can't be used and is fetched anew: {error}"));
        };
        let mut unlocked = match unlock(ctx, self.of.vault, self.keyring, self.of.key, stanzas, file.name()) {
            Ok(unlocked) => unlocked,
            // Sealed to other keys than the ones that are here; the entry may be sealed to these.
            Err(error) if error.kind() == ErrorKind::NoKey => {
                ctx.debug(|| format!("the session of step {} is not used: {error}", step + 1));
                return Ok(None);
            }
            Err(error) if error.kind() == ErrorKind::Damaged => {
                anew(error);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let profile = self.of.chain.steps[step].profile().as_str();
        let opened = session::open_sealed(&mut unlocked, &file, id, profile, freshness, &self.of.purpose, touches);
        match opened {
            Ok(Some((session, vault_secret))) => {
                ctx.debug(|| format!("step {} was sealed and is fresh", step + 1));
                Ok(Some(Opened {
                    key: Some(unlocked.key),
                    reached: Reached {
                        done: step + 1,
                        credentials: Credentials::Temporary(session),
                        vault_secret,
                        trusted: unlocked.trusted,
                    },
                    names: self.names.clone(),
                }))
            }
            Ok(None) => {
                touches.plan_more(1);
                Ok(None)
            }
            Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Forged) => {
                anew(error);
                touches.plan_more(1);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn open_access_key(&self, touches: &mut Touches<'_>) -> Result<Opened<'a>> {
        let file = self.of.vault.entry_file(self.of.entry)?;
        let (ctx, stanzas) = (self.of.ctx, Some(file.stanzas()));
        let mut unlocked = unlock(
            ctx,
            self.of.vault,
            self.keyring,
            self.of.key,
            stanzas,
            self.of.entry.as_str(),
        )?;
        let opened = entry::open_access_key(
            ctx,
            self.of.vault,
            &mut unlocked,
            self.of.entry,
            &file,
            &self.of.purpose,
            touches,
        )?;
        let steps = self.of.chain.steps.len();
        Ok(Opened {
            key: Some(unlocked.key),
            reached: Reached {
                done: 0,
                credentials: Credentials::LongTerm(opened.key),
                vault_secret: opened.vault_secret,
                trusted: unlocked.trusted,
            },
            // From here on the names are certain: they come from the entry itself.
            names: (0..steps)
                .map(|step| name(self.of.chain, step, &opened.entry, opened.generation))
                .collect::<Result<_>>()?,
        })
    }
}
