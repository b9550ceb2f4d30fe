//! Keys on their way into the vault: sorted, checked with AWS, sealed after one touch, and proved by opening them again.

use super::harvest::{Asked, Found, Harvest, same};
use super::report::{Outcome, Report};
use super::scrub::Scrub;
use crate::aws::Sts;
use crate::cli::common;
use crate::cli::identify::{identify, tell_owner};
use crate::context::Context;
use crate::credential::AccessKey;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::ProfileName;
use crate::vault::Vault;
use crate::vault::entry::{self, NewEntry, Replace};
use crate::vault::keyring::join_and;
use crate::vault::unlock::{KeyChoice, Unlocked, unlock};

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

/// What has to be seen before a key may leave its file: that this entry opens, and holds this.
pub struct Proof {
    /// The entry.
    pub profile: ProfileName,
    /// The key pair of the file.
    pub key: AccessKey,
}

/// What a source has that the vault has not, and that it has.
struct Sorted {
    new: Vec<Found>,
    same: Vec<Found>,
}

/// Which key the vault has for a profile.
enum Known {
    /// The one that was found.
    This,
    /// Another one.
    Another,
    /// The sidecar is missing: a command was killed before it wrote that.
    Unclear,
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

    /// Seals what is new; then takes what the vault has out of its files, if `scrub` is given.
    ///
    /// # Errors
    /// What was sealed before a failure stays, and the error says what is left.
    pub fn take_in(&self, harvest: Harvest, scrub: Option<&mut Scrub<'_>>) -> Result<Report> {
        let mut report = Report::default();
        let Sorted { new, same } = self.sort(harvest, &mut report)?;
        let ready = if new.is_empty() {
            Vec::new()
        } else {
            common::ready_to_seal(self.ctx, &self.vault)?;
            self.check(new, &mut report)?
        };
        let Some(scrub) = scrub else {
            self.open_and_seal(ready, &[], &mut report)?;
            return Ok(report);
        };
        let here: Vec<&Found> = ready.iter().map(|ready| &ready.found).chain(&same).collect();
        let proofs = scrub.plan(self.ctx, &here)?;
        self.open_and_seal(ready, &proofs, &mut report)?;
        scrub.finish(self.ctx, &self.vault)?;
        Ok(report)
    }

    /// What the vault does not have, and what it has.
    fn sort(&self, harvest: Harvest, report: &mut Report) -> Result<Sorted> {
        harvest.left.into_iter().for_each(|left| report.add_left(left));
        let (mut new, mut in_vault) = (Vec::new(), Vec::new());
        for found in harvest.found {
            if !self.vault.has_entry(&found.profile) {
                new.push(found);
                continue;
            }
            let known = self.known(&found)?;
            match (known, self.wishes.replace, harvest.asked) {
                (Known::This, _, _) => {
                    report.add(found.profile.as_str(), Outcome::Same);
                    in_vault.push(found);
                }
                (Known::Another | Known::Unclear, Replace::Existing, _) => new.push(found),
                (Known::Unclear, Replace::Never, _) => {
                    report.add(found.profile.as_str(), Outcome::Unclear);
                    in_vault.push(found);
                }
                (Known::Another, Replace::Never, Asked::ByName) => {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        format!(
                            "the vault has another access key for {} already; nothing was imported",
                            found.profile
                        ),
                    )
                    .hint("--force replaces it"));
                }
                (Known::Another, Replace::Never, Asked::ForAll) => {
                    report.add(found.profile.as_str(), Outcome::Different);
                }
            }
        }
        Ok(Sorted { new, same: in_vault })
    }

    /// Which key the vault has, as far as can be told without opening. A sidecar proves nothing, but here it only decides what is left
    /// alone; before a key leaves its file the entry itself is opened.
    fn known(&self, found: &Found) -> Result<Known> {
        Ok(match self.vault.sidecar(&found.profile)? {
            Some(sidecar) if sidecar.access_key_id == found.key.id => Known::This,
            Some(_) => Known::Another,
            None => Known::Unclear,
        })
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

    /// Opens the vault once for all that is to be sealed, and then each entry that has to be proved.
    fn open_and_seal(&self, ready: Vec<Ready>, proofs: &[Proof], report: &mut Report) -> Result<()> {
        if ready.is_empty() && proofs.is_empty() {
            return Ok(());
        }
        // Read anew: the person may have been asked something, and somebody else may have changed the keys meanwhile.
        let keyring = common::keyring(&self.vault)?;
        let mut unlocked = unlock(self.ctx, &self.vault, &keyring, self.choice, None, "the vault")?;
        let opened = usize::from(!ready.is_empty()) + proofs.len();
        let mut touches = Touches::planned(&self.ctx.dialogue, unlocked.key.touches_for(opened, 0));
        if touches.total() > 1 {
            self.ctx.dialogue.tell(&format!("{} touches", touches.total()));
        }
        if !ready.is_empty() {
            self.seal(ready, &mut unlocked, &mut touches, report)?;
        }
        for proof in proofs {
            self.prove(proof, &mut unlocked, &mut touches)
                .map_err(|error| error.within("the files were left as they are"))?;
        }
        common::tell_ways_in(self.ctx, unlocked.trusted.list());
        Ok(())
    }

    fn seal(
        &self,
        ready: Vec<Ready>,
        unlocked: &mut Unlocked<'_>,
        touches: &mut Touches<'_>,
        report: &mut Report,
    ) -> Result<()> {
        let names: Vec<ProfileName> = ready.iter().map(|ready| ready.found.profile.clone()).collect();
        let purpose = format!("seal {}", self.few(&names, "to be sealed"));
        let secret = entry::open_vault_secret(&self.vault, unlocked, &purpose, touches)?;
        for (nth, Ready { found, arn }) in ready.into_iter().enumerate() {
            let new = NewEntry {
                profile: &found.profile,
                key: found.key,
                arn,
                added: self.ctx.now(),
                replace: self.wishes.replace,
            };
            entry::store_access_key(self.ctx, &self.vault, &unlocked.trusted, secret.clone(), new)
                .map_err(|error| half_way(error, &names, nth))?;
            report.add(found.profile.as_str(), Outcome::Sealed);
        }
        Ok(())
    }

    /// Opens an entry, and compares it with what stands in the file.
    fn prove(&self, proof: &Proof, unlocked: &mut Unlocked<'_>, touches: &mut Touches<'_>) -> Result<()> {
        let profile = &proof.profile;
        let file = self.vault.entry_file(profile)?;
        let purpose = format!("see that {profile} opens");
        let opened = entry::open_access_key(self.ctx, &self.vault, unlocked, profile, &file, &purpose, touches)?;
        if same(&opened.key, &proof.key) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("the vault's key of {profile} is another one than the file's"),
        )
        .hint("--force replaces it"))
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
