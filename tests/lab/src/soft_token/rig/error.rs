//! Why a rig doesn't come up, in words that say what to do about it.

use std::{fmt, io, path::PathBuf};

use super::{LONGEST_SOCKET_PATH, PROGRAM_VARIABLE, SLOTS};

/// Why there is no rig.
#[derive(Debug)]
pub enum RigError {
    /// Something has to be installed.
    Missing {
        file: &'static str,
        package: &'static str,
    },
    /// The program `soft-token` wasn't built, or lies elsewhere.
    NoProgram,
    /// The kernel lets us have no namespaces.
    NoNamespaces(String),
    /// A socket in this folder would have too long a name.
    PathTooLong(PathBuf),
    /// vpcd's reader has two slots.
    TooManyTokens,
    /// It came up wrong; the processes' own words are in `log`.
    Failed {
        what: String,
        log: String,
    },
    Io(io::Error),
}

impl fmt::Display for RigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { file, package } => {
                write!(
                    f,
                    "{file} is missing: install the Debian package {package} (apt-get install {package})"
                )
            }
            Self::NoProgram => write!(
                f,
                "the program soft-token isn't near this executable: build it (cargo build -p tapvault-lab) or name it \
                 in {PROGRAM_VARIABLE}"
            ),
            Self::NoNamespaces(reason) => write!(
                f,
                "no namespaces for a pcscd of our own ({reason}): run as root, or allow unprivileged user namespaces \
                 (Ubuntu 24.04: sysctl kernel.apparmor_restrict_unprivileged_userns=0; elsewhere: sysctl \
                 kernel.unprivileged_userns_clone=1)"
            ),
            Self::PathTooLong(path) => {
                write!(
                    f,
                    "{} is too long for a socket ({LONGEST_SOCKET_PATH} bytes): use a shorter folder",
                    path.display()
                )
            }
            Self::TooManyTokens => write!(f, "a reader of vpcd has {SLOTS} slots"),
            Self::Failed { what, log } => write!(f, "{what}; the log says:\n{log}"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for RigError {}

impl From<io::Error> for RigError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
