//! The calls of STS (AWS Security Token Service API Reference), as [`super::Sts`] offers them.

use super::client::{Client, Repeatable, incomplete};
use super::transport::BoundedAnswer;
use super::{CallerIdentity, Endpoint, MfaCode, RoleRequest};
use crate::credential::{AccessKey, Credentials, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use jiff::Timestamp;

impl Client<'_> {
    /// See [`super::Sts::get_caller_identity`].
    pub fn get_caller_identity(&self, credentials: &Credentials, endpoint: &Endpoint) -> Result<CallerIdentity> {
        let client = self.sts(Some(credentials), endpoint)?;
        let output = self
            .call("GetCallerIdentity", endpoint, Repeatable::Yes, || {
                client.get_caller_identity().send()
            })
            .map_err(|failure| failure.to_error())?;
        match (output.account, output.arn) {
            (Some(account), Some(arn)) => Ok(CallerIdentity { account, arn }),
            _ => Err(incomplete("GetCallerIdentity")),
        }
    }

    /// See [`super::Sts::clock_ahead`].
    pub fn clock_ahead(&self, endpoint: &Endpoint) -> Result<i64> {
        let nobody = Credentials::LongTerm(AccessKey {
            id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: SecretText::copy_of("of-nobody"),
        });
        let client = self.sts(Some(&nobody), endpoint)?;
        match self.once("GetCallerIdentity", endpoint, client.get_caller_identity().send()) {
            Ok(_) => Err(incomplete("GetCallerIdentity")),
            Err(failure) => match failure.clock_ahead() {
                Some(ahead) => Ok(ahead.as_secs()),
                None => Err(failure.to_error()),
            },
        }
    }

    /// See [`super::Sts::get_session_token`].
    pub fn get_session_token(
        &self,
        credentials: &Credentials,
        endpoint: &Endpoint,
        duration: u32,
        mfa: Option<&MfaCode>,
    ) -> Result<Session> {
        let client = self.sts(Some(credentials), endpoint)?;
        let output = self
            .call("GetSessionToken", endpoint, with_code(mfa), || {
                client
                    .get_session_token()
                    .duration_seconds(seconds(duration))
                    .set_serial_number(mfa.map(|mfa| mfa.serial.clone()))
                    .set_token_code(mfa.map(|mfa| mfa.code.expose().to_owned()))
                    .send()
            })
            .map_err(|failure| failure.to_error())?;
        self.session("GetSessionToken", output.credentials)
    }

    /// See [`super::Sts::assume_role`].
    pub fn assume_role(
        &self,
        credentials: &Credentials,
        endpoint: &Endpoint,
        request: &RoleRequest,
        mfa: Option<&MfaCode>,
    ) -> Result<Session> {
        let client = self.sts(Some(credentials), endpoint)?;
        let tags = request
            .tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|err| Error::new(ErrorKind::Config, format!("a session tag can't be sent: {err}")))?;
        let policies = policies(request);
        let output = self
            .call("AssumeRole", endpoint, with_code(mfa), || {
                client
                    .assume_role()
                    .role_arn(&request.role_arn)
                    .role_session_name(&request.session_name)
                    .set_duration_seconds(request.duration.map(seconds))
                    .set_external_id(request.external_id.clone())
                    .set_source_identity(request.source_identity.clone())
                    .set_policy(request.policy.clone())
                    .set_policy_arns(policies.clone())
                    .set_tags((!tags.is_empty()).then(|| tags.clone()))
                    .set_transitive_tag_keys(
                        (!request.transitive_tags.is_empty()).then(|| request.transitive_tags.clone()),
                    )
                    .set_serial_number(mfa.map(|mfa| mfa.serial.clone()))
                    .set_token_code(mfa.map(|mfa| mfa.code.expose().to_owned()))
                    .send()
            })
            .map_err(|failure| failure.to_error().within(&request.role_arn))?;
        self.session("AssumeRole", output.credentials)
    }

    /// See [`super::Sts::assume_role_with_web_identity`].
    pub fn assume_role_with_web_identity(
        &self,
        endpoint: &Endpoint,
        request: &RoleRequest,
        token: &SecretText,
    ) -> Result<Session> {
        let client = self.sts(None, endpoint)?;
        let policies = policies(request);
        let output = self
            .call("AssumeRoleWithWebIdentity", endpoint, Repeatable::Yes, || {
                client
                    .assume_role_with_web_identity()
                    .role_arn(&request.role_arn)
                    .role_session_name(&request.session_name)
                    .web_identity_token(token.expose())
                    .set_duration_seconds(request.duration.map(seconds))
                    .set_policy(request.policy.clone())
                    .set_policy_arns(policies.clone())
                    .send()
            })
            .map_err(|failure| failure.to_error().within(&request.role_arn))?;
        self.session("AssumeRoleWithWebIdentity", output.credentials)
    }

    fn session(&self, call: &str, credentials: Option<aws_sdk_sts::types::Credentials>) -> Result<Session> {
        let credentials = credentials.ok_or_else(|| incomplete(call))?;
        let expires = Timestamp::from_second(credentials.expiration.secs()).map_err(|_| incomplete(call))?;
        if credentials.access_key_id.is_empty()
            || credentials.secret_access_key.is_empty()
            || credentials.session_token.is_empty()
        {
            return Err(incomplete(call));
        }
        if expires <= self.now() {
            return Err(Error::new(
                ErrorKind::Network,
                format!("{call}: the session that came back has ended already ({expires})"),
            )
            .hint(
                "something answers in AWS's place, or this machine's clock is wrong: `tapvault doctor` compares it",
            ));
        }
        Ok(Session {
            id: credentials.access_key_id,
            secret: SecretText::new(credentials.secret_access_key.into()),
            token: SecretText::new(credentials.session_token.into()),
            expires,
        })
    }

    fn sts(&self, credentials: Option<&Credentials>, endpoint: &Endpoint) -> Result<aws_sdk_sts::Client> {
        let config =
            aws_sdk_sts::config::Builder::from(&self.config(credentials, endpoint)?).interceptor(BoundedAnswer);
        Ok(aws_sdk_sts::Client::from_conf(config.build()))
    }
}

/// A code is good once, so a call that carries one is not made again by itself.
fn with_code(mfa: Option<&MfaCode>) -> Repeatable {
    if mfa.is_some() { Repeatable::No } else { Repeatable::Yes }
}

fn policies(request: &RoleRequest) -> Option<Vec<PolicyDescriptorType>> {
    let policies: Vec<_> = request
        .policy_arns
        .iter()
        .map(|arn| PolicyDescriptorType::builder().arn(arn).build())
        .collect();
    (!policies.is_empty()).then_some(policies)
}

fn seconds(duration: u32) -> i32 {
    i32::try_from(duration).unwrap_or(i32::MAX)
}
