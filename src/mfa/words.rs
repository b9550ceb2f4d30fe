//! What is said when a device can't be made, used or removed, and what a person can do.

use super::Person;
use crate::aws::iam::IamError;
use crate::chain::user;
use crate::error::Error;
use crate::profile::ProfileName;

/// The error of a call to IAM, with the policy that would allow it.
pub(super) fn refused(error: IamError, person: &Person) -> Error {
    let partition = person.own.iam_region.partition().name();
    let needs = format!(
        "this needs iam:ListMFADevices, iam:EnableMFADevice, iam:ResyncMFADevice and iam:DeactivateMFADevice on \
         arn:{partition}:iam::*:user/${{aws:username}}, iam:CreateVirtualMFADevice and iam:DeleteVirtualMFADevice on \
         arn:{partition}:iam::*:mfa/*"
    );
    user::refused(error, &person.entry, &person.own, &needs)
}

/// The command that finishes or undoes what was left.
pub(super) fn resume_line(what: &str, entry: &ProfileName) -> String {
    format!("tapvault mfa {what} {}", entry.in_command())
}

/// "YubiKey 1, YubiKey 2".
pub(super) fn listed(tokens: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let names: Vec<String> = tokens.into_iter().map(|serial| format!("YubiKey {serial}")).collect();
    names.join(", ")
}
