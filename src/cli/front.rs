//! `tapvault` as it is typed: does what needs no more than the agent, and becomes the engine for everything else.
//!
//! Whatever this reaches, the linker puts into a program that may start a thousand times a day. It names nothing that opens what is
//! sealed, speaks to tokens or calls AWS; a test looks at what the program loads.

use super::exec::{Course, SessionArgs};
use super::{Cli, Command, agent, completion, ended, exec, export, parsed, typed};
use crate::agent::run::Wanted;
use crate::chain::Chain;
use crate::context::Context;
use crate::error::Result;
use crate::process;
use crate::profile::{FileKind, files};
use crate::programs::{FRONT, become_engine};
use crate::vault::Vault;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

/// The first word to the engine when the agent was asked in vain; the profile follows, and then what was typed.
pub const ALONE: &str = "__alone";

/// Runs the program.
pub fn main() -> ExitCode {
    let words = typed();
    // A shell asks for candidates.
    if completion::is_asked_for() {
        return ended(Err(hand_over(&words, &[])));
    }
    match parsed(words.clone()) {
        Ok(cli) => ended(run(cli, &words)),
        Err(code) => code,
    }
}

fn run(cli: Cli, words: &[OsString]) -> Result<ExitCode> {
    let choice = cli.global.choice();
    let context = || {
        process::harden()?;
        Context::real(cli.global.chatter())
    };
    let alone = |_: &Context, _: &Vault, chain: &Chain, _: Wanted| {
        let profile = chain.profile.name.to_string();
        Err(hand_over(words, &[ALONE.into(), profile.into()]))
    };
    let course = Course {
        alone: &alone,
        handed_over: None,
    };
    match cli.command {
        Command::Exec(args) => match context()? {
            ctx if comes_once(&ctx, args.session()) => Err(hand_over(words, &[])),
            ctx => exec::run(args, &ctx, choice, course),
        },
        Command::Export(args) => match context()? {
            ctx if comes_once(&ctx, args.session()) => Err(hand_over(words, &[])),
            ctx => export::run(args, &ctx, choice, course).map(|()| ExitCode::SUCCESS),
        },
        Command::Status(args) => agent::show_status(&args, &context()?).map(|()| ExitCode::SUCCESS),
        Command::Lock(args) => agent::end(args, &context()?).map(|()| ExitCode::SUCCESS),
        _ => Err(hand_over(words, &[])),
    }
}

/// Whether something that decides the plan is a pipe, as a shell's `<(command)`: what one program has read is lost for the other.
fn comes_once(ctx: &Context, args: &SessionArgs) -> bool {
    let located = [FileKind::Config, FileKind::Credentials]
        .map(|kind| files::locate(kind, &ctx.env, files::Platform::here()).map(|location| location.path));
    let mut paths = located.iter().flatten().map(PathBuf::as_path).chain(args.policy_file());
    paths.any(|path| path.metadata().is_ok_and(|metadata| !metadata.is_file()))
}

/// Becomes the engine, which is told `first` and then what was typed. Returns only when that fails.
fn hand_over(words: &[OsString], first: &[OsString]) -> crate::error::Error {
    let (name, typed) = words
        .split_first()
        .map_or((OsStr::new(FRONT), &[][..]), |(name, typed)| (name.as_os_str(), typed));
    become_engine(name, &[first, typed].concat())
}
