//! Takes the steps of a rotation, one after the other, and says each.

use super::decide::{Aim, Facts, Obstacle, Progress, Step, Trial, Use, Waiting, next};
use super::journal::{Journal, Stage};
use super::look::{self, Opened, User, iam, list, resume_line, user};
use super::remind::moment;
use super::{Begin, Wishes, claim, quoted, words};
use crate::aws::Sts;
use crate::aws::iam::{Iam, KeyStatus, ListedKey, NotCreated};
use crate::chain::call::at;
use crate::chain::mfa::Codes;
use crate::context::Context;
use crate::credential::{AccessKey, Credentials};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::secret::SecretText;
use crate::vault::Vault;
use crate::vault::folder::Room;
use crate::vault::waiting::{self, OpenedWaiting};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// So long a new key may need until it works. IAM is eventually consistent; seconds are usual.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest pause between two trials of a new key.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// More than a sealed access key takes, beside what the entry takes now: an ARN may be new, and longer. In bytes.
const MORE_ROOM: usize = 4096;

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
    let name = quoted(&wishes.entry);
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
    let mut run = Run {
        sts: Sts::new(ctx),
        iam: iam(ctx, &wishes),
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
    };
    run.finish(codes).map_err(|error| run.stopped(error))
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
}

impl Run<'_> {
    /// Finds out whose the entry is. When AWS no longer takes its key, and a new one waits, that one speaks.
    fn meet(&mut self, mut codes: Codes<'_>) -> Result<User> {
        let met = user(
            self.ctx,
            &mut self.sts,
            &mut codes,
            &mut self.touches,
            &self.wishes,
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
                user(
                    self.ctx,
                    &mut self.sts,
                    &mut codes,
                    &mut self.touches,
                    &self.wishes,
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
                    let name = quoted(&self.wishes.entry);
                    error.hint(format!(
                        "it is switched off; tapvault rotate --finish {name} deletes it"
                    ))
                })?,
                Step::DeleteOther(id) => self.delete(user, &id, "as you said")?,
                Step::Create => self.create(user)?,
                Step::Open => self.open()?,
                Step::Try => self.try_new(user)?,
                Step::Switch => self.switch(user)?,
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
        self.iam
            .delete(&user.credentials, id)
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

    fn create(&mut self, user: &User) -> Result<()> {
        let now = self.ctx.now();
        let before = self.facts.journal.clone();
        let known = self.facts.listed.iter().map(|key| key.id.clone()).collect();
        let mut journal = Journal::begin(&self.wishes.entry, &self.facts.entry, known, now);
        // An earlier attempt of which nothing was seen yet may still bring a key to light.
        if let Some(before) = before.as_ref().filter(|before| before.stage == Stage::Creating) {
            journal.attempts = before.attempts.iter().copied().chain([now]).collect();
            journal.known = before.known.clone();
        }
        journal.write(self.vault)?;
        self.facts.journal = Some(journal.clone());
        // Without room for the new key there must be none.
        let room = self.reserve().inspect_err(|_| self.take_back(before.clone()))?;
        let key = match self.iam.create_access_key(&user.credentials) {
            Ok(key) => key,
            Err(NotCreated::Refused(error)) => {
                self.take_back(before);
                return Err(words::refused(error, &self.wishes).within("no new access key"));
            }
            Err(NotCreated::Doubtful(error)) => {
                drop(room);
                return Err(self.clear_up(user, error.into_error()));
            }
        };
        drop(room);
        let id = key.id.clone();
        let trusted = &self.opened.unlocked.trusted;
        let secret = &self.opened.entry.vault_secret;
        let stored = waiting::store(
            self.vault,
            trusted,
            secret,
            &self.wishes.entry,
            (key.clone(), &user.arn, now),
        );
        if let Err(error) = stored {
            return Err(self.undo(user, &id, error));
        }
        self.ctx.dialogue.note(&format!("created {id}, sealed"));
        self.fresh = Some(key);
        self.facts.waiting = Waiting::Sealed;
        self.facts.listed.push(ListedKey {
            id: id.clone(),
            status: KeyStatus::Active,
            created: Some(now),
        });
        self.write(Stage::Proving, |journal| {
            journal.new = Some(id);
            journal.attempts.clear();
        })
    }

    fn reserve(&self) -> Result<Room> {
        let _lock = self.vault.lock()?;
        let bytes = self.opened.file.size() + MORE_ROOM;
        self.vault.rotations().reserve(bytes)
    }

    /// Nothing was made: the journal is what it was.
    fn take_back(&mut self, before: Option<Journal>) {
        let restored = match &before {
            Some(journal) => journal.write(self.vault),
            None => Journal::remove(self.vault, &self.wishes.entry),
        };
        match restored {
            Ok(()) => self.facts.journal = before,
            // The next run finds nothing that it speaks of.
            Err(error) => self.ctx.debug(|| format!("the journal stays: {error}")),
        }
    }

    /// The answer to CreateAccessKey was lost: a key that has come to light since is deleted.
    fn clear_up(&mut self, user: &User, error: Error) -> Error {
        let known = match &self.facts.journal {
            Some(journal) => journal.known.clone(),
            None => Vec::new(),
        };
        let listed = match list(&mut self.iam, &self.wishes, user) {
            Ok(listed) => listed,
            Err(_) => {
                return error.hint("whether AWS has made a key is not known; the next run finds out, and deletes it");
            }
        };
        let Some(made) = listed.into_iter().find(|key| !known.contains(&key.id)) else {
            return error.hint("no new key is to be seen at AWS; should one turn up, the next run deletes it");
        };
        match self.iam.delete(&user.credentials, &made.id) {
            Ok(()) => {
                self.take_back(None);
                error.hint(format!(
                    "AWS had made {} all the same; it was deleted, for its secret is lost",
                    made.id
                ))
            }
            Err(failed) => error.hint(format!(
                "AWS has made {} all the same, and it could not be deleted ({}); the next run does",
                made.id,
                words::refused(failed, &self.wishes).message()
            )),
        }
    }

    /// The new key could not be sealed: it is deleted while its user is still in hand.
    fn undo(&mut self, user: &User, id: &str, error: Error) -> Error {
        let error = error.within(format!("{id} was made, but could not be sealed"));
        match self.iam.delete(&user.credentials, id) {
            Ok(()) => {
                self.take_back(None);
                error.hint(format!(
                    "{id} was deleted again; the access key of {} is what it was",
                    self.wishes.entry
                ))
            }
            Err(failed) => {
                // So that the next run need not guess. On a full disk this fails too; then it goes by the time.
                let named = self.write(Stage::Creating, |journal| journal.new = Some(id.to_owned()));
                if let Err(error) = named {
                    self.ctx.debug(|| format!("the journal does not name {id}: {error}"));
                }
                error.hint(format!(
                    "{id} could not be deleted either ({}); the next run deletes it",
                    words::refused(failed, &self.wishes).message()
                ))
            }
        }
    }

    fn open(&mut self) -> Result<()> {
        let Some(file) = waiting::header(self.vault, &self.wishes.entry)? else {
            self.facts.waiting = Waiting::Nothing;
            return Ok(());
        };
        let opened = waiting::open_waiting(
            self.vault,
            &mut self.opened.unlocked,
            &self.wishes.entry,
            file,
            "prove that the new access key opens",
            &mut self.touches,
        )?;
        let same =
            |fresh: &AccessKey| fresh.id == opened.key().id && fresh.secret.expose() == opened.key().secret.expose();
        if !self.fresh.as_ref().is_none_or(same) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "what was sealed as the new access key of {} is another one",
                    self.wishes.entry
                ),
            )
            .hint("somebody else writes into the vault's folder"));
        }
        self.fresh = None;
        self.facts.waiting = Waiting::Opened {
            id: opened.key().id.clone(),
            generation: opened.generation(),
            trial: Trial::Untried,
        };
        self.waiting = Some(opened);
        Ok(())
    }

    fn waiting_key(&self) -> Result<AccessKey> {
        let waiting = self.waiting.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::Conflict,
                "the new access key went away while this command ran",
            )
            .hint(format!("{} looks again", resume_line(&self.wishes)))
        })?;
        let key = waiting.key();
        Ok(AccessKey {
            id: key.id.clone(),
            secret: SecretText::copy_of(key.secret.expose()),
        })
    }

    fn try_new(&mut self, user: &User) -> Result<()> {
        let key = self.waiting_key()?;
        let id = key.id.clone();
        let credentials = Credentials::LongTerm(key);
        let started = Instant::now();
        let mut pause = Duration::from_millis(250);
        let trial = loop {
            match self.sts.get_caller_identity(&credentials, &at(&self.wishes.own.sts)) {
                Ok(identity) if identity.arn == user.arn => break Trial::Works,
                Ok(identity) => {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        format!(
                            "{id} belongs to {}, and {} to {}",
                            identity.arn, self.wishes.entry, user.arn
                        ),
                    )
                    .hint(
                        "the entry was replaced by another user's key since; that user has to delete this one at AWS",
                    ));
                }
                Err(error) if !is_unknown(&error) => return Err(error),
                Err(_) if started.elapsed() + pause > PATIENCE => break Trial::Unknown,
                Err(_) => {
                    if pause == Duration::from_millis(250) {
                        self.ctx.dialogue.tell(&format!(
                            "waiting for {id} to work: AWS needs some seconds for a new key"
                        ));
                    }
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        };
        if trial == Trial::Works {
            self.ctx.dialogue.note(&format!("{id} works ({})", user.owner()));
        }
        if let Waiting::Opened { generation, .. } = self.facts.waiting {
            self.facts.waiting = Waiting::Opened { id, generation, trial };
        }
        Ok(())
    }

    fn switch(&mut self, user: &mut User) -> Result<()> {
        let key = self.waiting_key()?;
        let known: Vec<String> = self.facts.listed.iter().map(|key| key.id.clone()).collect();
        if self.facts.journal.is_none() {
            // It was lost; the waiting key was there to tell.
            let journal = Journal::begin(&self.wishes.entry, &self.facts.entry, known, self.ctx.now());
            self.facts.journal = Some(journal);
        }
        self.write(Stage::Switching, |journal| {
            journal.new = Some(key.id.clone());
            journal.attempts.clear();
        })?;
        if let Some(waiting) = self.waiting.take() {
            let trusted = &self.opened.unlocked.trusted;
            waiting::take_place(
                self.ctx,
                self.vault,
                trusted,
                &self.wishes.entry,
                &self.opened.file,
                &waiting,
            )?;
            self.facts.generation = waiting.generation();
        }
        self.facts.waiting = Waiting::Nothing;
        self.facts.entry = key.id.clone();
        self.facts.progress = Progress::Made;
        // A session lives on; the old key itself is about to be switched off.
        if self.wishes.own.session.is_none() {
            user.credentials = Credentials::LongTerm(key);
        }
        self.write(Stage::Retiring, |_| {})
    }

    fn deactivate(&mut self, user: &User, id: &str) -> Result<()> {
        match self.iam.deactivate(&user.credentials, id) {
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

    fn drop_waiting(&mut self, user: &User, key: Option<String>) -> Result<()> {
        if let Some(id) = key {
            self.delete(user, &id, "a new access key that is of no use any more")?;
        }
        waiting::discard(self.vault, &self.wishes.entry)?;
        self.facts.waiting = Waiting::Nothing;
        self.waiting = None;
        Ok(())
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
                quoted(&self.wishes.entry)
            ));
        }
    }

    fn write(&mut self, stage: Stage, change: impl FnOnce(&mut Journal)) -> Result<()> {
        if let Some(mut journal) = self.facts.journal.clone() {
            change(&mut journal);
            journal.stage = stage;
            journal.at = self.ctx.now();
            journal.write(self.vault)?;
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

/// AWS does not know the key: it was deleted or switched off, or is so new that not everybody has heard of it.
fn is_unknown(error: &Error) -> bool {
    error.aws_code() == Some("InvalidClientTokenId")
}
