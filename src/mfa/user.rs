//! The IAM user whose devices are meant, reached: the entry opened, and IAM ready to be asked.

use super::{Person, words};
use crate::aws::Sts;
use crate::aws::iam::{Iam, ListedDevice};
use crate::chain::mfa::Codes;
use crate::chain::user::{self, Asking, Later, Opened, User};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::vault::Vault;

/// The user, and what is needed to ask IAM about their devices.
pub(super) struct Reached<'a> {
    pub user: User,
    pub iam: Iam<'a>,
    pub touches: Touches<'a>,
}

/// What a device's codes take after the user is met.
#[derive(Clone, Copy)]
pub(super) struct CodeTouches(pub usize);

/// Opens the entry of `person` to `purpose` and meets its user.
pub(super) fn reach<'a>(
    ctx: &'a Context,
    vault: &Vault,
    person: &mut Person,
    purpose: &str,
    CodeTouches(later): CodeTouches,
) -> Result<Reached<'a>> {
    let mut codes = Codes::new(ctx, std::mem::take(&mut person.codes)).knowing(&person.passwords);
    let (opened, mut touches) = open(ctx, vault, person, purpose, later, &mut codes)?;
    let mut sts = Sts::new(ctx);
    let whose = (&person.entry, &person.own);
    let user = User::meet(ctx, &mut sts, &mut codes, &mut touches, whose, &opened.entry.key)?;
    Ok(Reached {
        iam: user::iam(ctx, &person.own),
        user,
        touches,
    })
}

fn open<'a>(
    ctx: &'a Context,
    vault: &Vault,
    person: &Person,
    purpose: &str,
    later: usize,
    codes: &mut Codes<'a>,
) -> Result<(Opened<'a>, Touches<'a>)> {
    let asking = Asking {
        entry: &person.entry,
        asked: &person.asked,
        own: &person.own,
        key: &person.key,
        purpose,
        callers: &person.callers,
    };
    let later = Later {
        touches: later,
        ..Later::default()
    };
    user::open(ctx, vault, &asking, later, codes)
}

impl Reached<'_> {
    /// The user's name, as IAM wants it in some calls.
    ///
    /// # Errors
    /// [`ErrorKind::Aws`] for the root user, who has none.
    pub fn name(&self) -> Result<&str> {
        let name = self
            .user
            .arn
            .split_once(":user/")
            .and_then(|(_, path)| path.rsplit('/').next());
        name.ok_or_else(|| {
            Error::new(ErrorKind::Aws, format!("{} is no user of IAM", self.user.arn))
                .hint("the root user's MFA devices are managed in the console")
        })
    }

    /// The user's devices.
    pub fn devices(&mut self, person: &Person) -> Result<Vec<ListedDevice>> {
        self.iam
            .list_mfa_devices(&self.user.credentials)
            .map_err(|error| words::refused(error, person).within(format!("the MFA devices of {}", self.user.owner())))
    }
}
