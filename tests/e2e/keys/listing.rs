//! What keys are called, and what `key list` and `key show` say of them.

use super::{FIRST, enroll_passphrase, enroll_token, names};
use crate::bench::{ANA, Bench, OTHER_SERIAL, PIN, SERIAL};
use crate::tampering::{BEN, refused};

#[test]
fn keys_get_good_names_and_no_two_the_same() {
    let bench = Bench::setup().two_tokens().start();
    // Which of two tokens is meant has to be said.
    refused(&bench, ["key", "enroll", "piv"], 2, "usage", "2")
        .touches(0)
        .says(&SERIAL.to_string())
        .says(&OTHER_SERIAL.to_string())
        .says("--serial");
    enroll_token(&bench, SERIAL, &[]).success().touches(2).says(FIRST);
    enroll_token(&bench, SERIAL, &[]).success().touches(3);
    // The second YubiKey, and slots and names that are chosen.
    enroll_token(&bench, OTHER_SERIAL, &["--slot", "7", "--name", "drawer"])
        .success()
        .says("\"drawer\"");
    enroll_passphrase(&bench, &["--allow-touchless"]).success();
    bench.enroll_paper("paper");
    enroll_passphrase(&bench, &["--allow-touchless", "--name", "office.desk_2"]).success();
    assert_eq!(
        names(&bench),
        [
            FIRST,
            "yubikey-15042118-2",
            "drawer",
            "passphrase",
            "paper",
            "office.desk_2"
        ]
    );
    for name in ["drawer", "paper"] {
        refused(
            &bench,
            ["key", "enroll", "passphrase", "--allow-touchless", "--name", name],
            12,
            "conflict",
            name,
        );
        let again = ["key", "enroll", "piv", "--serial", "15042118", "--name", name];
        refused(&bench, again, 12, "conflict", name).touches(0).says("--name");
    }
    let taken = ["key", "enroll", "piv", "--serial", "15042177", "--slot", "7"];
    refused(&bench, taken, 12, "conflict", "slot")
        .touches(0)
        .says("left as it is");
    let again = ["key", "enroll", "piv", "--serial", "15042177", "--existing", "7"];
    refused(&bench, again, 12, "conflict", "enrolled already").says("key list");
    for name in [
        "",
        "-x",
        "a b",
        "a/b",
        "../x",
        ".hidden",
        "ä",
        &"x".repeat(65),
        "a\u{1b}b",
    ] {
        let before = bench.snapshot();
        let out = bench
            .tapvault([
                "key",
                "enroll",
                "passphrase",
                "--allow-touchless",
                &format!("--name={name}"),
            ])
            .run()
            .releases_nothing();
        assert_eq!(
            (out.code, bench.snapshot() == before),
            (Some(2), true),
            "{name:?}\n{out}"
        );
    }
    refused(&bench, ["key", "show", "nobody"], 5, "no-key", "nobody").says("drawer");
    refused(&bench, ["key", "remove", "nobody"], 5, "no-key", "nobody").says("drawer");
    refused(
        &bench,
        ["--key", "nobody", "key", "remove", "drawer"],
        5,
        "no-key",
        "nobody",
    )
    .says("drawer");
}

#[test]
fn key_list_and_show_tell_what_each_key_is() {
    let bench = Bench::start();
    // An empty vault has no keys, which is no failure for a program.
    assert_eq!(bench.tapvault(["key", "list", "--json"]).run().success().stdout, "[]\n");
    refused(&bench, ["key", "list"], 5, "no-key", "no key is enrolled").says("key enroll piv");
    bench.enroll();
    bench.enroll_paper_with("paper", &[], Some(PIN));
    bench.add("prod", ANA);
    bench.add("dev", BEN);
    bench.tapvault(["exec", "dev", "-n", "--", "true"]).run().success();
    let listed = bench
        .tapvault(["key", "list", "--json"])
        .run()
        .success()
        .touches(0)
        .json();
    let rows = listed.as_array().expect("a list");
    let fields =
        |row: &serde_json::Value| -> Vec<String> { row.as_object().expect("an object").keys().cloned().collect() };
    let token = &rows[0];
    assert_eq!(
        fields(token),
        [
            "enrolled",
            "host",
            "kind",
            "last_used",
            "name",
            "opens",
            "presence",
            "recipient",
            "serial",
            "slot"
        ]
    );
    assert_eq!(token["name"], FIRST);
    assert_eq!(token["kind"], "PIV 82");
    assert_eq!(token["presence"], "touch, PIN");
    assert_eq!(
        (token["serial"].as_u64(), token["slot"].as_str()),
        (Some(15_042_118), Some("82"))
    );
    assert_eq!(token["opens"], 2);
    let recipient = token["recipient"].as_str().expect("text");
    assert!(recipient.starts_with("age1yubikey1"));
    assert!(token["enrolled"].as_str().is_some_and(|time| time.ends_with('Z')));
    let paper = &rows[1];
    assert_eq!(
        fields(paper),
        ["enrolled", "host", "kind", "name", "opens", "presence", "recipient"]
    );
    assert_eq!(
        (&paper["kind"], &paper["presence"]),
        (&"recovery".into(), &"none, on paper".into())
    );
    assert!(paper["recipient"].as_str().is_some_and(|text| text.starts_with("age1")));
    let table = bench.tapvault(["key", "list"]).run().success().stdout;
    assert!(
        table.contains(FIRST) && table.contains("touch, PIN") && table.contains("today"),
        "{table}"
    );
    let shown = bench.tapvault(["key", "show", FIRST]).run().success().touches(0).stdout;
    for words in [
        recipient,
        "AGE-PLUGIN-YUBIKEY-1",
        "YubiKey 15042118, slot 82",
        "5.7.1",
        "age -d -i",
    ] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
    let shown = bench.tapvault(["key", "show", "paper"]).run().success().stdout;
    assert!(
        shown.contains("recovery") && !shown.contains("AGE-SECRET-KEY"),
        "{shown}"
    );
}
