//! What a refusal of AWS means for a step of a plan, and what a person can do about it. AWS's own words are in the message
//! already; the codes are those of the STS API reference, "Errors" of each call and "Common Errors".

use super::{Base, Step};
use crate::credential::Credentials;
use crate::error::Error;
use crate::profile::ProfileName;

/// Adds what can be done about a refusal, as far as the step and those before it decide it.
pub(super) fn explained(error: Error, earlier: &[Step], step: &Step) -> Error {
    let profile = step.profile();
    let has_mfa = earlier.iter().chain([step]).any(|step| step.mfa().is_some());
    let hint = match error.aws_code() {
        Some("AccessDenied") if step.mfa().is_some() && error.message().contains("MultiFactorAuthentication") => {
            "AWS takes each code once, and only while it is shown; try again with the next one".to_owned()
        }
        // AWS does not say that a role or a user needs MFA, nor that there is no such role; it only denies.
        Some("AccessDenied") if !has_mfa => {
            format!("if it needs MFA: put mfa_serial = arn:aws:iam::ACCOUNT:mfa/DEVICE into [profile {profile}]")
        }
        Some("AccessDenied") if matches!(step, Step::AssumeRole(_)) => {
            "MFA was given; look whether the role exists, and whom its trust policy names".to_owned()
        }
        Some("ValidationError") if error.message().contains("DurationSeconds") => {
            let duration = step.duration();
            format!(
                "{} was asked for ({}); ask for less with -d, or duration_seconds in [profile {profile}]",
                duration.value, duration.origin
            )
        }
        Some("RegionDisabledException") => {
            let region = &step.address().region;
            format!(
                "{} is from {}; name another region, or activate STS there in the account settings of IAM",
                region.value.as_str(),
                region.origin
            )
        }
        Some("PackedPolicyTooLarge") => {
            "policies (--policy-file, --policy-arn) and session tags share one limit; make them shorter".to_owned()
        }
        Some("MalformedPolicyDocument") => "the policy is the one of --policy-file".to_owned(),
        Some("ExpiredTokenException" | "InvalidIdentityToken" | "IDPRejectedClaim") => {
            "the web identity token has to be written anew by whatever provides it".to_owned()
        }
        Some(_) | None => return error,
    };
    error.hint(hint)
}

/// Whether AWS refused the one who called, whatever the call was: a session that has ended, or a key that was deleted, made
/// inactive, or whose sessions were revoked.
pub(super) fn is_of_the_caller(error: &Error) -> bool {
    matches!(
        error.aws_code(),
        Some("ExpiredToken" | "ExpiredTokenException" | "InvalidClientTokenId" | "UnrecognizedClientException")
    )
}

/// Adds what can be done when it is the entry's own access key that was refused.
pub(super) fn of_entry(error: Error, entry: &ProfileName, credentials: &Credentials) -> Error {
    let Credentials::LongTerm(key) = credentials else {
        return error;
    };
    let replace = format!("`tapvault add --force {}` replaces it", entry.in_command());
    let is_time = error.message().contains("Signature expired") || error.message().contains("not yet current");
    match error.aws_code() {
        Some("InvalidClientTokenId") => error.hint(format!(
            "AWS knows no active access key {} of {entry} there: it was deleted or made inactive, or its account is in another \
             partition than the region; {replace}",
            key.id
        )),
        Some("SignatureDoesNotMatch") if !is_time => {
            error.hint(format!("the secret of access key {} is not the one that AWS has; {replace}", key.id))
        }
        Some(_) | None => error,
    }
}

/// Adds who gave the credentials, when they come from outside the vault and were refused.
pub(super) fn of_source(error: Error, base: &Base) -> Error {
    if !is_of_the_caller(&error) {
        return error;
    }
    match base {
        Base::CredentialProcess { origin, .. } => {
            error.hint(format!("what AWS refuses came from credential_process ({origin})"))
        }
        Base::WebIdentity { .. } | Base::Entry { .. } => error,
    }
}
