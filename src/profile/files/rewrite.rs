//! Puts an edited file back: whole or not at all, with the mode, the owner and the link that it had.
//!
//! It is the person's own file, in a folder that other programs use too; so it is changed only if it still is what was read.

use super::{FileError, Location, MAX_BYTES};
use crate::error::plain_io;
use crate::profile::text::ConfigText;
use crate::reading;
use rustix::fs::{Gid, Mode, Uid};
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Temporary files begin so; what a killed command left of them is swept by the next one.
const TEMPORARY: &str = ".tapvault-tmp-";

/// What is added to the file's name for a copy of what it was.
const BACKUP: &str = ".before-tapvault";

/// Whether a copy of the old file is kept. It holds the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backup {
    /// Beside the file, readable by its owner alone.
    Keep,
    /// None.
    None,
}

/// The file behind `location`, ready to be replaced.
pub struct Rewrite {
    target: PathBuf,
    shown: String,
    metadata: Metadata,
}

impl Rewrite {
    /// Looks at the file and its folder, before anything costs a touch. A link is followed once and for all.
    ///
    /// # Errors
    /// [`FileError::Unwritable`] when it could not be replaced, and [`FileError::OtherNames`] when its text would live on under a name
    /// that nobody thinks of.
    pub fn prepare(location: &Location, backup: Backup) -> Result<Self, FileError> {
        let shown = location.shown.clone();
        let unwritable = |source: io::Error| unwritable(&shown, &source);
        let target = location.path.canonicalize().map_err(unwritable)?;
        let metadata = target.metadata().map_err(unwritable)?;
        if !metadata.is_file() {
            return Err(FileError::Unwritable {
                file: shown,
                why: "it is no ordinary file".into(),
            });
        }
        if metadata.nlink() > 1 {
            return Err(FileError::OtherNames {
                file: shown,
                names: metadata.nlink(),
            });
        }
        let rewrite = Rewrite {
            target,
            shown,
            metadata,
        };
        rustix::fs::access(rewrite.folder(), rustix::fs::Access::WRITE_OK).map_err(|err| rewrite.failed(err.into()))?;
        if backup == Backup::Keep && rewrite.backup().exists() {
            return Err(FileError::Unwritable {
                file: rewrite.backup().display().to_string(),
                why: "it is there already, and a backup is not overwritten".into(),
            });
        }
        Ok(rewrite)
    }

    /// Makes an empty file, readable by its owner alone, and its folder, where there is none.
    ///
    /// # Errors
    /// [`FileError::Unwritable`] when it can't be made.
    pub fn make_missing(location: &Location) -> Result<(), FileError> {
        let failed = |err: io::Error| unwritable(&location.shown, &err);
        if let Some(folder) = location.path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(failed)?;
        }
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&location.path);
        match made {
            Err(err) if err.kind() != ErrorKind::AlreadyExists => Err(failed(err)),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Replaces `old`, which was read from there, by `new`; keeps a copy of `old` if that was asked for, and says where.
    ///
    /// Either the old or the new text is there, whatever interrupts it.
    ///
    /// # Errors
    /// [`FileError::Changed`] when somebody else has changed the file since.
    pub fn replace(&self, old: &ConfigText, new: &ConfigText, backup: Backup) -> Result<Option<PathBuf>, FileError> {
        self.sweep();
        let now = reading::read(&self.target, MAX_BYTES).map_err(|err| self.failed(err))?;
        if now.as_slice() != old.as_bytes() {
            return Err(FileError::Changed(self.shown.clone()));
        }
        let kept = match backup {
            Backup::None => None,
            Backup::Keep => {
                self.written(old.as_bytes(), Mode::RUSR | Mode::WUSR)?
                    .persist_noclobber(self.backup())
                    .map_err(|err| self.failed(err.error))?;
                Some(self.backup())
            }
        };
        let mode = Mode::from_raw_mode(self.metadata.mode() & 0o7777);
        self.written(new.as_bytes(), mode)?
            .persist(&self.target)
            .map_err(|err| self.failed(err.error))?;
        File::open(self.folder())
            .and_then(|folder| folder.sync_all())
            .map_err(|err| self.failed(err))?;
        Ok(kept)
    }

    /// A temporary file beside the target with these bytes, on the disk.
    fn written(&self, bytes: &[u8], mode: Mode) -> Result<tempfile::NamedTempFile, FileError> {
        let failed = |err: io::Error| self.failed(err);
        // `tempfile` opens with mode 0600 and O_EXCL, and removes the file if anything below fails.
        let mut temporary = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempfile_in(self.folder())
            .map_err(failed)?;
        temporary.write_all(bytes).map_err(failed)?;
        let there = temporary.as_file().metadata().map_err(failed)?;
        // The owner before the mode: a change of owner clears some of its bits.
        if (there.uid(), there.gid()) != (self.metadata.uid(), self.metadata.gid()) {
            let (uid, gid) = (self.metadata.uid(), self.metadata.gid());
            let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            rustix::fs::fchown(temporary.as_file(), owner.0, owner.1).map_err(|err| failed(err.into()))?;
        }
        rustix::fs::fchmod(temporary.as_file(), mode).map_err(|err| failed(err.into()))?;
        temporary.as_file().sync_all().map_err(failed)?;
        Ok(temporary)
    }

    /// Removes what a killed command left beside the file.
    fn sweep(&self) {
        for item in std::fs::read_dir(self.folder()).into_iter().flatten().flatten() {
            if item.file_name().to_string_lossy().starts_with(TEMPORARY) {
                let _ = std::fs::remove_file(item.path());
            }
        }
    }

    fn folder(&self) -> &Path {
        self.target.parent().unwrap_or(Path::new("/"))
    }

    fn backup(&self) -> PathBuf {
        let mut name = self.target.clone().into_os_string();
        name.push(BACKUP);
        name.into()
    }

    fn failed(&self, err: io::Error) -> FileError {
        unwritable(&self.shown, &err)
    }
}

fn unwritable(shown: &str, err: &io::Error) -> FileError {
    let why = match err.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("{}; free some space and run it again", plain_io(err))
        }
        _ => plain_io(err),
    };
    FileError::Unwritable {
        file: shown.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::header::FileKind;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn at(path: &Path) -> Location {
        Location {
            kind: FileKind::Credentials,
            path: path.to_owned(),
            shown: "~/credentials".into(),
        }
    }

    fn text(bytes: &str) -> ConfigText {
        ConfigText::parse("~/credentials", FileKind::Credentials, bytes.into())
    }

    #[test]
    fn mode_and_link_are_kept_and_no_backup_is_left_unasked() {
        let folder = tempfile::tempdir().expect("a folder");
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "[a]\n").expect("written");
        fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).expect("mode");
        std::os::unix::fs::symlink("real", &link).expect("linked");
        fs::write(folder.path().join(".tapvault-tmp-old"), "half").expect("written");
        let rewrite = Rewrite::prepare(&at(&link), Backup::None).expect("ready");
        rewrite
            .replace(&text("[a]\n"), &text("[b]\n"), Backup::None)
            .expect("replaced");
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&real).expect("read"), "[b]\n");
        assert_eq!(real.metadata().expect("there").mode() & 0o7777, 0o640);
        assert_eq!(folder.path().read_dir().expect("listed").count(), 2);
    }

    #[test]
    fn a_missing_file_is_made_private_and_one_that_is_there_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("aws/config");
        Rewrite::make_missing(&at(&path)).expect("made");
        assert_eq!(path.metadata().expect("there").mode() & 0o7777, 0o600);
        fs::write(&path, "[a]\n").expect("written");
        Rewrite::make_missing(&at(&path)).expect("nothing to do");
        assert_eq!(fs::read_to_string(&path).expect("read"), "[a]\n");
    }

    #[test]
    fn a_backup_is_private_and_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials");
        fs::write(&path, "[a]\n").expect("written");
        let rewrite = Rewrite::prepare(&at(&path), Backup::Keep).expect("ready");
        let kept = rewrite
            .replace(&text("[a]\n"), &text("[b]\n"), Backup::Keep)
            .expect("replaced");
        let kept = kept.expect("a backup");
        assert_eq!(fs::read_to_string(&kept).expect("read"), "[a]\n");
        assert_eq!(kept.metadata().expect("there").mode() & 0o7777, 0o600);
        let error = Rewrite::prepare(&at(&path), Backup::Keep).err().expect("refused");
        assert!(error.to_string().contains("before-tapvault"), "{error}");
    }

    #[test]
    fn what_somebody_else_has_changed_or_calls_otherwise_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials");
        fs::write(&path, "[a]\n").expect("written");
        let rewrite = Rewrite::prepare(&at(&path), Backup::None).expect("ready");
        fs::write(&path, "[a]\n[new]\n").expect("written");
        let error = rewrite.replace(&text("[a]\n"), &text("[b]\n"), Backup::None);
        assert!(matches!(error, Err(FileError::Changed(_))));
        assert_eq!(fs::read_to_string(&path).expect("read"), "[a]\n[new]\n");
        fs::hard_link(&path, folder.path().join("other")).expect("linked");
        assert!(matches!(
            Rewrite::prepare(&at(&path), Backup::None),
            Err(FileError::OtherNames { names: 2, .. })
        ));
    }
}
