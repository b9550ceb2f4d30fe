//! What a rotation has to know before its first step: the entry opened, credentials that IAM takes, whose they are, and which
//! access keys the user has.

use super::words;
use super::{Wishes, quoted};
use crate::agefile::AgeFile;
use crate::aws::iam::{Iam, ListedKey};
use crate::aws::{Endpoint, Sts};
use crate::chain::Step;
use crate::chain::call::{at, call};
use crate::chain::mfa::{Clues, Codes};
use crate::context::Context;
use crate::credential::{AccessKey, Credentials};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::vault::Vault;
use crate::vault::entry::{OpenedAccessKey, open_access_key};
use crate::vault::sidecar::owner_of;
use crate::vault::unlock::{Unlocked, unlock};

/// The entry, open, and the key that opened it, which has to open once more.
pub(super) struct Opened<'a> {
    pub unlocked: Unlocked<'a>,
    pub file: AgeFile,
    pub entry: OpenedAccessKey,
}

/// Finds a key that is here, and opens the entry. It has to open `more` times after this, and a code is to be had from `codes`.
pub(super) fn open<'a>(
    ctx: &'a Context,
    vault: &Vault,
    wishes: &Wishes,
    more: usize,
    codes: &mut Codes<'a>,
) -> Result<(Opened<'a>, Touches<'a>)> {
    let entry = &wishes.entry;
    let file = vault.entry_file(entry)?;
    let keyring = vault.read()?.0.keyring.ok_or_else(|| {
        Error::new(ErrorKind::Damaged, "there are entries, but keys.json is missing").hint("restore it from a backup")
    })?;
    let for_code = match wishes.own.session.as_ref().and_then(Step::mfa) {
        Some(mfa) => {
            let profiles = vec![entry.to_string(), wishes.asked.to_string()];
            codes.look_ahead(&[(mfa, Clues::gather(vault, Some(&keyring), entry, profiles)?)])?
        }
        None => 0,
    };
    let mut unlocked = unlock(ctx, vault, &keyring, &wishes.key, Some(file.stanzas()), entry.as_str())?;
    let total = unlocked.key.touches_for(1 + more, 0) + for_code;
    announce(ctx, total, usize::from(wishes.own.session.is_some()));
    let mut touches = Touches::planned(&ctx.dialogue, total);
    let owner = vault.sidecar(entry)?.and_then(|sidecar| sidecar.owner());
    let purpose = purpose(wishes, owner.as_deref());
    let opened = open_access_key(ctx, vault, &mut unlocked, entry, &file, &purpose, &mut touches)?;
    Ok((
        Opened {
            unlocked,
            file,
            entry: opened,
        },
        touches,
    ))
}

/// "2 touches, 1 code", before the first of them.
fn announce(ctx: &Context, touches: usize, codes: usize) {
    let some = |number: usize, one: &str, many: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{number} {many}")),
    };
    let words: Vec<String> = [some(touches, "touch", "touches"), some(codes, "code", "codes")]
        .into_iter()
        .flatten()
        .collect();
    // One touch is announced by its own line.
    if touches + codes > 1 {
        ctx.dialogue.tell(&words.join(", "));
    }
}

fn purpose(wishes: &Wishes, owner: Option<&str>) -> String {
    let owner = owner.map(|owner| format!(" ({owner})")).unwrap_or_default();
    let callers = match &wishes.callers[..] {
        [] => String::new(),
        callers => format!(", asked by {}", callers.join(" < ")),
    };
    format!("open {}{owner} to rotate its access key{callers}", wishes.entry)
}

/// Somebody at AWS: credentials that IAM takes, and whose they are.
pub(super) struct User {
    pub credentials: Credentials,
    pub arn: String,
}

impl User {
    /// "ana in 111122223333".
    pub fn owner(&self) -> String {
        owner_of(&self.arn).unwrap_or_else(|| self.arn.clone())
    }
}

/// The user behind an access key: with a session made with a code where one is needed, else with the key itself.
pub(super) fn user(
    ctx: &Context,
    sts: &mut Sts<'_>,
    codes: &mut Codes<'_>,
    touches: &mut Touches<'_>,
    wishes: &Wishes,
    key: &AccessKey,
) -> Result<User> {
    let key = Credentials::LongTerm(key.clone());
    let credentials = match &wishes.own.session {
        Some(step) => Credentials::Temporary(call(ctx, sts, &key, step, codes, touches)?),
        None => key,
    };
    let identity = sts.get_caller_identity(&credentials, &at(&wishes.own.sts))?;
    let is_user = identity.arn.contains(":user/") || identity.arn.ends_with(":root");
    if !is_user {
        return Err(Error::new(
            ErrorKind::Aws,
            format!("{} is no IAM user ({})", wishes.entry, identity.arn),
        )
        .hint("only a user's own access keys can be rotated"));
    }
    Ok(User {
        credentials,
        arn: identity.arn,
    })
}

/// IAM, where the profile says.
pub(super) fn iam<'a>(ctx: &'a Context, wishes: &Wishes) -> Iam<'a> {
    let sts = at(&wishes.own.sts);
    Iam::new(
        ctx,
        Endpoint {
            region: wishes.own.iam_region.as_str().to_owned(),
            url: wishes.own.iam.as_ref().map(|url| url.value.clone()),
            ..sts
        },
    )
}

/// The user's access keys.
pub(super) fn list(iam: &mut Iam<'_>, wishes: &Wishes, user: &User) -> Result<Vec<ListedKey>> {
    iam.list_access_keys(&user.credentials).map_err(|error| {
        words::refused(error, wishes).within(format!("looking at the access keys of {}", user.owner()))
    })
}

/// The command that takes up this rotation.
pub(super) fn resume_line(wishes: &Wishes) -> String {
    format!("tapvault rotate --resume {}", quoted(&wishes.entry))
}
