//! The console's CSV.

use super::{TEMPORARY, UNKNOWN, import, secret_file, secret_of};
use crate::bench::{ANA, Bench};
use crate::tampering::BEN;

#[test]
fn the_consoles_csv_is_sealed_after_one_touch_and_a_second_run_does_nothing() {
    let bench = Bench::enrolled();
    let text = format!("\u{feff}Access key ID,Secret access key\r\n{},{}\r\n", ANA.0, ANA.1);
    let file = secret_file(&bench, "Ana's accessKeys.csv", &text);
    let file = file.to_str().expect("text");
    let out = import(&bench, &["csv", file, "prod"]).success().touches(1);
    out.says("to seal prod")
        .says("belongs to ana in account 111122223333")
        .says("prod: sealed")
        .says("still holds what it held");
    assert_eq!(secret_of(&bench, "prod"), ANA.1);
    let before = bench.snapshot();
    import(&bench, &["csv", file, "prod"])
        .success()
        .touches(0)
        .pins(0, 0)
        .says("prod: the vault has this key already");
    assert_eq!(bench.snapshot(), before);
    assert_eq!(std::fs::read_to_string(file).expect("the file"), text);
}

#[test]
fn each_row_is_called_after_its_user_and_rows_without_a_key_are_passed_over() {
    let bench = Bench::enrolled();
    let text = format!(
        "User name,Password,Access key ID,Secret access key,Console login link\nana,,{},{},https://x\n\nnobody,hunter2,,,https://x\n\"ben\",,\"{}\",\"{}\",https://x\n",
        ANA.0, ANA.1, BEN.0, BEN.1
    );
    let file = secret_file(&bench, "credentials.csv", &text);
    let file = file.to_str().expect("text");
    let out = import(&bench, &["csv", file]).success().touches(1);
    out.says("to seal ana and ben").says("2 sealed");
    assert_eq!(
        (secret_of(&bench, "ana"), secret_of(&bench, "ben")),
        (ANA.1.into(), BEN.1.into())
    );
    import(&bench, &["csv", file, "one", "two", "three"])
        .fails(2, "usage")
        .says("has 2 access keys, and 3 profiles were named");
    import(&bench, &["csv", file, "first", "second"]).success().touches(1);
    assert_eq!(secret_of(&bench, "second"), BEN.1);
}

#[test]
fn a_key_that_aws_does_not_know_is_left_and_the_others_are_sealed() {
    let bench = Bench::enrolled();
    bench.secret("unknown", UNKNOWN.1);
    let text = format!(
        "User name,Access key ID,Secret access key\nold,{},{}\nana,{},{}\ntmp,{},{}\n",
        UNKNOWN.0, UNKNOWN.1, ANA.0, ANA.1, TEMPORARY.0, TEMPORARY.1
    );
    let file = secret_file(&bench, "keys.csv", &text);
    let file = file.to_str().expect("text");
    import(&bench, &["csv", file])
        .fails(8, "aws")
        .touches(1)
        .says("old: not sealed: GetCallerIdentity refused: InvalidClientTokenId")
        .says("ana: sealed")
        .says("tmp: temporary credentials, left where they are")
        .says("1 temporary, 1 refused, 1 sealed");
    bench.tapvault(["list", "--credentials"]).run().success();
    assert_eq!(secret_of(&bench, "ana"), ANA.1);
    // Without asking AWS it is sealed.
    import(&bench, &["csv", file, "--offline"])
        .success()
        .touches(1)
        .says("old: sealed");
}

#[test]
fn a_key_that_is_there_is_replaced_only_when_asked_for() {
    let bench = Bench::with_prod();
    let text = format!("Access key ID,Secret access key\n{},{}\n", BEN.0, BEN.1);
    let file = secret_file(&bench, "keys.csv", &text);
    let file = file.to_str().expect("text");
    let before = bench.snapshot();
    import(&bench, &["csv", file, "prod"])
        .fails(12, "conflict")
        .touches(0)
        .says("--force replaces it");
    assert_eq!(bench.snapshot(), before);
    import(&bench, &["csv", file, "prod", "--force"]).success().touches(1);
    assert_eq!(secret_of(&bench, "prod"), BEN.1);
}

#[test]
fn what_is_no_such_file_is_refused_without_being_shown() {
    let bench = Bench::enrolled();
    bench.secret("text of the file", "hunter2-hunter2");
    for (text, words) in [
        ("", "is no CSV of access keys"),
        ("hunter2-hunter2\n", "is no CSV of access keys"),
        (
            "Access key ID,Secret access key\nAKIATAPVAULTLABANA22,hunter2-hunter2\n",
            "does not say which user",
        ),
        (
            "User name,Access key ID,Secret access key\nx,,hunter2-hunter2 hunter2\n",
            "not the form of an access key ID",
        ),
    ] {
        let file = secret_file(&bench, "keys.csv", text);
        let out = import(&bench, &["csv", file.to_str().expect("text")])
            .says(words)
            .touches(0);
        assert!(matches!(out.code, Some(2 | 3)), "{out}");
    }
    let file = bench.home().join("utf-16.csv");
    std::fs::write(&file, b"\xff\xfeA\0c\0").expect("written");
    let file = file.to_str().expect("text");
    import(&bench, &["csv", file])
        .fails(2, "usage")
        .says("save it as CSV in UTF-8");
    import(&bench, &["csv", "/no/such/file"])
        .fails(1, "other")
        .says("/no/such/file");
    import(&bench, &["csv", "/dev/zero"]).fails(2, "usage");
    assert!(
        bench
            .snapshot()
            .names()
            .iter()
            .all(|name| !name.starts_with("entries/"))
    );
}
