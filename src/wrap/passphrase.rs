//! A passphrase key: an X25519 identity in a file of its own under age's scrypt (a scrypt stanza must stand alone in its file).

use super::{KeyName, SoftwareKey};
use crate::agefile::{self, AgeFile};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::process::{self, Inherit};
use crate::prompt::Helper;
use crate::secret::SecretText;
use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, scrypt};
use std::io::Read;
use std::time::Duration;
use zeroize::Zeroizing;

/// log2 of scrypt's N: 2^17, some 0.7 s and 128 MiB on a small machine of 2026. The library's own choice takes 6 s there.
const WORK_FACTOR: u8 = 17;

/// The highest work factor that is tried on opening: 2^20, 8 times as slow. A file that asks for more was not made here.
const MOST_WORK: u8 = 20;

/// The type of the stanza under a passphrase (age-encryption.org/v1, "scrypt").
const STANZA_TAG: &str = "scrypt";

/// The shortest passphrase that is taken for a new key. In characters.
const SHORTEST: usize = 8;

/// How long `passphrase_command` may take: it may ask somebody.
const COMMAND_PATIENCE: Duration = Duration::from_secs(60);

/// More than any age identity. In bytes.
const LONGEST: u64 = 4096;

/// Makes a new key and the file that holds it under a passphrase.
pub fn create(name: KeyName, ctx: &Context) -> Result<(SoftwareKey, Vec<u8>)> {
    let passphrase = new_passphrase(&name, ctx)?;
    let key = SoftwareKey::generate(name);
    let mut recipient = scrypt::Recipient::new(to_age(&passphrase));
    recipient.set_work_factor(WORK_FACTOR);
    let file = agefile::seal(key.secret_text().expose().as_bytes(), &[Box::new(recipient)])?;
    Ok((key, file))
}

/// Asks for the passphrase of the key `name` and opens its file, which is called `place` and holds `bytes`.
///
/// # Errors
/// [`ErrorKind::Pin`] when the passphrase is wrong or could not be had; [`ErrorKind::Damaged`] names `place`.
pub fn open(name: &KeyName, place: &str, bytes: &[u8], ctx: &Context) -> Result<SoftwareKey> {
    let damaged = |what: &str| {
        Error::new(
            ErrorKind::Damaged,
            format!("{place}, the file of passphrase key {name}, {what}"),
        )
        .hint("restore it from a backup, or open the entry with another key")
    };
    // Looked at before the person types: a damaged file needs no passphrase.
    let decryptor = Decryptor::new_buffered(bytes).map_err(|err| damaged(&format!("is damaged: {err}")))?;
    let is_under_a_passphrase = AgeFile::parse(place, bytes.to_vec())?
        .stanzas()
        .iter()
        .any(|stanza| stanza.tag == STANZA_TAG);
    if !is_under_a_passphrase {
        return Err(damaged("is not sealed with a passphrase"));
    }
    let passphrase = existing_passphrase(name, ctx)?;
    let mut identity = scrypt::Identity::new(to_age(&passphrase));
    identity.set_max_work_factor(MOST_WORK);
    let mut reader = decryptor
        .decrypt(std::iter::once(&identity as &dyn age::Identity))
        .map_err(|err| match err {
            DecryptError::ExcessiveWork { .. } => damaged("asks for more work than any that tapvault makes"),
            DecryptError::InvalidHeader | DecryptError::InvalidMac => damaged("is damaged"),
            // A changed file looks the same: scrypt can't tell.
            _ => Error::new(ErrorKind::Pin, format!("wrong passphrase for {name}")).hint(format!(
                "if it is the right one, {place} was changed: restore it from a backup"
            )),
        })?;
    let mut text = Zeroizing::new(String::with_capacity(256));
    reader
        .by_ref()
        .take(LONGEST)
        .read_to_string(&mut text)
        .map_err(|_| damaged("is damaged"))?;
    SoftwareKey::parse(name.clone(), &SecretText::new(text)).map_err(|_| damaged("holds no age identity"))
}

fn to_age(passphrase: &SecretText) -> SecretString {
    SecretString::from(passphrase.expose().to_owned())
}

fn new_passphrase(name: &KeyName, ctx: &Context) -> Result<SecretText> {
    let passphrase = match &ctx.settings.passphrase_command {
        Some(command) => from_command(command)?,
        None => {
            let first = ctx.dialogue.ask_secret(&format!("new passphrase for {name}"))?;
            if first.expose().chars().count() >= SHORTEST {
                let second = ctx.dialogue.ask_secret("the same once more")?;
                if first.expose() != second.expose() {
                    return Err(Error::new(
                        ErrorKind::Pin,
                        "the two passphrases differ; nothing was changed",
                    ));
                }
            }
            first
        }
    };
    if passphrase.expose().chars().count() < SHORTEST {
        return Err(Error::new(
            ErrorKind::Pin,
            format!("a passphrase needs at least {SHORTEST} characters"),
        )
        .hint(
            "several random words are easier to type than signs; whoever copies the vault can try passphrases for ever",
        ));
    }
    Ok(passphrase)
}

fn existing_passphrase(name: &KeyName, ctx: &Context) -> Result<SecretText> {
    match (&ctx.settings.passphrase_command, ctx.dialogue.elsewhere()) {
        (Some(_), Some(person)) => person.run(&Helper::Passphrase),
        (Some(command), None) => from_command(command),
        (None, _) => ctx.dialogue.ask_secret(&format!("passphrase of {name}")),
    }
}

/// The first line that the command prints. It is never an environment variable: those are inherited by every child and
/// shown to every program of the user.
///
/// # Errors
/// [`ErrorKind::Pin`] when it fails or prints nothing.
pub fn from_command(command: &str) -> Result<SecretText> {
    let output = process::capture(command, "passphrase_command", Inherit::NoSecrets, COMMAND_PATIENCE)
        .map_err(|error| Error::new(ErrorKind::Pin, error.message()).hint("it is set in config.toml"))?;
    let line = output.expose().lines().next().unwrap_or_default();
    Ok(SecretText::copy_of(line))
}
