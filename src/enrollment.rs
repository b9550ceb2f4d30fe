//! Bringing a key into the list of enrolled keys, or taking one out: in which order, for how many touches, and what it means
//! for the entries. How the files come to change at once is `vault::change`'s affair.

pub mod piv;

use crate::agefile::AgeFile;
use crate::context::{Context, host_name};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::secret::VaultSecret;
use crate::vault::Vault;
use crate::vault::change::{Change, Method, interrupted, prepared_stanzas};
use crate::vault::keyring::{KeyList, Keyring, TrustedList, Version, join_and};
use crate::vault::name::hex;
use crate::vault::payload::FORMAT;
use crate::vault::unlock::{KeyChoice, Unlocked, find, unlock};
use crate::wrap::{EnrolledKey, KeyKind, KeyName, PresentKey, SoftwareKey, passphrase, recovery};
use rand::RngCore;

/// Whether keys without presence may stand beside a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touchless {
    /// No: a touch could be gone round.
    Refused,
    /// `--allow-touchless`.
    Allowed,
}

/// A key that was just made or adopted and is not in the list yet.
pub struct NewKey<'a> {
    /// As the list will have it.
    pub record: EnrolledKey,
    /// The key itself, present.
    pub key: Box<dyn PresentKey + 'a>,
    /// The file that a passphrase key comes with.
    pub file: Option<Vec<u8>>,
}

/// What an enrolment or a removal came to.
pub struct Outcome {
    /// The list now.
    pub trusted: TrustedList,
    /// Keys that are no longer in it.
    pub dropped: Vec<EnrolledKey>,
    /// The profiles whose entries were sealed anew or got a recipient more.
    pub profiles: Vec<String>,
}

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
        let entries = self.vault.list()?.len();
        Ok(self
            .before
            .as_ref()
            .map_or(0, |unlocked| unlocked.key.touches_for(entries, 1)))
    }

    /// Puts `new` into the list and gives every entry its recipient.
    pub fn finish(mut self, mut new: NewKey<'a>, touches: &mut Touches<'_>) -> Result<Outcome> {
        let before = self.before.as_ref().map(|unlocked| unlocked.trusted.clone());
        let (kept, dropped) = self.keep(&new.record)?;
        let entries = self.vault.list()?.len();
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
    let key = crate::wrap::keychain::create(name, ctx)?;
    let kind = KeyKind::Keychain {
        verifier: key.software_verifier(),
    };
    Ok(software(ctx, key, kind, None))
}

/// Takes a keychain key that is not in the list (any more) out of the store; that it stays there would be no harm.
#[cfg(feature = "keychain")]
pub fn forget_keychain_key(ctx: &Context, record: &EnrolledKey) {
    if let KeyKind::Keychain { .. } = record.kind
        && let Err(error) = crate::wrap::keychain::forget(&record.recipient, ctx)
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
        Ok(self.unlocked.key.touches_for(self.vault.list()?.len(), 1))
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

/// Says how many touches a command will take, before the first.
pub fn tell_total(ctx: &Context, touches: &Touches<'_>) {
    if touches.total() > 1 {
        ctx.dialogue.tell(&format!("{} touches", touches.total()));
    }
}

/// Takes up an enrolment or a removal that was interrupted.
pub fn resume(ctx: &Context, vault: &Vault, choice: &KeyChoice) -> Result<Outcome> {
    let Some(keyring) = vault.read()?.0.keyring else {
        return Err(interrupted(vault)?.map_or_else(|| no_keys(vault), |interrupted| interrupted.to_error()));
    };
    // A key that the change takes out could not open what is prepared.
    let prepared = prepared_stanzas(vault)?;
    let stanzas = prepared.as_ref().map(AgeFile::stanzas);
    let mut unlocked = unlock(ctx, vault, &keyring, choice, stanzas, "the prepared vault secret")?;
    let mut touches = Touches::none(&ctx.dialogue);
    let mut change = Change::resume(vault, &mut unlocked, &mut touches)?;
    let pending = change.pending()?.len();
    touches.plan_more(unlocked.key.touches_for(pending, 0));
    tell_total(ctx, &touches);
    let profiles = prepare_all(&mut change, &mut unlocked, &mut touches)?;
    let before = unlocked.trusted.list().keys.clone();
    let trusted = commit(ctx, vault, change, Some(&mut unlocked), &mut touches)?;
    let dropped = before
        .into_iter()
        .filter(|key| trusted.list().key(&key.name).is_none())
        .collect();
    Ok(Outcome {
        trusted,
        dropped,
        profiles,
    })
}

/// Takes the vault as it is now: the list is verified with a key that is here, and what this machine remembered is forgotten.
pub fn trust(ctx: &Context, vault: &Vault, keyring: &Keyring, choice: &KeyChoice) -> Result<()> {
    let trusted = keyring.verify(&*find(ctx, vault, keyring.unverified(), choice, None, "the key list")?)?;
    vault.memory().start_anew(&trusted)
}

/// "no key is enrolled", or that its list has gone.
pub fn no_keys(vault: &Vault) -> Error {
    if let Err(error) = refuse_headless(vault) {
        return error;
    }
    Error::new(
        ErrorKind::NoKey,
        "no key is enrolled, so nothing can be sealed or opened",
    )
    .hint("with a YubiKey: tapvault key enroll piv")
    .hint("without a token: tapvault key enroll passphrase")
}

fn prepare_all(change: &mut Change<'_>, unlocked: &mut Unlocked<'_>, touches: &mut Touches<'_>) -> Result<Vec<String>> {
    let mut profiles = Vec::new();
    for file in change.pending()? {
        profiles.extend(change.prepare(&file, unlocked, touches).map_err(interrupted_here)?);
    }
    Ok(profiles)
}

/// What was prepared so far stays, so the same command would only say that a change was interrupted.
fn interrupted_here(error: Error) -> Error {
    error
        .hint("nothing has changed yet: tapvault key resume goes on from here")
        .hint("tapvault key resume --abandon throws the unfinished change away; the vault is as it was before it")
}

/// Commits; entries that were added meanwhile are prepared first.
fn commit(
    ctx: &Context,
    vault: &Vault,
    mut change: Change<'_>,
    mut unlocked: Option<&mut Unlocked<'_>>,
    touches: &mut Touches<'_>,
) -> Result<TrustedList> {
    let trusted = loop {
        match change.commit()? {
            Ok(trusted) => break trusted,
            Err((unfinished, pending)) => {
                change = unfinished;
                let Some(unlocked) = unlocked.as_deref_mut() else {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        "an entry was added while the first key was being enrolled",
                    )
                    .hint("run it again"));
                };
                touches.plan_more(unlocked.key.touches_for(pending.len(), 0));
                for file in pending {
                    change.prepare(&file, unlocked, touches).map_err(interrupted_here)?;
                }
            }
        }
    };
    if let Err(error) = vault.memory().remember_list(&trusted) {
        ctx.dialogue
            .tell(&format!("warning: the new key list could not be remembered: {error}"));
    }
    Ok(trusted)
}

fn next_list(
    before: Option<&TrustedList>,
    keys: Vec<EnrolledKey>,
    vault_secret_sha256: String,
    touchless_beside_token: bool,
) -> KeyList {
    KeyList {
        tapvault: FORMAT,
        vault: before.map_or_else(random_vault, |before| before.list().vault.clone()),
        generation: before.map_or(1, |before| before.list().generation + 1),
        previous: before.map(|before| hex(&before.digest())),
        vault_secret_sha256,
        touchless_beside_token,
        keys,
    }
}

fn random_vault() -> String {
    let mut bytes = [0; 16];
    rand::rngs::OsRng.fill_bytes(&mut bytes);
    hex(&bytes)
}

/// Entries without a key list: somebody lost `keys.json`. A new list would lock them out of their own entries.
///
/// # Errors
/// [`ErrorKind::Damaged`] when there are entries. Call it when there is no list.
pub fn refuse_headless(vault: &Vault) -> Result<()> {
    let entries = vault.list()?;
    if entries.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Damaged,
        format!(
            "keys.json is missing, but there are entries: {}",
            join_and(entries.iter().map(|entry| entry.profile.as_str()))
        ),
    )
    .hint("restore keys.json and keys.d from a backup")
    .hint("or open the entries with stock `age -d` and one of their keys, move the folder away, and add them again"))
}
