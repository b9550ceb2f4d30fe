//! The moment at which a change of keys happens, and the moves after it.
//!
//! `next/COMMIT` names every prepared file with its digest. Whoever finds it looks at all of them before the first is moved: a
//! synced folder may have brought it before the files that it speaks of, and a folder writer may have made it up.

use super::{SOURCES, STAGE, abandon_hint};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::VaultSecret;
use crate::vault::folder::Folder;
use crate::vault::keyring::{HISTORY, KeyList, Keyring, LIST_FILE, Version};
use crate::vault::name::{file_stem, hex};
use crate::vault::{ENTRIES, PASSPHRASES, ROTATIONS, SESSIONS, VAULT_SECRET_FILE, proof};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Its presence means: the change has happened, only the moves may be missing.
const COMMIT: &str = "COMMIT";

/// The folders from which prepared files are moved.
const PARTS: [&str; 3] = [ENTRIES, ROTATIONS, PASSPHRASES];

/// What `next/COMMIT` says.
#[derive(Serialize, Deserialize)]
struct Record {
    /// SHA-256 of the list that the change started from, hex.
    from: Option<String>,
    /// `entries/prod.age` -> SHA-256 of the prepared file, hex.
    files: BTreeMap<String, String>,
}

/// The files that a change prepares in `part`: with a new K, the proof of a rotation's journal is another one.
fn endings(part: &str) -> &'static [&'static str] {
    match part {
        ROTATIONS => &[".age", ".json"],
        _ => &[".age"],
    }
}

/// Prepares the journals of rotations, with a proof by the new K of `secrets`, the old one and the new. Call it under the
/// vault's lock, so that they are the newest. Without `secrets` K stays; or nothing was opened by this run of the change, and
/// `rotate` says what to do about a journal that is not proven.
pub(super) fn stage_journals(vault: &Folder, secrets: Option<(&VaultSecret, &VaultSecret)>) -> Result<()> {
    let staged = vault.below(STAGE).below(ROTATIONS);
    for stale in staged.names(".json")? {
        staged.remove(&stale)?;
    }
    match secrets {
        Some((before, next)) => proof::renew(&vault.below(ROTATIONS), &staged, before, next),
        None => Ok(()),
    }
}

/// Makes the change happen. Call it under the vault's lock, with everything prepared.
pub(super) fn declare(vault: &Folder, from: Option<String>) -> Result<()> {
    let stage = vault.below(STAGE);
    let mut files = BTreeMap::new();
    let mut add = |folder: &Folder, prefix: &str, name: String| -> Result<()> {
        if let Some(digest) = digest(folder, &name)? {
            files.insert(format!("{prefix}{name}"), digest);
        }
        Ok(())
    };
    for part in PARTS {
        for ending in endings(part) {
            for name in stage.below(part).names(ending)? {
                add(&stage.below(part), &format!("{part}/"), name)?;
            }
        }
    }
    add(&stage, "", VAULT_SECRET_FILE.to_owned())?;
    add(&stage, "", LIST_FILE.to_owned())?;
    // The list that is replaced goes into the history first, so that after the commit there is nothing but renames: they
    // need no space. If the change is thrown away, the copy is of the current list and does no harm.
    if let (Some(keyring), Some(document)) = (Keyring::read(vault)?, vault.read(LIST_FILE)?) {
        let history = vault.below(HISTORY);
        history.ensure()?;
        history.replace(&keyring.current().history_file(), &document)?;
    }
    let json =
        serde_json::to_vec(&Record { from, files }).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
    stage.replace(COMMIT, &json)
}

/// Whether a change has happened whose moves may be missing.
pub fn is_committed(vault: &Folder) -> bool {
    let stage = vault.below(STAGE);
    // A link in its place would lead the moves, and the clearing up after them, out of the vault.
    stage.exists() && stage.path().join(COMMIT).exists()
}

/// Finishes the moves of a committed change. Call it under the vault's lock; it may be cut short and called again at any point.
///
/// # Errors
/// [`ErrorKind::Conflict`] when a file that the commit names is missing or another; nothing was moved then.
pub fn finish(vault: &Folder) -> Result<()> {
    if !is_committed(vault) {
        return Ok(());
    }
    let stage = vault.below(STAGE);
    stage.check()?;
    for part in PARTS {
        stage.below(part).check()?;
        vault.below(part).check()?;
    }
    for part in [ENTRIES, PASSPHRASES, SESSIONS, HISTORY] {
        vault.below(part).ensure()?;
    }
    let record = read(&stage)?;
    let list = check(vault, &stage, &record)?;
    for (path, wanted) in record.files.iter().filter(|(path, _)| *path != LIST_FILE) {
        // In its place already: whatever lies in the stage under its name is not what was prepared.
        if place(vault, path)?.as_ref() == Some(wanted) {
            continue;
        }
        let (folder, name) = split(path);
        let (from, to) = match folder {
            Some(part) => (stage.below(part), vault.below(part)),
            None => (stage.clone(), vault.clone()),
        };
        if from.path().join(name).exists() {
            to.ensure()?;
            from.hand_over(name, &to)?;
        }
    }
    vault.below(ENTRIES).sync()?;
    if vault.below(ROTATIONS).exists() {
        vault.below(ROTATIONS).sync()?;
    }
    drop_orphaned_passphrases(vault, &list)?;
    // Sessions are sealed to the keys of before; they are fetched anew.
    let sessions = vault.below(SESSIONS);
    for ending in [".age", ".json"] {
        for file in sessions.names(ending)? {
            // One that stays (a folder by such a name, put there) opens with nothing any more.
            let _ = sessions.remove(&file);
        }
    }
    sessions.sync()?;
    if stage.path().join(LIST_FILE).exists() {
        stage.hand_over(LIST_FILE, vault)?;
    }
    vault.sync()?;
    // COMMIT goes last but for the empty folder, so that a finish that is cut short is taken up again.
    for part in PARTS {
        stage.below(part).remove_all()?;
    }
    stage.remove(SOURCES)?;
    stage.remove(COMMIT)?;
    stage.remove_all()?;
    vault.sync()
}

/// Throws a committed change away that can't be finished, if none of it has been moved yet. Finishes it if it can be.
pub(super) fn abandon(vault: &Folder) -> Result<bool> {
    let stage = vault.below(STAGE);
    if let Err(error) = finish(vault) {
        // A disk that fails now may work later; only what can never be finished is thrown away.
        if !matches!(
            error.kind(),
            ErrorKind::Conflict | ErrorKind::Damaged | ErrorKind::Forged
        ) {
            return Err(error);
        }
        // An unreadable record names nothing, so nothing can have been moved by it.
        let files = read(&stage).map(|record| record.files).unwrap_or_default();
        for (path, wanted) in &files {
            if place(vault, path)?.as_ref() == Some(wanted) {
                return Err(error.hint(format!(
                    "it has happened in part ({path} is in its place), so it can't be thrown away: bring the rest of {STAGE}/ back"
                )));
            }
        }
        stage.remove_all()?;
    }
    Ok(true)
}

fn read(stage: &Folder) -> Result<Record> {
    let damaged = |what: &str| Error::new(ErrorKind::Damaged, format!("{STAGE}/{COMMIT} {what}")).hint(abandon_hint());
    let json = stage.read(COMMIT)?.ok_or_else(|| damaged("is missing"))?;
    let record: Record = serde_json::from_slice(&json).map_err(|_| damaged("is damaged"))?;
    let well_formed = |path: &str| match split(path) {
        (None, name) => [LIST_FILE, VAULT_SECRET_FILE].contains(&name),
        (Some(part), name) => {
            PARTS.contains(&part)
                && endings(part).iter().any(|ending| name.ends_with(ending))
                && !name.starts_with('.')
                && !name.contains('/')
        }
    };
    if !record.files.keys().all(|path| well_formed(path)) || !record.files.contains_key(LIST_FILE) {
        return Err(damaged("names files that no change of keys has"));
    }
    Ok(record)
}

/// Looks at every file that the commit names, and that the new list follows the one of before.
fn check(vault: &Folder, stage: &Folder, record: &Record) -> Result<KeyList> {
    let conflict = |what: String| {
        Error::new(
            ErrorKind::Conflict,
            format!("a change of keys can't be finished: {what}"),
        )
        .hint("if a synced folder has not brought everything yet, wait until it has")
        .hint(abandon_hint())
    };
    for (path, wanted) in &record.files {
        let prepared = place(stage, path)?;
        if prepared.as_ref() != Some(wanted) && place(vault, path)?.as_ref() != Some(wanted) {
            return Err(conflict(format!(
                "{STAGE}/{path} is missing, or not the file that was prepared"
            )));
        }
    }
    let keyring = Keyring::read(vault)?;
    let Some(document) = stage.read(LIST_FILE)? else {
        // The list is moved last, so it is in its place already.
        return keyring
            .map(|keyring| keyring.unverified().clone())
            .ok_or_else(|| conflict(format!("{LIST_FILE} is missing")));
    };
    let next = Version::parse(&format!("{STAGE}/{LIST_FILE}"), &document)?;
    let before = keyring.as_ref().map(Keyring::current);
    if before.map(|before| hex(&before.digest())) != record.from {
        return Err(conflict(format!(
            "{LIST_FILE} is not the one that the change started from"
        )));
    }
    let continues = match before {
        Some(before) => next.follows(before.list(), before.digest()),
        None => next.list().generation == 1,
    };
    if !continues {
        return Err(conflict(format!(
            "the list in {STAGE}/ was not vouched for by a key of the one before"
        )));
    }
    Ok(next.list().clone())
}

/// The file of a passphrase key that is no longer enrolled would only be something to guess passphrases against.
fn drop_orphaned_passphrases(vault: &Folder, list: &KeyList) -> Result<()> {
    let folder = vault.below(PASSPHRASES);
    for file in folder.names(".age")? {
        let enrolled = list
            .keys
            .iter()
            .any(|key| format!("{}.age", file_stem(key.name.as_str())) == file);
        if !enrolled {
            folder.remove(&file)?;
        }
    }
    folder.sync()
}

/// "entries/prod.age" -> (Some("entries"), "prod.age").
fn split(path: &str) -> (Option<&str>, &str) {
    match path.split_once('/') {
        Some((part, name)) => (Some(part), name),
        None => (None, path),
    }
}

/// The digest of the file at `path` below `root`.
fn place(root: &Folder, path: &str) -> Result<Option<String>> {
    match split(path) {
        (Some(part), name) => digest(&root.below(part), name),
        (None, name) => digest(root, name),
    }
}

fn digest(folder: &Folder, name: &str) -> Result<Option<String>> {
    Ok(folder.read(name)?.map(|bytes| hex(&Sha256::digest(bytes))))
}
