//! Who signed a request: the claim checked against keys, sessions and the clock.
//!
//! What is malformed is told before what is unknown, and what is unknown before what does not match, as AWS does.
//! Wordings are those of the IAM User Guide, "Troubleshoot Signature Version 4 signing for AWS API requests".

use jiff::{SignedDuration, Timestamp};

use super::arn::Partition;
use super::clock;
use super::credential::{Claim, Place};
use super::error::ApiError;
use super::http::Request;
use super::permission::{Caller, Key};
use super::query::Params;
use super::session::Principal;
use super::sigv4;
use super::state::State;
use super::world::{IamScope, KeyStatus, LastUse};

/// The caller behind a request to `service` (`sts` or `iam`), and the region it was signed for.
pub fn authenticate(
    state: &mut State,
    request: &Request,
    query: &Params,
    service: &str,
) -> Result<(Caller, String), ApiError> {
    let now = state.now();
    let claim = Claim::read(request, query)?.ok_or_else(ApiError::missing_authentication_token)?;
    let partition = check_scope(&claim, service, state.world.iam_scope)?;
    check_headers(&claim, request)?;
    check_time(&claim, now, state.world.signature_window_seconds)?;
    let (caller, secret) = match state.world.access_key(&claim.access_key_id) {
        Some(_) => long_term(state, &claim, partition, now)?,
        None => temporary(state, &claim, partition, now)?,
    };
    let canonical = sigv4::canonical_request(request, &claim.signed_headers);
    let to_sign = sigv4::string_to_sign(&claim.amz_date, &claim.scope, &canonical);
    let key = sigv4::signing_key(&secret, &claim.scope);
    if !sigv4::verify(&key, &to_sign, &claim.signature) {
        return Err(ApiError::signature_does_not_match());
    }
    if let Some(key) = state.world.access_key_mut(&claim.access_key_id) {
        key.last_used = Some(LastUse {
            at: now,
            service: service.to_owned(),
            region: claim.scope.region.clone(),
        });
    }
    Ok((caller, claim.scope.region))
}

/// The scope is for this service, this day and a region that exists; the region's partition.
fn check_scope(claim: &Claim, service: &str, iam_scope: IamScope) -> Result<Partition, ApiError> {
    let region = &claim.scope.region;
    let invalid_region = || {
        ApiError::signature(format!(
            "Credential should be scoped to a valid region, not '{region}'. "
        ))
    };
    let partition = Partition::of_region(region).ok_or_else(invalid_region)?;
    if service == "iam" && iam_scope == IamScope::IamRegion && region != partition.iam_region() {
        return Err(invalid_region());
    }
    if claim.scope.service != service {
        return Err(ApiError::signature(format!(
            "Credential should be scoped to correct service: '{service}'. "
        )));
    }
    if claim.terminator != sigv4::TERMINATOR {
        return Err(ApiError::signature(format!(
            "Credential should be scoped with a valid terminator: '{}', not '{}'. ",
            sigv4::TERMINATOR,
            claim.terminator
        )));
    }
    if !claim.amz_date.starts_with(&claim.scope.date) || claim.scope.date.len() != 8 {
        return Err(ApiError::signature(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', \
             from '{}'.",
            claim.scope.date,
            claim.amz_date.get(..8).unwrap_or_default(),
            claim.amz_date
        )));
    }
    Ok(partition)
}

/// The host is signed, and the date if it is a field of its own: else either could be changed on the way.
fn check_headers(claim: &Claim, request: &Request) -> Result<(), ApiError> {
    let is_signed = |name: &str| claim.signed_headers.iter().any(|known| known == name);
    if !is_signed("host") {
        return Err(ApiError::signature(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    let dated = claim.place == Place::Header && request.header("x-amz-date").is_some();
    if dated && !is_signed("x-amz-date") {
        return Err(ApiError::signature(
            "'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    Ok(())
}

/// The signature is of these minutes.
fn check_time(claim: &Claim, now: Timestamp, window_seconds: u32) -> Result<(), ApiError> {
    let window = SignedDuration::from_secs(i64::from(window_seconds));
    let minutes = window_seconds / 60;
    let (signed, present) = (&claim.amz_date, clock::amz_date(now));
    if claim.signed_at > now + window {
        let latest = clock::amz_date(now + window);
        return Err(ApiError::signature(format!(
            "Signature not yet current: {signed} is still later than {latest} ({present} + {minutes} min.)"
        )));
    }
    match claim.place {
        Place::Header if claim.signed_at < now - window => {
            let earliest = clock::amz_date(now - window);
            Err(ApiError::signature(format!(
                "Signature expired: {signed} is now earlier than {earliest} ({present} - {minutes} min.)"
            )))
        }
        // STS API Reference, "Common Errors", RequestExpired: names presigned URLs.
        Place::Query { expires } if claim.signed_at + seconds(expires) < now => {
            Err(ApiError::new(400, "RequestExpired", "Request has expired."))
        }
        Place::Header | Place::Query { .. } => Ok(()),
    }
}

/// A user's own key, with its secret.
fn long_term(state: &State, claim: &Claim, partition: Partition, now: Timestamp) -> Result<(Caller, String), ApiError> {
    let (account, user, key) = state
        .world
        .access_key(&claim.access_key_id)
        .ok_or_else(ApiError::invalid_client_token_id)?;
    let known = account.partition == partition
        && key.status == KeyStatus::Active
        && key.works_from.is_none_or(|from| from <= now)
        // A session token goes with no long-term key.
        && claim.token.is_none();
    if !known {
        return Err(ApiError::invalid_client_token_id());
    }
    let caller = Caller {
        principal: Principal::User {
            account: account.id.clone(),
            name: user.name.clone(),
        },
        arn: user.arn(account),
        user_id: user.unique_id(account).to_owned(),
        access_key_id: key.id.clone(),
        key: Key::LongTerm,
    };
    Ok((caller, key.secret.clone()))
}

/// A session's key, with its secret.
fn temporary(state: &State, claim: &Claim, partition: Partition, now: Timestamp) -> Result<(Caller, String), ApiError> {
    let session = state
        .sessions
        .get(&claim.access_key_id)
        .ok_or_else(ApiError::invalid_client_token_id)?;
    let account = state.world.account(session.principal.account());
    let known = claim.token.as_deref() == Some(session.token.as_str())
        && account.is_some_and(|account| account.partition == partition);
    let identity = session.principal.identity(&state.world).filter(|_| known);
    let (arn, user_id) = identity.ok_or_else(ApiError::invalid_client_token_id)?;
    if session.expires <= now {
        return Err(ApiError::expired_token());
    }
    Ok((Caller::of_session(session, arn, user_id), session.secret.clone()))
}

fn seconds(count: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(count).unwrap_or(i64::MAX))
}
