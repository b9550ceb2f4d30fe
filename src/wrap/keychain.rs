//! A keychain key: an X25519 identity in the operating system's secret store (Secret Service, Keychain, Credential Manager).
//!
//! Any program of the user can ask an unlocked store for it, so it gives no presence. The store holds one short text per key;
//! everything else lies in the vault.

use super::{KeyName, PresentKey, SoftwareKey};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;
use keyring::v1::{Entry, Error as StoreError};
use std::sync::mpsc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The service under which the store files it; the user is the key's recipient, which no two keys share.
const SERVICE: &str = "tapvault";

/// A store that shows no window answers at once, or never.
const PATIENCE: Duration = Duration::from_secs(3);

/// One that can show a window may be waiting for the person to unlock it.
const PATIENCE_WITH_WINDOW: Duration = Duration::from_secs(60);

/// After so long the person is told what is waited for.
const SILENCE: Duration = Duration::from_secs(2);

/// Makes a new key and puts it into the store; it is read back before anything is sealed to it.
pub fn create(name: KeyName, ctx: &Context) -> Result<SoftwareKey> {
    let key = SoftwareKey::generate(name);
    let (recipient, secret) = (key.recipient(), key.secret_text());
    ask(ctx, move || entry(&recipient)?.set_secret(secret.expose().as_bytes()))?;
    open(key.name(), &key.recipient(), ctx).map_err(|error| error.within("the key was stored, but does not come back"))
}

/// Takes the key `name` with this `recipient` out of the store.
///
/// # Errors
/// [`ErrorKind::NoKey`] when the store is not there, is locked, or has no such key: then none is made.
pub fn open(name: &KeyName, recipient: &str, ctx: &Context) -> Result<SoftwareKey> {
    let wanted = recipient.to_owned();
    let bytes = ask(ctx, move || entry(&wanted)?.get_secret().map(Zeroizing::new))
        .map_err(|error| error.within(format!("keychain key {name}")))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| not_ours(name))?;
    let key = SoftwareKey::parse(name.clone(), &SecretText::copy_of(text)).map_err(|_| not_ours(name))?;
    if key.recipient() != recipient {
        return Err(not_ours(name));
    }
    Ok(key)
}

/// Takes the key out of the store for good. A store that does not have it is fine.
pub fn forget(recipient: &str, ctx: &Context) -> Result<()> {
    let wanted = recipient.to_owned();
    ask(ctx, move || match entry(&wanted)?.delete_credential() {
        Err(StoreError::NoEntry) => Ok(()),
        outcome => outcome,
    })
}

/// Whether the store answers at all; asks for nothing.
pub fn available(ctx: &Context) -> Result<()> {
    ask(ctx, || match Entry::store_status() {
        Ok(()) => Ok(()),
        Err(_) => Err(StoreError::NoDefaultStore),
    })
}

fn entry(recipient: &str) -> Result<Entry, StoreError> {
    Entry::new(SERVICE, recipient)
}

/// Asks the store on a thread of its own: some wait for a window for ever, and nothing here may hang.
fn ask<T: Send + 'static>(
    ctx: &Context,
    question: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T> {
    let (send, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = send.send(question());
    });
    let window =
        ctx.env.os("DISPLAY").is_some() || ctx.env.os("WAYLAND_DISPLAY").is_some() || cfg!(target_os = "macos");
    let patience = if window { PATIENCE_WITH_WINDOW } else { PATIENCE };
    let outcome = answer.recv_timeout(SILENCE).or_else(|_| {
        ctx.dialogue
            .tell("waiting for the keychain; it may be showing a window that wants to be unlocked");
        answer.recv_timeout(patience - SILENCE)
    });
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(err)) => Err(describe(&err)),
        Err(_) => Err(Error::new(
            ErrorKind::NoKey,
            format!("it did not answer within {} s", patience.as_secs()),
        )
        .hint("unlock it in your desktop's keyring program, then try again")),
    }
}

fn describe(err: &StoreError) -> Error {
    match err {
        StoreError::NoEntry => Error::new(
            ErrorKind::NoKey,
            "there is no such key in it; it may be another user's, or a new and empty one",
        )
        .hint("no new key was made; another enrolled key or --recovery opens your entries"),
        StoreError::NoStorageAccess(_) => {
            Error::new(ErrorKind::NoKey, "it is locked, and could not be unlocked from here")
                .hint("unlock it in your desktop's keyring program, then try again")
        }
        StoreError::NoDefaultStore | StoreError::PlatformFailure(_) => Error::new(
            ErrorKind::NoKey,
            "there is no secret service to ask (over ssh and in containers there usually is none)",
        )
        .hint("log in at the desktop, or enroll a passphrase: tapvault key enroll passphrase"),
        // The library's own words may quote what the store holds.
        _ => Error::new(ErrorKind::NoKey, "it could not be read"),
    }
}

fn not_ours(name: &KeyName) -> Error {
    Error::new(
        ErrorKind::Forged,
        format!("the keychain holds something else than {name} under its name"),
    )
    .hint("another enrolled key or --recovery opens your entries")
}
