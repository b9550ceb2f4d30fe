//! OATH accounts: which there are, and the codes that the token calculates from seeds it never gives away.
//!
//! The commands are those of Yubico's YKOATH protocol. A value of [`Oath`] is the applet, selected, on a transaction that
//! somebody else holds: right after a [`Piv`](super::piv::Piv) on the same one, if need be, since selecting OATH is all that
//! lies between them. A password is proven anew after each selection, so nothing is left open for other programs, and no
//! transaction has to be held while a person types it: select, see that it is [`Lock::Locked`], let go, ask, select again.
//!
//! The time comes from the caller. Counter-based accounts are listed and never calculated: that would use up a code. Which
//! account is meant, and whether a code was used before, is left to `chain`.
//!
//! ```no_run
//! use tapvault::{secret::SecretText, token::{card::Readers, discover, oath::{Lock, Oath, UnlockKey}, Serial}};
//! # use std::time::Duration;
//! # fn main() -> tapvault::token::Result<()> {
//! let wait = Duration::from_secs(2);
//! let mut card = discover::connect(&Readers::open()?, Serial(15_042_118), wait)?;
//! let mut transaction = card.transaction(wait)?;
//! let mut oath = Oath::select(&mut transaction)?;
//! if oath.lock() == Lock::Locked {
//!     let password = SecretText::copy_of("typed before, by a person");
//!     let key = UnlockKey::derive(&password, oath.salt());
//!     oath.unlock(&key)?;
//! }
//! let now = 1_767_225_600;
//! for account in oath.accounts(now)? {
//!     let code = oath.calculate(&account, account.name.period().step_at(now))?;
//!     println!("{}: {}", account.name, code.text.expose());
//! }
//! # Ok(())
//! # }
//! ```

mod account;
mod answer;
mod code;
mod password;
mod put;
#[cfg(test)]
mod tests;

pub use account::{Account, AccountName, Algorithm, Digits, Kind, Period, TimeStep, Touch};
pub use code::{Code, FullResponse};
pub use password::{Salt, UnlockKey};
pub use put::{NewAccount, Seed};

use super::{
    Error, Firmware, OathFault, Result, TouchPolicy,
    apdu::{self, Answer, Command, Rest, SW_OK, Transmit},
    piv::{OATH, lost_while_blinking},
    tlv,
};
use answer::{Greeting, tag};
use password::Handshake;
use std::time::Instant;

/// YKOATH, INSTRUCTIONS.
const INS_PUT: u8 = 0x01;
const INS_DELETE: u8 = 0x02;
const INS_LIST: u8 = 0xa1;
const INS_CALCULATE: u8 = 0xa2;
const INS_VALIDATE: u8 = 0xa3;
const INS_CALCULATE_ALL: u8 = 0xa4;

/// P2 of CALCULATE and CALCULATE ALL: four bytes of the HMAC instead of all.
const TRUNCATE: u8 = 0x01;
const IN_FULL: u8 = 0x00;

/// Status words, YKOATH, RESPONSE CODES.
mod sw {
    /// "Auth required"; also what a touch that did not come is answered with.
    pub const AUTH_REQUIRED: u16 = 0x6982;
    pub const NO_SUCH_OBJECT: u16 = 0x6984;
    pub const CONDITIONS: u16 = 0x6985;
    pub const WRONG_SYNTAX: u16 = 0x6a80;
    pub const NO_SPACE: u16 = 0x6a84;
}

/// The OATH applet, selected, for the length of one transaction.
pub struct Oath<'t> {
    link: &'t mut dyn Transmit,
    version: Firmware,
    salt: Salt,
    challenge: Option<(Vec<u8>, Algorithm)>,
}

/// Whether the applet does what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// It does: no password is set, or it was proven.
    Open,
    /// A password is set; only [`Oath::unlock`] works.
    Locked,
}

impl<'t> Oath<'t> {
    /// Selects the applet; what was proven to it or to another applet before is not proven any more. 1 APDU.
    ///
    /// # Errors
    /// [`Error::NotSupported`] if there is none, or it is switched off.
    pub fn select(link: &'t mut dyn Transmit) -> Result<Self> {
        let answer = apdu::send(link, &Command::select("SELECT OATH", OATH))?;
        if answer.sw != SW_OK {
            return Err(Error::NotSupported {
                what: "OATH",
                firmware: None,
            });
        }
        let Greeting {
            version,
            salt,
            challenge,
        } = Greeting::parse(&answer.data)?;
        Ok(Self {
            link,
            version,
            salt,
            challenge,
        })
    }

    /// Whether a password is wanted.
    pub fn lock(&self) -> Lock {
        match self.challenge {
            None => Lock::Open,
            Some(_) => Lock::Locked,
        }
    }

    /// What a password is to be mixed with for this token, for [`UnlockKey::derive`].
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// The applet's version; the firmware's on everything newer than a YubiKey NEO.
    pub fn version(&self) -> Firmware {
        self.version
    }

    /// Proves the password to the token and has the token prove that it knows it too. 1 APDU, or none if it is open.
    ///
    /// There is no counter of tries.
    ///
    /// # Errors
    /// [`OathFault::WrongPassword`]; [`OathFault::Unproven`] if the token only pretends to know it, which leaves it locked here.
    pub fn unlock(&mut self, key: &UnlockKey) -> Result<()> {
        let Some((challenge, algorithm)) = &self.challenge else {
            return Ok(());
        };
        let handshake = Handshake::new(key, *algorithm);
        let answer = self.send("VALIDATE", INS_VALIDATE, 0, &handshake.request(challenge))?;
        match answer.sw {
            SW_OK => handshake.check(&answer.data)?,
            // "Wrong syntax" is what a wrong answer gets; some versions say that authentication failed.
            sw::WRONG_SYNTAX | sw::AUTH_REQUIRED => return Err(OathFault::WrongPassword.into()),
            _ => return Err(answer.refused()),
        }
        self.challenge = None;
        Ok(())
    }

    /// The accounts, without digits and touch. 1 APDU, and one for each further 256 bytes.
    ///
    /// # Errors
    /// [`OathFault::PasswordRequired`].
    pub fn list(&mut self) -> Result<Vec<Account>> {
        let answer = self.send("LIST", INS_LIST, 0, &[])?;
        match answer.sw {
            SW_OK => answer::list(&answer.data),
            _ => Err(self.refused(&answer)),
        }
    }

    /// The accounts with all that can be known. No touch is waited for, no counter moves. 2 APDUs, and one for each
    /// further 256 bytes.
    ///
    /// Whether an account wants a touch is told by CALCULATE ALL only, which also gives the codes of those that don't; they
    /// are dropped. `now`, in seconds since the Unix epoch, is when those codes would be for: some accounts take no step
    /// back.
    ///
    /// # Errors
    /// [`OathFault::PasswordRequired`].
    pub fn accounts(&mut self, now: u64) -> Result<Vec<Account>> {
        let mut accounts = self.list()?;
        let data = challenge(Period::DEFAULT.step_at(now));
        let answer = self.send("CALCULATE ALL", INS_CALCULATE_ALL, TRUNCATE, &data)?;
        if answer.sw != SW_OK {
            return Err(self.refused(&answer));
        }
        for told in answer::calculate_all(&answer.data)? {
            if let Some(account) = accounts.iter_mut().find(|account| account.name == told.name) {
                account.digits = told.digits;
                account.touch = told.touch;
            }
        }
        Ok(accounts)
    }

    /// The account's code for `step`. 1 APDU, which waits for the touch if the account wants one.
    ///
    /// # Errors
    /// [`OathFault::NotTimeBased`] without asking the token. [`Error::NoTouch`] and [`OathFault::PasswordRequired`] come from
    /// the same status word, 6982, and are told apart by what was proven on this transaction. [`OathFault::NoSuchAccount`] if
    /// it was deleted meanwhile, [`Error::Removed`] if the token goes while it waits.
    pub fn calculate(&mut self, account: &Account, step: TimeStep) -> Result<Code> {
        let answer = self.calculated(account, step, TRUNCATE)?;
        let (digits, number) = answer::truncated(&answer.data)?;
        Ok(Code {
            text: code::digits_of(number, digits),
            step,
            period: account.name.period(),
        })
    }

    /// The HMAC of `step`, of which a code can be made here. 1 APDU, as [`Oath::calculate`].
    ///
    /// # Errors
    /// As [`Oath::calculate`].
    pub fn calculate_in_full(&mut self, account: &Account, step: TimeStep) -> Result<FullResponse> {
        let answer = self.calculated(account, step, IN_FULL)?;
        answer::full(&answer.data)
    }

    fn calculated(&mut self, account: &Account, step: TimeStep, p2: u8) -> Result<Answer> {
        match account.kind {
            Kind::Totp => {}
            Kind::Hotp | Kind::Other(_) => {
                return Err(OathFault::NotTimeBased {
                    account: account.name.to_string(),
                }
                .into());
            }
        }
        let data = [tlv::write(tag::NAME, account.name.bytes()), challenge(step)].concat();
        let armed = Instant::now();
        let answer = self.send("CALCULATE", INS_CALCULATE, p2, &data);
        let waited = armed.elapsed();
        // An account that nothing is known of may have blinked as well.
        let touch = match account.touch {
            Some(Touch::NotRequired) => TouchPolicy::Never,
            Some(Touch::Required) | None => TouchPolicy::Always,
        };
        let answer = answer.map_err(|error| lost_while_blinking(error, touch, waited))?;
        match (answer.sw, self.lock(), touch) {
            (SW_OK, _, _) => Ok(answer),
            (sw::NO_SUCH_OBJECT, _, _) => Err(OathFault::NoSuchAccount {
                account: account.name.to_string(),
            }
            .into()),
            (sw::AUTH_REQUIRED | sw::CONDITIONS, Lock::Open, TouchPolicy::Always | TouchPolicy::Cached) => {
                Err(Error::NoTouch { waited })
            }
            _ => Err(self.refused(&answer)),
        }
    }

    fn send(&mut self, name: &'static str, ins: u8, p2: u8, data: &[u8]) -> Result<Answer> {
        let command = Command::new(name, ins, 0, p2, data);
        apdu::send(
            self.link,
            &Command {
                rest: Rest::SendRemaining,
                ..command
            },
        )
    }

    /// The error for a status word that means nothing special to the command.
    fn refused(&self, answer: &Answer) -> Error {
        match (answer.sw, self.lock()) {
            (sw::AUTH_REQUIRED, Lock::Locked) => OathFault::PasswordRequired.into(),
            _ => answer.refused(),
        }
    }

    fn unsupported(&self, what: &'static str) -> Error {
        Error::NotSupported {
            what,
            firmware: Some(self.version),
        }
    }
}

/// 74 with the step as 8 bytes, most significant first (RFC 4226, 5.1).
fn challenge(step: TimeStep) -> Vec<u8> {
    tlv::write(tag::CHALLENGE, &step.0.to_be_bytes())
}
