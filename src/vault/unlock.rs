//! Which enrolled key is here and may be used, and whether the key list that it is in can be believed.

use super::Vault;
use super::entry::or_changed_list;
use super::keyring::{KeyList, Keyring, TrustedList, join_and};
use super::memory::Familiarity;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::wrap::{EnrolledKey, KeyKind, KeyName, PresentKey, passphrase, recovery};
use age_core::format::Stanza;

/// The type of the stanza for FIDO2, keychain, passphrase and recovery keys (age-encryption.org/v1).
const X25519: &str = "X25519";

/// Which key the person wants to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyChoice {
    /// The first that is here, in the order: tokens, then passphrase keys. Never a recovery key unasked.
    #[default]
    Any,
    /// `--recovery`: the key on paper, typed in.
    Recovery,
    /// `--key NAME`.
    Named(KeyName),
}

/// A key that is here.
pub type KeyHere<'a> = Box<dyn PresentKey + 'a>;

/// A key that is here, and the list that it has verified.
pub struct Unlocked<'a> {
    /// The key.
    pub key: KeyHere<'a>,
    /// The list.
    pub trusted: TrustedList,
}

/// Finds a key that is here and for which `stanzas` has a stanza (all keys when `None`), and verifies the key list with it.
///
/// `what` names the thing to be opened, for the messages. No touch is asked for yet.
///
/// # Errors
/// [`ErrorKind::NoKey`] when no enrolled key is here; [`ErrorKind::Forged`], [`ErrorKind::Rollback`] or [`ErrorKind::Conflict`]
/// when the list can't be believed.
pub fn unlock<'a>(
    ctx: &'a Context,
    vault: &Vault,
    keyring: &Keyring,
    choice: &KeyChoice,
    stanzas: Option<&[Stanza]>,
    what: &str,
) -> Result<Unlocked<'a>> {
    let key = find(ctx, vault, keyring.unverified(), choice, stanzas, what)?;
    let trusted = keyring.verify(&*key)?;
    let familiarity = vault
        .memory()
        .compare_list(keyring, &trusted)
        .map_err(|error| or_changed_list(error, vault.folder(), &trusted))?;
    match familiarity {
        // Remembered at every use: a machine that only ever reads has to notice a rollback too.
        Familiarity::Known => {
            if let Err(error) = vault.memory().remember_list(&trusted) {
                ctx.dialogue
                    .tell(&format!("warning: the key list could not be remembered: {error}"));
            }
        }
        Familiarity::Stranger => greet(ctx, vault, &trusted)?,
    }
    ctx.debug(|| format!("{what} is opened with {}", key.name()));
    Ok(Unlocked { key, trusted })
}

/// Asks whether the vault is the one that the person expects: this machine can't know whether it is an old copy.
fn greet(ctx: &Context, vault: &Vault, trusted: &TrustedList) -> Result<()> {
    let list = trusted.list();
    let sight = format!(
        "this machine has not seen this vault before; its key list is generation {}, with {}",
        list.generation,
        list.names()
    );
    if !ctx.dialogue.has_terminal() {
        return Err(Error::new(
            ErrorKind::Rollback,
            format!("{sight}, and there is no terminal to ask whether that is right"),
        )
        .hint("run `tapvault key trust` once at a terminal; whether a vault is an old copy only you can know here"));
    }
    ctx.dialogue.tell(&sight);
    if !ctx.dialogue.confirm("is that what you expect?")? {
        return Err(Error::new(
            ErrorKind::Cancelled,
            "the vault was not trusted, and nothing was opened",
        ));
    }
    vault.memory().remember_list(trusted)
}

/// The keys that `choice` leaves to be tried, in their order; which of them is here is not asked.
///
/// # Errors
/// [`ErrorKind::NoKey`] when no key of that name or kind is enrolled.
pub fn candidates<'l>(list: &'l KeyList, choice: &KeyChoice) -> Result<Vec<&'l EnrolledKey>> {
    let is_recovery = |key: &&EnrolledKey| matches!(key.kind, KeyKind::Recovery { .. });
    match choice {
        KeyChoice::Any => Ok(list.keys.iter().filter(|key| !is_recovery(key)).collect()),
        KeyChoice::Recovery => {
            let papers: Vec<&EnrolledKey> = list.keys.iter().filter(is_recovery).collect();
            if papers.is_empty() {
                return Err(Error::new(ErrorKind::NoKey, "no recovery key is enrolled")
                    .hint(format!("enrolled are {}", list.names())));
            }
            Ok(papers)
        }
        KeyChoice::Named(name) => match list.key(name) {
            Some(key) => Ok(vec![key]),
            None => Err(Error::new(ErrorKind::NoKey, format!("no key is called {name}"))
                .hint(format!("enrolled are {}", list.names()))),
        },
    }
}

/// Finds a key that is here; see [`unlock`]. The list is not verified.
pub fn find<'a>(
    ctx: &'a Context,
    vault: &Vault,
    list: &KeyList,
    choice: &KeyChoice,
    stanzas: Option<&[Stanza]>,
    what: &str,
) -> Result<Box<dyn PresentKey + 'a>> {
    let candidates = candidates(list, choice)?;
    if *choice == KeyChoice::Recovery {
        return recovery_key(ctx, list);
    }
    let mut malformed = None;
    let piv: Vec<&EnrolledKey> = candidates
        .iter()
        .copied()
        .filter(|key| matches!(key.kind, KeyKind::Piv(_)))
        .filter(|key| match (stanzas, key.piv_recipient()) {
            (None, _) => true,
            (Some(stanzas), Ok(recipient)) => match recipient.find(stanzas) {
                Some(Ok(_)) => true,
                Some(Err(what)) => {
                    malformed = Some(what);
                    false
                }
                None => false,
            },
            (Some(_), Err(_)) => false,
        })
        .collect();
    // Their stanzas name nobody.
    let may_be_sealed = |stanzas: &[Stanza]| stanzas.iter().any(|stanza| stanza.tag == X25519);
    let fido2: Vec<&EnrolledKey> = candidates
        .iter()
        .copied()
        .filter(|key| matches!(key.kind, KeyKind::Fido2(_)) && stanzas.is_none_or(may_be_sealed))
        .collect();
    let fido2_first = matches!(candidates.first().map(|key| &key.kind), Some(KeyKind::Fido2(_)));
    let mut in_the_way = None;
    for is_fido2 in [fido2_first, !fido2_first] {
        let present = match is_fido2 {
            true => present_fido2(ctx, &fido2)?,
            false => (present_token(ctx, &piv)?, None),
        };
        if let (Some(key), _) = present {
            return Ok(key);
        }
        in_the_way = in_the_way.or(present.1);
    }
    let is_in_the_way = in_the_way.is_some();
    // A keychain asks nobody, a passphrase somebody: in this order, and the first failure is kept for the case that all fail.
    let in_keychain: Vec<&EnrolledKey> = candidates
        .iter()
        .copied()
        .filter(|key| matches!(key.kind, KeyKind::Keychain { .. }))
        .collect();
    let failed = match from_keychain(&in_keychain) {
        Ok(Some(present)) => return Ok(present),
        Ok(None) => in_the_way,
        Err(error) if error.kind() == ErrorKind::NoKey => in_the_way.or(Some(error)),
        Err(error) => return Err(error),
    };
    for key in candidates {
        match &key.kind {
            KeyKind::Passphrase { .. } => {
                if let Some(error) = &failed {
                    ctx.dialogue.tell(error.message());
                }
                let place = Vault::passphrase_place(&key.name);
                let file = vault.passphrase_file(&key.name)?;
                let opened = passphrase::open(&key.name, &place, &file, ctx)?;
                if opened.recipient() != key.recipient {
                    return Err(Error::new(
                        ErrorKind::Forged,
                        format!(
                            "{place} holds another key than the one that the key list has for {}",
                            key.name
                        ),
                    )
                    .hint("restore it from a backup"));
                }
                return Ok(Box::new(opened));
            }
            KeyKind::Recovery { .. } => return recovery_key(ctx, list),
            KeyKind::Piv(_) | KeyKind::Fido2(_) | KeyKind::Keychain { .. } => {}
        }
    }
    if let Some(error) = failed {
        return Err(match is_in_the_way {
            // The token is plugged in, so that is no advice.
            true => with_paper(error, list),
            false => with_other_ways(error, list),
        });
    }
    match malformed {
        Some(how) => Err(Error::new(ErrorKind::Damaged, format!("{what} {how}"))
            .hint("restore it from a backup, or use another key: --recovery")),
        None => Err(nobody_here(list, choice, what)),
    }
}

#[cfg(feature = "piv")]
fn present_token<'a>(ctx: &'a Context, keys: &[&EnrolledKey]) -> Result<Option<Box<dyn PresentKey + 'a>>> {
    if keys.is_empty() {
        return Ok(None);
    }
    Ok(crate::wrap::piv::present::find(ctx, keys)?.map(|key| Box::new(key) as Box<dyn PresentKey + 'a>))
}

#[cfg(not(feature = "piv"))]
fn present_token<'a>(ctx: &'a Context, keys: &[&EnrolledKey]) -> Result<Option<Box<dyn PresentKey + 'a>>> {
    if !keys.is_empty() {
        ctx.dialogue
            .tell("this tapvault was built without PIV, so PIV keys are not looked for");
    }
    Ok(None)
}

/// The first of these keys whose token is here; else what stands in the way, if a token is plugged in.
type OnFido2<'a> = (Option<Box<dyn PresentKey + 'a>>, Option<Error>);

#[cfg(feature = "fido2")]
fn present_fido2<'a>(ctx: &'a Context, keys: &[&EnrolledKey]) -> Result<OnFido2<'a>> {
    use crate::wrap::fido2::present::{Found, find};
    if keys.is_empty() {
        return Ok((None, None));
    }
    Ok(match find(ctx, keys)? {
        Found::Key(key) => (Some(key as Box<dyn PresentKey + 'a>), None),
        Found::None(error) => (None, error),
    })
}

#[cfg(not(feature = "fido2"))]
fn present_fido2<'a>(ctx: &'a Context, keys: &[&EnrolledKey]) -> Result<OnFido2<'a>> {
    if !keys.is_empty() {
        ctx.dialogue
            .tell("this tapvault was built without FIDO2, so FIDO2 keys are not looked for");
    }
    Ok((None, None))
}

/// The first of these keys that the store has; all of them together may take no longer than one. The error is the first
/// key's, for the case that no other key is here.
#[cfg(feature = "keychain")]
fn from_keychain<'a>(keys: &[&EnrolledKey]) -> Result<Option<Box<dyn PresentKey + 'a>>> {
    let store = crate::store::Store::of_session();
    let mut failed = None;
    for key in keys {
        match crate::wrap::keychain::open(&store, key) {
            Ok(present) => return Ok(Some(Box::new(present))),
            Err(error) if error.kind() == ErrorKind::NoKey => {
                failed.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    failed.map_or(Ok(None), Err)
}

#[cfg(not(feature = "keychain"))]
fn from_keychain<'a>(keys: &[&EnrolledKey]) -> Result<Option<Box<dyn PresentKey + 'a>>> {
    match keys {
        [] => Ok(None),
        [key, ..] => Err(Error::new(
            ErrorKind::NoKey,
            format!("{} lies in the keychain, and this tapvault was built without", key.name),
        )),
    }
}

/// The key on paper: typed once, recognised by its recipient.
fn recovery_key<'a>(ctx: &'a Context, list: &KeyList) -> Result<Box<dyn PresentKey + 'a>> {
    let keys = candidates(list, &KeyChoice::Recovery)?;
    let names = join_and(keys.iter().map(|key| key.name.as_str()));
    let typed = recovery::ask(&keys[0].name, ctx).map_err(|error| match error.kind() {
        ErrorKind::Pin => error.hint(format!("enrolled are {names}")),
        _ => error,
    })?;
    let Some(record) = keys.iter().find(|key| key.recipient == typed.recipient()) else {
        return Err(
            Error::new(ErrorKind::Pin, format!("that is an age identity, but not {names}"))
                .hint(format!("enrolled are {names}; each has a paper of its own")),
        );
    };
    Ok(Box::new(typed.renamed(record.name.clone())))
}

fn nobody_here(list: &KeyList, choice: &KeyChoice, what: &str) -> Error {
    if let KeyChoice::Named(name) = choice {
        return Error::new(
            ErrorKind::NoKey,
            format!("{name} is not here, or {what} is not sealed to it"),
        )
        .hint("leave out --key to use any key that is here");
    }
    let here = match list.keys.len() {
        1 => "it is not here",
        2 => "neither is here",
        _ => "none of them is here",
    };
    let error = Error::new(
        ErrorKind::NoKey,
        format!("{what} is sealed to {}; {here}", list.names()),
    );
    with_other_ways(error, list)
}

/// Names the keys that could be fetched: a token in a drawer, paper in a safe.
fn with_other_ways(mut error: Error, list: &KeyList) -> Error {
    let tokens: Vec<String> = list.keys.iter().filter_map(EnrolledKey::token).collect();
    if !tokens.is_empty() {
        error = error.hint(format!("plug in {}", tokens.join(" or ")));
    }
    with_paper(error, list)
}

fn with_paper(error: Error, list: &KeyList) -> Error {
    match list.keys.iter().any(|key| matches!(key.kind, KeyKind::Recovery { .. })) {
        true => error.hint("or type the key on paper: the same command with --recovery"),
        false => error,
    }
}
