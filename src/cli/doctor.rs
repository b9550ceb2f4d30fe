use super::common;
use super::list::print;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::prompt::printable;
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

mod clock;
mod files;
#[cfg(feature = "keychain")]
mod keychain;
mod keys;
#[cfg(feature = "piv")]
mod tokens;

/// Look for what is wrong or missing, and say what mends it; changes and opens nothing
///
/// Exits with 0 when nothing failed; warnings do not count.
#[derive(Args)]
pub struct DoctorArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Do not ask AWS for the time
    #[arg(long)]
    offline: bool,
}

/// One thing that was looked at.
#[derive(Serialize)]
pub struct Finding {
    state: State,
    text: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remedies: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    /// All is well.
    fn ok(text: impl Into<String>) -> Self {
        Finding::new(State::Ok, text, Vec::new())
    }

    /// It works, but something should be done.
    fn warn(text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding::new(State::Warn, text, vec![remedy.into()])
    }

    /// Something does not work.
    fn fail(text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding::new(State::Fail, text, vec![remedy.into()])
    }

    /// Something does not work, in the words of the command that would fail.
    fn failed(error: &Error) -> Self {
        Finding::new(State::Fail, error.message(), error.hints().to_vec())
    }

    fn new(state: State, text: impl Into<String>, remedies: Vec<String>) -> Self {
        Finding {
            state,
            text: text.into(),
            remedies,
        }
    }
}

pub fn run(args: &DoctorArgs, ctx: &Context) -> Result<ExitCode> {
    let mut findings = vec![Finding::ok(format!(
        "tapvault {} on {} {}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    ))];
    findings.extend(files::aws_config(ctx));
    findings.extend(files::folders(ctx));
    findings.extend(keys::vault(ctx));
    #[cfg(feature = "piv")]
    findings.extend(tokens::look(ctx));
    #[cfg(feature = "keychain")]
    findings.extend(keychain::look(ctx));
    if !args.offline {
        findings.extend(clock::compare(ctx));
    }
    if args.json {
        let json =
            serde_json::to_string_pretty(&findings).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        print(&format!("{json}\n"))?;
    } else {
        print(&findings.iter().map(line).collect::<String>())?;
    }
    let failed = findings.iter().any(|finding| finding.state == State::Fail);
    Ok(ExitCode::from(if failed { ErrorKind::Other.exit_code() } else { 0 }))
}

fn line(finding: &Finding) -> String {
    let word = match finding.state {
        State::Ok => "ok  ",
        State::Warn => "warn",
        State::Fail => "fail",
    };
    let mut text = format!("{word}  {}\n", printable(&finding.text));
    for remedy in &finding.remedies {
        text.push_str(&format!("      {}\n", printable(remedy)));
    }
    text
}

/// "1 entry", "2 entries".
fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The vault's config as the commands read it, for the checks that need it.
fn config(ctx: &Context) -> Result<crate::profile::Config> {
    common::config(ctx)
}
