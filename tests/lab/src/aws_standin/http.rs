//! HTTP/1.1 (RFC 9112), as little of it as AWS's clients use, with a bound on everything a peer may send.
//!
//! One request at a time from a connection, answers back to it; what a request means is not known here.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// Longest request line and headers together. AWS's largest token is about 2 KiB, in a query 8 KiB.
const HEAD_MAX: usize = 32 * 1024;
/// Most header fields.
const FIELDS_MAX: usize = 64;
/// Longest body. The largest legal call (50 tags, a policy, a web identity token) stays below 100 KiB.
const BODY_MAX: usize = 256 * 1024;
/// How much of a refused request is still read, and for how long.
const DRAIN_MAX: usize = 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_millis(500);
/// How long a request may take to arrive from its first byte on; keeps slow senders from holding threads.
const ARRIVAL: Duration = Duration::from_secs(10);
/// How long a connection may rest between requests.
const IDLE: Duration = Duration::from_secs(60);

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Path, still encoded.
    pub path: String,
    /// Query without its `?`, still encoded; empty if there is none.
    pub query: String,
    /// Fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// Whether the peer wants to go on using the connection.
    pub keep_alive: bool,
}

impl Request {
    /// The first field of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// An answer: status, fields beyond the usual, body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Header fields, without Content-Length and Connection.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Response {
    /// The bytes to send.
    pub fn bytes(&self, keep_alive: bool) -> Vec<u8> {
        let mut out = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        out.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        out.push_str(if keep_alive {
            "\r\n"
        } else {
            "Connection: close\r\n\r\n"
        });
        let mut out = out.into_bytes();
        out.extend_from_slice(&self.body);
        out
    }
}

/// Why no request could be read.
#[derive(Debug)]
pub enum ReadError {
    /// The peer is gone, or has nothing more to say. No answer.
    Closed,
    /// What came is not a request we take; the status says why. The connection can't be used further.
    Refused(u16),
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// The reading side of a connection; keeps what came beyond the present request.
pub struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Reader {
    /// Reads from this connection.
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// The next request.
    pub fn request(&mut self) -> Result<Request, ReadError> {
        let mut arrival = if self.buffer.is_empty() {
            None
        } else {
            Some(Instant::now())
        };
        let head = loop {
            if let Some(head) = Head::parse(&self.buffer)? {
                break head;
            }
            if self.buffer.len() >= HEAD_MAX {
                return Err(ReadError::Refused(431));
            }
            self.fill(arrival, HEAD_MAX)?;
            arrival.get_or_insert_with(Instant::now);
        };
        let length = head.body_length()?;
        // RFC 9110, 10.1.1: a client that sends Expect waits for this before it sends the body.
        if length > 0 && head.expects_continue() {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let end = head.length + length;
        while self.buffer.len() < end {
            self.fill(arrival, end)?;
        }
        let rest = self.buffer.split_off(end);
        let body = std::mem::replace(&mut self.buffer, rest).split_off(head.length);
        Ok(Request { body, ..head.request })
    }

    /// Takes in a little of what a refused peer is still sending, for a little while. Closing with unread bytes would
    /// reset the connection, and the peer might never see the answer (RFC 9112, 9.6).
    pub fn drain(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        self.stream.set_read_timeout(Some(DRAIN_TIME))?;
        let (start, mut taken) = (Instant::now(), 0);
        let mut chunk = [0; 8 * 1024];
        while taken < DRAIN_MAX && start.elapsed() < DRAIN_TIME {
            match self.stream.read(&mut chunk)? {
                0 => break,
                n => taken += n,
            }
        }
        Ok(())
    }

    /// Reads once, up to `most` bytes in the buffer, within the time that is left.
    fn fill(&mut self, arrival: Option<Instant>, most: usize) -> Result<(), ReadError> {
        let left = match arrival {
            Some(since) => ARRIVAL.checked_sub(since.elapsed()).filter(|left| !left.is_zero()),
            None => Some(IDLE),
        };
        let Some(left) = left else {
            return Err(ReadError::Refused(408));
        };
        self.stream.set_read_timeout(Some(left))?;
        let mut chunk = [0; 8 * 1024];
        let room = chunk.len().min(most.saturating_sub(self.buffer.len()).max(1));
        match self.stream.read(&mut chunk[..room]) {
            Ok(0) => Err(ReadError::Closed),
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(if arrival.is_some() {
                    ReadError::Refused(408)
                } else {
                    ReadError::Closed
                })
            }
            Err(_) => Err(ReadError::Closed),
        }
    }
}

/// A parsed request line with its fields, and how many bytes they took.
struct Head {
    request: Request,
    length: usize,
}

impl Head {
    /// `None` while the head is not complete.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, ReadError> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut parsed = httparse::Request::new(&mut fields);
        let length = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(ReadError::Refused(431)),
            Err(_) => return Err(ReadError::Refused(400)),
        };
        let mut headers = Vec::with_capacity(parsed.headers.len());
        for field in parsed.headers.iter() {
            let value = std::str::from_utf8(field.value).map_err(|_| ReadError::Refused(400))?;
            headers.push((field.name.to_ascii_lowercase(), value.to_owned()));
        }
        let (path, query) = parsed
            .path
            .unwrap_or("/")
            .split_once('?')
            .unwrap_or((parsed.path.unwrap_or("/"), ""));
        let connection = headers
            .iter()
            .find(|(name, _)| name == "connection")
            .map(|(_, value)| value.as_str());
        // RFC 9112, 9.3: HTTP/1.1 keeps the connection unless told otherwise, HTTP/1.0 the other way round.
        let keep_alive = match connection {
            Some(value) if value.eq_ignore_ascii_case("close") => false,
            Some(value) if value.eq_ignore_ascii_case("keep-alive") => true,
            _ => parsed.version == Some(1),
        };
        let request = Request {
            method: parsed.method.unwrap_or_default().to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: Vec::new(),
            keep_alive,
        };
        Ok(Some(Self { request, length }))
    }

    /// RFC 9112, 6.3, without transfer codings, which no AWS client uses for these services.
    fn body_length(&self) -> Result<usize, ReadError> {
        if self.request.header("transfer-encoding").is_some() {
            return Err(ReadError::Refused(411));
        }
        let mut lengths = self.request.headers.iter().filter(|(name, _)| name == "content-length");
        let Some((_, length)) = lengths.next() else {
            return Ok(0);
        };
        if lengths.next().is_some() || !length.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ReadError::Refused(400));
        }
        match length.parse() {
            Ok(length) if length <= BODY_MAX => Ok(length),
            Ok(_) => Err(ReadError::Refused(413)),
            // Digits only, so it is too large for a usize, or empty.
            Err(_) => Err(ReadError::Refused(if length.is_empty() { 400 } else { 413 })),
        }
    }

    fn expects_continue(&self) -> bool {
        self.request
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    }
}

/// RFC 9110, 15: reason phrases are for people.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Other",
    }
}
