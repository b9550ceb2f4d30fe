//! Two codes in a row, as AWS wants them where a device is enabled or resynchronised: of the step before and of the present one.
//! The token calculates both, and both are spent then.

use super::steps::Steps;
use super::token::{Account, Finding, Passwords, find};
use super::{Clues, now_step};
use crate::context::Context;
use crate::error::Result;
use crate::presence::Touches;
use crate::profile::value::MfaSerial;
use crate::secret::SecretText;
use crate::vault::folder::Folder;

/// The account of a device on one of the tokens that are plugged in.
///
/// # Errors
/// [`crate::error::ErrorKind::NoKey`] when no token has it, and as [`super::Codes::look_ahead`].
pub fn giver<'a>(ctx: &'a Context, serial: &MfaSerial, clues: &Clues, passwords: &Passwords) -> Result<Account<'a>> {
    match find(ctx, serial, clues, passwords)? {
        Finding::Found(account) => Ok(account),
        Finding::Missing(missing) => Err(missing.error),
    }
}

/// Two codes in a row of the device, the older first. Waits for steps that are not spent.
///
/// # Errors
/// [`crate::error::ErrorKind::NoTouch`] and the token's own failures; nothing is spent then.
pub fn codes(
    ctx: &Context,
    serial: &str,
    account: &mut Account<'_>,
    touches: &mut Touches<'_>,
) -> Result<[SecretText; 2]> {
    let device = serial.rsplit('/').next().unwrap_or(serial);
    let steps = Steps::in_folder(Folder::at(&ctx.paths.state));
    loop {
        steps.await_unspent(ctx, serial, 2)?;
        let present = now_step(ctx);
        let mut code = |step: i64, which: &str| {
            let purpose = format!("give the {which} of two codes of {device}");
            account.calculate(|| step, &purpose, touches).map(|(_, code)| code)
        };
        let codes = [code(present - 1, "first")?, code(present, "second")?];
        // AWS documents no limit; the code before the present one is what a person who types two would send at the latest.
        let again = if now_step(ctx) - present > 1 {
            "the touches came too late for their codes"
        } else if steps.claim(serial, present - 1)? && steps.claim(serial, present)? {
            return Ok(codes);
        } else {
            "another command has spent a code of this minute"
        };
        ctx.dialogue.tell(again);
        touches.plan_more(2 * account.touches());
    }
}

/// A device of this name is made anew: what was spent of its predecessor's codes counts no longer.
pub fn forget(ctx: &Context, serial: &str) -> Result<()> {
    Steps::in_folder(Folder::at(&ctx.paths.state)).forget(serial)
}
