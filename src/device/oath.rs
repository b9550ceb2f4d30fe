//! The OATH applet of a token as a person meets it: its password, kept or asked for once, and the line before a touch.

#[cfg_attr(not(feature = "keychain"), path = "oath/without_store.rs")]
mod kept;
mod typed;

#[cfg(feature = "keychain")]
pub use kept::forget;
pub use typed::Passwords;

use super::{SOON, claim, describe, missed_twice};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::token::card::Card;
use crate::token::oath::{Account, AccountName, Code, Lock, NewAccount, Oath, Salt, TimeStep, Touch, UnlockKey};
use crate::token::{self, OathFault, Serial};
use kept::Kept;

/// How often a wrong password may be typed. The token counts none.
const ATTEMPTS: usize = 3;

/// What can be known of a token's accounts.
pub enum Listing {
    /// These are there.
    Accounts(Vec<Account>),
    /// It has no OATH applet, or none that is switched on.
    NoApplet,
    /// A password is set; none is kept that would do, and there is nobody to ask for it.
    Locked(Error),
}

/// Whether a key that the store keeps is tried before a person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// It is.
    Untried,
    /// It was, or is not to be.
    PassedOver,
}

/// The key that is proven next, and where it is from.
enum Known {
    /// A person has typed the password.
    Typed(UnlockKey),
    /// The store has kept it.
    Kept(UnlockKey),
}

impl Known {
    fn key(&self) -> &UnlockKey {
        match self {
            Known::Typed(key) | Known::Kept(key) => key,
        }
    }
}

/// A token whose OATH applet is used.
pub struct Authenticator<'a> {
    ctx: &'a Context,
    card: Card,
    serial: Serial,
    /// Proven to the token anew after each selection; wiped with this value.
    key: Option<Known>,
    typed: Passwords,
    memory: Memory,
    /// Why what is kept does not do, until it is said.
    excuse: Option<Error>,
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
    /// The token `serial`, connected as `card`. Nothing is sent yet. A password that `typed` knows is not asked for again.
    pub fn new(ctx: &'a Context, card: Card, serial: Serial, manner: Manner, typed: &Passwords) -> Self {
        Authenticator {
            ctx,
            card,
            serial,
            key: None,
            typed: typed.clone(),
            memory: Memory::Untried,
            excuse: None,
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
        let (token, ctx) = (self.token(), self.ctx);
        ctx.dialogue.must_be_heard()?;
        // Outside: the card is let go of before what is shown is taken away.
        let mut awaited = None;
        let outcome = self.with(|oath| {
            if account.touch != Some(Touch::NotRequired) {
                awaited = Some(touches.announce(&token, purpose));
            }
            match oath.calculate(account, step()) {
                // Nobody has to touch for somebody who has gone.
                Err(token::Error::NoTouch { waited }) if ctx.dialogue.must_be_heard().is_ok() => {
                    awaited = Some(touches.again(awaited.take(), &token, purpose, waited.as_secs()));
                    oath.calculate(account, step())
                }
                outcome => outcome,
            }
        });
        drop(awaited);
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

    /// Has a person type the password, whatever is kept, and keeps the key of it once the token has taken it. `false` if no password
    /// is set: then nothing is asked.
    ///
    /// # Errors
    /// [`ErrorKind::Pin`] for a wrong password; [`ErrorKind::NoKey`] when the store is not there, is locked or does not keep it.
    #[cfg(feature = "keychain")]
    pub fn keep_password(&mut self) -> Result<bool> {
        kept::must_be_possible()?;
        self.memory = Memory::PassedOver;
        match self.with(|_| Ok(())) {
            Ok(done) => done.map_err(|err| describe(&err, &self.token()))?,
            Err(Failure::NoApplet) => return Ok(false),
            Err(Failure::NobodyToAsk(error) | Failure::Said(error)) => return Err(error),
        }
        match &self.key {
            Some(known) => kept::keep(self.serial, known.key()).map(|()| true),
            None => Ok(false),
        }
    }

    /// Does `work` with the applet selected and unlocked. No transaction is held while a store answers or a person types.
    fn with<T>(&mut self, work: impl FnOnce(&mut Oath<'_>) -> token::Result<T>) -> Result<token::Result<T>, Failure> {
        let token = self.token();
        let mut typed = 0;
        loop {
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
                    (Lock::Locked, Some(known)) => match (oath.unlock(known.key()), &known) {
                        (Ok(()), _) => {
                            if let Known::Typed(key) = &known {
                                self.typed.learn(self.serial, key);
                            }
                            self.key = Some(known);
                            return Ok(work(&mut oath));
                        }
                        (Err(token::Error::Oath(OathFault::WrongPassword)), Known::Kept(_)) => {
                            // It stays in the store: it is the person's, and this may be another device's doing.
                            let said =
                                format!("the OATH password of {token} is not the one that was kept in the keychain");
                            let outdated = Error::new(ErrorKind::Pin, said);
                            self.excuse = Some(outdated.hint("`tapvault code --remember-password` keeps the new one"));
                            oath.salt().clone()
                        }
                        (Err(token::Error::Oath(OathFault::WrongPassword)), Known::Typed(_))
                            if typed < ATTEMPTS && self.ctx.dialogue.has_terminal() =>
                        {
                            self.ctx.dialogue.tell("that is not the password");
                            oath.salt().clone()
                        }
                        (Err(err), _) => return Err(describe(&err, &token).into()),
                    },
                }
            };
            self.key = Some(if let Some(key) = self.typed.take(self.serial) {
                Known::Typed(key)
            } else if let Some(key) = self.kept_key(&token) {
                Known::Kept(key)
            } else {
                typed += 1;
                Known::Typed(self.ask_password(&token, &salt)?)
            });
        }
    }

    /// The key that the store keeps, at most once: a wrong one is not tried again.
    fn kept_key(&mut self, token: &str) -> Option<UnlockKey> {
        if std::mem::replace(&mut self.memory, Memory::PassedOver) == Memory::PassedOver {
            return None;
        }
        match kept::find(self.serial, self.manner) {
            Kept::Key(key) => Some(key),
            Kept::Nothing => None,
            Kept::Unknown(error) => {
                let said = format!("the keychain gives no OATH password for {token}: {}", error.message());
                self.excuse = Some(Error::new(ErrorKind::Pin, said));
                None
            }
        }
    }

    fn ask_password(&mut self, token: &str, salt: &Salt) -> Result<UnlockKey, Failure> {
        let excuse = self.excuse.take();
        if self.manner == Manner::Looking {
            let said = format!("the OATH accounts on {token} have a password, which is not kept");
            return Err(Failure::NobodyToAsk(
                excuse.unwrap_or_else(|| Error::new(ErrorKind::Pin, said)),
            ));
        }
        if let Some(excuse) = excuse {
            let words = [&[excuse.message().to_owned()], excuse.hints()].concat();
            self.ctx.dialogue.tell(&words.join("; "));
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
