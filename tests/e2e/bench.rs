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
pub mod files;
pub mod pinentry;
mod program;
pub mod run;
mod schema;
pub mod secrets;
pub mod terminal;
mod watch;

use run::{Allowed, Finished};
use secrets::{Needles, Secrets};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tapvault_lab::aws_standin::{ANA_KEY, ANA_MFA, ANA_SECRET, Standin, World};
use tapvault_lab::soft_token::body::{AutoTouch, TouchCounts};
use tapvault_lab::soft_token::client::Control;
use tapvault_lab::soft_token::firmware::Firmware;
use tapvault_lab::soft_token::journal::Attempts;
use tapvault_lab::soft_token::rig::{Rig, SOCKET_VARIABLE, TokenSpec};
use tempfile::TempDir;

pub use files::Snapshot;
pub use program::PYTHON;
pub use run::{Invocation, Output};
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
/// How long after the blink a touch comes by itself.
const TOUCH_AFTER: Duration = Duration::from_millis(20);

/// Where tapvault keeps its four folders.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Folders {
    /// As the XDG base directories say.
    Xdg,
    /// All under `TAPVAULT_HOME`.
    OneHome,
}

/// What a token's PIN is at first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FirstPin {
    /// [`PIN`] and [`OTHER_PIN`].
    Changed,
    /// [`FACTORY_PIN`].
    Factory,
}

/// How a bench shall be; see [`Bench::setup`].
pub struct Setup {
    tokens: Vec<TokenSpec>,
    pin: FirstPin,
    folders: Folders,
}

impl Setup {
    /// One token with this firmware.
    pub fn firmware(mut self, firmware: Firmware) -> Self {
        self.tokens = vec![TokenSpec::new(SERIAL, firmware)];
        self
    }

    /// Two tokens, both plugged in.
    pub fn two_tokens(mut self) -> Self {
        self.tokens.push(TokenSpec::new(OTHER_SERIAL, Firmware::V5_4_3));
        self
    }

    /// One token, which is not the one that other benches have: another machine's.
    pub fn other_token(mut self) -> Self {
        self.tokens = vec![TokenSpec::new(OTHER_SERIAL, Firmware::V5_4_3)];
        self
    }

    /// No token, and no pcscd either.
    pub fn no_token(mut self) -> Self {
        self.tokens.clear();
        self
    }

    /// Leaves the factory's PIN on the tokens.
    pub fn factory_pin(mut self) -> Self {
        self.pin = FirstPin::Factory;
        self
    }

    /// All four folders under `TAPVAULT_HOME`.
    pub fn one_home(mut self) -> Self {
        self.folders = Folders::OneHome;
        self
    }

    /// Brings everything up.
    pub fn start(self) -> Bench {
        program::check();
        // Short, for sockets lie in it.
        let folder = tempfile::Builder::new().prefix("tv-").tempdir().expect("a folder");
        let root = folder.path().to_owned();
        for part in ["home/.aws", "xdg/config", "xdg/data", "xdg/state", "xdg/run", "hand"] {
            fs::create_dir_all(root.join(part)).expect("folders of the bench");
        }
        for private in ["home", "xdg/run", "hand"] {
            fs::set_permissions(root.join(private), fs::Permissions::from_mode(0o700)).expect("modes of the bench");
        }
        let tokens: Vec<TokenSpec> = self
            .tokens
            .into_iter()
            .map(|token| token.touch_timeout(TOUCH_PATIENCE))
            .collect();
        let rig = (!tokens.is_empty()).then(|| {
            Rig::start(&root.join("rig"), &tokens).unwrap_or_else(|error| panic!("no rig for the tokens: {error}"))
        });
        let mut secrets = Secrets::default();
        let world = World::sample();
        world.accounts.iter().for_each(|account| secrets.of_account(account));
        let bench = Bench {
            rig,
            aws: Standin::start(world),
            state: Mutex::new(State {
                secrets,
                ..State::default()
            }),
            folders: self.folders,
            folder,
        };
        pinentry::install(&bench.hand());
        bench.aws_config("[profile prod]\nregion = eu-central-1\n");
        for (slot, pin) in [PIN, OTHER_PIN].into_iter().enumerate().take(tokens.len()) {
            bench.secret(&format!("PIN of token {slot}"), pin);
            if self.pin == FirstPin::Changed {
                bench.card(slot).change_pin(FACTORY_PIN, pin);
            }
            bench.pinentry_knows(
                &tokens[slot].serial.to_string(),
                if self.pin == FirstPin::Changed {
                    pin
                } else {
                    FACTORY_PIN
                },
            );
        }
        bench.touch_by_itself();
        bench
    }
}

/// See the module's words.
pub struct Bench {
    // The rig ends before its folder is deleted: fields are dropped in this order.
    rig: Option<Rig>,
    aws: Standin,
    state: Mutex<State>,
    folders: Folders,
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
            pin: FirstPin::Changed,
            folders: Folders::Xdg,
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

    /// ykman as somebody's tool beside tapvault, on the first token; what it prints.
    pub fn ykman(&self, arguments: &[&str]) -> String {
        self.ykman_on(0, arguments)
    }

    /// The same on the token in this slot of the reader; what it prints.
    pub fn ykman_on(&self, slot: usize, arguments: &[&str]) -> String {
        let serial = self.serial(slot).to_string();
        let all = [&["--device", &serial], arguments].concat();
        let output = std::process::Command::new("/usr/bin/ykman")
            .args(all)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.hand())
            .env("LANG", "C.UTF-8")
            .env(SOCKET_VARIABLE, self.rig().socket())
            .output()
            .expect("ykman runs");
        assert!(
            output.status.success(),
            "ykman: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("ykman prints text")
    }

    /// The OATH accounts on the token in this slot, as ykman lists them.
    pub fn oath_accounts(&self, slot: usize) -> Vec<String> {
        let listed = self.ykman_on(slot, &["oath", "accounts", "list"]);
        listed.lines().map(str::to_owned).collect()
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

    // --- the tokens

    /// The first token: `bench.token().remove()` pulls it out.
    pub fn token(&self) -> &Control {
        self.nth_token(0)
    }

    /// The serial number of the token in this slot.
    pub fn serial(&self, slot: usize) -> u32 {
        [SERIAL, OTHER_SERIAL][slot]
    }

    /// The token in this slot of the reader.
    pub fn nth_token(&self, slot: usize) -> &Control {
        self.rig().token(slot)
    }

    /// pcscd and the tokens.
    pub fn rig(&self) -> &Rig {
        self.rig.as_ref().expect("this bench has tokens")
    }

    fn controls(&self) -> &[Control] {
        self.rig.as_ref().map_or(&[], Rig::tokens)
    }

    /// Pulls out the token in this slot, and waits until programs notice.
    pub fn pull_out(&self, slot: usize) {
        self.nth_token(slot).remove().expect("pulled out");
        let deadline = Instant::now() + Duration::from_secs(10);
        while card::CardClient::is_connectable(&self.rig().socket(), slot) {
            assert!(
                Instant::now() < deadline,
                "pcscd does not notice that the token has gone"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// From now on nobody touches a token but the test.
    pub fn withhold_touches(&self) {
        self.set_touching(AutoTouch::Off);
    }

    /// From now on each blink is touched at once.
    pub fn touch_by_itself(&self) {
        self.set_touching(AutoTouch::Always(TOUCH_AFTER));
    }

    fn set_touching(&self, touching: AutoTouch) {
        for token in self.controls() {
            token.auto_touch(touching).expect("the token listens");
        }
    }

    /// Another program's connection to the card in this slot, sharing it.
    pub fn card(&self, slot: usize) -> card::CardClient {
        card::CardClient::connect(&self.rig().socket(), "shared", slot)
    }

    /// The lab's program `card-client`.
    pub fn card_client(&self) -> PathBuf {
        program::card_client()
    }

    /// Another program that keeps the card in this slot for itself; the kernel shows it as `scdaemon`.
    pub fn card_kept_by_scdaemon(&self, slot: usize) -> card::CardClient {
        let program = self.hand().join("scdaemon");
        fs::copy(self.card_client(), &program).expect("a copy of card-client");
        card::CardClient::connect_with(&program, &self.rig().socket(), "exclusive", slot)
    }

    fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for token in self.controls() {
            let counts = token.counts().expect("the token tells its counts");
            usage.touches.awaited += counts.touches.awaited;
            usage.touches.given += counts.touches.given;
            usage.touches.missed += counts.touches.missed;
            usage.touches.interrupted += counts.touches.interrupted;
            usage.pin.accepted += counts.attempts.pin.accepted;
            usage.pin.refused += counts.attempts.pin.refused;
        }
        usage.pinentry = pinentry::asked(&self.hand()).len();
        usage
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
        fs::write(folder.join("config.toml"), text).expect("config.toml");
    }

    /// Every file and folder of the vault, with modes, to be compared later.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.vault())
    }

    // --- secrets

    /// From now on `text` must not be seen either. `name` is how [`Invocation::may_show`] calls it.
    pub fn secret(&self, name: &str, text: &str) {
        self.state().secrets.add(name, text);
    }

    /// This file may hold secrets: the test put it there.
    pub fn except_file(&self, path: &Path) {
        self.state().excepted.push(path.to_owned());
    }

    /// Forgets the runs so far, for tests of the search itself.
    pub fn forget_runs(&self) {
        self.state().finished.clear();
    }

    /// Looks for every secret in everything so far; also done when the bench is dropped.
    ///
    /// # Panics
    /// If one is found, saying where and which, but not the secret.
    pub fn search(&self) {
        let findings = self.findings();
        assert!(findings.is_empty(), "secrets were found:\n  {}", findings.join("\n  "));
    }

    /// Looks for every secret in the files as they are now: for tests that run many commands and look after each.
    ///
    /// # Panics
    /// As [`Bench::search`].
    pub fn search_files(&self) {
        let needles = self.needles();
        let findings = self.findings_in_files(&needles);
        assert!(findings.is_empty(), "secrets were found:\n  {}", findings.join("\n  "));
    }

    /// Where secrets were found so far: a line for each.
    pub fn findings(&self) -> Vec<String> {
        let needles = self.needles();
        let state = self.state();
        let mut findings: Vec<String> = state.finished.iter().flat_map(|run| run.findings(&needles)).collect();
        drop(state);
        findings.extend(self.findings_in_files(&needles));
        findings
    }

    fn needles(&self) -> Needles {
        let mut state = self.state();
        // Those that were made since the start too.
        self.aws.world(|world| {
            world
                .accounts
                .iter()
                .for_each(|account| state.secrets.of_account(account))
        });
        for session in self.aws.sessions() {
            state
                .secrets
                .add(&format!("secret of session {}", session.access_key_id), &session.secret);
            state
                .secrets
                .add(&format!("token of session {}", session.access_key_id), &session.token);
        }
        for (serial, seed) in self.aws.seeds() {
            state.secrets.add(&format!("seed of {serial}"), &seed);
        }
        state.secrets.needles()
    }

    fn findings_in_files(&self, needles: &Needles) -> Vec<String> {
        let state = self.state();
        let mut findings = Vec::new();
        for part in ["home", "xdg", "one"] {
            files::each(&self.root().join(part), &mut |path, bytes| {
                if !state.excepted.iter().any(|excepted| excepted == path) {
                    let place = path.display().to_string();
                    findings.extend(needles.find(&place, bytes, &Allowed::nothing()));
                }
            });
        }
        findings
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

/// What the tokens and pinentry were asked for.
#[derive(Clone, Copy, Default)]
struct Usage {
    touches: TouchCounts,
    pin: Attempts,
    pinentry: usize,
}

impl Usage {
    fn since(self, before: Usage) -> Usage {
        Usage {
            touches: TouchCounts {
                awaited: self.touches.awaited - before.touches.awaited,
                given: self.touches.given - before.touches.given,
                missed: self.touches.missed - before.touches.missed,
                interrupted: self.touches.interrupted - before.touches.interrupted,
            },
            pin: Attempts {
                accepted: self.pin.accepted - before.pin.accepted,
                refused: self.pin.refused - before.pin.refused,
            },
            pinentry: self.pinentry - before.pinentry,
        }
    }
}
