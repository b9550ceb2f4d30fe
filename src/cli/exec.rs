use super::common;
use super::completion;
use super::export;
use crate::agent::client::{Alone, Call, Way, credentials};
use crate::agent::run::Wanted;
use crate::chain::mfa::{CodeSource, CodeWishes};
use crate::chain::{Chain, Policy, Request, Sessions};
use crate::context::Context;
use crate::context::settings::Lease;
use crate::credential::Credentials;
use crate::error::{Error, ErrorKind, Result, plain_io};
use crate::presence::Action;
use crate::process::{self, environment};
use crate::profile::value::Seconds;
use crate::profile::{Config, Origin, Overrides, ProfileName, Region, Sourced};
use crate::reading;
use crate::render::Format;
use crate::secret::SecretText;
use crate::vault::Vault;
use crate::vault::unlock::KeyChoice;
use clap::Args;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Run a command, or a subshell, with the credentials of a profile
///
/// The command gets AWS_ACCESS_KEY_ID and its companions, AWS_REGION, AWS_VAULT and AWS_CREDENTIAL_EXPIRATION in its
/// environment, and takes this program's place: same process, same signals, same exit code.
#[derive(Args)]
#[command(override_usage = "tapvault exec [OPTIONS] [PROFILE] [-- CMD...]")]
pub struct ExecArgs {
    /// The profile; AWS_PROFILE when it is left out
    #[arg(add = completion::profiles())]
    profile: Option<ProfileName>,
    #[command(flatten)]
    session: SessionArgs,
    /// Print the credentials as credential_process JSON instead (the same as export --format json)
    #[arg(short, long, conflicts_with = "command")]
    json: bool,
    /// The command and its arguments; a subshell when it is left out
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl ExecArgs {
    /// Takes what stood after `--`. Without a profile before it the command is still the command.
    pub fn with_rest(mut self, rest: &[OsString]) -> Self {
        if !self.command.is_empty() {
            // `exec prod kubectl exec pod -- sh`: the `--` is the command's own.
            self.command.push("--".into());
        }
        self.command.extend_from_slice(rest);
        self
    }

    /// What decides the session.
    pub fn session(&self) -> &SessionArgs {
        &self.session
    }

    #[cfg(test)]
    pub fn parts(self) -> (Option<String>, Vec<String>) {
        let words = self.command.iter().map(|word| word.to_string_lossy().into_owned());
        (self.profile.map(|profile| profile.to_string()), words.collect())
    }
}

/// What decides which session is made; the same for exec and export.
#[derive(Args)]
pub struct SessionArgs {
    /// How long the session lives: 90m, 8h, or seconds
    #[arg(short, long, value_name = "TIME")]
    duration: Option<Seconds>,
    /// Make no session of the user: hand out the access key itself, or assume roles with it
    #[arg(short, long)]
    no_session: bool,
    /// The MFA code, instead of being asked for it
    #[arg(short = 't', long = "mfa-code", alias = "mfa-token", value_name = "CODE")]
    mfa_code: Option<String>,
    /// Take the MFA code from there, and try nothing else
    #[arg(long, value_enum, value_name = "SOURCE", conflicts_with = "mfa_code")]
    mfa: Option<CodeSource>,
    /// The region, over the profile's
    #[arg(long)]
    region: Option<Region>,
    /// Fetch the session anew, even if one is sealed
    #[arg(long)]
    refresh: bool,
    /// Have the agent hand the session out again without a touch for so long: 15m, at most 12h; 0 for not at all
    #[arg(long, value_name = "TIME", conflicts_with = "no_agent")]
    lease: Option<Lease>,
    /// Do everything in this process, without the agent
    #[arg(long)]
    no_agent: bool,
    /// Narrow the role's session by the policy in this file
    #[arg(long, value_name = "FILE")]
    policy_file: Option<PathBuf>,
    /// Narrow the role's session by this managed policy; may be given several times
    #[arg(long, value_name = "ARN")]
    policy_arn: Vec<String>,
}

impl SessionArgs {
    /// `--policy-file`.
    pub fn policy_file(&self) -> Option<&Path> {
        self.policy_file.as_deref()
    }

    /// Whether sealed sessions are passed over.
    pub fn refreshes(&self) -> bool {
        self.refresh
    }

    /// Whether `-t` gives a code; good for one call.
    pub fn gives_code(&self) -> bool {
        self.mfa_code.is_some()
    }

    /// `--mfa`.
    pub fn code_source(&self) -> Option<CodeSource> {
        self.mfa
    }

    /// What of it decides the plan.
    pub fn request(&self) -> Result<Request> {
        Ok(Request {
            sessions: if self.no_session {
                Sessions::Skipped
            } else {
                Sessions::Made
            },
            overrides: Overrides {
                region: self.region.clone(),
                mfa_serial: None,
                duration: self.duration,
            },
            policy: policy(self.policy_file.as_deref(), &self.policy_arn)?,
        })
    }
}

/// Credentials and what goes with them.
pub struct Session {
    /// The profile.
    pub profile: ProfileName,
    /// The credentials.
    pub credentials: Credentials,
    /// The profile's region, if one is known.
    pub region: Option<String>,
    /// The profile's general endpoint, if the config names one.
    pub endpoint: Option<String>,
}

/// Who runs a plan that the agent does not, and how far this command has come in another process.
pub struct Course<'a> {
    /// Runs it.
    pub alone: Alone<'a>,
    /// The profile that was named or picked there; the agent was asked in vain, and everything that comes before it was said.
    pub handed_over: Option<ProfileName>,
}

pub fn run(args: ExecArgs, ctx: &Context, choice: KeyChoice, course: Course<'_>) -> Result<ExitCode> {
    if args.json {
        return export::print(Format::Json, (args.profile, args.session), ctx, choice, course)
            .map(|()| ExitCode::SUCCESS);
    }
    common::refuse_nesting(ctx)?;
    let command = if args.command.is_empty() {
        let shell = shell(ctx);
        if course.handed_over.is_none() {
            ctx.dialogue.note(&format!(
                "starting {} with the credentials; leave it with `exit`",
                shell.to_string_lossy()
            ));
        }
        vec![shell]
    } else {
        args.command
    };
    let found = match process::find(&command, &ctx.env) {
        Ok(found) => found,
        Err(failure) => {
            super::show(&failure.error);
            return Ok(ExitCode::from(failure.exit_code));
        }
    };
    let words = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let session = session(
        (args.profile, args.session),
        ctx,
        choice,
        (Action::Run(words), None),
        course,
    )?;
    let environment = environment::of_child(
        &ctx.env,
        session.profile.as_str(),
        &session.credentials,
        session.region.as_deref(),
        session.endpoint.as_deref(),
    );
    drop(session);
    let failure = found.become_child(environment);
    super::show(&failure.error);
    Ok(ExitCode::from(failure.exit_code))
}

/// `$SHELL`, else `/bin/sh`.
fn shell(ctx: &Context) -> OsString {
    ctx.env
        .os("SHELL")
        .map_or_else(|| OsString::from("/bin/sh"), OsString::from)
}

/// Plans, announces, opens and calls.
pub fn session(
    (named, args): (Option<ProfileName>, SessionArgs),
    ctx: &Context,
    choice: KeyChoice,
    (action, patience): (Action, Option<Duration>),
    course: Course<'_>,
) -> Result<Session> {
    let handed_over = course.handed_over.is_some();
    let way = match (handed_over, args.no_agent) {
        (true, _) => Way::Refused,
        (false, true) => Way::Alone,
        (false, false) => Way::Usual,
    };
    let call = Call::begin(ctx, way);
    let vault = Vault::at(&ctx.paths);
    let config: Config = common::config(ctx)?;
    let profile = match course.handed_over {
        Some(profile) => profile,
        None => common::profile(named, ctx, &config, &vault)?,
    };
    let chain = common::plan(&config, &vault, &profile, &args.request()?)?;
    if !handed_over {
        common::tell_notes(ctx, &chain);
        common::debug_plan(ctx, &chain);
        if let Some(entry) = chain.entry() {
            common::tell_interrupted(ctx, &vault, entry);
        }
    }
    let wanted = Wanted {
        key: choice,
        codes: CodeWishes {
            given: args.mfa_code.map(|code| SecretText::new(code.into())),
            source: args.mfa,
        },
        refresh: args.refresh,
        action,
        callers: None,
        lease: match args.lease {
            Some(lease) => lease.0.0,
            None => ctx.settings.lease_of(profile.as_str()),
        },
        patience,
    };
    let credentials = credentials(ctx, &vault, &chain, wanted, (call, course.alone))?;
    Ok(Session {
        credentials,
        region: chain
            .profile
            .region
            .as_ref()
            .map(|region| region.value.as_str().to_owned()),
        endpoint: endpoint_of_child(&chain).map(|url| url.value.clone()),
        profile,
    })
}

/// The endpoint that the command is told. What came from the environment it has already.
pub fn endpoint_of_child(chain: &Chain) -> Option<&Sourced<String>> {
    let general = chain.profile.endpoints.general.as_ref();
    general.filter(|url| !matches!(url.origin, Origin::Env(_)))
}

/// More than any session policy (2,048 characters, STS API reference), spaces and indentation included. In bytes.
const LONGEST_POLICY: u64 = 64 << 10;

fn policy(file: Option<&Path>, arns: &[String]) -> Result<Policy> {
    let document = file
        .map(|path| {
            let unusable = |how: String| Error::new(ErrorKind::Usage, format!("the policy {} {how}", path.display()));
            let bytes = reading::read(path, LONGEST_POLICY)
                .map_err(|err| unusable(format!("can't be read: {}", plain_io(&err))))?;
            if bytes.len() as u64 > LONGEST_POLICY {
                return Err(unusable(format!(
                    "is longer than {LONGEST_POLICY} bytes; AWS takes 2048 characters"
                )));
            }
            let text = String::from_utf8(bytes.to_vec()).map_err(|_| unusable("is no text".into()))?;
            match serde_json::from_str::<serde_json::Value>(&text) {
                Ok(_) => Ok(text),
                Err(err) => Err(Error::new(
                    ErrorKind::Usage,
                    format!("{} is no JSON: {err}", path.display()),
                )),
            }
        })
        .transpose()?;
    Ok(Policy {
        document,
        arns: arns.to_vec(),
    })
}
