//! What somebody who can write the vault's folder does to it, and what has to be true of a command that notices.

use crate::bench::run::{Invocation, Output};
use crate::bench::{Bench, Key, Snapshot, Terminal};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tapvault::agefile;
use tapvault::context::Env;
use tapvault::presence::Touches;
use tapvault::prompt::Dialogue;
use tapvault::vault::keyring::{KeyList, Version};
use tapvault::wrap::{EnrolledKey, KeyKind, SoftwareKey};

/// Ben's access key; his entry is the other one of two.
pub const BEN: Key = (
    tapvault_lab::aws_standin::BEN_KEY,
    tapvault_lab::aws_standin::BEN_SECRET,
);

/// A token that wants no PIN, with Ana's key as `prod` and Ben's as `dev`.
pub fn with_two_entries() -> Bench {
    let bench = Bench::start();
    enroll_without_pin(&bench).success().touches(2);
    bench.add("prod", crate::bench::ANA);
    bench.add("dev", BEN);
    bench
}

/// `key enroll piv --pin-policy never`: for tests that are not about the PIN.
pub fn enroll_without_pin(bench: &Bench) -> Output {
    bench.tapvault(["key", "enroll", "piv", "--pin-policy", "never"]).run()
}

/// The command was refused for what the folder holds: it says so under its stable name, names the thing and a way on, lets
/// nothing out and leaves the vault as it is.
#[track_caller]
pub fn refuses(bench: &Bench, command: Invocation<'_>, code: i32, name: &str, thing: &str) -> Output {
    let before = bench.snapshot();
    let output = command.run();
    let output = said_with_a_way_on(output, code, name, thing);
    let after = bench.snapshot();
    assert!(
        after == before,
        "the vault was changed, from\n{before:?}to\n{after:?}\n{output}"
    );
    output
}

/// As [`refuses`], for commands given by their words.
#[track_caller]
pub fn refused<S: AsRef<OsStr>>(
    bench: &Bench,
    words: impl IntoIterator<Item = S>,
    code: i32,
    name: &str,
    thing: &str,
) -> Output {
    refuses(bench, bench.tapvault(words), code, name, thing)
}

/// What [`refuses`] checks in the output.
#[track_caller]
pub fn said_with_a_way_on(output: Output, code: i32, name: &str, thing: &str) -> Output {
    let output = output
        .fails(code, name)
        .releases_nothing()
        .does_not_say("panicked")
        .says(thing);
    let begins = format!("tapvault: {name}: ");
    let said = output.said();
    let mut lines = said.lines().skip_while(|line| !line.starts_with(&begins));
    let message = lines.next().unwrap_or_default();
    assert!(message.contains(thing), "the message does not name {thing:?}\n{output}");
    assert!(
        lines.any(|line| !line.trim().is_empty()),
        "no way on is shown\n{output}"
    );
    output
}

/// `add new` with a key on standard input, without asking AWS.
pub fn add_new(bench: &Bench) -> Invocation<'_> {
    bench
        .tapvault(["add", "new", "--stdin", "--offline"])
        .stdin(&format!("{}\n{}\n", BEN.0, BEN.1))
}

/// Lets a program find what tests/setup puts into target/tools: age-plugin-yubikey, for itself and for `age`.
///
/// # Panics
/// Without it: it is not in Debian, and nothing is skipped.
pub fn with_tools(program: Invocation<'_>) -> Invocation<'_> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin");
    let own = std::env::var_os("PATH").unwrap_or_default();
    let folders = [tools].into_iter().chain(std::env::split_paths(&own));
    let path = std::env::join_paths(folders).expect("folders");
    let found = std::env::split_paths(&path).any(|folder| folder.join("age-plugin-yubikey").exists());
    assert!(
        found,
        "age-plugin-yubikey is in neither target/tools/bin nor the PATH: bash tests/setup installs it"
    );
    program.env("PATH", path)
}

/// Answers another program's question for a secret: they ask first and turn the echo off then, and some throw away what was
/// typed before.
#[track_caller]
pub fn answer_unseen(terminal: &mut Terminal<'_>, question: &str, line: &str) {
    terminal.expect(question);
    let deadline = Instant::now() + Duration::from_secs(10);
    while terminal.echoes() {
        assert!(Instant::now() < deadline, "the echo stays on:\n{}", terminal.text());
        std::thread::sleep(Duration::from_millis(2));
    }
    terminal.enter(line);
}

/// The vault and the state folder as they were at one moment.
pub struct Aside {
    folder: PathBuf,
    vault: PathBuf,
    state: PathBuf,
}

impl Aside {
    /// Copies both.
    pub fn of(bench: &Bench) -> Self {
        let number = bench.root().read_dir().expect("the bench's folder").count();
        let aside = Aside {
            folder: bench.root().join(format!("aside-{number}")),
            vault: bench.vault(),
            state: bench.state_folder(),
        };
        fs::create_dir(&aside.folder).expect("a folder");
        copy(&aside.vault, &aside.folder.join("vault"));
        copy(&aside.state, &aside.folder.join("state"));
        aside
    }

    /// Puts both back.
    pub fn put_back(&self) {
        self.put_back_vault();
        copy(&self.folder.join("state"), &self.state);
    }

    /// Puts only the vault back: what an attacker, a backup or a sync service does.
    pub fn put_back_vault(&self) {
        copy(&self.folder.join("vault"), &self.vault);
    }

    /// Puts one file of the vault back, or a folder.
    pub fn put_back_file(&self, name: &str) {
        copy(&self.folder.join("vault").join(name), &self.vault.join(name));
    }

    /// The old vault's folder.
    pub fn vault(&self) -> PathBuf {
        self.folder.join("vault")
    }
}

/// Copies with modes and links; what was there is gone.
pub fn copy(from: &Path, to: &Path) {
    let script = r#"rm -rf -- "$2" && cp -a -- "$1" "$2""#;
    let status = Command::new("sh").args(["-c", script, "sh"]).args([from, to]).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{} could not be copied to {}",
        from.display(),
        to.display()
    );
}

/// Writes a file as tapvault would: private.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    chmod(path, 0o600);
}

/// Makes a folder as tapvault would, with its parents: private.
pub fn make_folder(path: &Path) {
    fs::create_dir_all(path).expect("a folder");
    chmod(path, 0o700);
}

/// Sets a mode.
pub fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

/// `keys.json`, read.
pub fn key_document(bench: &Bench) -> Value {
    read_json(&bench.vault().join("keys.json"))
}

/// A JSON file, read.
pub fn read_json(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("JSON")
}

/// The recipients in `keys.json`, which anybody can read.
pub fn public_recipients(bench: &Bench) -> Vec<Box<dyn age::Recipient>> {
    list(&bench.vault().join("keys.json"))
        .keys
        .iter()
        .map(|key| key.to_recipient().expect("a recipient"))
        .collect()
}

/// The list in a key file.
pub fn list(file: &Path) -> KeyList {
    version(file).list().clone()
}

/// A version of the list, from its file.
pub fn version(file: &Path) -> Version {
    let document = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Version::parse("keys.json", &document).expect("a key list")
}

/// The content of a file of the vault as somebody would make it up who knows the format and not K.
pub fn made_up(kind: &str, profile: &str) -> Value {
    json!({
        "tapvault": 1,
        "kind": kind,
        "profile": profile,
        "entry": "00112233445566778899aabbccddeeff",
        "generation": 9,
        "vault_secret": BASE64_STANDARD.encode([7; 32]),
        "access_key_id": "AKIAMALLORYMALLORY22",
        "secret_access_key": "mallory/makes/it/up+mallory/makes/it/up1",
        "arn": "arn:aws:iam::999988887777:user/mallory",
        "added": "2026-01-14T09:12:40Z",
    })
}

/// Seals `content` to everything that `keys.json` names: that needs nothing but the folder.
pub fn seal_to_all(bench: &Bench, content: &[u8]) -> Vec<u8> {
    agefile::seal(content, &public_recipients(bench)).expect("sealed")
}

/// Somebody with a key of their own and no other.
pub struct Mallory(SoftwareKey);

impl Mallory {
    pub fn new() -> Self {
        Mallory(SoftwareKey::generate("mallory".parse().expect("a name")))
    }

    /// Her key as the list would have it.
    pub fn record(&self) -> EnrolledKey {
        EnrolledKey {
            name: "mallory".parse().expect("a name"),
            recipient: self.0.recipient(),
            enrolled: jiff::Timestamp::UNIX_EPOCH,
            host: "elsewhere".into(),
            kind: KeyKind::Recovery {
                verifier: self.0.software_verifier(),
            },
        }
    }

    /// Her identity, as stock `age` reads it.
    pub fn identity(&self) -> String {
        self.0.secret_text().expose().to_owned()
    }

    /// A key file with this list, which she alone vouches for, in a well-formed way.
    pub fn vouches_for(&mut self, list: KeyList) -> Vec<u8> {
        let dialogue = Dialogue::open(&Env::default());
        let mut version = Version::draft(list).expect("a list");
        version
            .vouch(&mut self.0, "vouch", &mut Touches::none(&dialogue))
            .expect("vouched");
        version.to_document().expect("a document")
    }
}

/// A snapshot of the state folder: a refused command must not have learnt anything.
pub fn state(bench: &Bench) -> Snapshot {
    Snapshot::of(&bench.state_folder())
}

impl Bench {
    /// Enrolls a recovery key at a terminal with a token that wants no PIN; returns what the person writes down.
    #[track_caller]
    pub fn enroll_paper(&self, name: &str) -> String {
        self.enroll_paper_with(name, &[], None)
    }

    /// As [`Bench::enroll_paper`], with more words before `key enroll recovery`, and with the PIN that is asked for.
    #[track_caller]
    pub fn enroll_paper_with(&self, name: &str, before: &[&str], pin: Option<&str>) -> String {
        let words = [before, &["key", "enroll", "recovery", "--name", name]].concat();
        let mut terminal = self.tapvault(words).may_show(name).on_terminal();
        terminal.expect("Type its last 6 characters to go on: ");
        let text = terminal.text();
        let paper = text
            .split_whitespace()
            .find(|word| word.starts_with("AGE-SECRET-KEY-1"))
            .expect("the key is shown")
            .to_owned();
        self.secret(name, &paper);
        terminal.enter(&paper[paper.len() - 6..]);
        if let Some(pin) = pin {
            terminal.answer("PIN of YubiKey", pin);
        }
        terminal.finish().success();
        paper
    }
}
