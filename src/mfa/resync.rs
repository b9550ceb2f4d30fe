//! A device whose codes AWS refuses: it is told two in a row, and learns how far their clock is off.

use super::Person;
use super::user::{CodeTouches, reach};
use super::words::refused;
use crate::chain::mfa::{Clues, pair};
use crate::context::Context;
use crate::error::Result;
use crate::profile::value::MfaSerial;
use crate::vault::Vault;

/// Sends AWS two codes in a row of the device `serial`, which a token calculates.
///
/// # Errors
/// [`crate::error::ErrorKind::NoKey`] when no token has its account, whatever keeps the entry shut, and AWS's refusals.
pub fn resync(ctx: &Context, vault: &Vault, mut person: Person, serial: &MfaSerial) -> Result<()> {
    let profiles = vec![person.entry.to_string(), person.asked.to_string()];
    let keyring = vault.read()?.0.keyring;
    let clues = Clues::gather(vault, keyring.as_ref(), &person.entry, profiles)?;
    let mut account = pair::giver(ctx, serial, &clues, &person.passwords)?;
    let codes = CodeTouches(2 * account.touches());
    let purpose = format!("resynchronise the MFA device {}", serial.device());
    let mut reached = reach(ctx, vault, &mut person, &purpose, codes)?;
    let name = reached.name()?.to_owned();
    let codes = pair::codes(ctx, serial.as_str(), &mut account, &mut reached.touches)?;
    let credentials = &reached.user.credentials;
    reached
        .iam
        .resync_mfa_device(credentials, &name, serial.as_str(), &codes)
        .map_err(|error| {
            let error = refused(error, &person);
            if error.aws_code() != Some("InvalidAuthenticationCode") {
                return error;
            }
            error.hint(format!(
                "the account {} on {} has another seed, or this machine's clock is far off",
                account.name(),
                account.token()
            ))
        })?;
    ctx.dialogue.note(&format!(
        "AWS knows the clock of {serial} again; the next code comes within half a minute"
    ));
    Ok(())
}
