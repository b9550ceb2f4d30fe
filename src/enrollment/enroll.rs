//! Bringing a key in: a key that is here vouches for the new one, and every entry gets its recipient.

use super::{NewKey, Outcome, Touchless, commit, next_list, prepare_all, refuse_headless};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::secret::VaultSecret;
use crate::vault::Vault;
use crate::vault::change::{Change, Method, interrupted};
use crate::vault::keyring::{KeyList, Version};
use crate::vault::name::hex;
use crate::vault::unlock::{KeyChoice, Unlocked, unlock};
use crate::wrap::{EnrolledKey, KeyName};

/// An enrolment about to happen: the vault is unlocked, the new key not yet made.
pub struct Enrollment<'a> {
    ctx: &'a Context,
    vault: &'a Vault,
    before: Option<Unlocked<'a>>,
    touchless: Touchless,
}

impl<'a> Enrollment<'a> {
    /// Looks for a key that is here, so that a new one is not made in vain. On a vault without keys none is needed.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when an earlier change was interrupted.
    pub fn begin(ctx: &'a Context, vault: &'a Vault, choice: &KeyChoice, touchless: Touchless) -> Result<Self> {
        let snapshot = vault.read()?.0;
        if let Some(interrupted) = interrupted(vault)? {
            return Err(interrupted.to_error());
        }
        // Before a key is made that could not be enrolled.
        vault.folder().must_be_writable()?;
        if snapshot.keyring.is_none() {
            refuse_headless(vault)?;
        }
        let before = match &snapshot.keyring {
            Some(keyring) => Some(unlock(ctx, vault, keyring, choice, None, "the key list")?),
            None => None,
        };
        Ok(Enrollment {
            ctx,
            vault,
            before,
            touchless,
        })
    }

    /// Refuses a touchless key beside a token before the person is asked for anything.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`].
    pub fn refuse_touchless(&self, what: &str) -> Result<()> {
        if self.touchless == Touchless::Refused && self.list().is_some_and(KeyList::has_token) {
            return Err(touchless_beside_token(what));
        }
        Ok(())
    }

    /// The list as it is now.
    pub fn list(&self) -> Option<&KeyList> {
        self.before.as_ref().map(|unlocked| unlocked.trusted.list())
    }

    /// `wanted`, or `base`, or `base` with a number that makes it new.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when `wanted` is taken.
    pub fn name(&self, wanted: Option<&KeyName>, base: &str) -> Result<KeyName> {
        let taken = |name: &KeyName| self.list().is_some_and(|list| list.key(name).is_some());
        if let Some(name) = wanted {
            if taken(name) {
                return Err(
                    Error::new(ErrorKind::Conflict, format!("a key is called {name} already"))
                        .hint("choose another --name"),
                );
            }
            return Ok(name.clone());
        }
        (1..1000)
            .map(|number| {
                if number == 1 {
                    base.to_owned()
                } else {
                    format!("{base}-{number}")
                }
            })
            .filter_map(|text| text.parse().ok())
            .find(|name| !taken(name))
            .ok_or_else(|| Error::new(ErrorKind::Usage, "no name is free; give one with --name"))
    }

    /// How many touches the keys that are here will be asked for, beside those of the new key.
    pub fn touches(&self) -> Result<usize> {
        let entries = self.vault.access_key_files()?.len();
        Ok(self
            .before
            .as_ref()
            .map_or(0, |unlocked| unlocked.key.touches_for(entries, 1)))
    }

    /// Puts `new` into the list and gives every entry its recipient.
    pub fn finish(mut self, mut new: NewKey<'a>, touches: &mut Touches<'_>) -> Result<Outcome> {
        let before = self.before.as_ref().map(|unlocked| unlocked.trusted.clone());
        let (kept, dropped) = self.keep(&new.record)?;
        let entries = self.vault.access_key_files()?.len();
        // Without entries nothing has to be opened if K is made anew; that saves a touch.
        let method = if entries == 0 || !dropped.is_empty() {
            Method::Reencrypt
        } else {
            Method::Rewrap
        };
        let secret = (method == Method::Reencrypt).then(VaultSecret::random);
        let mut keys = kept;
        keys.push(new.record.clone());
        // Tokens first: keys are tried in this order.
        keys.sort_by_key(|key| !key.needs_touch());
        let digest = match (&secret, &before) {
            (Some(secret), _) => hex(&secret.digest()),
            (None, Some(before)) => before.list().vault_secret_sha256.clone(),
            (None, None) => return Err(Error::new(ErrorKind::Other, "a vault without keys has no secret")),
        };
        let touchless_beside_token =
            keys.iter().any(EnrolledKey::needs_touch) && keys.iter().any(EnrolledKey::is_touchless);
        let mut version = Version::draft(next_list(before.as_ref(), keys, digest, touchless_beside_token))?;
        let name = new.record.name.clone();
        let purpose = format!("vouch for the new key \"{name}\"");
        if let Some(unlocked) = &mut self.before {
            version.vouch(&mut *unlocked.key, &purpose, touches)?;
        }
        // The new key vouches too: from then on it can tell this list from any that somebody makes up.
        version.vouch(&mut *new.key, &purpose, touches)?;
        let file = new.file.as_deref().map(|file| (name.as_str(), file));
        let mut change = Change::begin(
            self.vault,
            format!("enroll {name}"),
            before.as_ref(),
            &version,
            secret,
            file,
        )?;
        let profiles = match &mut self.before {
            Some(unlocked) => prepare_all(&mut change, unlocked, touches)?,
            None => Vec::new(),
        };
        let trusted = commit(self.ctx, self.vault, change, self.before.as_mut(), touches)?;
        Ok(Outcome {
            trusted,
            dropped,
            profiles,
        })
    }

    /// Which keys stay beside the new one: touchless keys and tokens don't mix, or no touch would ever be enforced.
    fn keep(&self, new: &EnrolledKey) -> Result<(Vec<EnrolledKey>, Vec<EnrolledKey>)> {
        let Some(list) = self.list() else {
            return Ok((Vec::new(), Vec::new()));
        };
        if list.keys.iter().any(|key| key.recipient == new.recipient) {
            return Err(Error::new(ErrorKind::Conflict, "that key is enrolled already")
                .hint("`tapvault key list` shows under which name"));
        }
        if self.touchless == Touchless::Allowed {
            return Ok((list.keys.clone(), Vec::new()));
        }
        if new.is_touchless() && list.has_token() {
            return Err(touchless_beside_token(new.name.as_str()));
        }
        if !new.needs_touch() || list.touchless_beside_token {
            return Ok((list.keys.clone(), Vec::new()));
        }
        Ok(list.keys.iter().cloned().partition(|key| !key.is_touchless()))
    }
}

fn touchless_beside_token(what: &str) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("{what} would open every entry without a touch, beside a token that asks for one"),
    )
    .hint("a recovery key on paper is the usual second way in: tapvault key enroll recovery")
    .hint("--allow-touchless enrolls it all the same; every command then says \"presence: none\"")
}
