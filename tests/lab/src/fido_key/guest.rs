//! A small virtual machine in which keys are real hidraw nodes: the kernel makes them of what `fido-key` tells `/dev/uhid`.
//!
//! ```no_run
//! use tapvault_lab::fido_key::{guest::Guest, rig::program};
//!
//! let console = Guest::new("node=$(plug one) && check 'it is found' fido2-token -I $node")
//!     .program(&program()?)
//!     .program("/usr/bin/fido2-token".as_ref())
//!     .run()?;
//! assert_eq!(console.status, Some(0), "{}", console.text);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Inside are Debian's kernel for virtual machines, busybox, root and somebody called ana, and the programs that are
//! named, with their libraries. The test is a shell script, run by root with the words of `guest/words.sh`: `plug`,
//! `tell`, `as_ana`, `check` and others. It has no network and no disk; what it leaves behind is its console, and what it
//! gives to `hand_over`.
//!
//! Its clock counts instructions and jumps over idle time. So a machine that is busy with other things makes it slow, but
//! nothing in it is late, and waiting in vain costs nothing.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::rig::FidoRigError;

/// An idle machine needs less than a minute for a whole test; one that does ten things at once far more.
const DEADLINE: Duration = Duration::from_secs(900);
/// 4 ns for each instruction, about what emulation takes for them.
const CLOCK: &str = "shift=2,sleep=off";
const MEMORY: &str = "768";
const SETUP: &str = "bash tests/setup fido";
/// The line with which init ends.
const STATUS: &str = "GUEST-STATUS=";

const NEEDED: [&str; 5] = [
    "/usr/bin/qemu-system-x86_64",
    "/usr/bin/cpio",
    "/usr/bin/setpriv",
    "/usr/bin/strip",
    "/usr/bin/ldd",
];

/// A guest's test, not yet run.
pub struct Guest {
    script: String,
    programs: Vec<PathBuf>,
    files: Vec<(PathBuf, String)>,
    deadline: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Console {
    pub text: String,
    /// The test's exit code; `None` if the guest did not get that far in time.
    pub status: Option<i32>,
    /// What it handed over, by name.
    pub handed: BTreeMap<String, Vec<u8>>,
}

impl Guest {
    /// This script is the test: its exit code is the guest's.
    pub fn new(script: &str) -> Self {
        Self {
            script: script.to_owned(),
            programs: Vec::new(),
            files: Vec::new(),
            deadline: DEADLINE,
        }
    }

    /// The guest has this program, as `/usr/bin/NAME`, and the libraries that it is linked with.
    pub fn program(mut self, program: &Path) -> Self {
        self.programs.push(program.to_owned());
        self
    }

    /// The guest has a file with this content, executable and for everybody to read.
    pub fn file(mut self, path: &str, content: &str) -> Self {
        self.files.push((path.into(), content.to_owned()));
        self
    }

    /// How long it may take.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub fn run(self) -> Result<Console, FidoRigError> {
        // Emulated, one guest takes one core for itself; two at once only take longer.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let kernel = repository().join("target/fido-guest/vmlinuz");
        let programs = self.programs.iter().map(PathBuf::as_path);
        for needed in NEEDED
            .map(Path::new)
            .into_iter()
            .chain([kernel.as_path()])
            .chain(programs)
        {
            if !needed.exists() {
                return Err(FidoRigError::Missing {
                    what: needed.display().to_string(),
                    install: SETUP,
                });
            }
        }
        let folder = Folder::new()?;
        let image = self.image(&folder.0)?;
        let handed = folder.0.join("handed");
        let text = self.boot(&kernel, &image, &handed)?;
        let status = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix(STATUS))
            .find_map(|status| status.parse().ok());
        Ok(Console {
            text,
            status,
            handed: read_handed(&fs::read(&handed).unwrap_or_default()),
        })
    }

    fn image(&self, folder: &Path) -> Result<PathBuf, FidoRigError> {
        let overlay = folder.join("overlay");
        let own = [
            (Path::new("/test.sh"), self.script.as_str()),
            (Path::new("/lib/guest.sh"), include_str!("../../guest/words.sh")),
        ];
        let given = self
            .files
            .iter()
            .map(|(path, content)| (path.as_path(), content.as_str()));
        for (path, content) in own.into_iter().chain(given) {
            let path = overlay.join(path.strip_prefix("/").unwrap_or(path));
            fs::create_dir_all(path.parent().unwrap_or(&overlay))?;
            fs::write(&path, content)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        let image = folder.join("image");
        let script = repository().join("tests/lab/guest/image");
        let made = Command::new("bash")
            .arg(script)
            .args([&image, &overlay])
            .args(&self.programs)
            .stdin(Stdio::null())
            .output()?;
        if !made.status.success() {
            return Err(FidoRigError::Failed {
                what: "the guest's root can't be made".to_owned(),
                log: String::from_utf8_lossy(&made.stderr).into_owned(),
            });
        }
        Ok(image)
    }

    /// Everything that the guest's console said. At the deadline it is switched off, and when this thread ends.
    fn boot(&self, kernel: &Path, image: &Path, handed: &Path) -> io::Result<String> {
        let output = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "timeout", "--signal=KILL"])
            .arg(self.deadline.as_secs().to_string())
            // once more: a killed `timeout` would leave its child behind
            .args(["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"])
            // Emulation alone: it is there on every machine, and KVM need not be what it seems inside of virtual ones.
            // A processor without AVX: where there is one, the C library copies with it, and that takes longest to emulate.
            .args(["-machine", "pc", "-accel", "tcg", "-cpu", "Nehalem,+rdrand", "-m", MEMORY])
            .args(["-icount", CLOCK])
            .args([
                "-nodefaults",
                "-no-user-config",
                "-no-reboot",
                "-display",
                "none",
                "-serial",
                "stdio",
                "-serial",
            ])
            .arg(format!("file:{}", handed.display()))
            .arg("-kernel")
            .arg(kernel)
            .arg("-initrd")
            .arg(image)
            .args([
                "-append",
                // no_timer_check: on a busy machine an emulated timer may be too late for the kernel's patience
                "console=ttyS0 quiet loglevel=3 panic=-1 no_timer_check random.trust_cpu=on tsc=reliable mitigations=off",
            ])
            .stdin(Stdio::null())
            .output()?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok(text)
    }
}

/// Lines of a name and what was handed over under it, in base64. A guest that was switched off may leave none, or half of one.
fn read_handed(text: &[u8]) -> BTreeMap<String, Vec<u8>> {
    String::from_utf8_lossy(text)
        .lines()
        .filter_map(|line| {
            let (name, bytes) = line.trim().split_once(' ')?;
            Some((name.to_owned(), BASE64_STANDARD.decode(bytes).ok()?))
        })
        .collect()
}

/// Goes with this value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let unique = format!("tapvault-guest-{}", std::process::id());
        let folder = std::env::temp_dir().join(unique);
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // an error leaves a folder in /tmp, and hides nothing
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
