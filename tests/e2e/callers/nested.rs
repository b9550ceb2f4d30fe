//! A shell inside a shell: sessions do not nest, and the way out that is named is one.

use crate::bench::Bench;

#[test]
fn a_session_inside_a_session_is_refused_before_any_touch() {
    let bench = Bench::with_prod();
    let tapvault = bench.tapvault_path();
    for inner in [
        "exec prod -- true",
        "exec -n prod -- true",
        "export prod",
        "export --format=export-env prod",
    ] {
        let script = format!("{tapvault} {inner}; echo inner $?");
        let out = bench
            .tapvault(["exec", "prod", "--", "sh", "-c", &script])
            .run()
            .success();
        assert_eq!(out.stdout, "inner 2\n", "{inner}\n{out}");
        out.touches(1)
            .says("tapvault: usage: this shell has credentials of prod already (AWS_VAULT is set)")
            .says("leave it with `exit`, or go round it: env -u AWS_VAULT tapvault ");
    }
}

#[test]
fn both_ways_that_the_refusal_names_work() {
    let bench = Bench::with_prod();
    let tapvault = bench.tapvault_path();
    let script = format!("env -u AWS_VAULT {tapvault} exec prod -- sh -c 'echo $AWS_VAULT'");
    let out = bench
        .tapvault(["exec", "prod", "--", "sh", "-c", &script])
        .run()
        .success();
    assert_eq!(out.touches(2).stdout, "prod\n");
    // `exit` from the subshell, then again.
    let script = format!("{tapvault} exec prod && {tapvault} exec prod -- sh -c 'echo $AWS_VAULT'");
    let out = bench.program("sh", ["-c", &script]).stdin("exit\n").run().success();
    assert_eq!(out.touches(2).stdout, "prod\n");
}

#[test]
fn a_client_inside_a_session_gets_its_json_for_any_profile() {
    let bench = Bench::with_prod();
    let tapvault = bench.tapvault_path();
    for inner in [
        "export --format=json prod",
        "export --format=ini prod",
        "exec --json prod",
    ] {
        let script = format!("{tapvault} {inner}");
        let out = bench
            .tapvault(["exec", "prod", "--", "sh", "-c", &script])
            .prints_secrets()
            .run();
        let out = out.success().touches(2);
        assert!(out.stdout.contains("ASIA"), "{out}");
    }
}

#[test]
fn an_empty_aws_vault_is_no_session() {
    let bench = Bench::with_prod();
    let command = bench.tapvault(["exec", "prod", "--", "true"]).env("AWS_VAULT", "");
    command.run().success().touches(1);
}
