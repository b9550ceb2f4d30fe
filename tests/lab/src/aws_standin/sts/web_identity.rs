//! AssumeRoleWithWebIdentity: from an identity provider's token to a role. The one call nobody signs.
//!
//! Tokens are those the world lists; their signatures are taken as verified.

use jiff::Timestamp;

use super::assume_role::{DEFAULT_SECONDS, MOST_SECONDS, assumed_role_user, is_role_arn, within_maximum};
use super::credentials;
use super::session_policy::SessionPolicy;
use super::tags::Tags;
use crate::aws_standin::constraint::{Check, Pattern};
use crate::aws_standin::error::ApiError;
use crate::aws_standin::query::Params;
use crate::aws_standin::service::Outcome;
use crate::aws_standin::session::{Origin, Principal, Session};
use crate::aws_standin::state::State;
use crate::aws_standin::xml::Element;

/// AssumeRoleWithWebIdentity.
pub fn assume_role(state: &mut State, params: &Params, now: Timestamp) -> Outcome {
    let mut check = Check::new(params);
    let role_arn = check.required("RoleArn", 20..=2048, Pattern::Any);
    let session_name = check.required("RoleSessionName", 2..=64, Pattern::Name);
    let token = check.required("WebIdentityToken", 4..=20_000, Pattern::Any);
    let seconds = check.integer("DurationSeconds", 900..=MOST_SECONDS);
    let policy = SessionPolicy::read(&mut check, params);
    let no_tags = Params::default();
    let tags = Tags::read(&mut check, &no_tags);
    check.finish()?;
    if !is_role_arn(role_arn) {
        return Err(ApiError::validation("Request ARN is invalid"));
    }
    if token.split('.').count() != 3 {
        return Err(invalid_token(
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
        ));
    }
    let world = &state.world;
    let Some(known) = world.web_identity_tokens.iter().find(|known| known.token == token) else {
        return Err(invalid_token(
            "No OpenIDConnect provider found in your account for the token's issuer",
        ));
    };
    if let Some(expires) = known.expires.filter(|expires| *expires <= now) {
        // STS API Reference, AssumeRoleWithWebIdentity: 400, unlike an expired session's 403.
        let words = format!(
            "Token expired: current date/time {} must be before the expiration date/time {}",
            now.as_second(),
            expires.as_second()
        );
        return Err(ApiError::new(400, "ExpiredTokenException", words));
    }
    let trusted = world
        .role(role_arn)
        .filter(|(_, role)| role.trust.web_identity.contains(&known.issuer));
    let Some((account, role)) = trusted else {
        return Err(ApiError::access_denied(
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        ));
    };
    let packed = policy.packed_size(&tags)?;
    let seconds = within_maximum(role, seconds.unwrap_or(DEFAULT_SECONDS))?;
    let principal = Principal::Role {
        account: account.id.clone(),
        role_arn: role_arn.to_owned(),
        session_name: session_name.to_owned(),
        source_identity: None,
        transitive_tags: Vec::new(),
    };
    let mut session = Session::fresh(principal, Origin::AssumedRole, now, seconds);
    session.scope_down = policy.actions();
    let mut answer = vec![
        credentials(&session),
        Element::text("SubjectFromWebIdentityToken", &known.subject),
        assumed_role_user(world, &session, role, session_name),
        Element::text("Provider", known.issuer.trim_start_matches("https://")),
        Element::text("Audience", &known.audience),
    ];
    answer.extend(packed.map(|percent| Element::text("PackedPolicySize", percent)));
    state.keep(session);
    Ok(Some(answer))
}

fn invalid_token(message: &str) -> ApiError {
    ApiError::new(400, "InvalidIdentityToken", message)
}
