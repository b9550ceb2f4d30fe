//! What is measured: the jobs, and the vault, config and token that they are done with.

use crate::bench::card::{PIN_STATUS, SELECT_PIV, ecdh, verify};
use crate::bench::{Bench, PIN};
use crate::leased::Leased;
use crate::stopwatch::{self, Surroundings};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tapvault_lab::soft_token::body::AutoTouch;
use tapvault_lab::soft_token::hex;
use tapvault_lab::soft_token::rig::SOCKET_VARIABLE;

/// How many profiles the large config has.
const PROFILES: usize = 5000;
/// How many access keys the large vault has.
const ENTRIES: usize = 1000;
/// Where `key enroll piv` puts the first key.
const SLOT: u8 = 0x82;
/// How the question for the PIN begins.
const QUESTION: &str = "PIN of";

/// One thing to do, in the order of a round: cold exec leaves the session that warm exec opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// /bin/true: the least that starting a program costs here.
    Floor,
    /// The token alone: a bare program connects, sends the six APDUs of one opening, and ends.
    Token,
    /// `--version`.
    Version,
    /// `list` with [`PROFILES`] profiles in the AWS config.
    ListProfiles,
    /// `list` with [`ENTRIES`] access keys in the vault.
    ListEntries,
    /// `exec prod -- /bin/true` with nothing sealed but the access key: opens it, calls STS, seals the session.
    ExecCold,
    /// `exec prod -- /bin/true` with a sealed session.
    ExecWarm,
    /// A C program that asks a socket and becomes /bin/true: the limit of what a client of an agent can do.
    Limit,
    /// `exec prod -- /bin/true` within a lease.
    ExecLeased,
    /// `export --format=json prod` within a lease.
    ExportLeased,
}

impl Job {
    /// All of them.
    pub const ALL: [Job; 10] = [
        Job::Floor,
        Job::Token,
        Job::Version,
        Job::ListProfiles,
        Job::ListEntries,
        Job::ExecCold,
        Job::ExecWarm,
        Job::Limit,
        Job::ExecLeased,
        Job::ExportLeased,
    ];

    /// As the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Job::Floor => "/bin/true (the floor)",
            Job::Token => "six APDUs, bare program",
            Job::Version => "--version",
            Job::ListProfiles => "list, 5,000 profiles",
            Job::ListEntries => "list, 1,000 access keys",
            Job::ExecCold => "exec, nothing sealed",
            Job::ExecWarm => "exec, session sealed",
            Job::Limit => "asks a socket, in C (the limit)",
            Job::ExecLeased => "exec, leased",
            Job::ExportLeased => "export, leased",
        }
    }

    /// The arguments, for tapvault and for aws-vault alike; `None` for what neither does.
    pub fn arguments(self) -> Option<&'static [&'static str]> {
        match self {
            Job::Floor | Job::Token | Job::Limit => None,
            Job::Version => Some(&["--version"]),
            Job::ListProfiles | Job::ListEntries => Some(&["list"]),
            Job::ExecCold | Job::ExecWarm | Job::ExecLeased => Some(&["exec", "prod", "--", "/bin/true"]),
            Job::ExportLeased => Some(&["export", "--format=json", "prod"]),
        }
    }
}

/// What one run took.
pub struct Run {
    /// From start to end.
    pub wall: Duration,
    /// What the token was sent.
    pub apdus: usize,
    /// What of it AWS's stand-in was busy.
    pub call: Duration,
}

/// Everything that the jobs need.
pub struct Scene {
    bench: Bench,
    program: String,
    card_client: String,
    small: Surroundings,
    many_profiles: Surroundings,
    many_entries: Surroundings,
    bare: Surroundings,
    leased: Leased,
}

impl Scene {
    /// Enrolls a token, adds an access key, and writes the large config and the large vault.
    pub fn set(program: &Path) -> Self {
        let program = program.canonicalize().expect("the program that is measured");
        let bench = Bench::with_prod();
        for token in bench.rig().tokens() {
            token
                .auto_touch(AutoTouch::Always(Duration::ZERO))
                .expect("the token listens");
        }
        let small = Surroundings::of(&bench);
        let stdin = bench.hand().join("one-opening");
        fs::write(&stdin, one_opening()).expect("the input of card-client");
        let program = program.to_str().expect("a path in UTF-8").to_owned();
        Scene {
            leased: Leased::set(&program),
            program,
            card_client: bench.card_client().display().to_string(),
            many_profiles: small.with("AWS_CONFIG_FILE", large_config(&bench)),
            many_entries: small.with("XDG_DATA_HOME", large_vault(&bench)),
            bare: Surroundings {
                stdin: Some(stdin),
                ..small.with(SOCKET_VARIABLE, bench.rig().socket())
            },
            small,
            bench,
        }
    }

    /// Where the peer finds home, AWS and config.
    pub fn surroundings(&self, job: Job) -> &Surroundings {
        match job {
            Job::Floor | Job::Version | Job::ExecCold | Job::ExecWarm => &self.small,
            Job::Token => &self.bare,
            Job::ListProfiles => &self.many_profiles,
            Job::ListEntries => &self.many_entries,
            Job::Limit | Job::ExecLeased | Job::ExportLeased => &self.leased.surroundings,
        }
    }

    /// The program that is measured.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// A folder for whoever needs one.
    pub fn hand(&self) -> PathBuf {
        self.bench.hand()
    }

    /// Does it once.
    pub fn run(&self, job: Job) -> Run {
        self.prepare(job);
        let (token, aws) = (self.bench.token(), self.bench.aws());
        let mark = token.mark().expect("the token's journal");
        aws.clear_calls();
        let wall = self.time(job, &self.line(job));
        Run {
            wall,
            apdus: token.mark().expect("the token's journal") - mark,
            call: Duration::from_micros(aws.calls().iter().map(|call| call.took_us).sum()),
        }
    }

    /// The peak of its memory in KiB, of a run that is not timed; exec has the large config for it.
    pub fn memory(&self, job: Job) -> u64 {
        self.prepare(job);
        let file = self.hand().join("memory");
        let line = self.line(job);
        let line = stopwatch::weighed(&line, &file);
        match job {
            Job::ExecCold | Job::ExecWarm => self.many_profiles.time_on_terminal(&line, QUESTION, PIN),
            // What it is with the large config is said of the other two; a lease is one of the small one's plans.
            Job::Floor
            | Job::Token
            | Job::Version
            | Job::ListProfiles
            | Job::ListEntries
            | Job::Limit
            | Job::ExecLeased
            | Job::ExportLeased => self.surroundings(job).time(&line),
        };
        let text = fs::read_to_string(file).expect("what GNU time wrote");
        text.trim().parse().expect("a number of KiB")
    }

    fn prepare(&self, job: Job) {
        if job == Job::ExecCold {
            self.small.time(&[&self.program, "clear"]);
        }
    }

    fn line(&self, job: Job) -> Vec<&str> {
        match (job, job.arguments()) {
            (_, Some(arguments)) => [&[self.program.as_str()], arguments].concat(),
            (Job::Token, None) => vec![&self.card_client],
            (Job::Limit, None) => [&self.leased.limit()[..], &["/bin/true"]].concat(),
            (_, None) => vec!["/bin/true"],
        }
    }

    fn time(&self, job: Job, line: &[&str]) -> Duration {
        let surroundings = self.surroundings(job);
        match job {
            Job::ExecCold | Job::ExecWarm => surroundings.time_on_terminal(line, QUESTION, PIN),
            Job::Floor
            | Job::Token
            | Job::Version
            | Job::ListProfiles
            | Job::ListEntries
            | Job::Limit
            | Job::ExecLeased
            | Job::ExportLeased => surroundings.time(line),
        }
    }
}

/// All that opening one entry asks of the token, as card-client's input. The management applet, selected last, drops the PIN.
fn one_opening() -> String {
    let metadata = [0, 0xf7, 0, SLOT, 0];
    let select_management = [0, 0xa4, 4, 0, 8, 0xa0, 0, 0, 5, 0x27, 0x47, 0x11, 0x17, 0];
    let (pin, agreement) = (verify(PIN), ecdh(SLOT));
    let apdus: [&[u8]; 6] = [SELECT_PIV, &metadata, PIN_STATUS, &pin, &agreement, &select_management];
    let lines = apdus.map(|apdu| format!("apdu {}\n", hex::encode(apdu)));
    format!("connect shared 0\nbegin\n{}end\n", lines.concat())
}

/// Regions, roles in chains and MFA devices, as large organisations generate them.
fn large_config(bench: &Bench) -> PathBuf {
    let mut text = String::from("[profile prod]\nregion = eu-central-1\n");
    for number in 0..PROFILES - 1 {
        write!(
            text,
            "\n[profile team{}-account{number:04}]\nregion = eu-central-1\nrole_arn = arn:aws:iam::{:012}:role/admin\n\
             source_profile = prod\nmfa_serial = arn:aws:iam::111122223333:mfa/ana\n",
            number % 40,
            100_000_000_000_u64 + number as u64,
        )
        .expect("text grows");
    }
    let file = bench.hand().join("large-config");
    fs::write(&file, text).expect("the large config");
    file
}

/// The bench's vault with copies of its entry. They can't be opened under other names; `list` opens none.
fn large_vault(bench: &Bench) -> PathBuf {
    let data = bench.hand().join("data");
    let copied = std::process::Command::new("cp")
        .args(["-a", "--"])
        .arg(bench.vault().parent().expect("the data folder"))
        .arg(&data)
        .status();
    assert!(copied.is_ok_and(|status| status.success()), "the vault is copied");
    let entries = data.join("tapvault/entries");
    let sidecar = fs::read_to_string(entries.join("prod.json")).expect("prod's sidecar");
    for number in 1..ENTRIES {
        let name = format!("account{number:04}");
        fs::copy(entries.join("prod.age"), entries.join(format!("{name}.age"))).expect("a copy of the entry");
        let beside = entries.join(format!("{name}.json"));
        fs::copy(entries.join("prod.json"), &beside).expect("a private file");
        fs::write(&beside, sidecar.replace("\"prod\"", &format!("\"{name}\""))).expect("its sidecar");
    }
    data
}
