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
    let metadata = file.metadata()?;
    // One byte more than there should be, so that the end is found without growing.
    let enough = usize::try_from(most).unwrap_or(usize::MAX - 1) + 1;
    let expected = usize::try_from(metadata.len()).unwrap_or(usize::MAX - 1) + 1;
    let mut bytes = Zeroizing::new(vec![0; expected.max(LEAST).min(enough)]);
    let mut filled = 0;
    let end = Instant::now() + PATIENCE;
    while filled < enough {
        if filled == bytes.len() {
            bytes = grown(&bytes, enough);
        }
        if !metadata.is_file() {
            await_bytes(&file, end)?;
        }
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(err) if matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(err) => return Err(err),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Room for what has no length, such as a pipe. In bytes. Every byte is wiped in the end, so it is not made generously.
const LEAST: usize = 4 << 10;

/// The same with twice the room, but no more than `most`. A vector that grows by itself would leave a copy of a secret behind.
fn grown(bytes: &[u8], most: usize) -> Zeroizing<Vec<u8>> {
    let mut larger = Zeroizing::new(vec![0; bytes.len().saturating_mul(2).min(most)]);
    larger[..bytes.len()].copy_from_slice(bytes);
    larger
}

/// Returns when there is something to read, the end included. An ordinary file always has, and need not be waited for.
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
    fn a_file_is_read_whole_whatever_its_length() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        for length in [0, 1, LEAST - 1, LEAST, LEAST + 1, 5 * LEAST] {
            let text: Vec<u8> = (0..length).map(|at| at as u8).collect();
            std::fs::write(&path, &text).expect("written");
            assert_eq!(*read(&path, 1 << 20).expect("read"), text);
            let cut = length.min(LEAST);
            assert_eq!(read(&path, LEAST as u64 - 1).expect("read").as_slice(), &text[..cut]);
        }
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
                pipe.write_all(&[b'w'; 3 * LEAST]).expect("written");
            }
        });
        let text = read(&path, 1 << 20).expect("read");
        assert_eq!(text.strip_prefix(b"late, "), Some(&[b'w'; 3 * LEAST][..]));
        writer.join().expect("it wrote");
    }
}
