//! The scenarios on soft tokens, with a program in the person's place: so that they are known to work before they meet a
//! real token, and to write to it what they say and nothing else.

mod player;

use player::{PIN, Player, SECOND, SECOND_PIN, WRONG_PIN};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;
use tapvault_lab::fido_key::rig::{FidoRig, KeySpec};
use tapvault_lab::soft_token::firmware::Firmware;
use tapvault_lab::soft_token::rig::{Rig, SOCKET_VARIABLE, TokenSpec};

const SERIAL: u32 = 14_000_001;
/// Long enough for a busy machine to notice that the token waits.
const PATIENCE: Duration = Duration::from_secs(3);
/// RFC 4226, appendix D: the seed in base32, and the first code.
const RFC_SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const RFC_FIRST: &str = "755224";

/// Instructions that change a token (SP 800-73-4 part 2, Yubico's extensions, YKOATH), as the journal names them.
const WRITES: [&str; 13] = [
    "GENERATE ASYMMETRIC KEY PAIR",
    "PUT DATA",
    "CHANGE REFERENCE DATA",
    "RESET RETRY COUNTER",
    "SET MANAGEMENT KEY",
    "IMPORT KEY",
    "MOVE KEY",
    "SET PIN RETRIES",
    "RESET",
    "PUT",
    "DELETE",
    "RENAME",
    "SET CODE",
];

#[test]
fn every_scenario_passes_on_a_soft_token_with_firmware_5_7_1() {
    passes_on(Firmware::V5_7_1);
}

#[test]
fn every_scenario_passes_on_a_soft_token_with_firmware_5_4_3() {
    passes_on(Firmware::V5_4_3);
}

fn passes_on(firmware: Firmware) {
    let dir = tempfile::tempdir().expect("a folder");
    let spec = TokenSpec::new(SERIAL, firmware).touch_timeout(PATIENCE);
    let rig = Rig::start(&dir.path().join("rig"), &[spec]).unwrap_or_else(|error| panic!("{error}"));
    let serial = SERIAL.to_string();
    // As a person did it long ago: tapvault refuses the factory's.
    ykman(
        &rig,
        &[
            "--device",
            &serial,
            "piv",
            "access",
            "change-pin",
            "--pin",
            "123456",
            "--new-pin",
            PIN,
        ],
    );
    // An account of the person's, which counts what is calculated of it.
    let theirs = ["--device", &serial, "oath", "accounts"];
    ykman(
        &rig,
        &[&theirs[..], &["add", "--oath-type", "HOTP", "theirs", RFC_SEED]].concat(),
    );
    let mark = rig.token(0).mark().expect("answers");

    let mut player = Player::new(vec![rig.token(0)], dir.path().join("tty"));
    let (shown, ok) = player.play(&["--serial", &serial], [(SOCKET_VARIABLE, rig.socket())]);

    assert!(ok && shown.contains("14 passed, 0 failed, 0 skipped"), "{shown}");
    let log = rig.token(0).log_since(mark).expect("answers");
    let writes: Vec<&str> = log
        .iter()
        .map(|entry| entry.instruction.as_str())
        .filter(|instruction| WRITES.contains(instruction))
        .collect();
    assert_eq!(writes, ["GENERATE ASYMMETRIC KEY PAIR", "PUT DATA", "PUT", "DELETE"]);
    let code = ykman(&rig, &[&theirs[..], &["code", "--single", "theirs"]].concat());
    assert!(code.contains(RFC_FIRST), "{code}");
    let listed = ykman(&rig, &[&theirs[..], &["list"]].concat());
    assert!(!listed.contains("tapvault"), "{listed}");
}

/// Runs ykman, which must succeed; gives what it printed.
fn ykman(rig: &Rig, words: &[&str]) -> String {
    let output = Command::new("ykman")
        .args(words)
        .env(SOCKET_VARIABLE, rig.socket())
        .output()
        .expect("ykman, of the Debian package yubikey-manager");
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What may be asked of a FIDO2 token (CTAP 2.1, 6), as the journal names it: nothing that sets, changes, resets or manages.
const HARMLESS: [&str; 9] = [
    "init",
    "get-info",
    "make-credential",
    "get-assertion",
    "client-pin get-retries",
    "client-pin get-key-agreement",
    "client-pin get-pin-token",
    "client-pin get-pin-token-with-permissions",
    "client-pin get-uv-retries",
];

#[test]
fn every_scenario_passes_on_two_soft_fido2_tokens() {
    let keys = [KeySpec::new("FIRST001"), KeySpec::new(SECOND).removed()];
    let keys = keys.map(|key| key.touch_timeout(PATIENCE));
    let dir = tempfile::tempdir().expect("a folder");
    let rig = FidoRig::start(&dir.path().join("rig"), &keys).unwrap_or_else(|error| panic!("{error}"));
    set_pin(&rig, 0, PIN);
    rig.key(1).insert().expect("plugged in");
    set_pin(&rig, 1, SECOND_PIN);
    rig.key(1).remove().expect("pulled out");
    let marks = [0, 1].map(|number| rig.key(number).mark().expect("answers"));

    let mut player = Player::new(vec![rig.key(0), rig.key(1)], dir.path().join("tty"));
    let (shown, ok) = player.play(&["--fido2", "/dev/hidraw0"], rig.environment());

    assert!(ok && shown.contains("9 passed, 0 failed, 0 skipped"), "{shown}");
    for (number, mark) in marks.into_iter().enumerate() {
        let log = rig.key(number).log_since(mark).expect("answers");
        let asked: Vec<&str> = log.iter().map(|entry| entry.command.as_str()).collect();
        let harmful: Vec<&&str> = asked.iter().filter(|command| !HARMLESS.contains(command)).collect();
        assert!(harmful.is_empty(), "{harmful:?}");
        let made = asked.iter().filter(|command| **command == "make-credential").count();
        assert_eq!(made, 1, "{asked:?}");
        assert_eq!(rig.key(number).counts().expect("answers").pin.refused, [1, 0][number]);
        rig.key(number).insert().expect("plugged in");
        // what would be stored there would stay
        let stored = fido2_token(&rig, &["-L", "-r", &node(&rig, number)], &[[PIN, SECOND_PIN][number]]);
        assert_eq!(stored, Ok(String::new()));
    }
}

#[test]
fn with_three_pin_tries_left_none_is_spent_on_a_soft_fido2_token() {
    let key = KeySpec::without_serial().touch_timeout(PATIENCE);
    let dir = tempfile::tempdir().expect("a folder");
    let rig = FidoRig::start(&dir.path().join("rig"), &[key]).unwrap_or_else(|error| panic!("{error}"));
    set_pin(&rig, 0, PIN);
    // Eight at first, and again after each right one. After three wrong ones in a row it wants to be plugged in anew.
    let spend = || {
        for wrong in 0..5 {
            if wrong % 2 == 0 {
                rig.key(0).remove().expect("pulled out");
                rig.key(0).insert().expect("plugged in");
            }
            fido2_token(&rig, &["-L", "-r", &node(&rig, 0)], &[WRONG_PIN]).expect_err("a wrong PIN");
        }
    };

    let mut player = Player::new(vec![rig.key(0)], dir.path().join("tty")).meanwhile("a PIN is wrong", &spend);
    let (shown, ok) = player.play(&["--fido2", "/dev/hidraw0"], rig.environment());

    assert!(ok && shown.contains("7 passed, 0 failed, 2 skipped"), "{shown}");
    assert!(shown.contains("none is to be spent"), "{shown}");
    assert_eq!(rig.key(0).counts().expect("answers").pin.refused, 5);
}

/// What a person has done to a token before.
fn set_pin(rig: &FidoRig, number: usize, pin: &str) {
    fido2_token(rig, &["-S", &node(rig, number)], &[pin, pin]).expect("a first PIN");
}

fn node(rig: &FidoRig, number: usize) -> String {
    rig.node(number).seen_as().display().to_string()
}

/// Runs fido2-token with these lines typed; what it printed, or its complaint.
fn fido2_token(rig: &FidoRig, words: &[&str], typed: &[&str]) -> Result<String, String> {
    // in a session of its own it asks no terminal
    let mut child = Command::new("setsid")
        .args(["--wait", "fido2-token"])
        .args(words)
        .envs(rig.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("setsid, of the Debian package util-linux");
    let mut keyboard = child.stdin.take().expect("piped");
    keyboard.write_all((typed.join("\n") + "\n").as_bytes()).expect("typed");
    drop(keyboard);
    let output = child.wait_with_output().expect("waited for");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}
