//! What a rotation has to know before its first step: the entry opened, credentials that IAM takes, whose they are, and which
//! access keys the user has.

use super::Wishes;
use super::words;
use crate::aws::iam::{Iam, ListedKey};
use crate::chain::mfa::Codes;
use crate::chain::user::{self, Asking, Later};
use crate::context::Context;
use crate::error::Result;
use crate::presence::Touches;
use crate::vault::Vault;

pub(super) use crate::chain::user::{Opened, User};

/// Finds a key that is here, and opens the entry. It has to open `more` times after this, and a code is to be had from `codes`.
pub(super) fn open<'a>(
    ctx: &'a Context,
    vault: &Vault,
    wishes: &Wishes,
    more: usize,
    codes: &mut Codes<'a>,
) -> Result<(Opened<'a>, Touches<'a>)> {
    let asking = Asking {
        entry: &wishes.entry,
        asked: &wishes.asked,
        own: &wishes.own,
        key: &wishes.key,
        purpose: "rotate its access key",
        callers: &wishes.callers,
    };
    let later = Later {
        openings: more,
        ..Later::default()
    };
    user::open(ctx, vault, &asking, later, codes)
}

/// The user's access keys.
pub(super) fn list(iam: &mut Iam<'_>, wishes: &Wishes, user: &User) -> Result<Vec<ListedKey>> {
    iam.list_access_keys(&user.credentials).map_err(|error| {
        words::refused(error, wishes).within(format!("looking at the access keys of {}", user.owner()))
    })
}

/// The command that takes up this rotation.
pub(super) fn resume_line(wishes: &Wishes) -> String {
    format!("tapvault rotate --resume {}", wishes.entry.in_command())
}
