use super::common;
use super::list::print;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::prompt::printable;
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

mod clock;
#[cfg(feature = "fido2")]
mod fido2;
mod files;
#[cfg(feature = "keychain")]
mod keychain;
mod keys;
#[cfg(feature = "piv")]
mod oath;
#[cfg(feature = "piv")]
mod tokens;
mod versions;

/// Look for what is wrong or missing, and say what mends it; changes and opens nothing
///
/// Starts no service, unlocks no keychain, spends no PIN try and calls nobody. Exits with 0 when nothing failed; warnings do not
/// count.
#[derive(Args)]
pub struct DoctorArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Ask AWS for the time, too
    #[arg(long)]
    online: bool,
}

/// What is looked at, in this order. The names are for scripts, and stay.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Check {
    Versions,
    Settings,
    AwsConfig,
    Folders,
    Keys,
    Entries,
    #[cfg(feature = "piv")]
    SmartCards,
    #[cfg(feature = "piv")]
    Tokens,
    #[cfg(feature = "piv")]
    Oath,
    #[cfg(feature = "piv")]
    MfaDevices,
    #[cfg(feature = "fido2")]
    Fido2,
    #[cfg(feature = "keychain")]
    Keychain,
    Clock,
}

/// A finding, and where it belongs.
#[derive(Serialize)]
struct Line {
    check: Check,
    #[serde(flatten)]
    finding: Finding,
}

#[derive(Default)]
struct Lines(Vec<Line>);

impl Lines {
    fn add(&mut self, check: Check, findings: impl IntoIterator<Item = Finding>) {
        self.0
            .extend(findings.into_iter().map(|finding| Line { check, finding }));
    }
}

/// One thing that was looked at.
#[derive(Serialize)]
pub struct Finding {
    state: State,
    text: String,
    /// What mends it; empty when all is well.
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

    /// The same, of something that nothing enrolled needs.
    #[cfg(feature = "piv")]
    fn unneeded(error: &Error) -> Self {
        Finding::new(State::Warn, error.message(), error.hints().to_vec())
    }

    fn new(state: State, text: impl Into<String>, mut remedies: Vec<String>) -> Self {
        remedies.retain(|remedy| !remedy.is_empty());
        if state != State::Ok && remedies.is_empty() {
            remedies.push("tapvault doctor --debug says more".into());
        }
        Finding {
            state,
            text: text.into(),
            remedies,
        }
    }
}

pub fn run(args: &DoctorArgs, ctx: &Context) -> Result<ExitCode> {
    let mut lines = Lines::default();
    lines.add(Check::Versions, versions::look());
    lines.add(Check::Settings, [files::settings(ctx)]);
    lines.add(Check::AwsConfig, files::aws_config(ctx));
    lines.add(Check::Folders, files::folders(ctx));
    lines.add(Check::Keys, keys::enrolled(ctx));
    lines.add(Check::Entries, keys::entries(ctx));
    #[cfg(feature = "piv")]
    {
        let look = tokens::look(ctx);
        lines.add(Check::SmartCards, [look.service]);
        lines.add(Check::Tokens, look.tokens);
        if let Some((readers, sightings)) = look.plugged_in {
            let (applets, devices) = oath::look(ctx, &readers, &sightings);
            lines.add(Check::Oath, applets);
            lines.add(Check::MfaDevices, devices);
        }
    }
    #[cfg(feature = "fido2")]
    lines.add(Check::Fido2, fido2::look(ctx));
    #[cfg(feature = "keychain")]
    lines.add(Check::Keychain, keychain::look(ctx));
    lines.add(Check::Clock, [clock::of_this_machine(ctx)]);
    if args.online {
        lines.add(Check::Clock, [clock::compare(ctx)]);
    }
    let Lines(lines) = lines;
    if args.json {
        let json = serde_json::to_string_pretty(&lines).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        print(&format!("{json}\n"))?;
    } else {
        print(&lines.iter().map(|line| words(&line.finding)).collect::<String>())?;
    }
    let failed = lines.iter().any(|line| line.finding.state == State::Fail);
    Ok(ExitCode::from(if failed { ErrorKind::Other.exit_code() } else { 0 }))
}

fn words(finding: &Finding) -> String {
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
