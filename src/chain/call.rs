//! One step as a call of STS: its inputs, where it goes, and what a refusal may mean.

use super::mfa::Codes;
use super::{Address, AssumeRole, GetSessionToken, Step, refusal};
use crate::aws::{Endpoint, RoleRequest, Sts};
use crate::context::{Context, Env};
use crate::credential::{Credentials, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::{Partition, StsRegional};

/// Makes the call of `step`; `earlier` are those that led to its credentials.
pub fn call(
    ctx: &Context,
    sts: &mut Sts<'_>,
    credentials: &Credentials,
    (earlier, step): (&[Step], &Step),
    codes: &mut Codes<'_>,
    touches: &mut Touches<'_>,
) -> Result<Session> {
    let endpoint = endpoint(step);
    let outcome = match step {
        Step::GetSessionToken(step) => get_session_token(sts, credentials, &endpoint, step, codes, touches),
        Step::AssumeRole(step) => assume_role(ctx, sts, credentials, &endpoint, step, codes, touches),
        Step::AssumeRoleWithWebIdentity(_) => Err(Error::new(
            ErrorKind::Other,
            "AssumeRoleWithWebIdentity can only be the first step of a chain",
        )),
    };
    outcome.map_err(|error| refusal::explained(error, earlier, step))
}

fn get_session_token(
    sts: &mut Sts<'_>,
    credentials: &Credentials,
    endpoint: &Endpoint,
    step: &GetSessionToken,
    codes: &mut Codes<'_>,
    touches: &mut Touches<'_>,
) -> Result<Session> {
    let mfa = step
        .mfa
        .as_ref()
        .map(|mfa| codes.code(mfa, &format!("the session of {}", step.profile), touches))
        .transpose()?;
    sts.get_session_token(credentials, endpoint, step.duration.value.0, mfa.as_ref())
}

fn assume_role(
    ctx: &Context,
    sts: &mut Sts<'_>,
    credentials: &Credentials,
    endpoint: &Endpoint,
    step: &AssumeRole,
    codes: &mut Codes<'_>,
    touches: &mut Touches<'_>,
) -> Result<Session> {
    let role = step.role_arn.value.role();
    let mfa = step
        .mfa
        .as_ref()
        .map(|mfa| codes.code(mfa, &format!("role {role}"), touches))
        .transpose()?;
    let request = RoleRequest {
        role_arn: step.role_arn.value.as_str().to_owned(),
        session_name: step
            .session_name
            .as_ref()
            .map_or_else(|| default_session_name(&ctx.env), |name| name.value.clone()),
        duration: Some(step.duration.value.0),
        external_id: step.external_id.as_ref().map(|id| id.value.clone()),
        source_identity: step.source_identity.as_ref().map(|identity| identity.value.clone()),
        policy: step.policy.document.clone(),
        policy_arns: step.policy.arns.clone(),
        tags: step
            .tags
            .iter()
            .flat_map(|tags| tags.value.iter())
            .map(|tag| (tag.key.clone(), tag.value.clone()))
            .collect(),
        transitive_tags: step
            .transitive_tags
            .as_ref()
            .map(|keys| keys.value.clone())
            .unwrap_or_default(),
    };
    sts.assume_role(credentials, endpoint, &request, mfa.as_ref())
}

/// Where the step's call goes.
pub(super) fn endpoint(step: &Step) -> Endpoint {
    at(step.address())
}

/// Where a call to this address goes.
pub fn at(address: &Address) -> Endpoint {
    /// Where `sts_regional_endpoints = legacy` means the global endpoint (AWS SDKs and Tools Reference Guide).
    const LEGACY: [&str; 15] = [
        "ap-northeast-1",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ca-central-1",
        "eu-central-1",
        "eu-north-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "sa-east-1",
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
    ];
    let region = &address.region.value;
    let is_set = |switch: &Option<crate::profile::Sourced<bool>>| switch.as_ref().is_some_and(|switch| switch.value);
    let legacy = address.url.is_none()
        && address
            .sts_regional
            .as_ref()
            .is_some_and(|sts| sts.value == StsRegional::Legacy)
        && region.partition() == Partition::Aws
        && LEGACY.contains(&region.as_str());
    Endpoint {
        region: if legacy {
            "us-east-1".to_owned()
        } else {
            region.as_str().to_owned()
        },
        url: match &address.url {
            Some(url) => Some(url.value.clone()),
            None => legacy.then(|| "https://sts.amazonaws.com".to_owned()),
        },
        fips: is_set(&address.fips),
        dual_stack: is_set(&address.dualstack),
        ca_bundle: address.ca_bundle.as_ref().map(|bundle| bundle.value.clone()),
    }
}

/// `tapvault-` and the login name: CloudTrail shows it. 2 to 64 characters of `[\w+=,.@-]`.
pub fn default_session_name(env: &Env) -> String {
    let user = env.text("USER").or_else(|| env.text("LOGNAME")).unwrap_or("user");
    let safe: String = user
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(50)
        .collect();
    format!("tapvault-{safe}")
}
