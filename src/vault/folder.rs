//! A private folder: files of mode 0600 that are replaced whole or not at all, and a lock that orders those who change it.
//!
//! Used for the vault and for the state folder. What the files mean is left to others.

use crate::error::{Error, ErrorKind, Result, io};
use rand::RngCore;
use rand::rngs::OsRng;
use rustix::fs::{Mode, OFlags};
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Larger than any file that tapvault writes by far: 4 MiB. A longer one is refused unread.
pub const LONGEST_FILE: u64 = 4 << 20;

/// How long a command waits for another one to let go of the lock. Nobody holds it while a person is asked for something.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);

/// The lock file's name. It lies in the folder it guards: two logins, or cron, have different runtime folders.
const LOCK: &str = ".lock";

/// Temporary files begin so; what a killed command left of them is swept by the next writer.
const TEMPORARY: &str = ".tmp-";

/// A folder that belongs to the user alone.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    /// Whether it lies inside another one of ours: then a link in its place would lead out.
    inner: bool,
}

/// The folder's lock, held until dropped.
pub struct Lock {
    file: Option<File>,
}

impl Lock {
    /// Writes this process's ID into the lock file, for whoever finds it held.
    pub fn sign(&self) -> Result<()> {
        let Some(mut file) = self.file.as_ref() else {
            return Ok(());
        };
        file.set_len(0)
            .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()))
            .map_err(|err| io("writing", Path::new("the lock file"), &err))
    }
}

/// Room on the disk for something that must not fail for want of it; given back when dropped.
pub struct Room {
    _file: tempfile::NamedTempFile,
}

impl Folder {
    /// The folder at `path`; nothing is made or checked yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Folder {
            path: path.into(),
            inner: false,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder in it.
    pub fn below(&self, name: &str) -> Folder {
        Folder {
            path: self.path.join(name),
            inner: true,
        }
    }

    /// Whether it is there; a link in the place of an inner folder is not.
    pub fn exists(&self) -> bool {
        if self.inner {
            std::fs::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.is_dir())
        } else {
            self.path.is_dir()
        }
    }

    /// Makes it, and its parents, with mode 0700; refuses one that others can enter.
    pub fn ensure(&self) -> Result<()> {
        if !self.exists() {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&self.path)
                .map_err(|err| io("making the folder", &self.path, &err))?;
            // What is moved out of it must not survive a power cut that forgets the folder itself. Of the folder above the
            // vault nothing is known, not even whether it may be read.
            match self.path.parent().map(|above| Folder::at(above).sync()) {
                Some(Err(error)) if self.inner => return Err(error),
                _ => {}
            }
        }
        self.check()
    }

    /// Refuses a folder that is somebody else's or that others can enter. A missing one passes.
    ///
    /// The vault's own folder may be a link (into a synced folder); one inside it may not, see [`Folder::below`].
    pub fn check(&self) -> Result<()> {
        let metadata = if self.inner {
            std::fs::symlink_metadata(&self.path)
        } else {
            std::fs::metadata(&self.path)
        };
        match metadata {
            Ok(metadata) if !metadata.is_dir() => Err(not_a_folder(&self.path)),
            Ok(metadata) => check_private(&self.path, &metadata),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(err) => Err(io("reading", &self.path, &err)),
        }
    }

    /// Waits for the lock that writers hold alone. The folder has to exist.
    pub fn lock(&self) -> Result<Lock> {
        self.acquire(self.lock_file(LOCK)?, LOCK, File::try_lock)
    }

    /// Waits for the lock that readers share. Where no lock file can be made (the folder is missing or read-only, the disk is
    /// full) nobody can change anything either, so none is needed.
    pub fn lock_shared(&self) -> Result<Lock> {
        match self.lock_file(LOCK) {
            Ok(file) => self.acquire(file, LOCK, File::try_lock_shared),
            // Something else in its place keeps nobody from changing anything.
            Err(error) if error.kind() == ErrorKind::Damaged => Err(error),
            Err(_) => Ok(Lock { file: None }),
        }
    }

    /// As [`Folder::lock_shared`], but makes no lock file: without one nothing was ever written here by tapvault.
    pub fn lock_shared_if_made(&self) -> Result<Lock> {
        match std::fs::symlink_metadata(self.path.join(LOCK)) {
            Ok(_) => self.lock_shared(),
            Err(_) => Ok(Lock { file: None }),
        }
    }

    /// Takes the writers' lock if nobody holds it.
    pub fn try_lock(&self) -> Result<Option<Lock>> {
        self.try_lock_called(LOCK)
    }

    /// Takes the lock called `name` if nobody holds it; `None` if somebody does.
    pub fn try_lock_called(&self, name: &str) -> Result<Option<Lock>> {
        let file = self.lock_file(name)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { file: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(err)) => Err(io("locking", &self.path, &err)),
        }
    }

    /// The whole of the file `name`; `None` when it is missing.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when others can read or write it, or when it is longer than [`LONGEST_FILE`].
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path.join(name);
        // O_NOFOLLOW: a link in the vault leads out of it. O_NONBLOCK: opening a pipe must not hang.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::LOOP) => return Err(not_a_file(&path)),
            Err(err) => return Err(io("reading", &path, &err.into())),
        };
        let metadata = file.metadata().map_err(|err| io("reading", &path, &err))?;
        if !metadata.is_file() {
            return Err(not_a_file(&path));
        }
        check_private(&path, &metadata)?;
        // Room for all of it, and for the read that finds the end: a file is two calls, not one for every doubling.
        let expected = metadata.len().min(LONGEST_FILE) as usize;
        let mut bytes = Vec::with_capacity(expected + 1);
        file.take(LONGEST_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|err| io("reading", &path, &err))?;
        if bytes.len() as u64 > LONGEST_FILE {
            return Err(Error::new(
                ErrorKind::Damaged,
                format!("{} is larger than anything tapvault writes", path.display()),
            )
            .hint("restore it from a backup"));
        }
        Ok(Some(bytes))
    }

    /// Replaces the file `name` by `bytes`: either the old or the new content is there, whatever interrupts it.
    ///
    /// The order is write a temporary file, fsync it, rename it, fsync the folder.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        let failed = |err: std::io::Error| io("writing", &path, &err);
        // `tempfile` opens with mode 0600 and O_EXCL, and removes the file if anything below fails.
        let mut temporary = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempfile_in(&self.path)
            .map_err(failed)?;
        temporary.write_all(bytes).map_err(failed)?;
        temporary.as_file().sync_all().map_err(failed)?;
        temporary.persist(&path).map_err(|err| failed(err.error))?;
        self.sync()
    }

    /// Takes up `bytes` of room on the disk: what has to be written later will find it. A killed command's room is swept like
    /// any temporary file.
    pub fn reserve(&self, bytes: usize) -> Result<Room> {
        let failed = |err: std::io::Error| io("reserving room in", &self.path, &err);
        let mut file = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempfile_in(&self.path)
            .map_err(failed)?;
        // Not zeros: a file system that compresses would keep no room for those.
        let mut noise = vec![0; bytes];
        OsRng.fill_bytes(&mut noise);
        file.write_all(&noise).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        Ok(Room { _file: file })
    }

    /// Moves `name` from here into `to` under the same name, replacing what is there.
    pub fn hand_over(&self, name: &str, to: &Folder) -> Result<()> {
        let (from, to) = (self.path.join(name), to.path.join(name));
        std::fs::rename(&from, &to).map_err(|err| io("moving into place", &to, &err))
    }

    /// Removes the file `name`; a missing one is fine. Says whether it was there.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let path = self.path.join(name);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(err) => Err(io("removing", &path, &err)),
        }
    }

    /// Removes the folder with all that is in it; a missing one is fine.
    pub fn remove_all(&self) -> Result<()> {
        match std::fs::remove_dir_all(&self.path) {
            Ok(()) => Ok(()),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(err) => Err(io("removing", &self.path, &err)),
        }
    }

    /// Makes renames and removals in this folder survive a power cut.
    pub fn sync(&self) -> Result<()> {
        File::open(&self.path)
            .and_then(|folder| folder.sync_all())
            .map_err(|err| io("writing", &self.path, &err))
    }

    /// Whether files can be made in it.
    pub fn can_be_written(&self) -> bool {
        rustix::fs::access(&self.path, rustix::fs::Access::WRITE_OK).is_ok()
    }

    /// Refuses a folder in which nothing can be changed: it is read-only, or its modes say so. A missing one passes.
    pub fn must_be_writable(&self) -> Result<()> {
        match rustix::fs::access(&self.path, rustix::fs::Access::WRITE_OK) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(err) => Err(io("writing to", &self.path, &err.into())),
        }
    }

    /// The names of the files whose names end in `ending`, sorted; none when the folder is missing.
    pub fn names(&self, ending: &str) -> Result<Vec<String>> {
        let listing = match std::fs::read_dir(&self.path) {
            Ok(listing) => listing,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(err) => return Err(io("reading", &self.path, &err)),
        };
        let mut names = Vec::new();
        for item in listing {
            let item = item.map_err(|err| io("reading", &self.path, &err))?;
            // Names that are not UTF-8, or hidden, were not made by this program.
            if let Ok(name) = item.file_name().into_string()
                && name.ends_with(ending)
                && !name.starts_with('.')
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Removes temporary files that a killed command left behind. Call it under [`Folder::lock`].
    pub fn sweep(&self) {
        let Ok(listing) = std::fs::read_dir(&self.path) else {
            return;
        };
        for item in listing.flatten() {
            if item.file_name().to_string_lossy().starts_with(TEMPORARY) {
                let _ = std::fs::remove_file(item.path());
            }
        }
    }

    fn acquire(&self, file: File, name: &str, attempt: fn(&File) -> Result<(), TryLockError>) -> Result<Lock> {
        let start = Instant::now();
        // A poll and not a blocking lock: a blocking one has no end, and nothing here may hang.
        let mut pause = Duration::from_millis(1);
        loop {
            match attempt(&file) {
                Ok(()) => return Ok(Lock { file: Some(file) }),
                Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_PATIENCE => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        format!(
                            "another tapvault has been changing {} for {} s",
                            self.path.display(),
                            LOCK_PATIENCE.as_secs()
                        ),
                    )
                    .hint(format!("`fuser {}` shows which", self.path.join(name).display())));
                }
                Err(TryLockError::Error(err)) => return Err(io("locking", &self.path, &err)),
            }
        }
    }

    fn lock_file(&self, name: &str) -> Result<File> {
        let path = self.path.join(name);
        let no_lock = || {
            Error::new(
                ErrorKind::Damaged,
                format!("{} is no lock file of tapvault's", path.display()),
            )
            .hint(format!("it holds nothing: rm -r {}", path.display()))
        };
        // O_NONBLOCK: opening a pipe must not hang.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::ISDIR) => return Err(no_lock()),
            Err(err) => return Err(io("locking", &path, &err.into())),
        };
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => Ok(file),
            Ok(_) => Err(no_lock()),
            Err(err) => Err(io("locking", &path, &err)),
        }
    }
}

fn check_private(path: &Path, metadata: &std::fs::Metadata) -> Result<()> {
    let mode = metadata.mode() & 0o7777;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::new(
            ErrorKind::Damaged,
            format!("{} belongs to another user (uid {})", path.display(), metadata.uid()),
        )
        .hint(format!(
            "chown it if it is yours: chown -R \"$(id -u)\" {}",
            path.display()
        )));
    }
    if mode & 0o077 != 0 {
        return Err(Error::new(
            ErrorKind::Damaged,
            format!("{} has mode {mode:04o}: others than you can reach it", path.display()),
        )
        .hint(format!(
            "if nobody has changed it, close it again: chmod -R go= {}",
            path.display()
        )));
    }
    Ok(())
}

fn not_a_folder(path: &Path) -> Error {
    Error::new(ErrorKind::Damaged, format!("{} is no folder", path.display()))
        .hint("tapvault follows no links inside the vault; put the folder itself there")
}

fn not_a_file(path: &Path) -> Error {
    Error::new(ErrorKind::Damaged, format!("{} is no ordinary file", path.display()))
        .hint("tapvault follows no links inside the vault; put the file itself there")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn private() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::at(dir.path().join("vault"));
        folder.ensure().expect("made");
        (dir, folder)
    }

    #[test]
    fn a_file_is_private_from_the_first_moment_and_read_back_whole() {
        let (_dir, folder) = private();
        folder.replace("a.age", b"one").expect("written");
        folder.replace("a.age", b"two").expect("replaced");
        assert_eq!(folder.read("a.age").expect("read").expect("there"), b"two");
        let mode = std::fs::metadata(folder.path().join("a.age")).expect("metadata").mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_others_can_read_is_named_with_its_mode() {
        let (_dir, folder) = private();
        folder.replace("a.age", b"one").expect("written");
        std::fs::set_permissions(folder.path().join("a.age"), PermissionsExt::from_mode(0o644)).expect("mode");
        let error = folder.read("a.age").expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.to_string().contains("0644"));
    }

    #[test]
    fn a_link_out_of_the_vault_is_not_followed() {
        let (dir, folder) = private();
        std::fs::write(dir.path().join("outside"), "x").expect("written");
        std::os::unix::fs::symlink(dir.path().join("outside"), folder.path().join("a.age")).expect("linked");
        assert_eq!(folder.read("a.age").expect_err("refused").kind(), ErrorKind::Damaged);
    }

    #[test]
    fn a_link_in_the_place_of_an_inner_folder_is_not_followed() {
        let (dir, folder) = private();
        std::os::unix::fs::symlink(dir.path(), folder.path().join("next")).expect("linked");
        let inner = folder.below("next");
        assert!(!inner.exists());
        assert_eq!(inner.check().expect_err("refused").kind(), ErrorKind::Damaged);
    }

    #[test]
    fn what_a_killed_writer_left_is_swept_and_never_listed() {
        let (_dir, folder) = private();
        std::fs::write(folder.path().join(".tmp-abc.age"), "half").expect("written");
        assert!(folder.names(".age").expect("listed").is_empty());
        folder.sweep();
        assert!(!folder.path().join(".tmp-abc.age").exists());
    }
}
