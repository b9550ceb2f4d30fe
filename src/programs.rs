//! The two programs: `tapvault`, which is small and asks the agent, and `tapvault-engine`, which does all the rest.

use crate::error::{Error, ErrorKind, Result, plain_io};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The command that people type.
pub const FRONT: &str = "tapvault";

/// What it becomes for everything that it does not do itself.
const ENGINE: &str = "tapvault-engine";

/// Where distributions put programs that nobody types (Filesystem Hierarchy Standard 3.0, 4.7), seen from the front's folder.
const ELSEWHERE: &str = "../libexec/tapvault";

/// Where this process's program lies; without `/proc` what a shell finds under the name by which it was called.
///
/// # Errors
/// When neither tells.
pub fn own_file() -> std::io::Result<PathBuf> {
    std::env::current_exe().or_else(|err| {
        let called = std::env::args_os().next().unwrap_or_default();
        let found = which::which(called).map_err(|_| err)?;
        found.canonicalize()
    })
}

/// The file of the engine: this program's own, if it is the engine, or the one beside it.
///
/// # Errors
/// [`ErrorKind::Other`] when it is not where it belongs.
pub fn engine() -> Result<PathBuf> {
    let own = own_file().map_err(|err| {
        let text = format!("this program's own file is not found: {}", plain_io(&err));
        Error::new(ErrorKind::Other, text)
    })?;
    found_from(&own)
}

fn found_from(own: &Path) -> Result<PathBuf> {
    let own = &in_place(own);
    if own.file_name() != Some(OsStr::new(FRONT)) {
        return Ok(own.clone());
    }
    let folder = own.parent().unwrap_or(Path::new("/"));
    let places = [folder.join(ENGINE), folder.join(ELSEWHERE).join(ENGINE)];
    places.iter().find(|place| place.exists()).cloned().ok_or_else(|| {
        Error::new(
            ErrorKind::Other,
            format!("{ENGINE} is missing; it belongs beside {}", own.display()),
        )
        .hint("install both programs, into one folder; an update may be replacing them just now")
    })
}

/// Where the program lies that has taken the place of this one, if an update has: Linux marks what is gone (proc_pid_exe(5)).
fn in_place(own: &Path) -> PathBuf {
    let gone = own.as_os_str().as_bytes().strip_suffix(b" (deleted)");
    gone.map_or_else(|| own.to_owned(), |own| OsStr::from_bytes(own).into())
}

/// Becomes the engine, with these words after the name under which this program was called. Returns only when that fails.
pub fn become_engine(name: &OsStr, words: &[OsString]) -> Error {
    let path = match engine() {
        Ok(path) => path,
        Err(error) => return error,
    };
    let err = Command::new(&path).arg0(name).args(words).exec();
    Error::new(
        ErrorKind::Other,
        format!("{} can't be run: {}", path.display(), plain_io(&err)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_engine_lies_beside_the_front_or_in_libexec_and_is_itself() {
        let root = tempfile::tempdir().expect("a folder");
        let place = |path: &str| {
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs::write(&file, "").expect("written");
            file
        };
        let front = place("usr/bin/tapvault");
        let error = found_from(&front).expect_err("no engine");
        assert!(error.message().contains("usr/bin/tapvault"), "{error}");
        place("usr/libexec/tapvault/tapvault-engine");
        let found = found_from(&front).expect("in libexec");
        assert!(found.ends_with("libexec/tapvault/tapvault-engine"), "{found:?}");
        let beside = place("usr/bin/tapvault-engine");
        assert_eq!(found_from(&front).expect("beside"), beside);
        assert_eq!(found_from(&beside).expect("itself"), beside);
        let replaced = root.path().join("usr/bin/tapvault (deleted)");
        assert_eq!(found_from(&replaced).expect("that of the update"), beside);
    }
}
