//! Many connections at once, and clients that break the rules of the conversation.

use super::super::{until_waiting, with_prod};
use super::{
    LONGEST, agent_pid, connect, export, frame, is_small, lengths, next_head, of_status, others_are_served,
    recorded_opening, until, with_agent,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::Write;
use std::os::unix::net::UnixStream;

/// The test's own process holds the other ends.
fn allow_many() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).expect("more descriptors");
}

#[test]
fn two_thousand_held_open_keep_nobody_out() {
    allow_many();
    let (bench, agent) = with_agent();
    let held: Vec<UnixStream> = (0..2000).map(|_| connect(&bench)).collect();
    others_are_served(&bench, agent);
    until("only the latest are kept", || of_status(agent, "Threads:") < 200);
    drop(held);
    others_are_served(&bench, agent);
}

#[test]
fn frames_that_lack_their_last_byte_do_not_pile_up() {
    allow_many();
    let (bench, agent) = with_agent();
    let rest = vec![b' '; (LONGEST.0 + LONGEST.1 - 1) as usize];
    let held: Vec<UnixStream> = (0..400)
        .map(|_| {
            let mut stream = connect(&bench);
            // It gives way to later ones, perhaps in the middle.
            let _ = stream
                .write_all(&lengths(LONGEST))
                .and_then(|()| stream.write_all(&rest));
            stream
        })
        .collect();
    others_are_served(&bench, agent);
    drop(held);
}

/// Requests that are answered at once with a refusal are over then, however long their clients stay.
#[test]
fn refused_requests_that_stay_take_no_place() {
    allow_many();
    let (bench, agent) = with_agent();
    let opening = recorded_opening(&bench);
    let text = String::from_utf8_lossy(&opening[8..]).into_owned();
    let vault = bench.vault().display().to_string();
    assert!(text.contains(&vault), "the request names its vault");
    let other = text.replace(&vault, "/elsewhere");
    // Long ones, for their memory is to be given back too; more of them than the agent serves at once.
    let padded = format!("{other}{}", " ".repeat(40 << 10));
    let held: Vec<UnixStream> = (0..520)
        .map(|_| {
            let mut stream = connect(&bench);
            stream.write_all(&frame(padded.as_bytes(), b"")).expect("sent");
            let answer = next_head(&stream).expect("an answer");
            assert_eq!(answer["elsewhere"], "the agent serves another vault", "{answer}");
            stream
        })
        .collect();
    others_are_served(&bench, agent);
    drop(held);
}

#[test]
fn who_answers_what_was_not_asked_is_cut_off_and_the_others_are_served() {
    let bench = with_prod();
    export(&bench, "prod").wait().success();
    let agent = agent_pid(&bench).expect("an agent");
    let opening = recorded_opening(&bench);
    bench.tapvault(["clear"]).run().success();
    bench.withhold_touches();
    let honest = bench
        .tapvault(["export", "--format=json", "--refresh", "prod"])
        .prints_secrets()
        .start();
    until_waiting(&bench, 1);
    let mut guests = Vec::new();
    for _ in 0..10 {
        let mut stream = connect(&bench);
        stream.write_all(&opening).expect("sent");
        assert_eq!(next_head(&stream).expect("a word"), "heard");
        for _ in 0..100 {
            // Cut off at the first one that nobody waits for.
            let _ = stream.write_all(&frame(br#""given""#, b"00000000"));
        }
        guests.push(stream);
    }
    for stream in &guests {
        while let Some(word) = next_head(stream) {
            assert!(word.get("credentials").is_none() && word != "credentials", "{word}");
        }
    }
    until_waiting(&bench, 1);
    bench.touch_by_itself();
    honest.wait().success();
    assert_eq!(
        bench.token().counts().expect("counts").attempts.pin.refused,
        0,
        "no PIN of theirs was sent"
    );
    assert_eq!(agent_pid(&bench), Some(agent));
    is_small(agent);
}
