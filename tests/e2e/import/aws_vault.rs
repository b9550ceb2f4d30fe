//! The real aws-vault, with its encrypted files, and everything at once.

use super::{TEMPORARY, import, secret_file, secret_of};
use crate::bench::run::Invocation;
use crate::bench::{ANA, Bench, Key, PIN};
use crate::tampering::{BEN, answer_unseen, with_tools};
use std::path::Path;

const PASSPHRASE: &str = "open sesame and be quick";

/// With aws-vault on the PATH, and its store in files.
fn beside<'b>(program: Invocation<'b>) -> Invocation<'b> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/aws-vault");
    assert!(built.exists(), "aws-vault is missing: bash tests/setup test");
    with_tools(program).env("AWS_VAULT_BACKEND", "file")
}

/// The same, and nobody is asked for the passphrase.
fn unasked<'b>(program: Invocation<'b>) -> Invocation<'b> {
    beside(program).env("AWS_VAULT_FILE_PASSPHRASE", PASSPHRASE)
}

/// Puts a key into aws-vault.
fn store(bench: &Bench, profile: &str, key: Key) {
    unasked(bench.program("aws-vault", ["add", "--env", profile]))
        .env("AWS_ACCESS_KEY_ID", key.0)
        .env("AWS_SECRET_ACCESS_KEY", key.1)
        .given_in_environment(&format!("secret of {}", key.0))
        .run()
        .success();
}

fn store_both(bench: &Bench) {
    store(bench, "prod", ANA);
    store(bench, "stray key", BEN);
}

fn enrolled_with_prod_elsewhere() -> Bench {
    let bench = Bench::enrolled();
    store(&bench, "prod", ANA);
    bench
}

#[test]
fn every_key_of_aws_vault_is_sealed_after_one_touch() {
    let bench = Bench::enrolled();
    // A profile that is a role with a key of its own, and needs a code: the key is what is wanted, not its session.
    bench.aws_config(
        "[profile prod]\nregion = eu-central-1\nrole_arn = arn:aws:iam::111122223333:role/admin\nmfa_serial = arn:aws:iam::111122223333:mfa/ana\n",
    );
    store_both(&bench);
    unasked(bench.tapvault(["import", "aws-vault"]))
        .env("AWS_MFA_SERIAL", "arn:aws:iam::111122223333:mfa/ana")
        .run()
        .success()
        .touches(1)
        .says("to seal prod and stray key")
        .says("2 sealed");
    bench.aws_config("");
    assert_eq!(
        (secret_of(&bench, "prod"), secret_of(&bench, "stray key")),
        (ANA.1.into(), BEN.1.into())
    );
    unasked(bench.tapvault(["import", "aws-vault"]))
        .run()
        .success()
        .touches(0)
        .says("2 there already");
}

#[test]
fn aws_vault_can_ask_for_its_passphrase_at_the_terminal() {
    let bench = enrolled_with_prod_elsewhere();
    let mut terminal = beside(bench.tapvault(["import", "aws-vault", "--profile", "prod"])).on_terminal();
    answer_unseen(&mut terminal, "Enter passphrase to unlock", PASSPHRASE);
    terminal.answer("PIN of YubiKey", PIN);
    terminal.finish().success().touches(1).says("prod: sealed");
    assert_eq!(secret_of(&bench, "prod"), ANA.1);
}

#[test]
fn what_aws_vault_refuses_is_told_in_its_own_words_and_nothing_is_sealed() {
    let bench = enrolled_with_prod_elsewhere();
    let wrong = |run: Invocation<'_>| beside(run).env("AWS_VAULT_FILE_PASSPHRASE", "wrong passphrase").run();
    wrong(bench.tapvault(["import", "aws-vault"]))
        .fails(3, "config")
        .touches(0)
        .says("aws-vault: error: ")
        .says("prod: skipped: `aws-vault export --no-session --format=json -- prod` failed (exit status: 1)");
    unasked(bench.tapvault(["import", "aws-vault", "--profile", "nope"]))
        .run()
        .fails(4, "no-entry")
        .says("aws-vault has no access key for nope");
    unasked(bench.tapvault(["import", "aws-vault"]))
        .env("AWS_VAULT", "prod")
        .run()
        .fails(2, "usage")
        .says("env -u AWS_VAULT");
    unasked(bench.tapvault(["import", "aws-vault"]))
        .env("AWS_VAULT_BACKEND", "no-such-backend")
        .run()
        .fails(3, "config")
        .says("no-such-backend");
    import(&bench, &["aws-vault"])
        .fails(3, "config")
        .says("aws-vault is not on the PATH");
    assert!(
        bench
            .snapshot()
            .names()
            .iter()
            .all(|name| !name.starts_with("entries/"))
    );
}

#[test]
fn import_all_takes_every_source_once_and_says_what_became_of_each_key() {
    let bench = Bench::enrolled();
    bench.secret("temporary", TEMPORARY.1);
    store_both(&bench);
    let key = |name: &str, key: Key| {
        format!(
            "[{name}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            key.0, key.1
        )
    };
    let text = format!(
        "{}{}[sts]\naws_access_key_id = {}\naws_secret_access_key = {}\naws_session_token = {}\n",
        key("plain", ANA),
        key("prod", BEN),
        TEMPORARY.0,
        TEMPORARY.1,
        TEMPORARY.2
    );
    secret_file(&bench, ".aws/credentials", &text);
    let all = || unasked(bench.tapvault(["import", "--all"])).run().success();
    all()
        .touches(1)
        .says("to seal plain, prod and stray key")
        .says("prod: left, for aws-vault: ~/.aws/credentials:5 has another key for it, which comes first")
        .says("1 temporary, 1 second for a profile, 3 sealed");
    let before = bench.snapshot();
    all()
        .touches(0)
        .says("1 temporary, 1 second for a profile, 3 there already");
    assert_eq!(bench.snapshot(), before);
    assert_eq!(secret_of(&bench, "prod"), BEN.1);
    // Without aws-vault the rest is taken all the same.
    import(&bench, &["--all"])
        .success()
        .touches(0)
        .says("aws-vault is not installed, so nothing is taken from it");
    import(&bench, &[]).fails(2, "usage").says("--all");
}
