//! Which profile is meant when none is named.

use crate::bench::{Bench, CTRL_C, PIN};

fn bench() -> Bench {
    let bench = Bench::with_prod();
    bench.aws_config(
        "[profile app]\nregion = eu-west-1\nsource_profile = prod\n[profile prod]\nregion = eu-central-1\n",
    );
    bench
}

#[test]
fn a_person_picks_by_number_or_by_name() {
    let bench = bench();
    for answer in ["2", "prod", " prod "] {
        let mut terminal = bench
            .tapvault(["exec", "--", "sh", "-c", "echo $AWS_VAULT"])
            .on_terminal();
        terminal.expect("  1  app\n");
        terminal.expect("  2  prod\n");
        terminal.answer("profile (name or number): ", answer);
        terminal.answer("PIN of", PIN);
        assert_eq!(terminal.finish().success().touches(1).stdout, "prod\n", "{answer:?}");
    }
}

#[test]
fn what_is_no_profile_is_said_before_anything_is_opened() {
    let bench = bench();
    for (answer, code, words) in [
        ("3", 4, "3"),
        ("0", 4, "0"),
        ("", 2, "can't be empty"),
        ("prd", 4, "did you mean prod?"),
    ] {
        let mut terminal = bench.tapvault(["exec", "--", "true"]).on_terminal();
        terminal.answer("profile (name or number): ", answer);
        let out = terminal.finish().touches(0).says(words);
        assert_eq!(out.code, Some(code), "{answer:?}\n{out}");
    }
}

#[test]
fn ctrl_c_and_ctrl_d_leave_the_picker() {
    let bench = bench();
    let mut terminal = bench.tapvault(["exec", "--", "true"]).on_terminal();
    terminal.expect("profile (name or number): ");
    terminal.type_(CTRL_C);
    let out = terminal.finish().touches(0);
    assert_eq!(out.signal, Some(2), "{out}");
    let mut terminal = bench.tapvault(["exec", "--", "true"]).on_terminal();
    terminal.expect("profile (name or number): ");
    terminal.type_("\x04");
    terminal.finish().fails(130, "cancelled").touches(0);
}

#[test]
fn aws_profile_stands_for_the_name_and_a_name_beats_it() {
    let bench = bench();
    let vault = |words: &[&str], profile: &str| {
        let words = [&["exec"], words, &["--", "sh", "-c", "echo $AWS_VAULT"]].concat();
        bench
            .tapvault(words)
            .env("AWS_PROFILE", profile)
            .run()
            .success()
            .touches(1)
            .stdout
    };
    assert_eq!(vault(&[], "prod"), "prod\n");
    assert_eq!(vault(&["prod"], "app"), "prod\n");
    // Set to nothing it names nothing.
    let out = bench.tapvault(["exec", "--", "true"]).env("AWS_PROFILE", "").run();
    out.fails(2, "usage").says("no profile was named").touches(0);
}

#[test]
fn the_picker_is_not_shown_for_a_command_that_is_not_there() {
    let bench = bench();
    let terminal = bench.tapvault(["exec", "--", "no-such-command"]).on_terminal();
    let out = terminal.finish().does_not_say("profile (name");
    assert_eq!(out.code, Some(127), "{out}");
}
