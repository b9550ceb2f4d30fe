//! Where a code comes from when there are several ways, and what is said when one has to do without.

use super::{ANA_MFA, Touch, put, with_mfa};
use crate::bench::{Bench, SERIAL};

/// A program that prints Ana's code and leaves a mark.
fn with_process(bench: &Bench, prints: &str) {
    let mark = bench.root().join("asked");
    bench.aws_config(&format!(
        "[profile prod]\nmfa_serial = {ANA_MFA}\nmfa_process = sh -c 'touch {}; echo {prints}'\n",
        mark.display()
    ));
}

fn process_was_asked(bench: &Bench) -> bool {
    bench.root().join("asked").exists()
}

#[test]
fn the_token_comes_before_the_process_and_the_process_before_a_question() {
    let bench = with_mfa();
    with_process(&bench, &bench.code_of_ana());
    put(&bench, ANA_MFA, Touch::None);
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    assert!(!process_was_asked(&bench));
}

#[test]
fn without_an_account_the_process_is_asked_and_that_is_said_in_a_word() {
    let bench = with_mfa();
    put(&bench, "GitHub:ana", Touch::None);
    with_process(&bench, "000000");
    let out = bench.tapvault(["exec", "prod", "--", "true"]).run();
    let out = out.fails(8, "aws").says(&format!(
        "no OATH account for ana on YubiKey {SERIAL}; mfa_process gives the code"
    ));
    assert_eq!(out.pinentry_asked(), 1, "the PIN\n{out}");
    assert!(process_was_asked(&bench));
}

#[test]
fn a_code_on_the_command_line_leaves_the_token_alone() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::Required);
    let out = bench.tapvault(["exec", "-t", "000000", "prod", "--", "true"]).run();
    out.fails(8, "aws").touches(1);
    assert_eq!(bench.calls(), ["GetSessionToken"]);
}

#[test]
fn each_source_can_be_forced_and_nothing_else_is_tried_then() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::Required);
    let exec = |source: &str| bench.tapvault(["exec", "--mfa", source, "prod", "--", "true"]).run();
    exec("process")
        .fails(3, "config")
        .says("--mfa process: no mfa_process is set");
    bench.pinentry_knows("MFA", "000000");
    let asked = exec("prompt").fails(8, "aws").touches(1);
    assert_eq!(asked.pinentry_asked(), 2, "the PIN and the code\n{asked}");
    let both = bench.tapvault(["exec", "--mfa", "oath", "-t", "000000", "prod", "--", "true"]);
    both.run().fails(2, "usage");
    bench.wait_for_next_step();
    exec("oath").success().touches(2);
}

#[test]
fn code_prints_one_and_spends_it() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::Required);
    // Both in one half minute, which has just begun.
    bench.wait_for_next_step();
    let out = bench.tapvault(["code", "prod"]).run().success().touches(1);
    assert_eq!(out.stdout.trim().len(), 6, "{out}");
    out.says(&format!("touch YubiKey {SERIAL} to give the MFA code of ana"))
        .says("it counts as used");
    // The next one waits for the next half minute, and says so.
    let json = bench.tapvault(["code", ANA_MFA, "--json"]).run().success().touches(1);
    let json = json
        .says("the code of this half minute is spent; the next one comes in")
        .json();
    assert_eq!(json["serial"], ANA_MFA);
    assert_eq!(json["source"], "oath");
    assert_eq!(json["code"].as_str().map(str::len), Some(6));
    assert!(json["expires"].as_str().is_some_and(|end| end.ends_with('Z')));
}

#[test]
fn code_says_what_is_missing() {
    let bench = with_mfa();
    bench.aws_config("[profile plain]\nregion = eu-west-1\n");
    let code = |subject: &str| bench.tapvault(["code", subject]).run();
    code("plain").fails(3, "config").says("profile plain has no mfa_serial");
    code("plan").fails(3, "config").says("plain");
    code("arn:aws:iam::111122223333:mfa/eve")
        .fails(5, "no-key")
        .says("no OATH account for eve");
}

#[test]
fn explain_says_which_account_gives_the_code_and_counts_its_touch() {
    let bench = with_mfa();
    put(&bench, ANA_MFA, Touch::Required);
    let effort = |plan: &serde_json::Value, when: &str| (plan[when]["touches"].clone(), plan[when]["codes"].clone());
    let plan = bench
        .tapvault(["explain", "prod", "--json"])
        .run()
        .success()
        .touches(0)
        .json_as("explain");
    assert_eq!(plan["steps"][0]["code"], "oath");
    assert_eq!(plan["steps"][0]["oath"]["account"], ANA_MFA);
    assert_eq!(plan["steps"][0]["oath"]["token"], format!("YubiKey {SERIAL}"));
    assert_eq!(effort(&plan, "now"), (2.into(), 1.into()));
    let text = bench.tapvault(["explain", "prod"]).run().success().stdout;
    assert!(text.contains(&format!("from YubiKey {SERIAL}, {ANA_MFA}")), "{text}");
    // What it says is what exec takes.
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(2);
    let plan = bench.tapvault(["explain", "prod", "--json"]).run().success().json();
    assert_eq!(effort(&plan, "now"), (1.into(), 0.into()));
    assert_eq!(effort(&plan, "from_nothing"), (2.into(), 1.into()));
    let other = bench.tapvault(["explain", "prod", "--json", "--mfa", "prompt"]).run();
    assert_eq!(other.success().json()["steps"][0]["code"], "asked");
    // A password is not asked for.
    bench.ykman(&["oath", "access", "change", "--new-password", "correct horse"]);
    let plan = bench.tapvault(["explain", "prod", "--json"]).run().success().json();
    assert_eq!(plan["steps"][0]["code"], "asked");
}
