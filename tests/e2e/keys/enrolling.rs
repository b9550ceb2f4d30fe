//! What is taken as a key, what is refused, and what a weaker one is said to be worth.

use super::WORDS;
use crate::bench::{ANA, Bench, PIN, SERIAL};
use crate::tampering::{answer_unseen, enroll_without_pin, read_json, refused, refuses, with_tools};
use std::fs;
use tapvault_lab::soft_token::firmware::Firmware;

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
