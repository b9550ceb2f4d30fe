#[cfg(all(feature = "piv", feature = "keychain"))]
mod password;

use super::common;
use super::completion;
use super::list::print;
use crate::chain::Mfa;
use crate::chain::mfa::{Clues, CodeSource, CodeWishes, Codes, Origin};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::value::MfaSerial;
use crate::profile::{Asked, Origin as Said, Overrides, ProfileName, Sourced};
use crate::render;
use crate::vault::Vault;
use clap::Args;
use serde::Serialize;

/// Print an MFA code
///
/// It comes from the OATH applet of a token that is plugged in, else from the profile's mfa_process. AWS takes each code once,
/// so it counts as used from here on: the next command waits for the next one.
#[derive(Args)]
pub struct CodeArgs {
    /// The profile whose mfa_serial is meant, or the device's ARN itself
    #[arg(value_name = "PROFILE|SERIAL", add = completion::profiles())]
    #[cfg_attr(all(feature = "piv", feature = "keychain"), arg(required_unless_present_any = password::INSTEAD))]
    #[cfg_attr(not(all(feature = "piv", feature = "keychain")), arg(required = true))]
    subject: Option<String>,
    /// As JSON, with the time until which it counts
    #[arg(long)]
    json: bool,
    #[cfg(all(feature = "piv", feature = "keychain"))]
    #[command(flatten)]
    password: password::PasswordArgs,
}

/// The JSON answer; docs/cli.md describes it.
#[derive(Serialize)]
struct Answer<'a> {
    serial: &'a str,
    code: &'a str,
    source: &'static str,
    /// When its half minute ends.
    expires: String,
}

pub fn run(args: &CodeArgs, ctx: &Context) -> Result<()> {
    #[cfg(all(feature = "piv", feature = "keychain"))]
    if let Some(wish) = args.password.wish() {
        return password::run(wish, ctx);
    }
    let vault = Vault::at(&ctx.paths);
    let text = args.subject.as_deref().unwrap_or_default();
    let (mfa, clues) = subject(ctx, &vault, text)?;
    let mut codes = Codes::new(
        ctx,
        CodeWishes {
            given: None,
            // Whoever asks for a code does not want to be asked for it.
            source: mfa.process.is_none().then_some(CodeSource::Oath),
        },
    );
    let mut touches = Touches::planned(&ctx.dialogue, codes.look_ahead(&[(&mfa, clues)])?);
    let spent = codes.spend(&mfa, "`tapvault code`", &mut touches)?;
    let ends = spent.ends();
    if args.json {
        let answer = Answer {
            serial: mfa.serial.value.as_str(),
            code: spent.code.expose(),
            source: match spent.origin {
                Origin::Token => "oath",
                Origin::Program => "process",
                Origin::Person => "prompt",
            },
            expires: render::timestamp(ends),
        };
        let json = serde_json::to_string(&answer).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        return print(&format!("{json}\n"));
    }
    print(&format!("{}\n", spent.code.expose()))?;
    let left = ends.duration_since(ctx.now()).as_secs().max(0);
    ctx.dialogue.note(&format!(
        "code of {}, good for {left} s more; it counts as used",
        mfa.serial.value.device()
    ));
    Ok(())
}

/// The device that is meant, and what helps to find its account.
fn subject(ctx: &Context, vault: &Vault, text: &str) -> Result<(Mfa, Clues)> {
    let keyring = vault.read()?.0.keyring;
    let config = common::config(ctx)?;
    if config.profile(text).is_none() && text.starts_with("arn:") {
        let serial: MfaSerial = text
            .parse()
            .map_err(|err| Error::new(ErrorKind::Usage, format!("{text:?}: {err}")))?;
        let mfa = Mfa {
            serial: Sourced::new(serial, Said::Flag("SERIAL")),
            process: None,
        };
        return Ok((mfa, Clues::of_keys(keyring.as_ref())));
    }
    let profile: ProfileName = text
        .parse()
        .map_err(|err| Error::new(ErrorKind::Usage, format!("{text:?} is no profile: {err}")))?;
    if config.profile(text).is_none() {
        return Err(common::from_config(config.no_such_profile(&profile)));
    }
    let resolved = config
        .resolve(&profile, Asked::ByPerson, &Overrides::default())
        .map_err(common::from_config)?;
    let serial = resolved.mfa_serial.ok_or_else(|| {
        Error::new(ErrorKind::Config, format!("profile {profile} has no mfa_serial"))
            .hint("name the profile that has one, or the device's ARN")
    })?;
    let clues = Clues::gather(vault, keyring.as_ref(), &profile, vec![profile.to_string()])?;
    Ok((
        Mfa {
            serial,
            process: resolved.mfa_process,
        },
        clues,
    ))
}
