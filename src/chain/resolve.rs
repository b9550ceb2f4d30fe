//! Runs a plan: opens what is sealed, calls STS for the rest, and seals each session that comes back.
//!
//! One touch at most opens something: the newest session that is fresh, else the access key under it.

use super::call::call;
use super::mfa::Codes;
use super::{Base, Chain, refusal};
use crate::aws::Sts;
use crate::context::Context;
use crate::credential::Credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::{Request, Touches};
use crate::profile::ProfileName;
use crate::secret::{SecretText, VaultSecret};
use crate::vault::keyring::Keyring;
use crate::vault::payload::EntryId;
use crate::vault::session::{self, Freshness, NewSession, SessionId};
use crate::vault::unlock::{KeyChoice, Unlocked, unlock};
use crate::vault::{Vault, entry};
use jiff::Timestamp;
use serde::Serialize;

/// How a person wants a plan to be run.
pub struct Wishes {
    /// Which key opens.
    pub key: KeyChoice,
    /// `-t`.
    pub code: Option<SecretText>,
    /// Pass over sealed sessions (`--refresh`).
    pub refresh: bool,
    /// What the touch is for.
    pub request: Request,
}

/// Runs `chain` and returns what it ends in. `keyring` is the vault's key list as this command has read it.
///
/// # Errors
/// Everything between a missing entry and a refusal by AWS; nothing is handed out then.
pub fn resolve(
    ctx: &Context,
    vault: &Vault,
    keyring: Option<&Keyring>,
    chain: &Chain,
    mut wishes: Wishes,
) -> Result<Credentials> {
    let Base::Entry { profile, .. } = &chain.base else {
        return super::source::resolve(ctx, chain, wishes);
    };
    let mut codes = Codes::new(ctx, wishes.code.take());
    let opened = match open(ctx, vault, keyring, chain, profile, &wishes) {
        // The token may have been waited for while another command changed the keys. What was read before is then an old
        // vault, and looks like one that was put back.
        Err(error) if is_about_the_past(&error) => {
            let now = vault.read()?.0.keyring;
            if now.as_ref().map(Keyring::digest) == keyring.map(Keyring::digest) {
                return Err(error);
            }
            ctx.dialogue
                .tell("the enrolled keys were changed meanwhile; starting over");
            open(ctx, vault, now.as_ref(), chain, profile, &wishes)?
        }
        outcome => outcome?,
    };
    let error = match finish(ctx, vault, chain, profile, opened, &mut codes)? {
        Ending::With(credentials) => return Ok(credentials),
        Ending::SessionRefused(error) => error,
    };
    ctx.dialogue.tell(&format!(
        "AWS no longer takes the sealed session ({}); it is fetched anew",
        error.aws_code().unwrap_or_default()
    ));
    wishes.refresh = true;
    let now = vault.read()?.0.keyring;
    let opened = open(ctx, vault, now.as_ref(), chain, profile, &wishes)?;
    match finish(ctx, vault, chain, profile, opened, &mut codes)? {
        Ending::With(credentials) => Ok(credentials),
        Ending::SessionRefused(error) => Err(error),
    }
}

/// Why `profile`'s entry can't be opened in a vault without a key list: without keys nothing was sealed, so the entry is missing
/// too; if it is there, its list has gone.
pub fn no_list(vault: &Vault, profile: &ProfileName) -> Error {
    vault.entry_file(profile).err().unwrap_or_else(|| {
        Error::new(ErrorKind::Damaged, "there are entries, but keys.json is missing").hint("restore it from a backup")
    })
}

fn is_about_the_past(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Rollback | ErrorKind::Forged | ErrorKind::Conflict
    )
}

/// Opens the newest fresh session of the plan, else the access key under it.
fn open<'a>(
    ctx: &'a Context,
    vault: &Vault,
    keyring: Option<&Keyring>,
    chain: &Chain,
    profile: &ProfileName,
    wishes: &Wishes,
) -> Result<Opened<'a>> {
    let Some(keyring) = keyring else {
        return Err(no_list(vault, profile));
    };
    let run = Run {
        ctx,
        vault,
        chain,
        keyring,
        purpose: wishes.request.purpose(),
        entry: profile,
        names: names(vault, keyring, chain, profile)?,
    };
    let mut touches = Touches::planned(&ctx.dialogue, 1);
    let sealed = if wishes.refresh {
        None
    } else {
        run.open_sealed(&wishes.key, &mut touches)?
    };
    match sealed {
        Some(opened) => Ok(opened),
        None => run.open_access_key(&wishes.key, &mut touches),
    }
}

/// When the sealed session of each step ends, as far as it is sealed and fresh. Opens nothing, so it believes the sidecars.
pub fn sealed(
    ctx: &Context,
    vault: &Vault,
    keyring: Option<&Keyring>,
    chain: &Chain,
) -> Result<Vec<Option<Timestamp>>> {
    let (Some(profile), Some(keyring)) = (chain.entry(), keyring) else {
        return Ok(vec![None; chain.steps.len()]);
    };
    let freshness = Freshness {
        now: ctx.now(),
        min_ttl: ctx.settings.min_ttl(),
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
fn names(vault: &Vault, keyring: &Keyring, chain: &Chain, entry: &ProfileName) -> Result<Vec<SessionId>> {
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

fn name(chain: &Chain, step: usize, entry: &EntryId, generation: u64) -> Result<SessionId> {
    SessionId::of(&Inputs {
        plan: chain.inputs(step),
        entry,
        generation,
    })
}

/// One attempt to open something; `'a` is the command's life, `'r` the attempt's.
struct Run<'a, 'r> {
    ctx: &'a Context,
    vault: &'r Vault,
    chain: &'r Chain,
    keyring: &'r Keyring,
    purpose: String,
    entry: &'r ProfileName,
    names: Vec<SessionId>,
}

/// What was opened, which steps it leaves, and what their sessions will be found by.
struct Opened<'a> {
    unlocked: Unlocked<'a>,
    vault_secret: VaultSecret,
    credentials: Credentials,
    remaining: std::ops::Range<usize>,
    names: Vec<SessionId>,
}

impl<'a> Run<'a, '_> {
    /// Opens the newest fresh session of the plan, if one is sealed to a key that is here.
    fn open_sealed(&self, key: &KeyChoice, touches: &mut Touches<'_>) -> Result<Option<Opened<'a>>> {
        for step in (0..self.names.len()).rev() {
            if let Some(opened) = self.open_session(step, key, touches)? {
                return Ok(Some(opened));
            }
        }
        Ok(None)
    }

    fn open_session(&self, step: usize, key: &KeyChoice, touches: &mut Touches<'_>) -> Result<Option<Opened<'a>>> {
        let freshness = Freshness {
            now: self.ctx.now(),
            min_ttl: self.ctx.settings.min_ttl(),
        };
        let id = &self.names[step];
        let Some(file) = session::find(self.vault, id, freshness)? else {
            return Ok(None);
        };
        let (ctx, stanzas) = (self.ctx, Some(file.stanzas()));
        // A session is no loss: one that can't be opened as it should is fetched anew.
        let anew = |error: Error| {
            ctx.dialogue
                .tell(&format!("a sealed session can't be used and is fetched anew: {error}"));
        };
        let mut unlocked = match unlock(ctx, self.vault, self.keyring, key, stanzas, file.name()) {
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
        let profile = self.chain.steps[step].profile().as_str();
        let opened = session::open_sealed(&mut unlocked, &file, id, profile, freshness, &self.purpose, touches);
        match opened {
            Ok(Some((session, vault_secret))) => {
                ctx.debug(|| format!("step {} was sealed and is fresh", step + 1));
                Ok(Some(Opened {
                    unlocked,
                    vault_secret,
                    credentials: Credentials::Temporary(session),
                    remaining: step + 1..self.chain.steps.len(),
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

    fn open_access_key(&self, key: &KeyChoice, touches: &mut Touches<'_>) -> Result<Opened<'a>> {
        let file = self.vault.entry_file(self.entry)?;
        let (ctx, stanzas) = (self.ctx, Some(file.stanzas()));
        let mut unlocked = unlock(ctx, self.vault, self.keyring, key, stanzas, self.entry.as_str())?;
        let opened = entry::open_access_key(
            ctx,
            self.vault,
            &mut unlocked,
            self.entry,
            &file,
            &self.purpose,
            touches,
        )?;
        let steps = self.chain.steps.len();
        Ok(Opened {
            unlocked,
            vault_secret: opened.vault_secret,
            credentials: Credentials::LongTerm(opened.key),
            remaining: 0..steps,
            // From here on the names are certain: they come from the entry itself.
            names: (0..steps)
                .map(|step| name(self.chain, step, &opened.entry, opened.generation))
                .collect::<Result<_>>()?,
        })
    }
}

/// What the calls ended in.
enum Ending {
    With(Credentials),
    /// What was opened was a sealed session, and AWS does not take it: it was revoked, or the clock jumped.
    SessionRefused(Error),
}

/// Makes the calls that remain, and seals what they bring.
fn finish(
    ctx: &Context,
    vault: &Vault,
    chain: &Chain,
    entry: &ProfileName,
    opened: Opened<'_>,
    codes: &mut Codes<'_>,
) -> Result<Ending> {
    let Opened {
        unlocked: Unlocked { key, trusted },
        vault_secret,
        mut credentials,
        remaining,
        names,
    } = opened;
    // Nothing more is opened. The PIN is dropped on the token now, not after a prompt for a code and slow calls.
    drop(key);
    let mut sts = Sts::new(ctx);
    let sealed = remaining.start > 0;
    for (made, step) in remaining.enumerate() {
        let session = match call(ctx, &mut sts, &credentials, &chain.steps[step], codes) {
            Ok(session) => session,
            Err(error) if made == 0 && sealed && refusal::is_of_the_caller(&error) => {
                return Ok(Ending::SessionRefused(error));
            }
            Err(error) => return Err(refusal::of_entry(error, entry, &credentials)),
        };
        if let Some(id) = names.get(step) {
            let new = NewSession {
                id,
                profile: chain.steps[step].profile(),
                base: entry,
                session: &session,
            };
            if let Err(error) = session::store(vault, &trusted, &vault_secret, new, ctx.now()) {
                ctx.dialogue.tell(&format!(
                    "warning: the session could not be kept for the next command: {error}"
                ));
            }
        }
        credentials = Credentials::Temporary(session);
    }
    Ok(Ending::With(credentials))
}
