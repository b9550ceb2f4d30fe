//! AWS Identity and Access Management, version 2010-05-08: a user, its access keys, its MFA devices.
//!
//! Here is what the actions share: who may call at all, whose things are meant, how lists are paged.

pub mod access_key;
pub mod mfa_device;
pub mod user;

use super::constraint::{Check, Pattern};
use super::error::ApiError;
use super::permission::Key;
use super::query::Params;
use super::service::{Invocation, Outcome};
use super::session::{Mfa, Origin, Principal};
use super::world::{Account, User, UserKind};
use super::xml::Element;

/// The actions there are.
pub const ACTIONS: [&str; 14] = [
    "CreateAccessKey",
    "CreateVirtualMFADevice",
    "DeactivateMFADevice",
    "DeleteAccessKey",
    "DeleteVirtualMFADevice",
    "EnableMFADevice",
    "GetAccessKeyLastUsed",
    "GetUser",
    "ListAccessKeys",
    "ListAccountAliases",
    "ListMFADevices",
    "ListVirtualMFADevices",
    "ResyncMFADevice",
    "UpdateAccessKey",
];

/// Runs an action of a caller.
pub fn run(action: &str, call: &mut Invocation<'_>) -> Outcome {
    admit(&call.caller.key)?;
    match action {
        "CreateAccessKey" => access_key::create(call),
        "CreateVirtualMFADevice" => mfa_device::create(call),
        "DeactivateMFADevice" => mfa_device::deactivate(call),
        "DeleteAccessKey" => access_key::delete(call),
        "DeleteVirtualMFADevice" => mfa_device::delete(call),
        "EnableMFADevice" => mfa_device::enable(call),
        "GetAccessKeyLastUsed" => access_key::last_used(call),
        "GetUser" => user::user(call),
        "ListAccessKeys" => access_key::list(call),
        "ListAccountAliases" => user::account_aliases(call),
        "ListMFADevices" => mfa_device::list(call),
        "ListVirtualMFADevices" => mfa_device::list_virtual(call),
        "ResyncMFADevice" => mfa_device::resync(call),
        "UpdateAccessKey" => access_key::update(call),
        _ => Err(ApiError::invalid_action(action, call.params.find("Version"))),
    }
}

/// "You cannot call any IAM API operations unless MFA authentication information is included in the request" (STS
/// API Reference, GetSessionToken); of federated users, none at all. To IAM such keys do not exist.
fn admit(key: &Key) -> Result<(), ApiError> {
    match key {
        Key::LongTerm
        | Key::Session {
            origin: Origin::AssumedRole | Origin::SessionToken(Mfa::Present),
            ..
        } => Ok(()),
        Key::Session {
            origin: Origin::SessionToken(Mfa::Absent) | Origin::FederationToken,
            ..
        } => Err(ApiError::invalid_client_token_id()),
    }
}

/// The user a call is about, by account ID and name.
#[derive(Clone)]
struct Subject {
    account: String,
    name: String,
}

impl Subject {
    /// `UserName`, or the caller: "If you do not specify a user name, IAM determines the user name implicitly based
    /// on the access key ID signing the request."
    fn read(call: &Invocation<'_>, check: &mut Check<'_>) -> Result<Self, ApiError> {
        let account = call.caller.principal.account().to_owned();
        if let Some(name) = check.optional("UserName", 1..=128, Pattern::Name) {
            return Ok(Self {
                account,
                name: name.to_owned(),
            });
        }
        match &call.caller.principal {
            Principal::User { name, .. } => Ok(Self {
                account,
                name: name.clone(),
            }),
            Principal::Role { .. } | Principal::Federated { .. } => Err(ApiError::validation(
                "Must specify userName when calling with non-User credentials",
            )),
        }
    }

    /// AccessDenied unless the caller may; then NoSuchEntity unless the user is there. In this order, or strangers
    /// could find out names.
    fn admit(&self, call: &Invocation<'_>, action: &str) -> Result<(), ApiError> {
        call.caller
            .require(&call.state.world, action, &format!("user {}", self.name))?;
        self.find(call).map(|_| ())
    }

    fn find<'a>(&self, call: &'a Invocation<'_>) -> Result<(&'a Account, &'a User), ApiError> {
        let world = &call.state.world;
        // A root user is no IAM user: only its own calls, that name nobody, are about it.
        let named_root = |user: &User| user.kind == UserKind::Root && call.params.find("UserName").is_some();
        let user = world.user(&self.account, &self.name).filter(|user| !named_root(user));
        world.account(&self.account).zip(user).ok_or_else(|| self.missing())
    }

    fn find_mut<'a>(&self, call: &'a mut Invocation<'_>) -> Result<&'a mut User, ApiError> {
        call.state
            .world
            .user_mut(&self.account, &self.name)
            .ok_or_else(|| self.missing())
    }

    fn missing(&self) -> ApiError {
        ApiError::no_such_entity(format!("The user with name {} cannot be found.", self.name))
    }
}

/// `Marker` and `MaxItems`, as sent.
struct Page {
    start: usize,
    most: usize,
}

impl Page {
    fn read(check: &mut Check<'_>, params: &Params) -> Result<Self, ApiError> {
        check.optional("Marker", 1..=320, Pattern::Any);
        let most = check.integer("MaxItems", 1..=1000).unwrap_or(100);
        // Markers are opaque to clients; ours are positions.
        let start = match params.find("Marker").map(str::parse) {
            None => 0,
            Some(Ok(start)) => start,
            Some(Err(_)) => return Err(ApiError::validation("Invalid Marker.")),
        };
        Ok(Self {
            start,
            most: usize::try_from(most).unwrap_or(usize::MAX),
        })
    }

    /// The list of this page, and whether and where it goes on.
    fn answer(&self, name: &str, items: Vec<Vec<Element>>) -> Vec<Element> {
        let end = self.start.saturating_add(self.most);
        let more = items.len() > end;
        let shown = items.into_iter().skip(self.start).take(self.most);
        let mut answer = vec![Element::list(name, shown), Element::text("IsTruncated", more)];
        answer.extend(more.then(|| Element::text("Marker", end)));
        answer
    }
}
