//! What the outside gives: the environment, the four folders, the clock, the settings and the terminal.
//!
//! The only room that reads the environment or the clock; everything else is told.

pub mod settings;

pub use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::prompt::Dialogue;
use crate::secret::SecretText;
use jiff::Timestamp;
use settings::Settings;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The four folders (docs/format.md); none of them is made before something has to be written.
#[derive(Clone, Debug)]
pub struct Paths {
    /// Holds `config.toml`.
    pub config: PathBuf,
    /// The vault itself: may be copied, synced, put in git.
    pub vault: PathBuf,
    /// This machine's memory: highest generations seen, spent time steps.
    pub state: PathBuf,
    /// Ends with the login session.
    pub runtime: PathBuf,
}

impl Paths {
    /// `TAPVAULT_HOME` puts all four under one folder; else the XDG base directories (XDG Base Directory Specification 0.8).
    ///
    /// # Errors
    /// [`ErrorKind::Other`] when neither `HOME` nor the variables that replace it are set.
    pub fn from_env(env: &Env) -> Result<Self> {
        if let Some(root) = env.os("TAPVAULT_HOME") {
            let root = std::path::absolute(root).map_err(|err| crate::error::io("resolving", Path::new(root), &err))?;
            return Ok(Paths {
                config: root.join("config"),
                vault: root.join("vault"),
                state: root.join("state"),
                runtime: root.join("run"),
            });
        }
        let home = env.os("HOME").map(PathBuf::from);
        // The specification says that a relative path in one of these variables is to be ignored.
        let base = |variable: &str, below_home: &str| -> Result<PathBuf> {
            match env.os(variable).map(PathBuf::from).filter(|path| path.is_absolute()) {
                Some(path) => Ok(path),
                None => home.as_ref().map(|home| home.join(below_home)).ok_or_else(|| {
                    Error::new(ErrorKind::Other, "HOME is not set, so there is no place for the vault")
                        .hint("set HOME, or TAPVAULT_HOME to a folder of your own")
                }),
            }
            .map(|path| path.join("tapvault"))
        };
        let state = base("XDG_STATE_HOME", ".local/state")?;
        Ok(Paths {
            config: base("XDG_CONFIG_HOME", ".config")?,
            vault: base("XDG_DATA_HOME", ".local/share")?,
            runtime: match env
                .os("XDG_RUNTIME_DIR")
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
            {
                Some(path) => path.join("tapvault"),
                None => state.join("run"),
            },
            state,
        })
    }
}

impl Paths {
    /// `config.toml`.
    pub fn settings_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }
}

/// Says what the program does while it does it, when `--debug` is given: names, counts and times, never data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chatter {
    /// Nothing beyond what a person needs.
    Normal,
    /// Instruction names, status words, files and calls.
    Debug,
}

/// Everything a command is given.
pub struct Context {
    /// The environment as it was at the start.
    pub env: Env,
    /// The four folders.
    pub paths: Paths,
    /// `config.toml`.
    pub settings: Settings,
    /// The person.
    pub dialogue: Dialogue,
    /// `--debug` or not.
    pub chatter: Chatter,
    /// What is shared with other requests, when this one runs in an agent.
    pub keeper: Option<Arc<dyn Keeper>>,
}

/// What requests that run in one process share: the token in turn, and PINs that the person has typed.
pub trait Keeper: Send + Sync {
    /// Waits until no other request uses the token, in the order in which they came; said through `dialogue`.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`] when whoever asked has gone.
    fn token_turn(&self, dialogue: &Dialogue) -> Result<Box<dyn Send>>;

    /// The PIN of `token`, if it was accepted since the token was plugged in.
    fn pin(&self, token: &str) -> Option<SecretText>;

    /// `token` has accepted this PIN.
    fn keep_pin(&self, token: &str, pin: &SecretText);

    /// It is not to be used again.
    fn drop_pin(&self, token: &str);
}

impl Context {
    /// The token, in turn with other requests of this process; held until dropped. Other processes are waited for elsewhere.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`] when whoever asked has gone meanwhile.
    pub fn token_turn(&self) -> Result<Option<Box<dyn Send>>> {
        self.keeper
            .as_ref()
            .map(|keeper| keeper.token_turn(&self.dialogue))
            .transpose()
    }

    /// The real one.
    ///
    /// # Errors
    /// A home that can't be found, or a `config.toml` that can't be used.
    pub fn real(chatter: Chatter) -> Result<Self> {
        Context::with_settings(chatter, Settings::read)
    }

    /// With the default settings where `config.toml` can't be used, for who looks at that file too.
    ///
    /// # Errors
    /// A home that can't be found.
    pub fn forgiving(chatter: Chatter) -> Result<Self> {
        Context::with_settings(chatter, |file| Ok(Settings::read(file).unwrap_or_default()))
    }

    fn with_settings(chatter: Chatter, read: impl FnOnce(&Path) -> Result<Settings>) -> Result<Self> {
        let env = Env::snapshot();
        let paths = Paths::from_env(&env)?;
        let settings = read(&paths.settings_file())?;
        let dialogue = Dialogue::open(&env).notifying(settings.notify_command.as_deref());
        Ok(Context {
            env,
            paths,
            settings,
            dialogue,
            chatter,
            keeper: None,
        })
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        now()
    }

    /// A line on stderr for who asked for `--debug`.
    pub fn debug(&self, line: impl FnOnce() -> String) {
        if self.chatter == Chatter::Debug {
            self.dialogue.debug(&line());
        }
    }
}

/// The time now, for who outlives a command and has no [`Context`].
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// This host's name, as the key list records where a key was enrolled.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tapvault_home_puts_all_four_folders_under_one() {
        let paths = Paths::from_env(&Env::from([("TAPVAULT_HOME", "/t"), ("XDG_DATA_HOME", "/x")])).expect("paths");
        assert_eq!(paths.vault, Path::new("/t/vault"));
        assert_eq!(paths.config, Path::new("/t/config"));
    }

    #[test]
    fn a_relative_xdg_folder_is_ignored_as_the_specification_says() {
        let env = Env::from([("HOME", "/h"), ("XDG_DATA_HOME", "relative")]);
        assert_eq!(
            Paths::from_env(&env).expect("paths").vault,
            Path::new("/h/.local/share/tapvault")
        );
    }

    #[test]
    fn without_a_home_the_error_says_what_to_set() {
        let error = Paths::from_env(&Env::default()).expect_err("no home");
        assert!(error.hints()[0].contains("TAPVAULT_HOME"));
    }
}
