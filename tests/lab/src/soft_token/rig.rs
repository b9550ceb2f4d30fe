//! A rig: one real `pcscd` with one or two soft tokens, cut off from the rest of the machine.
//!
//! `pcscd` has its socket's path compiled in, and vpcd its ports wide open, so each rig gets namespaces of its own
//! (mount, network, PID; a user namespace too when it isn't started by root). Any number of rigs run side by side,
//! and real readers of the machine stay out of sight. Clients stay outside and find the rig by its socket:
//!
//! ```no_run
//! use tapvault_lab::soft_token::{body::AutoTouch, firmware::Firmware, rig::{Rig, TokenSpec}};
//!
//! let dir = std::env::temp_dir().join("rig");
//! let rig = Rig::start(&dir, &[TokenSpec::new(10_000_001, Firmware::V5_7_1)])?;
//! rig.token(0).auto_touch(AutoTouch::Always(Default::default()))?;
//! std::process::Command::new("ykman").arg("list").env("PCSCLITE_CSOCK_NAME", rig.socket()).status()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Both tokens sit in one reader with two slots (vpcd has always two), so ykman wants `--device SERIAL`. All
//! processes end with the `Rig`, or with the process that holds it, even by `kill -9`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{client::Control, device::FIFTEEN_SECONDS, firmware::Firmware};

mod error;
pub mod inside;
mod layout;

pub use error::RigError;
pub use layout::Layout;

/// What libpcsclite reads to find its server.
pub const SOCKET_VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

/// Where the lab's tests find the program `soft-token` when it isn't near the test's own executable.
pub const PROGRAM_VARIABLE: &str = "TAPVAULT_SOFT_TOKEN";

/// The first of vpcd's two ports; the same in each rig, for each has its own network.
const VPCD_PORT: u16 = 35963;
const SLOTS: usize = 2;

/// Exactly as a real key's reader is called: clients go by it.
const READER: &str = "Yubico YubiKey OTP+FIDO+CCID";

/// `sun_path` has 108 bytes, the last of them zero.
const LONGEST_SOCKET_PATH: usize = 107;

const START: Duration = Duration::from_secs(20);
const STOP: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);
/// How often it is looked whether the processes are still there.
const WATCH: Duration = Duration::from_millis(100);

/// Programs and files that a rig needs, and the Debian packages that bring them.
const NEEDED: [(&str, &str); 5] = [
    ("/usr/sbin/pcscd", "pcscd"),
    (VPCD_DRIVER, "vsmartcard-vpcd"),
    ("/usr/bin/unshare", "util-linux"),
    ("/usr/bin/mount", "mount"),
    ("/sbin/ip", "iproute2"),
];
const VPCD_DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
/// The same driver's name in the rig's driver folder.
const DRIVER: &str = "libifdvpcd.so";
/// Where pcscd opens its socket: compiled in.
const RUN_PCSCD: &str = "/run/pcscd";
/// Where pcscd looks for drivers: compiled in too.
const DRIVERS: &str = "/usr/lib/pcsc/drivers";

/// One token of a rig.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenSpec {
    pub serial: u32,
    pub firmware: Firmware,
    /// Plugged in from the start.
    pub inserted: bool,
    /// How long it waits for a touch.
    pub touch_timeout: Duration,
    /// How long a touch counts for keys with the touch policy "cached".
    pub touch_cache: Duration,
}

impl TokenSpec {
    /// Plugged in, with a real token's patience.
    pub fn new(serial: u32, firmware: Firmware) -> Self {
        Self {
            serial,
            firmware,
            inserted: true,
            touch_timeout: FIFTEEN_SECONDS,
            touch_cache: FIFTEEN_SECONDS,
        }
    }

    /// Lies beside the computer at first.
    pub fn removed(self) -> Self {
        Self {
            inserted: false,
            ..self
        }
    }

    pub fn touch_timeout(self, touch_timeout: Duration) -> Self {
        Self { touch_timeout, ..self }
    }

    pub fn touch_cache(self, touch_cache: Duration) -> Self {
        Self { touch_cache, ..self }
    }
}

/// See the module's words.
pub struct Rig {
    layout: Layout,
    tokens: Vec<Control>,
    namespaces: Child,
}

impl Rig {
    /// Brings everything up in this folder and returns when programs can find the inserted tokens.
    ///
    /// Tokens that an earlier rig left in the folder are taken up again.
    pub fn start(dir: &Path, tokens: &[TokenSpec]) -> Result<Self, RigError> {
        check(tokens)?;
        let dir = std::path::absolute(dir)?;
        let layout = Layout::new(dir);
        check_length(&layout.pcscd_socket())?;
        check_length(&layout.token_socket(SLOTS))?;
        let program = program()?;
        prepare(&layout, tokens)?;

        let log = fs::File::create(layout.log())?;
        let mut command = in_namespaces();
        command.arg(program).arg("inside").arg(layout.dir());
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        let namespaces = command.spawn()?;

        let controls = (0..tokens.len())
            .map(|index| Control::new(&layout.token_socket(index)))
            .collect();
        // from here on a failure drops the rig, and with it the processes
        let mut rig = Self {
            layout,
            tokens: controls,
            namespaces,
        };
        rig.wait_until_ready(tokens)?;
        Ok(rig)
    }

    /// The server's socket, for the environment variable `PCSCLITE_CSOCK_NAME`.
    pub fn socket(&self) -> PathBuf {
        self.layout.pcscd_socket()
    }

    /// The token in the reader's slot `index`.
    pub fn token(&self, index: usize) -> &Control {
        &self.tokens[index]
    }

    pub fn tokens(&self) -> &[Control] {
        &self.tokens
    }

    /// Where the processes write; also the tokens' state files are here.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Blocks until the rig ends, which it does by itself only when something is wrong.
    pub fn wait(mut self) -> RigError {
        // not Child::wait: that closes the pipe which keeps the rig alive
        loop {
            match self.namespaces.try_wait() {
                Ok(None) => thread::sleep(WATCH),
                Ok(Some(_)) => return self.failure("the rig ended"),
                Err(error) => return error.into(),
            }
        }
    }

    fn wait_until_ready(&mut self, tokens: &[TokenSpec]) -> Result<(), RigError> {
        let deadline = Instant::now() + START;
        loop {
            let missing = self.missing(tokens);
            let Some(missing) = missing else { return Ok(()) };
            if self.namespaces.try_wait()?.is_some() {
                return Err(self.failure("the rig ended at once"));
            }
            if Instant::now() > deadline {
                return Err(self.failure(&missing));
            }
            thread::sleep(POLL);
        }
    }

    /// What isn't there yet.
    fn missing(&self, tokens: &[TokenSpec]) -> Option<String> {
        if !self.socket().exists() {
            return Some("pcscd doesn't open its socket".to_owned());
        }
        for (control, spec) in self.tokens.iter().zip(tokens) {
            match control.ping() {
                Err(error) => return Some(format!("token {} doesn't answer: {error}", spec.serial)),
                Ok(pong) if spec.inserted && !pong.plug.recognised => {
                    return Some(format!("the reader doesn't recognise token {}", spec.serial));
                }
                Ok(_) => {}
            }
        }
        None
    }

    fn failure(&self, what: &str) -> RigError {
        let log = fs::read_to_string(self.layout.log()).unwrap_or_default();
        RigError::Failed {
            what: what.to_owned(),
            log,
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // the end of the pipe is the sign to go; who doesn't heed it is killed, and --kill-child sees to the rest
        drop(self.namespaces.stdin.take());
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if !matches!(self.namespaces.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL);
        }
        let _ = self.namespaces.kill();
        let _ = self.namespaces.wait();
    }
}

/// Everything that can be known to fail before anything is started.
fn check(tokens: &[TokenSpec]) -> Result<(), RigError> {
    if tokens.len() > SLOTS {
        return Err(RigError::TooManyTokens);
    }
    for (file, package) in NEEDED {
        if !Path::new(file).exists() {
            return Err(RigError::Missing { file, package });
        }
    }
    let output = in_namespaces().arg("true").output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(RigError::NoNamespaces(reason));
    }
    if !Path::new(RUN_PCSCD).exists() {
        // pcscd's package leaves this to systemd, which may not run here; the rig's own is mounted over it
        fs::create_dir_all(RUN_PCSCD)
            .map_err(|error| RigError::NoNamespaces(format!("{RUN_PCSCD} can't be made as a mount point: {error}")))?;
    }
    Ok(())
}

/// The beginning of a command line whose program shall run in namespaces of its own.
fn in_namespaces() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    // --kill-child: should unshare itself be killed, its child goes too
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child=SIGKILL", "--"]);
    command
}

fn check_length(path: &Path) -> Result<(), RigError> {
    if path.as_os_str().len() > LONGEST_SOCKET_PATH {
        return Err(RigError::PathTooLong(path.to_owned()));
    }
    Ok(())
}

/// The executable `soft-token`: named, ourselves, beside us, or above us (tests lie in `target/debug/deps`).
fn program() -> Result<PathBuf, RigError> {
    if let Some(named) = env::var_os(PROGRAM_VARIABLE) {
        return Ok(named.into());
    }
    let own = env::current_exe()?;
    let folders = own.ancestors().skip(1).take(2);
    let mut candidates = folders.map(|folder| folder.join("soft-token"));
    candidates
        .find(|candidate| candidate.is_file())
        .ok_or(RigError::NoProgram)
}

/// Folders, reader configuration and plan; what an earlier rig left of sockets goes.
fn prepare(layout: &Layout, tokens: &[TokenSpec]) -> io::Result<()> {
    for folder in [layout.ipc(), layout.config(), layout.drivers()] {
        fs::create_dir_all(folder)?;
    }
    let sockets = (0..SLOTS).map(|index| layout.token_socket(index));
    for stale in sockets.chain([layout.pcscd_socket(), layout.ipc().join("pcscd.pid")]) {
        if stale.exists() {
            fs::remove_file(stale)?;
        }
    }
    // a copy, for the rig's driver folder hides the installed one
    fs::copy(VPCD_DRIVER, layout.drivers().join(DRIVER))?;
    let config = format!(
        "FRIENDLYNAME \"{READER}\"\nDEVICENAME /dev/null:{VPCD_PORT}\nLIBPATH {DRIVERS}/{DRIVER}\nCHANNELID {VPCD_PORT}\n"
    );
    fs::write(layout.config().join("vpcd"), config)?;
    fs::write(layout.plan(), serde_json::to_vec_pretty(tokens)?)
}
