//! Tries the OATH applet by hand or from tests: what is on it, and what codes it gives.
//!
//! oath-probe SERIAL COMMAND [password=TEXT]
//!   accounts                               all that is known of each
//!   code NAME [at=SECONDS] [tries=N] [full] a code; N touches are waited for
//!   put NAME SEED [sha1|sha256|sha512] [digits=6] [touch]
//!   fill N SEED                            puts accounts until one is refused, N at most, in one transaction
//!   delete NAME
//!   after-piv PIN NAME                     PIN verified, then a code, all in one transaction
//!
//! A NAME may be `hex:` and bytes; a SEED is hexadecimal. Prints `key: value` lines; an error goes to stderr as its Debug
//! form, exit code 1.

use std::{env, error::Error as StdError, process::ExitCode, time::Duration};
use tapvault::{
    secret::SecretText,
    token::{
        Error, Serial,
        card::{Readers, Transaction},
        discover,
        oath::{Account, AccountName, Algorithm, Digits, Lock, NewAccount, Oath, Seed, Touch, UnlockKey},
        piv::Piv,
    },
};
use zeroize::Zeroizing;

type Anything<T> = Result<T, Box<dyn StdError>>;

const WAIT: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error} | {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Anything<()> {
    let [serial, command @ ..] = words else {
        return Err("not understood, see the head of oath_probe.rs".into());
    };
    let mut card = discover::connect(&Readers::open()?, Serial(serial.parse()?), WAIT)?;
    let mut transaction = card.transaction(WAIT)?;
    let options = Options(words);
    if let ["after-piv", pin, name, ..] = command {
        let mut piv = Piv::select(&mut transaction)?;
        piv.pin_status()?;
        piv.verify(pin.as_bytes())?;
        // The PIN ends with the selection of OATH; nothing has to be done for it.
        let _verified = piv.pause();
        return code(&mut unlocked(&mut transaction, &options)?, name, &options);
    }
    let mut oath = unlocked(&mut transaction, &options)?;
    match command {
        ["accounts", ..] => {
            for account in oath.accounts(options.at()?)? {
                let Account {
                    name,
                    kind,
                    algorithm,
                    digits,
                    touch,
                } = account;
                let digits = digits.map(Digits::count);
                println!("account: {name} | {kind:?} {algorithm:?} {digits:?} {touch:?}");
            }
            Ok(())
        }
        ["code", name, ..] => code(&mut oath, name, &options),
        ["put", name, seed, ..] => {
            oath.put(&NewAccount {
                name: account_name(name)?,
                algorithm: options.algorithm(),
                digits: options.digits()?,
                touch: options.touch(),
                seed: Seed::new(Zeroizing::new(from_hex(seed)?)),
            })?;
            println!("put: {name}");
            Ok(())
        }
        ["fill", most, seed, ..] => {
            for number in 0..most.parse::<u32>()? {
                oath.put(&NewAccount {
                    name: AccountName::new(format!("4000000000/{number:02}-{}", "x".repeat(50)).as_bytes())?,
                    algorithm: Algorithm::Sha1,
                    digits: Digits::SIX,
                    touch: Touch::NotRequired,
                    seed: Seed::new(Zeroizing::new(from_hex(seed)?)),
                })?;
                println!("put: {number}");
            }
            Ok(())
        }
        ["delete", name, ..] => Ok(oath.delete(&account_name(name)?)?),
        _ => Err("not understood, see the head of oath_probe.rs".into()),
    }
}

fn unlocked<'t>(transaction: &'t mut Transaction<'_>, options: &Options) -> Anything<Oath<'t>> {
    let mut oath = Oath::select(transaction)?;
    println!("lock: {:?}", oath.lock());
    if let (Lock::Locked, Some(password)) = (oath.lock(), options.get("password")) {
        let key = UnlockKey::derive(&SecretText::copy_of(password), oath.salt());
        oath.unlock(&key)?;
    }
    Ok(oath)
}

fn code(oath: &mut Oath<'_>, name: &str, options: &Options) -> Anything<()> {
    let name = account_name(name)?;
    let now = options.at()?;
    let accounts = oath.accounts(now)?;
    let account = accounts
        .iter()
        .find(|account| account.name == name)
        .ok_or("no such account")?;
    let step = account.name.period().step_at(now);
    println!("calculating: now");
    if options.has("full") {
        let full = oath.calculate_in_full(account, step)?;
        println!("hmac: {} bytes", full.hmac().len());
        println!("code: {}", full.code()?.expose());
        return Ok(());
    }
    let mut result = oath.calculate(account, step);
    for _ in 1..options.get("tries").map_or(Ok(1), str::parse)? {
        let Err(Error::NoTouch { waited }) = result else { break };
        println!("no touch: {} ms", waited.as_millis());
        result = oath.calculate(account, step);
    }
    println!("code: {}", result?.text.expose());
    Ok(())
}

/// `name=value` words, and words that are there or not.
struct Options<'a>(&'a [&'a str]);

impl Options<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    fn at(&self) -> Anything<u64> {
        Ok(self.get("at").unwrap_or("0").parse()?)
    }

    fn algorithm(&self) -> Algorithm {
        if self.has("sha256") {
            Algorithm::Sha256
        } else if self.has("sha512") {
            Algorithm::Sha512
        } else {
            Algorithm::Sha1
        }
    }

    fn digits(&self) -> Anything<Digits> {
        let count = self.get("digits").unwrap_or("6").parse()?;
        Ok(Digits::new(count).ok_or("6, 7 or 8 digits")?)
    }

    fn touch(&self) -> Touch {
        if self.has("touch") {
            Touch::Required
        } else {
            Touch::NotRequired
        }
    }
}

fn account_name(word: &str) -> Anything<AccountName> {
    let bytes = match word.strip_prefix("hex:") {
        Some(hex) => from_hex(hex)?,
        None => word.as_bytes().to_vec(),
    };
    Ok(AccountName::new(&bytes)?)
}

fn from_hex(text: &str) -> Anything<Vec<u8>> {
    let pairs = text
        .as_bytes()
        .chunks(2)
        .map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?));
    pairs.collect()
}
