//! A test's bench: a home of its own, tokens, AWS, the program, and a search for every secret in everything at the end.
//!
//! ```ignore
//! let bench = Bench::start();
//! bench.enroll();
//! bench.add("prod", ANA);
//! let out = bench.tapvault(["exec", "prod", "--", "true"]).run();
//! out.success().touches(1);
//! ```
//!
//! Touches come by themselves until [`Bench::withhold_touches`]. When the bench is dropped, and the test has not failed
//! already, each [`secret`](secrets) that is known (keys, session secrets that AWS handed out, PINs, what the test adds)
//! is looked for in all output, in all files under the bench's folder, and in what [`watch`] saw in `/proc`.

pub mod card;
pub mod desktop;
mod fido2;
pub mod files;
pub mod pinentry;
mod program;
pub mod run;
mod schema;
pub mod screen;
mod search;
pub mod secrets;
mod setup;
pub mod terminal;
mod tokens;
mod watch;

use run::Finished;
use secrets::Secrets;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tapvault_lab::aws_standin::{ANA_KEY, ANA_MFA, ANA_SECRET, Standin};
use tapvault_lab::fido_key::rig::FidoRig;
use tapvault_lab::soft_token::firmware::Firmware;
use tapvault_lab::soft_token::rig::{Rig, SOCKET_VARIABLE, TokenSpec};
use tempfile::TempDir;

pub use files::Snapshot;
pub use program::PYTHON;
pub use run::{Invocation, Output};
pub use setup::{Agent, FirstPin, Folders, Setup};
pub use terminal::{CTRL_C, Terminal};

/// The first token's serial number.
pub const SERIAL: u32 = 15_042_118;
/// The second one's.
pub const OTHER_SERIAL: u32 = 15_042_177;
/// The first token's PIN. Eight digits, so that it does not turn up by chance.
pub const PIN: &str = "47110815";
/// The second one's: a PIN that goes to the wrong token is refused.
pub const OTHER_PIN: &str = "90817263";
/// What both have at first.
pub const FACTORY_PIN: &str = "123456";

/// An access key: ID and secret.
pub type Key = (&'static str, &'static str);
/// Ana's, who may all and has an MFA device.
pub const ANA: Key = (ANA_KEY, ANA_SECRET);

/// How long the tokens wait for a touch: short, for a touch is missed twice.
pub const TOUCH_PATIENCE: Duration = Duration::from_millis(1500);

/// See the module's words.
pub struct Bench {
    // The rig ends before its folder is deleted: fields are dropped in this order.
    rig: Option<Rig>,
    fido2: Option<FidoRig>,
    /// By which programs see the FIDO2 tokens of the bench, or none.
    nodes: Vec<(&'static str, PathBuf)>,
    aws: Standin,
    state: Mutex<State>,
    folders: Folders,
    /// Whether requests go through an agent.
    agent: Agent,
    folder: TempDir,
}

#[derive(Default)]
struct State {
    secrets: Secrets,
    finished: Vec<Finished>,
    /// Files that may hold secrets, because the test put them there.
    excepted: Vec<PathBuf>,
    /// Variables that every program is given beside the usual ones.
    everywhere: BTreeMap<OsString, OsString>,
}

impl Bench {
    /// One token with firmware 5.7.1 and a PIN of its own, touched by itself; a profile `prod`; nothing enrolled.
    pub fn start() -> Self {
        Self::setup().start()
    }

    /// To say more than [`Bench::start`] does.
    pub fn setup() -> Setup {
        Setup {
            tokens: vec![TokenSpec::new(SERIAL, Firmware::V5_7_1)],
            fido2: Vec::new(),
            pin: FirstPin::Changed,
            folders: Folders::Xdg,
            agent: Agent::Off,
        }
    }

    /// One token, enrolled.
    pub fn enrolled() -> Self {
        let bench = Self::start();
        bench.enroll();
        bench
    }

    /// One token, enrolled, and Ana's key as `prod`.
    pub fn with_prod() -> Self {
        let bench = Self::enrolled();
        bench.add("prod", ANA);
        bench
    }

    // --- running things

    /// Where the program under test is, for scripts.
    pub fn tapvault_path(&self) -> &'static str {
        program::tapvault()
    }

    /// The program under test with these arguments.
    pub fn tapvault<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Invocation<'_> {
        self.program(program::tapvault(), arguments)
    }

    /// Another program in the same surroundings.
    pub fn program<S: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = S>) -> Invocation<'_> {
        let arguments = arguments
            .into_iter()
            .map(|argument| argument.as_ref().to_owned())
            .collect();
        Invocation::new(self, program.into(), arguments)
    }

    /// A Python script, with boto3 at hand.
    pub fn python<'w>(&self, script: &'w str, words: impl IntoIterator<Item = &'w str>) -> Invocation<'_> {
        self.program(program::PYTHON, ["-c", script].into_iter().chain(words))
            .env("PYTHONDONTWRITEBYTECODE", "1")
    }

    /// `key enroll piv`, which takes two touches and one PIN.
    pub fn enroll(&self) -> Output {
        self.tapvault(["key", "enroll", "piv"]).run().success().touches(2)
    }

    /// Enrolls a second key on the same token: a touch to make it, and its voucher and the first key's.
    pub fn enroll_another(&self) -> Output {
        self.tapvault(["key", "enroll", "piv"]).run().success()
    }

    /// `add PROFILE` for a key, which takes one touch.
    pub fn add(&self, profile: &str, key: Key) -> Output {
        self.add_stdin(profile, key).run().success().touches(1)
    }

    /// `add PROFILE --stdin` with a key on standard input, not yet run.
    pub fn add_stdin(&self, profile: &str, (id, secret): Key) -> Invocation<'_> {
        self.tapvault(["add", profile, "--stdin"])
            .stdin(&format!("{id}\n{secret}\n"))
    }

    /// Every program that is started from now on is given this variable; an empty value takes it away again.
    pub fn everywhere(&self, name: &str, value: &str) {
        let everywhere = &mut self.state().everywhere;
        if value.is_empty() {
            everywhere.remove(OsStr::new(name));
        } else {
            everywhere.insert(name.into(), value.into());
        }
    }

    // --- the person at pinentry

    /// Pinentry answers `pin` from now on when the question has `words` in it.
    pub fn pinentry_knows(&self, words: &str, pin: &str) {
        pinentry::knows(&self.hand(), words, pin);
    }

    /// Pinentry's next answers, before what it knows; [`pinentry::CANCEL`] closes the window.
    pub fn pinentry_answers(&self, answers: &[&str]) {
        pinentry::answers(&self.hand(), answers);
    }

    /// The questions that pinentry was asked so far.
    pub fn pinentry_asked(&self) -> Vec<String> {
        pinentry::asked(&self.hand())
    }

    // --- AWS

    /// The stand-in.
    pub fn aws(&self) -> &Standin {
        &self.aws
    }

    /// A code of Ana's device that AWS has not seen yet, as her phone would show it.
    pub fn code_of_ana(&self) -> String {
        self.aws.unused_totp(ANA_MFA).expect("a code that was not used yet")
    }

    /// Waits until the half minute of the codes that are spent by now is over.
    pub fn wait_for_next_step(&self) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_secs();
        std::thread::sleep(Duration::from_secs(30 - now % 30));
    }

    /// The actions called so far, in order.
    pub fn calls(&self) -> Vec<String> {
        self.aws.calls().into_iter().map(|call| call.action).collect()
    }

    // --- folders and files

    /// The bench's whole folder.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The person's home.
    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// The folder of `config.toml`.
    pub fn config_folder(&self) -> PathBuf {
        match self.folders {
            Folders::Xdg => self.root().join("xdg/config/tapvault"),
            Folders::OneHome => self.root().join("one/config"),
        }
    }

    /// The vault.
    pub fn vault(&self) -> PathBuf {
        match self.folders {
            Folders::Xdg => self.root().join("xdg/data/tapvault"),
            Folders::OneHome => self.root().join("one/vault"),
        }
    }

    /// What this machine remembers.
    pub fn state_folder(&self) -> PathBuf {
        match self.folders {
            Folders::Xdg => self.root().join("xdg/state/tapvault"),
            Folders::OneHome => self.root().join("one/state"),
        }
    }

    /// What the lab itself keeps: pinentry's answers and the like. Not searched.
    pub fn hand(&self) -> PathBuf {
        self.root().join("hand")
    }

    /// `~/.aws/config`.
    pub fn aws_config(&self, text: &str) {
        fs::write(self.home().join(".aws/config"), text).expect("the AWS config");
    }

    /// tapvault's own `config.toml`.
    pub fn settings(&self, text: &str) {
        let folder = self.config_folder();
        fs::create_dir_all(&folder).expect("the config folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("its mode");
        let without = "agent = false\n";
        let text = match self.agent {
            Agent::Usual => text.to_owned(),
            // Lines keep their numbers where they can.
            Agent::Off if text.contains('[') => format!("{without}{text}"),
            Agent::Off => format!("{}\n{without}", text.trim_end_matches('\n')),
        };
        fs::write(folder.join("config.toml"), text).expect("config.toml");
    }

    /// Every file and folder of the vault, with modes, to be compared later.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.vault())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, finished: Finished) {
        self.state().finished.push(finished);
    }

    /// The whole environment of a program: nothing is inherited from the test's own.
    pub fn environment(&self) -> BTreeMap<OsString, OsString> {
        let root = self.root();
        let mut environment: BTreeMap<OsString, OsString> = BTreeMap::new();
        let mut set = |name: &str, value: &OsStr| environment.insert(name.into(), value.to_owned());
        for (name, value) in [
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"),
            ("LANG", "C.UTF-8"),
            ("TERM", "xterm"),
            ("USER", "lab"),
            ("SHELL", "/bin/sh"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL", &self.aws.endpoint()),
        ] {
            set(name, OsStr::new(value));
        }
        set("HOME", self.home().as_os_str());
        // A socket that is not there, when there is no rig: the machine's own pcscd is none of ours.
        let socket = self.rig.as_ref().map_or_else(|| root.join("no-pcscd"), Rig::socket);
        set(SOCKET_VARIABLE, socket.as_os_str());
        set("PINENTRY_PROGRAM", pinentry::program(&self.hand()).as_os_str());
        match self.folders {
            Folders::OneHome => {
                set("TAPVAULT_HOME", root.join("one").as_os_str());
            }
            Folders::Xdg => {
                for (name, folder) in [
                    ("XDG_CONFIG_HOME", "xdg/config"),
                    ("XDG_DATA_HOME", "xdg/data"),
                    ("XDG_STATE_HOME", "xdg/state"),
                    ("XDG_RUNTIME_DIR", "xdg/run"),
                ] {
                    set(name, root.join(folder).as_os_str());
                }
            }
        }
        for (name, value) in &self.nodes {
            environment.insert(name.into(), value.into());
        }
        environment.extend(self.state().everywhere.clone());
        environment
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A test that failed has said so; a second panic would only hide it.
        if !std::thread::panicking() {
            self.search();
        }
    }
}
