//! The JSON in which a program prints credentials: the contract of `credential_process`, which `aws-vault export` keeps too.

use super::{AccessKey, Credentials, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;
use jiff::Timestamp;
use serde::Deserialize;

/// AWS SDKs and Tools Reference Guide, "Process credential provider".
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    version: u32,
    access_key_id: String,
    secret_access_key: SecretText,
    session_token: Option<SecretText>,
    expiration: Option<Timestamp>,
}

/// Reads what `program` printed.
///
/// # Errors
/// [`ErrorKind::Config`] when it is no such JSON, of another version, empty, or has ended at `now`.
pub fn parse(json: &str, program: &str, now: Timestamp) -> Result<Credentials> {
    let unfit = |how: String| Error::new(ErrorKind::Config, format!("{program} {how}"));
    // serde's own words may quote what it found, and that is a secret.
    let printed: Printed = serde_json::from_str(json).map_err(|err| {
        unfit(format!(
            "printed no credentials in JSON (line {}, column {})",
            err.line(),
            err.column()
        ))
    })?;
    if printed.version != 1 {
        return Err(unfit(format!(
            "printed version {} of the format; version 1 is known",
            printed.version
        )));
    }
    if printed.access_key_id.is_empty() || printed.secret_access_key.is_empty() {
        return Err(unfit("printed an empty key".into()));
    }
    if printed.expiration.is_some_and(|expires| expires <= now) {
        return Err(unfit("printed credentials that have ended".into()));
    }
    Ok(match printed.session_token {
        Some(token) => Credentials::Temporary(Session {
            id: printed.access_key_id,
            secret: printed.secret_access_key,
            token,
            // Without one the process vouches for nothing; an hour is what STS gives by default.
            expires: printed.expiration.unwrap_or(now + jiff::SignedDuration::from_hours(1)),
        }),
        None => Credentials::LongTerm(AccessKey {
            id: printed.access_key_id,
            secret: printed.secret_access_key,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Credentials> {
        parse(json, "credential_process", Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn both_forms_of_the_contract_are_read() {
        let session = read(
            r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","SessionToken":"t","Expiration":"2030-01-01T00:00:00Z"}"#,
        );
        assert!(session.expect("read").token().is_some());
        let key = read(r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s"}"#).expect("read");
        assert!(key.token().is_none());
    }

    #[test]
    fn what_is_no_such_json_is_refused_without_being_shown() {
        for json in [
            "AKIAHUNTER2",
            r#"{"Version":2,"AccessKeyId":"A","SecretAccessKey":"hunter2"}"#,
            r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":["hunter2"]}"#,
            r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"hunter2","Expiration":"1969-01-01T00:00:00Z"}"#,
        ] {
            let error = read(json).err().expect("refused").to_string();
            assert!(!error.contains("hunter2") && !error.contains("HUNTER2"), "{error}");
        }
    }
}
