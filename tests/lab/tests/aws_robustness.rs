//! Peers that are no clients: noise, endless headers, huge bodies, crowds.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use support::{Client, form, receive};
use tapvault_lab::aws_standin::{Standin, World};

fn standin() -> Standin {
    Standin::start(World::sample())
}

/// Sends until the peer closes or all is sent; what came back, as text.
fn pour(port: u16, head: &[u8], chunk: &[u8], most: usize) -> (String, usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let mut sent = 0;
    let mut writer = stream.try_clone().unwrap();
    let mut ok = writer.write_all(head).is_ok();
    while ok && sent < most {
        ok = writer.write_all(chunk).is_ok();
        sent += chunk.len();
    }
    let mut bytes = Vec::new();
    // A reset after the answer is the peer's right: it did not read all we sent.
    drop(stream.read_to_end(&mut bytes));
    (String::from_utf8_lossy(&bytes).into_owned(), sent)
}

#[test]
fn noise_is_refused() {
    let aws = standin();
    // xorshift64 (Marsaglia 2003): the same noise each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    for length in [1, 7, 100, 5000] {
        let mut bytes: Vec<u8> = (0..length).flat_map(|_| noise()).collect();
        bytes.extend_from_slice(b"\r\n\r\n");
        let (answer, _) = pour(aws.port(), &bytes, &[], 0);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    // A TLS client that took http for https.
    let (answer, _) = pour(aws.port(), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[], 0);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    Client::ana(&aws).sts("GetCallerIdentity", &[]).ok();
}

#[test]
fn endless_headers_are_cut_off() {
    let aws = standin();
    let (answer, sent) = pour(aws.port(), b"POST / HTTP/1.1\r\n", b"x-more: and more\r\n", 50_000_000);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(sent < 20_000_000, "{sent} bytes were taken");
    let (answer, _) = pour(aws.port(), b"POST / HTTP/1.1\r\nx: ", &[b'x'; 1000], 40_000);
    assert!(answer.starts_with("HTTP/1.1 431"), "one endless header: {answer}");
    let (answer, _) = pour(aws.port(), b"GET /", &[b'x'; 1000], 40_000);
    assert!(answer.starts_with("HTTP/1.1 431"), "an endless target: {answer}");
}

#[test]
fn huge_bodies_are_refused_by_their_length() {
    let aws = standin();
    let head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10485760\r\n\r\n";
    let start = Instant::now();
    let (answer, _) = pour(aws.port(), head, &[], 0);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(start.elapsed() < Duration::from_secs(5));
    let (answer, sent) = pour(aws.port(), head, &[b'a'; 65_536], 10_485_760);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(sent <= 10_485_760);
    let absurd = b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n";
    assert!(pour(aws.port(), absurd, &[], 0).0.starts_with("HTTP/1.1 413"));
}

#[test]
fn ambiguous_lengths_are_refused() {
    let aws = standin();
    for (fields, status) in [
        ("transfer-encoding: chunked", 411),
        ("content-length: 1\r\ncontent-length: 1", 400),
        ("content-length: +1", 400),
        ("content-length: ", 400),
    ] {
        let head = format!("POST / HTTP/1.1\r\n{fields}\r\n\r\nx");
        let (answer, _) = pour(aws.port(), head.as_bytes(), &[], 0);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{fields}: {answer}");
    }
}

#[test]
fn a_peer_that_sends_too_slowly_is_let_go() {
    let aws = standin();
    let mut stream = TcpStream::connect(("127.0.0.1", aws.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let start = Instant::now();
    let mut writer = stream.try_clone().unwrap();
    let dripping = thread::spawn(move || {
        // One byte at a time would hold a thread for as long as a per-read timeout allows.
        while writer.write_all(b"x").is_ok() && start.elapsed() < Duration::from_secs(25) {
            thread::sleep(Duration::from_millis(300));
        }
    });
    assert_eq!(receive(&mut stream).map(|answer| answer.status), Some(408));
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    dripping.join().unwrap();
}

#[test]
fn other_paths_and_methods_are_refused() {
    let aws = standin();
    let ana = Client::ana(&aws);
    assert_eq!(
        ana.get("/metadata?Action=GetCallerIdentity&Version=2011-06-15").status,
        404
    );
    let head = b"DELETE / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(pour(aws.port(), head, &[], 0).0.starts_with("HTTP/1.1 405"));
}

#[test]
fn a_connection_serves_many_calls_also_when_they_come_at_once() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let request = ana.signed_post("sts", &form("2011-06-15", "GetCallerIdentity", &[]));
    let mut stream = TcpStream::connect(("127.0.0.1", aws.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for _ in 0..20 {
        stream.write_all(&request).unwrap();
        receive(&mut stream).unwrap().ok();
    }
    let (first, second) = request.split_at(request.len() / 2);
    stream.write_all(&[&request[..], first].concat()).unwrap();
    receive(&mut stream).unwrap().ok();
    stream.write_all(second).unwrap();
    receive(&mut stream).unwrap().ok();
    assert_eq!(aws.calls().len(), 22);
}

#[test]
fn two_hundred_clients_are_served_at_once() {
    let aws = standin();
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                let ana = Client::ana(&aws);
                for _ in 0..3 {
                    ana.sts("GetCallerIdentity", &[]).ok();
                }
            });
        }
    });
    assert_eq!(aws.calls().len(), 600);
    assert!(aws.calls().iter().zip(1..).all(|(call, seq)| call.seq == seq));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn a_dropped_standin_lets_its_port_and_its_peers_go() {
    let aws = standin();
    let mut idle = TcpStream::connect(("127.0.0.1", aws.port())).unwrap();
    idle.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    Client::ana(&aws).sts("GetCallerIdentity", &[]).ok();
    let port = aws.port();
    drop(aws);
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}
