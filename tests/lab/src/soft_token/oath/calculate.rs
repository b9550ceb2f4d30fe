//! Codes: one under a finger if need be, or all that need none.

use super::{
    Oath, fields,
    state::{Account, Kind, Touch, truncate},
    tag,
};
use crate::soft_token::{
    apdu::{Answer, Command, StatusWord},
    body, tlv,
};

/// How much of the HMAC the host gets: P2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Full,
    Truncated,
}

impl Oath {
    /// CALCULATE. A counter-based account's counter goes on, whatever challenge there is.
    pub(super) fn calculate(&mut self, command: &Command) -> Answer {
        let form = form(command)?;
        let fields = fields(&command.data)?;
        let name = tlv::find(&fields, tag::NAME).ok_or(StatusWord::INCORRECT_DATA)?;
        let challenge = tlv::find(&fields, tag::CHALLENGE).ok_or(StatusWord::INCORRECT_DATA)?;
        let account = self.state.find(name).ok_or(StatusWord::NO_SUCH_OBJECT)?;
        match account.touch {
            Touch::NotRequired => {}
            Touch::Required => {
                let purpose = format!("calculate {}", String::from_utf8_lossy(name));
                match self.device.body.await_touch(&purpose) {
                    body::Touch::Given | body::Touch::Cached => {}
                    body::Touch::Missed => return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED),
                    body::Touch::Interrupted => return Err(StatusWord::ABORTED),
                }
            }
        }
        match account.kind {
            Kind::Totp if challenge.is_empty() => Err(StatusWord::INCORRECT_DATA),
            Kind::Totp => Ok(response(account, challenge, form)),
            Kind::Hotp => {
                let answer = response(account, &account.counter.to_be_bytes(), form);
                account.counter += 1;
                self.save()?;
                Ok(answer)
            }
        }
    }

    /// CALCULATE ALL: what needs a touch or would move a counter is told by its tag and the number of digits only.
    pub(super) fn calculate_all(&mut self, command: &Command) -> Answer {
        let form = form(command)?;
        let fields = fields(&command.data)?;
        let challenge = tlv::find(&fields, tag::CHALLENGE).ok_or(StatusWord::INCORRECT_DATA)?;
        let mut answer = Vec::new();
        for account in &self.state.accounts {
            answer.extend(tlv::encode(tag::NAME, &account.name.0));
            answer.extend(match (account.kind, account.touch) {
                (Kind::Hotp, _) => tlv::encode(tag::COUNTER_BASED, &[account.digits]),
                (Kind::Totp, Touch::Required) => tlv::encode(tag::TOUCH, &[account.digits]),
                (Kind::Totp, Touch::NotRequired) => response(account, challenge, form),
            });
        }
        Ok(answer)
    }
}

fn form(command: &Command) -> Result<Form, StatusWord> {
    match (command.p1, command.p2) {
        (0, 0) => Ok(Form::Full),
        (0, 1) => Ok(Form::Truncated),
        _ => Err(StatusWord::INCORRECT_P1P2),
    }
}

fn response(account: &Account, message: &[u8], form: Form) -> Vec<u8> {
    let hmac = account.hmac(message);
    let digits = [account.digits];
    match form {
        Form::Full => tlv::encode(tag::RESPONSE, &[&digits, &hmac[..]].concat()),
        Form::Truncated => tlv::encode(tag::TRUNCATED, &[&digits, &truncate(&hmac)[..]].concat()),
    }
}
