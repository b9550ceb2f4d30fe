//! The command line: its tree, and how a failure is shown. `front` and `engine` are the two programs that read it.

mod add;
mod agent;
mod clear;
mod code;
mod common;
mod completion;
mod doctor;
pub mod engine;
mod exec;
mod explain;
mod export;
pub mod front;
mod identify;
mod import;
mod key;
mod list;
#[cfg(all(feature = "iam", feature = "piv"))]
mod mfa;
mod remove;
#[cfg(feature = "iam")]
mod rotate;

use crate::context::Chatter;
use crate::error::{Error, Result};
use crate::prompt::complain;
use crate::vault::unlock::KeyChoice;
use crate::wrap::KeyName;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// A vault for AWS credentials that opens with the touch of a hardware token
#[derive(Parser)]
#[command(name = "tapvault", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Shown by --help; docs/cli.md has the same table, and a test compares it with the code.
const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 other, 2 usage, 3 config or profile, 4 no such entry, 5 no enrolled key present, 6 no touch,
7 PIN or passphrase, 8 AWS refused, 9 network, 10 damaged or forged, 11 token busy, 12 conflict or rollback,
126 and 127 from exec when the command can't be run or found, 130 cancelled. exec otherwise exits as its command does.";

#[derive(Args)]
struct Global {
    /// Open with this enrolled key and no other
    #[arg(long, global = true, help_heading = "Global options", value_name = "NAME", conflicts_with = "recovery", add = completion::keys())]
    key: Option<KeyName>,
    /// Open with the recovery key on paper, which is asked for
    #[arg(long, global = true, help_heading = "Global options")]
    recovery: bool,
    /// Say on stderr what is done: instructions, status words, files and calls, never data
    #[arg(long, global = true, help_heading = "Global options")]
    debug: bool,
}

impl Global {
    fn chatter(&self) -> Chatter {
        match self.debug {
            true => Chatter::Debug,
            false => Chatter::Normal,
        }
    }

    fn choice(&self) -> KeyChoice {
        match (&self.key, self.recovery) {
            (Some(name), _) => KeyChoice::Named(name.clone()),
            (None, true) => KeyChoice::Recovery,
            (None, false) => KeyChoice::Any,
        }
    }
}

/// The arguments of a command are made when it is the one that is run: making those of all takes longer than most commands.
#[derive(Subcommand)]
#[command(defer = true)]
enum Command {
    Add(add::AddArgs),
    Import(import::ImportArgs),
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    #[command(visible_alias = "rm")]
    Remove(remove::RemoveArgs),
    #[cfg(feature = "iam")]
    Rotate(rotate::RotateArgs),
    Clear(clear::ClearArgs),
    Exec(exec::ExecArgs),
    Export(export::ExportArgs),
    Explain(explain::ExplainArgs),
    Code(code::CodeArgs),
    #[cfg(all(feature = "iam", feature = "piv"))]
    Mfa(mfa::MfaArgs),
    Key(key::KeyArgs),
    Status(agent::StatusArgs),
    Lock(agent::LockArgs),
    Agent(agent::AgentArgs),
    Doctor(doctor::DoctorArgs),
    Completion(completion::CompletionArgs),
}

/// The command tree, for whoever describes it: docs/cli.md is made from it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// The words of the command line, the program's name first.
fn typed() -> Vec<OsString> {
    std::env::args_os().collect()
}

/// The exit code after help was printed or a mistake shown.
fn refused(err: &clap::Error) -> ExitCode {
    // --help and --version are no errors, and go to stdout; clap knows which is which.
    if !err.use_stderr() {
        return ended(list::written(err.print()).map(|()| ExitCode::SUCCESS));
    }
    let text = err.render().to_string();
    complain(&format!(
        "tapvault: usage: {}",
        text.strip_prefix("error: ").unwrap_or(&text)
    ));
    ExitCode::from(u8::try_from(err.exit_code()).unwrap_or(2))
}

/// The exit code of what was run; a failure is shown.
fn ended(outcome: Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        show(&error);
        ExitCode::from(error.kind().exit_code())
    })
}

/// A command line, with all commands or some.
trait Line: Parser {
    /// Takes what stood after `--`, if `exec` is the command.
    fn with_rest(self, rest: &[OsString]) -> Option<Self>;
}

impl Line for Cli {
    fn with_rest(self, rest: &[OsString]) -> Option<Self> {
        let Command::Exec(args) = self.command else { return None };
        Some(Cli {
            global: self.global,
            command: Command::Exec(args.with_rest(rest)),
        })
    }
}

/// Parses the command line. What follows `--` is for `exec` its command, whether or not a profile stands before it; clap would
/// take the first word of it for the profile.
fn parse<L: Line>(words: &[OsString]) -> Result<L, clap::Error> {
    if let Some(end) = words.iter().position(|word| word == "--")
        && let Ok(line) = L::try_parse_from(&words[..end])
        && let Some(line) = line.with_rest(&words[end + 1..])
    {
        return Ok(line);
    }
    L::try_parse_from(words)
}

/// Parses it with all commands.
fn parse_any(words: &[OsString]) -> Result<Cli, clap::Error> {
    parse(words).or_else(|_| {
        // Help, and what is said of a wrong word, need the arguments of all commands.
        let mut whole = Cli::command();
        whole.build();
        Cli::from_arg_matches(&whole.try_get_matches_from(words)?)
    })
}

/// One line that begins with the stable name, then the hints.
fn show(error: &Error) {
    let hints = error.hints().iter().map(|hint| format!("\n{hint}"));
    complain(&format!("tapvault: {error}{}", hints.collect::<String>()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    fn exec(line: &str) -> (Option<String>, Vec<String>) {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        match parse_any(&words).unwrap_or_else(|err| panic!("{line}: {err}")).command {
            Command::Exec(args) => args.parts(),
            _ => panic!("{line}: another command"),
        }
    }

    #[test]
    fn the_command_of_exec_is_found_with_and_without_dashes() {
        let command = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let prod = Some("prod".to_owned());
        assert_eq!(
            exec("tapvault exec prod -- aws s3 ls"),
            (prod.clone(), command(&["aws", "s3", "ls"]))
        );
        assert_eq!(
            exec("tapvault exec -n prod aws s3 ls -l"),
            (prod.clone(), command(&["aws", "s3", "ls", "-l"]))
        );
        assert_eq!(
            exec("tapvault exec -- aws s3 ls"),
            (None, command(&["aws", "s3", "ls"]))
        );
        assert_eq!(
            exec("tapvault exec prod k exec p -- sh"),
            (prod.clone(), command(&["k", "exec", "p", "--", "sh"]))
        );
        assert_eq!(
            exec("tapvault exec prod -d 1h -- a -- b"),
            (prod, command(&["a", "--", "b"]))
        );
    }

    #[test]
    fn help_names_every_exit_code() {
        for kind in crate::error::ErrorKind::ALL {
            let code = kind.exit_code().to_string();
            let named = EXIT_CODES
                .split(|c: char| !c.is_ascii_digit())
                .any(|number| number == code);
            assert!(named, "{} ({code})", kind.name());
        }
    }
}
