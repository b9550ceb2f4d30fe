//! What a rotation does next: a pure function of the journal, of what IAM lists, and of what the vault holds. A run that was never
//! interrupted and one that picks up after a crash ask it the same question.

use super::journal::{Journal, Stage};
use crate::aws::iam::{KeyStatus, LastUse, ListedKey};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// How far a new key's creation may seem from the moment it was asked for. AWS refuses clocks that are off by more than
/// five minutes, or fifteen ("Common Errors" of the IAM API reference, RequestExpired); a call takes a minute at most.
const WINDOW: SignedDuration = SignedDuration::from_mins(16);

/// All that the next step depends on.
pub struct Facts {
    /// How far an earlier run, or this one, has come.
    pub journal: Option<Journal>,
    /// The ID of the entry's access key, as it was opened.
    pub entry: String,
    /// Which version of the entry that is.
    pub generation: u64,
    /// The new access key, if one waits.
    pub waiting: Waiting,
    /// The user's access keys.
    pub listed: Vec<ListedKey>,
    /// What IAM says of their use, as far as it was asked.
    pub uses: BTreeMap<String, Use>,
    /// What the person wants.
    pub aim: Aim,
    /// Whether this run has brought a rotation forward.
    pub progress: Progress,
    /// A key that is not ours and may be deleted: the person said so (`--delete-other`).
    pub given_up: Option<String>,
    /// Now.
    pub now: Timestamp,
}

/// The access key that waits in `rotations/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// There is none.
    Nothing,
    /// There is one that this run has not opened.
    Sealed,
    /// It was opened.
    Opened {
        /// Its ID.
        id: String,
        /// Which version of the entry it is to become.
        generation: u64,
        /// Whether AWS takes it.
        trial: Trial,
    },
}

/// What AWS says of a key that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It was not tried.
    Untried,
    /// It works, and is the same user's.
    Works,
    /// AWS does not know it, and has had time enough.
    Unknown,
}

/// When a key was last used, as far as IAM says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// Never.
    Never,
    /// Then.
    Last(LastUse),
    /// The user may not ask.
    NotTold,
}

/// What the person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// A new access key; the old one is switched off.
    Rotate,
    /// A new access key; the old one is deleted (`--delete-old`).
    RotateAndDelete,
    /// What is left of an earlier rotation, the old key's deletion included (`--finish`).
    Finish,
}

/// Whether this run has brought a rotation forward, so that it does not begin another one when that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not yet.
    Nothing,
    /// Yes.
    Made,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask IAM when this key was last used.
    AskUse(String),
    /// Delete a key that an earlier run had made and could not keep.
    RemoveOrphan(String),
    /// Delete the key that an earlier rotation has switched off.
    DeleteRetired(String),
    /// Delete a key that is not ours: the person said so.
    DeleteOther(String),
    /// Make a new access key and seal it.
    Create,
    /// Open the new access key: the proof that it can be.
    Open,
    /// Call AWS with the new access key until it works.
    Try,
    /// Put the new access key into the entry's place.
    Switch,
    /// Switch this key, the old one, off.
    Deactivate(String),
    /// Write down that the old key is off.
    NoteRetired,
    /// Throw the waiting file away; delete this key of it at AWS first.
    DropWaiting(Option<String>),
    /// Nothing is left of that rotation.
    DropJournal,
    /// All is done.
    Done,
    /// It can't go on by itself.
    Stop(Obstacle),
}

/// Why a rotation can't go on by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// IAM does not list the entry's own key.
    OwnMissing,
    /// The entry's own key is switched off.
    OwnInactive,
    /// The user has another key, and it is not ours to delete.
    Other(ListedKey, Use),
    /// Somebody switched the old key on again.
    Reactivated(ListedKey),
    /// The new key is there, but does not work yet.
    NotYet(String),
    /// Neither the entry's key nor the new one is active.
    BothOff(String),
}

impl Step {
    /// The step in words, for `--debug`.
    pub fn word(&self) -> String {
        match self {
            Step::AskUse(id) => format!("ask when {id} was last used"),
            Step::RemoveOrphan(id) => format!("delete {id}, an orphan"),
            Step::DeleteRetired(id) => format!("delete {id}, the old key"),
            Step::DeleteOther(id) => format!("delete {id}, given up"),
            Step::Create => "create".into(),
            Step::Open => "open the new key".into(),
            Step::Try => "try the new key".into(),
            Step::Switch => "switch".into(),
            Step::Deactivate(id) => format!("deactivate {id}"),
            Step::NoteRetired => "note that the old key is off".into(),
            Step::DropWaiting(_) => "drop the waiting file".into(),
            Step::DropJournal => "drop the journal".into(),
            Step::Done => "done".into(),
            Step::Stop(_) => "stop".into(),
        }
    }
}

/// The next step.
pub fn next(facts: &Facts) -> Step {
    match &facts.waiting {
        Waiting::Sealed => Step::Open,
        Waiting::Opened { id, generation, trial } => with_waiting(facts, id, *generation, *trial),
        Waiting::Nothing => match &facts.journal {
            None => from_nothing(facts),
            Some(journal) => from_journal(facts, journal),
        },
    }
}

fn with_waiting(facts: &Facts, id: &str, generation: u64, trial: Trial) -> Step {
    if id == facts.entry {
        // A copy of what has become the entry, brought back by a synced folder.
        return Step::DropWaiting(None);
    }
    let listed = facts.listed(id);
    let named = facts
        .journal
        .as_ref()
        .is_some_and(|journal| journal.new.as_deref() == Some(id));
    let replaced = facts.journal.as_ref().is_some_and(|journal| journal.old != facts.entry);
    if replaced || generation <= facts.generation {
        // The entry was replaced since: this key was to follow another one. Only one that this rotation made is deleted.
        return Step::DropWaiting((named && listed.is_some()).then(|| id.to_owned()));
    }
    match (listed.map(|key| key.status), trial) {
        (Some(KeyStatus::Inactive), _) if facts.own_status() == Some(KeyStatus::Active) => {
            Step::DropWaiting(Some(id.to_owned()))
        }
        (Some(KeyStatus::Inactive), _) => Step::Stop(Obstacle::BothOff(id.to_owned())),
        (Some(KeyStatus::Active) | None, Trial::Untried) => Step::Try,
        (Some(KeyStatus::Active) | None, Trial::Works) => Step::Switch,
        (Some(KeyStatus::Active), Trial::Unknown) => Step::Stop(Obstacle::NotYet(id.to_owned())),
        // IAM tells of a new key late; the only copy of its secret is not thrown away for that.
        (None, Trial::Unknown)
            if facts
                .journal
                .as_ref()
                .is_some_and(|journal| near(journal.at, facts.now)) =>
        {
            Step::Stop(Obstacle::NotYet(id.to_owned()))
        }
        (None, Trial::Unknown) => Step::DropWaiting(None),
    }
}

fn from_nothing(facts: &Facts) -> Step {
    if facts.aim == Aim::Finish || facts.progress == Progress::Made {
        return Step::Done;
    }
    match facts.own_status() {
        None => return Step::Stop(Obstacle::OwnMissing),
        Some(KeyStatus::Inactive) => return Step::Stop(Obstacle::OwnInactive),
        Some(KeyStatus::Active) => {}
    }
    // Two keys a user is all that IAM allows, so another one is in the way.
    match facts.listed.iter().find(|key| key.id != facts.entry) {
        None => Step::Create,
        Some(other) if facts.given_up.as_deref() == Some(&other.id) => Step::DeleteOther(other.id.clone()),
        Some(other) => match facts.uses.get(&other.id) {
            None => Step::AskUse(other.id.clone()),
            Some(used) => Step::Stop(Obstacle::Other(other.clone(), used.clone())),
        },
    }
}

fn from_journal(facts: &Facts, journal: &Journal) -> Step {
    let switched = journal.new.as_deref() == Some(&facts.entry);
    match journal.stage {
        Stage::Creating => orphan(facts, journal).unwrap_or_else(|| {
            if facts.aim == Aim::Finish {
                Step::DropJournal
            } else {
                from_nothing(facts)
            }
        }),
        Stage::Proving | Stage::Switching | Stage::Retiring if switched => {
            match facts.listed(&journal.old).map(|key| key.status) {
                Some(KeyStatus::Active) => Step::Deactivate(journal.old.clone()),
                Some(KeyStatus::Inactive) => Step::NoteRetired,
                None => Step::DropJournal,
            }
        }
        // The secret of the new key has gone, or never was.
        Stage::Proving | Stage::Switching => orphan(facts, journal).unwrap_or(Step::DropJournal),
        // The entry was replaced since.
        Stage::Retiring => Step::DropJournal,
        Stage::Retired => retired(facts, journal),
    }
}

fn retired(facts: &Facts, journal: &Journal) -> Step {
    if journal.old == facts.entry {
        // It was put back.
        return Step::DropJournal;
    }
    let deletes = match (facts.aim, facts.progress) {
        (Aim::Finish | Aim::RotateAndDelete, _) | (Aim::Rotate, Progress::Nothing) => true,
        (Aim::Rotate, Progress::Made) => false,
    };
    match facts.listed(&journal.old) {
        None => Step::DropJournal,
        Some(_) if !deletes => Step::Done,
        Some(key) => match key.status {
            KeyStatus::Inactive => Step::DeleteRetired(key.id.clone()),
            KeyStatus::Active if facts.given_up.as_deref() == Some(&key.id) => Step::DeleteOther(key.id.clone()),
            KeyStatus::Active => Step::Stop(Obstacle::Reactivated(key.clone())),
        },
    }
}

/// A key that an earlier run has made, and whose secret nobody has. Either the journal names it, or it came into being when
/// one was asked for; and it was not used, but to see whether it works.
fn orphan(facts: &Facts, journal: &Journal) -> Option<Step> {
    for key in facts.listed.iter().filter(|key| key.id != facts.entry) {
        let named = journal.new.as_ref() == Some(&key.id);
        let asked_for = !journal.known.contains(&key.id)
            && key
                .created
                .is_some_and(|created| journal.attempts.iter().any(|attempt| near(*attempt, created)));
        if !named && !asked_for {
            continue;
        }
        let ours = match facts.uses.get(&key.id) {
            None => return Some(Step::AskUse(key.id.clone())),
            Some(Use::Never) => true,
            Some(Use::Last(last)) => named && last.service == "sts" && near(journal.at, last.at),
            Some(Use::NotTold) => named,
        };
        if ours {
            return Some(Step::RemoveOrphan(key.id.clone()));
        }
    }
    None
}

/// Whether two moments may be of one run, on machines whose clocks AWS takes.
pub(super) fn near(one: Timestamp, other: Timestamp) -> bool {
    one.duration_since(other).abs() <= WINDOW
}

impl Facts {
    /// What IAM says of the key `id`.
    pub fn listed(&self, id: &str) -> Option<&ListedKey> {
        self.listed.iter().find(|key| key.id == id)
    }

    fn own_status(&self) -> Option<KeyStatus> {
        self.listed(&self.entry).map(|key| key.status)
    }
}

#[cfg(test)]
mod tests;
