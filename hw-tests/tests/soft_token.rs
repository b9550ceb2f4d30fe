//! The scenarios on a soft token, with a program in the person's place: so that they are known to work before they meet a
//! real token, and to write to it what they say and nothing else.

use std::env;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;
use tapvault_lab::soft_token::body::AutoTouch;
use tapvault_lab::soft_token::client::Control;
use tapvault_lab::soft_token::firmware::Firmware;
use tapvault_lab::soft_token::rig::{Rig, SOCKET_VARIABLE, TokenSpec};
use tapvault_lab::terminal::wait_until_silent;

const SERIAL: u32 = 14_000_001;
const PIN: &str = "654321";
const WRONG_PIN: &str = "111111";
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
    // long enough for a busy machine to notice that the token waits
    let spec = TokenSpec::new(SERIAL, firmware).touch_timeout(Duration::from_secs(3));
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

    let (shown, ok) = Player::new(&rig, dir.path().join("tty")).play();

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

/// What is on the screen, and what is done about it.
enum Cue {
    /// A scenario begins.
    Begin,
    Pin,
    PluginPin,
    Touch,
    PlugIn,
}

const CUES: [(&str, Cue); 5] = [
    ("Enter goes on: ", Cue::Begin),
    ("tries left): ", Cue::Pin),
    ("Enter PIN for YubiKey", Cue::PluginPin),
    ("touch YubiKey", Cue::Touch),
    ("plug the token in again, then Enter: ", Cue::PlugIn),
];

/// The person: reads the screen, types, touches, pulls the token out.
struct Player<'a> {
    token: &'a Control,
    socket: PathBuf,
    /// Holds the terminal's name, once there is one.
    tty: PathBuf,
    scenario: String,
    pin_was_wrong: bool,
}

impl<'a> Player<'a> {
    fn new(rig: &'a Rig, tty: PathBuf) -> Self {
        Self {
            token: rig.token(0),
            socket: rig.socket(),
            tty,
            scenario: String::new(),
            pin_was_wrong: false,
        }
    }

    /// Returns what was on the screen, and whether the program was content.
    fn play(&mut self) -> (String, bool) {
        let program = env!("CARGO_BIN_EXE_tapvault-hw-tests");
        // a question that nobody expects must not hang the test
        let command = format!(
            "tty >{}; exec timeout --foreground 240 {program} --serial {SERIAL}",
            self.tty.display()
        );
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
            .env("PATH", path_with_tools())
            .env(SOCKET_VARIABLE, &self.socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script, of the Debian package bsdutils");
        let mut keyboard = child.stdin.take().expect("piped");
        let mut screen = child.stdout.take().expect("piped");

        let (mut shown, mut done) = (Vec::new(), 0);
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = screen.read(&mut buffer) {
            shown.extend_from_slice(&buffer[..count]);
            while let Some(end) = self.answer(&String::from_utf8_lossy(&shown[done..]), &mut keyboard) {
                done += end;
            }
        }
        let content = child.wait().expect("waited for").success();
        (String::from_utf8_lossy(&shown).into_owned(), content)
    }

    /// Does what the first cue in this part of the screen asks for; returns where it ends.
    fn answer(&mut self, part: &str, keyboard: &mut ChildStdin) -> Option<usize> {
        let found = CUES
            .iter()
            .filter_map(|(words, cue)| Some((part.find(words)? + words.len(), cue)));
        let (end, cue) = found.min_by_key(|(end, _)| *end)?;
        match cue {
            Cue::Begin => {
                self.begin(&part[..end]);
                type_line(keyboard, "");
            }
            Cue::Pin | Cue::PluginPin => {
                wait_until_silent(&self.tty);
                type_line(keyboard, self.pin());
            }
            Cue::Touch if self.scenario.starts_with("the token is pulled out") => {
                self.token.wait_for_touch(Duration::from_secs(10)).expect("it blinks");
                self.token.remove().expect("answers");
            }
            // touched by itself, or left alone
            Cue::Touch => {}
            Cue::PlugIn => {
                self.token.insert().expect("recognised");
                type_line(keyboard, "");
            }
        }
        Some(end)
    }

    fn begin(&mut self, part: &str) {
        let start = part.rfind("== ").expect("a scenario has a name") + "== ".len();
        self.scenario = part[start..].lines().next().unwrap_or_default().trim_end().to_owned();
        let touches = match self.scenario.as_str() {
            "a touch is withheld"
            | "the token is pulled out"
            | "a touch for a code is withheld"
            | "the token is pulled out before a code" => AutoTouch::Off,
            _ => AutoTouch::Always(Duration::from_millis(50)),
        };
        self.token.auto_touch(touches).expect("answers");
    }

    fn pin(&mut self) -> &'static str {
        if self.scenario == "a PIN is wrong" && !self.pin_was_wrong {
            self.pin_was_wrong = true;
            return WRONG_PIN;
        }
        PIN
    }
}

fn type_line(keyboard: &mut ChildStdin, line: &str) {
    // who has gone says so by its exit code
    let _ = writeln!(keyboard, "{line}");
}

/// The path with the folder where tests/setup puts age-plugin-yubikey.
fn path_with_tools() -> std::ffi::OsString {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths([tools].into_iter().chain(env::split_paths(&path))).expect("folders")
}
