//! The log: what was asked, by whom, and what came of it.
//!
//! A record never holds a secret. Codes are told as the time step they belong to, which is what tests want to know
//! anyway; only parameters that are known to be harmless keep their values.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::query::Params;
use super::totp;
use super::world::World;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Number in order of arrival at its effect, from 1.
    pub seq: u64,
    /// When, by the service's clock.
    pub time: Timestamp,
    /// `sts` or `iam`; empty if the request did not say.
    pub service: String,
    /// Action; empty if the request did not say.
    pub action: String,
    /// Parameters, without secrets.
    pub parameters: BTreeMap<String, String>,
    /// Access key ID it was signed with.
    pub access_key_id: Option<String>,
    /// ARN of the caller, if the signature held.
    pub caller_arn: Option<String>,
    /// Region it was signed for.
    pub region: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// The answer's request ID.
    pub request_id: String,
    /// HTTP status of the answer; `None` if a fault kept it from being made.
    pub status: Option<u16>,
    /// Error code of the answer, if it was one.
    pub error: Option<String>,
    /// What went wrong on purpose.
    pub faults: Vec<String>,
    /// Microseconds from the arrival of the whole request to its answer, for who measures what is beside it.
    pub took_us: u64,
}

/// All calls, kept in memory and, if wanted, written to a file as JSON lines.
#[derive(Default)]
pub struct Log {
    calls: Vec<Call>,
    next: u64,
    file: Option<File>,
}

impl Log {
    /// A log that is also appended to a file.
    pub fn to_file(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self {
            file: Some(file),
            ..Self::default()
        })
    }

    /// Adds a call and gives it its number.
    pub fn add(&mut self, mut call: Call) {
        self.next += 1;
        call.seq = self.next;
        if let Some(file) = &mut self.file {
            let mut line = serde_json::to_vec(&call).expect("a call is strings and numbers");
            line.push(b'\n');
            // One write a line, so that readers never see a torn one.
            if let Err(e) = file.write_all(&line) {
                eprintln!("aws-standin: the log can't be written: {e}");
                self.file = None;
            }
        }
        self.calls.push(call);
    }

    /// The calls so far.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Forgets the calls in memory; numbers go on.
    pub fn clear(&mut self) {
        self.calls.clear();
    }
}

/// Parameters that carry codes of the MFA device named by `SerialNumber`.
const CODES: [&str; 3] = ["TokenCode", "AuthenticationCode1", "AuthenticationCode2"];

/// Parameters whose values are told, whole or up to `.member.`. Of any other parameter only the name is told: it
/// may be a secret in the wrong place.
const HARMLESS: [&str; 23] = [
    "Action",
    "Version",
    "DurationSeconds",
    "SerialNumber",
    "RoleArn",
    "RoleSessionName",
    "ExternalId",
    "Policy",
    "PolicyArns",
    "Tags",
    "TransitiveTagKeys",
    "SourceIdentity",
    "ProviderId",
    "Name",
    "AccessKeyId",
    "UserName",
    "Status",
    "Path",
    "VirtualMFADeviceName",
    "AssignmentStatus",
    "Marker",
    "MaxItems",
    "MinimumSessionTokenSize",
];

/// How far around now a code's step is looked for: an hour either side, so that a stale code can be told from a
/// mistyped one.
const SEARCH_STEPS: u64 = 120;

/// The parameters as the log tells them. To be asked before the call takes effect: it may delete the device.
pub fn redact(params: &Params, world: &World, now: Timestamp) -> BTreeMap<String, String> {
    let device = params.find("SerialNumber").and_then(|serial| world.mfa_device(serial));
    params
        .iter()
        .filter(|(name, _)| !name.starts_with("X-Amz-"))
        .map(|(name, value)| {
            let stem = name.split_once(".member.").map_or(name, |(stem, _)| stem);
            let value = if CODES.contains(&name) {
                let present = totp::step_at(now);
                let near = present.saturating_sub(SEARCH_STEPS)..=present + SEARCH_STEPS;
                let step = device.and_then(|device| {
                    let step = near.into_iter().find(|step| device.code(*step) == value)?;
                    Some(device.own_step(step))
                });
                step.map_or_else(|| "no step".to_owned(), |step| format!("step {step}"))
            } else if HARMLESS.contains(&stem) {
                value.to_owned()
            } else {
                "(not logged)".to_owned()
            };
            (name.to_owned(), value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws_standin::sample::ANA_MFA;

    #[test]
    fn secrets_and_codes_stay_out_of_the_log() {
        let world = World::sample();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let step = totp::step_at(now) - 3;
        let code = world.mfa_device(ANA_MFA).unwrap().code(step);
        let text = format!(
            "Action=GetSessionToken&SerialNumber={ANA_MFA}&TokenCode={code}&WebIdentityToken=s3cret&SecretAccessKey=s3cret&X-Amz-Security-Token=s3cret"
        );
        let told = redact(&Params::parse(&text), &world, now);
        assert_eq!(told["TokenCode"], format!("step {step}"));
        assert_eq!(told["WebIdentityToken"], "(not logged)");
        assert!(!format!("{told:?}").contains("s3cret") && !format!("{told:?}").contains(&code));
        let wrong = Params::parse(&format!("SerialNumber={ANA_MFA}&TokenCode=abc"));
        assert_eq!(redact(&wrong, &world, now)["TokenCode"], "no step");
    }
}
