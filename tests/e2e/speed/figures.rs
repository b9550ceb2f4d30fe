//! The figures, their limits, and whether these hold.

use crate::milliseconds;
use crate::scene::{Job, Run};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

/// `--version`, in floors.
const VERSION_FLOORS: f64 = 2.5;
/// `list`, whole.
const LIST: Duration = Duration::from_millis(25);
/// `exec` with a sealed session, of its own.
const WARM: Duration = Duration::from_millis(10);
/// `exec` with nothing sealed, of its own.
const COLD: Duration = Duration::from_millis(15);
/// One opening.
const APDUS: usize = 6;
/// In KiB.
const MEMORY: u64 = 16 * 1024;

/// What makes the run fail, each with what stands before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strictness {
    /// The same in every build.
    Apdus,
    /// Memory: the same on every machine, for the program as it is shipped.
    Counts,
    /// Times, which a busy machine spoils.
    CountsAndTimes,
}

/// What was measured.
#[derive(Default)]
pub struct Figures {
    ours: BTreeMap<Job, Vec<Duration>>,
    peers: BTreeMap<Job, Vec<Duration>>,
    calls: BTreeMap<Job, Vec<Duration>>,
    apdus: BTreeMap<Job, usize>,
    memory: BTreeMap<Job, u64>,
}

/// A line of the report.
struct Line {
    what: String,
    ours: String,
    least: String,
    peer: String,
    limit: String,
    verdict: Verdict,
}

/// Whether a limit holds, and from which strictness on that matters.
enum Verdict {
    NoLimit,
    Holds,
    Over(Strictness),
}

impl Verdict {
    fn of(holds: bool, matters: Strictness) -> Self {
        if holds { Verdict::Holds } else { Verdict::Over(matters) }
    }
}

impl Figures {
    /// One run of ours.
    pub fn add(&mut self, job: Job, run: &Run) {
        self.ours.entry(job).or_default().push(run.wall);
        self.calls.entry(job).or_default().push(run.call);
        let most = self.apdus.entry(job).or_default();
        *most = run.apdus.max(*most);
    }

    /// One run of the peer's.
    pub fn add_peer(&mut self, job: Job, wall: Duration) {
        self.peers.entry(job).or_default().push(wall);
    }

    /// In KiB.
    pub fn add_memory(&mut self, job: Job, peak: u64) {
        self.memory.insert(job, peak);
    }

    /// Prints the table and says whether the run has failed.
    pub fn report(&self, strictness: Strictness) -> ExitCode {
        let lines = self.lines();
        println!(
            "{:38} {:>10} {:>8} {:>10} {:>10}",
            "", "tapvault", "least", "peer", "limit"
        );
        for line in &lines {
            let verdict = match line.verdict {
                Verdict::NoLimit => "",
                Verdict::Holds => "  holds",
                Verdict::Over(matters) if matters <= strictness => "  BROKEN",
                Verdict::Over(_) => "  over",
            };
            let row = format!(
                "{:38} {:>10} {:>8} {:>10} {:>10}{verdict}",
                line.what, line.ours, line.least, line.peer, line.limit
            );
            println!("{}", row.trim_end());
        }
        println!(
            "\nOf its own: the time from start to end, less that of a bare program that starts, sends the same six APDUs to the\n\
             same token and ends; when STS is called, also less the time for which the stand-in worked on the answer. So what is\n\
             left holds everything that tapvault does, the terminal, the disk and the network's part of the call included."
        );
        let broken = |line: &Line| matches!(line.verdict, Verdict::Over(matters) if matters <= strictness);
        if lines.iter().any(broken) {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = Job::ALL.into_iter().map(|job| self.wall(job)).collect();
        let floors = self.median(Job::Version).as_secs_f64() / self.median(Job::Floor).as_secs_f64();
        let peer_floors = median(self.peers.get(&Job::Version)).map(|peer| {
            format!(
                "{:.1} floors",
                peer.as_secs_f64() / self.median(Job::Floor).as_secs_f64()
            )
        });
        lines.push(Line {
            what: "--version, in floors".into(),
            ours: format!("{floors:.1} floors"),
            least: String::new(),
            peer: peer_floors.unwrap_or_default(),
            limit: format!("{VERSION_FLOORS} floors"),
            verdict: Verdict::of(floors <= VERSION_FLOORS, Strictness::CountsAndTimes),
        });
        for (job, limit) in [(Job::ExecWarm, WARM), (Job::ExecCold, COLD)] {
            let own = self.own(job);
            lines.push(Line {
                what: format!("{}: of its own", job.name()),
                ours: milliseconds(own),
                least: String::new(),
                peer: String::new(),
                limit: milliseconds(limit),
                verdict: Verdict::of(own <= limit, Strictness::CountsAndTimes),
            });
        }
        for job in [Job::ExecWarm, Job::ExecCold] {
            let apdus = self.apdus.get(&job).copied().unwrap_or_default();
            lines.push(Line {
                what: format!("{}: most APDUs", job.name()),
                ours: apdus.to_string(),
                least: String::new(),
                peer: String::new(),
                limit: APDUS.to_string(),
                verdict: Verdict::of(apdus <= APDUS, Strictness::Apdus),
            });
        }
        for (job, peak) in self.memory.iter().filter(|(job, _)| job.arguments().is_some()) {
            lines.push(Line {
                what: format!("{}: peak memory", job.name()),
                ours: mebibytes(*peak),
                least: String::new(),
                peer: String::new(),
                limit: mebibytes(MEMORY),
                verdict: Verdict::of(*peak <= MEMORY, Strictness::Counts),
            });
        }
        lines
    }

    fn wall(&self, job: Job) -> Line {
        let ours = self.median(job);
        let limit = match job {
            Job::ListProfiles | Job::ListEntries => Some(LIST),
            Job::Floor | Job::Token | Job::Version | Job::ExecCold | Job::ExecWarm => None,
        };
        Line {
            what: job.name().into(),
            ours: milliseconds(ours),
            least: self
                .ours
                .get(&job)
                .and_then(|times| times.iter().min().copied())
                .map(milliseconds)
                .unwrap_or_default(),
            peer: median(self.peers.get(&job)).map(milliseconds).unwrap_or_default(),
            limit: limit.map(milliseconds).unwrap_or_default(),
            verdict: limit.map_or(Verdict::NoLimit, |limit| {
                Verdict::of(ours <= limit, Strictness::CountsAndTimes)
            }),
        }
    }

    /// See the words under the table.
    fn own(&self, job: Job) -> Duration {
        let call = median(self.calls.get(&job)).unwrap_or_default();
        self.median(job).saturating_sub(self.median(Job::Token) + call)
    }

    fn median(&self, job: Job) -> Duration {
        median(self.ours.get(&job)).unwrap_or_default()
    }
}

fn median(times: Option<&Vec<Duration>>) -> Option<Duration> {
    let mut times = times?.clone();
    times.sort();
    times.get(times.len() / 2).copied()
}

fn mebibytes(kibibytes: u64) -> String {
    format!("{:.1} MiB", kibibytes as f64 / 1024.0)
}
