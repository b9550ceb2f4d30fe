//! The enrolled keys: whether there are two ways in, and what each entry looks like from outside.

use super::{Finding, common, count};
use crate::context::Context;
use crate::context::settings::Days;
use crate::vault::keyring::KeyList;
use crate::vault::{Snapshot, Vault, change, waiting};
use crate::wrap::KeyKind;
use jiff::Timestamp;

/// An access key older than this is worth a word, unless `max_key_age` says otherwise.
const OLD: Days = Days(90);

/// Which keys are enrolled, and whether a change of them is unfinished.
pub fn enrolled(ctx: &Context) -> Vec<Finding> {
    let vault = Vault::at(&ctx.paths);
    let Ok((snapshot, _lock)) = vault.look() else {
        // `files::folders` has said why.
        return Vec::new();
    };
    let mut findings = match &snapshot.keyring {
        Some(keyring) => ways_in(keyring.unverified()),
        None => vec![Finding::warn(
            "no key is enrolled, so nothing can be sealed",
            "tapvault key enroll piv, or without a token: tapvault key enroll keychain",
        )],
    };
    if change::is_committed(vault.folder()) {
        findings.push(Finding::warn(
            "a change of keys was cut short when it was nearly done",
            "any other command finishes it: tapvault key list",
        ));
    }
    if let Ok(Some(interrupted)) = change::interrupted(&vault) {
        findings.push(Finding::failed(&interrupted.to_error()));
    }
    findings
}

/// The entries, as far as they show without being opened.
pub fn entries(ctx: &Context) -> Vec<Finding> {
    let vault = Vault::at(&ctx.paths);
    let Ok((
        Snapshot {
            keyring: Some(keyring), ..
        },
        _lock,
    )) = vault.look()
    else {
        return Vec::new();
    };
    let entries = match vault.list() {
        Ok(entries) => entries,
        Err(error) => return vec![Finding::failed(&error)],
    };
    let keys = count(keyring.unverified().keys.len(), "key", "keys");
    let mut findings = vec![Finding::ok(format!(
        "{}, each sealed to {keys}",
        count(entries.len(), "entry", "entries")
    ))];
    for entry in entries {
        for line in common::left_behind(ctx, &vault, &entry.profile) {
            let (what, remedy) = line.split_once("; ").unwrap_or((&line, ""));
            findings.push(Finding::warn(what, remedy));
        }
        if let Err(error) = waiting::read_header(&vault, &entry.profile) {
            findings.push(Finding::failed(&error));
        }
        let file = vault.read_header(&entry.profile);
        match (file, &entry.sidecar) {
            (Err(error), _) => findings.push(Finding::failed(&error)),
            (Ok(()), None) => findings.push(Finding::warn(
                format!("{} has no readable sidecar", entry.profile),
                "the next use of it writes one",
            )),
            (Ok(()), Some(sidecar)) => findings.extend(age(ctx, &entry.profile, sidecar.added)),
        }
    }
    match vault.unreadable_files() {
        Ok(troubles) => findings.extend(troubles.iter().map(Finding::failed)),
        Err(error) => findings.push(Finding::failed(&error)),
    }
    findings
}

fn ways_in(list: &KeyList) -> Vec<Finding> {
    let mut findings = Vec::new();
    let paper = list.keys.iter().any(|key| matches!(key.kind, KeyKind::Recovery { .. }));
    if list.keys.len() < 2 {
        findings.push(Finding::warn(
            format!("only one key opens the vault: {}", list.names()),
            "tapvault key enroll recovery",
        ));
    } else {
        findings.push(Finding::ok(format!("{} open the vault", list.names())));
    }
    if !paper {
        findings.push(Finding::warn(
            "no recovery key is enrolled: with all tokens lost, the access keys are lost",
            "tapvault key enroll recovery",
        ));
    }
    if !list.has_token() {
        findings.push(Finding::warn(
            "presence: none; any program of yours that can use the key can open the entries",
            "tapvault key enroll piv, with a YubiKey plugged in; tapvault key enroll fido2, with another FIDO2 token",
        ));
    } else if list.touchless_beside_token {
        findings.push(Finding::warn(
            "presence: none; a key without a touch is enrolled beside the token",
            "tapvault key list shows which; tapvault key remove takes it out",
        ));
    }
    for key in &list.keys {
        if let KeyKind::Piv(details) = &key.kind
            && let Some(weakness) = details.weakness()
        {
            findings.push(Finding::warn(
                format!("presence of {} is weaker: {weakness}", key.name),
                "tapvault key enroll piv makes a key that asks for a touch every time",
            ));
        }
    }
    findings
}

fn age(ctx: &Context, profile: &str, added: Option<Timestamp>) -> Option<Finding> {
    let limit = ctx.settings.max_key_age.unwrap_or(OLD);
    common::too_old(ctx, profile, added, Some(limit)).map(|line| Finding::warn(line, common::way_to_a_new_key(profile)))
}
