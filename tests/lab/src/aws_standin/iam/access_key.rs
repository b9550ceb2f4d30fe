//! Access keys: two a user, made, looked at, switched and deleted.

use jiff::SignedDuration;

use super::{Page, Subject};
use crate::aws_standin::clock;
use crate::aws_standin::constraint::{Check, Pattern};
use crate::aws_standin::error::ApiError;
use crate::aws_standin::id;
use crate::aws_standin::service::{Invocation, Outcome};
use crate::aws_standin::world::{AccessKey, KeyStatus};
use crate::aws_standin::xml::Element;

/// "Access keys assigned to an IAM user: 2" (IAM User Guide, "IAM and AWS STS quotas").
const QUOTA: usize = 2;

/// CreateAccessKey.
pub fn create(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let subject = Subject::read(call, &mut check)?;
    check.finish()?;
    subject.admit(call, "iam:CreateAccessKey")?;
    let now = call.now;
    let delay = SignedDuration::from_secs(i64::try_from(call.state.world.new_key_delay_seconds).unwrap_or(i64::MAX));
    let user = subject.find_mut(call)?;
    if user.access_keys.len() >= QUOTA {
        let words = format!("Cannot exceed quota for AccessKeysPerUser: {QUOTA}");
        return Err(ApiError::new(409, "LimitExceeded", words));
    }
    let key = AccessKey {
        id: id::access_key_id(id::Kind::AccessKey),
        secret: id::secret_access_key(),
        status: KeyStatus::Active,
        created: now,
        works_from: Some(now.saturating_add(delay).unwrap_or(now)),
        last_used: None,
    };
    let answer = Element::node(
        "AccessKey",
        [
            Element::text("UserName", &subject.name),
            Element::text("AccessKeyId", &key.id),
            Element::text("Status", status(key.status)),
            Element::text("SecretAccessKey", &key.secret),
            Element::text("CreateDate", clock::iso8601(key.created)),
        ],
    );
    user.access_keys.push(key);
    Ok(Some(vec![answer]))
}

/// ListAccessKeys.
pub fn list(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let subject = Subject::read(call, &mut check)?;
    let page = Page::read(&mut check, call.params)?;
    check.finish()?;
    subject.admit(call, "iam:ListAccessKeys")?;
    let (_, user) = subject.find(call)?;
    let keys = user.access_keys.iter().map(|key| {
        vec![
            Element::text("UserName", &subject.name),
            Element::text("AccessKeyId", &key.id),
            Element::text("Status", status(key.status)),
            Element::text("CreateDate", clock::iso8601(key.created)),
        ]
    });
    Ok(Some(page.answer("AccessKeyMetadata", keys.collect())))
}

/// UpdateAccessKey.
pub fn update(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let subject = Subject::read(call, &mut check)?;
    let id = check.required("AccessKeyId", 16..=128, Pattern::Word);
    let wanted = check.one_of("Status", &["Active", "Inactive"]);
    check.finish()?;
    subject.admit(call, "iam:UpdateAccessKey")?;
    let user = subject.find_mut(call)?;
    let key = user
        .access_keys
        .iter_mut()
        .find(|key| key.id == id)
        .ok_or_else(|| missing(id))?;
    key.status = if wanted == "Active" {
        KeyStatus::Active
    } else {
        KeyStatus::Inactive
    };
    Ok(None)
}

/// DeleteAccessKey.
pub fn delete(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let subject = Subject::read(call, &mut check)?;
    let id = check.required("AccessKeyId", 16..=128, Pattern::Word);
    check.finish()?;
    subject.admit(call, "iam:DeleteAccessKey")?;
    let user = subject.find_mut(call)?;
    let at = user
        .access_keys
        .iter()
        .position(|key| key.id == id)
        .ok_or_else(|| missing(id))?;
    user.access_keys.remove(at);
    Ok(None)
}

/// GetAccessKeyLastUsed.
pub fn last_used(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let id = check.required("AccessKeyId", 16..=128, Pattern::Word);
    check.finish()?;
    call.caller.require(
        &call.state.world,
        "iam:GetAccessKeyLastUsed",
        &format!("access key {id}"),
    )?;
    let home = call.caller.principal.account();
    let found = call
        .state
        .world
        .access_key(id)
        .filter(|(account, ..)| account.id == home);
    let (_, user, key) = found.ok_or_else(|| missing(id))?;
    // IAM API Reference, AccessKeyLastUsed: of a key never used, no date and "N/A" for the rest.
    let (service, region) = key
        .last_used
        .as_ref()
        .map_or(("N/A", "N/A"), |last| (&last.service, &last.region));
    let mut last = vec![Element::text("ServiceName", service), Element::text("Region", region)];
    last.extend(
        key.last_used
            .as_ref()
            .map(|last| Element::text("LastUsedDate", clock::iso8601(last.at))),
    );
    Ok(Some(vec![
        Element::text("UserName", &user.name),
        Element::node("AccessKeyLastUsed", last),
    ]))
}

fn missing(id: &str) -> ApiError {
    ApiError::no_such_entity(format!("The Access Key with id {id} cannot be found."))
}

fn status(status: KeyStatus) -> &'static str {
    match status {
        KeyStatus::Active => "Active",
        KeyStatus::Inactive => "Inactive",
    }
}
