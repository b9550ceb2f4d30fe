//! A plan on the wire: the entry that it begins with and the inputs of its calls, each value with the words for where it came
//! from. Every value is parsed anew by the agent.

use crate::chain::{Address, AssumeRole, Base, Chain, GetSessionToken, Mfa, Policy, Step};
use crate::error::{Error, ErrorKind, Result};
use crate::profile::value::{Command, Seconds, Tag};
use crate::profile::{Origin, Profile, ProfileName, Sourced, StsRegional};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::str::FromStr;

/// More steps than any chain has.
const MOST_STEPS: usize = 64;

/// A plan that begins with an entry of the vault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The profile that was asked for.
    pub profile: String,
    entry: String,
    steps: Vec<PlannedStep>,
}

/// A value, and in words where it came from.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Said<T> {
    value: T,
    origin: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct PlannedStep {
    profile: String,
    duration: Said<u32>,
    mfa: Option<PlannedMfa>,
    address: PlannedAddress,
    role: Option<Box<PlannedRole>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct PlannedMfa {
    serial: Said<String>,
    /// The command's first word; the command itself stays with the client, who runs it.
    process: Option<Said<String>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct PlannedAddress {
    region: Said<String>,
    url: Option<Said<String>>,
    fips: Option<Said<bool>>,
    dualstack: Option<Said<bool>>,
    legacy_sts: Option<Said<bool>>,
    ca_bundle: Option<Said<String>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct PlannedRole {
    arn: Said<String>,
    session_name: Option<Said<String>>,
    external_id: Option<Said<String>>,
    tags: Option<Said<Vec<(String, String)>>>,
    transitive_tags: Option<Said<Vec<String>>>,
    source_identity: Option<Said<String>>,
    policy: Option<String>,
    policy_arns: Vec<String>,
}

impl Plan {
    /// The plan of `chain`; `None` when it does not begin with an entry, or has a step that only the client can make.
    pub fn of(chain: &Chain) -> Option<Self> {
        Some(Plan {
            profile: chain.profile.name.to_string(),
            entry: chain.entry()?.to_string(),
            steps: chain.steps.iter().map(PlannedStep::of).collect::<Option<_>>()?,
        })
    }

    /// The chain that it stands for.
    ///
    /// # Errors
    /// [`ErrorKind::Other`] when a value is none that a client of this version would send.
    pub fn chain(&self) -> Result<(Chain, ProfileName)> {
        if self.steps.len() > MOST_STEPS {
            return Err(Error::new(ErrorKind::Other, "the plan has too many steps"));
        }
        let entry: ProfileName = parsed(&self.entry)?;
        let chain = Chain {
            profile: Profile::unsaid(parsed(&self.profile)?),
            base: Base::Entry {
                profile: entry.clone(),
                origin: Origin::Told("the client".into()),
            },
            steps: self.steps.iter().map(PlannedStep::step).collect::<Result<_>>()?,
            notes: Vec::new(),
        };
        Ok((chain, entry))
    }
}

impl PlannedStep {
    fn of(step: &Step) -> Option<Self> {
        let role = match step {
            Step::GetSessionToken(_) => None,
            Step::AssumeRole(role) => Some(Box::new(PlannedRole {
                arn: said(&role.role_arn, |arn| arn.as_str().to_owned()),
                session_name: maybe(&role.session_name, String::clone),
                external_id: maybe(&role.external_id, String::clone),
                tags: maybe(&role.tags, |tags| {
                    tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
                }),
                transitive_tags: maybe(&role.transitive_tags, Vec::clone),
                source_identity: maybe(&role.source_identity, String::clone),
                policy: role.policy.document.clone(),
                policy_arns: role.policy.arns.clone(),
            })),
            // Its token was read by the client.
            Step::AssumeRoleWithWebIdentity(_) => return None,
        };
        Some(PlannedStep {
            profile: step.profile().to_string(),
            duration: said(step.duration(), |duration| duration.0),
            mfa: step.mfa().map(|mfa| PlannedMfa {
                serial: said(&mfa.serial, |serial| serial.as_str().to_owned()),
                process: maybe(&mfa.process, Command::to_string),
            }),
            address: PlannedAddress::of(step.address()),
            role,
        })
    }

    fn step(&self) -> Result<Step> {
        let profile: ProfileName = parsed(&self.profile)?;
        let duration = self.duration.heard(|seconds| Ok(Seconds(*seconds)))?;
        let mfa = self.mfa.as_ref().map(PlannedMfa::mfa).transpose()?;
        let address = self.address.address()?;
        let Some(role) = &self.role else {
            return Ok(Step::GetSessionToken(GetSessionToken {
                profile,
                duration,
                mfa,
                address,
            }));
        };
        let text = |said: &Option<Said<String>>| heard(said, |text| Ok(text.clone()));
        Ok(Step::AssumeRole(Box::new(AssumeRole {
            profile,
            role_arn: role.arn.heard(|arn| parsed(arn))?,
            session_name: text(&role.session_name)?,
            external_id: text(&role.external_id)?,
            duration,
            tags: heard(&role.tags, |tags| {
                Ok(tags
                    .iter()
                    .map(|(key, value)| Tag {
                        key: key.clone(),
                        value: value.clone(),
                    })
                    .collect())
            })?,
            transitive_tags: heard(&role.transitive_tags, |keys| Ok(keys.clone()))?,
            source_identity: text(&role.source_identity)?,
            policy: Policy {
                document: role.policy.clone(),
                arns: role.policy_arns.clone(),
            },
            mfa,
            address,
        })))
    }
}

impl PlannedMfa {
    fn mfa(&self) -> Result<Mfa> {
        Ok(Mfa {
            serial: self.serial.heard(|serial| parsed(serial))?,
            process: heard(&self.process, |line| Ok(Command::new(line.clone())))?,
        })
    }
}

impl PlannedAddress {
    fn of(address: &Address) -> Self {
        PlannedAddress {
            region: said(&address.region, |region| region.as_str().to_owned()),
            url: maybe(&address.url, String::clone),
            fips: maybe(&address.fips, |fips| *fips),
            dualstack: maybe(&address.dualstack, |dualstack| *dualstack),
            legacy_sts: maybe(&address.sts_regional, |sts| *sts == StsRegional::Legacy),
            ca_bundle: maybe(&address.ca_bundle, |bundle| whole(bundle)),
        }
    }

    fn address(&self) -> Result<Address> {
        Ok(Address {
            region: self.region.heard(|region| parsed(region))?,
            url: heard(&self.url, |url| Ok(url.clone()))?,
            fips: heard(&self.fips, |fips| Ok(*fips))?,
            dualstack: heard(&self.dualstack, |dualstack| Ok(*dualstack))?,
            sts_regional: heard(&self.legacy_sts, |legacy| {
                Ok(match legacy {
                    true => StsRegional::Legacy,
                    false => StsRegional::Regional,
                })
            })?,
            ca_bundle: heard(&self.ca_bundle, |bundle| Ok(bundle.clone()))?,
        })
    }
}

/// The path from the root on: the agent has a working directory of its own, and what is relative means another file to each caller.
fn whole(path: &str) -> String {
    let whole = std::path::absolute(path).ok();
    let whole = whole.and_then(|whole| whole.into_os_string().into_string().ok());
    whole.unwrap_or_else(|| path.to_owned())
}

fn said<T, U>(sourced: &Sourced<T>, value: impl Fn(&T) -> U) -> Said<U> {
    Said {
        value: value(&sourced.value),
        origin: sourced.origin.to_string(),
    }
}

fn maybe<T, U>(sourced: &Option<Sourced<T>>, value: impl Fn(&T) -> U) -> Option<Said<U>> {
    sourced.as_ref().map(|sourced| said(sourced, value))
}

impl<T> Said<T> {
    fn heard<U>(&self, value: impl Fn(&T) -> Result<U>) -> Result<Sourced<U>> {
        Ok(Sourced::new(
            value(&self.value)?,
            Origin::Told(self.origin.as_str().into()),
        ))
    }
}

fn heard<T, U>(said: &Option<Said<T>>, value: impl Fn(&T) -> Result<U>) -> Result<Option<Sourced<U>>> {
    said.as_ref().map(|said| said.heard(value)).transpose()
}

fn parsed<T: FromStr>(text: &str) -> Result<T>
where
    T::Err: Display,
{
    text.parse()
        .map_err(|err| Error::new(ErrorKind::Other, format!("the plan has an unfit value: {err}")))
}
