//! Frames that are none, have no end, or come too slowly.

use super::{CUT_OFF, LONGEST, connect, frame, is_closed_without_a_word, lengths, others_are_served, with_agent};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::io::Write;
use std::time::{Duration, Instant};

#[test]
fn garbage_is_not_answered() {
    let (bench, agent) = with_agent();
    let mut runner = TestRunner::deterministic();
    let bytes = proptest::collection::vec(proptest::num::u8::ANY, 0..600);
    for round in 0..200 {
        let garbage = bytes.new_tree(&mut runner).expect("bytes").current();
        let mut stream = connect(&bench);
        // As it is, as a head, and as a body of something that is nearly right.
        let sent = match round % 3 {
            0 => garbage,
            1 => frame(&garbage, b""),
            _ => frame(br#"{"protocol":2}"#, &garbage),
        };
        // It may be cut off before all is sent.
        let _ = stream.write_all(&sent);
        stream.shutdown(std::net::Shutdown::Write).expect("the end");
        is_closed_without_a_word(&stream);
    }
    others_are_served(&bench, agent);
}

#[test]
fn heads_that_are_json_and_no_request_are_not_answered() {
    let (bench, agent) = with_agent();
    let version = env!("CARGO_PKG_VERSION");
    let deep = "[".repeat(100_000);
    for head in [
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        deep,
        format!(r#"{{"protocol":2,"version":"{version}"}}"#),
        format!(r#"{{"protocol":2,"version":"{version}","wants":"everything"}}"#),
        format!(r#"{{"protocol":2,"version":"{version}","wants":{{"credentials":{{}}}}}}"#),
        format!(r#"{{"protocol":-1,"version":"{version}","wants":"status"}}"#),
    ] {
        let mut stream = connect(&bench);
        stream.write_all(&frame(head.as_bytes(), b"")).expect("sent");
        is_closed_without_a_word(&stream);
    }
    others_are_served(&bench, agent);
}

#[test]
fn lengths_beyond_all_bounds_are_refused_at_once() {
    let (bench, agent) = with_agent();
    for huge in [
        (u32::MAX, u32::MAX),
        (LONGEST.0 + 1, 0),
        (0, LONGEST.1 + 1),
        (u32::MAX, 0),
    ] {
        let mut stream = connect(&bench);
        stream.write_all(&lengths(huge)).expect("sent");
        is_closed_without_a_word(&stream);
    }
    others_are_served(&bench, agent);
}

#[test]
fn a_frame_without_an_end_is_cut_off() {
    let (bench, agent) = with_agent();
    let mut stream = connect(&bench);
    stream.write_all(&lengths(LONGEST)).expect("sent");
    let start = Instant::now();
    let block = [b' '; 64 << 10];
    let mut taken = 0;
    while stream.write_all(&block).is_ok() {
        taken += block.len();
        assert!(taken < 8 << 20 && start.elapsed() < CUT_OFF, "{taken} bytes were taken");
    }
    others_are_served(&bench, agent);
}

#[test]
fn a_byte_a_second_is_not_waited_for() {
    let (bench, agent) = with_agent();
    let mut streams: Vec<_> = (0..50).map(|_| connect(&bench)).collect();
    let start = Instant::now();
    let frame = frame(&[b' '; 1000], b"");
    let mut bytes = frame.iter();
    others_are_served(&bench, agent);
    while !streams.is_empty() {
        let byte = bytes.next().expect("there are enough");
        streams.retain_mut(|stream| stream.write_all(&[*byte]).is_ok());
        assert!(start.elapsed() < CUT_OFF, "{} are held open", streams.len());
        // It is the pace that is tested.
        std::thread::sleep(Duration::from_secs(1));
    }
    others_are_served(&bench, agent);
}
