//! The password of a token's OATH accounts: kept in the keychain when a person says so, and forgotten when a person says so.

use crate::context::Context;
use crate::device::oath::{Authenticator, Manner, Passwords, forget};
use crate::device::{SOON, busy_error, describe, readers};
use crate::error::{Error, ErrorKind, Result};
use crate::token::card::Readers;
use crate::token::discover::{self, Seen};
use crate::token::{self, Serial};
use clap::Args;

/// The arguments that stand in the place of a device.
pub const INSTEAD: [&str; 2] = ["remember_password", "forget_password"];

/// What is to be done about the password, instead of printing a code.
#[derive(Args)]
pub struct PasswordArgs {
    /// Keep the password of the token's OATH accounts in the keychain of this machine, and print no code
    ///
    /// It is asked for, the token has to take it, and what is kept is the key that it makes on this token. Whoever can use the
    /// unlocked keychain can unlock the accounts then; a touch is still needed where an account wants one.
    #[arg(long, value_name = "YUBIKEY", num_args = 0..=1, require_equals = true,
        conflicts_with_all = ["subject", "json", "forget_password"])]
    remember_password: Option<Option<u32>>,
    /// Take it out of the keychain; YUBIKEY, a serial number, says of which token that is not plugged in
    #[arg(long, value_name = "YUBIKEY", num_args = 0..=1, require_equals = true,
        conflicts_with_all = ["subject", "json"])]
    forget_password: Option<Option<u32>>,
}

/// One of the two, for a token or for the only one that is plugged in.
#[derive(Clone, Copy, Debug)]
pub enum Wish {
    /// `--remember-password`
    Remember(Option<Serial>),
    /// `--forget-password`
    Forget(Option<Serial>),
}

impl PasswordArgs {
    /// What is wished, if anything.
    pub fn wish(&self) -> Option<Wish> {
        match (self.remember_password, self.forget_password) {
            (Some(serial), _) => Some(Wish::Remember(serial.map(Serial))),
            (None, Some(serial)) => Some(Wish::Forget(serial.map(Serial))),
            (None, None) => None,
        }
    }
}

pub fn run(wish: Wish, ctx: &Context) -> Result<()> {
    match wish {
        Wish::Remember(serial) => remember(ctx, serial),
        Wish::Forget(serial) => {
            let serial = match serial {
                Some(serial) => serial,
                None => the_only_one(&readers(ctx)?, "--forget-password")?,
            };
            forget(serial)?;
            ctx.dialogue
                .note(&format!("the keychain keeps no OATH password of YubiKey {serial} now"));
            Ok(())
        }
    }
}

fn remember(ctx: &Context, serial: Option<Serial>) -> Result<()> {
    let readers = readers(ctx)?;
    let serial = match serial {
        Some(serial) => serial,
        None => the_only_one(&readers, "--remember-password")?,
    };
    let token = format!("YubiKey {serial}");
    let card = discover::connect(&readers, serial, SOON).map_err(|err| describe(&err, &token))?;
    let mut authenticator = Authenticator::new(ctx, card, serial, Manner::Using, &Passwords::default());
    let note = match authenticator.keep_password()? {
        true => format!("the OATH password of {token} is kept in the keychain of this machine"),
        false => format!("no password is set on the OATH accounts of {token}, so none was kept"),
    };
    ctx.dialogue.note(&note);
    Ok(())
}

/// The token that is plugged in, if it is one.
fn the_only_one(readers: &Readers, option: &str) -> Result<Serial> {
    let mut serials = Vec::new();
    for sighting in discover::find(readers, SOON).map_err(|err| describe(&err, "a YubiKey"))? {
        match sighting.what {
            Seen::Token { serial, .. } => serials.push(serial),
            Seen::Busy => return Err(busy_error("a YubiKey")),
            Seen::Foreign => {}
        }
    }
    match serials[..] {
        [] => Err(describe(&token::Error::NoToken, "a YubiKey")),
        [only] => Ok(only),
        [first, ..] => {
            let names: Vec<String> = serials.iter().map(|serial| format!("YubiKey {serial}")).collect();
            let error = Error::new(ErrorKind::Usage, format!("{} are plugged in", names.join(" and ")));
            Err(error.hint(format!("say which: {option}={first}")))
        }
    }
}
