//! AWS Security Token Service, version 2011-06-15.
//!
//! Here are the actions that make no credentials; those that do have modules of their own.

pub mod assume_role;
pub mod mfa;
pub mod session_policy;
pub mod session_token;
pub mod tags;
pub mod web_identity;

use super::clock;
use super::constraint::{Check, Pattern};
use super::error::ApiError;
use super::permission::Key;
use super::service::{Invocation, Outcome};
use super::session::{Origin, Session};
use super::world::World;
use super::xml::Element;

/// The actions there are.
pub const ACTIONS: [&str; 6] = [
    "AssumeRole",
    "AssumeRoleWithWebIdentity",
    "GetAccessKeyInfo",
    "GetCallerIdentity",
    "GetFederationToken",
    "GetSessionToken",
];

/// Runs an action of a caller.
pub fn run(action: &str, call: &mut Invocation<'_>) -> Outcome {
    match action {
        "AssumeRole" => assume_role::run(call),
        "GetAccessKeyInfo" => access_key_info(call),
        "GetCallerIdentity" => Ok(Some(caller_identity(call))),
        "GetFederationToken" => session_token::federation_token(call),
        "GetSessionToken" => session_token::session_token(call),
        _ => Err(ApiError::invalid_action(action, call.params.find("Version"))),
    }
}

/// "No permissions are required to perform this operation" (STS API Reference, GetCallerIdentity).
fn caller_identity(call: &Invocation<'_>) -> Vec<Element> {
    vec![
        Element::text("Arn", &call.caller.arn),
        Element::text("UserId", &call.caller.user_id),
        Element::text("Account", call.caller.principal.account()),
    ]
}

/// Tells the account of any key, also of other accounts (STS API Reference, GetAccessKeyInfo).
fn access_key_info(call: &Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let id = check.required("AccessKeyId", 16..=128, Pattern::Word);
    check.finish()?;
    refuse_user_sessions(call, "GetAccessKeyInfo")?;
    if !call.caller.allowed(&call.state.world, "sts:GetAccessKeyInfo") {
        return Err(call.caller.refuse("sts:GetAccessKeyInfo", "*"));
    }
    let account = match call.state.world.access_key(id) {
        Some((account, ..)) => Some(account.id.clone()),
        None => call
            .state
            .sessions
            .get(id)
            .map(|session| session.principal.account().to_owned()),
    };
    let account = account.ok_or_else(|| ApiError::validation(format!("Invalid value for AccessKeyId: {id}")))?;
    Ok(Some(vec![Element::text("Account", account)]))
}

/// Sessions of GetSessionToken and GetFederationToken "cannot call any STS API except AssumeRole or
/// GetCallerIdentity" (STS API Reference, GetSessionToken).
fn refuse_user_sessions(call: &Invocation<'_>, action: &str) -> Result<(), ApiError> {
    match call.caller.key {
        Key::Session {
            origin: Origin::SessionToken(_) | Origin::FederationToken,
            ..
        } => Err(ApiError::access_denied(format!(
            "Cannot call {action} with session credentials"
        ))),
        Key::Session {
            origin: Origin::AssumedRole,
            ..
        }
        | Key::LongTerm => Ok(()),
    }
}

/// STS in a region works only where the account has it switched on (IAM User Guide, "Manage AWS STS in an AWS
/// Region").
fn check_region(world: &World, account: &str, region: &str) -> Result<(), ApiError> {
    let disabled = world
        .account(account)
        .is_some_and(|a| a.disabled_regions.iter().any(|known| known == region));
    if !disabled {
        return Ok(());
    }
    Err(ApiError::new(
        403,
        "RegionDisabledException",
        format!(
            "STS is not activated in this region for account:{account}. Your account administrator can activate STS in \
             this region using the IAM Console."
        ),
    ))
}

/// The credentials in an answer.
fn credentials(session: &Session) -> Element {
    Element::node(
        "Credentials",
        [
            Element::text("AccessKeyId", &session.access_key_id),
            Element::text("SecretAccessKey", &session.secret),
            Element::text("SessionToken", &session.token),
            Element::text("Expiration", clock::iso8601(session.expires)),
        ],
    )
}
