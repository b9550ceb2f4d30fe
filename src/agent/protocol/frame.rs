//! Frames: the length of the head, the length of the body (4 bytes each, big endian), head, body. Bounded in length and in time.

use crate::error::{Error, ErrorKind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{ErrorKind as Io, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use zeroize::{Zeroize, Zeroizing};

/// The longest head: a policy document and a plan of many steps fit in it many times. In bytes.
pub const LONGEST_HEAD: usize = 256 << 10;

/// The longest body: credentials are some 2 KiB. In bytes.
pub const LONGEST_BODY: usize = 64 << 10;

/// A frame as it came.
pub struct Frame {
    /// JSON.
    pub head: Vec<u8>,
    /// A secret, perhaps empty.
    pub body: Zeroizing<Vec<u8>>,
}

impl Frame {
    /// The head as what it should be.
    ///
    /// # Errors
    /// [`ErrorKind::Other`], without quoting it.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.head).map_err(|err| {
            broken(&format!(
                "a frame of the agent's socket can't be understood (line {}, column {})",
                err.line(),
                err.column()
            ))
        })
    }

    /// The body as text.
    ///
    /// # Errors
    /// [`ErrorKind::Other`] when it is none.
    pub fn text(&self) -> Result<Zeroizing<String>> {
        let mut copy = Zeroizing::new(String::with_capacity(self.body.len()));
        let text = std::str::from_utf8(&self.body).map_err(|_| broken("a frame of the agent's socket is no text"))?;
        copy.push_str(text);
        Ok(copy)
    }
}

/// The bytes of a frame, wiped when dropped.
///
/// # Errors
/// [`ErrorKind::Other`] when it is longer than the other side takes.
pub fn encode<T: Serialize>(head: &T, body: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let head = serde_json::to_vec(head).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
    if head.len() > LONGEST_HEAD || body.len() > LONGEST_BODY {
        return Err(broken("the request is too long for the agent"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(8 + head.len() + body.len()));
    for length in [head.len(), body.len()] {
        let length = u32::try_from(length).expect("bounded above");
        bytes.extend_from_slice(&length.to_be_bytes());
    }
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(body);
    Ok(bytes)
}

/// Writes a frame. The stream's write timeout bounds it.
///
/// # Errors
/// As [`encode`], and when the other side does not take it.
pub fn write<T: Serialize>(mut stream: &UnixStream, head: &T, body: &[u8]) -> Result<()> {
    let bytes = encode(head, body)?;
    stream.write_all(&bytes).map_err(|err| lost(&err))
}

/// The next frame; `None` when the other side has closed the connection between two frames.
///
/// `first` is how long its first byte may be waited for, `whole` how long the rest may take: nobody holds a connection by
/// sending a byte now and then.
///
/// # Errors
/// [`ErrorKind::Other`] when it is too long, comes too slowly, or breaks off.
pub fn read(stream: &UnixStream, first: Option<Duration>, whole: Duration) -> Result<Option<Frame>> {
    let mut lengths = [0; 8];
    let set = |patience: Option<Duration>| stream.set_read_timeout(patience).map_err(|err| lost(&err));
    set(first)?;
    let got = loop {
        let mut from = stream;
        match from.read(&mut lengths) {
            Ok(0) => return Ok(None),
            Ok(got) => break got,
            Err(err) if err.kind() == Io::Interrupted => {}
            Err(err) if err.kind() == Io::ConnectionReset => return Ok(None),
            Err(err) => return Err(lost(&err)),
        }
    };
    let deadline = Instant::now() + whole;
    fill(stream, &mut lengths[got..], deadline)?;
    let length = |at: usize| -> usize {
        let bytes: [u8; 4] = lengths[at..at + 4].try_into().expect("4 bytes");
        u32::from_be_bytes(bytes) as usize
    };
    let (head, body) = (length(0), length(4));
    if head > LONGEST_HEAD || body > LONGEST_BODY {
        return Err(broken("a frame of the agent's socket is too long"));
    }
    let mut frame = Frame {
        head: vec![0; head],
        body: Zeroizing::new(vec![0; body]),
    };
    fill(stream, &mut frame.head, deadline)?;
    fill(stream, &mut frame.body, deadline)?;
    Ok(Some(frame))
}

fn fill(stream: &UnixStream, mut buffer: &mut [u8], deadline: Instant) -> Result<()> {
    while !buffer.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(broken("a frame of the agent's socket came too slowly"));
        }
        stream.set_read_timeout(Some(left)).map_err(|err| lost(&err))?;
        let mut from = stream;
        match from.read(buffer) {
            Ok(0) => return Err(broken("a frame of the agent's socket broke off")),
            Ok(got) => buffer = &mut buffer[got..],
            Err(err) if err.kind() == Io::Interrupted => {}
            Err(err) => return Err(lost(&err)),
        }
    }
    Ok(())
}

fn broken(how: &str) -> Error {
    Error::new(ErrorKind::Other, how)
}

fn lost(err: &std::io::Error) -> Error {
    match err.kind() {
        Io::WouldBlock | Io::TimedOut => broken("the agent's socket is silent"),
        _ => broken(&format!(
            "the agent's socket broke off: {}",
            crate::error::plain_io(err)
        )),
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.head.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, Opening, Word};
    use super::*;
    use proptest::prelude::*;

    const SOON: Duration = Duration::from_secs(5);

    fn pair() -> (UnixStream, UnixStream) {
        UnixStream::pair().expect("sockets")
    }

    #[test]
    fn a_frame_arrives_as_it_was_sent() {
        let (ours, theirs) = pair();
        write(&ours, &vec!["a", "b"], b"secret").expect("sent");
        drop(ours);
        let frame = read(&theirs, Some(SOON), SOON).expect("read").expect("a frame");
        assert_eq!(frame.parse::<Vec<String>>().expect("parsed"), ["a", "b"]);
        assert_eq!(&**frame.text().expect("text"), "secret");
        assert!(read(&theirs, Some(SOON), SOON).expect("an end").is_none());
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_anything_is_kept() {
        let (ours, theirs) = pair();
        (&ours).write_all(&[0xff; 8]).expect("sent");
        assert!(read(&theirs, Some(SOON), SOON).is_err());
    }

    #[test]
    fn a_frame_that_trickles_is_given_up() {
        let (ours, theirs) = pair();
        (&ours).write_all(&[0, 0, 0, 9, 0, 0]).expect("sent");
        let error = read(&theirs, Some(SOON), Duration::from_millis(50))
            .err()
            .expect("given up");
        assert!(
            error.message().contains("silent") || error.message().contains("slowly"),
            "{error}"
        );
    }

    #[test]
    fn a_frame_that_breaks_off_is_no_end() {
        let (ours, theirs) = pair();
        (&ours).write_all(&[0, 0, 0, 9, 0, 0, 0, 0, b'{']).expect("sent");
        drop(ours);
        assert!(read(&theirs, Some(SOON), SOON).is_err());
    }

    #[test]
    fn what_is_too_long_is_not_sent() {
        let (ours, _theirs) = pair();
        assert!(write(&ours, &"x".repeat(LONGEST_HEAD), b"").is_err());
        assert!(write(&ours, &"x", &vec![0; LONGEST_BODY + 1]).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever comes is a frame within the bounds, an end or an error; and what is no word of ours is understood as none.
        #[test]
        fn bytes_of_all_sorts_are_survived(
            announced in proptest::option::of((0_u32..40, 0_u32..40)),
            bytes in proptest::collection::vec(any::<u8>(), 0..120),
        ) {
            let (ours, theirs) = pair();
            let lengths = announced.map(|(head, body)| [head.to_be_bytes(), body.to_be_bytes()].concat());
            (&ours).write_all(&lengths.unwrap_or_default()).expect("sent");
            (&ours).write_all(&bytes).expect("sent");
            drop(ours);
            let whole = announced.is_some_and(|(head, body)| (head + body) as usize <= bytes.len());
            match read(&theirs, Some(SOON), SOON) {
                Ok(Some(frame)) => {
                    prop_assert!(frame.head.len() <= LONGEST_HEAD && frame.body.len() <= LONGEST_BODY);
                    prop_assert!(frame.parse::<Opening>().is_err());
                    let _ = (frame.parse::<Answer>(), frame.parse::<Word>(), frame.text());
                }
                Ok(None) => prop_assert!(announced.is_none() && bytes.is_empty()),
                Err(_) => prop_assert!(!whole),
            }
        }
    }
}
