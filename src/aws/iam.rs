//! IAM as this program needs it: a user's own access keys and MFA devices (IAM API Reference).
//!
//! IAM takes the user whose key, or session, signed a call, unless the call names one; only those name one that have to.

mod access_key;
mod mfa_device;

pub use access_key::{KeyStatus, LastUse, ListedKey};
pub use mfa_device::{ListedDevice, NewDevice};

use super::Endpoint;
use super::client::Client;
use super::failure::Failure;
use super::transport::BoundedAnswer;
use crate::context::Context;
use crate::credential::Credentials;
use crate::error::{Error, Result};

/// More pages than any user has things to list, by far: a list that never ends is an error.
const MOST_PAGES: usize = 20;

/// Why a call that is made once only did not succeed.
pub enum NotDone {
    /// AWS said no; nothing was done.
    Refused(IamError),
    /// The answer never came whole: it may have been done.
    Doubtful(IamError),
}

impl NotDone {
    fn of(failure: &Failure) -> Self {
        match failure.is_without_effect() {
            true => NotDone::Refused(IamError::of(failure)),
            false => NotDone::Doubtful(IamError::of(failure)),
        }
    }
}

/// A call that failed, for who has to tell refusals apart.
pub struct IamError(Error);

impl IamError {
    fn of(failure: &Failure) -> Self {
        IamError(failure.to_error())
    }

    /// The user, the access key or the device is not there (any more).
    pub fn is_missing(&self) -> bool {
        self.0.aws_code() == Some("NoSuchEntity")
    }

    /// AWS does not know the key that signed: it is off or gone, or so new that IAM has not heard of it yet.
    pub fn is_unknown_caller(&self) -> bool {
        self.0.aws_code() == Some("InvalidClientTokenId")
    }

    /// Something of this name is there already.
    pub fn is_taken(&self) -> bool {
        self.0.aws_code() == Some("EntityAlreadyExists")
    }

    /// It is in use, so it can't be deleted.
    pub fn is_in_use(&self) -> bool {
        self.0.aws_code() == Some("DeleteConflict")
    }

    /// The user may not make this call.
    pub fn is_denied(&self) -> bool {
        matches!(
            self.0.aws_code(),
            Some("AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation")
        )
    }

    /// For the person.
    pub fn into_error(self) -> Error {
        self.0
    }
}

/// IAM. As [`super::Sts`]: nothing is built before the first call.
pub struct Iam<'a> {
    ctx: &'a Context,
    endpoint: Endpoint,
    client: Option<Client<'a>>,
}

impl<'a> Iam<'a> {
    /// For the calls of one command.
    pub fn new(ctx: &'a Context, endpoint: Endpoint) -> Self {
        Iam {
            ctx,
            endpoint,
            client: None,
        }
    }

    fn client(&mut self, credentials: &Credentials) -> Result<(&Client<'a>, aws_sdk_iam::Client, &Endpoint)> {
        let client = match &mut self.client {
            Some(client) => client,
            empty => empty.insert(Client::new(self.ctx, &self.endpoint)?),
        };
        let config = aws_sdk_iam::config::Builder::from(&client.config(Some(credentials), &self.endpoint)?)
            .interceptor(BoundedAnswer);
        Ok((client, aws_sdk_iam::Client::from_conf(config.build()), &self.endpoint))
    }
}

/// A failure without an answer of AWS's.
fn unsent(error: Error) -> IamError {
    IamError(error)
}
