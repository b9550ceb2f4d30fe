//! How long tapvault takes, beside the least that could be and beside another program: run by tests/bench, never by `cargo test`.
//!
//! Everything is measured in one run, in rounds: each round does every job once, so that a busy machine is busy for all of them
//! alike. A figure is the median of its rounds. What is a count (APDUs, memory) has to hold; what is a time is reported, and
//! fails only under `--strict`.

#[allow(
    dead_code,
    unused_imports,
    reason = "the bench serves the end-to-end tests; this needs a part of it"
)]
mod bench;
#[path = "speed/crowd.rs"]
mod crowd;
#[path = "speed/figures.rs"]
mod figures;
#[path = "speed/leased.rs"]
mod leased;
#[path = "speed/peer.rs"]
mod peer;
#[path = "speed/scene.rs"]
mod scene;
#[path = "speed/stopwatch.rs"]
mod stopwatch;

use clap::Parser;
use crowd::Crowd;
use figures::{Figures, Strictness};
use peer::Peer;
use scene::{Job, Scene};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The arguments of tests/bench
#[derive(Parser)]
struct Arguments {
    /// The program that is measured, as it is shipped
    #[arg(long)]
    program: PathBuf,
    /// An aws-vault to be measured beside it
    #[arg(long)]
    peer: Option<PathBuf>,
    /// How often each job is done [default: 30, or 2 with --trial]
    #[arg(long)]
    rounds: Option<usize>,
    /// Fail for times over their limits too, not only for counts
    #[arg(long)]
    strict: bool,
    /// The program is a debug build: its times and its size mean nothing, only APDUs are judged
    #[arg(long, conflicts_with = "strict")]
    trial: bool,
}

fn main() -> ExitCode {
    // `cargo test` hands over `--bench`, which says nothing here.
    let arguments = Arguments::parse_from(std::env::args().filter(|argument| argument != "--bench"));
    let scene = Scene::set(&arguments.program);
    let peer = arguments.peer.as_deref().map(|program| Peer::set(program, &scene));
    let rounds = arguments.rounds.unwrap_or(if arguments.trial { 2 } else { 30 });
    let mut figures = Figures::default();
    for _ in 0..rounds {
        for job in Job::ALL {
            let run = scene.run(job);
            figures.add(job, &run);
            if let Some(took) = peer.as_ref().and_then(|peer| peer.run(job)) {
                figures.add_peer(job, took);
            }
        }
    }
    for job in Job::ALL {
        figures.add_memory(job, scene.memory(job));
    }
    for number in crowd::NUMBERS {
        figures.add_crowd(Crowd::measure(scene.program(), number));
    }
    println!("{rounds} rounds, times are medians\n");
    if arguments.trial {
        println!("a debug build: of its times and its size no limit is expected to hold\n");
    }
    figures.report(match (arguments.trial, arguments.strict) {
        (true, _) => Strictness::Apdus,
        (false, false) => Strictness::Counts,
        (false, true) => Strictness::CountsAndTimes,
    })
}

/// In milliseconds, as people read it.
fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
