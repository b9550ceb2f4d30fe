//! `~/.aws/credentials`, and keys in `~/.aws/config`.

use super::{TEMPORARY, UNKNOWN, import, secret_file, secret_of};
use crate::bench::{ANA, Bench};
use crate::tampering::BEN;
use std::fs;

/// Two keys that work, and one of each kind that stays.
fn mixed(bench: &Bench) -> String {
    bench.secret("unknown", UNKNOWN.1);
    bench.secret("temporary", TEMPORARY.1);
    let text = format!(
        "# my keys\r\n[prod]\r\naws_access_key_id = {}\r\naws_secret_access_key = {}\r\n\r\n[dev]\r\nAWS_SECRET_ACCESS_KEY={}\r\nAWS_ACCESS_KEY_ID={}\r\nregion = eu-central-1\r\n\
         [sts]\r\naws_access_key_id = {}\r\naws_secret_access_key = {}\r\naws_session_token = {}\r\n\
         [half]\r\naws_access_key_id = AKIATAPVAULTLABANA22\r\n[my prof]\r\naws_access_key_id = AKIATAPVAULTLABANA22\r\n",
        ANA.0, ANA.1, BEN.1, BEN.0, TEMPORARY.0, TEMPORARY.1, TEMPORARY.2
    );
    secret_file(bench, ".aws/credentials", &text);
    text
}

#[test]
fn keys_of_the_credentials_file_are_sealed_after_one_touch_and_the_file_stays_as_it_is() {
    let bench = Bench::enrolled();
    let text = mixed(&bench);
    let out = import(&bench, &["aws-credentials"]).fails(3, "config").touches(1);
    out.says("to seal prod and dev")
        .says("sts: temporary credentials, left where they are")
        .says("half: not an access key that can be used: ~/.aws/credentials:14: there is no aws_secret_access_key")
        .says("~/.aws/credentials:16: not an access key that can be used: a key below a header that AWS clients pass over")
        .says("1 temporary, 2 damaged, 2 sealed");
    assert_eq!(
        (secret_of(&bench, "prod"), secret_of(&bench, "dev")),
        (ANA.1.into(), BEN.1.into())
    );
    import(&bench, &["aws-credentials", "--profile", "prod", "--profile", "dev"])
        .success()
        .touches(0)
        .says("2 there already");
    let now = fs::read_to_string(bench.home().join(".aws/credentials")).expect("the file");
    assert_eq!(now, text);
}

#[test]
fn only_the_profiles_that_were_named_are_taken_and_a_typing_slip_is_told() {
    let bench = Bench::enrolled();
    mixed(&bench);
    import(&bench, &["aws-credentials", "--profile", "dve"])
        .fails(4, "no-entry")
        .says("neither ~/.aws/credentials nor ~/.aws/config has an access key for dve")
        .says("did you mean dev?");
    import(&bench, &["aws-credentials", "--profile", "dev"])
        .success()
        .touches(1);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(4, "no-entry");
    assert_eq!(secret_of(&bench, "dev"), BEN.1);
}

#[test]
fn keys_in_the_config_file_are_found_and_the_credentials_file_comes_first() {
    let bench = Bench::enrolled();
    let config = format!(
        "[default]\nregion = eu-central-1\n[profile dev]\naws_access_key_id = {}\naws_secret_access_key = {}\n[profile prod]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        BEN.0, BEN.1, BEN.0, BEN.1
    );
    secret_file(&bench, ".aws/config", &config);
    // Another place than the usual one.
    let elsewhere = secret_file(
        &bench,
        "elsewhere",
        &format!("[prod]\naws_access_key_id={}\naws_secret_access_key={}\n", ANA.0, ANA.1),
    );
    bench
        .tapvault(["import", "aws-credentials"])
        .env("AWS_SHARED_CREDENTIALS_FILE", &elsewhere)
        .run()
        .success()
        .touches(1)
        .says("prod: left, for ~/.aws/config:7: ~/elsewhere:2 has another key for it, which comes first");
    assert_eq!(
        (secret_of(&bench, "prod"), secret_of(&bench, "dev")),
        (ANA.1.into(), BEN.1.into())
    );
}

#[test]
fn without_any_key_there_is_nothing_to_do() {
    let bench = Bench::enrolled();
    import(&bench, &["aws-credentials"])
        .success()
        .touches(0)
        .says("no access key was found");
}

#[test]
fn what_the_vault_has_differently_is_left_in_bulk_and_replaced_with_force() {
    let bench = Bench::with_prod();
    let text = format!("[prod]\naws_access_key_id={}\naws_secret_access_key={}\n", BEN.0, BEN.1);
    secret_file(&bench, ".aws/credentials", &text);
    import(&bench, &["aws-credentials"])
        .success()
        .touches(0)
        .says("prod: the vault has another key for it, which was left; --force replaces it");
    assert_eq!(secret_of(&bench, "prod"), ANA.1);
    import(&bench, &["aws-credentials", "--profile", "prod"])
        .fails(12, "conflict")
        .touches(0);
    import(&bench, &["aws-credentials", "--force"]).success().touches(1);
    assert_eq!(secret_of(&bench, "prod"), BEN.1);
}

#[test]
fn without_a_network_nothing_is_sealed_unless_aws_is_not_to_be_asked() {
    let bench = Bench::enrolled();
    mixed(&bench);
    bench
        .tapvault(["import", "aws-credentials", "--profile", "prod"])
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .run()
        .fails(9, "network")
        .touches(0)
        .says("prod: nothing was sealed")
        .says("--offline");
    bench
        .tapvault(["import", "aws-credentials", "--profile", "prod", "--offline"])
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .run()
        .success()
        .touches(1);
}

#[test]
fn a_missed_touch_seals_nothing() {
    let bench = Bench::enrolled();
    mixed(&bench);
    let before = bench.snapshot();
    bench.withhold_touches();
    import(&bench, &["aws-credentials"]).fails(6, "no-touch").missed_touch();
    assert_eq!(bench.snapshot(), before);
}
