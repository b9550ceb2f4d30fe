//! A card that says anything, to the PIV and the OATH side.

use super::is_plain;
use tapvault::token::apdu::Transmit;
use tapvault::token::attestation::is_signed_by;
use tapvault::token::oath::{AccountName, Algorithm, Digits, Kind, NewAccount, Oath, Seed, TimeStep, Touch, UnlockKey};
use tapvault::token::piv::Piv;
use tapvault::token::{Error, PinPolicy, Point, Policies, Result, Slot, TouchPolicy, discover};
use zeroize::Zeroizing;

/// Answers one after the other, each behind two bytes of length; then the card is gone.
struct Card<'a> {
    answers: &'a [u8],
}

impl Card<'_> {
    fn next(&mut self) -> Option<Vec<u8>> {
        let (length, rest) = self.answers.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (answer, rest) = rest.split_at(length);
        self.answers = rest;
        Some(answer.to_vec())
    }
}

impl Transmit for Card<'_> {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        // ISO 7816-4, 5.1: header, at most 255 bytes behind their length, and Le.
        assert!((4..=261).contains(&apdu.len()), "a short APDU");
        self.next().map(Zeroizing::new).ok_or(Error::Removed)
    }

    fn note(&mut self, line: std::fmt::Arguments<'_>) {
        is_plain(&line.to_string());
    }
}

fn told<T>(result: Result<T>) -> bool {
    if let Err(error) = &result {
        is_plain(&error.to_string());
    }
    result.is_ok()
}

/// The first byte says what the card is asked.
pub fn piv(bytes: &[u8]) -> bool {
    let Some((what, answers)) = bytes.split_first() else {
        return false;
    };
    let mut card = Card { answers };
    let slot = Slot::retired(1).expect("there are twenty");
    let policies = Policies {
        pin: PinPolicy::Once,
        touch: TouchPolicy::Always,
    };
    if *what == 0 {
        return told(discover::look(&mut card));
    }
    if *what == 1 {
        // A certificate and who is said to have signed it, without a card in between.
        let (Some(certificate), Some(issuer)) = (card.next(), card.next()) else {
            return false;
        };
        return told(is_signed_by(&certificate, &issuer));
    }
    let mut piv = match Piv::select(&mut card) {
        Ok(piv) => piv,
        Err(error) => return told::<()>(Err(error)),
    };
    match what {
        2 => told(piv.metadata(slot)),
        3 => told(piv.management_metadata()),
        4 => told(piv.pin_metadata()),
        5 => told(piv.attest(slot)),
        6 => told(piv.certificate(slot)),
        7 => told(piv.pin_status()) && told(piv.verify(b"123456")),
        8 => told(piv.version()) && told(piv.serial()),
        9 => told(piv.sign(slot, policies, &[7; 32])),
        10 => told(piv.ecdh(slot, policies, &generator())),
        _ => told(discover::describe(&mut piv, slot)),
    }
}

/// The generator of P-256 (SEC 2, 2.4.2): a point like any other.
fn generator() -> Point {
    const X: [u8; 33] = [
        0x03, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77,
        0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
    ];
    Point::from_sec1(&X).expect("on the curve")
}

/// The first byte says what the applet is asked; a password is tried where it wants one.
pub fn oath(bytes: &[u8]) -> bool {
    let Some((what, answers)) = bytes.split_first() else {
        return false;
    };
    let mut card = Card { answers };
    let mut oath = match Oath::select(&mut card) {
        Ok(oath) => oath,
        Err(error) => return told::<()>(Err(error)),
    };
    if !told(oath.unlock(&UnlockKey::from_bytes(Zeroizing::new([7; 16])))) {
        return false;
    }
    let name = AccountName::new(b"60/Amazon:ana").expect("a short name");
    match what {
        0 => told(oath.put(&NewAccount {
            name,
            algorithm: Algorithm::Sha256,
            digits: Digits::SIX,
            touch: Touch::Required,
            seed: Seed::new(Zeroizing::new(vec![7; 20])),
        })),
        1 => told(oath.delete(&name)),
        _ => codes(&mut oath),
    }
}

/// Lists the accounts and has the first few calculated.
fn codes(oath: &mut Oath<'_>) -> bool {
    let accounts = match oath.accounts(59) {
        Ok(accounts) => accounts,
        Err(error) => return told::<()>(Err(error)),
    };
    for account in accounts.iter().take(3) {
        is_plain(&account.name.to_string());
        assert!(account.name.bytes().ends_with(account.name.account()));
        let step = account.name.period().step_at(u64::MAX);
        match oath.calculate(account, step) {
            Ok(code) => is_code(code.text.expose()),
            Err(error) => {
                told::<()>(Err(error));
            }
        }
        match oath.calculate_in_full(account, TimeStep(1)) {
            Ok(full) => match full.code() {
                Ok(code) => is_code(code.expose()),
                Err(_) => assert!(full.hmac().len() < 20),
            },
            Err(error) => {
                told::<()>(Err(error));
            }
        }
        assert!(account.kind == Kind::Totp || oath.calculate(account, step).is_err());
    }
    !accounts.is_empty()
}

fn is_code(code: &str) {
    assert!((6..=8).contains(&code.len()) && code.bytes().all(|digit| digit.is_ascii_digit()));
}
