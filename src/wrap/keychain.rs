//! A keychain key: an X25519 identity in the operating system's secret store.
//!
//! The store gives it to any program of the user, so it gives no presence. It holds one short text per key; everything else lies
//! in the vault. A store that says "no such key" is believed for this command only: no key is ever made in the place of one that
//! is missing.

use super::{EnrolledKey, KeyName, PresentKey, SoftwareKey};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;
use crate::store::Store;

/// Makes a new key and puts it into the store, under its recipient, which no two keys share. It is read back before anything is
/// sealed to it.
///
/// # Errors
/// [`ErrorKind::NoKey`] when the store is not there, is locked, or does not keep it.
pub fn create(store: &Store, name: KeyName) -> Result<SoftwareKey> {
    let key = SoftwareKey::generate(name);
    store.keep(&key.recipient(), key.secret_text()).map_err(|error| {
        error
            .within("the keychain")
            .hint("without a desktop: tapvault key enroll passphrase")
    })?;
    read(store, key.name(), &key.recipient())
        .map_err(|error| error.within("the key was stored, but does not come back"))
}

/// Takes an enrolled key out of the store.
///
/// # Errors
/// [`ErrorKind::NoKey`] when the store is not there, is locked, or has no such key: then none is made.
pub fn open(store: &Store, key: &EnrolledKey) -> Result<SoftwareKey> {
    read(store, &key.name, &key.recipient)
        .map_err(|error| error.within(format!("keychain key {}, enrolled on {}", key.name, key.host)))
}

fn read(store: &Store, name: &KeyName, recipient: &str) -> Result<SoftwareKey> {
    let bytes = store.read(recipient)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| not_ours(name))?;
    let key = SoftwareKey::parse(name.clone(), &SecretText::copy_of(text)).map_err(|_| not_ours(name))?;
    if key.recipient() != recipient {
        return Err(not_ours(name));
    }
    Ok(key)
}

fn not_ours(name: &KeyName) -> Error {
    Error::new(
        ErrorKind::Forged,
        format!("the keychain holds something else than {name} under its name"),
    )
    .hint("another enrolled key or --recovery opens your entries")
}
