//! Files that somebody named: read with a bound on bytes and on time, for anything may stand there (a pipe nobody writes
//! into, a device without an end).

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// So long a pipe may take to bring all of it; `<(command)` of a shell is one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the file at `path`, but no more than one byte over `most`: so the caller sees that it is too long.
///
/// # Errors
/// The system's; [`io::ErrorKind::TimedOut`] when a pipe did not end in time.
pub fn read(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // O_NONBLOCK: opening a pipe waits for a writer otherwise.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let length = file.metadata()?.len();
    // Room for all of it at once: growing would leave copies of a secret behind.
    let room = length.max(CHUNK as u64).min(most) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(room).unwrap_or(CHUNK)));
    let end = Instant::now() + PATIENCE;
    let mut chunk = Zeroizing::new([0; CHUNK]);
    while (bytes.len() as u64) <= most {
        await_bytes(&file, end)?;
        let left = (most + 1 - bytes.len() as u64).min(CHUNK as u64);
        match file.read(&mut chunk[..usize::try_from(left).unwrap_or(CHUNK)]) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(err) if matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(err) => return Err(err),
        }
    }
    Ok(bytes)
}

const CHUNK: usize = 64 << 10;

/// Returns when there is something to read, the end of the file included. Ordinary files are always ready.
fn await_bytes(file: &File, end: Instant) -> io::Result<()> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let words = format!("nothing more came from it within {} s", PATIENCE.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, words));
        }
        let patience = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&patience)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(err) => return Err(err.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn one_byte_too_many_is_seen_and_no_more_is_read() {
        assert_eq!(read(Path::new("/dev/zero"), 100).expect("read").len(), 101);
        assert_eq!(read(Path::new("/dev/null"), 100).expect("read").len(), 0);
    }

    #[test]
    fn a_pipe_is_read_to_its_end_when_a_writer_comes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
        let writer = std::thread::spawn({
            let path = path.clone();
            move || {
                std::thread::sleep(Duration::from_millis(50));
                let mut pipe = File::options().write(true).open(path).expect("a reader is there");
                pipe.write_all(b"late, ").expect("written");
                std::thread::sleep(Duration::from_millis(50));
                pipe.write_all(b"but whole").expect("written");
            }
        });
        assert_eq!(read(&path, 100).expect("read").as_slice(), b"late, but whole");
        writer.join().expect("it wrote");
    }
}
