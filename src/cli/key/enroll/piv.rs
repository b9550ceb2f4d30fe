use super::headline;
use crate::cli::key::{planned, report};
use crate::context::Context;
use crate::enrollment::piv::{ChosenToken, PivWishes};
use crate::enrollment::{Enrollment, Touchless, forget_keychain_key};
use crate::error::{Error, Result};
use crate::token::{PinPolicy, Serial, Slot};
use crate::vault::Vault;
use crate::vault::change::{self, interrupted};
use crate::vault::unlock::KeyChoice;
use crate::wrap::{EnrolledKey, KeyKind, KeyName};
use clap::{Args, ValueEnum};

/// A key on a YubiKey, made there, that needs a touch for every use
///
/// Takes the first free retired slot. Never touches an occupied slot, never resets, never changes PIN, PUK or management
/// key. Writes a key and a certificate to the slot, nothing else.
#[derive(Args, Default)]
pub struct PivArgs {
    /// Which token, when several are plugged in
    #[arg(long, value_name = "NUMBER")]
    serial: Option<u32>,
    /// Which retired slot, 1 to 20; the first free one when it is left out
    #[arg(long, value_name = "NUMBER", value_parser = retired, conflicts_with = "existing")]
    slot: Option<Slot>,
    /// Take the key that is in this retired slot, such as one of age-plugin-yubikey's
    #[arg(long, value_name = "SLOT", value_parser = retired, conflicts_with = "pin_policy")]
    existing: Option<Slot>,
    /// When the token asks for its PIN
    #[arg(long, value_enum)]
    pin_policy: Option<PinWord>,
    /// Take a token whose PIN is still the factory's
    #[arg(long)]
    allow_factory_pin: bool,
    /// Take a key that asks for less than a touch for every use, or can't prove it
    #[arg(long)]
    weaker_presence: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum PinWord {
    /// Not at all
    Never,
    /// Once per insertion
    Once,
    /// For every use
    Always,
}

/// 1 to 20 as age-plugin-yubikey counts, or 82 to 95 as ykman names them.
fn retired(text: &str) -> Result<Slot, String> {
    let counted = text.parse().ok().and_then(Slot::retired);
    counted
        .or_else(|| text.parse::<Slot>().ok().filter(|slot| slot.retired_number().is_some()))
        .ok_or_else(|| "the retired slots are 1 to 20 (or 82 to 95)".into())
}

/// The key stays on the token even when it could not be enrolled; the next try should take it, not make another.
fn unfinished(error: Error, record: &EnrolledKey) -> Error {
    match &record.kind {
        KeyKind::Piv(details) => error.hint(format!(
            "the new key stays in slot {}; this goes on with it: tapvault key enroll piv --serial {} --existing {}",
            details.slot,
            details.serial,
            details.slot_hex()
        )),
        KeyKind::Fido2(_) | KeyKind::Keychain { .. } | KeyKind::Passphrase { .. } | KeyKind::Recovery { .. } => error,
    }
}

pub fn run(
    args: &PivArgs,
    wanted: Option<&KeyName>,
    ctx: &Context,
    vault: &Vault,
    choice: &KeyChoice,
    touchless: Touchless,
) -> Result<()> {
    let wishes = PivWishes {
        serial: args.serial.map(Serial),
        slot: args.slot,
        existing: args.existing,
        pin_policy: args.pin_policy.map(|word| match word {
            PinWord::Never => PinPolicy::Never,
            PinWord::Once => PinPolicy::Once,
            PinWord::Always => PinPolicy::Always,
        }),
        allow_factory_pin: args.allow_factory_pin,
        weaker_presence: args.weaker_presence,
    };
    // The token is looked at first: on an empty vault nothing else can stand in the way.
    let token = ChosenToken::choose(ctx, &wishes)?;
    let enrollment = Enrollment::begin(ctx, vault, choice, touchless)?;
    let name = enrollment.name(wanted, &token.base_name())?;
    let mut touches = planned(ctx, token.touches() + enrollment.touches()?);
    let new = token.make(name, &mut touches)?;
    let record = new.record.clone();
    let outcome = enrollment
        .finish(new, &mut touches)
        .map_err(|error| match interrupted(vault) {
            // Then the change itself is taken up again, and says how.
            Ok(Some(_)) => error,
            Ok(None) if change::is_committed(vault.folder()) => error,
            Ok(None) | Err(_) => unfinished(error, &record),
        })?;
    outcome.dropped.iter().for_each(|key| forget_keychain_key(ctx, key));
    report(ctx, &outcome, &headline(&record));
    Ok(())
}
