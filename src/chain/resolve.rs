//! Runs a plan: opens what is sealed, calls STS for the rest, and seals each session that comes back.
//!
//! One touch at most opens something: the newest session that is fresh, else the access key under it.

use super::mfa::Codes;
use super::{AssumeRole, Base, Chain, GetSessionToken, Step};
use crate::aws::{Endpoint, RoleRequest, Sts};
use crate::context::Context;
use crate::credential::{Credentials, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::{Request, Touches};
use crate::profile::{Partition, ProfileName, StsRegional};
use crate::secret::{SecretText, VaultSecret};
use crate::vault::keyring::Keyring;
use crate::vault::payload::EntryId;
use crate::vault::session::{self, Freshness, SessionId};
use crate::vault::unlock::{KeyChoice, Unlocked, unlock};
use crate::vault::{Vault, entry};
use jiff::Timestamp;
use serde::Serialize;

/// How a person wants a plan to be run.
pub struct Wishes {
    /// Which key opens.
    pub key: KeyChoice,
    /// `-t`.
    pub code: Option<SecretText>,
    /// Pass over sealed sessions (`--refresh`).
    pub refresh: bool,
    /// What the touch is for.
    pub request: Request,
}

/// Runs `chain` and returns what it ends in.
///
/// # Errors
/// Everything between a missing entry and a refusal by AWS; nothing is handed out then.
pub fn resolve(ctx: &Context, vault: &Vault, chain: &Chain, wishes: Wishes) -> Result<Credentials> {
    let Base::Entry { profile, .. } = &chain.base else {
        return super::source::resolve(ctx, chain, wishes);
    };
    let snapshot = vault.read()?.0;
    let Some(keyring) = &snapshot.keyring else {
        // No key was ever enrolled, so nothing can have been sealed.
        vault.entry_file(profile)?;
        return Err(
            Error::new(ErrorKind::Damaged, "there are entries, but keys.json is missing")
                .hint("restore it from a backup"),
        );
    };
    let mut run = Run {
        ctx,
        vault,
        chain,
        keyring,
        purpose: wishes.request.purpose(),
        entry: profile,
        names: names(vault, chain, profile)?,
    };
    let mut touches = Touches::planned(&ctx.dialogue, 1);
    let sealed = if wishes.refresh {
        None
    } else {
        run.open_sealed(&wishes.key, &mut touches)?
    };
    let opened = match sealed {
        Some(opened) => opened,
        None => run.open_access_key(&wishes.key, &mut touches)?,
    };
    run.finish(opened, Codes::new(ctx, wishes.code))
}

/// When the sealed session of each step ends, as far as it is sealed and fresh. Opens nothing, so it believes the sidecars.
pub fn sealed(ctx: &Context, vault: &Vault, chain: &Chain) -> Result<Vec<Option<Timestamp>>> {
    let Some(profile) = chain.entry() else {
        return Ok(vec![None; chain.steps.len()]);
    };
    let freshness = Freshness {
        now: ctx.now(),
        min_ttl: ctx.settings.min_ttl(),
    };
    let mut ends = names(vault, chain, profile)?
        .iter()
        .map(|id| session::expiry(vault, id, freshness))
        .collect::<Result<Vec<_>>>()?;
    ends.resize(chain.steps.len(), None);
    Ok(ends)
}

/// What goes into the name of each step's session.
#[derive(Serialize)]
struct Inputs<'a, T> {
    plan: T,
    entry: &'a EntryId,
    generation: u64,
}

/// The names of the sessions of all steps. Empty when the entry's sidecar is missing: then nothing can be looked up, and
/// opening the entry mends the sidecar.
fn names(vault: &Vault, chain: &Chain, entry: &ProfileName) -> Result<Vec<SessionId>> {
    let Some(sidecar) = vault.sidecar(entry)? else {
        return Ok(Vec::new());
    };
    (0..chain.steps.len())
        .map(|step| name(chain, step, &sidecar.entry, sidecar.generation))
        .collect()
}

fn name(chain: &Chain, step: usize, entry: &EntryId, generation: u64) -> Result<SessionId> {
    SessionId::of(&Inputs {
        plan: chain.inputs(step),
        entry,
        generation,
    })
}

struct Run<'a> {
    ctx: &'a Context,
    vault: &'a Vault,
    chain: &'a Chain,
    keyring: &'a Keyring,
    purpose: String,
    entry: &'a ProfileName,
    names: Vec<SessionId>,
}

/// What was opened, and which steps it leaves.
struct Opened<'a> {
    unlocked: Unlocked<'a>,
    vault_secret: VaultSecret,
    credentials: Credentials,
    remaining: std::ops::Range<usize>,
}

impl<'a> Run<'a> {
    /// Opens the newest fresh session of the plan, if one is sealed.
    fn open_sealed(&self, key: &KeyChoice, touches: &mut Touches<'_>) -> Result<Option<Opened<'a>>> {
        let freshness = Freshness {
            now: self.ctx.now(),
            min_ttl: self.ctx.settings.min_ttl(),
        };
        for step in (0..self.names.len()).rev() {
            let id = &self.names[step];
            let Some(file) = session::find(self.vault, id, freshness)? else {
                continue;
            };
            let mut unlocked = unlock(
                self.ctx,
                self.vault,
                self.keyring,
                key,
                Some(file.stanzas()),
                file.name(),
            )?;
            let profile = self.chain.steps[step].profile().as_str();
            let opened = session::open_sealed(&mut unlocked, &file, id, profile, freshness, &self.purpose, touches);
            match opened {
                Ok(Some((session, vault_secret))) => {
                    self.ctx.debug(|| format!("step {} was sealed and is fresh", step + 1));
                    return Ok(Some(Opened {
                        unlocked,
                        vault_secret,
                        credentials: Credentials::Temporary(session),
                        remaining: step + 1..self.chain.steps.len(),
                    }));
                }
                // A session is no loss: one that does not open as it should is fetched anew.
                Ok(None) => touches.plan_more(1),
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Forged) => {
                    self.ctx
                        .dialogue
                        .tell(&format!("a sealed session can't be used and is fetched anew: {error}"));
                    touches.plan_more(1);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn open_access_key(&mut self, key: &KeyChoice, touches: &mut Touches<'_>) -> Result<Opened<'a>> {
        let file = self.vault.entry_file(self.entry)?;
        let mut unlocked = unlock(
            self.ctx,
            self.vault,
            self.keyring,
            key,
            Some(file.stanzas()),
            self.entry.as_str(),
        )?;
        let opened = entry::open_access_key(
            self.ctx,
            self.vault,
            &mut unlocked,
            self.entry,
            &file,
            &self.purpose,
            touches,
        )?;
        // From here on the names are certain: they come from the entry itself.
        self.names = (0..self.chain.steps.len())
            .map(|step| name(self.chain, step, &opened.entry, opened.generation))
            .collect::<Result<_>>()?;
        Ok(Opened {
            unlocked,
            vault_secret: opened.vault_secret,
            credentials: Credentials::LongTerm(opened.key),
            remaining: 0..self.chain.steps.len(),
        })
    }

    /// Makes the calls that remain, and seals what they bring.
    fn finish(&self, opened: Opened<'_>, mut codes: Codes<'_>) -> Result<Credentials> {
        let Opened {
            unlocked: Unlocked { key, trusted },
            vault_secret,
            mut credentials,
            remaining,
        } = opened;
        // Nothing more is opened. The PIN is dropped on the token now, not after a prompt for a code and slow calls.
        drop(key);
        let mut sts = Sts::new(self.ctx);
        for step in remaining {
            let session = call(self.ctx, &mut sts, &credentials, &self.chain.steps[step], &mut codes)?;
            if let Some(id) = self.names.get(step) {
                let profile = self.chain.steps[step].profile().as_str();
                if let Err(error) = session::store(
                    self.vault,
                    &trusted,
                    &vault_secret,
                    id,
                    profile,
                    &session,
                    self.ctx.now(),
                ) {
                    self.ctx.dialogue.tell(&format!(
                        "warning: the session could not be kept for the next command: {error}"
                    ));
                }
            }
            credentials = Credentials::Temporary(session);
        }
        Ok(credentials)
    }
}

/// Makes the call of one step.
pub(super) fn call(
    ctx: &Context,
    sts: &mut Sts<'_>,
    credentials: &Credentials,
    step: &Step,
    codes: &mut Codes<'_>,
) -> Result<Session> {
    let endpoint = endpoint(step);
    match step {
        Step::GetSessionToken(step) => get_session_token(sts, credentials, &endpoint, step, codes),
        Step::AssumeRole(step) => assume_role(ctx, sts, credentials, &endpoint, step, codes),
        Step::AssumeRoleWithWebIdentity(_) => Err(Error::new(
            ErrorKind::Other,
            "AssumeRoleWithWebIdentity can only be the first step of a chain",
        )),
    }
}

fn get_session_token(
    sts: &mut Sts<'_>,
    credentials: &Credentials,
    endpoint: &Endpoint,
    step: &GetSessionToken,
    codes: &mut Codes<'_>,
) -> Result<Session> {
    let mfa = step
        .mfa
        .as_ref()
        .map(|mfa| codes.code(mfa, &format!("the session of {}", step.profile)))
        .transpose()?;
    sts.get_session_token(credentials, endpoint, step.duration.value.0, mfa.as_ref())
        .map_err(|error| with_mfa_hint(error, step.mfa.is_some(), step.profile.as_str()))
}

fn assume_role(
    ctx: &Context,
    sts: &mut Sts<'_>,
    credentials: &Credentials,
    endpoint: &Endpoint,
    step: &AssumeRole,
    codes: &mut Codes<'_>,
) -> Result<Session> {
    let role = step.role_arn.value.role();
    let mfa = step
        .mfa
        .as_ref()
        .map(|mfa| codes.code(mfa, &format!("role {role}")))
        .transpose()?;
    let request = RoleRequest {
        role_arn: step.role_arn.value.as_str().to_owned(),
        session_name: step
            .session_name
            .as_ref()
            .map_or_else(|| default_session_name(ctx), |name| name.value.clone()),
        duration: Some(step.duration.value.0),
        external_id: step.external_id.as_ref().map(|id| id.value.clone()),
        source_identity: step.source_identity.as_ref().map(|identity| identity.value.clone()),
        policy: step.policy.document.clone(),
        policy_arns: step.policy.arns.clone(),
        tags: step
            .tags
            .iter()
            .flat_map(|tags| tags.value.iter())
            .map(|tag| (tag.key.clone(), tag.value.clone()))
            .collect(),
        transitive_tags: step
            .transitive_tags
            .as_ref()
            .map(|keys| keys.value.clone())
            .unwrap_or_default(),
    };
    sts.assume_role(credentials, endpoint, &request, mfa.as_ref())
        .map_err(|error| with_mfa_hint(error, step.mfa.is_some(), step.profile.as_str()))
}

/// AWS does not say that a role or a user needs MFA; it only denies.
fn with_mfa_hint(error: Error, has_mfa: bool, profile: &str) -> Error {
    if error.kind() == ErrorKind::Aws && !has_mfa && error.to_string().contains("AccessDenied") {
        error.hint(format!(
            "if it needs MFA: put mfa_serial = arn:aws:iam::ACCOUNT:mfa/DEVICE into [profile {profile}]"
        ))
    } else {
        error
    }
}

/// Where the step's call goes.
pub(super) fn endpoint(step: &Step) -> Endpoint {
    /// Where `sts_regional_endpoints = legacy` means the global endpoint (AWS SDKs and Tools Reference Guide).
    const LEGACY: [&str; 15] = [
        "ap-northeast-1",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ca-central-1",
        "eu-central-1",
        "eu-north-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "sa-east-1",
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
    ];
    let address = step.address();
    let region = &address.region.value;
    let is_set = |switch: &Option<crate::profile::Sourced<bool>>| switch.as_ref().is_some_and(|switch| switch.value);
    let legacy = address.url.is_none()
        && address
            .sts_regional
            .as_ref()
            .is_some_and(|sts| sts.value == StsRegional::Legacy)
        && region.partition() == Partition::Aws
        && LEGACY.contains(&region.as_str());
    Endpoint {
        region: if legacy {
            "us-east-1".to_owned()
        } else {
            region.as_str().to_owned()
        },
        url: match &address.url {
            Some(url) => Some(url.value.clone()),
            None => legacy.then(|| "https://sts.amazonaws.com".to_owned()),
        },
        fips: is_set(&address.fips),
        dual_stack: is_set(&address.dualstack),
        ca_bundle: address.ca_bundle.as_ref().map(|bundle| bundle.value.clone()),
    }
}

/// `tapvault-` and the login name: CloudTrail shows it. 2 to 64 characters of `[\w+=,.@-]`.
pub(super) fn default_session_name(ctx: &Context) -> String {
    let user = ctx
        .env
        .text("USER")
        .or_else(|| ctx.env.text("LOGNAME"))
        .unwrap_or("user");
    let safe: String = user
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(50)
        .collect();
    format!("tapvault-{safe}")
}
