//! Takes the steps of a rotation, one after the other, and says each.

mod create;
mod new_key;

use super::decide::{Aim, Facts, Obstacle, Progress, Step, Use, Waiting, near, next};
use super::journal::{Journal, Stage};
use super::look::{self, Opened, User, list, resume_line};
use super::remind::moment;
use super::{Begin, Wishes, claim, words};
use crate::aws::Sts;
use crate::aws::iam::{Iam, IamError, KeyStatus};
use crate::chain::mfa::Codes;
use crate::chain::user::iam;
use crate::context::{Context, host_name};
use crate::credential::{AccessKey, Credentials};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::vault::Vault;
use crate::vault::waiting::{self, OpenedWaiting};
use std::collections::BTreeMap;
use std::time::Duration;

/// The last pause before a call that IAM does not know the signer of is given up; all of them are 16 s.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// More steps than any rotation takes; a machine that goes round in a circle is stopped.
const MOST_STEPS: usize = 40;

/// Rotates the access key of an entry, or brings an interrupted rotation to its end.
///
/// # Errors
/// Whatever stops it. The vault then has a working access key, and the error says what is left and how to go on.
pub fn rotate(ctx: &Context, vault: &Vault, mut wishes: Wishes) -> Result<()> {
    vault.folder().must_be_writable()?;
    vault.entry_file(&wishes.entry)?;
    let _running = claim(vault, &wishes.entry)?;
    let journal = Journal::read(vault, &wishes.entry)?;
    let waits = waiting::is_there(vault, &wishes.entry);
    let interrupted = waits || journal.as_ref().is_some_and(Journal::is_interrupted);
    if let Some(journal) = journal.as_ref().filter(|journal| may_run_elsewhere(journal, ctx)) {
        return Err(words::elsewhere(journal, &wishes.entry));
    }
    let name = wishes.entry.in_command();
    match (wishes.begin, wishes.aim, &journal) {
        (Begin::Never, ..) if !interrupted => {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("no rotation of {} was interrupted", wishes.entry),
            )
            .hint(format!("tapvault rotate {name} begins one")));
        }
        (_, Aim::Finish, None) if !interrupted => {
            ctx.dialogue
                .note(&format!("{}: no old access key waits to be deleted", wishes.entry));
            return Ok(());
        }
        (..) => {}
    }
    if interrupted {
        let of = journal.as_ref().map_or_else(
            || "an interrupted rotation".to_owned(),
            |journal| {
                format!(
                    "the rotation of {}, which stopped {}",
                    moment(journal.at),
                    journal.stage.after()
                )
            },
        );
        ctx.dialogue.note(&format!("{}: going on with {of}", wishes.entry));
    }
    // The new key is opened once more, unless it is in its place already.
    let in_place = matches!(&journal, Some(journal) if journal.stage >= Stage::Switching && journal.is_interrupted());
    let more = usize::from(waits || !(in_place || wishes.aim == Aim::Finish));
    let mut codes = Codes::new(ctx, std::mem::take(&mut wishes.codes));
    let (opened, touches) = look::open(ctx, vault, &wishes, more, &mut codes)?;
    // Only now can it be told who wrote it.
    let journal = Journal::read_proven(vault, &wishes.entry, &opened.entry.vault_secret)?;
    let mut run = Run {
        sts: Sts::new(ctx),
        iam: iam(ctx, &wishes.own),
        facts: Facts {
            journal,
            entry: opened.entry.key.id.clone(),
            generation: opened.entry.generation,
            waiting: if waits { Waiting::Sealed } else { Waiting::Nothing },
            listed: Vec::new(),
            uses: BTreeMap::new(),
            aim: wishes.aim,
            progress: Progress::Nothing,
            given_up: wishes.given_up.take(),
            now: ctx.now(),
        },
        ctx,
        vault,
        opened,
        touches,
        wishes,
        fresh: None,
        waiting: None,
        successor: None,
    };
    run.finish(codes).map_err(|error| run.stopped(error))
}

/// Whether another machine may be in the middle of it. The lock is this machine's alone, and a synced folder brings the journal
/// before the new key's file, or without it: that key would be taken for an orphan while the other machine switches to it.
fn may_run_elsewhere(journal: &Journal, ctx: &Context) -> bool {
    journal.is_interrupted() && journal.host != host_name() && near(journal.at, ctx.now())
}

struct Run<'a> {
    ctx: &'a Context,
    vault: &'a Vault,
    wishes: Wishes,
    opened: Opened<'a>,
    touches: Touches<'a>,
    sts: Sts<'a>,
    iam: Iam<'a>,
    facts: Facts,
    /// The new key as AWS gave it, until it was opened once more.
    fresh: Option<AccessKey>,
    /// The new key as it was opened.
    waiting: Option<OpenedWaiting>,
    /// Who speaks to AWS once the old key is off.
    successor: Option<Credentials>,
}

impl Run<'_> {
    /// Finds out whose the entry is. When AWS no longer takes its key, and a new one waits, that one speaks.
    fn meet(&mut self, mut codes: Codes<'_>) -> Result<User> {
        let met = User::meet(
            self.ctx,
            &mut self.sts,
            &mut codes,
            &mut self.touches,
            (&self.wishes.entry, &self.wishes.own),
            &self.opened.entry.key,
        );
        match met {
            Err(error) if is_unknown(&error) && self.facts.waiting == Waiting::Sealed => {
                self.ctx.dialogue.note(&format!(
                    "AWS does not take {} any more; the new access key is tried",
                    self.facts.entry
                ));
                self.open()?;
                let key = self.waiting_key()?;
                User::meet(
                    self.ctx,
                    &mut self.sts,
                    &mut codes,
                    &mut self.touches,
                    (&self.wishes.entry, &self.wishes.own),
                    &key,
                )
            }
            met => met,
        }
    }

    fn finish(&mut self, codes: Codes<'_>) -> Result<()> {
        let mut user = self.meet(codes)?;
        self.steps(&mut user)
    }

    fn steps(&mut self, user: &mut User) -> Result<()> {
        self.facts.listed = list(&mut self.iam, &self.wishes, user)?;
        for _ in 0..MOST_STEPS {
            let step = next(&self.facts);
            self.ctx
                .debug(|| format!("rotation of {}: {}", self.wishes.entry, step.word()));
            match step {
                Step::Done => {
                    self.report();
                    return Ok(());
                }
                Step::Stop(obstacle) => self.stop(&obstacle)?,
                Step::AskUse(id) => self.ask_use(user, id)?,
                Step::RemoveOrphan(id) => {
                    self.delete(user, &id, "which an interrupted rotation had made and could not keep")?;
                    self.settle_attempts(user)?;
                }
                Step::DeleteRetired(id) => self.delete(user, &id, "the old access key").map_err(|error| {
                    let name = self.wishes.entry.in_command();
                    error.hint(format!(
                        "it is switched off; tapvault rotate --finish {name} deletes it"
                    ))
                })?,
                Step::DeleteOther(id) => self.delete(user, &id, "as you said")?,
                Step::Create => self.create(user)?,
                Step::Open => self.open()?,
                Step::Try => self.try_new(user)?,
                Step::Switch => self.switch()?,
                Step::Deactivate(id) => self.deactivate(user, &id)?,
                Step::NoteRetired => self.note_retired()?,
                Step::DropWaiting(key) => self.drop_waiting(user, key)?,
                Step::DropJournal => self.drop_journal()?,
            }
        }
        Err(Error::new(
            ErrorKind::Other,
            "the rotation did not come to an end; what the vault and IAM hold contradict each other",
        ))
    }

    fn ask_use(&mut self, user: &User, id: String) -> Result<()> {
        let used = match self.iam.last_use(&user.credentials, &id) {
            Ok(None) => Use::Never,
            Ok(Some(last)) => Use::Last(last),
            Err(error) if error.is_denied() => Use::NotTold,
            // Deleted meanwhile.
            Err(error) if error.is_missing() => {
                self.facts.listed.retain(|key| key.id != id);
                return Ok(());
            }
            Err(error) => return Err(words::refused(error, &self.wishes)),
        };
        self.facts.uses.insert(id, used);
        Ok(())
    }

    fn delete(&mut self, user: &User, id: &str, why: &str) -> Result<()> {
        patiently(self.ctx, || self.iam.delete(&user.credentials, id))
            .map_err(|error| words::refused(error, &self.wishes).within(format!("deleting {id}")))?;
        self.facts.listed.retain(|key| key.id != id);
        self.ctx.dialogue.note(&format!("deleted {id}, {why}"));
        Ok(())
    }

    /// After an orphan: what was asked for is found, and what the journal says of it is over.
    fn settle_attempts(&mut self, user: &User) -> Result<()> {
        self.facts.listed = list(&mut self.iam, &self.wishes, user)?;
        Journal::remove(self.vault, &self.wishes.entry)?;
        self.facts.journal = None;
        Ok(())
    }

    fn deactivate(&mut self, user: &mut User, id: &str) -> Result<()> {
        let mut outcome = self.iam.deactivate(&user.credentials, id);
        if outcome.as_ref().is_err_and(IamError::is_unknown_caller) {
            // The old key was switched off or deleted meanwhile, or the new one speaks already and is very new.
            if let Some(successor) = self.successor.take() {
                user.credentials = successor;
            }
            outcome = patiently(self.ctx, || self.iam.deactivate(&user.credentials, id));
        }
        match outcome {
            Ok(()) => {}
            Err(error) => {
                // Deleted meanwhile: more than was asked for. IAM is asked whether it is so.
                if error.is_missing() {
                    self.facts.listed = list(&mut self.iam, &self.wishes, user)?;
                    if self.facts.listed(id).is_none() {
                        return Ok(());
                    }
                }
                return Err(words::refused(error, &self.wishes).within(format!(
                    "{} has its new access key, but {id} is still active",
                    self.wishes.entry
                )));
            }
        }
        if let Some(successor) = self.successor.take() {
            user.credentials = successor;
        }
        for key in self.facts.listed.iter_mut().filter(|key| key.id == id) {
            key.status = KeyStatus::Inactive;
        }
        self.ctx.dialogue.note(&format!("deactivated {id}"));
        Ok(())
    }

    fn note_retired(&mut self) -> Result<()> {
        self.facts.progress = Progress::Made;
        self.write(Stage::Retired, |_| {})
    }

    fn drop_journal(&mut self) -> Result<()> {
        Journal::remove(self.vault, &self.wishes.entry)?;
        let over = self.facts.journal.take();
        // The old key is gone already: that rotation has come to its end, and another one was not asked for.
        if over.is_some_and(|journal| journal.is_interrupted() && journal.new.as_deref() == Some(&self.facts.entry)) {
            self.facts.progress = Progress::Made;
        }
        Ok(())
    }

    fn stop(&mut self, obstacle: &Obstacle) -> Result<()> {
        let other = match obstacle {
            Obstacle::Other(key, used) => Some((key, words::describe(key, used))),
            Obstacle::Reactivated(key) => Some((key, "switched on again since it was rotated".into())),
            Obstacle::OwnMissing | Obstacle::OwnInactive | Obstacle::NotYet(_) | Obstacle::BothOff(_) => None,
        };
        if let Some((key, what)) = other
            && self.facts.given_up.is_none()
            && self.ctx.dialogue.has_terminal()
            && self.ctx.dialogue.confirm(&format!(
                "another access key, {} ({what}), is in the way; delete it?",
                key.id
            ))?
        {
            self.facts.given_up = Some(key.id.clone());
            return Ok(());
        }
        Err(words::obstacle(obstacle, &self.facts.entry, &self.wishes))
    }

    fn report(&self) {
        if let Some(journal) = &self.facts.journal
            && journal.stage == Stage::Retired
            && self.facts.listed(&journal.old).is_some()
        {
            self.ctx.dialogue.note(&format!(
                "delete it with `tapvault rotate --finish {}` once nothing misses it",
                self.wishes.entry.in_command()
            ));
        }
    }

    fn write(&mut self, stage: Stage, change: impl FnOnce(&mut Journal)) -> Result<()> {
        if let Some(mut journal) = self.facts.journal.clone() {
            change(&mut journal);
            journal.stage = stage;
            journal.at = self.ctx.now();
            journal.write(self.vault, &self.opened.entry.vault_secret)?;
            self.facts.journal = Some(journal);
        }
        Ok(())
    }

    /// The error, with the way on if something was left in the middle.
    fn stopped(&self, error: Error) -> Error {
        let interrupted = waiting::is_there(self.vault, &self.wishes.entry)
            || self.facts.journal.as_ref().is_some_and(Journal::is_interrupted);
        if interrupted {
            error.hint(format!("{} goes on from here", resume_line(&self.wishes)))
        } else {
            error
        }
    }
}

/// Makes a call again while IAM has not heard yet of the key that signs it. STS may know it sooner.
fn patiently<T>(ctx: &Context, mut call: impl FnMut() -> Result<T, IamError>) -> Result<T, IamError> {
    const FIRST_PAUSE: Duration = Duration::from_millis(500);
    let mut pause = FIRST_PAUSE;
    loop {
        match call() {
            Err(error) if error.is_unknown_caller() && pause <= LONGEST_PAUSE => {
                if pause == FIRST_PAUSE {
                    ctx.dialogue
                        .tell("waiting for IAM to hear of the access key that calls it: some seconds are usual");
                }
                std::thread::sleep(pause);
                pause *= 2;
            }
            outcome => return outcome,
        }
    }
}

/// AWS does not know the key: it was deleted or switched off, or is so new that not everybody has heard of it.
fn is_unknown(error: &Error) -> bool {
    error.aws_code() == Some("InvalidClientTokenId")
}
