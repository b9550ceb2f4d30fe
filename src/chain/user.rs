//! The user behind an entry, met: the entry opened, credentials that IAM takes, and whose they are. Whatever IAM is asked for
//! begins so.

use super::call::{at, call};
use super::mfa::{Clues, Codes};
use super::{Own, Step};
use crate::agefile::AgeFile;
use crate::aws::iam::{Iam, IamError};
use crate::aws::{Endpoint, Sts};
use crate::context::Context;
use crate::credential::{AccessKey, Credentials};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::ProfileName;
use crate::vault::Vault;
use crate::vault::entry::{OpenedAccessKey, open_access_key};
use crate::vault::sidecar::owner_of;
use crate::vault::unlock::{KeyChoice, Unlocked, unlock};

/// Whose entry is opened, how, and what for.
pub struct Asking<'w> {
    /// The entry.
    pub entry: &'w ProfileName,
    /// The profile that led to it: its settings speak too.
    pub asked: &'w ProfileName,
    /// How its user is spoken for.
    pub own: &'w Own,
    /// Which key opens.
    pub key: &'w KeyChoice,
    /// Reads after "open prod (ana in 111122223333) to".
    pub purpose: &'w str,
    /// The processes above this one, nearest first.
    pub callers: &'w [String],
}

/// What the command will want of the token after the entry is open and its user is met.
#[derive(Clone, Copy, Debug, Default)]
pub struct Later {
    /// How often the key has to open once more.
    pub openings: usize,
    /// How many touches come for other things.
    pub touches: usize,
}

/// The entry, open, and the key that opened it.
pub struct Opened<'a> {
    /// The key; it can open again.
    pub unlocked: Unlocked<'a>,
    /// The entry's file as it was read.
    pub file: AgeFile,
    /// What was in it.
    pub entry: OpenedAccessKey,
}

/// Finds a key that is here, says how many touches there will be, and opens the entry. Where a code is needed it is to be had
/// from `codes`.
///
/// # Errors
/// [`ErrorKind::NoEntry`], [`ErrorKind::NoKey`], [`ErrorKind::NoTouch`], and whatever else keeps an entry shut.
pub fn open<'a>(
    ctx: &'a Context,
    vault: &Vault,
    asking: &Asking<'_>,
    later: Later,
    codes: &mut Codes<'a>,
) -> Result<(Opened<'a>, Touches<'a>)> {
    let entry = asking.entry;
    let file = vault.entry_file(entry)?;
    let keyring = vault.read()?.0.keyring.ok_or_else(|| {
        Error::new(ErrorKind::Damaged, "there are entries, but keys.json is missing").hint("restore it from a backup")
    })?;
    let for_code = match asking.own.session.as_ref().and_then(Step::mfa) {
        Some(mfa) => {
            let profiles = vec![entry.to_string(), asking.asked.to_string()];
            codes.look_ahead(&[(mfa, Clues::gather(vault, Some(&keyring), entry, profiles)?)])?
        }
        None => 0,
    };
    let mut unlocked = unlock(ctx, vault, &keyring, asking.key, Some(file.stanzas()), entry.as_str())?;
    let total = unlocked.key.touches_for(1 + later.openings, 0) + for_code + later.touches;
    announce(ctx, total, usize::from(asking.own.session.is_some()));
    let mut touches = Touches::planned(&ctx.dialogue, total);
    let owner = vault.sidecar(entry)?.and_then(|sidecar| sidecar.owner());
    let purpose = purpose(asking, owner.as_deref());
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

fn purpose(asking: &Asking<'_>, owner: Option<&str>) -> String {
    let owner = owner.map(|owner| format!(" ({owner})")).unwrap_or_default();
    let callers = match asking.callers {
        [] => String::new(),
        callers => format!(", asked by {}", callers.join(" < ")),
    };
    format!("open {}{owner} to {}{callers}", asking.entry, asking.purpose)
}

/// Somebody at AWS: credentials that IAM takes, and whose they are.
pub struct User {
    /// A session made with a code, else the access key itself.
    pub credentials: Credentials,
    /// `arn:aws:iam::111122223333:user/team/ana`, or the root user's.
    pub arn: String,
}

impl User {
    /// The user behind an access key: with a session made with a code where `own` has one, else with the key itself.
    ///
    /// # Errors
    /// [`ErrorKind::Aws`] when AWS does not take the key or the code, or when it is no user's.
    pub fn meet(
        ctx: &Context,
        sts: &mut Sts<'_>,
        codes: &mut Codes<'_>,
        touches: &mut Touches<'_>,
        (entry, own): (&ProfileName, &Own),
        key: &AccessKey,
    ) -> Result<User> {
        let key = Credentials::LongTerm(key.clone());
        let credentials = match &own.session {
            Some(step) => Credentials::Temporary(call(ctx, sts, &key, (&[], step), codes, touches)?),
            None => key,
        };
        let identity = sts.get_caller_identity(&credentials, &at(&own.sts))?;
        let is_user = identity.arn.contains(":user/") || identity.arn.ends_with(":root");
        if !is_user {
            return Err(
                Error::new(ErrorKind::Aws, format!("{entry} is no IAM user ({})", identity.arn))
                    .hint("only a user has access keys and MFA devices of its own"),
            );
        }
        Ok(User {
            credentials,
            arn: identity.arn,
        })
    }

    /// "ana in 111122223333".
    pub fn owner(&self) -> String {
        owner_of(&self.arn).unwrap_or_else(|| self.arn.clone())
    }
}

/// IAM, where the profile says.
pub fn iam<'a>(ctx: &'a Context, own: &Own) -> Iam<'a> {
    Iam::new(
        ctx,
        Endpoint {
            region: own.iam_region.as_str().to_owned(),
            url: own.iam.as_ref().map(|url| url.value.clone()),
            ..at(&own.sts)
        },
    )
}

/// The error of a call to IAM; when it was denied, with `needs`, the actions of the smallest policy that allows what is done.
pub fn refused(error: IamError, entry: &ProfileName, own: &Own, needs: &str) -> Error {
    if !error.is_denied() {
        return error.into_error();
    }
    let mut error = error.into_error().hint(needs);
    if own.session.is_none() {
        error = error.hint(format!(
            "if the policy wants MFA: mfa_serial in [profile {entry}], and no --no-session"
        ));
    }
    error
}
