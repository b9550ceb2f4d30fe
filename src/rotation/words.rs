//! What is said when a rotation can't go on, and what a person can do.

use super::Wishes;
use super::decide::{Obstacle, Use};
use super::journal::Journal;
use super::remind::moment;
use crate::aws::iam::{IamError, ListedKey};
use crate::chain::user;
use crate::error::{Error, ErrorKind};
use crate::profile::Partition;
use crate::profile::ProfileName;
use jiff::Timestamp;

/// Everything that a rotation may call, for the hint: the smallest policy that does.
const ACTIONS: &str =
    "iam:ListAccessKeys, iam:CreateAccessKey, iam:UpdateAccessKey, iam:DeleteAccessKey and iam:GetAccessKeyLastUsed";

/// The error of a call to IAM, with the policy that would allow it.
pub(super) fn refused(error: IamError, wishes: &Wishes) -> Error {
    let needs = policy(wishes.own.iam_region.partition());
    user::refused(error, &wishes.entry, &wishes.own, &needs)
}

fn policy(partition: Partition) -> String {
    format!(
        "a rotation needs {ACTIONS} on arn:{}:iam::*:user/${{aws:username}}",
        partition.name()
    )
}

/// The error when another machine wrote the journal just now.
pub(super) fn elsewhere(journal: &Journal, entry: &ProfileName) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "a rotation of {entry} was under way on {} at {}, and may still be; nothing was done here",
            journal.host,
            moment(journal.at)
        ),
    )
    .hint("go on with it there; or here, once a quarter of an hour has passed and the folder is synced")
}

/// "made 2026-01-01, last used 2026-02-03 (s3)".
pub(super) fn describe(key: &ListedKey, used: &Use) -> String {
    let made = match key.created {
        Some(at) => format!("made {}", day(at)),
        None => "made at an unknown time".into(),
    };
    let used = match used {
        Use::Never => "never used".into(),
        Use::Last(last) => format!("last used {} ({})", day(last.at), last.service),
        Use::NotTold => "when it was last used AWS does not tell you".into(),
    };
    format!("{made}, {used}")
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// The error for an obstacle.
pub(super) fn obstacle(obstacle: &Obstacle, entry_key: &str, wishes: &Wishes) -> Error {
    let entry = &wishes.entry;
    let name = entry.in_command();
    let conflict = |text: String| Error::new(ErrorKind::Conflict, text);
    match obstacle {
        Obstacle::OwnMissing => conflict(format!(
            "IAM does not list {entry_key}, the access key of {entry}; nothing was done"
        ))
        .hint("if it was made a moment ago, wait and try again"),
        Obstacle::OwnInactive => conflict(format!(
            "{entry_key}, the access key of {entry}, is switched off at AWS; nothing was done"
        ))
        .hint("switch it on in the IAM console if it is to be used again"),
        Obstacle::Other(key, used) => conflict(format!(
            "the user of {entry} has another access key, {} ({}), and AWS allows two; nothing was done",
            key.id,
            describe(key, used)
        ))
        .hint(format!(
            "if nothing needs it: tapvault rotate --delete-other {} {name}",
            key.id
        )),
        Obstacle::Reactivated(key) => conflict(format!(
            "{}, the old access key of {entry}, was switched on again since it was rotated; it was left as it is",
            key.id
        ))
        .hint(format!(
            "once nothing needs it: tapvault rotate --finish --delete-other {} {name}",
            key.id
        )),
        Obstacle::NotYet(id) => conflict(format!(
            "{id}, the new access key of {entry}, does not work yet; the entry still has {entry_key}"
        ))
        .hint("AWS needs some seconds, rarely minutes, until a new key works everywhere"),
        Obstacle::BothOff(id) => conflict(format!(
            "neither {entry_key}, the access key of {entry}, nor {id}, the new one that waits, is active at AWS"
        ))
        .hint("switch one of them on in the IAM console; then run this again"),
    }
}
