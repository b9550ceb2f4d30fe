//! AssumeRole: from one identity to a role's.
//!
//! Order: shapes, the code (spent from here on), may the caller, may it for so long. That the trust policy comes
//! before the duration keeps a stranger from learning a role's maximum.

use super::mfa::Claimed;
use super::session_policy::SessionPolicy;
use super::tags::Tags;
use super::{check_region, credentials};
use crate::aws_standin::constraint::{Check, Pattern};
use crate::aws_standin::error::ApiError;
use crate::aws_standin::permission::Key;
use crate::aws_standin::service::{Invocation, Outcome};
use crate::aws_standin::session::{Mfa, Origin, Principal, Session, assumed_role_id};
use crate::aws_standin::world::{Account, Role, World};
use crate::aws_standin::xml::Element;

/// STS API Reference, AssumeRole, DurationSeconds: "By default, the value is set to 3600 seconds."
pub const DEFAULT_SECONDS: u32 = 3600;
/// A role's greatest possible maximum, 12 hours.
pub const MOST_SECONDS: u32 = 43_200;
/// "Role chaining limits your AWS CLI or AWS API role session to a maximum of one hour."
const CHAINED_SECONDS: u32 = 3600;

/// AssumeRole.
pub fn run(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let role_arn = check.required("RoleArn", 20..=2048, Pattern::Any);
    let session_name = check.required("RoleSessionName", 2..=64, Pattern::Name);
    let seconds = check.integer("DurationSeconds", 900..=MOST_SECONDS);
    let external_id = check.optional("ExternalId", 2..=1224, Pattern::ExternalId);
    let source_identity = check.optional("SourceIdentity", 2..=64, Pattern::Name);
    let claimed = Claimed::read(&mut check);
    let policy = SessionPolicy::read(&mut check, call.params);
    let tags = Tags::read(&mut check, call.params);
    check.finish()?;
    if !is_role_arn(role_arn) {
        return Err(ApiError::validation(format!("{role_arn} is invalid")));
    }
    if source_identity.is_some_and(|id| id.to_ascii_lowercase().starts_with("aws:")) {
        return Err(ApiError::validation(
            "SourceIdentity must not begin with the reserved prefix aws:",
        ));
    }
    if call.caller.is_root(&call.state.world) {
        return Err(ApiError::access_denied("Roles may not be assumed by root accounts."));
    }
    tags.check()?;
    let packed = policy.packed_size(&tags)?;
    let mfa = match claimed.take(call)? {
        Mfa::Present => Mfa::Present,
        Mfa::Absent => call.caller.mfa(),
    };

    let (inherited_identity, inherited_tags) = match &call.caller.principal {
        Principal::Role {
            source_identity,
            transitive_tags,
            ..
        } => (source_identity.clone(), transitive_tags.clone()),
        Principal::User { .. } | Principal::Federated { .. } => (None, Vec::new()),
    };
    let refuse = |action: &str| call.caller.refuse(action, role_arn);
    let trusted = trusted(call, role_arn, external_id, mfa);
    let (account, role) = trusted.ok_or_else(|| refuse("sts:AssumeRole"))?;
    if !tags.is_empty() && !role.trust.tagging {
        return Err(refuse("sts:TagSession"));
    }
    // The trust policy has to allow it also when it is only passed on, and once set it stays.
    let changed = inherited_identity
        .as_deref()
        .zip(source_identity)
        .is_some_and(|(old, new)| old != new);
    let named = inherited_identity.is_some() || source_identity.is_some();
    if changed || (named && !role.trust.source_identity) {
        return Err(refuse("sts:SetSourceIdentity"));
    }
    let transitive_tags = tags.transitive_after(&inherited_tags)?;
    check_region(&call.state.world, call.caller.principal.account(), call.region)?;
    let seconds = duration(&call.caller.key, role, seconds)?;

    let source_identity = source_identity.map(str::to_owned).or(inherited_identity);
    let principal = Principal::Role {
        account: account.id.clone(),
        role_arn: role_arn.to_owned(),
        session_name: session_name.to_owned(),
        source_identity: source_identity.clone(),
        transitive_tags,
    };
    let mut session = Session::fresh(principal, Origin::AssumedRole, call.now, seconds);
    session.scope_down = policy.actions();
    let mut answer = vec![
        credentials(&session),
        assumed_role_user(&call.state.world, &session, role, session_name),
    ];
    answer.extend(packed.map(|percent| Element::text("PackedPolicySize", percent)));
    answer.extend(source_identity.map(|name| Element::text("SourceIdentity", name)));
    call.state.keep(session);
    Ok(Some(answer))
}

/// The role, if its trust policy and the caller's own policies let the caller in. A role that does not exist is
/// refused in the same words.
fn trusted<'a>(
    call: &'a Invocation<'_>,
    role_arn: &str,
    external_id: Option<&str>,
    mfa: Mfa,
) -> Option<(&'a Account, &'a Role)> {
    let world = &call.state.world;
    let (account, role) = world.role(role_arn)?;
    let trust = &role.trust;
    let named = names(&call.caller.principal, &call.caller.arn);
    let by_name = trust.principals.iter().any(|principal| named.contains(principal));
    let home = world.account(call.caller.principal.account())?;
    let root = format!("arn:{}:iam::{}:root", home.partition, home.id);
    let by_account = trust.principals.iter().any(|p| *p == home.id || *p == root || p == "*");
    // IAM User Guide, "Policy evaluation logic": within an account, a trust policy that names the caller is enough;
    // one that names the account leaves it to the caller's own policies; across accounts both have to allow.
    let own = call.caller.allowed(world, "sts:AssumeRole");
    // "Cannot call AWS STS operations except GetCallerIdentity" (IAM User Guide, "Compare AWS STS credentials").
    let federated = matches!(call.caller.principal, Principal::Federated { .. });
    let enough = (by_name && (home.id == account.id || own)) || (by_account && own);
    let external = trust
        .external_id
        .as_deref()
        .is_none_or(|wanted| external_id == Some(wanted));
    let second = !trust.mfa_required || mfa == Mfa::Present;
    (enough && !federated && external && second && home.partition == account.partition).then_some((account, role))
}

/// The ARNs a trust policy can name a caller by: its own, and for a role session also the role's.
fn names(principal: &Principal, arn: &str) -> Vec<String> {
    let mut names = vec![arn.to_owned()];
    if let Principal::Role { role_arn, .. } = principal {
        names.push(role_arn.clone());
    }
    names
}

/// How long the session lasts. A caller with any temporary credentials makes a chain, GetSessionToken's included:
/// users report the hour for them too.
fn duration(key: &Key, role: &Role, asked: Option<u32>) -> Result<u32, ApiError> {
    let seconds = asked.unwrap_or(DEFAULT_SECONDS);
    match key {
        Key::Session { .. } if seconds > CHAINED_SECONDS => Err(ApiError::validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        )),
        Key::Session { .. } | Key::LongTerm => within_maximum(role, seconds),
    }
}

/// The role's own maximum.
pub fn within_maximum(role: &Role, seconds: u32) -> Result<u32, ApiError> {
    if seconds > role.max_session_seconds {
        return Err(ApiError::validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(seconds)
}

/// Whether a text has the shape of a role's ARN.
pub fn is_role_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    matches!(parts.as_slice(), ["arn", partition, "iam", "", account, resource]
        if !partition.is_empty()
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty()))
}

/// Who the session is, in an answer.
pub fn assumed_role_user(world: &World, session: &Session, role: &Role, session_name: &str) -> Element {
    let arn = session
        .principal
        .identity(world)
        .map(|(arn, _)| arn)
        .unwrap_or_default();
    let id = assumed_role_id(role, session_name);
    Element::node(
        "AssumedRoleUser",
        [Element::text("AssumedRoleId", id), Element::text("Arn", arn)],
    )
}
