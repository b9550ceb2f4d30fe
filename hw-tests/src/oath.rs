//! The OATH scenarios: one account of a name that nobody else uses, put, calculated under a finger, and deleted.
//!
//! They speak to the token through tapvault's own token room. A token whose OATH applet has a password is left alone.

use crate::piv::Piv;
use crate::scenarios::{Outcome, Token, same};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tapvault::token::card::Readers;
use tapvault::token::oath::{Account, AccountName, Algorithm, Digits, Lock, NewAccount, Oath, Seed, TimeStep, Touch};
use tapvault::token::{Error, OathFault, Serial, discover};
use zeroize::Zeroizing;

/// The account. No service has one of this name.
pub const ACCOUNT: &str = "tapvault-hw-tests:delete me";

/// RFC 4226, appendix D: the seed, and the code of step 1.
const SEED: &[u8] = b"12345678901234567890";
const STEP: TimeStep = TimeStep(1);
const CODE: &str = "287082";

/// How long other programs are waited for.
const WAIT: Duration = Duration::from_secs(5);

pub fn put(piv: &mut Piv) -> Result<Outcome, String> {
    let before = with_oath(piv, |oath| oath.accounts(now()))?;
    let Some(before) = before else { return Ok(locked()) };
    if before.iter().any(|account| account.name == name()) {
        return Err(format!("an earlier run has left its account; {}", piv.deletion()));
    }
    let new = NewAccount {
        name: name(),
        algorithm: Algorithm::Sha1,
        digits: Digits::SIX,
        touch: Touch::Required,
        seed: Seed::new(Zeroizing::new(SEED.to_vec())),
    };
    let put = with_oath(piv, |oath| {
        oath.put(&new)?;
        let again = oath.put(&new);
        Ok((again, oath.accounts(now())?))
    })?;
    let Some((again, after)) = put else { return Ok(locked()) };
    piv.put_account();
    if !matches!(again, Err(Error::Oath(OathFault::AccountExists { .. }))) {
        return Err(format!("putting it twice gave {again:?}"));
    }
    let ours = after.iter().find(|account| account.name == name());
    let ours = ours.ok_or("the account is not in the list")?;
    same("touch", &format!("{:?}", ours.touch), "Some(Required)")?;
    same(
        "number of accounts",
        &after.len().to_string(),
        &(before.len() + 1).to_string(),
    )
}

pub fn calculate(piv: &mut Piv) -> Result<Outcome, String> {
    match code(piv)? {
        None => Ok(locked()),
        Some(result) => same("code", &result.map_err(|error| error.to_string())?, CODE),
    }
}

pub fn withhold_touch(piv: &mut Piv) -> Result<Outcome, String> {
    match code(piv)? {
        None => Ok(locked()),
        Some(Err(Error::NoTouch { waited })) => {
            println!("   it blinked for {} s", waited.as_secs());
            Ok(Outcome::Passed)
        }
        Some(other) => Err(format!("it gave {other:?} instead of a missed touch")),
    }
}

pub fn pull_out(piv: &mut Piv) -> Result<Outcome, String> {
    let result = code(piv);
    // whatever came of it: what follows needs the token
    piv.bench().wait_for_enter("plug the token in again, then Enter");
    match result? {
        None => Ok(locked()),
        Some(Err(Error::Removed)) => Ok(Outcome::Passed),
        Some(other) => Err(format!("it gave {other:?} instead of a removed token")),
    }
}

pub fn delete(piv: &mut Piv) -> Result<Outcome, String> {
    if !piv.has_account() {
        return Ok(Outcome::LeftOut("there is no account of ours on the token".to_owned()));
    }
    let left = with_oath(piv, |oath| {
        oath.delete(&name())?;
        oath.accounts(now())
    })?;
    let Some(left) = left else { return Ok(locked()) };
    if left.iter().any(|account| account.name == name()) {
        return Err("the account is still there".to_owned());
    }
    piv.deleted_account();
    Ok(Outcome::Passed)
}

fn name() -> AccountName {
    AccountName::new(ACCOUNT.as_bytes()).expect("27 bytes are within 64")
}

fn locked() -> Outcome {
    Outcome::LeftOut("the token's OATH applet has a password".to_owned())
}

/// What became of a code.
type Calculated = Result<String, Error>;

/// The code of our account; `None` behind a password. Nothing is calculated before our account is seen to be there.
fn code(piv: &Piv) -> Result<Option<Calculated>, String> {
    if !piv.has_account() {
        return Err("the account was not put".to_owned());
    }
    with_oath(piv, |oath| {
        let accounts: Vec<Account> = oath.accounts(now())?;
        let ours = accounts.iter().find(|account| account.name == name());
        let Some(ours) = ours else {
            return Ok(Err(OathFault::NoSuchAccount {
                account: ACCOUNT.to_owned(),
            }
            .into()));
        };
        println!("   touch YubiKey {} for a code", piv.serial());
        Ok(oath.calculate(ours, STEP).map(|code| code.text.expose().to_owned()))
    })
}

/// Runs `work` on the applet of the one token that was named; `None` if it has a password.
fn with_oath<R>(piv: &Piv, work: impl FnOnce(&mut Oath<'_>) -> Result<R, Error>) -> Result<Option<R>, String> {
    let run = || {
        let readers = Readers::open()?;
        let mut card = discover::connect(&readers, Serial(piv.serial()), WAIT)?;
        let mut transaction = card.transaction(WAIT)?;
        let mut oath = Oath::select(&mut transaction)?;
        match oath.lock() {
            Lock::Open => work(&mut oath).map(Some),
            Lock::Locked => Ok(None),
        }
    };
    run().map_err(|error: Error| error.to_string())
}

/// In seconds since the Unix epoch.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
