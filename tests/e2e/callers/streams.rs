//! Standard input, output and error as scripts have them: pipes, closed, full, without a reader.

use crate::bench::{Bench, PIN, PYTHON};

/// Every command that prints a result.
const PRINTERS: [&str; 12] = [
    "list",
    "list --json",
    "list --credentials",
    "explain prod",
    "explain --json prod",
    "key list",
    "key show yubikey-15042118",
    "doctor",
    "completion bash",
    "--help",
    "help exec",
    "--version",
];

#[test]
fn megabytes_of_binary_reach_the_child_unchanged_while_the_pin_is_asked_at_the_terminal() {
    let bench = Bench::with_prod();
    let script = format!(
        "head -c 3000000 /dev/urandom >in; cat in | {} exec prod -- cat | cmp - in && echo the same",
        bench.tapvault_path()
    );
    let mut terminal = bench.program("bash", ["-c", &script]).on_terminal();
    terminal.answer("PIN of", PIN);
    assert_eq!(terminal.finish().success().touches(1).stdout, "the same\n");
}

#[test]
fn what_a_script_reads_after_exec_is_still_there() {
    let bench = Bench::with_prod();
    let script = format!("{} exec prod -- true; cat", bench.tapvault_path());
    let out = bench
        .program("sh", ["-c", &script])
        .stdin("left alone\n")
        .run()
        .success();
    assert_eq!(out.stdout, "left alone\n");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let bench = Bench::with_prod();
    for printer in PRINTERS {
        // The reader has gone before anything is written.
        let script = format!(
            "(sleep 0.2; exec {} {printer}) | true; echo ${{PIPESTATUS[0]}}",
            bench.tapvault_path()
        );
        let out = bench.program("bash", ["-c", &script]).run().success();
        assert_eq!(out.stdout, "0\n", "{printer}\n{out}");
        out.does_not_say("panicked");
    }
    let script = format!("{} list | head -n 1", bench.tapvault_path());
    let out = bench.program("sh", ["-c", &script]).run().success();
    assert!(out.stdout.starts_with("PROFILE "), "{out}");
}

#[test]
fn credentials_that_nobody_took_are_a_failure() {
    let bench = Bench::with_prod();
    for format in ["env", "json"] {
        let script = format!(
            "(sleep 0.2; exec {} export --format={format} prod) | true; echo ${{PIPESTATUS[0]}}",
            bench.tapvault_path()
        );
        let out = bench.program("bash", ["-c", &script]).run().success();
        assert_eq!(out.stdout, "1\n", "{out}");
        out.says("tapvault: other: writing the credentials: ");
    }
}

#[test]
fn a_full_disk_under_standard_output_is_told() {
    let bench = Bench::with_prod();
    for printer in PRINTERS {
        let script = format!("exec {} {printer} >/dev/full", bench.tapvault_path());
        let out = bench.program("sh", ["-c", &script]).run().fails(1, "other");
        out.says("No space left on device");
    }
    let script = format!("exec {} export --format=json prod >/dev/full", bench.tapvault_path());
    bench.program("sh", ["-c", &script]).run().fails(1, "other").touches(1);
}

#[test]
fn a_standard_error_that_takes_nothing_changes_no_outcome() {
    let bench = Bench::with_prod();
    for stderr in ["2>&-", "2>/dev/full"] {
        let tapvault = bench.tapvault_path();
        let script = format!(
            "{tapvault} exec prod -- echo ran {stderr}; echo $?; {tapvault} exec nobody -- echo ran {stderr}; echo $?; \
             {tapvault} no-such-command {stderr}; echo $?"
        );
        let out = bench.program("sh", ["-c", &script]).run().success();
        assert_eq!(out.stdout, "ran\n0\n4\n2\n", "{stderr}\n{out}");
    }
}

#[test]
fn closed_streams_do_not_put_our_files_in_their_places() {
    let bench = Bench::with_prod();
    // What is opened first would get the number of a closed stream, and a secret file could become standard output.
    let look = "import os; open('out', 'w').write(' '.join(os.readlink(f'/proc/self/fd/{n}') for n in range(3)))";
    let script = format!(
        "{} exec prod -- {PYTHON} -c \"{look}\" <&- >&- 2>&-",
        bench.tapvault_path()
    );
    bench.program("sh", ["-c", &script]).run().success();
    let out = std::fs::read_to_string(bench.home().join("out")).expect("what they were");
    assert_eq!(out, "/dev/null /dev/null /dev/null");
    let before = bench.snapshot();
    let script = format!("{} export prod >&-; echo $?", bench.tapvault_path());
    bench.program("sh", ["-c", &script]).run().success();
    assert_eq!(bench.snapshot(), before);
}
