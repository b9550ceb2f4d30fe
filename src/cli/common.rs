//! What several commands do alike: the AWS config, the profile that was meant, and the words about presence.

use super::key::first_key;
use crate::aws::Endpoint;
use crate::chain::{Chain, ChainError, Request as ChainRequest, default_session_name};
#[cfg(feature = "iam")]
use crate::chain::{Own, Sessions};
use crate::context::settings::Days;
use crate::context::{Context, Env};
use crate::error::{Error, ErrorKind, Result};
use crate::profile::{
    Config, ConfigError, ConfigText, EnvView, FileKind, Origin, Partition, Profile, ProfileName, Sourced, files, words,
};
#[cfg(feature = "iam")]
use crate::rotation;
use crate::vault::Vault;
use crate::vault::keyring::{KeyList, Keyring};
use jiff::Timestamp;

impl EnvView for Env {
    fn get(&self, name: &str) -> Option<&str> {
        self.text(name)
    }
}

/// Reads the AWS config and credentials files; missing ones are empty.
pub fn config(ctx: &Context) -> Result<Config> {
    let (_, config) = aws_file(ctx, FileKind::Config)?;
    let (_, credentials) = aws_file(ctx, FileKind::Credentials)?;
    Ok(Config::new(config, credentials, &ctx.env))
}

/// Reads one of the two files; a missing one is empty.
pub fn aws_file(ctx: &Context, kind: FileKind) -> Result<(files::Location, ConfigText)> {
    let location = files::locate(kind, &ctx.env, files::Platform::here()).map_err(from_file)?;
    let text = files::read(&location).map_err(from_file)?;
    ctx.debug(|| format!("{}: {} bytes", location.shown, text.as_bytes().len()));
    Ok((location, text))
}

/// The enrolled keys, read anew.
///
/// # Errors
/// When there are none.
pub fn keyring(vault: &Vault) -> Result<Keyring> {
    vault.read()?.0.keyring.ok_or_else(|| crate::enrollment::no_keys(vault))
}

/// Looks for everything that could keep an access key from being sealed, and offers a first key to a vault without one.
pub fn ready_to_seal(ctx: &Context, vault: &Vault) -> Result<()> {
    if vault.read()?.0.keyring.is_none() {
        first_key(ctx, vault)?;
    }
    tell_presence(ctx, keyring(vault)?.unverified());
    vault.folder().must_be_writable()
}

/// A failure of one of the two files as this program says it.
pub fn from_file(err: files::FileError) -> Error {
    err.into()
}

/// A failure of the config as this program says it.
pub fn from_config(err: ConfigError) -> Error {
    let hints = err.hints();
    hinted(Error::new(ErrorKind::Config, err.to_string()), hints)
}

/// A failure of a plan as this program says it.
pub fn from_chain(err: ChainError) -> Error {
    let kind = match err {
        ChainError::NoCredential { .. } | ChainError::CallsItself { .. } => ErrorKind::NoEntry,
        ChainError::OutOfRange { ref asked, .. } if matches!(asked.origin, Origin::Flag(_)) => ErrorKind::Usage,
        _ => ErrorKind::Config,
    };
    let hints = err.hints();
    hinted(Error::new(kind, err.to_string()), hints)
}

fn hinted(error: Error, hints: Vec<String>) -> Error {
    hints.into_iter().fold(error, Error::hint)
}

/// The profile that was named, else the one of AWS_PROFILE, else the one that a person picks.
///
/// # Errors
/// [`ErrorKind::Usage`] when none is named and there is nobody to ask.
pub fn profile(named: Option<ProfileName>, ctx: &Context, config: &Config, vault: &Vault) -> Result<ProfileName> {
    if let Some(profile) = named {
        return Ok(profile);
    }
    if let Some(profile) = config.named_by_environment() {
        return profile
            .parse()
            .map_err(|err| Error::new(ErrorKind::Usage, format!("AWS_PROFILE: {err}")));
    }
    let mut names: Vec<String> = config.names().map(str::to_owned).collect();
    names.extend(vault.list()?.into_iter().map(|listed| listed.profile));
    names.sort();
    names.dedup();
    if !ctx.dialogue.has_terminal() || names.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "no profile was named")
            .hint("name one, or set AWS_PROFILE; `tapvault list` shows them"));
    }
    for (number, name) in names.iter().enumerate() {
        ctx.dialogue.tell(&format!("{:3}  {name}", number + 1));
    }
    let answer = ctx.dialogue.ask("profile (name or number)")?;
    let chosen = match answer.parse::<usize>() {
        Ok(number) if (1..=names.len()).contains(&number) => &names[number - 1],
        _ => &answer,
    };
    chosen
        .parse()
        .map_err(|err| Error::new(ErrorKind::Usage, format!("{chosen:?} is no profile: {err}")))
}

/// The plan for a profile.
pub fn plan(config: &Config, vault: &Vault, profile: &ProfileName, request: &ChainRequest) -> Result<Chain> {
    if config.profile(profile.as_str()).is_none() && !vault.has_entry(profile) {
        let error = vault.no_entry(profile);
        let hints = config.no_such_profile(profile).hints();
        // Both may have found the same name.
        let new = |hint: &String| !error.hints().iter().any(|said| said.starts_with(hint.as_str()));
        let hints = hints.into_iter().filter(new).collect();
        return Err(hinted(error, hints));
    }
    Chain::plan(config, profile, request, &|name| vault.has_entry(name)).map_err(from_chain)
}

/// The entry that a profile begins with, through any number of `source_profile`.
///
/// # Errors
/// [`ErrorKind::Usage`] when it begins outside the vault.
#[cfg(feature = "iam")]
pub fn base(config: &Config, vault: &Vault, asked: &ProfileName) -> Result<ProfileName> {
    // An entry is one, whatever else its profile says.
    if vault.has_entry(asked) {
        return Ok(asked.clone());
    }
    let chain = plan(config, vault, asked, &ChainRequest::default())?;
    chain.entry().cloned().ok_or_else(|| {
        Error::new(
            ErrorKind::Usage,
            format!(
                "{asked} begins outside the vault ({}), so there is no access key of it",
                chain.base.fact().value
            ),
        )
        .hint(format!(
            "`tapvault explain {}` shows where it begins",
            asked.in_command()
        ))
    })
}

/// How the user of an entry, which a profile led to, is spoken for.
///
/// # Errors
/// [`ErrorKind::NoEntry`] when there is no such entry, and when a profile can't be used.
#[cfg(feature = "iam")]
pub fn own(
    config: &Config,
    vault: &Vault,
    (asked, entry): (&ProfileName, &ProfileName),
    sessions: Sessions,
) -> Result<Own> {
    vault.entry_file(entry)?;
    let sidecar = vault.sidecar(entry)?;
    let partition = sidecar
        .as_ref()
        .and_then(|sidecar| Partition::of_arn(sidecar.arn.as_deref()?));
    Own::plan(config, asked, entry, partition, sessions).map_err(from_chain)
}

/// Says what was passed over on the way to a user.
#[cfg(feature = "iam")]
pub fn tell_own_notes(ctx: &Context, own: &Own) {
    for note in &own.notes {
        ctx.dialogue.tell(&format!("note: {}: {}", note.what, note.why));
    }
}

/// Says what the plan capped or passed over.
pub fn tell_notes(ctx: &Context, chain: &Chain) {
    for note in &chain.notes {
        ctx.dialogue.tell(&format!("note: {}: {}", note.what, note.why));
    }
}

/// Says with `--debug` which calls are planned, and where each of their values was said; the values themselves are `explain`'s.
pub fn debug_plan(ctx: &Context, chain: &Chain) {
    let base = chain.base.fact();
    ctx.debug(|| format!("{} begins with {} ({})", chain.profile.name, base.name, base.origin));
    for (number, step) in chain.steps.iter().enumerate() {
        ctx.debug(|| {
            let facts = step.facts(&default_session_name(&ctx.env));
            let facts: Vec<String> = facts
                .iter()
                .map(|fact| format!("{} ({})", fact.name, fact.origin))
                .collect();
            format!(
                "step {}: {} for {}: {}",
                number + 1,
                step.call(),
                step.profile(),
                facts.join(", ")
            )
        });
    }
}

/// Where calls of STS for `profile` go when no chain says otherwise.
pub fn endpoint(profile: &Profile) -> Endpoint {
    let is_set = |switch: &Option<Sourced<bool>>| switch.as_ref().is_some_and(|switch| switch.value);
    Endpoint {
        region: profile
            .region
            .as_ref()
            .map_or_else(|| Partition::Aws.home(), |region| region.value.clone())
            .as_str()
            .to_owned(),
        url: profile.endpoints.sts.as_ref().map(|url| url.value.clone()),
        fips: is_set(&profile.endpoints.fips),
        dual_stack: is_set(&profile.endpoints.dualstack),
        ca_bundle: profile.endpoints.ca_bundle.as_ref().map(|bundle| bundle.value.clone()),
    }
}

/// Says that no touch stands before the entries, if that is so.
pub fn tell_presence(ctx: &Context, list: &KeyList) {
    for note in list.presence_notes(ctx.settings.quiet_presence) {
        ctx.dialogue.note(&note);
    }
}

/// Complains until the vault has two ways in.
pub fn tell_ways_in(ctx: &Context, list: &KeyList) {
    if let [only] = &list.keys[..] {
        ctx.dialogue.note(&format!(
            "one way in so far ({}). Before you need it, add a second:",
            only.name
        ));
        ctx.dialogue.note("  tapvault key enroll recovery     a key on paper");
        if cfg!(feature = "piv") {
            ctx.dialogue
                .note("  tapvault key enroll piv          with another YubiKey plugged in");
        }
        if cfg!(feature = "fido2") {
            ctx.dialogue
                .note("  tapvault key enroll fido2        with another FIDO2 token plugged in");
        }
    }
}

/// Says that a rotation of the entry, or a change of its user's MFA devices, was left in the middle, if one was: on standard
/// error, whatever the command is for.
pub fn tell_interrupted(ctx: &Context, vault: &Vault, entry: &ProfileName) {
    for line in interrupted_rotation(vault, entry)
        .into_iter()
        .chain(interrupted_mfa(ctx, entry))
    {
        ctx.dialogue.note(&line);
    }
}

/// What should be done about an entry: a rotation or a change of MFA devices that stopped, an old access key that waits for its
/// deletion.
pub fn left_behind(ctx: &Context, vault: &Vault, entry: &str) -> Vec<String> {
    let Ok(entry) = entry.parse() else {
        return Vec::new();
    };
    let left = left_of_rotation(vault, &entry, ctx.now()).into_iter();
    left.chain(interrupted_mfa(ctx, &entry)).collect()
}

/// Whether [`left_behind`] has anything to say of any entry.
pub fn is_something_left(ctx: &Context, vault: &Vault) -> bool {
    #[cfg(feature = "iam")]
    let rotations = rotation::remind::is_needed(vault);
    #[cfg(not(feature = "iam"))]
    let rotations = false;
    #[cfg(all(feature = "iam", feature = "piv"))]
    let devices = crate::mfa::remind::is_needed(ctx);
    #[cfg(not(all(feature = "iam", feature = "piv")))]
    let devices = false;
    let _ = (ctx, vault);
    rotations || devices
}

#[cfg(feature = "iam")]
fn interrupted_rotation(vault: &Vault, entry: &ProfileName) -> Option<String> {
    rotation::remind::of_interrupted(vault, entry)
}

#[cfg(feature = "iam")]
fn left_of_rotation(vault: &Vault, entry: &ProfileName, now: Timestamp) -> Option<String> {
    rotation::remind::of_anything(vault, entry, now)
}

/// This build has no rotation to finish it with.
#[cfg(not(feature = "iam"))]
fn interrupted_rotation(_: &Vault, _: &ProfileName) -> Option<String> {
    None
}

/// This build has no rotation.
#[cfg(not(feature = "iam"))]
fn left_of_rotation(_: &Vault, _: &ProfileName, _: Timestamp) -> Option<String> {
    None
}

#[cfg(all(feature = "iam", feature = "piv"))]
fn interrupted_mfa(ctx: &Context, entry: &ProfileName) -> Option<String> {
    crate::mfa::remind::of_interrupted(ctx, entry)
}

/// This build enrolls no devices.
#[cfg(not(all(feature = "iam", feature = "piv")))]
fn interrupted_mfa(_: &Context, _: &ProfileName) -> Option<String> {
    None
}

/// How an access key is replaced, for hints.
pub fn way_to_a_new_key(entry: &str) -> String {
    let entry = words::in_command(entry);
    if cfg!(feature = "iam") {
        format!("tapvault rotate {entry}")
    } else {
        format!("make a new one in the IAM console, then: tapvault add --force {entry}")
    }
}

/// "the access key of prod is 95 days old ...", if it is older than `max_key_age` says.
pub fn too_old(ctx: &Context, entry: &str, added: Option<Timestamp>, limit: Option<Days>) -> Option<String> {
    let (added, limit, now) = (added?, limit?, ctx.now());
    limit.is_past(added, now).then(|| {
        let days = now.duration_since(added).as_hours() / 24;
        format!(
            "the access key of {entry} has been in the vault for {days} days, and {} are its limit",
            limit.0
        )
    })
}

/// Refuses to nest: a session inside a session is nearly always a mistake, and its prompt would lie.
pub fn refuse_nesting(ctx: &Context) -> Result<()> {
    match ctx.env.text("AWS_VAULT") {
        None => Ok(()),
        Some(profile) => Err(Error::new(
            ErrorKind::Usage,
            format!("this shell has credentials of {profile} already (AWS_VAULT is set)"),
        )
        .hint("leave it with `exit`, or go round it: env -u AWS_VAULT tapvault ...")),
    }
}
