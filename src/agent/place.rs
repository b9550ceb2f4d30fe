//! Where an agent's socket lies, and how it is reached there.

use super::protocol::Folders;
use crate::context::Paths;
use crate::error::{Error, ErrorKind, Result, io};
use crate::vault::folder::{Folder, Lock};
use crate::vault::name::hex;
use rustix::fs::{Mode, OFlags};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use sha2::{Digest, Sha256};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest path of a socket, without the byte that ends it (unix(7)).
const LONGEST_PATH: usize = 107;

/// How long an agent may leave a connection in its queue when that is full. One that is stopped takes none out.
const PATIENCE: Duration = Duration::from_secs(10);

/// The place of the agent that serves one vault.
#[derive(Clone, Debug)]
pub struct Place {
    folder: Folder,
    name: String,
}

/// Which file a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketId(u64, u64);

impl Folders {
    /// Those of `paths`, as text: two that differ only in bytes that are none stay two.
    pub fn of(paths: &Paths) -> Self {
        let text = |path: &Path| path.as_os_str().as_bytes().escape_ascii().to_string();
        Folders {
            config: text(&paths.config),
            vault: text(&paths.vault),
            state: text(&paths.state),
        }
    }
}

impl Place {
    /// The place for the vault of `paths`; one with other settings or another memory is another one.
    pub fn of(paths: &Paths) -> Self {
        let Folders { config, vault, state } = Folders::of(paths);
        let digest = Sha256::digest([config, vault, state].join("\0"));
        Place {
            folder: Folder::at(&paths.runtime),
            name: format!("agent-{}", &hex(&digest)[..12]),
        }
    }

    /// The socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(self.file())
    }

    fn file(&self) -> String {
        format!("{}.sock", self.name)
    }

    /// Connects; `None` when nobody listens.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when others could have put the socket there; [`ErrorKind::Other`] when the agent takes no connection.
    pub fn connect(&self) -> Result<Option<UnixStream>> {
        let metadata = match std::fs::metadata(self.folder.path()) {
            Ok(metadata) => metadata,
            Err(_) => return Ok(None),
        };
        if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o077 != 0 {
            self.folder.check()?;
        }
        match self.reach(call) {
            Ok(stream) => Ok(Some(stream)),
            Err(err) if err.kind() == std::io::ErrorKind::WouldBlock => Err(Error::new(
                ErrorKind::Other,
                format!("the agent has taken no connection for {} s", PATIENCE.as_secs()),
            )
            .hint("it stands still; `pgrep -af 'tapvault-engine agent'` names its process: end it, and what it holds ends with it")),
            Err(_) => Ok(None),
        }
    }

    /// The right to be the agent here, held until dropped; `None` when another process has it.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn claim(&self) -> Result<Option<Lock>> {
        self.refuse_anothers()?;
        self.folder.ensure()?;
        self.folder.try_lock_called(&format!("{}.lock", self.name))
    }

    /// Refuses a runtime folder of another user, as a root shell has it that keeps the environment: it would let its owner
    /// put something else in our place, and our folder would keep its owner's own agent out.
    fn refuse_anothers(&self) -> Result<()> {
        let Some(above) = self.folder.path().parent() else {
            return Ok(());
        };
        // A missing one is made, with the user as its owner. What root owns is everybody's, like /tmp.
        let owner = std::fs::metadata(above).map(|metadata| metadata.uid());
        match owner {
            Ok(owner) if owner != 0 && owner != rustix::process::geteuid().as_raw() => Err(Error::new(
                ErrorKind::Damaged,
                format!("{} belongs to another user", above.display()),
            )
            .hint("unset XDG_RUNTIME_DIR, or set it to a folder of your own")),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Listens there. Call it with the place claimed: a socket that is left from an agent that was killed is replaced.
    ///
    /// # Errors
    /// When none can be made.
    pub fn listen(&self) -> Result<(UnixListener, SocketId)> {
        let said = |err: &std::io::Error| io("listening at", &self.socket(), err);
        match std::fs::remove_file(self.socket()) {
            Err(err) if err.kind() != std::io::ErrorKind::NotFound => return Err(said(&err)),
            Ok(()) | Err(_) => {}
        }
        let listener = self.reach(|path| UnixListener::bind(path)).map_err(|err| said(&err))?;
        // The folder lets nobody else in, so there is no moment in which others could connect.
        std::fs::set_permissions(self.socket(), PermissionsExt::from_mode(0o600)).map_err(|err| said(&err))?;
        let id = self.present().ok_or_else(|| {
            Error::new(
                ErrorKind::Other,
                format!("{} was removed at once", self.socket().display()),
            )
        })?;
        Ok((listener, id))
    }

    /// Which socket is there now.
    pub fn present(&self) -> Option<SocketId> {
        let metadata = std::fs::symlink_metadata(self.socket()).ok()?;
        Some(SocketId(metadata.dev(), metadata.ino()))
    }

    /// Removes the socket if it is that one.
    pub fn leave(&self, id: SocketId) {
        if self.present() == Some(id) {
            let _ = std::fs::remove_file(self.socket());
        }
    }

    /// Calls `with` with a path of the socket that is short enough for the system.
    fn reach<T>(&self, with: impl Fn(&Path) -> std::io::Result<T>) -> std::io::Result<T> {
        let path = self.socket();
        if path.as_os_str().len() <= LONGEST_PATH {
            return with(&path);
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder: OwnedFd = rustix::fs::open(self.folder.path(), flags, Mode::empty())?;
        with(
            &Path::new("/proc/self/fd")
                .join(folder.as_raw_fd().to_string())
                .join(self.file()),
        )
    }
}

/// [`UnixStream::connect`], which waits for ever where the other side's queue is full.
fn call(path: &Path) -> std::io::Result<UnixStream> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(below: &Path) -> Place {
        let folder = Folder::at(below);
        folder.ensure().expect("a folder");
        Place {
            folder,
            name: "agent-test".into(),
        }
    }

    #[test]
    fn a_socket_is_reached_however_long_its_path_is() {
        let root = tempfile::tempdir().expect("a folder");
        let place = place(&root.path().join("x".repeat(120)));
        assert!(place.connect().expect("looked").is_none());
        let (_listener, id) = place.listen().expect("a listener");
        assert!(place.connect().expect("looked").is_some());
        place.leave(id);
        assert!(place.connect().expect("looked").is_none());
    }

    #[test]
    fn a_socket_in_a_folder_that_others_may_enter_is_not_believed() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("run");
        let place = place(&folder);
        let (_listener, _) = place.listen().expect("a listener");
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).expect("opened");
        assert!(place.connect().is_err());
    }

    #[test]
    fn an_agent_that_takes_no_connection_is_not_waited_for_for_ever() {
        let root = tempfile::tempdir().expect("a folder");
        let place = place(&root.path().join("run"));
        let listener =
            socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket");
        let address = SocketAddrUnix::new(place.socket()).expect("a short path");
        rustix::net::bind(&listener, &address).expect("bound");
        rustix::net::listen(&listener, 0).expect("a queue for one");
        let _first = place.connect().expect("looked").expect("taken into the queue");
        let error = place.connect().expect_err("the queue is full");
        assert!(error.message().contains("has taken no connection for 10 s"), "{error}");
    }

    #[test]
    fn a_socket_that_was_left_behind_is_replaced() {
        let root = tempfile::tempdir().expect("a folder");
        let place = place(&root.path().join("run"));
        drop(place.listen().expect("a listener"));
        assert!(place.connect().expect("looked").is_none(), "nobody listens");
        assert!(place.listen().is_ok());
    }
}
