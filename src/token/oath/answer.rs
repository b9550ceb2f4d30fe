//! The applet's answers, read without trust: whatever does not fit is malformed, and never a panic.

use super::{
    account::{Account, AccountName, Algorithm, Digits, Kind, Touch},
    code::FullResponse,
    password::Salt,
};
use crate::token::{Error, Firmware, Result, tlv};
use zeroize::Zeroizing;

/// YKOATH's tags.
pub(super) mod tag {
    pub const NAME: u8 = 0x71;
    pub const LISTED: u8 = 0x72;
    pub const KEY: u8 = 0x73;
    pub const CHALLENGE: u8 = 0x74;
    pub const FULL: u8 = 0x75;
    pub const TRUNCATED: u8 = 0x76;
    pub const PROPERTY: u8 = 0x78;
    pub const VERSION: u8 = 0x79;
    pub const ALGORITHM: u8 = 0x7b;
    pub const TOUCH: u8 = 0x7c;
}

pub(super) const MALFORMED_CODE: &str = "the token's OATH code";
const LIST: &str = "the token's list of OATH accounts";
const GREETING: &str = "the OATH applet's greeting";

/// What SELECT tells.
pub(super) struct Greeting {
    pub version: Firmware,
    pub salt: Salt,
    /// There if a password is set: the token's challenge, and the hash that both sides answer with.
    pub challenge: Option<(Vec<u8>, Algorithm)>,
}

impl Greeting {
    pub fn parse(data: &[u8]) -> Result<Self> {
        let malformed = || Error::Malformed { what: GREETING };
        let find = |tag: u8| -> Result<Option<&[u8]>> {
            let found = tlv::Reader::new(data, GREETING).find(u32::from(tag))?;
            Ok(found.map(|found| found.value))
        };
        let version = match find(tag::VERSION)? {
            Some([major, minor, patch, ..]) => Firmware::new(*major, *minor, *patch),
            _ => return Err(malformed()),
        };
        let salt = Salt::new(find(tag::NAME)?.ok_or_else(malformed)?);
        let algorithm = match find(tag::ALGORITHM)? {
            // The first versions, of the NEO, know but one and don't name it.
            None => Algorithm::Sha1,
            Some([byte]) => Algorithm::from_byte(*byte).ok_or_else(malformed)?,
            Some(_) => return Err(malformed()),
        };
        let challenge = find(tag::CHALLENGE)?.map(|challenge| (challenge.to_vec(), algorithm));
        Ok(Self {
            version,
            salt,
            challenge,
        })
    }
}

/// LIST: for each account 72, length, a byte of type and algorithm, the name.
pub(super) fn list(data: &[u8]) -> Result<Vec<Account>> {
    let mut reader = tlv::Reader::new(data, LIST);
    let mut accounts = Vec::new();
    while let Some(listed) = reader.next()? {
        if listed.tag != u32::from(tag::LISTED) {
            continue;
        }
        let (byte, name) = listed.value.split_first().ok_or_else(|| reader.malformed())?;
        accounts.push(Account {
            name: AccountName::from_token(name),
            kind: Kind::from_byte(*byte),
            algorithm: Algorithm::from_byte(*byte),
            digits: None,
            touch: None,
        });
    }
    Ok(accounts)
}

/// What CALCULATE ALL tells of an account beside its code, which is dropped.
pub(super) struct Told {
    pub name: AccountName,
    pub digits: Option<Digits>,
    pub touch: Option<Touch>,
}

/// CALCULATE ALL: for each account 71 with the name, then 76 with digits and code, 75 with digits and HMAC, or with digits
/// only: 77 for counter-based ones, 7c for those that want a touch.
pub(super) fn calculate_all(data: &[u8]) -> Result<Vec<Told>> {
    let mut reader = tlv::Reader::new(data, LIST);
    let mut all = Vec::new();
    while let Some(name) = reader.next()? {
        if name.tag != u32::from(tag::NAME) {
            return Err(reader.malformed());
        }
        let told = reader.next()?.ok_or_else(|| reader.malformed())?;
        let touch = match u8::try_from(told.tag) {
            Ok(tag::TOUCH) => Some(Touch::Required),
            Ok(tag::TRUNCATED | tag::FULL) => Some(Touch::NotRequired),
            _ => None,
        };
        all.push(Told {
            name: AccountName::from_token(name.value),
            digits: told.value.first().copied().and_then(Digits::new),
            touch,
        });
    }
    Ok(all)
}

/// CALCULATE with truncation: 76, then digits and four bytes.
pub(super) fn truncated(data: &[u8]) -> Result<(Digits, u32)> {
    let value = response(data, tag::TRUNCATED)?;
    match value {
        (digits, [a, b, c, d]) => Ok((digits, u32::from_be_bytes([*a, *b, *c, *d]))),
        _ => Err(Error::Malformed { what: MALFORMED_CODE }),
    }
}

/// CALCULATE without: 75, then digits and the HMAC.
pub(super) fn full(data: &[u8]) -> Result<FullResponse> {
    let (digits, hmac) = response(data, tag::FULL)?;
    Ok(FullResponse {
        digits,
        hmac: Zeroizing::new(hmac.to_vec()),
    })
}

fn response(data: &[u8], tag: u8) -> Result<(Digits, &[u8])> {
    let mut reader = tlv::Reader::new(data, MALFORMED_CODE);
    let value = reader.expect(u32::from(tag))?.value;
    let (digits, rest) = value.split_first().ok_or_else(|| reader.malformed())?;
    let digits = Digits::new(*digits).ok_or_else(|| reader.malformed())?;
    Ok((digits, rest))
}
