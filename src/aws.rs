//! STS as this program needs it: who am I, a session, a role. How the calls are made is `aws::client`'s affair; `aws::iam` has
//! a user's own access keys.

mod client;
mod failure;
#[cfg(feature = "iam")]
pub mod iam;
mod sts;
mod transport;

use crate::context::Context;
use crate::credential::{Credentials, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;
use client::Client;

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The region that the call is signed for, such as `eu-central-1`.
    pub region: String,
    /// A URL that replaces the region's own.
    pub url: Option<String>,
    /// FIPS 140 endpoints.
    pub fips: bool,
    /// Endpoints that have IPv6 too.
    pub dual_stack: bool,
    /// Certificates to trust instead of the machine's: a PEM file.
    pub ca_bundle: Option<String>,
}

/// Whose key it is (STS API reference, GetCallerIdentity).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerIdentity {
    /// Twelve digits.
    pub account: String,
    /// `arn:aws:iam::111122223333:user/ana`.
    pub arn: String,
}

/// An MFA device's serial number or ARN, and a code of it.
pub struct MfaCode {
    /// `arn:aws:iam::111122223333:mfa/ana`, or the serial number of a hardware device.
    pub serial: String,
    /// Six digits.
    pub code: SecretText,
}

/// The parameters of AssumeRole (STS API reference).
#[derive(Clone, Debug, Default)]
pub struct RoleRequest {
    /// The role.
    pub role_arn: String,
    /// Shows in CloudTrail; 2 to 64 characters of `[\w+=,.@-]`.
    pub session_name: String,
    /// In seconds, 900 to 43,200.
    pub duration: Option<u32>,
    /// What the role's owner gave to be quoted.
    pub external_id: Option<String>,
    /// Who stands behind the session.
    pub source_identity: Option<String>,
    /// A policy that narrows the session, JSON.
    pub policy: Option<String>,
    /// Managed policies that narrow the session.
    pub policy_arns: Vec<String>,
    /// Tags of the session.
    pub tags: Vec<(String, String)>,
    /// Which of them pass to later roles.
    pub transitive_tags: Vec<String>,
}

/// STS. Nothing is built before the first call: a client costs 4 ms and reads every root certificate.
pub struct Sts<'a> {
    ctx: &'a Context,
    client: Option<Client<'a>>,
}

impl<'a> Sts<'a> {
    /// For the calls of one command.
    pub fn new(ctx: &'a Context) -> Self {
        Sts { ctx, client: None }
    }

    /// GetCallerIdentity: whose key it is. Needs no permission.
    pub fn get_caller_identity(&mut self, credentials: &Credentials, endpoint: &Endpoint) -> Result<CallerIdentity> {
        self.client(endpoint)?.get_caller_identity(credentials, endpoint)
    }

    /// How many seconds this machine's clock is ahead of AWS's (behind, when negative). Asks without credentials and is refused
    /// in AWS's own words, which is answer enough.
    pub fn clock_ahead(&mut self, endpoint: &Endpoint) -> Result<i64> {
        self.client(endpoint)?.clock_ahead(endpoint)
    }

    /// GetSessionToken: a session of the user. `duration` in seconds, 900 to 129,600.
    pub fn get_session_token(
        &mut self,
        credentials: &Credentials,
        endpoint: &Endpoint,
        duration: u32,
        mfa: Option<&MfaCode>,
    ) -> Result<Session> {
        self.client(endpoint)?
            .get_session_token(credentials, endpoint, duration, mfa)
    }

    /// AssumeRoleWithWebIdentity: a session of a role for a token of an OpenID Connect provider. Needs no AWS credentials.
    pub fn assume_role_with_web_identity(
        &mut self,
        endpoint: &Endpoint,
        request: &RoleRequest,
        token: &SecretText,
    ) -> Result<Session> {
        self.client(endpoint)?
            .assume_role_with_web_identity(endpoint, request, token)
    }

    /// AssumeRole: a session of a role.
    pub fn assume_role(
        &mut self,
        credentials: &Credentials,
        endpoint: &Endpoint,
        request: &RoleRequest,
        mfa: Option<&MfaCode>,
    ) -> Result<Session> {
        self.client(endpoint)?.assume_role(credentials, endpoint, request, mfa)
    }

    fn client(&mut self, endpoint: &Endpoint) -> Result<&Client<'a>> {
        // One command has one bundle; a chain whose profiles name two would need two clients.
        let fits = self.client.as_ref().is_some_and(|client| client.trusts(endpoint));
        if !fits {
            self.client = Some(Client::new(self.ctx, endpoint)?);
        }
        self.client
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Other, "no client"))
    }
}
