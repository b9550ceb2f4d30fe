//! The one step that can't be repeated: a key is made at AWS, and sealed before anything else happens to it.

use super::Run;
use crate::aws::iam::{KeyStatus, ListedKey, NotDone};
use crate::error::{Error, Result};
use crate::rotation::decide::Waiting;
use crate::rotation::journal::{Journal, Stage};
use crate::rotation::look::{User, list};
use crate::rotation::words;
use crate::vault::folder::Room;
use crate::vault::waiting;

/// More than a sealed access key takes, beside what the entry takes now: an ARN may be new, and longer. In bytes.
const MORE_ROOM: usize = 4096;

impl Run<'_> {
    pub(super) fn create(&mut self, user: &User) -> Result<()> {
        let now = self.ctx.now();
        let before = self.facts.journal.clone();
        let known = self.facts.listed.iter().map(|key| key.id.clone()).collect();
        let mut journal = Journal::begin(&self.wishes.entry, &self.facts.entry, known, now);
        // An earlier attempt of which nothing was seen yet may still bring a key to light.
        if let Some(before) = before.as_ref().filter(|before| before.stage == Stage::Creating) {
            journal.attempts = before.attempts.iter().copied().chain([now]).collect();
            journal.known = before.known.clone();
        }
        journal.write(self.vault, &self.opened.entry.vault_secret)?;
        self.facts.journal = Some(journal.clone());
        // Without room for the new key there must be none.
        let room = self.reserve().inspect_err(|_| self.take_back(before.clone()))?;
        let key = match self.iam.create_access_key(&user.credentials) {
            Ok(key) => key,
            Err(NotDone::Refused(error)) => {
                self.take_back(before);
                return Err(words::refused(error, &self.wishes).within("no new access key"));
            }
            Err(NotDone::Doubtful(error)) => {
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
            Some(journal) => journal.write(self.vault, &self.opened.entry.vault_secret),
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
}
