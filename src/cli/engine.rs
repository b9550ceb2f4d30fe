//! `tapvault-engine`: every command, with all that it needs. The front becomes it; typed by hand it does the same as the front.

use super::exec::Course;
use super::front::ALONE;
#[cfg(all(feature = "iam", feature = "piv"))]
use super::mfa;
#[cfg(feature = "iam")]
use super::rotate;
use super::{
    Cli, Command, add, agent, clear, code, completion, doctor, ended, exec, explain, export, import, key, list,
    parse_any, refused, remove, typed,
};
use crate::agent::run::alone;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::process;
use crate::profile::ProfileName;
#[cfg(all(feature = "notify", unix, not(target_os = "macos")))]
use crate::prompt::notice;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the program.
pub fn main() -> ExitCode {
    let mut words = typed();
    #[cfg(feature = "fido2")]
    if words.get(1).is_some_and(|word| word == crate::token::fido2::CHILD) {
        return speak_to_fido2_tokens();
    }
    #[cfg(all(feature = "notify", unix, not(target_os = "macos")))]
    if words.get(1).is_some_and(|word| word == notice::HELPER) {
        notice::serve(std::io::stdin().lock(), std::io::stdout());
        return ExitCode::SUCCESS;
    }
    completion::answer();
    let handed_over = match handed_over(&mut words) {
        Ok(profile) => profile,
        Err(error) => return ended(Err(error)),
    };
    match parse_any(&words) {
        Ok(cli) => ended(run(cli, handed_over)),
        Err(err) => refused(&err),
    }
}

/// Takes what the front put before the words that were typed: the profile for which it asked the agent in vain.
fn handed_over(words: &mut Vec<OsString>) -> Result<Option<ProfileName>> {
    if words.len() < 3 || words[1] != ALONE {
        return Ok(None);
    }
    let profile = words[2].to_string_lossy().parse();
    words.drain(1..3);
    profile
        .map(Some)
        .map_err(|err| Error::new(ErrorKind::Usage, format!("{ALONE}: {err}")))
}

/// This process is the child that `token::fido2` starts: it only answers on its pipes.
#[cfg(feature = "fido2")]
fn speak_to_fido2_tokens() -> ExitCode {
    let Ok(answers) = process::harden().and_then(|()| process::take_stdout()) else {
        return ExitCode::FAILURE;
    };
    crate::token::fido2::serve(std::io::stdin(), answers);
    ExitCode::SUCCESS
}

fn run(cli: Cli, handed_over: Option<ProfileName>) -> Result<ExitCode> {
    process::harden()?;
    let chatter = cli.global.chatter();
    // The doctor says what is wrong with the settings, and looks at everything else all the same.
    let ctx = if let Command::Doctor(_) = cli.command {
        Context::forgiving(chatter)?
    } else {
        Context::real(chatter)?
    };
    let choice = cli.global.choice();
    let course = Course {
        alone: &alone,
        handed_over,
    };
    match cli.command {
        Command::Add(args) => add::run(args, &ctx, &choice),
        Command::Import(args) => import::run(args, &ctx, &choice),
        Command::List(args) => list::run(&args, &ctx, &choice),
        Command::Remove(args) => remove::run(&args, &ctx, &choice),
        #[cfg(feature = "iam")]
        Command::Rotate(args) => return rotate::run(&args, &ctx, &choice),
        Command::Agent(args) => agent::run(&args, &ctx),
        Command::Lock(args) => agent::end(args, &ctx),
        Command::Status(args) => agent::show_status(&args, &ctx),
        Command::Clear(args) => clear::run(&args, &ctx),
        Command::Code(args) => code::run(&args, &ctx),
        Command::Exec(args) => return exec::run(args, &ctx, choice, course),
        Command::Completion(args) => completion::run(&args),
        Command::Doctor(args) => return doctor::run(&args, &ctx),
        Command::Explain(args) => explain::run(args, &ctx, &choice),
        Command::Export(args) => export::run(args, &ctx, choice, course),
        Command::Key(args) => key::run(args, &ctx, &choice),
        #[cfg(all(feature = "iam", feature = "piv"))]
        Command::Mfa(args) => mfa::run(args, &ctx, &choice),
    }
    .map(|()| ExitCode::SUCCESS)
}
