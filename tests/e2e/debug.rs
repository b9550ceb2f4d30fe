//! `--debug`: what was done, on standard error, in names, origins, counts and status words; never data.

use crate::bench::{ANA, Bench};
use tapvault_lab::aws_standin::{Fault, When};

const CONFIG: &str = "[profile prod]\nregion = eu-central-1\n\
    [profile reader]\nrole_arn = arn:aws:iam::444455556666:role/partner\nsource_profile = prod\n\
    external_id = tapvault-lab-7\nregion = eu-west-1\n";

fn bench() -> Bench {
    let bench = Bench::with_prod();
    bench.aws_config(CONFIG);
    bench
}

#[test]
fn debug_says_which_file_line_key_instruction_and_call_it_was() {
    let bench = bench();
    let line = ["--debug", "exec", "reader", "--", "true"];
    let out = bench.tapvault(line).run().success().touches(1).releases_nothing();
    for words in [
        "debug: ~/.aws/config: ",
        "debug: ~/.aws/credentials: 0 bytes",
        "debug: reader begins with access key (~/.aws/config:5)",
        "debug: step 1: GetSessionToken for prod: duration (default: ",
        "debug: step 2: AssumeRole for reader: role_arn (~/.aws/config:4), ",
        "external_id (~/.aws/config:6)",
        "debug: prod is opened with yubikey-15042118",
        "debug: VERIFY: 9000",
        "debug: GENERAL AUTHENTICATE: 9000",
        " ms, request ",
    ] {
        assert!(out.stderr.contains(words), "it does not say {words:?}\n{out}");
    }
    // Each call with AWS's own ID of it.
    for call in bench
        .aws()
        .calls()
        .iter()
        .filter(|call| call.action != "GetCallerIdentity")
    {
        let words = format!("debug: {} from http", call.action);
        let found = out.stderr.lines().find(|line| line.starts_with(&words));
        let found = found.unwrap_or_else(|| panic!("no line begins with {words:?}\n{out}"));
        assert!(found.ends_with(&format!(", request {}", call.request_id)), "{found}");
    }
    // The second time it says what was sealed.
    let line = ["--debug", "exec", "reader", "--", "true"];
    bench
        .tapvault(line)
        .run()
        .success()
        .says("debug: step 2 was sealed and is fresh");
}

#[test]
fn debug_never_says_data_and_without_it_nothing_of_it_is_said() {
    let bench = bench();
    // Secrets are looked for in all of it by the bench itself; an external ID is nearly one.
    let faults: [fn() -> Option<Fault>; 4] = [
        || None,
        || Some(Fault::on("AssumeRole").error(403, "AccessDenied", "no")),
        || Some(Fault::on("AssumeRole").every().garbage("<html>")),
        || Some(Fault::on("AssumeRole").every().drop_connection(When::After)),
    ];
    for fault in faults {
        for line in [
            &["--debug", "exec", "reader", "--", "true"][..],
            &["exec", "reader", "--", "true"],
        ] {
            bench.tapvault(["clear"]).run().success();
            fault().into_iter().for_each(|fault| bench.aws().fault(fault));
            // The crates below write to the `log` facade; nobody may listen there, for one of them writes PINs.
            let run = bench.tapvault(line).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
            let out = run.run().does_not_say("tapvault-lab-7").does_not_say(ANA.0);
            bench.aws().clear_faults();
            let (debug, others): (Vec<&str>, Vec<&str>) =
                out.stderr.lines().partition(|line| line.starts_with("debug: "));
            assert_eq!(debug.is_empty(), line[0] != "--debug", "{out}");
            let ours = |line: &&&str| line.starts_with("touch ") || line.starts_with("tapvault: ");
            let hints = others.len() - others.iter().filter(ours).count();
            assert!(hints < 3, "lines that nobody has thought of\n{out}");
            let longest = out.said().split(|c: char| !c.is_ascii_hexdigit()).map(str::len).max();
            assert!(longest < Some(13), "so long a run of hexadecimal digits is data\n{out}");
        }
    }
}

#[test]
fn debug_of_an_enrolment_and_an_addition_holds_no_data_either() {
    let bench = Bench::start();
    let out = bench
        .tapvault(["--debug", "key", "enroll", "piv"])
        .env("RUST_LOG", "trace")
        .run()
        .success();
    assert!(out.stderr.contains("debug: "), "{out}");
    let add = bench.add_stdin("prod", ANA).env("RUST_LOG", "trace").run().success();
    add.does_not_say("TRACE");
    out.does_not_say("TRACE").does_not_say("APDU");
}
