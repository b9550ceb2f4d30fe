//! The user behind an entry, on its own: the session that IAM may be called with, and where STS and IAM are.
//!
//! "You cannot call any IAM API operations unless MFA authentication information is included in the request" (STS API
//! reference, GetSessionToken): so a session is made only with a code, and else the access key itself is used.

use super::error::ChainError;
use super::{Address, GetSessionToken, Mfa, Sessions, Step};
use crate::profile::value::Seconds;
use crate::profile::{Asked, Config, Note, Origin, Overrides, Partition, Profile, ProfileName, Region, Sourced};

/// Long enough for a run that waits a minute for a new key and for a person twice. In seconds; STS gives 900 at least.
const DURATION: u32 = 1_800;

/// How the user of an entry is spoken for.
#[derive(Clone, Debug, PartialEq)]
pub struct Own {
    /// The session made with a code; `None` where the access key itself is used.
    pub session: Option<Step>,
    /// Where STS is called.
    pub sts: Address,
    /// A custom endpoint of IAM.
    pub iam: Option<Sourced<String>>,
    /// The one region that IAM has in the partition; calls are signed for it.
    pub iam_region: Region,
    /// What a person should know.
    pub notes: Vec<Note>,
}

impl Own {
    /// The plan for the user of the entry `entry`, which `asked` led to. Each speaks where the other is silent, the entry's own
    /// profile first. `partition` is that of the user, as far as it is known.
    ///
    /// # Errors
    /// When one of the profiles can't be used.
    pub fn plan(
        config: &Config,
        asked: &ProfileName,
        entry: &ProfileName,
        partition: Option<Partition>,
        sessions: Sessions,
    ) -> Result<Own, ChainError> {
        let overrides = Overrides::default();
        let mut profiles = vec![config.resolve(asked, Asked::ByPerson, &overrides)?];
        if asked != entry {
            profiles.push(config.resolve(entry, Asked::ByProfile, &overrides)?);
        }
        let mut notes: Vec<Note> = profiles.iter().flat_map(|profile| profile.notes.clone()).collect();
        let bottom = profiles.len() - 1;
        let sts = Address::of(&profiles, bottom, partition, &mut notes);
        let nearest = |pick: fn(&Profile) -> bool| profiles.iter().rev().find(|profile| pick(profile));
        let session = match sessions {
            Sessions::Skipped => None,
            Sessions::Made => nearest(|profile| profile.mfa_serial.is_some()).and_then(|speaker| {
                let process = nearest(|profile| profile.mfa_process.is_some());
                let mfa = Mfa {
                    serial: speaker.mfa_serial.clone()?,
                    process: process.and_then(|profile| profile.mfa_process.clone()),
                };
                Some(Step::GetSessionToken(GetSessionToken {
                    profile: entry.clone(),
                    duration: Sourced::new(Seconds(DURATION), Origin::Default("half an hour for calls of IAM")),
                    mfa: Some(mfa),
                    address: sts.clone(),
                }))
            }),
        };
        let iam = nearest(|profile| profile.endpoints.iam.is_some()).and_then(|profile| profile.endpoints.iam.clone());
        Ok(Own {
            session,
            iam_region: partition.unwrap_or_else(|| sts.region.value.partition()).of_iam(),
            iam,
            sts,
            notes,
        })
    }
}
