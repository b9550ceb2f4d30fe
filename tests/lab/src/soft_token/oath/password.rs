//! The password: set, taken away, and proven from both sides.

use super::{
    Oath, fields,
    state::{Algorithm, PasswordKey},
    tag,
};
use crate::soft_token::{
    apdu::{Answer, Command, StatusWord},
    hex::Hex,
    tlv,
};

impl Oath {
    /// SET CODE. An empty key takes the password away; another one has to be shown to be known first.
    ///
    /// Unverified: who sets a password has proven it for as long as the applet stays selected.
    pub(super) fn set_code(&mut self, command: &Command) -> Answer {
        let fields = fields(&command.data)?;
        let key = tlv::find(&fields, tag::KEY).ok_or(StatusWord::INCORRECT_DATA)?;
        let Some((type_byte, key)) = key.split_first() else {
            self.state.password = None;
            return self.save();
        };
        let algorithm = Algorithm::from_type_byte(*type_byte).ok_or(StatusWord::INCORRECT_DATA)?;
        let (challenge, response) = (
            tlv::find(&fields, tag::CHALLENGE).ok_or(StatusWord::INCORRECT_DATA)?,
            tlv::find(&fields, tag::RESPONSE).ok_or(StatusWord::INCORRECT_DATA)?,
        );
        if algorithm.hmac(key, challenge) != response {
            return Err(StatusWord::NO_SUCH_OBJECT);
        }
        self.state.password = Some(PasswordKey {
            algorithm,
            key: Hex(key.to_vec()),
        });
        self.session.authenticated = true;
        self.save()
    }

    /// VALIDATE: the host's answer to our challenge, then ours to the host's.
    pub(super) fn validate(&mut self, command: &Command) -> Answer {
        let Some(password) = &self.state.password else {
            return Err(StatusWord::NO_SUCH_OBJECT);
        };
        let fields = fields(&command.data)?;
        let response = tlv::find(&fields, tag::RESPONSE).ok_or(StatusWord::INCORRECT_DATA)?;
        let challenge = tlv::find(&fields, tag::CHALLENGE).ok_or(StatusWord::INCORRECT_DATA)?;
        let expected = password.algorithm.hmac(&password.key.0, &self.session.challenge);
        if response != expected {
            return Err(StatusWord::INCORRECT_DATA);
        }
        self.session.authenticated = true;
        Ok(tlv::encode(
            tag::RESPONSE,
            &password.algorithm.hmac(&password.key.0, challenge),
        ))
    }
}
