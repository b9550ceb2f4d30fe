//! `tapvault` as it is typed: does what needs no more than the agent, and becomes the engine for everything else.
//!
//! Whatever this reaches, the linker puts into a program that may start a thousand times a day. It names nothing that opens what is
//! sealed, speaks to tokens or calls AWS; a test looks at what the program loads.

use super::exec::{Course, SessionArgs};
use super::{Global, Line, agent, completion, ended, exec, export, parse, refused, typed};
use crate::agent::run::Wanted;
use crate::chain::Chain;
use crate::context::Context;
use crate::error::Result;
use crate::process;
use crate::profile::{FileKind, files};
use crate::programs::{FRONT, become_engine};
use crate::vault::Vault;
use clap::{Parser, Subcommand};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

/// The first word to the engine when the agent was asked in vain; the profile follows, and then what was typed.
pub const ALONE: &str = "__alone";

/// The commands that need no more than the agent. A command line that is none of them is the engine's, which also says what is wrong
/// with it.
#[derive(Parser)]
#[command(name = FRONT, version, disable_help_subcommand = true)]
struct Front {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Asks,
}

#[derive(Subcommand)]
#[command(defer = true)]
enum Asks {
    Exec(exec::ExecArgs),
    Export(export::ExportArgs),
    Status(agent::StatusArgs),
    Lock(agent::LockArgs),
}

impl Line for Front {
    fn with_rest(self, rest: &[OsString]) -> Option<Self> {
        let Asks::Exec(args) = self.command else { return None };
        Some(Front {
            global: self.global,
            command: Asks::Exec(args.with_rest(rest)),
        })
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let words = typed();
    // A shell asks for candidates.
    if completion::is_asked_for() {
        return ended(Err(hand_over(&words, &[])));
    }
    match parse(&words) {
        Ok(front) => ended(run(front, &words)),
        Err(err) if err.kind() == clap::error::ErrorKind::DisplayVersion => refused(&err),
        Err(_) => ended(Err(hand_over(&words, &[]))),
    }
}

fn run(front: Front, words: &[OsString]) -> Result<ExitCode> {
    let choice = front.global.choice();
    let context = || {
        process::harden()?;
        Context::real(front.global.chatter())
    };
    let alone = |_: &Context, _: &Vault, chain: &Chain, _: Wanted| {
        let profile = chain.profile.name.to_string();
        Err(hand_over(words, &[ALONE.into(), profile.into()]))
    };
    let course = Course {
        alone: &alone,
        handed_over: None,
    };
    match front.command {
        Asks::Exec(args) => match context()? {
            ctx if comes_once(&ctx, args.session()) => Err(hand_over(words, &[])),
            ctx => exec::run(args, &ctx, choice, course),
        },
        Asks::Export(args) => match context()? {
            ctx if comes_once(&ctx, args.session()) => Err(hand_over(words, &[])),
            ctx => export::run(args, &ctx, choice, course).map(|()| ExitCode::SUCCESS),
        },
        Asks::Status(args) => agent::show_status(&args, &context()?).map(|()| ExitCode::SUCCESS),
        Asks::Lock(args) => agent::end(args, &context()?).map(|()| ExitCode::SUCCESS),
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn its_commands_are_those_of_the_whole_tree() {
        Front::command().debug_assert();
        let (mut own, mut whole) = (Front::command(), crate::cli::command());
        own.build();
        whole.build();
        for command in own.get_subcommands() {
            let same = whole
                .find_subcommand(command.get_name())
                .expect("a command of the engine's");
            let words = |command: &clap::Command| {
                let words = command.get_arguments().map(|argument| format!("{argument:?}"));
                words.collect::<Vec<_>>()
            };
            assert!(words(command) == words(same), "{}", command.get_name());
        }
    }

    #[test]
    fn other_lines_are_left_to_the_engine() {
        for line in [
            "",
            "list",
            "exec --help",
            "help exec",
            "exec --nonsense",
            "exec prod --help",
            "-h",
            "agent",
            "status extra",
        ] {
            let words: Vec<OsString> = format!("tapvault {line}").split_whitespace().map(Into::into).collect();
            assert!(parse::<Front>(&words).is_err(), "{line}");
        }
    }
}
