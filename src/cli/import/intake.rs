//! Keys on their way into the vault: sorted, checked with AWS, and sealed after one touch.

use super::harvest::{Asked, Found, Harvest};
use super::report::{Outcome, Report};
use crate::aws::Sts;
use crate::cli::common;
use crate::cli::identify::{identify, tell_owner};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::ProfileName;
use crate::vault::Vault;
use crate::vault::entry::{self, NewEntry, Replace};
use crate::vault::keyring::join_and;
use crate::vault::unlock::{KeyChoice, unlock};

/// Whether AWS is asked whose a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// GetCallerIdentity for each key that is new.
    WithAws,
    /// Not (`--offline`).
    Offline,
}

/// How keys are taken in.
#[derive(Clone, Copy)]
pub struct Wishes {
    /// See [`Check`].
    pub check: Check,
    /// Whether a key that the vault has already gives way to another one.
    pub replace: Replace,
}

/// More names than fit into the line before a touch.
const MANY: usize = 5;

/// One command's import.
pub struct Intake<'a> {
    ctx: &'a Context,
    choice: &'a KeyChoice,
    wishes: Wishes,
    vault: Vault,
}

/// A key that will be sealed, and whose it is.
struct Ready {
    found: Found,
    arn: Option<String>,
}

impl<'a> Intake<'a> {
    /// For the vault of `ctx`.
    pub fn new(ctx: &'a Context, choice: &'a KeyChoice, wishes: Wishes) -> Self {
        Intake {
            ctx,
            choice,
            wishes,
            vault: Vault::at(&ctx.paths),
        }
    }

    /// Seals what is new.
    ///
    /// # Errors
    /// What was sealed before a failure stays, and the error says what is left.
    pub fn take_in(&self, harvest: Harvest) -> Result<Report> {
        let mut report = Report::default();
        let new = self.sort(harvest, &mut report)?;
        if new.is_empty() {
            return Ok(report);
        }
        common::ready_to_seal(self.ctx, &self.vault)?;
        let ready = self.check(new, &mut report)?;
        if !ready.is_empty() {
            self.seal(ready, &mut report)?;
        }
        Ok(report)
    }

    /// Those that the vault does not have.
    fn sort(&self, harvest: Harvest, report: &mut Report) -> Result<Vec<Found>> {
        harvest.left.into_iter().for_each(|left| report.add_left(left));
        let mut new = Vec::new();
        for found in harvest.found {
            if !self.vault.has_entry(&found.profile) {
                new.push(found);
                continue;
            }
            // A sidecar proves nothing, but here it only decides what is left alone.
            let same = self
                .vault
                .sidecar(&found.profile)?
                .is_some_and(|sidecar| sidecar.access_key_id == found.key.id);
            match (same, self.wishes.replace, harvest.asked) {
                (true, _, _) => report.add(found.profile.as_str(), Outcome::Same),
                (false, Replace::Existing, _) => new.push(found),
                (false, Replace::Never, Asked::ByName) => {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        format!(
                            "the vault has another access key for {} already; nothing was imported",
                            found.profile
                        ),
                    )
                    .hint("--force replaces it"));
                }
                (false, Replace::Never, Asked::ForAll) => report.add(found.profile.as_str(), Outcome::Different),
            }
        }
        Ok(new)
    }

    /// Asks AWS about each. One that AWS refuses does not keep the others out.
    fn check(&self, new: Vec<Found>, report: &mut Report) -> Result<Vec<Ready>> {
        if self.wishes.check == Check::Offline {
            let ready = |found| Ready { found, arn: None };
            return Ok(new.into_iter().map(ready).collect());
        }
        let config = common::config(self.ctx)?;
        let mut sts = Sts::new(self.ctx);
        let mut ready = Vec::new();
        for found in new {
            match identify(self.ctx, &mut sts, &config, &found.profile, &found.key) {
                Ok(identity) => {
                    tell_owner(self.ctx, &found.key, &identity);
                    ready.push(Ready {
                        found,
                        arn: Some(identity.arn),
                    });
                }
                Err(error) => match error.kind() {
                    ErrorKind::Aws | ErrorKind::Config => report.add(found.profile.as_str(), Outcome::Refused(error)),
                    _ => {
                        return Err(error
                            .within(format!("{}: nothing was sealed", found.profile))
                            .hint("--offline seals without asking AWS"));
                    }
                },
            }
        }
        Ok(ready)
    }

    /// The names in so few words that they fit into the line before a touch; all of them in a line of their own if that is not enough.
    fn few(&self, names: &[ProfileName], what: &str) -> String {
        let all = join_and(names.iter().map(ProfileName::as_str));
        if names.len() <= MANY {
            return all;
        }
        self.ctx.dialogue.tell(&format!("{what}: {all}"));
        format!("these {} access keys", names.len())
    }

    fn seal(&self, ready: Vec<Ready>, report: &mut Report) -> Result<()> {
        let names: Vec<ProfileName> = ready.iter().map(|ready| ready.found.profile.clone()).collect();
        // Read anew: the person may have been asked something, and somebody else may have changed the keys meanwhile.
        let keyring = common::keyring(&self.vault)?;
        let mut unlocked = unlock(self.ctx, &self.vault, &keyring, self.choice, None, "the vault")?;
        let mut touches = Touches::planned(&self.ctx.dialogue, unlocked.key.touches_for(1, 0));
        let purpose = format!("seal {}", self.few(&names, "to be sealed"));
        let secret = entry::open_vault_secret(&self.vault, &mut unlocked, &purpose, &mut touches)?;
        let trusted = unlocked.trusted;
        // The PIN is dropped on the token as soon as nothing more is opened.
        drop(unlocked.key);
        for (nth, Ready { found, arn }) in ready.into_iter().enumerate() {
            let new = NewEntry {
                profile: &found.profile,
                key: found.key,
                arn,
                added: self.ctx.now(),
                replace: self.wishes.replace,
            };
            entry::store_access_key(self.ctx, &self.vault, &trusted, secret.clone(), new)
                .map_err(|error| half_way(error, &names, nth))?;
            report.add(found.profile.as_str(), Outcome::Sealed);
        }
        common::tell_ways_in(self.ctx, trusted.list());
        Ok(())
    }
}

/// An error after `done` of `names` were sealed.
fn half_way(error: Error, names: &[ProfileName], done: usize) -> Error {
    let list = |names: &[ProfileName]| join_and(names.iter().map(ProfileName::as_str));
    let left = format!("{} not sealed", list(&names[done..]));
    match done {
        0 => error.within(left),
        _ => error
            .within(format!("{left}; {} sealed", list(&names[..done])))
            .hint("run it again: it goes on where it stopped"),
    }
}
