//! GetUser and ListAccountAliases: who somebody is, and what the account is called.

use super::{Page, Subject};
use crate::aws_standin::clock;
use crate::aws_standin::constraint::Check;
use crate::aws_standin::service::{Invocation, Outcome};
use crate::aws_standin::world::{Account, User, UserKind};
use crate::aws_standin::xml::Element;

/// GetUser.
pub fn user(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let subject = Subject::read(call, &mut check)?;
    check.finish()?;
    subject.admit(call, "iam:GetUser")?;
    let (account, user) = subject.find(call)?;
    Ok(Some(vec![Element::node("User", describe(account, user))]))
}

/// ListAccountAliases: one at most.
pub fn account_aliases(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let page = Page::read(&mut check, call.params)?;
    check.finish()?;
    call.caller.require(&call.state.world, "iam:ListAccountAliases", "*")?;
    let account = call.state.world.account(call.caller.principal.account());
    let aliases = account.and_then(|account| account.alias.as_ref()).into_iter();
    // A list of texts, not of structures: the members hold them directly.
    let members = aliases.skip(page.start).map(|alias| Element::text("member", alias));
    Ok(Some(vec![
        Element::node("AccountAliases", members),
        Element::text("IsTruncated", false),
    ]))
}

/// A user, in an answer. Root has neither path nor name.
pub fn describe(account: &Account, user: &User) -> Vec<Element> {
    let mut described = match user.kind {
        UserKind::User => vec![Element::text("Path", &user.path), Element::text("UserName", &user.name)],
        UserKind::Root => Vec::new(),
    };
    described.extend([
        Element::text("UserId", user.unique_id(account)),
        Element::text("Arn", user.arn(account)),
        Element::text("CreateDate", clock::iso8601(user.created)),
    ]);
    described
}
