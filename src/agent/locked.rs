//! Memory for secrets at rest: kept out of swap, wiped before it is given back.
//!
//! What lies in it for how long is left to who holds it. Hibernation writes all memory to the disk, locked or not.

use crate::error::{Error, ErrorKind, Result, plain_io};
use region::LockGuard;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use zeroize::{Zeroize, Zeroizing};

/// Bytes on pages of their own, which are locked into memory as long as the value lives.
///
/// Each takes one page of the limit at least, usually 4 KiB of 8 MiB.
pub struct Locked {
    // In the order in which they end: unlocked, then freed.
    _lock: LockGuard,
    room: Zeroizing<Vec<u8>>,
    start: usize,
    length: usize,
}

impl Locked {
    /// Moves `bytes` into locked memory.
    ///
    /// # Errors
    /// [`ErrorKind::Other`] when this process may lock no more memory.
    pub fn holding(bytes: Zeroizing<Vec<u8>>) -> Result<Self> {
        let page = region::page::size();
        let whole = bytes.len().max(1).next_multiple_of(page);
        // The system locks and unlocks whole pages, and keeps no count. So no two of these may share one: with a page more than is
        // needed there are enough whole ones within, wherever the room begins.
        let mut room = Zeroizing::new(vec![0; whole + page]);
        let address = room.as_ptr().addr();
        let start = address.next_multiple_of(page) - address;
        let lock = region::lock(room[start..].as_ptr(), whole).map_err(|err| refused(&err.into()))?;
        room[start..start + bytes.len()].copy_from_slice(&bytes);
        Ok(Locked {
            _lock: lock,
            room,
            start,
            length: bytes.len(),
        })
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.room[self.start..self.start + self.length]
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Here it is still locked; a moment later it may go to the disk.
        self.room.zeroize();
    }
}

/// For a process that holds secrets for long: it leaves no core dump, and may lock as much memory as its user may.
///
/// [`process::harden`](crate::process::harden) does not do this, because children inherit it, and `exec`'s child is not ours to
/// limit.
///
/// # Errors
/// [`ErrorKind::Other`] if the system refuses.
pub fn harden() -> Result<()> {
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, nothing)
        .map_err(|err| Error::new(ErrorKind::Other, format!("keeping secrets out of core dumps: {err}")))?;
    let lockable = getrlimit(Resource::Memlock);
    // As far as it may be raised. Where it may not, `Locked::holding` says so when it matters.
    let _ = setrlimit(
        Resource::Memlock,
        Rlimit {
            current: lockable.maximum,
            ..lockable
        },
    );
    Ok(())
}

fn refused(err: &std::io::Error) -> Error {
    let limit = match getrlimit(Resource::Memlock).current {
        Some(bytes) => format!("{} KiB may be locked", bytes / 1024),
        None => "there is no limit to it".to_owned(),
    };
    Error::new(
        ErrorKind::Other,
        format!("memory for secrets can't be kept out of swap: {} ({limit})", plain_io(err)),
    )
    .hint("`ulimit -l` shows the limit; /etc/security/limits.conf (memlock) or LimitMEMLOCK= of the systemd unit raises it")
}
