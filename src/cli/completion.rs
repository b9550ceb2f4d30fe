use super::Cli;
use super::common;
use super::list::print;
use crate::context::{Chatter, Context, Env};
use crate::error::{Error, ErrorKind, Result};
use crate::vault::Vault;
use clap::{Args, CommandFactory};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};
use std::collections::BTreeSet;

/// The shell sets it when it asks for candidates.
const VARIABLE: &str = "TAPVAULT_COMPLETE";

/// Print what makes a shell complete commands, options, profiles and key names
///
/// bash: source <(tapvault completion bash); zsh: source <(tapvault completion zsh);
/// fish: tapvault completion fish | source. Put the line into the shell's start-up file.
#[derive(Args)]
pub struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Whether a shell asks for candidates.
pub fn is_asked_for() -> bool {
    Env::is_set(VARIABLE)
}

/// Answers a shell that asks for candidates, and ends; does nothing when none asks.
pub fn answer() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
}

pub fn run(args: &CompletionArgs) -> Result<()> {
    let shell: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
    };
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, "tapvault", "tapvault", "tapvault", &mut script)
        .map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
    match args.shell {
        Shell::Bash => script.extend(include_bytes!("completion/bash.sh")),
        Shell::Zsh | Shell::Fish => {}
    }
    print(&String::from_utf8_lossy(&script))
}

/// The names of all profiles, in the config and in the vault.
pub fn profiles() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        // Whoever presses Tab wants names, not errors.
        let Ok(ctx) = Context::real(Chatter::Normal) else {
            return Vec::new();
        };
        let mut names = BTreeSet::new();
        if let Ok(config) = common::config(&ctx) {
            names.extend(config.names().map(str::to_owned));
        }
        if let Ok(entries) = Vault::at(&ctx.paths).list() {
            names.extend(entries.into_iter().map(|entry| entry.profile));
        }
        names.into_iter().map(CompletionCandidate::new).collect()
    })
}

/// The names of the profiles with an access key in the vault.
pub fn entries() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let Ok(ctx) = Context::real(Chatter::Normal) else {
            return Vec::new();
        };
        let entries = Vault::at(&ctx.paths).list().unwrap_or_default();
        entries
            .into_iter()
            .map(|entry| CompletionCandidate::new(entry.profile))
            .collect()
    })
}

/// The names of the enrolled keys.
pub fn keys() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let Ok(ctx) = Context::real(Chatter::Normal) else {
            return Vec::new();
        };
        let Ok((snapshot, _lock)) = Vault::at(&ctx.paths).read() else {
            return Vec::new();
        };
        let Some(keyring) = snapshot.keyring else {
            return Vec::new();
        };
        let keys = keyring.unverified().keys.iter();
        keys.map(|key| CompletionCandidate::new(key.name.as_str())).collect()
    })
}
