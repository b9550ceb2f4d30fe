//! The programs that the tests run, and whether everything that they need is there.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

/// Programs, and the Debian packages that bring them.
const NEEDED: [(&str, &str); 13] = [
    ("/usr/bin/setsid", "util-linux"),
    ("/usr/bin/aws", "awscli"),
    ("/usr/bin/ykman", "yubikey-manager"),
    ("/usr/sbin/pcscd", "pcscd"),
    ("/bin/bash", "bash"),
    ("/usr/bin/zsh", "zsh"),
    ("/usr/bin/fish", "fish"),
    ("/usr/bin/less", "less"),
    ("/usr/bin/pinentry-curses", "pinentry-curses"),
    ("/usr/bin/dbus-daemon", "dbus-daemon"),
    ("/usr/bin/gnome-keyring-daemon", "gnome-keyring"),
    ("/usr/bin/secret-tool", "libsecret-tools"),
    ("/usr/bin/fido2-token", "fido2-tools"),
];

/// The program under test.
pub fn tapvault() -> &'static str {
    env!("CARGO_BIN_EXE_tapvault")
}

/// Whether the program at `path` is it, or a copy: it becomes its engine.
pub fn is_ours(path: &Path) -> bool {
    let ours = [tapvault(), env!("CARGO_BIN_EXE_tapvault-engine")];
    ours.iter().any(|ours| path.file_name() == Path::new(ours).file_name())
}

/// The Python that has boto3.
pub const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/python");

/// `card-client`, which lies beside the program under test.
pub fn card_client() -> PathBuf {
    beside("card-client")
}

/// `fido2-tool`, an example of the program's own package.
pub fn fido2_tool() -> PathBuf {
    Path::new(tapvault()).with_file_name("examples").join("fido2-tool")
}

/// Fails in words that say what to do if something is missing.
pub fn check() {
    static CHECKED: OnceLock<Result<(), String>> = OnceLock::new();
    fail_if_missing(CHECKED.get_or_init(look));
}

/// The same for what only benches with FIDO2 tokens need: a firmware is large to build.
pub fn check_fido2() {
    static CHECKED: OnceLock<Result<(), String>> = OnceLock::new();
    fail_if_missing(CHECKED.get_or_init(look_for_fido2));
}

fn fail_if_missing(looked: &Result<(), String>) {
    if let Err(missing) = looked {
        panic!("{missing}");
    }
}

fn look() -> Result<(), String> {
    for (program, package) in NEEDED {
        if !Path::new(program).exists() {
            return Err(format!("{program} is missing: apt-get install {package}"));
        }
    }
    if !Path::new(PYTHON).exists() {
        return Err(format!("{PYTHON} is missing: bash tests/setup test"));
    }
    // Cargo builds the lab's library for these tests, but not its programs.
    let lab = lab();
    for name in ["soft-token", "card-client"] {
        let own = source(&format!("tests/lab/src/bin/{name}.rs"));
        fresh(
            &beside(name),
            lab.max(changed(&own)),
            "cargo build -p tapvault-lab --bins",
        )?;
    }
    Ok(())
}

fn look_for_fido2() -> Result<(), String> {
    let key = newest(&source("tests/fido-key/src"));
    fresh(
        &beside("fido-key"),
        lab().max(key),
        "cargo build -p tapvault-fido-key --bins",
    )?;
    let tool = changed(&source("tests/fido2/tool.rs"));
    fresh(&fido2_tool(), tool, "cargo build --examples")
}

/// Whether a program is there and not older than what it is built of.
fn fresh(program: &Path, sources: SystemTime, build: &str) -> Result<(), String> {
    let built = program.metadata().and_then(|metadata| metadata.modified());
    match built {
        Ok(built) if built >= sources => Ok(()),
        Ok(_) => Err(format!("{} is older than its source: {build}", program.display())),
        Err(_) => Err(format!("{} is not built: {build}", program.display())),
    }
}

/// When the lab's library was changed.
fn lab() -> SystemTime {
    newest(&source("tests/lab/src"))
}

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn beside(name: &str) -> PathBuf {
    Path::new(tapvault()).with_file_name(name)
}

/// When the newest file of the library in this folder was changed.
fn newest(folder: &Path) -> SystemTime {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| !path.ends_with("bin"))
        .map(|path| if path.is_dir() { newest(&path) } else { changed(&path) })
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

fn changed(path: &Path) -> SystemTime {
    let modified = path.metadata().and_then(|metadata| metadata.modified());
    modified.unwrap_or(SystemTime::UNIX_EPOCH)
}
