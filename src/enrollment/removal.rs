//! Taking a key out: everything is sealed anew without it, under a new K.

use super::{Outcome, commit, next_list, no_keys, prepare_all};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::secret::VaultSecret;
use crate::vault::Vault;
use crate::vault::change::{Change, interrupted};
use crate::vault::keyring::Version;
use crate::vault::name::hex;
use crate::vault::unlock::{KeyChoice, Unlocked, unlock};
use crate::wrap::{EnrolledKey, KeyName};

/// A removal about to happen.
pub struct Removal<'a> {
    ctx: &'a Context,
    vault: &'a Vault,
    unlocked: Unlocked<'a>,
    removed: EnrolledKey,
}

impl<'a> Removal<'a> {
    /// Looks for a key that is here, to open the entries with.
    ///
    /// # Errors
    /// [`ErrorKind::NoKey`] when no key has that name, [`ErrorKind::Conflict`] for the last key.
    pub fn begin(ctx: &'a Context, vault: &'a Vault, choice: &KeyChoice, name: &KeyName) -> Result<Self> {
        let snapshot = vault.read()?.0;
        if let Some(interrupted) = interrupted(vault)? {
            return Err(interrupted.to_error());
        }
        vault.folder().must_be_writable()?;
        let keyring = snapshot.keyring.ok_or_else(|| no_keys(vault))?;
        let list = keyring.unverified();
        let Some(removed) = list.key(name) else {
            return Err(Error::new(ErrorKind::NoKey, format!("no key is called {name}"))
                .hint(format!("enrolled are {}", list.names())));
        };
        if list.keys.len() == 1 {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("{name} is the only key; without it nothing would ever open again"),
            )
            .hint("enroll another one first: tapvault key enroll recovery"));
        }
        let removed = removed.clone();
        let unlocked = unlock(ctx, vault, &keyring, choice, None, "the key list")?;
        Ok(Removal {
            ctx,
            vault,
            unlocked,
            removed,
        })
    }

    /// The key that goes.
    pub fn removed(&self) -> &EnrolledKey {
        &self.removed
    }

    /// The profiles whose access keys it could open.
    pub fn readable(&self) -> Result<Vec<String>> {
        Ok(self.vault.list()?.into_iter().map(|listed| listed.profile).collect())
    }

    /// How many touches it will take.
    pub fn touches(&self) -> Result<usize> {
        Ok(self.unlocked.key.touches_for(self.vault.access_key_files()?.len(), 1))
    }

    /// Seals everything anew without it.
    pub fn finish(mut self, touches: &mut Touches<'_>) -> Result<Outcome> {
        let before = self.unlocked.trusted.clone();
        let keys: Vec<EnrolledKey> = before
            .list()
            .keys
            .iter()
            .filter(|key| key.name != self.removed.name)
            .cloned()
            .collect();
        let secret = VaultSecret::random();
        let touchless_beside_token = before.list().touchless_beside_token
            && keys.iter().any(EnrolledKey::needs_touch)
            && keys.iter().any(EnrolledKey::is_touchless);
        let mut version = Version::draft(next_list(
            Some(&before),
            keys,
            hex(&secret.digest()),
            touchless_beside_token,
        ))?;
        let name = self.removed.name.clone();
        version.vouch(
            &mut *self.unlocked.key,
            &format!("vouch for the list without \"{name}\""),
            touches,
        )?;
        let mut change = Change::begin(
            self.vault,
            format!("remove {name}"),
            Some(&before),
            &version,
            Some(secret),
            None,
        )?;
        let profiles = prepare_all(&mut change, &mut self.unlocked, touches)?;
        let trusted = commit(self.ctx, self.vault, change, Some(&mut self.unlocked), touches)?;
        Ok(Outcome {
            trusted,
            dropped: vec![self.removed],
            profiles,
        })
    }
}
