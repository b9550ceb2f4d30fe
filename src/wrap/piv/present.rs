//! A PIV key whose token is plugged in: PIN, touch, ECDH and vouchers, with what a person has to know at each step.

use super::{PivDetails, PivRecipient};
use crate::context::Context;
use crate::device::{Look, SOON, busy_error, claim, describe, look_until_free, missed_twice, readers};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::secret::SecretText;
use crate::token::card::Card;
use crate::token::discover::{self, Evidence, Holder};
use crate::token::piv::{Paused, Piv, pin_needed};
use crate::token::{self, KeyOrigin, PinPolicy, PinStatus, Policies, TouchPolicy};
use crate::wrap::{EnrolledKey, KeyKind, KeyName, PresentKey, Verifier, voucher_message};
use age_core::format::{FileKey, Stanza};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// What the token said of its PIN so shortly before is what it would say now.
const RECENT: Duration = Duration::from_secs(1);

/// A PIN that was typed earlier in the command is not sent by itself when fewer tries are left.
const FEWEST_TRIES: u8 = 2;

/// An enrolled PIV key with its token.
pub struct PresentPiv<'a> {
    ctx: &'a Context,
    name: KeyName,
    details: PivDetails,
    recipient: PivRecipient,
    verifier: Verifier,
    card: Card,
    policies: Policies,
    /// Between two operations; `None` while one is under way, or after one that failed half way.
    selected: Option<Paused>,
    /// What the token said of its PIN when it was found, for the first operation.
    pin_seen: Option<(PinStatus, Instant)>,
    /// Typed once per command, wiped with this value, dropped when it is refused.
    pin: Option<SecretText>,
}

/// The first of `keys` whose token is plugged in; `None` when none is.
///
/// The public key is read from the token (its metadata, or its attestation on old firmware), not from the folder.
///
/// # Errors
/// [`ErrorKind::Busy`] when a token that may be the one stays in use by another program.
pub fn find<'a>(ctx: &'a Context, keys: &[&EnrolledKey]) -> Result<Option<PresentPiv<'a>>> {
    let readers = match readers(ctx) {
        Ok(readers) => readers,
        // Without pcscd there may still be a passphrase key; the person is told why the token was not looked for.
        Err(error) => {
            ctx.dialogue.tell(&format!("no token can be reached: {error}"));
            for hint in error.hints() {
                ctx.dialogue.tell(hint);
            }
            return Ok(None);
        }
    };
    let seen = look_until_free(ctx, || {
        let mut busy = None;
        for key in keys {
            let KeyKind::Piv(details) = &key.kind else { continue };
            let recipient = key.piv_recipient()?;
            let search = discover::find_key(&readers, details.slot, recipient.point(), SOON)
                .map_err(|err| describe(&err, &details.token()))?;
            if let Some(holder) = search.holder {
                let present = PresentPiv::new(ctx, key.name.clone(), details.clone(), recipient, holder)?;
                return Ok(Look::Done(Some(present)));
            }
            if !search.busy.is_empty() && busy.is_none() {
                busy = Some(details.token());
            }
        }
        Ok(busy.map_or(Look::Done(None), Look::Busy))
    })?;
    match seen {
        Look::Done(present) => Ok(present),
        Look::Busy(token) => Err(busy_error(&token)),
    }
}

impl<'a> PresentPiv<'a> {
    /// A key whose token was found.
    ///
    /// # Errors
    /// [`ErrorKind::Forged`] when the token asks for less presence than the key list records.
    pub fn new(
        ctx: &'a Context,
        name: KeyName,
        details: PivDetails,
        recipient: PivRecipient,
        holder: Holder,
    ) -> Result<Self> {
        let token_is_weaker = holder.policies.touch != TouchPolicy::Always
            || holder.origin != Some(KeyOrigin::Generated)
            || holder.evidence == Evidence::Certificate;
        // A key that was enrolled as a weaker one must not have become weaker still: an imported key can be imported again.
        let touch_differs = holder.policies.touch != details.touch_policy;
        if touch_differs || (token_is_weaker && details.weakness().is_none()) {
            return Err(Error::new(
                ErrorKind::Forged,
                format!(
                    "{name} in {} asks for less presence than the key list says: {}",
                    details.token(),
                    holder.policies.touch
                ),
            )
            .hint("somebody changed the key list; restore keys.json from a backup"));
        }
        Ok(PresentPiv {
            ctx,
            name,
            details,
            verifier: Verifier::P256(recipient.point().compressed()),
            recipient,
            policies: holder.policies,
            selected: Some(holder.selected),
            pin_seen: holder.pin.map(|status| (status, Instant::now())),
            card: holder.card,
            pin: None,
        })
    }

    /// Gives it a PIN that the person has typed for this command already, so that it is not asked for twice.
    pub fn with_pin(mut self, pin: Option<SecretText>) -> Self {
        self.pin = pin;
        self
    }

    /// Takes the PIN that is held for the token, if this command has none of its own.
    fn take_held(&mut self, token: &str) {
        if self.pin.is_none()
            && let Some(keeper) = &self.ctx.keeper
        {
            self.pin = keeper.pin(token);
        }
    }

    /// Runs one operation of the slot key: PIN if needed, the line before the touch, and once more after a missed touch.
    fn operate<T>(
        &mut self,
        purpose: &str,
        touches: &mut Touches<'_>,
        operation: impl Fn(&mut Piv<'_>, Policies) -> token::Result<T>,
    ) -> Result<T> {
        let (ctx, token, policies) = (self.ctx, self.details.token(), self.policies);
        let said = |err: token::Error| describe(&err, &token);
        // Nobody is kept waiting while a person types, so that is done first where it is known that a PIN is needed.
        ctx.dialogue.must_be_heard()?;
        let seen = self.pin_seen.take().filter(|(_, when)| when.elapsed() < RECENT);
        self.take_held(&token);
        let typed = match seen {
            Some((status, _)) if self.pin.is_none() && pin_needed(policies.pin, status) => {
                Some((ask_pin(ctx, &token, status)?, status))
            }
            _ => None,
        };
        let paused = self.selected.take().ok_or_else(|| {
            Error::new(
                ErrorKind::Other,
                format!("{token} was left in the middle of an earlier operation"),
            )
        })?;
        let mut transaction = match claim(ctx, &mut self.card, &token) {
            Ok(transaction) => transaction,
            Err(error) => {
                // What was verified by an earlier operation is still to be dropped.
                self.selected = Some(paused);
                return Err(error);
            }
        };
        let mut piv = Piv::resume(&mut transaction, paused);
        let status = match &typed {
            Some((_, status)) => *status,
            None => piv.pin_status().map_err(said)?,
        };
        if pin_needed(policies.pin, status) {
            let typed = typed.map(|(pin, _)| pin);
            let pin = match (typed, self.pin.take(), status) {
                (_, _, PinStatus::Blocked) => return Err(said(token::Error::PinBlocked)),
                (Some(pin), _, _) => pin,
                (None, Some(_), PinStatus::Tries(tries)) if tries < FEWEST_TRIES => {
                    forget(ctx, &token);
                    return Err(Error::new(
                        ErrorKind::Pin,
                        format!("{token} has {tries} PIN try left; the PIN was not sent again by itself"),
                    )
                    .hint("run it again and type the PIN yourself"));
                }
                (None, Some(pin), _) => pin,
                (None, None, _) => {
                    let paused = piv.pause();
                    drop(transaction);
                    // No PIN of ours is verified here, so nothing is left behind if one of these fails.
                    let pin = ask_pin(ctx, &token, status)?;
                    transaction = claim(ctx, &mut self.card, &token)?;
                    piv = Piv::resume(&mut transaction, paused);
                    pin
                }
            };
            piv.verify(pin.expose().as_bytes())
                .inspect_err(|_| forget(ctx, &token))
                .map_err(said)?;
            if let Some(keeper) = &ctx.keeper {
                keeper.keep_pin(&token, &pin);
            }
            self.pin = Some(pin);
        }
        let mut awaited = (policies.touch != TouchPolicy::Never).then(|| touches.announce(&token, purpose));
        let mut outcome = operation(&mut piv, policies);
        // Nobody has to touch for somebody who has gone.
        if let Err(token::Error::NoTouch { waited }) = outcome
            && ctx.dialogue.must_be_heard().is_ok()
        {
            awaited = Some(touches.again(awaited, &token, purpose, waited.as_secs()));
            // A key that wants its PIN every time has used it up with the missed touch.
            if policies.pin == PinPolicy::Always
                && let Some(pin) = self.pin.take()
            {
                piv.verify(pin.expose().as_bytes()).map_err(said)?;
                self.pin = Some(pin);
            }
            outcome = operation(&mut piv, policies);
        }
        self.selected = Some(piv.pause());
        drop(transaction);
        drop(awaited);
        outcome.map_err(|err| missed_twice(&err, &token, purpose))
    }
}

impl PresentKey for PresentPiv<'_> {
    fn name(&self) -> &KeyName {
        &self.name
    }

    fn proven_verifier(&self) -> &Verifier {
        &self.verifier
    }

    fn unwrap_file_key(&mut self, stanzas: &[Stanza], purpose: &str, touches: &mut Touches<'_>) -> Result<FileKey> {
        let recipient = self.recipient.clone();
        let stanza = match recipient.find(stanzas) {
            Some(Ok(stanza)) => stanza,
            Some(Err(how)) => return Err(Error::new(ErrorKind::Damaged, how)),
            None => {
                return Err(Error::new(
                    ErrorKind::NoKey,
                    format!("it is not sealed to {}", self.name),
                ));
            }
        };
        let slot = self.details.slot;
        let shared_x = self.operate(purpose, touches, |piv, policies| {
            piv.ecdh(slot, policies, &stanza.ephemeral)
        })?;
        recipient.unwrap_with(&stanza, &shared_x).map_err(|_| {
            Error::new(
                ErrorKind::Damaged,
                "it was changed since it was sealed: its file key does not unwrap",
            )
        })
    }

    fn vouch(&mut self, list: &[u8], purpose: &str, touches: &mut Touches<'_>) -> Result<Vec<u8>> {
        let digest: [u8; 32] = Sha256::digest(voucher_message(list)).into();
        let slot = self.details.slot;
        let signature = self.operate(purpose, touches, |piv, policies| piv.sign(slot, policies, &digest))?;
        // A token that signs wrongly would lock its owner out of the list.
        if !self.verifier.accepts(list, &signature) {
            return Err(Error::new(
                ErrorKind::Other,
                format!("{} signed something else than it was given", self.details.token()),
            ));
        }
        Ok(signature)
    }

    fn touches_for(&self, unwraps: usize, vouchers: usize) -> usize {
        match self.policies.touch {
            TouchPolicy::Never => 0,
            TouchPolicy::Always | TouchPolicy::Cached => unwraps + vouchers,
        }
    }
}

impl Drop for PresentPiv<'_> {
    /// Drops the PIN on the token if it was verified here; else any process could use the token's other slots.
    fn drop(&mut self) {
        if let Some(paused) = self.selected.take()
            && let Ok(mut transaction) = self.card.transaction(SOON)
        {
            let _ = Piv::resume(&mut transaction, paused).drop_pin();
        }
    }
}

/// A PIN that was refused, or may be the last to be tried, is held no longer.
fn forget(ctx: &Context, token: &str) {
    if let Some(keeper) = &ctx.keeper {
        keeper.drop_pin(token);
    }
}

/// Asks for the PIN, showing how many tries are left.
pub fn ask_pin(ctx: &Context, token: &str, status: PinStatus) -> Result<SecretText> {
    let tries = match status {
        PinStatus::Tries(1) => " (1 try left)".to_owned(),
        PinStatus::Tries(tries) => format!(" ({tries} tries left)"),
        PinStatus::Verified => String::new(),
        PinStatus::Blocked => return Err(describe(&token::Error::PinBlocked, token)),
    };
    ctx.dialogue.ask_secret(&format!("PIN of {token}{tries}"))
}
