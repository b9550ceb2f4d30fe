//! Making the keys that need no device: a passphrase, the keychain, paper.

use super::NewKey;
use crate::context::{Context, host_name};
use crate::error::Result;
#[cfg(feature = "keychain")]
use crate::store::Store;
#[cfg(feature = "keychain")]
use crate::wrap::keychain;
use crate::wrap::{EnrolledKey, KeyKind, KeyName, PresentKey, SoftwareKey, passphrase, recovery};

/// Makes a passphrase key.
pub fn new_passphrase_key<'a>(ctx: &'a Context, name: KeyName) -> Result<NewKey<'a>> {
    let (key, file) = passphrase::create(name, ctx)?;
    let kind = KeyKind::Passphrase {
        verifier: key.software_verifier(),
    };
    Ok(software(ctx, key, kind, Some(file)))
}

/// Makes a key in the operating system's secret store.
#[cfg(feature = "keychain")]
pub fn new_keychain_key<'a>(ctx: &'a Context, name: KeyName) -> Result<NewKey<'a>> {
    let key = keychain::create(&Store::of_session(), name)?;
    let kind = KeyKind::Keychain {
        verifier: key.software_verifier(),
    };
    Ok(software(ctx, key, kind, None))
}

/// Takes a keychain key that is not in the list (any more) out of the store; that it stays there would be no harm.
#[cfg(feature = "keychain")]
pub fn forget_keychain_key(ctx: &Context, record: &EnrolledKey) {
    if let KeyKind::Keychain { .. } = record.kind
        && let Err(error) = Store::of_session().forget(&record.recipient)
    {
        ctx.dialogue
            .note(&format!("the keychain still holds \"{}\": {error}", record.name));
    }
}

/// Without keychain support there is nothing to take out.
#[cfg(not(feature = "keychain"))]
pub fn forget_keychain_key(_: &Context, _: &EnrolledKey) {}

/// Makes a recovery key and shows it.
pub fn new_recovery_key<'a>(ctx: &'a Context, name: KeyName) -> Result<NewKey<'a>> {
    let key = recovery::create(name, ctx)?;
    let kind = KeyKind::Recovery {
        verifier: key.software_verifier(),
    };
    Ok(software(ctx, key, kind, None))
}

fn software<'a>(ctx: &Context, key: SoftwareKey, kind: KeyKind, file: Option<Vec<u8>>) -> NewKey<'a> {
    NewKey {
        record: EnrolledKey {
            name: key.name().clone(),
            recipient: key.recipient(),
            enrolled: ctx.now(),
            host: host_name(),
            kind,
        },
        key: Box::new(key),
        file,
    }
}
