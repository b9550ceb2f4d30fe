//! Making keys: what is made, what is refused, what other programs see.

use crate::bench::{Bench, FIRST, PIN, value};
use std::process::Command;

const FACTORY: &str = "010203040506070801020304050607080102030405060708";

#[test]
fn ykman_and_age_plugin_yubikey_see_what_was_made() {
    for firmware in ["5.4.3", "5.7.1"] {
        let bench = Bench::new(&[firmware]);
        let key = bench.enrolled(&[]);
        let info = bench.ykman(&["piv", "info"]);
        for part in ["Slot 82", "ECCP256", "CN=tapvault 14000001", "O=age-plugin-yubikey"] {
            assert!(info.contains(part), "{part} in {info}");
        }
        let exported = bench.ykman(&["piv", "certificates", "export", "82", "-"]);
        assert!(exported.contains("BEGIN CERTIFICATE"));
        for flag in ["--list", "--list-all", "--identity"] {
            let listed = age_plugin(&bench)
                .args([flag, "--serial", FIRST])
                .output()
                .expect("it is installed");
            let listed = crate::bench::text(&listed);
            assert!(
                listed.contains("Slot: 1") && listed.contains("tapvault 14000001"),
                "{flag}: {listed}"
            );
            assert!(
                listed.contains("Touch policy: Always") && listed.contains("age1yubikey1"),
                "{flag}: {listed}"
            );
        }
        let adopted = bench.probe(&["adopt", FIRST, "82"]);
        assert!(
            adopted.contains(&key) && adopted.contains("by_age_plugin: true"),
            "{adopted}"
        );
    }
}

#[test]
fn stock_age_opens_a_file_with_a_key_that_we_made() {
    let bench = Bench::new(&["5.7.1"]);
    bench.enrolled(&[]);
    bench.touch_always();
    let identity = age_plugin(&bench)
        .args(["--identity", "--serial", FIRST])
        .output()
        .expect("it is installed");
    let identity = String::from_utf8(identity.stdout).expect("UTF-8");
    let recipient = identity
        .lines()
        .find_map(|line| line.split("Recipient: ").nth(1))
        .expect("a recipient");
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    std::fs::write(file("identity"), &identity).expect("written");
    std::fs::write(file("plain"), "opened").expect("written");
    let age = |words: &[&str]| {
        let output = age(&bench).args(words).output().expect("age is installed");
        assert!(output.status.success(), "{words:?}: {}", crate::bench::text(&output));
        output.stdout
    };
    age(&["-r", recipient, "-o", &file("sealed"), &file("plain")]);
    // age would ask for the PIN on a terminal; verified by another program it need not.
    let other = bench.probe_started(&["verified", PIN, "30000"], "verified");
    assert_eq!(age(&["-d", "-i", &file("identity"), &file("sealed")]), b"opened");
    other.kill();
}

#[test]
fn a_key_of_age_plugin_yubikeys_is_adopted() {
    let bench = Bench::new(&["5.4.3"]);
    bench.ykman(&[
        "piv",
        "keys",
        "generate",
        "-m",
        FACTORY,
        "-a",
        "ECCP256",
        "--touch-policy",
        "ALWAYS",
        "82",
        "/dev/null",
    ]);
    let adopted = bench.probe(&["adopt", FIRST, "82"]);
    for part in [
        "touch: Always",
        "Some(Generated)",
        "Metadata",
        "name: None",
        "by_age_plugin: false",
    ] {
        assert!(adopted.contains(part), "{part} in {adopted}");
    }
    assert!(bench.probe_fails(&["adopt", FIRST, "83"]).contains("SlotEmpty"));
}

#[test]
fn an_enrolment_that_stopped_half_way_is_seen_kept_and_finished() {
    let bench = Bench::new(&["5.7.1"]);
    let made = bench.probe(&["enroll", FIRST, "82", PIN, "stop=generated"]);
    let key = value(&made, "point");
    let state = bench.probe(&["state", FIRST, "82"]);
    assert!(
        state.contains("KeyWithoutCertificate") && state.contains(&key),
        "{state}"
    );
    assert!(
        bench
            .probe_fails(&["enroll", FIRST, "82", PIN])
            .contains("SlotOccupied")
    );
    assert_eq!(
        value(&bench.probe(&["state", FIRST, "all"]), "first free"),
        "83 (retired 2)"
    );

    bench.touch_always();
    assert_eq!(value(&bench.probe(&["certify", FIRST, "82", PIN]), "certified"), key);
    assert!(bench.probe(&["state", FIRST, "82"]).contains("Occupied(Some"));
    assert!(
        bench
            .probe_fails(&["certify", FIRST, "82", PIN])
            .contains("SlotOccupied")
    );
    assert!(bench.probe(&["open", "82", &key, PIN]).contains("ecdh: equal"));
}

#[test]
fn a_missed_touch_leaves_a_key_that_can_be_finished() {
    let bench = Bench::new(&["5.7.1"]);
    let said = bench.probe_fails(&["enroll", FIRST, "82", PIN]);
    assert!(said.contains("NoTouch"), "{said}");
    assert!(bench.probe(&["state", FIRST, "82"]).contains("KeyWithoutCertificate"));
    // Neither PIN nor management key stays proven.
    assert!(bench.probe(&["pin", FIRST]).contains("status: Tries(3)"));
    bench.touch_always();
    bench.probe(&["certify", FIRST, "82", PIN]);
}

#[test]
fn a_certificate_without_a_key_is_not_overwritten() {
    let bench = Bench::new(&["5.7.1"]);
    let key = bench.enrolled(&[]);
    let file = std::env::temp_dir().join(format!("token-crate-{}.pem", std::process::id()));
    let path = file.to_str().expect("UTF-8");
    bench.ykman(&["piv", "certificates", "export", "82", path]);
    bench.ykman(&["piv", "certificates", "import", "-m", FACTORY, "83", path]);
    std::fs::remove_file(&file).expect("it was written");
    assert!(bench.probe(&["state", FIRST, "83"]).contains("CertificateOnly"));
    assert!(
        bench
            .probe_fails(&["enroll", FIRST, "83", PIN])
            .contains("SlotOccupied")
    );
    assert_eq!(
        value(&bench.probe(&["state", FIRST, "all"]), "first free"),
        "84 (retired 3)"
    );
    assert!(bench.probe(&["adopt", FIRST, "82"]).contains(&key));
}

#[test]
fn management_keys_of_every_kind_are_proven() {
    let aes256 = "0f".repeat(32);
    let cases = [
        (
            "5.4.3",
            vec!["-a", "TDES", "-n", "112233445566778899aabbccddeeff001122334455667788"],
            "TripleDes",
        ),
        (
            "5.4.3",
            vec!["-a", "AES128", "-n", "112233445566778899aabbccddeeff00"],
            "Aes128",
        ),
        ("5.7.1", vec!["-a", "AES256", "-n", &aes256], "Aes256"),
    ];
    for (firmware, change, algorithm) in cases {
        let bench = Bench::new(&[firmware]);
        let key = change[3];
        let words = [
            &["piv", "access", "change-management-key", "-f", "-m", FACTORY][..],
            &change,
        ]
        .concat();
        bench.ykman(&words);
        let info = bench.probe(&["management", FIRST]);
        assert!(info.contains(algorithm) && info.contains("kind: Custom"), "{info}");
        let wrong = "55".repeat(key.len() / 2);
        let said = bench.probe_fails(&["enroll", FIRST, "82", PIN, &format!("key={wrong}")]);
        assert!(said.contains("ManagementKeyRefused"), "{said}");
        bench.touch_always();
        bench.probe(&["enroll", FIRST, "82", PIN, &format!("key={key}")]);
    }
}

#[test]
fn a_management_key_that_wants_a_touch_says_so_and_gets_one_each_time() {
    let bench = Bench::new(&["5.4.3"]);
    let change = [
        "piv",
        "access",
        "change-management-key",
        "-f",
        "-m",
        FACTORY,
        "-t",
        "-a",
        "TDES",
        "-n",
        FACTORY,
    ];
    bench.ykman(&change);
    let info = bench.probe(&["management", FIRST]);
    assert!(info.contains("touch: Always"), "{info}");
    bench.tell(0, "auto-touch off");
    let said = bench.probe_fails(&["enroll", FIRST, "82", PIN]);
    assert!(said.contains("NoTouch"), "{said}");
    assert!(bench.probe(&["state", FIRST, "82"]).contains("Free"));
    bench.touch_always();
    let key = value(&bench.probe(&["enroll", FIRST, "82", PIN]), "point");
    assert!(bench.probe(&["open", "82", &key, PIN]).contains("ecdh: equal"));
}

#[test]
fn a_protected_management_key_needs_the_pin_and_nothing_else() {
    for (firmware, algorithm) in [("5.4.3", "TDES"), ("5.7.1", "AES256")] {
        let bench = Bench::new(&[firmware]);
        let change = ["piv", "access", "change-management-key", "-f", "-m", FACTORY];
        bench.ykman(&[&change[..], &["-a", algorithm, "--generate", "--protect", "--pin", PIN]].concat());
        let info = bench.probe(&["management", FIRST]);
        assert!(info.contains("kind: PinProtected"), "{info}");
        let said = bench.probe_fails(&["enroll", FIRST, "82", PIN]);
        assert!(
            said.contains("ManagementKeyRefused") || said.contains("Malformed"),
            "{said}"
        );
        let said = bench.probe_fails(&["enroll", FIRST, "82", "654321", "key=protected"]);
        assert!(said.contains("WrongPin { tries: 2 }"), "{said}");
        bench.touch_always();
        let key = value(&bench.probe(&["enroll", FIRST, "82", PIN, "key=protected"]), "point");
        assert!(bench.probe(&["open", "82", &key, PIN]).contains("ecdh: equal"));
    }
}

#[test]
fn a_factory_pin_is_known_without_trying_it() {
    let bench = Bench::new(&["5.7.1"]);
    assert!(bench.probe(&["pin", FIRST]).contains("factory: true"));
    bench.ykman(&["piv", "access", "change-pin", "-P", PIN, "-n", "87654321"]);
    let said = bench.probe(&["pin", FIRST]);
    assert!(
        said.contains("factory: false") && said.contains("tries_left: 3"),
        "{said}"
    );
}

/// Where the lab keeps the plugin it has built.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin");

fn age_plugin(bench: &Bench) -> Command {
    with_tools(bench.command("sh"), &["-c", "exec age-plugin-yubikey \"$@\"", "sh"])
}

fn age(bench: &Bench) -> Command {
    with_tools(bench.command("sh"), &["-c", "exec age \"$@\"", "sh"])
}

fn with_tools(mut command: Command, words: &[&str]) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{TOOLS}:{path}")).args(words);
    command
}
