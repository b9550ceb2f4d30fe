//! The new key from its file to its place: opened again, tried until it works, switched to.

use super::{Run, is_unknown};
use crate::chain::call::at;
use crate::credential::{AccessKey, Credentials};
use crate::error::{Error, ErrorKind, Result};
use crate::rotation::decide::{Progress, Trial, Waiting};
use crate::rotation::journal::{Journal, Stage};
use crate::rotation::look::{User, resume_line};
use crate::secret::SecretText;
use crate::vault::waiting;
use std::time::{Duration, Instant};

/// So long a new key may need until it works. IAM is eventually consistent; seconds are usual.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest pause between two trials of a new key.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Run<'_> {
    pub(super) fn open(&mut self) -> Result<()> {
        let header = waiting::header(self.vault, &self.wishes.entry).map_err(|error| self.worthless(error))?;
        let Some(file) = header else {
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
        )
        .map_err(|error| self.worthless(error))?;
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

    pub(super) fn waiting_key(&self) -> Result<AccessKey> {
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

    pub(super) fn try_new(&mut self, user: &User) -> Result<()> {
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

    pub(super) fn switch(&mut self) -> Result<()> {
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
        // A session lives on. The old key can still switch itself off, which the new one, being new, may not be let do yet.
        if self.wishes.own.session.is_none() {
            self.successor = Some(Credentials::LongTerm(key));
        }
        self.write(Stage::Retiring, |_| {})
    }

    /// A waiting file that can't be used: without it the next run deletes its key at AWS and begins anew.
    fn worthless(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Damaged | ErrorKind::Forged => error.hint(format!(
                "or remove it; the next run then deletes its key at AWS and begins anew: rm {}",
                waiting::path(self.vault, &self.wishes.entry).display()
            )),
            _ => error,
        }
    }

    pub(super) fn drop_waiting(&mut self, user: &User, key: Option<String>) -> Result<()> {
        if let Some(id) = key {
            self.delete(user, &id, "a new access key that is of no use any more")?;
        }
        waiting::discard(self.vault, &self.wishes.entry)?;
        self.facts.waiting = Waiting::Nothing;
        self.waiting = None;
        Ok(())
    }
}
