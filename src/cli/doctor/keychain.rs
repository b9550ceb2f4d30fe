//! The Secret Service: whether it is there and unlocked, and has the keys that were put there. Starts and unlocks nothing.

use super::Finding;
use crate::context::{Context, host_name};
use crate::error::Result;
use crate::store::{Standing, Store, Waking};
use crate::vault::Vault;
use crate::wrap::{EnrolledKey, KeyKind};

/// A line for each keychain key; without one, what could be had.
pub fn look(ctx: &Context) -> Vec<Finding> {
    let store = Store::of_session();
    let keys = enrolled(ctx);
    if keys.is_empty() {
        return vec![unused(store.standing(None, Waking::Never))];
    }
    keys.iter()
        .map(|key| of_key(key, store.standing(Some(&key.recipient), Waking::Never)))
        .collect()
}

fn enrolled(ctx: &Context) -> Vec<EnrolledKey> {
    let keyring = Vault::at(&ctx.paths)
        .look()
        .ok()
        .and_then(|(snapshot, _lock)| snapshot.keyring);
    let mut keys = keyring
        .map(|keyring| keyring.unverified().keys.clone())
        .unwrap_or_default();
    keys.retain(|key| matches!(key.kind, KeyKind::Keychain { .. }));
    keys
}

/// Nobody needs it, so nothing is wrong with it.
fn unused(standing: Result<Standing>) -> Finding {
    let how = match standing {
        Ok(Standing::Open | Standing::Empty) => "answers and is unlocked",
        Ok(Standing::Locked) => "answers and is locked",
        Ok(Standing::NoKeyring) => "answers and has no keyring",
        Ok(Standing::Asleep) => "is there and does not run",
        Ok(Standing::Broken) => "answers wrongly",
        Ok(Standing::NoService | Standing::NoBus) => "is not there",
        Err(_) => "does not answer",
    };
    Finding::ok(format!("the keychain {how}; no enrolled key lies in it"))
}

fn of_key(key: &EnrolledKey, standing: Result<Standing>) -> Finding {
    let name = format!("keychain key {}", key.name);
    match standing {
        Ok(Standing::Open) => Finding::ok(format!("{name} is in the keychain, which is unlocked")),
        Ok(Standing::Asleep) => Finding::ok(format!(
            "{name}: the keychain does not run; the next command that needs it starts it"
        )),
        // A vault that is synced between machines has a key for each of them.
        Ok(Standing::Empty | Standing::NoKeyring | Standing::NoService | Standing::NoBus)
            if key.host != host_name() =>
        {
            Finding::ok(format!(
                "{name} is not in the keychain here; it was enrolled on {}",
                key.host
            ))
        }
        Ok(
            other @ (Standing::Empty
            | Standing::Locked
            | Standing::NoKeyring
            | Standing::Broken
            | Standing::NoService
            | Standing::NoBus),
        ) => Finding::failed(&other.to_error().within(name)),
        Err(error) => Finding::failed(&error.within(name)),
    }
}
