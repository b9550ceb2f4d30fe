use super::common;
use super::completion;
use super::exec::{Course, SessionArgs, session};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Action;
use crate::profile::ProfileName;
use crate::render::{Format, render};
use crate::vault::unlock::KeyChoice;
use clap::Args;
use std::io::Write;
use std::time::Duration;

/// For how long a caller of credential_process is kept waiting; most show nothing of what they wait for.
const PATIENCE: Duration = Duration::from_secs(45);

/// Print the credentials of a profile
///
/// In ~/.aws/config, `credential_process = tapvault export --format=json PROFILE` makes every AWS client ask this program;
/// standard output then carries JSON and nothing else.
#[derive(Args)]
pub struct ExportArgs {
    /// The profile; AWS_PROFILE when it is left out
    #[arg(add = completion::profiles())]
    profile: Option<ProfileName>,
    /// The form
    #[arg(short, long, value_enum, default_value = "env")]
    format: Format,
    #[command(flatten)]
    session: SessionArgs,
}

impl ExportArgs {
    /// What decides the session.
    pub fn session(&self) -> &SessionArgs {
        &self.session
    }
}

pub fn run(args: ExportArgs, ctx: &Context, choice: KeyChoice, course: Course<'_>) -> Result<()> {
    print(args.format, (args.profile, args.session), ctx, choice, course)
}

/// Prints the credentials in `format`.
pub fn print(
    format: Format,
    asked: (Option<ProfileName>, SessionArgs),
    ctx: &Context,
    choice: KeyChoice,
    course: Course<'_>,
) -> Result<()> {
    match format {
        // A shell would take them up beside those that it has. An AWS client that asks for JSON takes what it gets.
        Format::Env | Format::ExportEnv => common::refuse_nesting(ctx)?,
        Format::Json | Format::Ini => {}
    }
    let patience = match format {
        Format::Json => Some(PATIENCE),
        Format::Env | Format::ExportEnv | Format::Ini => None,
    };
    let session = session(asked, ctx, choice, (Action::Export, patience), course)?;
    let text = render(
        format,
        session.profile.as_str(),
        &session.credentials,
        session.region.as_deref(),
    );
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|err| Error::new(ErrorKind::Other, format!("writing the credentials: {err}")))
}
