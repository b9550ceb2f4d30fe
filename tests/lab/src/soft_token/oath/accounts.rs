//! The accounts: put, renamed, deleted, listed.

use super::{
    Oath, fields,
    state::{Account, Algorithm, Kind, Touch},
    tag,
};
use crate::soft_token::{
    apdu::{Answer, Command, StatusWord},
    hex::Hex,
    tlv,
};

const LONGEST_NAME: usize = 64;
/// A block of SHA-512: what HMAC takes without hashing it first.
const LONGEST_KEY: usize = 128;
/// PROPERTIES: the touch. The other one, "only increasing", is taken and has no effect here.
const REQUIRE_TOUCH: u8 = 0x02;

impl Oath {
    /// PUT: makes an account, or another one of the same name in its place.
    pub(super) fn put(&mut self, command: &Command) -> Answer {
        let account = parse(&command.data).ok_or(StatusWord::INCORRECT_DATA)?;
        let most = self.device.firmware.oath_accounts();
        let full = self.state.accounts.len() >= most;
        match self.state.find(&account.name.0) {
            Some(old) => *old = account,
            None if full => return Err(StatusWord::NO_SPACE),
            None => self.state.accounts.push(account),
        }
        self.save()
    }

    pub(super) fn delete(&mut self, command: &Command) -> Answer {
        let fields = fields(&command.data)?;
        let name = tlv::find(&fields, tag::NAME).ok_or(StatusWord::INCORRECT_DATA)?;
        self.state.find(name).ok_or(StatusWord::NO_SUCH_OBJECT)?;
        self.state.accounts.retain(|account| account.name.0 != name);
        self.save()
    }

    /// RENAME, of firmware 5.3.1: the old name and the new one. Unverified: a name that is taken already is refused.
    pub(super) fn rename(&mut self, command: &Command) -> Answer {
        let fields = fields(&command.data)?;
        let [(tag::NAME, old), (tag::NAME, new)] =
            fields.iter().map(|tlv| (tlv.tag, tlv.value)).collect::<Vec<_>>()[..]
        else {
            return Err(StatusWord::INCORRECT_DATA);
        };
        if !is_name(new) || self.state.find(new).is_some() {
            return Err(StatusWord::INCORRECT_DATA);
        }
        let account = self.state.find(old).ok_or(StatusWord::NO_SUCH_OBJECT)?;
        account.name = Hex(new.to_vec());
        self.save()
    }

    pub(super) fn list(&self) -> Vec<u8> {
        let listed = self.state.accounts.iter().map(|account| {
            let value = [&[account.type_byte()], &account.name.0[..]].concat();
            tlv::encode(tag::LISTED, &value)
        });
        listed.collect::<Vec<_>>().concat()
    }
}

/// 71 and 73, and perhaps 78 (whose value has no length before it) and 7a.
fn parse(data: &[u8]) -> Option<Account> {
    let (name, rest) = tlv::first(data).filter(|(name, _)| name.tag == tag::NAME)?;
    let (key, mut rest) = tlv::first(rest).filter(|(key, _)| key.tag == tag::KEY)?;
    let [type_byte, digits @ 6..=8, seed @ ..] = key.value else {
        return None;
    };
    if !is_name(name.value) || seed.is_empty() || seed.len() > LONGEST_KEY {
        return None;
    }
    let mut touch = Touch::NotRequired;
    if let [tag::PROPERTY, properties, after @ ..] = rest {
        if properties & REQUIRE_TOUCH != 0 {
            touch = Touch::Required;
        }
        rest = after;
    }
    let counter = match rest {
        [] => 0,
        _ => u32::from_be_bytes(tlv::only(rest, tag::COUNTER)?.try_into().ok()?),
    };
    Some(Account {
        name: Hex(name.value.to_vec()),
        kind: Kind::from_type_byte(*type_byte)?,
        algorithm: Algorithm::from_type_byte(*type_byte)?,
        digits: *digits,
        key: Hex(seed.to_vec()),
        touch,
        counter: counter.into(),
    })
}

fn is_name(bytes: &[u8]) -> bool {
    (1..=LONGEST_NAME).contains(&bytes.len())
}
