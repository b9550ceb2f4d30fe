//! A rig, and `fido-client` on its keys.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tapvault_lab::{
    fido_key::{
        client::Control,
        rig::{FidoRig, KeySpec},
    },
    soft_token::body::AutoTouch,
};
use tempfile::TempDir;

pub const PIN: &str = "471108";
pub const RP: &str = "vault.test";
pub const SALT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub const OTHER_SALT: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
/// Short: some tests let it pass.
pub const PATIENCE: Duration = Duration::from_millis(1500);
/// Far more than any job takes, on a busy machine too.
const DEADLINE: Duration = Duration::from_secs(60);

pub struct Bench {
    // The rig ends before its folder is deleted: fields are dropped in this order.
    pub rig: FidoRig,
    folder: TempDir,
}

impl Bench {
    /// One key with a PIN, touched by itself.
    pub fn start() -> Self {
        let bench = Self::with(&[KeySpec::new("LAB00001")]);
        bench.run(&["set-pin", "/dev/hidraw0"]).ok();
        bench
    }

    /// These keys, touched by themselves; no PIN.
    pub fn with(keys: &[KeySpec]) -> Self {
        let folder = tempfile::Builder::new().prefix("fk-").tempdir().expect("a folder");
        Self::take_up(folder, keys)
    }

    /// The same folder in a rig that was started anew.
    pub fn restarted(self, keys: &[KeySpec]) -> Self {
        let Self { rig, folder } = self;
        drop(rig);
        Self::take_up(folder, keys)
    }

    fn take_up(folder: TempDir, keys: &[KeySpec]) -> Self {
        let keys: Vec<KeySpec> = keys.iter().map(|key| key.clone().touch_timeout(PATIENCE)).collect();
        let rig = FidoRig::start(folder.path(), &keys).unwrap_or_else(|error| panic!("{error}"));
        for key in rig.keys() {
            key.auto_touch(AutoTouch::Always(Duration::ZERO)).expect("it listens");
        }
        Self { rig, folder }
    }

    pub fn key(&self) -> &Control {
        self.rig.key(0)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `fido-client` with the PIN.
    pub fn run(&self, words: &[&str]) -> Ran {
        self.run_with(words, &[("PIN", PIN)])
    }

    pub fn run_with(&self, words: &[&str], variables: &[(&str, &str)]) -> Ran {
        self.start_with(words, variables).finish()
    }

    /// Not waited for.
    pub fn start_with(&self, words: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = Command::new(client());
        command.args(words).envs(self.rig.environment());
        command.envs(variables.iter().copied());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running(command.spawn().expect("fido-client runs"))
    }

    /// A credential on the first key.
    pub fn credential(&self) -> String {
        self.run(&["make", "/dev/hidraw0", RP]).ok()
    }

    /// What the first key makes of a salt.
    pub fn secret(&self, credential: &str, salt: &str) -> Ran {
        self.run(&["secret", "/dev/hidraw0", RP, credential, salt])
    }
}

pub struct Running(Child);

impl Running {
    pub fn finish(mut self) -> Ran {
        let deadline = Instant::now() + DEADLINE;
        while self.0.try_wait().expect("it can be asked").is_none() {
            if Instant::now() > deadline {
                self.0.kill().expect("it can be killed");
                panic!("fido-client does not end");
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ran(self.0.wait_with_output().expect("its output"))
    }

    /// Whether it still runs, after so long.
    pub fn hangs_for(mut self, time: Duration) -> bool {
        thread::sleep(time);
        let hangs = self.0.try_wait().expect("it can be asked").is_none();
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it was killed");
        hangs
    }
}

pub struct Ran(Output);

impl Ran {
    /// What it printed; it has to have gone well.
    pub fn ok(self) -> String {
        assert!(self.0.status.success(), "fido-client: {}", self.words());
        String::from_utf8(self.0.stdout).expect("text").trim().to_owned()
    }

    /// It has to have failed, and said this.
    pub fn fails_with(self, words: &str) {
        assert!(!self.0.status.success(), "it went well: {}", self.words());
        assert!(self.words().contains(words), "{words:?} is not in: {}", self.words());
    }

    pub fn fails(self) {
        self.fails_with("");
    }

    fn words(&self) -> String {
        format!(
            "{}{}",
            String::from_utf8_lossy(&self.0.stdout),
            String::from_utf8_lossy(&self.0.stderr)
        )
    }
}

/// Cargo builds examples for tests, beside them.
pub fn client() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_fido-key")).with_file_name("examples/fido-client")
}
