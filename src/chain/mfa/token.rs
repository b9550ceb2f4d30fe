//! Finds the OATH account of an MFA device on the tokens that are plugged in: the profile's own token first, then any other.

use super::account::{Choice, Sought, choose};
use super::{Clues, Missing, News, Outlook, now_step, parse};
use crate::context::Context;
use crate::device::oath::{Authenticator, Listing, Manner};
use crate::device::{Look, SOON, busy_words, describe, look_until_free, readers};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::value::MfaSerial;
use crate::secret::SecretText;
use crate::token::Serial;
use crate::token::card::Readers;
use crate::token::discover::{self, Seen};
use crate::token::oath::{self, Kind, Period, TimeStep, Touch};

pub use crate::device::oath::Passwords;

/// Whether a token gives the codes of a device.
pub enum Finding<'a> {
    /// It does.
    Found(Account<'a>),
    /// None does, and it can be left at that.
    Missing(Missing),
}

/// An account on a token that is plugged in.
pub struct Account<'a> {
    authenticator: Authenticator<'a>,
    account: oath::Account,
}

impl<'a> Account<'a> {
    /// This one, on a token that was found otherwise.
    pub fn on(authenticator: Authenticator<'a>, account: oath::Account) -> Self {
        Account { authenticator, account }
    }

    /// The token again, for whatever else is done with it.
    pub fn into_authenticator(self) -> Authenticator<'a> {
        self.authenticator
    }

    /// How many touches a code takes, 0 or 1.
    pub fn touches(&self) -> usize {
        touches(&self.account)
    }

    /// The token as people call it.
    pub fn token(&self) -> String {
        self.authenticator.token()
    }

    /// The account's name, for a person.
    pub fn name(&self) -> String {
        self.account.name.to_string()
    }

    /// A code and the time step that it is for. `device` is named in the line before the touch.
    pub fn code(&mut self, ctx: &Context, device: &str, touches: &mut Touches<'_>) -> Result<(i64, SecretText)> {
        self.calculate(|| now_step(ctx), &format!("give the MFA code of {device}"), touches)
    }

    /// The code of the step that `step` says when it is calculated.
    pub(super) fn calculate(
        &mut self,
        step: impl Fn() -> i64,
        purpose: &str,
        touches: &mut Touches<'_>,
    ) -> Result<(i64, SecretText)> {
        let step = || TimeStep(u64::try_from(step()).unwrap_or_default());
        let code = self.authenticator.code(&self.account, step, purpose, touches)?;
        let text = parse(code.text.expose()).ok_or_else(|| not_six_digits(&self.name(), &self.token()))?;
        Ok((i64::try_from(code.step.0).unwrap_or(i64::MAX), text))
    }
}

/// Looks at the tokens. Nothing blinks; a password that is set on the accounts is asked for.
///
/// # Errors
/// [`ErrorKind::Config`] when several accounts of one token fit: it lists them, and the line that settles it.
pub fn find<'a>(ctx: &'a Context, serial: &MfaSerial, clues: &Clues, passwords: &Passwords) -> Result<Finding<'a>> {
    let readers = match readers(ctx) {
        Ok(readers) => readers,
        Err(error) => return Ok(missing(error, News::Stale)),
    };
    let sought = sought(ctx, serial, clues);
    let scanned = look_until_free(ctx, || {
        scan(ctx, &readers, &sought, &clues.tokens, (Manner::Using, passwords))
    })?;
    Ok(match scanned {
        Look::Done(finding) => finding,
        Look::Busy(token) => missing(Error::new(ErrorKind::Busy, busy_words(&token)), News::Worth),
    })
}

fn sought<'s>(ctx: &'s Context, serial: &'s MfaSerial, clues: &'s Clues) -> Sought<'s> {
    Sought {
        serial,
        user: clues.user.as_deref(),
        named: clues.named(&ctx.settings),
    }
}

/// Which of `accounts`, those on `token`, gives the codes: for whoever has looked at the token already.
///
/// # Errors
/// [`ErrorKind::Config`] when several fit, or the one that does gives no codes of 6 digits.
pub fn among(
    ctx: &Context,
    serial: &MfaSerial,
    clues: &Clues,
    accounts: &[oath::Account],
    token: &str,
) -> Result<Option<Outlook>> {
    let Some(account) = pick(&sought(ctx, serial, clues), accounts.to_vec(), token)? else {
        return Ok(None);
    };
    let name = account.name.to_string();
    match account.digits {
        None | Some(oath::Digits::SIX) => Ok(Some(Outlook {
            token: token.to_owned(),
            account: name,
            touches: touches(&account),
        })),
        Some(_) => Err(not_six_digits(&name, token)),
    }
}

/// Whether a token would give the codes, as far as that can be seen without asking or waiting for anybody.
///
/// # Errors
/// As [`find`].
pub fn look(ctx: &Context, serial: &MfaSerial, clues: &Clues) -> Result<Option<Outlook>> {
    let Ok(readers) = readers(ctx) else { return Ok(None) };
    let sought = sought(ctx, serial, clues);
    let looking = (Manner::Looking, &Passwords::default());
    Ok(match scan(ctx, &readers, &sought, &clues.tokens, looking)? {
        Look::Done(Finding::Found(account)) => Some(Outlook {
            token: account.token(),
            account: account.name(),
            touches: account.touches(),
        }),
        Look::Done(Finding::Missing(_)) | Look::Busy(_) => None,
    })
}

/// One look at all readers: whether a token gives the codes.
fn scan<'a>(
    ctx: &'a Context,
    readers: &Readers,
    sought: &Sought<'_>,
    own: &[Serial],
    (manner, passwords): (Manner, &Passwords),
) -> Result<Look<Finding<'a>>> {
    let mut seen = Vec::new();
    let mut busy = false;
    for sighting in discover::find(readers, SOON).map_err(|err| describe(&err, "a YubiKey"))? {
        match sighting.what {
            Seen::Token { serial, .. } => seen.push((serial, sighting.reader)),
            Seen::Busy => busy = true,
            Seen::Foreign => {}
        }
    }
    seen.sort_by_key(|(serial, _)| !own.contains(serial));
    let mut asked = Vec::new();
    // What kept a token from being looked at; another one may have the account all the same.
    let mut obstacle = None;
    for (serial, reader) in seen {
        let Ok(card) = readers.connect(&reader, SOON) else {
            busy = true;
            continue;
        };
        let mut authenticator = Authenticator::new(ctx, card, serial, manner, passwords);
        let accounts = match authenticator.accounts() {
            Ok(Listing::Accounts(accounts)) => accounts,
            Ok(Listing::NoApplet) => continue,
            Ok(Listing::Locked(error)) => {
                obstacle.get_or_insert(error);
                continue;
            }
            // A person who gave up, or mistyped, wants no other token's code; nor is one's own token passed over.
            Err(error) if own.contains(&serial) || matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Pin) => {
                return Err(error);
            }
            Err(error) => {
                obstacle.get_or_insert(error);
                continue;
            }
        };
        asked.push(authenticator.token());
        if let Some(account) = pick(sought, accounts, &authenticator.token())? {
            return Ok(Look::Done(Finding::Found(Account { authenticator, account })));
        }
    }
    Ok(match (busy, obstacle) {
        (true, _) => Look::Busy("a YubiKey".into()),
        (false, Some(error)) => Look::Done(missing(error, News::Worth)),
        (false, None) => Look::Done(none_fits(sought, &asked)),
    })
}

fn touches(account: &oath::Account) -> usize {
    match account.touch {
        Some(Touch::NotRequired) => 0,
        Some(Touch::Required) | None => 1,
    }
}

fn not_six_digits(account: &str, token: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("the OATH account {account} on {token} gives no codes of 6 digits, as AWS wants them"),
    )
}

/// The account of one token that is meant.
fn pick(sought: &Sought<'_>, accounts: Vec<oath::Account>, token: &str) -> Result<Option<oath::Account>> {
    // A counter-based account, or another period, can't be a device of AWS's.
    let mut usable: Vec<oath::Account> = accounts
        .into_iter()
        .filter(|account| account.kind == Kind::Totp && account.name.period() == Period::DEFAULT)
        .collect();
    let names: Vec<String> = usable
        .iter()
        .map(|account| String::from_utf8_lossy(account.name.label()).into_owned())
        .collect();
    match choose(sought, names.iter().map(String::as_str)) {
        Choice::None => Ok(None),
        Choice::One(index) => Ok(Some(usable.swap_remove(index))),
        Choice::Several(indices) => {
            let listed: Vec<String> = indices.iter().map(|index| format!("{:?}", names[*index])).collect();
            Err(Error::new(
                ErrorKind::Config,
                format!(
                    "several OATH accounts on {token} may be {}: {}",
                    sought.serial,
                    listed.join(", ")
                ),
            )
            .hint(format!(
                "say which in config.toml: [profile.NAME] and below it oath = {}",
                listed[0]
            )))
        }
    }
}

fn none_fits<'a>(sought: &Sought<'_>, asked: &[String]) -> Finding<'a> {
    let device = sought.serial.device();
    if asked.is_empty() {
        let error = Error::new(
            ErrorKind::NoKey,
            format!("no token with the codes of {device} is plugged in"),
        );
        return missing(error, News::Stale);
    }
    let what = match sought.named {
        Some(named) => format!("no OATH account {named:?}"),
        None => format!("no OATH account for {device}"),
    };
    let error = Error::new(ErrorKind::NoKey, format!("{what} on {}", asked.join(" or ")))
        .hint(format!(
            "name it {}, or set oath = \"...\" under [profile.NAME] in config.toml; `ykman oath accounts list` shows what there is",
            sought.serial
        ));
    missing(error, News::Worth)
}

fn missing<'a>(error: Error, news: News) -> Finding<'a> {
    Finding::Missing(Missing { error, news })
}
