use super::{planned, report};
use crate::context::Context;
use crate::enrollment::{Enrollment, NewKey, Touchless, forget_keychain_key, new_passphrase_key, new_recovery_key};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "keychain")]
use crate::store::{Standing, Store, Waking};
use crate::vault::Vault;
use crate::vault::change::interrupted;
use crate::vault::unlock::KeyChoice;
use crate::wrap::{EnrolledKey, KeyKind, KeyName};
use clap::{Args, Subcommand};

#[cfg(feature = "fido2")]
mod fido2;
#[cfg(feature = "piv")]
mod piv;

/// Enroll a key that opens the vault
///
/// On a vault with entries each of them is given the new key's recipient; the touches are announced first.
#[derive(Args)]
pub struct EnrollArgs {
    #[command(subcommand)]
    kind: Kind,
    /// What to call it
    #[arg(long, global = true)]
    name: Option<KeyName>,
    /// Let keys that need no touch stand beside a token
    #[arg(long, global = true)]
    allow_touchless: bool,
}

#[derive(Subcommand)]
enum Kind {
    #[cfg(feature = "piv")]
    Piv(piv::PivArgs),
    #[cfg(feature = "fido2")]
    Fido2(fido2::Fido2Args),
    /// A key in the operating system's secret store: for machines without a token
    #[cfg(feature = "keychain")]
    Keychain,
    /// A passphrase: for machines without a token or a desktop
    Passphrase,
    /// A key on paper: shown once, stored nowhere
    Recovery,
}

pub fn run(args: EnrollArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    let touchless = if args.allow_touchless {
        Touchless::Allowed
    } else {
        Touchless::Refused
    };
    match args.kind {
        #[cfg(feature = "piv")]
        Kind::Piv(piv) => piv::run(&piv, args.name.as_ref(), ctx, &vault, choice, touchless),
        #[cfg(feature = "fido2")]
        Kind::Fido2(fido2) => fido2::run(&fido2, args.name.as_ref(), ctx, &vault, choice, touchless),
        Kind::Passphrase => {
            let enrollment = Enrollment::begin(ctx, &vault, choice, touchless)?;
            enrollment.refuse_touchless("a passphrase key")?;
            software(ctx, &vault, enrollment, args.name.as_ref(), "passphrase", |name| {
                new_passphrase_key(ctx, name)
            })
        }
        #[cfg(feature = "keychain")]
        Kind::Keychain => {
            let enrollment = Enrollment::begin(ctx, &vault, choice, touchless)?;
            enrollment.refuse_touchless("a keychain key")?;
            software(ctx, &vault, enrollment, args.name.as_ref(), "keychain", |name| {
                crate::enrollment::new_keychain_key(ctx, name)
            })
        }
        Kind::Recovery => {
            let enrollment = Enrollment::begin(ctx, &vault, choice, touchless)?;
            software(ctx, &vault, enrollment, args.name.as_ref(), "paper", |name| {
                new_recovery_key(ctx, name)
            })
        }
    }
}

/// The first key of a vault, offered at a terminal.
pub fn offer_first(ctx: &Context, vault: &Vault) -> Result<()> {
    ctx.dialogue.tell("no key is enrolled yet, so nothing can be sealed");
    let declined = || Error::new(ErrorKind::Cancelled, "nothing was enrolled, and nothing sealed");
    #[cfg(feature = "piv")]
    if let Some(serial) = crate::enrollment::piv::available(ctx) {
        if ctx.dialogue.confirm(&format!("make a key on YubiKey {serial}?"))? {
            return piv::run(
                &piv::PivArgs::default(),
                None,
                ctx,
                vault,
                &KeyChoice::Any,
                Touchless::Refused,
            );
        }
        return Err(declined());
    }
    #[cfg(feature = "fido2")]
    if let Some(token) = crate::enrollment::fido2::available() {
        if ctx.dialogue.confirm(&format!("make a key with {token} (FIDO2)?"))? {
            return fido2::run(
                &fido2::Fido2Args::default(),
                None,
                ctx,
                vault,
                &KeyChoice::Any,
                Touchless::Refused,
            );
        }
        return Err(declined());
    }
    #[cfg(feature = "keychain")]
    if let Ok(Standing::Open) = Store::of_session().standing(None, Waking::Allowed) {
        if ctx
            .dialogue
            .confirm("no token is plugged in; keep a key in this desktop's keychain?")?
        {
            let enrollment = Enrollment::begin(ctx, vault, &KeyChoice::Any, Touchless::Refused)?;
            return software(ctx, vault, enrollment, None, "keychain", |name| {
                crate::enrollment::new_keychain_key(ctx, name)
            });
        }
        return Err(declined());
    }
    if ctx.dialogue.confirm("no token is plugged in; enroll a passphrase?")? {
        let enrollment = Enrollment::begin(ctx, vault, &KeyChoice::Any, Touchless::Refused)?;
        return software(ctx, vault, enrollment, None, "passphrase", |name| {
            new_passphrase_key(ctx, name)
        });
    }
    Err(declined())
}

/// A key that was made and could not be enrolled is worth nothing, unless a change that can be resumed will enroll it.
fn not_enrolled(ctx: &Context, vault: &Vault, record: &EnrolledKey, error: Error) -> Error {
    if !matches!(interrupted(vault), Ok(None)) {
        return error;
    }
    forget_keychain_key(ctx, record);
    match record.kind {
        KeyKind::Recovery { .. } => error.hint("the key that you wrote down is not enrolled; throw the paper away"),
        KeyKind::Piv(_) | KeyKind::Fido2(_) | KeyKind::Keychain { .. } | KeyKind::Passphrase { .. } => error,
    }
}

fn software<'a>(
    ctx: &'a Context,
    vault: &Vault,
    enrollment: Enrollment<'a>,
    wanted: Option<&KeyName>,
    base: &str,
    make: impl FnOnce(KeyName) -> Result<NewKey<'a>>,
) -> Result<()> {
    let name = enrollment.name(wanted, base)?;
    let total = enrollment.touches()?;
    let new = make(name)?;
    let mut touches = planned(ctx, total);
    let record = new.record.clone();
    let outcome = enrollment
        .finish(new, &mut touches)
        .map_err(|error| not_enrolled(ctx, vault, &record, error))?;
    outcome.dropped.iter().for_each(|key| forget_keychain_key(ctx, key));
    report(ctx, &outcome, &headline(&record));
    Ok(())
}

fn headline(record: &EnrolledKey) -> String {
    format!("enrolled \"{}\": {}", record.name, record.presence_word())
}
