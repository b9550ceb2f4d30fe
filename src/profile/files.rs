//! Where the two files lie, and their bytes: the only lines of this room that touch the disk.

pub mod rewrite;

use std::io;
use std::path::PathBuf;

use super::env::EnvView;
use super::header::FileKind;
use super::text::ConfigText;
use crate::error::{Error, ErrorKind, plain_io};
use crate::reading;
use zeroize::Zeroizing;

/// How a system writes paths and where it keeps homes. An argument, so that each can be tested on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Linux, macOS and their kin.
    Unix,
    /// Windows.
    Windows,
}

impl Platform {
    /// The one this program was built for.
    pub const fn here() -> Self {
        if cfg!(windows) {
            Platform::Windows
        } else {
            Platform::Unix
        }
    }

    fn separator(self) -> char {
        match self {
            Platform::Unix => '/',
            Platform::Windows => '\\',
        }
    }
}

/// Where one of the two files lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Which of the two.
    pub kind: FileKind,
    /// The path to open.
    pub path: PathBuf,
    /// The path to show, with `~` for the home folder.
    pub shown: String,
}

/// A file that can't be found or used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// No home folder, and no variable that names the file.
    #[error("no home folder is known, so {0} can't be found")]
    NoHome(&'static str),
    /// The system would not hand it out.
    #[error("can't read {file}: {}", plain_io(.source))]
    Unreadable {
        /// The file.
        file: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A link whose target has gone. Taken for a missing file it would look as if all profiles had been deleted.
    #[error("{0} is a link to something that isn't there")]
    Dangling(String),
    /// It can't be replaced.
    #[error("can't write {file}: {why}")]
    Unwritable {
        /// The file.
        file: String,
        /// The reason in words.
        why: String,
    },
    /// It has hard links: under its other names the old text would stay.
    #[error("{file} has {names} names (hard links), and the others would keep its keys")]
    OtherNames {
        /// The file.
        file: String,
        /// How many.
        names: u64,
    },
    /// Somebody else wrote it between our reading and our writing.
    #[error("{0} was changed by another program meanwhile; it was left as it is")]
    Changed(String),
    /// It is no text: perhaps the variable points at something else.
    #[error("{0} is not a text file")]
    Binary(String),
    /// It is text, but in UTF-16.
    #[error("{0} is written in UTF-16")]
    Utf16(String),
    /// Larger than any config.
    #[error("{0} is too large for a config file (more than {MAX_BYTES} bytes or {MAX_LINES} lines)")]
    TooLarge(String),
}

impl From<FileError> for Error {
    fn from(err: FileError) -> Self {
        let error = Error::new(ErrorKind::Config, err.to_string());
        err.hints().into_iter().fold(error, Error::hint)
    }
}

impl FileError {
    /// What to do next, one line each.
    pub fn hints(&self) -> Vec<String> {
        match self {
            FileError::NoHome(_) => vec!["set HOME, or AWS_CONFIG_FILE to the file itself".to_owned()],
            FileError::Unreadable { file, .. } => vec![format!("`ls -l {file}` shows who may read it")],
            FileError::Dangling(file) => vec![format!(
                "`ls -l {file}` shows where it leads; mend the link or remove it"
            )],
            FileError::Binary(_) | FileError::TooLarge(_) => {
                vec!["check what AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE point at".to_owned()]
            }
            FileError::Unwritable { file, .. } => vec![format!("`ls -l {file}` shows who may write it")],
            FileError::OtherNames { file, .. } => {
                vec![format!("`find ~ -samefile {file}` shows them; leave one")]
            }
            FileError::Changed(_) => vec!["run it again".to_owned()],
            FileError::Utf16(_) => vec!["save it as UTF-8".to_owned()],
        }
    }
}

/// The most that is read: a thousand times what people have.
pub const MAX_BYTES: u64 = 16 << 20;
/// The most lines taken; each costs memory beyond its bytes.
pub const MAX_LINES: usize = 1_000_000;

/// Where `kind` lies: the variable that names it, else its place in the home folder.
///
/// # Errors
/// [`FileError::NoHome`] when a home folder is needed and none is known.
pub fn locate(kind: FileKind, env: &dyn EnvView, platform: Platform) -> Result<Location, FileError> {
    let (variable, default) = match kind {
        FileKind::Config => ("AWS_CONFIG_FILE", "~/.aws/config"),
        FileKind::Credentials => ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    };
    let home = home(env, platform);
    let named = env.filled(variable).unwrap_or(default);
    let path = match (below_home(named, platform), &home) {
        (None, _) => named.to_owned(),
        (Some(below), Some(home)) => {
            let mut path = home.clone();
            for part in below
                .split(|c| c == '/' || c == platform.separator())
                .filter(|part| !part.is_empty())
            {
                if !path.ends_with(platform.separator()) {
                    path.push(platform.separator());
                }
                path.push_str(part);
            }
            path
        }
        (Some(_), None) => return Err(FileError::NoHome(default)),
    };
    let shown = match home.as_deref().and_then(|home| path.strip_prefix(home)) {
        Some(below) if below.starts_with(platform.separator()) => format!("~{below}"),
        _ => path.clone(),
    };
    Ok(Location {
        kind,
        path: path.into(),
        shown,
    })
}

/// The home folder: `HOME`; on Windows also `USERPROFILE`, then `HOMEDRIVE` and `HOMEPATH`.
pub fn home(env: &dyn EnvView, platform: Platform) -> Option<String> {
    let windows = |name| match platform {
        Platform::Windows => env.filled(name),
        Platform::Unix => None,
    };
    let home = env.filled("HOME").or_else(|| windows("USERPROFILE")).map(str::to_owned);
    home.or_else(|| Some(format!("{}{}", windows("HOMEDRIVE")?, windows("HOMEPATH")?)))
}

/// Reads a file. One that isn't there is an empty one: a vault needs no config.
///
/// # Errors
/// When it can't be read, or is no text that could be a config.
pub fn read(location: &Location) -> Result<ConfigText, FileError> {
    let shown = || location.shown.clone();
    let bytes = match reading::read(&location.path, MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(err) if err.kind() == io::ErrorKind::NotFound && location.path.is_symlink() => {
            return Err(FileError::Dangling(shown()));
        }
        Err(err) if err.kind() == io::ErrorKind::NotFound => Zeroizing::new(Vec::new()),
        Err(source) => return Err(FileError::Unreadable { file: shown(), source }),
    };
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Err(FileError::Utf16(shown()));
    }
    if bytes.contains(&0) {
        return Err(FileError::Binary(shown()));
    }
    if bytes.len() as u64 > MAX_BYTES || bytes.iter().filter(|&&byte| byte == b'\n').count() > MAX_LINES {
        return Err(FileError::TooLarge(shown()));
    }
    Ok(ConfigText::of(location.shown.as_str(), location.kind, bytes))
}

/// What follows `~` and a separator; `~somebody` is left alone, as the SDKs do.
fn below_home(path: &str, platform: Platform) -> Option<&str> {
    let rest = path.strip_prefix('~')?;
    (rest.is_empty() || rest.starts_with('/') || rest.starts_with(platform.separator())).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_alone_means_home() {
        let env = [("HOME", "/home/ana"), ("AWS_CONFIG_FILE", "~/work/config")];
        let found = locate(FileKind::Config, &env, Platform::Unix).unwrap();
        assert_eq!(
            (found.path.to_str().unwrap(), found.shown.as_str()),
            ("/home/ana/work/config", "~/work/config")
        );
        let env = [("HOME", "/home/ana"), ("AWS_CONFIG_FILE", "~bob/config")];
        assert_eq!(
            locate(FileKind::Config, &env, Platform::Unix).unwrap().shown,
            "~bob/config"
        );
        let env = [("HOME", "/home/ana"), ("AWS_CONFIG_FILE", "/home/ana2/config")];
        assert_eq!(
            locate(FileKind::Config, &env, Platform::Unix).unwrap().shown,
            "/home/ana2/config"
        );
    }

    #[test]
    fn without_a_home_nothing_is_guessed() {
        let none: [(&str, &str); 0] = [];
        assert!(matches!(
            locate(FileKind::Config, &none, Platform::Unix),
            Err(FileError::NoHome(_))
        ));
    }

    #[test]
    fn a_missing_file_is_empty_and_a_folder_is_an_error() {
        let at = |path: &str| Location {
            kind: FileKind::Config,
            path: path.into(),
            shown: path.to_owned(),
        };
        assert!(read(&at("/nonexistent/config")).unwrap().as_bytes().is_empty());
        let error = read(&at("/")).unwrap_err();
        assert!(error.to_string().starts_with("can't read /: "), "{error}");
        if cfg!(unix) {
            assert!(matches!(read(&at("/bin/sh")), Err(FileError::Binary(_))));
            assert!(matches!(read(&at("/dev/zero")), Err(FileError::Binary(_))));
        }
    }
}
