//! What a command costs, in counts that are the same on every machine: APDUs, files, sockets, threads, memory. How long it takes
//! is told by tests/bench.

use crate::bench::run::{Invocation, Output};
use crate::bench::{ANA, Bench};
use std::fmt::Write;
use std::fs;
use std::path::Path;

const STRACE: &str = "/usr/bin/strace";
const PRLIMIT: &str = "/usr/bin/prlimit";

/// What is asked of a token for one opening.
const OPENING: [&str; 6] = [
    "SELECT",
    "GET METADATA",
    "VERIFY",
    "VERIFY",
    "GENERAL AUTHENTICATE",
    "SELECT",
];

/// The most memory that a command may take for its own, in bytes: heap and stacks, those of threads whole. What the program's
/// own file takes beside it is another figure in each build; tests/bench measures all of it in the shipped one.
const DATA: u64 = 16 << 20;

#[test]
fn an_access_key_and_a_sealed_session_are_opened_with_six_apdus_each() {
    let bench = Bench::with_prod();
    for opened in ["access key", "session"] {
        let mark = bench.token().mark().expect("a journal");
        bench
            .tapvault(["exec", "prod", "--", "true"])
            .run()
            .success()
            .touches(1);
        let asked: Vec<String> = bench
            .token()
            .log_since(mark)
            .expect("a journal")
            .into_iter()
            .map(|entry| entry.instruction)
            .collect();
        assert_eq!(asked, OPENING, "{opened}");
    }
    assert_eq!(bench.calls(), ["GetCallerIdentity", "GetSessionToken"]);
}

#[test]
fn a_sealed_session_is_opened_without_network_certificates_or_a_runtime() {
    let bench = Bench::with_prod();
    let bundle = bench.home().join("authorities.pem");
    fs::write(&bundle, "none").expect("a bundle");
    let traced = |line: &[&str], endpoint: &str| {
        let (output, calls) = traced(&bench, line, |run| {
            run.env("AWS_CA_BUNDLE", &bundle).env("AWS_ENDPOINT_URL", endpoint)
        });
        (output, calls)
    };
    let (plain, encrypted) = (bench.aws().endpoint(), "https://127.0.0.1:9");

    let (output, calls) = traced(&["exec", "prod", "--", "true"], &plain);
    output.success().touches(1);
    assert!(calls.have("AF_INET") && calls.have("epoll_create"), "{calls:?}");
    assert!(!calls.have("authorities.pem"), "plain HTTP needs none: {calls:?}");

    let (output, calls) = traced(&["exec", "prod", "--", "true"], &plain);
    output.success().touches(1);
    for cost in ["AF_INET", "epoll_create", "authorities.pem", "/etc/ssl", "resolv.conf"] {
        assert!(!calls.have(cost), "{cost}: {calls:?}");
    }
    let elsewhere: Vec<&str> = calls
        .having("connect(")
        .filter(|call| !call.contains("pcscd.comm"))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    // PC/SC and pinentry may not answer for long; each is waited for on a thread that can be left behind, and by no others.
    let threads = calls.having("CLONE_THREAD").count();
    assert_eq!(threads, calls.having("PR_SET_NAME, \"token\"").count() + 1, "{calls:?}");
    let lists = calls.having("keys.json").count();
    assert_eq!(lists, 1, "the key list is read once: {calls:?}");

    let (output, calls) = traced(&["exec", "--refresh", "prod", "--", "true"], encrypted);
    assert!(
        output.code != Some(0) && calls.have("authorities.pem"),
        "{calls:?}\n{output}"
    );
}

#[test]
fn sixteen_mebibytes_of_data_are_enough_for_every_day_and_a_large_config() {
    let bench = Bench::with_prod();
    let mut config = String::from("[profile prod]\nregion = eu-central-1\n");
    for number in 0..5000 {
        let account = 100_000_000_000_u64 + number;
        write!(
            config,
            "\n[profile team-{number}]\nrole_arn = arn:aws:iam::{account}:role/admin\nsource_profile = prod\n"
        )
        .expect("text grows");
    }
    bench.aws_config(&config);
    needs(PRLIMIT, "util-linux");
    let within = |bytes: u64, line: &[&str]| {
        let limit = format!("--data={bytes}");
        let arguments = [&[limit.as_str(), bench.tapvault_path()], line].concat();
        bench.program(PRLIMIT, arguments).run()
    };
    let exec = ["exec", "prod", "--", "true"];
    let little = within(DATA / 16, &exec);
    assert_ne!(little.code, Some(0), "the limit is none\n{little}");
    // The first exec calls STS.
    for line in [&exec[..], &exec, &["list"], &["explain", "team-4999"]] {
        within(DATA, line).success();
    }
}

/// The most system calls that a run within a lease may make of its own, from its first one to the command's start. There were 35
/// when this was written; the rest is for a terminal and settings.
const WITHIN_LEASE: usize = 50;

#[test]
fn within_a_lease_the_agent_is_asked_and_nothing_else() {
    let bench = Bench::setup().agent().start();
    bench.enroll();
    bench.add("prod", ANA);
    let leasing = ["exec", "--lease", "15m", "prod", "--", "true"];
    bench.tapvault(leasing).run().success().touches(1);
    for line in [
        &["exec", "prod", "--", "true"][..],
        &["export", "--format=json", "prod"],
    ] {
        let (output, all) = traced_with(&bench, &["-s", "0"], line, Invocation::prints_secrets);
        output.success().touches(0);
        // What speaks to tokens is in the other program: the loader would take as long for it as all the rest.
        for library in ["libpcsclite", "libudev", "libm."] {
            assert!(!all.have(library), "{library}: {all:?}");
        }
        // Hardening is the first thing that the program itself does; before it come the loader and the standard library.
        let first = all.0.iter().position(|call| call.contains("PR_SET_DUMPABLE"));
        let own = &all.0[first.expect("it is hardened")..];
        let last = own.iter().position(|call| call.contains("execve("));
        let own = Calls(own[..last.unwrap_or(own.len())].to_vec());
        let connections: Vec<&str> = own.having("connect(").collect();
        assert!(
            matches!(connections[..], [only] if only.contains("/agent-") && only.contains("AF_UNIX")),
            "{own:?}"
        );
        assert_eq!(own.having("socket(").count(), 1, "{own:?}");
        for cost in [
            "pcscd",
            "epoll",
            "eventfd",
            "timerfd",
            "clone",
            "keys.json",
            "/sessions",
        ] {
            assert!(!own.have(cost), "{cost}: {own:?}");
        }
        let opened = own.having("open").find(|call| call.contains(".age"));
        assert_eq!(opened, None, "nothing sealed is opened");
        let number = own.0.len();
        assert!(number <= WITHIN_LEASE, "{number} system calls: {own:?}");
    }
}

#[test]
fn each_line_and_each_error_with_its_hints_is_written_in_one_piece() {
    let bench = Bench::with_prod();
    // Callers that run at once may share what is their standard error. The options leave out what is written.
    let pieces = |line: &[&str]| {
        let (output, calls) = traced_with(&bench, &["-e", "trace=write", "-s", "0"], line, |run| run);
        (output, calls.having("write(2, ").count())
    };
    let (output, count) = pieces(&["exec", "prdo", "--", "true"]);
    output.fails(4, "no-entry").says("did you mean prod?");
    assert_eq!(count, 1);
    let (output, count) = pieces(&["exec", "prod", "--", "true"]);
    let output = output.success().touches(1);
    assert_eq!(count, output.stderr.lines().count(), "{output}");
}

/// System calls, a line for each.
#[derive(Debug)]
struct Calls(Vec<String>);

impl Calls {
    fn have(&self, words: &str) -> bool {
        self.having(words).next().is_some()
    }

    fn having<'a>(&'a self, words: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .map(String::as_str)
            .filter(move |call| call.contains(words))
    }
}

/// Runs tapvault under strace. Calls that carry data are not recorded: a PIN is among it.
fn traced<'b>(bench: &'b Bench, line: &[&str], dress: impl Fn(Invocation<'b>) -> Invocation<'b>) -> (Output, Calls) {
    let trace = "trace=socket,connect,open,openat,epoll_create,epoll_create1,clone,clone3,prctl";
    traced_with(bench, &["-e", trace], line, dress)
}

/// The same with other options of strace's, which see to it that no data is recorded.
fn traced_with<'b>(
    bench: &'b Bench,
    options: &[&str],
    line: &[&str],
    dress: impl Fn(Invocation<'b>) -> Invocation<'b>,
) -> (Output, Calls) {
    needs(STRACE, "strace");
    let log = bench.root().join("strace.log");
    let before = [&["-f", "-qq", "-e", "signal=none"], options, &["-o"]].concat();
    let arguments = before.into_iter().map(str::to_owned).chain([log.display().to_string()]);
    let arguments = arguments.chain([bench.tapvault_path().to_owned()]);
    let arguments = arguments.chain(line.iter().map(|&word| word.to_owned()));
    let output = dress(bench.program(STRACE, arguments)).run();
    let text = fs::read_to_string(log).expect("strace's log");
    // The second half of a call that another thread's came between is no call of its own.
    let calls = text.lines().filter(|line| !line.contains(" resumed>"));
    (output, Calls(calls.map(str::to_owned).collect()))
}

fn needs(program: &str, package: &str) {
    assert!(
        Path::new(program).exists(),
        "{program} is missing: apt-get install {package}"
    );
}
