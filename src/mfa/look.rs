//! What there is: a user's devices at AWS, and the accounts of their names on the tokens that are plugged in.

use super::user::{CodeTouches, reach};
use super::{Person, words};
use crate::context::Context;
use crate::device::oath::{Authenticator, Listing, Manner, Passwords};
use crate::device::{Look, SOON, busy_error, describe, look_until_free, readers};
use crate::error::{Error, ErrorKind, Result};
use crate::token::card::{ReaderName, Readers};
use crate::token::discover::{self, Seen};
use crate::token::oath::{Account, AccountName, Touch};
use crate::token::{self, Serial};
use crate::vault::Vault;
use jiff::Timestamp;

/// The tokens that are plugged in.
pub(super) struct Plugged<'a> {
    ctx: &'a Context,
    readers: Readers,
    passwords: Passwords,
    tokens: Vec<(Serial, ReaderName)>,
}

/// A token, and the accounts on it.
pub(super) struct Seat<'a> {
    pub authenticator: Authenticator<'a>,
    pub accounts: Vec<Account>,
}

impl<'a> Plugged<'a> {
    /// Looks into every reader. A busy token is waited for: it may be the one.
    pub fn look(ctx: &'a Context, passwords: &Passwords) -> Result<Self> {
        let readers = readers(ctx)?;
        let seen = look_until_free(ctx, || {
            let seen = discover::find(&readers, SOON).map_err(|err| describe(&err, "a YubiKey"))?;
            let is_busy = seen.iter().any(|sighting| sighting.what == Seen::Busy);
            Ok(match is_busy {
                true => Look::Busy("a YubiKey".into()),
                false => Look::Done(seen),
            })
        })?;
        let seen = match seen {
            Look::Done(seen) => seen,
            Look::Busy(token) => return Err(busy_error(&token)),
        };
        let tokens = seen.into_iter().filter_map(|sighting| match sighting.what {
            Seen::Token { serial, .. } => Some((serial, sighting.reader)),
            Seen::Busy | Seen::Foreign => None,
        });
        Ok(Plugged {
            ctx,
            passwords: passwords.clone(),
            tokens: tokens.collect(),
            readers,
        })
    }

    /// Which.
    pub fn serials(&self) -> Vec<Serial> {
        self.tokens.iter().map(|(serial, _)| *serial).collect()
    }

    /// One of them, with its accounts; a password on them is asked for.
    ///
    /// # Errors
    /// [`ErrorKind::NoKey`] when it is not plugged in, or has no OATH applet that is switched on.
    pub fn seat(&self, serial: Serial) -> Result<Seat<'a>> {
        let name = format!("YubiKey {serial}");
        let reader = self.tokens.iter().find(|(there, _)| *there == serial);
        let (_, reader) = reader.ok_or_else(|| describe(&token::Error::NoToken, &name))?;
        let card = self
            .readers
            .connect(reader, SOON)
            .map_err(|err| describe(&err, &name))?;
        let mut authenticator = Authenticator::new(self.ctx, card, serial, Manner::Using, &self.passwords);
        match authenticator.accounts()? {
            Listing::Accounts(accounts) => Ok(Seat {
                authenticator,
                accounts,
            }),
            Listing::Locked(error) => Err(error),
            Listing::NoApplet => Err(Error::new(
                ErrorKind::NoKey,
                format!("{name} has no OATH applet, or it is switched off"),
            )
            .hint(format!(
                "`ykman --device {serial} config usb --enable OATH` switches it on"
            ))),
        }
    }
}

impl Seat<'_> {
    /// Its account of exactly this name.
    pub fn account(&self, name: &AccountName) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == *name)
    }

    /// Deletes its account of exactly this name. Says whether it was there; the token is asked anew.
    pub fn remove(&mut self, name: &AccountName) -> Result<bool> {
        match self.authenticator.accounts()? {
            Listing::Accounts(accounts) => self.accounts = accounts,
            Listing::NoApplet => return Ok(false),
            Listing::Locked(error) => return Err(error),
        }
        if self.account(name).is_none() {
            return Ok(false);
        }
        self.authenticator.delete(name)?;
        self.accounts.retain(|account| account.name != *name);
        Ok(true)
    }
}

/// The account of a device; `None` when its serial is longer than a name on a token can be.
pub(super) fn account_of(serial: &str) -> Option<AccountName> {
    AccountName::new(serial.as_bytes()).ok()
}

/// A device of the user's.
pub struct Device {
    /// Its ARN, or the serial number of a hardware device.
    pub serial: String,
    /// Since when it is the user's.
    pub enabled: Option<Timestamp>,
    /// The tokens that are plugged in and have an account of exactly this name.
    pub holders: Vec<Holder>,
}

/// A token with an account of a device.
pub struct Holder {
    /// The token.
    pub token: Serial,
    /// Whether each code takes a touch; `None` if the token did not tell.
    pub touch: Option<Touch>,
}

/// The devices of a user. A token that can't be looked at is said, and left out.
///
/// # Errors
/// Whatever keeps the entry shut, and AWS's refusals.
pub fn look(ctx: &Context, vault: &Vault, mut person: Person) -> Result<Vec<Device>> {
    let mut reached = reach(ctx, vault, &mut person, "list its MFA devices", CodeTouches(0))?;
    let listed = reached.devices(&person)?;
    let seats = every_seat(ctx, &person.passwords);
    let holders = |serial: &str| {
        let name = account_of(serial);
        let holder = |seat: &Seat<'_>| {
            seat.account(name.as_ref()?).map(|account| Holder {
                token: seat.authenticator.serial(),
                touch: account.touch,
            })
        };
        seats.iter().filter_map(holder).collect()
    };
    Ok(listed
        .into_iter()
        .map(|device| Device {
            holders: holders(&device.serial),
            serial: device.serial,
            enabled: device.enabled,
        })
        .collect())
}

/// All tokens that can be looked at; of the others a line is said.
pub(super) fn every_seat<'a>(ctx: &'a Context, passwords: &Passwords) -> Vec<Seat<'a>> {
    let plugged = match Plugged::look(ctx, passwords) {
        Ok(plugged) => plugged,
        Err(error) => {
            ctx.dialogue
                .tell(&format!("no token was looked at: {}", error.message()));
            return Vec::new();
        }
    };
    let seat = |serial| match plugged.seat(serial) {
        Ok(seat) => Some(seat),
        Err(error) => {
            let token = words::listed([serial]);
            ctx.dialogue
                .tell(&format!("{token} was not looked at: {}", error.message()));
            None
        }
    };
    plugged.serials().into_iter().filter_map(seat).collect()
}
