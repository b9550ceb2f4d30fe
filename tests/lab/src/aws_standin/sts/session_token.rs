//! GetSessionToken and GetFederationToken: sessions that act as a user.

use super::mfa::Claimed;
use super::session_policy::SessionPolicy;
use super::tags::Tags;
use super::{check_region, credentials};
use crate::aws_standin::constraint::{Check, Pattern};
use crate::aws_standin::error::ApiError;
use crate::aws_standin::permission::Key;
use crate::aws_standin::service::{Invocation, Outcome};
use crate::aws_standin::session::{Origin, Principal, Session};
use crate::aws_standin::xml::Element;

/// 12 hours (STS API Reference, GetSessionToken, DurationSeconds).
const DEFAULT_SECONDS: u32 = 43_200;
/// 36 hours.
const MOST_SECONDS: u32 = 129_600;
/// "Sessions for AWS account owners are restricted to a maximum of 3,600 seconds (one hour)."
const ROOT_SECONDS: u32 = 3600;

/// GetSessionToken.
pub fn session_token(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let seconds = check.integer("DurationSeconds", 900..=MOST_SECONDS);
    let claimed = Claimed::read(&mut check);
    check.finish()?;
    let principal = user(call, "GetSessionToken")?;
    check_region(&call.state.world, principal.account(), call.region)?;
    let mfa = claimed.take(call)?;
    let session = Session::fresh(principal, Origin::SessionToken(mfa), call.now, duration(call, seconds));
    let answer = vec![credentials(&session)];
    call.state.keep(session);
    Ok(Some(answer))
}

/// GetFederationToken.
pub fn federation_token(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let name = check.required("Name", 2..=32, Pattern::Name);
    let seconds = check.integer("DurationSeconds", 900..=MOST_SECONDS);
    let policy = SessionPolicy::read(&mut check, call.params);
    let tags = Tags::read(&mut check, call.params);
    check.finish()?;
    let principal = user(call, "GetFederationToken")?;
    let Principal::User { account, name: user } = principal else {
        return Err(ApiError::access_denied(
            "Cannot call GetFederationToken with session credentials",
        ));
    };
    check_region(&call.state.world, &account, call.region)?;
    let federated = Principal::Federated {
        account,
        user,
        name: name.to_owned(),
    };
    let (arn, id) = federated
        .identity(&call.state.world)
        .ok_or_else(ApiError::invalid_client_token_id)?;
    if !call.caller.allowed(&call.state.world, "sts:GetFederationToken") {
        return Err(call.caller.refuse("sts:GetFederationToken", &arn));
    }
    tags.check()?;
    let packed = policy.packed_size(&tags)?;
    let mut session = Session::fresh(federated, Origin::FederationToken, call.now, duration(call, seconds));
    // Without a policy a federated user may nothing (STS API Reference, GetFederationToken, Policy).
    session.scope_down = Some(policy.actions().unwrap_or_default());
    let who = [Element::text("FederatedUserId", id), Element::text("Arn", arn)];
    let mut answer = vec![credentials(&session), Element::node("FederatedUser", who)];
    answer.extend(packed.map(|percent| Element::text("PackedPolicySize", percent)));
    call.state.keep(session);
    Ok(Some(answer))
}

/// The user who calls, with a long-term key.
fn user(call: &Invocation<'_>, action: &str) -> Result<Principal, ApiError> {
    match call.caller.key {
        Key::LongTerm => Ok(call.caller.principal.clone()),
        Key::Session { .. } => Err(ApiError::access_denied(format!(
            "Cannot call {action} with session credentials"
        ))),
    }
}

/// "If the duration is longer than one hour, the session for AWS account owners defaults to one hour": capped, not
/// refused.
fn duration(call: &Invocation<'_>, seconds: Option<u32>) -> u32 {
    let seconds = seconds.unwrap_or(DEFAULT_SECONDS);
    if call.caller.is_root(&call.state.world) {
        seconds.min(ROOT_SECONDS)
    } else {
        seconds
    }
}
