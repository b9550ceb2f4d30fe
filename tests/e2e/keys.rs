//! Keys come and go: names, touches, what is sealed to whom, and what each kind is said to be worth.

use crate::bench::run::Output;
use crate::bench::{ANA, Bench, OTHER_SERIAL, PIN, SERIAL};
use crate::tampering::{
    Aside, BEN, answer_unseen, enroll_without_pin, key_document, list, public_recipients, read_json, refused, refuses,
    with_tools,
};
use std::fs;
use std::path::Path;
use tapvault::agefile::AgeFile;
use tapvault::wrap::EnrolledKey;
use tapvault_lab::soft_token::firmware::Firmware;

const FIRST: &str = "yubikey-15042118";
const SECOND: &str = "yubikey-15042177";
const WORDS: &str = "eight.words.or.so";

/// `key enroll passphrase`, with the passphrase from pinentry.
fn enroll_passphrase(bench: &Bench, more: &[&str]) -> Output {
    bench.secret("passphrase", WORDS);
    bench.pinentry_answers(&[WORDS, WORDS]);
    bench.tapvault([&["key", "enroll", "passphrase"], more].concat()).run()
}

/// Enrolls the token with this serial number, without a PIN.
fn enroll_token(bench: &Bench, serial: u32, more: &[&str]) -> Output {
    let serial = serial.to_string();
    let words = ["key", "enroll", "piv", "--pin-policy", "never", "--serial", &serial];
    bench.tapvault([&words, more].concat()).run()
}

/// The enrolled keys' names, as `key list --json` gives them.
fn names(bench: &Bench) -> Vec<String> {
    let listed = bench.tapvault(["key", "list", "--json"]).run().success().json();
    let rows = listed.as_array().expect("a list").iter();
    rows.map(|row| row["name"].as_str().expect("a name").to_owned())
        .collect()
}

/// Every age file of the vault that is sealed to keys, by its name.
fn sealed_files(vault: &Path) -> Vec<(String, AgeFile)> {
    let mut files = vec!["vault.age".to_owned()];
    for part in ["entries", "sessions"] {
        for file in vault.join(part).read_dir().into_iter().flatten() {
            files.push(format!(
                "{part}/{}",
                file.expect("a file").file_name().to_string_lossy()
            ));
        }
    }
    files.retain(|file| file.ends_with(".age"));
    let parsed = files.into_iter().map(|file| {
        let bytes = fs::read(vault.join(&file)).expect("read");
        let parsed = AgeFile::parse(&file, bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
        (file, parsed)
    });
    parsed.collect()
}

/// Whether a stanza in this file names the PIV key.
fn is_sealed_to(file: &AgeFile, key: &EnrolledKey) -> bool {
    key.piv_recipient().expect("a PIV key").find(file.stanzas()).is_some()
}

fn key_called(bench: &Bench, name: &str) -> EnrolledKey {
    let list = list(&bench.vault().join("keys.json"));
    let key = list.key(&name.parse().expect("a name")).cloned();
    key.unwrap_or_else(|| panic!("no key is called {name}"))
}

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

#[test]
fn a_second_token_opens_what_was_there_and_so_does_the_first() {
    let bench = Bench::setup().two_tokens().start();
    enroll_token(&bench, SERIAL, &[]).success().touches(2);
    bench.add("prod", ANA);
    bench.add("dev", BEN);
    let before = sealed_files(&bench.vault());
    // Two to make the new key and vouch with it; one to vouch with the old one, and one for each entry. This one is of
    // firmware 5.4.3, whose management key is triple DES.
    let out = enroll_token(&bench, OTHER_SERIAL, &[])
        .success()
        .touches(5)
        .says("5 touches")
        .says("2 entries sealed anew: dev and prod");
    let said = out.said();
    let order: Vec<&str> = said.lines().filter(|line| line.starts_with("touch ")).collect();
    assert!(order[0].starts_with("touch 1 of 5: YubiKey 15042177"), "{out}");
    assert!(order[1].starts_with("touch 2 of 5: YubiKey 15042118"), "{out}");
    assert!(order[4].contains("touch 5 of 5"), "{out}");
    let (first, second) = (key_called(&bench, FIRST), key_called(&bench, SECOND));
    for (file, sealed) in sealed_files(&bench.vault()) {
        assert!(
            is_sealed_to(&sealed, &first) && is_sealed_to(&sealed, &second),
            "{file}"
        );
    }
    assert!(
        before
            .iter()
            .all(|(_, sealed)| is_sealed_to(sealed, &first) && !is_sealed_to(sealed, &second))
    );
    // Each of them alone.
    for (pulled, other, name) in [(0, 1, SECOND), (1, 0, FIRST)] {
        bench.nth_token(pulled).remove().expect("pulled out");
        for profile in ["prod", "dev"] {
            bench
                .tapvault(["exec", profile, "-n", "--", "true"])
                .run()
                .success()
                .touches(1);
        }
        bench
            .tapvault(["add", "new", "--stdin", "--offline", "--force"])
            .stdin(&format!("{}\n{}\n", BEN.0, BEN.1))
            .run()
            .success()
            .touches(1);
        assert!(bench.nth_token(other).counts().expect("counts").touches.given > 0);
        // The one that was left out says so, and which to plug in.
        let absent = if name == FIRST { SECOND } else { FIRST };
        refused(
            &bench,
            ["--key", absent, "exec", "prod", "-n", "--", "true"],
            5,
            "no-key",
            absent,
        )
        .touches(0);
        bench.nth_token(pulled).insert().expect("plugged in");
    }
    for name in [FIRST, SECOND] {
        bench
            .tapvault(["--key", name, "exec", "new", "-n", "--", "true"])
            .run()
            .success()
            .touches(1);
    }
}

#[test]
fn the_key_on_paper_opens_enrolls_and_removes_when_the_token_is_lost() {
    let bench = Bench::setup().two_tokens().start();
    enroll_token(&bench, SERIAL, &[]).success();
    let paper = bench.enroll_paper("paper");
    bench.add("prod", ANA);
    bench.add("dev", BEN);
    bench.nth_token(0).remove().expect("lost");
    let exec = ["exec", "prod", "-n", "--", "env"];
    refused(&bench, exec, 5, "no-key", "prod")
        .says("plug in YubiKey 15042118")
        .says("--recovery");
    // At a terminal, in groups and without an echo.
    let mut terminal = bench
        .tapvault([&["--recovery"], &exec[..]].concat())
        .prints_secrets()
        .on_terminal();
    terminal.expect("recovery key \"paper\"");
    assert!(!terminal.echoes());
    terminal.enter(&format!("{} {}", &paper[..30], paper[30..].to_lowercase()));
    let out = terminal.finish().success().touches(0);
    assert_eq!(out.variable("AWS_ACCESS_KEY_ID"), ANA.0);
    // A slip, another key, and nobody to ask.
    let other = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    for (answer, words) in [
        (&paper[..70], "that is no recovery key"),
        (other, "an age identity, but not paper"),
        ("paper", "that is no recovery key"),
    ] {
        bench.pinentry_answers(&[answer]);
        let out = bench.tapvault([&["--recovery"], &exec[..]].concat()).run();
        out.fails(7, "pin")
            .releases_nothing()
            .says(words)
            .says("enrolled are paper");
    }
    // The other YubiKey comes in by it, without a touch of the lost one.
    let serial = OTHER_SERIAL.to_string();
    bench.pinentry_answers(&[&paper]);
    bench
        .tapvault([
            "--recovery",
            "key",
            "enroll",
            "piv",
            "--pin-policy",
            "never",
            "--serial",
            &serial,
        ])
        .run()
        .success()
        .touches(2);
    bench
        .tapvault(["exec", "prod", "-n", "--", "true"])
        .run()
        .success()
        .touches(1);
    // And the lost one goes.
    bench.pinentry_answers(&[&paper]);
    bench
        .tapvault(["--recovery", "key", "remove", FIRST])
        .run()
        .success()
        .touches(0)
        .says("2 entries were readable with it: dev and prod")
        .says("tapvault add --force dev")
        .says("tapvault add --force prod");
    assert_eq!(names(&bench), [SECOND, "paper"]);
    // The drawer token catches up with a list that only the paper key vouched for.
    bench
        .tapvault(["exec", "dev", "-n", "--", "true"])
        .run()
        .success()
        .touches(1);
    bench.pinentry_answers(&[&paper]);
    bench
        .tapvault(["--recovery", "remove", "dev", "--force"])
        .run()
        .success()
        .touches(0);
}

#[test]
fn a_removed_token_opens_nothing_any_more() {
    let bench = Bench::setup().two_tokens().start();
    enroll_token(&bench, SERIAL, &["--name", "kept"]).success();
    enroll_token(&bench, OTHER_SERIAL, &["--name", "lost"]).success();
    bench.add("prod", ANA);
    bench.add("dev", BEN);
    bench
        .tapvault(["--key", "kept", "exec", "prod", "--", "true"])
        .run()
        .success();
    let before = Aside::of(&bench);
    let lost = key_called(&bench, "lost");
    let (old, old_list) = (sealed_files(&bench.vault()), key_document(&bench));
    assert!(old.iter().all(|(_, sealed)| is_sealed_to(sealed, &lost)));
    assert!(old.iter().any(|(file, _)| file.starts_with("sessions/")));
    // One for each entry, one to vouch for the list without it.
    bench
        .tapvault(["--key", "kept", "key", "remove", "lost"])
        .run()
        .success()
        .touches(3)
        .says("3 touches")
        .says("2 entries were readable with it: dev and prod")
        .says("removed \"lost\"")
        .says("copy of this vault from before")
        .says("tapvault add --force")
        .says("one way in so far");
    let new = sealed_files(&bench.vault());
    assert_eq!(new.len(), 3, "sessions are dropped");
    for (file, sealed) in &new {
        assert!(!is_sealed_to(sealed, &lost), "{file}");
    }
    let new_list = key_document(&bench);
    let digest = |list: &serde_json::Value| list["list"]["vault_secret_sha256"].clone();
    assert_ne!(digest(&old_list), digest(&new_list), "K is another one");
    // The payload is sealed anew too: an old header does not open it.
    let files = ["entries/prod.age", "entries/dev.age", "vault.age"];
    for file in files {
        let ends = |path: &Path| fs::read(path.join(file)).expect("read").split_off(400);
        assert_ne!(ends(&before.vault()), ends(&bench.vault()), "{file}");
    }
    refused(
        &bench,
        ["--key", "lost", "exec", "prod", "--", "true"],
        5,
        "no-key",
        "lost",
    )
    .touches(0);
    // Its own vault of before does open with it: that is what the words about old copies mean.
    bench.nth_token(0).remove().expect("pulled out");
    refused(&bench, ["exec", "prod", "-n", "--", "true"], 5, "no-key", "prod").touches(0);
    let after = Aside::of(&bench);
    before.put_back();
    bench
        .tapvault(["exec", "prod", "-n", "--", "true"])
        .run()
        .success()
        .touches(1);
    // But an old entry in the new vault opens with nobody's.
    after.put_back();
    before.put_back_file("entries/prod.age");
    refused(&bench, ["exec", "prod", "-n", "--", "true"], 5, "no-key", "prod").touches(0);
    bench.nth_token(0).insert().expect("plugged in");
    refused(
        &bench,
        ["exec", "prod", "-n", "--", "echo"],
        10,
        "forged",
        "entries/prod.age",
    )
    .says("older than the last key removal");
}

#[test]
fn the_first_token_ends_the_passphrase_key() {
    let bench = Bench::start();
    enroll_passphrase(&bench, &[]).success().touches(0);
    bench.pinentry_knows("passphrase", WORDS);
    for (profile, key) in [("prod", ANA), ("dev", BEN)] {
        bench
            .add_stdin(profile, key)
            .run()
            .success()
            .touches(0)
            .says("presence: none");
    }
    // As long as no touch stands before the entries, every command says so.
    for words in [
        &["exec", "prod", "-n", "--", "true"][..],
        &["list"],
        &["remove", "dev", "--force"],
    ] {
        bench.tapvault(words).run().success().touches(0).says("presence: none");
    }
    bench
        .tapvault(["export", "prod", "-n"])
        .prints_secrets()
        .run()
        .success()
        .says("presence: none");
    let before = Aside::of(&bench);
    let file = bench.vault().join("passphrases/passphrase.age");
    assert!(file.exists());
    let recipient = public_recipients(&bench).len();
    enroll_without_pin(&bench)
        .success()
        .touches(2)
        .says("\"passphrase\" is no longer enrolled");
    assert_eq!((recipient, names(&bench)), (1, vec![FIRST.to_owned()]));
    assert!(!file.exists(), "there would be something to guess passphrases against");
    for (name, sealed) in sealed_files(&bench.vault()) {
        assert_eq!(
            sealed.stanzas().iter().filter(|stanza| stanza.tag == "X25519").count(),
            0,
            "{name}"
        );
    }
    bench
        .tapvault(["exec", "prod", "-n", "--", "true"])
        .run()
        .success()
        .touches(1)
        .does_not_say("presence: none");
    // Beside a token a passphrase would go round its touch.
    refused(
        &bench,
        ["key", "enroll", "passphrase"],
        12,
        "conflict",
        "without a touch",
    )
    .touches(0)
    .says("key enroll recovery")
    .says("--allow-touchless");
    // Unless that is wanted.
    before.put_back();
    let words = ["key", "enroll", "piv", "--pin-policy", "never", "--allow-touchless"];
    bench.tapvault(words).run().success().touches(2);
    assert_eq!(names(&bench), [FIRST, "passphrase"]);
    for words in [&["list"][..], &["exec", "prod", "-n", "--", "true"]] {
        bench.tapvault(words).run().success().says("presence: none");
    }
    bench.tapvault(["key", "list"]).run().success();
    bench.pinentry_knows("passphrase", WORDS);
    let by_passphrase = ["--key", "passphrase", "exec", "prod", "-n", "--", "true"];
    bench.tapvault(by_passphrase).run().success().touches(0);
    // It goes again, and with it the line.
    bench.tapvault(["key", "remove", "passphrase"]).run().success();
    bench
        .tapvault(["exec", "prod", "-n", "--", "true"])
        .run()
        .success()
        .touches(1)
        .does_not_say("presence: none");
}

#[test]
fn the_last_key_stays() {
    let bench = Bench::enrolled();
    bench.add("prod", ANA);
    refused(&bench, ["key", "remove", FIRST], 12, "conflict", FIRST)
        .touches(0)
        .says("only key")
        .says("key enroll recovery");
    // Two, and each can go by the other.
    let paper = bench.enroll_paper_with("paper", &[], Some(PIN));
    bench
        .tapvault(["key", "remove", "paper"])
        .run()
        .success()
        .touches(2)
        .pins(1, 0);
    bench.pinentry_answers(&[&paper]);
    bench.tapvault(["--recovery", "list"]).run().success();
    refused(
        &bench,
        ["--recovery", "exec", "prod", "--", "true"],
        5,
        "no-key",
        "no recovery key",
    )
    .touches(0);
    refused(&bench, ["key", "remove", FIRST], 12, "conflict", "only key");
}

#[test]
fn a_passphrase_that_is_too_short_or_typed_differently_makes_no_key() {
    let bench = Bench::setup().no_token().start();
    for answers in [&["short"][..], &["", ""], &[WORDS, "eight.words.or.no"]] {
        bench.pinentry_answers(answers);
        let out = bench.tapvault(["key", "enroll", "passphrase"]).run();
        out.fails(7, "pin").releases_nothing();
        assert!(!bench.vault().join("keys.json").exists());
    }
    bench.settings("passphrase_command = \"echo short\"\n");
    bench.tapvault(["key", "enroll", "passphrase"]).run().fails(7, "pin");
    bench.settings("passphrase_command = \"exit 3\"\n");
    bench
        .tapvault(["key", "enroll", "passphrase"])
        .run()
        .fails(7, "pin")
        .says("config.toml");
    // A recovery key is for eyes, not for a log; and it is no key before it was written down.
    let out = bench.tapvault(["key", "enroll", "recovery"]).run();
    out.fails(2, "usage").releases_nothing().does_not_say("AGE-SECRET-KEY");
    let mut terminal = bench.tapvault(["key", "enroll", "recovery"]).on_terminal();
    for _ in 0..3 {
        terminal.answer("Type its last 6 characters to go on: ", "000000");
    }
    terminal.finish().fails(130, "cancelled");
    assert!(!bench.vault().join("keys.json").exists());
}

#[test]
fn a_factory_pin_is_refused_before_anything_is_written() {
    for firmware in [Firmware::V5_7_1, Firmware::V5_4_3] {
        let bench = Bench::setup().firmware(firmware).factory_pin().start();
        refused(&bench, ["key", "enroll", "piv"], 7, "pin", "factory's PIN")
            .touches(0)
            .pins(0, 0)
            .says("ykman --device 15042118 piv access change-pin")
            .says("--allow-factory-pin");
        bench
            .tapvault(["key", "enroll", "piv", "--allow-factory-pin"])
            .run()
            .success()
            .touches(2);
    }
}

#[test]
fn a_management_key_of_ones_own_is_asked_for_and_one_under_the_pin_is_not() {
    let own = "0f0e0d0c0b0a09080706050403020100fffefdfcfbfaf9f8";
    let bench = Bench::start();
    bench.secret("management key", own);
    let ykman = |words: &str| {
        let words = format!("--device {SERIAL} piv access change-management-key -f {words} -P {PIN}");
        bench
            .program("ykman", words.split(' '))
            .may_show("PIN of token 0")
            .may_show("management key")
            .run()
            .success();
    };
    let factory = "010203040506070801020304050607080102030405060708";
    ykman(&format!("-a AES192 -m {factory} -n {own}"));
    // Asked for, and neither guessed at nor left half done.
    bench.pinentry_knows("management", factory);
    let out = enroll_without_pin(&bench).fails(7, "pin").touches(0);
    assert!(out.said().contains("management key"), "{out}");
    bench.pinentry_knows("management", "0102");
    enroll_without_pin(&bench).fails(7, "pin").says("nothing was sent");
    assert!(!bench.vault().join("keys.json").exists());
    bench.pinentry_knows("management", own);
    enroll_without_pin(&bench).success().touches(2);
    // Under the PIN it is on the token.
    ykman(&format!("-a TDES -m {own} --protect -n {own}"));
    let out = bench
        .tapvault(["key", "enroll", "piv", "--pin-policy", "never"])
        .run()
        .success()
        .touches(3);
    assert_eq!(out.pinentry_asked(), 1, "the PIN, once\n{out}");
}

#[test]
fn a_key_of_age_plugin_yubikeys_is_adopted_as_it_is() {
    // The plugin knows triple-DES management keys only.
    let bench = Bench::setup().firmware(Firmware::V5_4_3).start();
    let generate = "--generate --slot 3 --touch-policy always --pin-policy once --name work";
    let mut terminal = with_tools(bench.program("age-plugin-yubikey", generate.split(' '))).on_terminal();
    answer_unseen(&mut terminal, "PIN for YubiKey", PIN);
    let out = terminal.finish().success();
    let shown = format!("{}{}", out.stdout, out.terminal);
    let word = |start: &str| {
        let found = shown.split_whitespace().find(|word| word.starts_with(start));
        found.unwrap_or_else(|| panic!("no {start} in\n{out}")).to_owned()
    };
    // Never as a new key, for the slot is not empty.
    refused(&bench, ["key", "enroll", "piv", "--slot", "3"], 12, "conflict", "slot").touches(0);
    refused(&bench, ["key", "enroll", "piv", "--existing", "4"], 5, "no-key", "slot").touches(0);
    // 84 is how ykman calls it.
    bench
        .tapvault(["key", "enroll", "piv", "--existing", "84", "--name", "work"])
        .run()
        .success()
        .touches(1)
        .pins(1, 0)
        .says("holds the key");
    let row = bench.tapvault(["key", "list", "--json"]).run().success().json()[0].clone();
    assert_eq!(row["recipient"], word("age1yubikey1"));
    assert_eq!(
        (&row["presence"], &row["kind"]),
        (&"touch, PIN".into(), &"PIV 84".into())
    );
    let shown = bench.tapvault(["key", "show", "work"]).run().success().stdout;
    assert!(shown.contains(&word("AGE-PLUGIN-YUBIKEY-1")), "{shown}");
    bench.add("prod", ANA);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .does_not_say("weaker");
}

#[test]
fn weaker_presence_is_taken_only_when_asked_for_and_said_ever_after() {
    let bench = Bench::start();
    let folder = bench.root().join("keys");
    fs::create_dir(&folder).expect("a folder");
    let ykman = |words: &str| {
        let words =
            format!("--device {SERIAL} piv keys {words} -P {PIN} -m 010203040506070801020304050607080102030405060708");
        bench
            .program("ykman", words.split(' '))
            .in_folder(&folder)
            .may_show("PIN of token 0")
            .run()
            .success();
    };
    ykman("generate 83 -a ECCP256 --pin-policy ONCE --touch-policy CACHED cached.pem");
    ykman("generate 84 -a ECCP256 --pin-policy NEVER --touch-policy NEVER never.pem");
    bench
        .program(
            "openssl",
            "ecparam -name prime256v1 -genkey -noout -out made-elsewhere.pem".split(' '),
        )
        .in_folder(&folder)
        .run()
        .success();
    ykman("import 85 --pin-policy NEVER --touch-policy ALWAYS made-elsewhere.pem");
    let cases = [
        ("83", "one touch serves for 15 s", "touch (cached 15 s), PIN; weaker"),
        ("84", "no touch is asked for", "none, no PIN; weaker"),
        ("85", "the key may exist outside the token", "touch, no PIN; weaker"),
    ];
    for (slot, weakness, presence) in cases {
        refused(
            &bench,
            ["key", "enroll", "piv", "--existing", slot],
            2,
            "usage",
            weakness,
        )
        .touches(0)
        .says("--weaker-presence");
        bench
            .tapvault([
                "key",
                "enroll",
                "piv",
                "--existing",
                slot,
                "--weaker-presence",
                // One of them asks for no touch at all.
                "--allow-touchless",
                "--name",
                slot,
            ])
            .run()
            .success()
            .says(weakness);
        let shown = bench.tapvault(["key", "list"]).run().success().stdout;
        assert!(shown.contains(presence), "{shown}");
    }
    bench.add_stdin("prod", ANA).run().success();
    for (slot, weakness, _) in cases {
        for words in [&["exec", "prod", "-n", "--", "true"][..], &["key", "show", slot]] {
            let out = bench.tapvault([&["--key", slot], words].concat()).run().success();
            let said = format!("{}{}", out.said(), out.stdout);
            assert!(said.contains(weakness), "{out}");
        }
        let out = bench
            .tapvault(["--key", slot, "exec", "prod", "-n", "--", "true"])
            .run()
            .success();
        let expected = u32::from(slot == "85");
        assert!(slot == "83" || out.touch_counts().awaited == expected, "{out}");
    }
    // A list that makes more of a key than its token does is not believed.
    let file = bench.vault().join("keys.json");
    let text = fs::read_to_string(&file).expect("text");
    let better = text.replace("\"touch_policy\":\"never\"", "\"touch_policy\":\"always\"");
    assert_ne!(text, better, "the list says what the policy is");
    crate::tampering::write(&file, better);
    refuses(
        &bench,
        bench.tapvault(["--key", "84", "exec", "prod", "-n", "--", "echo", "released"]),
        10,
        "forged",
        "less presence",
    )
    .touches(0);
}

#[test]
fn firmware_5_4_3_does_all_that_5_7_1_does() {
    let bench = Bench::setup().firmware(Firmware::V5_4_3).start();
    bench.enroll();
    bench.add("prod", ANA);
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .pins(1, 0);
    bench.enroll_paper_with("paper", &[], Some(PIN));
    bench.tapvault(["key", "remove", "paper"]).run().success().touches(2);
    bench.tapvault(["remove", "prod", "--force"]).run().success().touches(1);
    let row = bench.tapvault(["key", "list", "--json"]).run().success().json()[0].clone();
    assert_eq!(row["presence"], "touch, PIN");
    assert_eq!(
        read_json(&bench.vault().join("keys.json"))["list"]["keys"][0]["firmware"],
        "5.4.3"
    );
}
