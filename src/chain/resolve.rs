//! Runs a plan: opens what is sealed, calls STS for the rest, and seals each session that comes back.

use super::call::call;
use super::mfa::turn::Turn;
use super::mfa::{Clues, CodeWishes, Codes};
use super::open::{Opened, Opening, Reached, names, sealed};
use super::{Base, Chain, Mfa, refusal};
use crate::aws::Sts;
use crate::context::Context;
use crate::credential::Credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::{Request, Touches};
use crate::profile::ProfileName;
use crate::vault::Vault;
use crate::vault::keyring::Keyring;
use crate::vault::session::{self, Freshness, NewSession, SessionId};
use crate::vault::unlock::KeyChoice;

/// How a person wants a plan to be run.
pub struct Wishes {
    /// Which key opens.
    pub key: KeyChoice,
    /// Where codes come from.
    pub codes: CodeWishes,
    /// Pass over sealed sessions (`--refresh`).
    pub refresh: bool,
    /// What the touch is for.
    pub request: Request,
}

/// How a run is told of, while it is under way: others may wait for a step that it makes.
pub trait Witness {
    /// A step is done, or what is under all steps is open. Called once for each, in their order.
    fn reached(&self, point: &Reached);
}

/// Nobody else is interested.
pub struct Alone;

impl Witness for Alone {
    fn reached(&self, _: &Reached) {}
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
    wishes: Wishes,
) -> Result<Credentials> {
    let Base::Entry { profile: entry, .. } = &chain.base else {
        return super::source::resolve(ctx, chain, wishes);
    };
    from_entry(ctx, vault, keyring, (chain, entry), wishes, None, &Alone)
}

/// The same for a plan that begins with `entry`; `from` is how far somebody else has come with it already.
///
/// # Errors
/// As [`resolve`].
pub fn from_entry(
    ctx: &Context,
    vault: &Vault,
    keyring: Option<&Keyring>,
    (chain, entry): (&Chain, &ProfileName),
    wishes: Wishes,
    from: Option<Reached>,
    witness: &dyn Witness,
) -> Result<Credentials> {
    let mut codes = Codes::new(ctx, wishes.codes);
    let opening = Opening {
        ctx,
        vault,
        chain,
        entry,
        key: &wishes.key,
        refresh: wishes.refresh,
        purpose: wishes.request.purpose(),
    };
    let done = |from: &Option<Reached>| from.as_ref().map(|reached| reached.done);
    let mut needs = needed(&opening, keyring, done(&from))?;
    // Another command that fetches a code of the same device may seal the session that this one needs.
    let _turn = Turn::wait(ctx, needs.iter().map(|(mfa, _)| mfa.serial.value.as_str()));
    if !needs.is_empty() {
        needs = needed(&opening, keyring, done(&from))?;
    }
    let openings = usize::from(from.is_none());
    let mut touches = Touches::planned(&ctx.dialogue, openings + codes.look_ahead(&needs)?);
    let opened = match from {
        Some(reached) => Opened {
            names: names_of(&opening, keyring)?,
            reached,
            key: None,
        },
        None => open(&opening, keyring, &mut touches)?,
    };
    let error = match finish(&opening, opened, &mut codes, &mut touches, witness)? {
        Ending::With(credentials) => return Ok(credentials),
        Ending::SessionRefused(error) => error,
    };
    ctx.dialogue.tell(&format!(
        "AWS no longer takes the sealed session ({}); it is fetched anew",
        error.aws_code().unwrap_or_default()
    ));
    let anew = Opening {
        refresh: true,
        ..opening
    };
    let now = vault.read()?.0.keyring;
    touches.plan_more(1 + codes.look_ahead(&needed(&anew, now.as_ref(), None)?)?);
    let opened = anew.open(now.as_ref(), &mut touches)?;
    match finish(&anew, opened, &mut codes, &mut touches, witness)? {
        Ending::With(credentials) => Ok(credentials),
        Ending::SessionRefused(error) => Err(error),
    }
}

fn open<'a>(opening: &Opening<'a, '_>, keyring: Option<&Keyring>, touches: &mut Touches<'_>) -> Result<Opened<'a>> {
    match opening.open(keyring, touches) {
        // The token may have been waited for while another command changed the keys. What was read before is then an old
        // vault, and looks like one that was put back.
        Err(error) if is_about_the_past(&error) => {
            let now = opening.vault.read()?.0.keyring;
            if now.as_ref().map(Keyring::digest) == keyring.map(Keyring::digest) {
                return Err(error);
            }
            opening
                .ctx
                .dialogue
                .tell("the enrolled keys were changed meanwhile; starting over");
            touches.plan_more(1);
            opening.open(now.as_ref(), touches)
        }
        outcome => outcome,
    }
}

fn names_of(opening: &Opening<'_, '_>, keyring: Option<&Keyring>) -> Result<Vec<SessionId>> {
    match keyring {
        Some(keyring) => names(opening.vault, keyring, opening.chain, opening.entry),
        None => Ok(Vec::new()),
    }
}

fn is_about_the_past(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Rollback | ErrorKind::Forged | ErrorKind::Conflict
    )
}

/// The devices that codes are needed from now, in the order of their calls, with what helps to find their accounts.
///
/// `done` is how many steps need not be made, if that is known; else what is sealed says it.
fn needed<'c>(
    opening: &Opening<'_, 'c>,
    keyring: Option<&Keyring>,
    done: Option<usize>,
) -> Result<Vec<(&'c Mfa, Clues)>> {
    let Opening {
        ctx,
        vault,
        chain,
        entry,
        ..
    } = opening;
    if chain.codes() == 0 {
        return Ok(Vec::new());
    }
    let done = match done {
        Some(done) => done,
        None if opening.refresh => 0,
        None => sealed(Freshness::at_present(ctx), vault, keyring, chain)?
            .iter()
            .rposition(Option::is_some)
            .map_or(0, |last| last + 1),
    };
    chain.steps[done..]
        .iter()
        .filter_map(|step| Some((step, step.mfa()?)))
        .map(|(step, mfa)| Ok((mfa, Clues::gather(vault, keyring, entry, chain.named_for(step))?)))
        .collect()
}

/// What the calls ended in.
enum Ending {
    With(Credentials),
    /// What was opened was a sealed session, and AWS does not take it: it was revoked, or the clock jumped.
    SessionRefused(Error),
}

/// Makes the calls that remain, and seals what they bring.
fn finish(
    opening: &Opening<'_, '_>,
    opened: Opened<'_>,
    codes: &mut Codes<'_>,
    touches: &mut Touches<'_>,
    witness: &dyn Witness,
) -> Result<Ending> {
    let Opening {
        ctx,
        vault,
        chain,
        entry,
        ..
    } = opening;
    let Opened {
        key,
        mut reached,
        names,
    } = opened;
    // Nothing more is opened. The PIN is dropped on the token now, not after a prompt for a code and slow calls.
    drop(key);
    witness.reached(&reached);
    let mut sts = Sts::new(ctx);
    let begun = reached.done;
    for step in begun..chain.steps.len() {
        ctx.dialogue.must_be_heard()?;
        let steps = (&chain.steps[..step], &chain.steps[step]);
        let session = match call(ctx, &mut sts, &reached.credentials, steps, codes, touches) {
            Ok(session) => session,
            Err(error) if step == begun && begun > 0 && refusal::is_of_the_caller(&error) => {
                return Ok(Ending::SessionRefused(error));
            }
            Err(error) => return Err(refusal::of_entry(error, entry, &reached.credentials)),
        };
        if let Some(id) = names.get(step) {
            let new = NewSession {
                id,
                profile: chain.steps[step].profile(),
                base: entry,
                session: &session,
            };
            if let Err(error) = session::store(vault, &reached.trusted, &reached.vault_secret, new, ctx.now()) {
                ctx.dialogue.tell(&format!(
                    "warning: the session could not be kept for the next command: {error}"
                ));
            }
        }
        reached.credentials = Credentials::Temporary(session);
        reached.done = step + 1;
        witness.reached(&reached);
    }
    Ok(Ending::With(reached.credentials))
}
