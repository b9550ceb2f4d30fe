//! aws-vault as a source: it is run, as a person would run it, and hands out what it holds.
//!
//! Measured with 7.2.0 (99designs) and 7.13 (the fork that goes on): `list --credentials` prints a name a line and needs no passphrase;
//! `export --no-session --format=json -- NAME` prints the contract of `credential_process`.

use super::harvest::{Asked, Because, Found, Harvest};
use crate::cli::common;
use crate::context::Context;
use crate::credential::{AccessKey, Credentials, printed};
use crate::error::{Error, ErrorKind, Result};
use crate::process::{self, Conversation, converse};
use crate::profile::ProfileName;
use crate::secret::SecretText;
use std::time::Duration;

const PROGRAM: &str = "aws-vault";

/// It may ask for a passphrase, and the person may have to look for it.
const PATIENCE: Duration = Duration::from_secs(300);

/// Whether it is on the PATH.
pub fn is_installed(ctx: &Context) -> bool {
    process::find(&[PROGRAM.into()], &ctx.env).is_ok()
}

/// Its access keys, or those of the profiles `only`.
///
/// # Errors
/// [`ErrorKind::Config`] when it is not installed or fails at all, [`ErrorKind::NoEntry`] when it has none for one of `only`.
pub fn harvest(ctx: &Context, only: &[ProfileName]) -> Result<Harvest> {
    if !is_installed(ctx) {
        return Err(Error::new(ErrorKind::Config, "aws-vault is not on the PATH")
            .hint("its keys can be read with it alone; install it, or run this where it is"));
    }
    // It refuses too, but only when it is asked for a key.
    common::refuse_nesting(ctx)?;
    let listed = run(&["list", "--credentials"])?;
    let names: Vec<&str> = listed.expose().lines().filter(|name| !name.trim().is_empty()).collect();
    if let Some(missing) = only.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(
            Error::new(ErrorKind::NoEntry, format!("aws-vault has no access key for {missing}"))
                .hint("`aws-vault list --credentials` shows what it has"),
        );
    }
    let mut harvest = Harvest::new(if only.is_empty() { Asked::ForAll } else { Asked::ByName });
    for name in names {
        if !only.is_empty() && !only.iter().any(|wanted| wanted.as_str() == name) {
            continue;
        }
        match taken(ctx, name) {
            Ok(found) => harvest.add(found),
            Err(because) => harvest.leave(name, because),
        }
    }
    Ok(harvest)
}

fn taken(ctx: &Context, name: &str) -> Result<Found, Because> {
    let profile = name
        .parse()
        .map_err(|err: crate::profile::NameError| Because::Damaged(err.to_string()))?;
    let withheld = |error: Error| Because::Withheld(error.message().to_owned());
    let text = run(&["export", "--no-session", "--format=json", "--", name]).map_err(withheld)?;
    match printed::parse(text.expose(), PROGRAM, ctx.now()).map_err(withheld)? {
        Credentials::Temporary(_) => Err(Because::Temporary),
        Credentials::LongTerm(key) => match AccessKey::parse(&key.id, SecretText::copy_of(key.secret.expose())) {
            Ok(key) => Ok(Found {
                profile,
                key,
                place: PROGRAM.to_owned(),
            }),
            Err(error) => Err(Because::Damaged(error.message().to_owned())),
        },
    }
}

fn run(arguments: &[&str]) -> Result<SecretText> {
    converse(&Conversation {
        program: PROGRAM,
        arguments,
        // These would make a role's session of the key, or ask for a code.
        without: &[
            "AWS_PROFILE",
            "AWS_MFA_SERIAL",
            "AWS_ROLE_ARN",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
        ],
        // So would a role in the config. Where its keys lie aws-vault knows from its own variables alone.
        with: &[("AWS_CONFIG_FILE", "/dev/null")],
        patience: PATIENCE,
    })
}
