//! The steps: which calls turn the base into what was asked for, and which of them need a code.
//!
//! One rule decides about the base session: it is made when it can stand in for the access key in all that follows. That is
//! so unless sessions are off, a single role is to live longer than the hour that AWS gives a chained one, or the first role
//! names an MFA device that the session would not be made with.

use super::duration::{self, CHAINED, Purpose};
use super::error::ChainError;
use super::walk::{Walk, walk};
use super::{
    Address, AssumeRole, AssumeRoleWithWebIdentity, Base, Chain, GetSessionToken, Mfa, Policy, Request, Sessions, Step,
};
use crate::profile::value::{Command, MfaSerial};
use crate::profile::{Config, Note, Partition, Profile, ProfileName, Sourced, Via};

impl Chain {
    /// Plans what `name` takes. `stored` says for which names the vault has an entry.
    ///
    /// # Errors
    /// When the profile leads to no credentials, or to a call that AWS would refuse.
    pub fn plan(
        config: &Config,
        name: &ProfileName,
        request: &Request,
        stored: &dyn Fn(&ProfileName) -> bool,
    ) -> Result<Chain, ChainError> {
        let Walk { profiles, base, notes } = walk(config, name, &request.overrides, stored)?;
        let mut plan = Plan {
            profiles: &profiles,
            steps: Vec::new(),
            notes,
        };
        plan.first_step(&base, request.sessions)?;
        plan.roles(&base)?;
        plan.narrow(&request.policy)?;
        let Plan { steps, mut notes, .. } = plan;
        dedup(&mut notes);
        // The walk begins with the profile that was asked for, so there is one.
        let profile = profiles.into_iter().next().expect("a walk has a first profile");
        Ok(Chain {
            profile,
            base,
            steps,
            notes,
        })
    }
}

struct Plan<'a> {
    /// From the profile that was asked for down to the one that has the base.
    profiles: &'a [Profile],
    steps: Vec<Step>,
    notes: Vec<Note>,
}

impl Plan<'_> {
    /// What has to happen to the base before any role is assumed with it.
    fn first_step(&mut self, base: &Base, sessions: Sessions) -> Result<(), ChainError> {
        let bottom = self.profiles.len() - 1;
        match base {
            Base::Entry { .. } => {
                if sessions == Sessions::Made {
                    self.session()?;
                }
            }
            Base::CredentialProcess { .. } => {}
            Base::WebIdentity { .. } => {
                let profile = &self.profiles[bottom];
                let role_arn = profile
                    .role
                    .arn
                    .clone()
                    .expect("the walk takes no token without a role");
                let address = Address::of(self.profiles, bottom, role_arn.value.partition(), &mut self.notes);
                self.steps
                    .push(Step::AssumeRoleWithWebIdentity(AssumeRoleWithWebIdentity {
                        profile: profile.name.clone(),
                        role_arn,
                        session_name: profile.role.session_name.clone(),
                        duration: duration::of_role("AssumeRoleWithWebIdentity", profile)?,
                        policy: Policy::default(),
                        address,
                    }));
            }
        }
        Ok(())
    }

    /// The base session, if it can stand in for the access key.
    fn session(&mut self) -> Result<(), ChainError> {
        let bottom = self.profiles.len() - 1;
        let roles: Vec<usize> = (0..=bottom)
            .rev()
            .filter(|&at| self.profiles[at].role.arn.is_some())
            .collect();
        let first = roles.first().map(|&at| &self.profiles[at]);
        // Profiles below the first role speak for the session, the nearest to the person first; a role with an entry of its
        // own speaks for its session itself.
        let from = roles.first().map_or(0, |&at| (at + 1).min(bottom));
        let serial = self.profiles[from..]
            .iter()
            .find_map(|profile| profile.mfa_serial.clone());
        if let Some(role) = first {
            let asked = duration::of_role("AssumeRole", role)?;
            if roles.len() == 1 && asked.value > CHAINED {
                self.notes.push(Note::new(
                    format!(
                        "the role of {} is assumed with the access key, not with a session",
                        role.name
                    ),
                    format!(
                        "it is to live {} ({}), and from a session AWS gives it {CHAINED}",
                        asked.value, asked.origin
                    ),
                ));
                self.note_lost_serial(role, serial);
                return Ok(());
            }
            if let Some(own) = &role.mfa_serial
                && Some(&own.value) != serial.as_ref().map(|serial| &serial.value)
            {
                self.notes.push(Note::new(
                    format!(
                        "the role of {} is assumed with the access key, not with a session",
                        role.name
                    ),
                    format!(
                        "its mfa_serial ({}) is not the one of {}",
                        own.origin, self.profiles[bottom].name
                    ),
                ));
                return Ok(());
            }
        }
        let partition = serial
            .as_ref()
            .and_then(|serial| Partition::of_arn(serial.value.as_str()))
            .or_else(|| first.and_then(|role| role.role.arn.as_ref()?.value.partition()));
        let purpose = if first.is_some() {
            Purpose::Roles
        } else {
            Purpose::Itself
        };
        let owner = &self.profiles[from];
        let step = GetSessionToken {
            profile: owner.name.clone(),
            duration: duration::of_session(owner, purpose)?,
            mfa: serial.map(|serial| self.mfa(from, serial)),
            address: Address::of(self.profiles, bottom, partition, &mut self.notes),
        };
        self.steps.push(Step::GetSessionToken(step));
        Ok(())
    }

    /// The roles, from the base upwards.
    fn roles(&mut self, base: &Base) -> Result<(), ChainError> {
        let bottom = self.profiles.len() - 1;
        for at in (0..=bottom).rev() {
            let profile = &self.profiles[at];
            let Some(role_arn) = profile.role.arn.clone() else {
                continue;
            };
            if at == bottom && matches!(base, Base::WebIdentity { .. }) {
                // Its role was the first step.
                continue;
            }
            let asked = duration::of_role("AssumeRole", profile)?;
            let duration = if self.steps.is_empty() {
                if matches!(base, Base::CredentialProcess { .. }) && asked.value > CHAINED {
                    self.notes.push(Note::new(
                        format!(
                            "the role of {} is asked for {} ({})",
                            profile.name, asked.value, asked.origin
                        ),
                        format!(
                            "if the command prints temporary credentials, AWS gives it {CHAINED} at most and refuses"
                        ),
                    ));
                }
                asked
            } else {
                let (duration, note) = duration::cap(asked, profile);
                self.notes.extend(note);
                duration
            };
            let mfa = self.role_mfa(at);
            let address = Address::of(self.profiles, at, role_arn.value.partition(), &mut self.notes);
            self.steps.push(Step::AssumeRole(Box::new(AssumeRole {
                profile: profile.name.clone(),
                role_arn,
                session_name: profile.role.session_name.clone(),
                external_id: profile.role.external_id.clone(),
                duration,
                tags: profile.role.tags.clone(),
                transitive_tags: profile.role.transitive_tags.clone(),
                source_identity: profile.role.source_identity.clone(),
                policy: Policy::default(),
                mfa,
                address,
            })));
        }
        Ok(())
    }

    /// The device of a role: its own, unless the base session was made with the same one.
    fn role_mfa(&mut self, at: usize) -> Option<Mfa> {
        let profile = &self.profiles[at];
        let serial = profile.mfa_serial.clone()?;
        let base_session = match self.steps.first() {
            Some(Step::GetSessionToken(session)) => session.mfa.as_ref(),
            Some(Step::AssumeRole(_) | Step::AssumeRoleWithWebIdentity(_)) | None => None,
        };
        if base_session.is_some_and(|mfa| mfa.serial.value == serial.value) {
            return None;
        }
        let from_role = matches!(
            self.steps.last(),
            Some(Step::AssumeRole(_) | Step::AssumeRoleWithWebIdentity(_))
        );
        if from_role {
            self.notes.push(Note::new(
                format!(
                    "the role of {} is assumed with a code ({})",
                    profile.name, serial.origin
                ),
                "it names an mfa_serial; AWS knows MFA devices of users only, and may refuse one from a role",
            ));
        }
        Some(self.mfa(at, serial))
    }

    /// A device, with the command that prints its codes: the profile's own, else that of a profile it sources from, else
    /// that of one above it with the same device.
    fn mfa(&self, at: usize, serial: Sourced<MfaSerial>) -> Mfa {
        let own = self.profiles[at].mfa_process.clone();
        let below = self.profiles[at + 1..]
            .iter()
            .find_map(|profile| profile.mfa_process.clone());
        let above = self.profiles[..at].iter().rev().find_map(|profile| {
            let same = profile
                .mfa_serial
                .as_ref()
                .is_some_and(|other| other.value == serial.value);
            profile.mfa_process.clone().filter(|_| same)
        });
        let seen = |via| move |process: Sourced<Command>| process.map_origin(|origin| origin.seen(via));
        Mfa {
            process: own.or(below.map(seen(Via::Source))).or(above.map(seen(Via::Above))),
            serial,
        }
    }

    /// A serial below the role goes unused when the session is skipped, for it isn't inherited.
    fn note_lost_serial(&mut self, role: &Profile, serial: Option<Sourced<MfaSerial>>) {
        if let (None, Some(serial)) = (&role.mfa_serial, serial) {
            self.notes.push(Note::new(
                format!("the role of {} is assumed without a code", role.name),
                format!("mfa_serial ({}) is not inherited through source_profile", serial.origin),
            ));
        }
    }

    /// Puts the session policy on the last role.
    fn narrow(&mut self, policy: &Policy) -> Result<(), ChainError> {
        if policy.is_empty() {
            return Ok(());
        }
        match self.steps.last_mut() {
            Some(Step::AssumeRole(step)) => step.policy = policy.clone(),
            Some(Step::AssumeRoleWithWebIdentity(step)) => step.policy = policy.clone(),
            Some(Step::GetSessionToken(_)) | None => {
                return Err(ChainError::NoRoleToNarrow {
                    profile: self.profiles[0].name.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Two steps at one address say the same thing twice.
fn dedup(notes: &mut Vec<Note>) {
    let mut seen: Vec<Note> = Vec::new();
    notes.retain(|note| {
        let new = !seen.contains(note);
        if new {
            seen.push(note.clone());
        }
        new
    });
}

#[cfg(test)]
mod tests;
