//! The OATH applet of a token as a person meets it: its password, asked for once, and the line before a touch.

use super::{SOON, claim, describe, missed_twice};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::token::card::Card;
use crate::token::oath::{Account, AccountName, Code, Lock, NewAccount, Oath, Salt, TimeStep, Touch, UnlockKey};
use crate::token::{self, OathFault, Serial};

/// How often a wrong password may be typed. The token counts none.
const ATTEMPTS: usize = 3;

/// What can be known of a token's accounts.
pub enum Listing {
    /// These are there.
    Accounts(Vec<Account>),
    /// It has no OATH applet, or none that is switched on.
    NoApplet,
    /// A password is set, and there is nobody to ask for it.
    Locked(Error),
}

/// A token whose OATH applet is used.
pub struct Authenticator<'a> {
    ctx: &'a Context,
    card: Card,
    serial: Serial,
    /// Proven to the token anew after each selection; wiped with this value.
    key: Option<UnlockKey>,
    manner: Manner,
}

/// What may be asked of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// A password may be asked for, and a busy token is waited for.
    Using,
    /// Nothing: it is only looked.
    Looking,
}

impl<'a> Authenticator<'a> {
    /// The token `serial`, connected as `card`. Nothing is sent yet.
    pub fn new(ctx: &'a Context, card: Card, serial: Serial, manner: Manner) -> Self {
        Authenticator {
            ctx,
            card,
            serial,
            key: None,
            manner,
        }
    }

    /// The token's serial number.
    pub fn serial(&self) -> Serial {
        self.serial
    }

    /// The token as people call it.
    pub fn token(&self) -> String {
        format!("YubiKey {}", self.serial)
    }

    /// Its accounts; no touch is waited for and no counter moves.
    ///
    /// # Errors
    /// [`ErrorKind::Pin`] when the password that was given is wrong.
    pub fn accounts(&mut self) -> Result<Listing> {
        let now = u64::try_from(self.ctx.now().as_second()).unwrap_or_default();
        let token = self.token();
        match self.with(|oath| oath.accounts(now)) {
            Ok(accounts) => accounts.map(Listing::Accounts).map_err(|err| describe(&err, &token)),
            Err(Failure::NoApplet) => Ok(Listing::NoApplet),
            Err(Failure::NobodyToAsk(error)) => Ok(Listing::Locked(error)),
            Err(Failure::Said(error)) => Err(error),
        }
    }

    /// A code for the step that `step` says when it is calculated. A missed touch is waited for once more.
    ///
    /// # Errors
    /// [`ErrorKind::NoTouch`] after two missed touches, and the token's own failures.
    pub fn code(
        &mut self,
        account: &Account,
        step: impl Fn() -> TimeStep,
        purpose: &str,
        touches: &mut Touches<'_>,
    ) -> Result<Code> {
        let token = self.token();
        let outcome = self.with(|oath| {
            if account.touch != Some(Touch::NotRequired) {
                touches.announce(&token, purpose);
            }
            match oath.calculate(account, step()) {
                Err(token::Error::NoTouch { waited }) => {
                    touches.again(&token, purpose, waited.as_secs());
                    oath.calculate(account, step())
                }
                outcome => outcome,
            }
        });
        outcome
            .map_err(|failure| failure.said(&token))?
            .map_err(|err| missed_twice(&err, &token, purpose))
    }

    /// Puts a new account on the token. No touch is waited for.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when an account of this name is there, which is left as it is, or there is no room; and the token's
    /// own failures.
    pub fn put(&mut self, new: &NewAccount) -> Result<()> {
        let token = self.token();
        self.with(|oath| oath.put(new))
            .map_err(|failure| failure.said(&token))?
            .map_err(|err| describe(&err, &token))
    }

    /// Deletes an account. No touch is waited for.
    ///
    /// # Errors
    /// [`ErrorKind::NoKey`] when it is not there, and the token's own failures.
    pub fn delete(&mut self, name: &AccountName) -> Result<()> {
        let token = self.token();
        self.with(|oath| oath.delete(name))
            .map_err(|failure| failure.said(&token))?
            .map_err(|err| describe(&err, &token))
    }

    /// Does `work` with the applet selected and unlocked. No transaction is held while a person types the password.
    fn with<T>(&mut self, work: impl FnOnce(&mut Oath<'_>) -> token::Result<T>) -> Result<token::Result<T>, Failure> {
        let token = self.token();
        for attempt in 1..=ATTEMPTS {
            let salt = {
                let mut transaction = match self.manner {
                    Manner::Using => claim(self.ctx, &mut self.card, &token)?,
                    Manner::Looking => self.card.transaction(SOON).map_err(|err| describe(&err, &token))?,
                };
                let mut oath = match Oath::select(&mut transaction) {
                    Err(token::Error::NotSupported { .. }) => return Err(Failure::NoApplet),
                    outcome => outcome.map_err(|err| describe(&err, &token))?,
                };
                match (oath.lock(), self.key.take()) {
                    (Lock::Open, _) => return Ok(work(&mut oath)),
                    (Lock::Locked, None) => oath.salt().clone(),
                    (Lock::Locked, Some(key)) => match oath.unlock(&key) {
                        Ok(()) => {
                            self.key = Some(key);
                            return Ok(work(&mut oath));
                        }
                        Err(token::Error::Oath(OathFault::WrongPassword))
                            if attempt < ATTEMPTS && self.ctx.dialogue.has_terminal() =>
                        {
                            self.ctx.dialogue.tell("that is not the password");
                            oath.salt().clone()
                        }
                        Err(err) => return Err(describe(&err, &token).into()),
                    },
                }
            };
            self.key = Some(self.ask_password(&token, &salt)?);
        }
        Err(describe(&token::Error::Oath(OathFault::WrongPassword), &token).into())
    }

    fn ask_password(&self, token: &str, salt: &Salt) -> Result<UnlockKey, Failure> {
        if self.manner == Manner::Looking {
            let fault = token::Error::Oath(OathFault::PasswordRequired);
            return Err(Failure::NobodyToAsk(describe(&fault, token)));
        }
        let question = format!("password of the OATH accounts on {token}");
        match self.ctx.dialogue.ask_secret(&question) {
            Ok(password) => Ok(UnlockKey::derive(&password, salt)),
            Err(error) if error.kind() == ErrorKind::Pin => Err(Failure::NobodyToAsk(error)),
            Err(error) => Err(Failure::Said(error)),
        }
    }
}

/// Why nothing was done.
enum Failure {
    /// There is no OATH applet on the token.
    NoApplet,
    /// A password is set, and there is nobody to ask for it.
    NobodyToAsk(Error),
    /// Anything else, in words.
    Said(Error),
}

impl Failure {
    /// In words, where the applet was there a moment ago.
    fn said(self, token: &str) -> Error {
        match self {
            Failure::NoApplet => describe(&token::Error::NoToken, token),
            Failure::NobodyToAsk(error) | Failure::Said(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Said(error)
    }
}
