//! Builds the library by which a program sees a rig's keys as hidraw nodes: `hidraw.c`, which says what it stands in for.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use super::rig::FidoRigError;

const SOURCE: &str = include_str!("hidraw.c");
const NAME: &str = "libtapvault-lab-hidraw.so";

/// The library, built when there is none of this source yet.
pub fn library() -> Result<PathBuf, FidoRigError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = folder()?;
    let library = folder.join(NAME);
    let built_from = folder.join("hidraw.c");
    if !library.exists() || fs::read_to_string(&built_from).ok().as_deref() != Some(SOURCE) {
        build(&folder, &library, &built_from)?;
    }
    Ok(library)
}

/// Other processes may do the same at this moment: each builds in a folder of its own, and the source is put beside the
/// library last.
fn build(folder: &Path, library: &Path, built_from: &Path) -> Result<(), FidoRigError> {
    let own = folder.join(std::process::id().to_string());
    fs::create_dir_all(&own)?;
    let (source, object) = (own.join("hidraw.c"), own.join(NAME));
    fs::write(&source, SOURCE)?;
    let output = Command::new("gcc")
        .args([
            "-std=gnu11",
            "-O1",
            "-g",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-shared",
            "-fPIC",
            "-o",
        ])
        .args([&object, &source])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => FidoRigError::Missing {
                what: "gcc".to_owned(),
                install: "apt-get install gcc libc6-dev",
            },
            _ => error.into(),
        })?;
    if !output.status.success() {
        return Err(FidoRigError::Failed {
            what: "hidraw.c can't be built".to_owned(),
            log: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    fs::rename(&object, library)?;
    fs::rename(&source, built_from)?;
    fs::remove_dir_all(&own)?;
    Ok(())
}

/// Beside the programs of this build (tests lie in `target/debug/deps`).
fn folder() -> io::Result<PathBuf> {
    let own = env::current_exe()?;
    let beside = own.parent().unwrap_or(Path::new("."));
    let beside = match beside.parent() {
        Some(above) if beside.ends_with("deps") || beside.ends_with("examples") => above,
        _ => beside,
    };
    let folder = beside.join("fido-shim");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
