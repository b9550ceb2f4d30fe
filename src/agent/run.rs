//! One request, run: what is said of presence, the words for the touch, and the plan. In an agent or without one it is the same.

use crate::chain::mfa::CodeWishes;
use crate::chain::open::Reached;
use crate::chain::resolve::{Alone, Wishes, Witness, from_entry, resolve};
use crate::chain::{Base, Chain};
use crate::context::Context;
use crate::credential::Credentials;
use crate::error::Result;
use crate::presence::{Action, Request, processes};
use crate::vault::Vault;
use crate::vault::keyring::Keyring;
use crate::vault::unlock::KeyChoice;
use std::time::Duration;

/// What is asked for, beside the plan.
pub struct Wanted {
    /// Which key opens.
    pub key: KeyChoice,
    /// Where codes come from.
    pub codes: CodeWishes,
    /// Pass over what is sealed (`--refresh`).
    pub refresh: bool,
    /// What is done with it.
    pub action: Action,
    /// The processes that ask, nearest first; `None` for those above this one, which are looked up only where they are shown.
    pub callers: Option<Vec<String>>,
    /// For how many seconds the session is leased; 0 for not at all.
    pub lease: u32,
    /// How long the caller may be kept waiting, if there is a limit to it.
    pub patience: Option<Duration>,
}

/// Runs a plan by itself.
///
/// # Errors
/// Everything between a missing entry and a refusal by AWS.
pub fn alone(ctx: &Context, vault: &Vault, chain: &Chain, wanted: Wanted) -> Result<Credentials> {
    if let Some(patience) = wanted.patience {
        ctx.dialogue.pace().limit(patience);
    }
    match chain.entry() {
        Some(_) => {
            let keyring = vault.read()?.0.keyring;
            run(ctx, vault, keyring.as_ref(), chain, wanted, None, &Alone)
        }
        None => resolve(ctx, vault, None, chain, wishes(vault, chain, wanted)?),
    }
}

/// Runs a plan whose points others may wait for; `from` is how far another run has come with it.
///
/// # Errors
/// As [`alone`].
pub fn run(
    ctx: &Context,
    vault: &Vault,
    keyring: Option<&Keyring>,
    chain: &Chain,
    wanted: Wanted,
    from: Option<Reached>,
    witness: &dyn Witness,
) -> Result<Credentials> {
    if let Some(keyring) = keyring {
        for note in keyring.unverified().presence_notes(ctx.settings.quiet_presence) {
            ctx.dialogue.note(&note);
        }
    }
    let wishes = wishes(vault, chain, wanted)?;
    match &chain.base {
        Base::Entry { profile, .. } => from_entry(ctx, vault, keyring, (chain, profile), wishes, from, witness),
        Base::CredentialProcess { .. } | Base::WebIdentity { .. } => resolve(ctx, vault, keyring, chain, wishes),
    }
}

fn wishes(vault: &Vault, chain: &Chain, wanted: Wanted) -> Result<Wishes> {
    let entry = chain.entry().unwrap_or(&chain.profile.name);
    Ok(Wishes {
        key: wanted.key,
        codes: wanted.codes,
        refresh: wanted.refresh,
        request: Request {
            profile: chain.profile.name.to_string(),
            entry: entry.to_string(),
            owner: vault.sidecar(entry)?.and_then(|sidecar| sidecar.owner()),
            role: chain
                .steps
                .iter()
                .rev()
                .find_map(|step| step.role())
                .map(|role| format!("{} in {}", role.value.role(), role.value.account())),
            action: wanted.action,
            callers: wanted.callers.unwrap_or_else(processes::callers),
            lease: wanted.lease,
        },
    })
}
