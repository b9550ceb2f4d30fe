//! Who holds a FIDO2 token, as the token sees it: checked by finger, PIN or not at all, and there to touch it.
//!
//! What a token gives with a check and without is not the same (CTAP 2.1, 12.5), so a key is used as it was enrolled or not at all.

use super::Verification;
use crate::context::Context;
use crate::device::fido2::describe;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::token::fido2::{self as token, Check, Fault, Pin, Session};

/// A PIN that was typed earlier in the command is not sent by itself when fewer tries are left.
const FEWEST_TRIES: u8 = 2;

/// Who holds an open token, and how they are checked.
pub struct Holder {
    /// The token.
    pub session: Session,
    /// How its holder is checked next.
    pub check: Check,
    /// What was typed, until it is refused.
    pub pin: Option<Pin>,
}

impl Holder {
    /// Has the token check its PIN, asked for if it is not at hand.
    ///
    /// # Errors
    /// As [`give_pin`].
    pub fn give_pin(&mut self, ctx: &Context, token: &str) -> Result<()> {
        self.pin = Some(give_pin(ctx, &mut self.session, token, self.pin.take())?);
        Ok(())
    }

    /// An operation with a touch: the line before it, once more when it is missed, and with the PIN when a finger is not recognised.
    ///
    /// # Errors
    /// The outer ones are those of the PIN; the inner fault is what the operation came to.
    pub fn touched<T>(
        &mut self,
        ctx: &Context,
        token: &str,
        purpose: &str,
        touches: &mut Touches<'_>,
        operation: impl Fn(&mut Session, Check) -> token::Result<T>,
    ) -> Result<token::Result<T>> {
        let mut awaited = Some(touches.announce(token, purpose));
        let mut missed = false;
        loop {
            let outcome = operation(&mut self.session, self.check);
            match &outcome {
                // Nobody has to touch for somebody who has gone.
                Err(Fault::NoTouch { waited }) if !missed && ctx.dialogue.must_be_heard().is_ok() => {
                    missed = true;
                    awaited = Some(touches.again(awaited, token, purpose, waited.as_secs()));
                }
                Err(fault @ (Fault::FingerRefused | Fault::FingersBlocked))
                    if self.check == Check::BuiltIn && self.session.info().has_pin() =>
                {
                    drop(awaited.take());
                    ctx.dialogue.tell(describe(fault, token).message());
                    self.check = Check::Pin;
                    self.give_pin(ctx, token)?;
                    touches.plan_more(1);
                    awaited = Some(touches.announce(token, purpose));
                }
                Ok(_) | Err(_) => {
                    drop(awaited);
                    return Ok(outcome);
                }
            }
        }
    }
}

/// How the holder of a token is checked for a key that was enrolled so.
///
/// # Errors
/// [`ErrorKind::Pin`] when the token can't do it, or insists on more: the outputs would not be those of the key.
pub fn needed_check(info: &token::Info, uv: Verification, name: &str) -> Result<Check> {
    let said = |fault: Fault| Err(describe(&fault, name));
    match uv {
        Verification::Discouraged if info.always_uv => said(Fault::PinRequired),
        Verification::Discouraged => Ok(Check::None),
        Verification::Required if info.fingers_set == Some(true) => Ok(Check::BuiltIn),
        Verification::Required if info.pin_outworn => said(Fault::PinOutworn),
        Verification::Required if info.has_pin() => Ok(Check::Pin),
        Verification::Required if info.pin_set == Some(true) => said(Fault::PinNotForKeys),
        Verification::Required => said(Fault::PinNotSet),
    }
}

/// Has the token check its PIN: `held`, or one that is held for longer, or one that is asked for.
///
/// # Errors
/// [`ErrorKind::Pin`] when it is refused; it is dropped then.
pub fn give_pin(ctx: &Context, session: &mut Session, name: &str, held: Option<Pin>) -> Result<Pin> {
    let said = |fault: Fault| describe(&fault, name);
    let tries = session.pin_tries().map_err(said)?;
    let kept = || {
        ctx.keeper
            .as_ref()?
            .pin(name)
            .and_then(|pin| Pin::from_typed(&pin).ok())
    };
    let forget = || {
        if let Some(keeper) = &ctx.keeper {
            keeper.drop_pin(name);
        }
    };
    let mut typed_now = None;
    let pin = match (held.or_else(kept), tries) {
        (_, 0) => return Err(said(Fault::PinBlocked)),
        (Some(_), tries) if tries < FEWEST_TRIES => {
            forget();
            return Err(Error::new(
                ErrorKind::Pin,
                format!("{name} has {tries} PIN try left; the PIN was not sent again by itself"),
            )
            .hint("run it again and type the PIN yourself"));
        }
        (Some(pin), _) => pin,
        (None, tries) => {
            let word = if tries == 1 { "try" } else { "tries" };
            let typed = ctx
                .dialogue
                .ask_secret(&format!("PIN of {name} ({tries} {word} left)"))?;
            let pin = Pin::from_typed(&typed).map_err(said)?;
            pin.long_enough(session.info().shortest_pin).map_err(said)?;
            typed_now = Some(typed);
            pin
        }
    };
    session.check_pin(&pin).inspect_err(|_| forget()).map_err(said)?;
    if let (Some(keeper), Some(typed)) = (&ctx.keeper, &typed_now) {
        keeper.keep_pin(name, typed);
    }
    Ok(pin)
}
