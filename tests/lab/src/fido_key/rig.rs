//! A rig: one or more FIDO2 keys, for programs that run with its [`environment`](FidoRig::environment).
//!
//! ```no_run
//! use tapvault_lab::{fido_key::rig::{FidoRig, KeySpec}, soft_token::body::AutoTouch};
//!
//! let rig = FidoRig::start(&std::env::temp_dir().join("keys"), &[KeySpec::new("LAB00001")])?;
//! rig.key(0).auto_touch(AutoTouch::Always(Default::default()))?;
//! std::process::Command::new("fido2-token").arg("-L").envs(rig.environment()).status()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Those programs see the rig's keys in place of the machine's, and nothing else changes for them: with the PIV rig's
//! variable beside these, they see both. All processes end with the `FidoRig`, or with the process that holds it.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{client::Control, shim};

/// What the shim reads to find the rig.
pub const FOLDER_VARIABLE: &str = "TAPVAULT_LAB_HIDRAW";

/// By which the loader puts the shim before a program's own libraries.
pub const PRELOAD_VARIABLE: &str = "LD_PRELOAD";

/// Where the program `fido-key` is, when it isn't near the test's own executable.
pub const PROGRAM_VARIABLE: &str = "TAPVAULT_FIDO_KEY";

/// A key waits 30 seconds for a touch: what CTAP 2.1 (6.1.2, step 14) lets it, and most do.
const THIRTY_SECONDS: Duration = Duration::from_secs(30);
/// `sun_path` has 108 bytes, the last of them zero.
const LONGEST_SOCKET_PATH: usize = 107;
const START: Duration = Duration::from_secs(20);
const STOP: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);
const WATCH: Duration = Duration::from_millis(100);

/// Where one key's node is, in a folder that stands in for `/`.
#[derive(Clone, Debug)]
pub struct Node {
    folder: PathBuf,
    name: String,
}

impl Node {
    pub fn new(folder: &Path, number: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            name: format!("hidraw{number}"),
        }
    }

    /// Stands in for `/dev/hidrawN`.
    pub fn device(&self) -> PathBuf {
        self.folder.join("dev").join(&self.name)
    }

    /// Stands in for `/sys/class/hidraw/hidrawN`.
    pub fn class(&self) -> PathBuf {
        self.folder.join("sys/class/hidraw").join(&self.name)
    }

    /// What the kernel tells of the device.
    pub fn describing(&self) -> PathBuf {
        self.class().join("device")
    }

    /// What a program sees.
    pub fn seen_as(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }
}

/// One key of a rig.
#[derive(Clone, Debug)]
pub struct KeySpec {
    serial: Option<String>,
    product: String,
    ids: (u16, u16),
    touch_timeout: Duration,
    inserted: bool,
}

impl KeySpec {
    /// Plugged in, with a real key's patience.
    pub fn new(serial: &str) -> Self {
        Self {
            serial: Some(serial.to_owned()),
            ..Self::without_serial()
        }
    }

    /// The same, but it tells no serial number, as most keys don't.
    pub fn without_serial() -> Self {
        Self {
            serial: None,
            product: "Soft FIDO2 key".to_owned(),
            // what the firmware is made for
            ids: (0x20a0, 0x42b2),
            touch_timeout: THIRTY_SECONDS,
            inserted: true,
        }
    }

    /// Under another name.
    pub fn product(self, product: &str) -> Self {
        Self {
            product: product.to_owned(),
            ..self
        }
    }

    /// Of another maker: USB vendor and product.
    pub fn ids(self, vendor: u16, product: u16) -> Self {
        Self {
            ids: (vendor, product),
            ..self
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

    /// The arguments of `fido-key be` that say this.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "--product".to_owned(),
            self.product.clone(),
            "--vendor-id".to_owned(),
            format!("{:04x}", self.ids.0),
            "--product-id".to_owned(),
            format!("{:04x}", self.ids.1),
            "--touch-timeout-ms".to_owned(),
            self.touch_timeout.as_millis().to_string(),
        ];
        if let Some(serial) = &self.serial {
            arguments.extend(["--serial".to_owned(), serial.clone()]);
        }
        if !self.inserted {
            arguments.push("--removed".to_owned());
        }
        arguments
    }
}

/// See the module's words.
pub struct FidoRig {
    folder: PathBuf,
    shim: PathBuf,
    keys: Vec<Control>,
    processes: Vec<Child>,
}

impl FidoRig {
    /// Brings everything up in this folder and returns when programs can find the inserted keys.
    ///
    /// Keys that an earlier rig left in the folder are taken up again.
    pub fn start(folder: &Path, keys: &[KeySpec]) -> Result<Self, FidoRigError> {
        let folder = std::path::absolute(folder)?;
        let program = program()?;
        let shim = shim::library()?;
        fs::create_dir_all(folder.join("dev"))?;
        fs::create_dir_all(folder.join("sys/class/hidraw"))?;
        let mut rig = Self {
            folder,
            shim,
            keys: Vec::new(),
            processes: Vec::new(),
        };
        let log = fs::File::create(rig.log())?;
        for (number, key) in keys.iter().enumerate() {
            let socket = rig.folder.join(format!("key-{number}.sock"));
            // the longer of a key's two: a node is bound under another name first
            check_length(&rig.node(number).device().with_added_extension("new"))?;
            check_length(&socket)?;
            let mut command = Command::new(&program);
            command.args(["be", "--number", &number.to_string()]);
            command.arg("--rig").arg(&rig.folder);
            command.arg("--memory").arg(rig.folder.join(format!("key-{number}")));
            command.arg("--control").arg(&socket);
            command.args(key.arguments());
            command
                .stdin(Stdio::piped())
                .stdout(log.try_clone()?)
                .stderr(log.try_clone()?);
            // from here on a failure drops the rig, and with it the processes
            rig.processes.push(command.spawn()?);
            rig.keys.push(Control::new(&socket));
        }
        rig.wait_until_ready(keys)?;
        Ok(rig)
    }

    /// What a program's environment needs to see the keys.
    pub fn environment(&self) -> [(&'static str, &Path); 2] {
        [(PRELOAD_VARIABLE, &self.shim), (FOLDER_VARIABLE, &self.folder)]
    }

    pub fn key(&self, index: usize) -> &Control {
        &self.keys[index]
    }

    pub fn keys(&self) -> &[Control] {
        &self.keys
    }

    /// The key's node: `/dev/hidrawN` to programs in the rig's environment.
    pub fn node(&self, index: usize) -> Node {
        Node::new(&self.folder, index)
    }

    /// Where the keys write what went wrong.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Blocks until a key ends, which it does by itself only when something is wrong.
    pub fn wait(mut self) -> FidoRigError {
        loop {
            match self.ended() {
                Ok(false) => thread::sleep(WATCH),
                Ok(true) => return self.failure("a key ended"),
                Err(error) => return error.into(),
            }
        }
    }

    fn wait_until_ready(&mut self, keys: &[KeySpec]) -> Result<(), FidoRigError> {
        let deadline = Instant::now() + START;
        loop {
            let ready = self.keys.iter().zip(keys).all(|(control, spec)| {
                let pong = control.ping();
                pong.is_ok_and(|pong| !spec.inserted || pong.plug.recognised)
            });
            if ready {
                return Ok(());
            }
            if self.ended()? {
                return Err(self.failure("a key ended at once"));
            }
            if Instant::now() > deadline {
                return Err(self.failure("a key doesn't come up"));
            }
            thread::sleep(POLL);
        }
    }

    /// Whether one of the processes did.
    fn ended(&mut self) -> io::Result<bool> {
        for process in &mut self.processes {
            if process.try_wait()?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn failure(&self, what: &str) -> FidoRigError {
        FidoRigError::Failed {
            what: what.to_owned(),
            log: fs::read_to_string(self.log()).unwrap_or_default(),
        }
    }
}

impl Drop for FidoRig {
    fn drop(&mut self) {
        // the end of the pipe is the sign to go; who doesn't heed it is killed
        for process in &mut self.processes {
            drop(process.stdin.take());
        }
        let deadline = Instant::now() + STOP;
        for process in &mut self.processes {
            while Instant::now() < deadline && matches!(process.try_wait(), Ok(None)) {
                thread::sleep(POLL);
            }
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn check_length(path: &Path) -> Result<(), FidoRigError> {
    if path.as_os_str().len() > LONGEST_SOCKET_PATH {
        return Err(FidoRigError::PathTooLong(path.to_owned()));
    }
    Ok(())
}

/// The executable `fido-key`: named, ourselves, beside us, or above us (tests lie in `target/debug/deps`).
pub fn program() -> Result<PathBuf, FidoRigError> {
    if let Some(named) = env::var_os(PROGRAM_VARIABLE) {
        return Ok(named.into());
    }
    let own = env::current_exe()?;
    let folders = own.ancestors().skip(1).take(2);
    let mut candidates = folders.map(|folder| folder.join("fido-key"));
    candidates
        .find(|candidate| candidate.is_file())
        .ok_or(FidoRigError::NoProgram)
}

/// What a program's environment needs to see no keys, not even the machine's own: the library without a folder.
pub fn no_keys() -> Result<(&'static str, PathBuf), FidoRigError> {
    Ok((PRELOAD_VARIABLE, shim::library()?))
}

/// Why there is no rig.
#[derive(Debug)]
pub enum FidoRigError {
    /// Something has to be installed.
    Missing {
        what: String,
        install: &'static str,
    },
    /// The program `fido-key` wasn't built, or lies elsewhere.
    NoProgram,
    /// A socket in this folder would have too long a name.
    PathTooLong(PathBuf),
    /// It came up wrong; the processes' own words are in `log`.
    Failed {
        what: String,
        log: String,
    },
    Io(io::Error),
}

impl fmt::Display for FidoRigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { what, install } => write!(f, "{what} is missing: {install}"),
            Self::NoProgram => write!(
                f,
                "the program fido-key isn't near this executable: build it (cargo build -p tapvault-fido-key) or name it \
                 in {PROGRAM_VARIABLE}"
            ),
            Self::PathTooLong(path) => write!(
                f,
                "{} is too long for a socket ({LONGEST_SOCKET_PATH} bytes): use a shorter folder",
                path.display()
            ),
            Self::Failed { what, log } => write!(f, "{what}; the log says:\n{log}"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for FidoRigError {}

impl From<io::Error> for FidoRigError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
