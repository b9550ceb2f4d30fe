//! A vault before a command that will be cut short, and what has to be true of it afterwards.

use super::strace::{self, Fault, Point, plain};
use crate::bench::run::{Invocation, Output};
use crate::bench::{ANA, Bench};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tapvault_lab::soft_token::body::AutoTouch;

/// Stock age.
const AGE: &str = "/usr/bin/age";

/// What a vault holds, seen from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The names of the enrolled keys.
    pub keys: BTreeSet<String>,
    /// The secret of each profile's access key.
    pub entries: BTreeMap<String, String>,
}

/// A bench, the vault on it as it was before, and one command.
pub struct Scene {
    pub bench: Bench,
    line: Vec<&'static str>,
    stdin: Option<String>,
    before: Content,
    after: Content,
    /// Exit codes of the command when it has been carried out already.
    when_done: &'static [i32],
    /// See [`Scene::only_courtesies`].
    courtesies: bool,
    /// States of the files that were gone on from.
    known: BTreeSet<String>,
}

impl Scene {
    /// The vault on `bench` is what it is before `line`.
    pub fn new(bench: Bench, line: &[&'static str], when_done: &'static [i32]) -> Self {
        strace::check();
        let before = content(&bench);
        let scene = Scene {
            bench,
            line: line.to_vec(),
            stdin: None,
            after: before.clone(),
            before,
            when_done,
            courtesies: false,
            known: BTreeSet::new(),
        };
        for (folder, kept) in scene.folders() {
            copy(&folder, &kept);
        }
        scene
    }

    /// With this on standard input.
    pub fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// What the command makes of it.
    pub fn becomes(mut self, change: impl FnOnce(&mut Content)) -> Self {
        change(&mut self.after);
        self
    }

    /// All that it writes could be done without: an error of the disk must not stop it, only be told.
    pub fn only_courtesies(mut self) -> Self {
        self.courtesies = true;
        self
    }

    /// Strikes the command at each call that writes: killed, and with an error. Says how often.
    #[track_caller]
    pub fn strike_everywhere(mut self) {
        let started = Instant::now();
        let (output, points) = strace::points(&self.bench, &self.line, |run| self.dressed(run));
        output.success();
        assert_eq!(content(&self.bench), self.after, "what the command makes of the vault");
        assert!(points.len() > 5, "so few writes: {points:?}");
        check_power_cut(&points);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (before, point) in points.iter().enumerate().map(|(at, point)| (at.checked_sub(1), point)) {
            let before = before.map(|at| &points[at]);
            for fault in faults(before, point) {
                self.strike(point, fault);
                let word = format!("{fault:?} {}", point.call);
                *counts.entry(word).or_default() += 1;
            }
        }
        let strikes: usize = counts.values().sum();
        println!(
            "{}: {strikes} strikes at {} writes, {} states gone on from, {:.1} s: {counts:?}",
            self.line.join(" "),
            points.len(),
            self.known.len(),
            started.elapsed().as_secs_f32(),
        );
    }

    /// Sends the command each of these signals at each call that writes.
    #[track_caller]
    pub fn signal_everywhere(mut self, signals: &[&'static str]) {
        let (output, points) = strace::points(&self.bench, &self.line, |run| self.dressed(run));
        output.success();
        for point in &points {
            for signal in signals {
                self.strike(point, Fault::Signal(signal));
            }
        }
        println!("{}: {signals:?} at {} writes", self.line.join(" "), points.len());
    }

    /// One strike, and everything that has to be true after it.
    #[track_caller]
    fn strike(&mut self, point: &Point, fault: Fault) {
        self.restore();
        let output = strace::strike(&self.bench, &self.line, |run| self.dressed(run), point, fault);
        let context = format!("{fault:?} at {point}\n{output}\n{}", self.files());
        match fault {
            Fault::Kill => assert_eq!(output.signal, Some(9), "{context}"),
            Fault::Signal(_) => assert!(output.signal.is_some(), "{context}"),
            Fault::Error(_) if self.courtesies => assert_eq!(output.code, Some(0), "{context}"),
            Fault::Error(error) => check_failure(&output, error, &context),
        }
        let state = self.signature();
        let content = content(&self.bench);
        assert!(
            content == self.before || content == self.after,
            "neither the old nor the new state: {content:?}\n{context}"
        );
        if output.said().contains("free some space and run it again") {
            assert_eq!(content, self.before, "it says that it was not carried out\n{context}");
        }
        self.bench.search_files();
        if self.known.insert(state) {
            println!("after {fault:?} at {point}:");
            self.go_on(&context);
        }
    }

    /// Everything opens, and the command can be brought to its end.
    fn go_on(&mut self, context: &str) {
        let now = content(&self.bench);
        self.open_everything(&now, context);
        let staged = self.bench.vault().join("next/keys.json").exists();
        if staged {
            let first = self.before.keys.is_empty();
            self.run(&self.line, context)
                .fails(12, "conflict")
                .says("was interrupted");
            let kept = self.bench.root().join("interrupted");
            for (folder, _) in self.folders() {
                copy(
                    &folder,
                    &kept.join(folder.strip_prefix(self.bench.root()).expect("below")),
                );
            }
            if !first {
                self.resume(context);
                self.finished(context);
                for (folder, _) in self.folders() {
                    copy(
                        &kept.join(folder.strip_prefix(self.bench.root()).expect("below")),
                        &folder,
                    );
                }
            }
            self.run(&["key", "resume", "--abandon"], context).success();
            assert_eq!(content(&self.bench), self.before, "abandoned\n{context}");
        }
        if content(&self.bench) == self.after && self.before != self.after {
            let again = self.run(&self.line, context);
            assert!(
                again.code.is_some_and(|code| self.when_done.contains(&code)),
                "{again}\n{context}"
            );
        } else {
            self.run(&self.line, context).success();
        }
        self.finished(context);
    }

    fn resume(&self, context: &str) {
        let goes = self.before.keys.difference(&self.after.keys).next();
        match goes.filter(|goes| *goes == "passphrase") {
            None => drop(self.run(&["key", "resume"], context).success()),
            Some(goes) => {
                // The only key that is here is the one that goes.
                let refused = self.run(&["key", "resume"], context).fails(5, "no-key");
                refused
                    .says(&format!("takes {goes} out"))
                    .says("tapvault key resume --recovery");
                let mut terminal = self.bench.tapvault(["key", "resume", "--recovery"]).on_terminal();
                terminal.answer("recovery key", &paper(&self.bench));
                terminal.finish().success();
            }
        }
    }

    fn finished(&self, context: &str) {
        assert_eq!(content(&self.bench), self.after, "brought to its end\n{context}");
        self.open_everything(&self.after, context);
        if self.before.keys.is_empty() {
            // Nothing is opened in a vault without entries, so this is the first that notes anything.
            self.run(&["key", "trust", "--yes"], context).success();
        }
        // Whoever writes next sweeps what was left.
        self.run(&["clear"], context).success();
        let left: Vec<String> = self
            .listing()
            .into_iter()
            // The empty folder does no harm, and is taken for the next change.
            .filter(|name| name.contains(".tmp-") || name.starts_with("vault/next/"))
            .collect();
        assert!(left.is_empty(), "left behind: {left:?}\n{context}");
        self.bench.search_files();
    }

    /// Each entry with each token key; the key on paper is what [`content`] opens everything with.
    fn open_everything(&self, content: &Content, context: &str) {
        for key in content.keys.iter().filter(|key| *key != "paper") {
            for (profile, secret) in &content.entries {
                let line = ["export", profile, "-n", "--format", "json", "--key", key];
                let run = self.bench.tapvault(line).prints_secrets().run();
                // A new vault was killed before this machine had made a note of it.
                let run = if run.code == Some(12) && self.before.keys.is_empty() {
                    self.run(&["key", "trust", "--yes"], context).success();
                    self.bench.tapvault(line).prints_secrets().run()
                } else {
                    run
                };
                assert_eq!(run.code, Some(0), "{run}\n{context}");
                assert_eq!(run.json()["SecretAccessKey"], **secret, "{context}");
            }
        }
    }

    fn run(&self, line: &[&str], context: &str) -> Output {
        println!("  {}", line.join(" "));
        let output = self.dressed(self.bench.tapvault(line)).run();
        assert_ne!(output.code, Some(101), "it panicked: {output}\n{context}");
        output
    }

    fn dressed<'b>(&self, run: Invocation<'b>) -> Invocation<'b> {
        match &self.stdin {
            Some(text) => run.stdin(text),
            None => run,
        }
    }

    fn folders(&self) -> [(PathBuf, PathBuf); 2] {
        let kept = self.bench.root().join("before");
        [
            (self.bench.vault(), kept.join("vault")),
            (self.bench.state_folder(), kept.join("state")),
        ]
    }

    fn restore(&self) {
        for (folder, kept) in self.folders() {
            copy(&kept, &folder);
        }
    }

    fn listing(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (folder, name) in [(self.bench.vault(), "vault"), (self.bench.state_folder(), "state")] {
            walk(&folder, &mut |path| {
                let inner = path.strip_prefix(&folder).expect("below");
                names.push(plain(&format!("{name}/{}", inner.display())));
            });
        }
        names.sort();
        names
    }

    fn files(&self) -> String {
        self.listing().join("\n")
    }

    /// Which files there are, and of each whether it is as before, empty, or another one.
    fn signature(&self) -> String {
        let mut lines = BTreeSet::new();
        for (folder, kept) in self.folders() {
            walk(&folder, &mut |path| {
                let name = path.strip_prefix(&folder).expect("below");
                let sort = match (fs::read(path), fs::read(kept.join(name))) {
                    (Err(_), _) => "folder",
                    (Ok(bytes), _) if bytes.is_empty() => "empty",
                    (Ok(now), Ok(then)) if now == then => "as before",
                    (Ok(_), _) => "new",
                };
                let shown = path.strip_prefix(self.bench.root()).expect("below");
                lines.insert(format!("{} {sort}\n", plain(&shown.display().to_string())));
            });
        }
        lines.into_iter().collect()
    }
}

/// What happens at a write. A kill is left out where it would find the files just as another one does: at the fsync of a
/// temporary file, whose rename comes next, and at the call after the fsync of a folder.
pub fn faults(before: Option<&Point>, point: &Point) -> Vec<Fault> {
    let of_temporary = |point: &Point| point.place.ends_with(".tmp-*");
    let error = Fault::Error(match point.call.as_str() {
        "fsync" | "fdatasync" => "EIO",
        "unlink" | "unlinkat" | "rmdir" => "EROFS",
        _ => "ENOSPC",
    });
    let found_twice = if point.is_sync() {
        of_temporary(point)
    } else {
        before.is_some_and(|before| before.is_sync() && !of_temporary(before))
    };
    if found_twice {
        vec![error]
    } else {
        vec![Fault::Kill, error]
    }
}

/// A power cut forgets what no fsync came after: of a file before its rename, of a folder after a change of its names.
pub fn check_power_cut(points: &[Point]) {
    for (at, point) in points.iter().enumerate() {
        let folder = Path::new(&point.place)
            .parent()
            .and_then(Path::to_str)
            .unwrap_or_default();
        let moves = point.call.starts_with("rename");
        let makes = point.call.starts_with("mkdir");
        // What is cleared away may come back: the next command clears it away again.
        let removes = point.call.starts_with("unlink") && !point.place.starts_with("vault/next");
        // The folder above the vault is not one of ours.
        // A new folder at once, for something may be moved out of it before the next one.
        let within = if makes { 2 } else { points.len() };
        if (moves || makes || removes) && folder.starts_with("vault") {
            let mut later = points[at..].iter().take(within);
            let synced = later.any(|later| later.is_sync() && later.place == folder);
            assert!(synced, "no fsync of {folder} after {point}");
        }
        if point.call.starts_with("write") {
            let synced = points[at..].iter().find(|later| later.call != point.call);
            let synced = synced.is_some_and(|next| next.is_sync() && next.place == point.place);
            assert!(synced, "no fsync after {point}");
        }
    }
}

/// It says so, and what to do; or the write was a courtesy and it says that.
fn check_failure(output: &Output, error: &str, context: &str) {
    let words = match error {
        "ENOSPC" => "no space left on device",
        "EROFS" => "read-only file system",
        _ => "input/output error",
    };
    match output.code {
        Some(0) => {}
        Some(1) => {
            let said = output.said();
            assert!(said.contains("tapvault: other: ") && said.contains(words), "{context}");
            assert!(error != "ENOSPC" || said.contains("free some space"), "{context}");
        }
        _ => panic!("{context}"),
    }
}

/// What the vault holds: every entry opened by stock `age` with the key on paper, and K compared with the key list.
#[track_caller]
pub fn content(bench: &Bench) -> Content {
    // A change that was committed is finished by whoever comes first.
    let keys = bench.tapvault(["key", "list", "--json"]).run().success().json();
    let keys: BTreeSet<String> = texts(&keys, "name").collect();
    let list = bench.tapvault(["list", "--json"]).run().success().json();
    let rows = list.as_array().expect("rows").iter();
    let listed: BTreeSet<String> = rows
        .filter(|row| row["access_key"] == true)
        .filter_map(|row| row["profile"].as_str().map(str::to_owned))
        .collect();
    let mut content = Content {
        keys,
        entries: BTreeMap::new(),
    };
    if !content.keys.contains("paper") {
        assert!(listed.is_empty(), "a vault with entries has a key on paper here");
        return content;
    }
    let vault = bench.vault();
    let document: serde_json::Value =
        serde_json::from_slice(&fs::read(vault.join("keys.json")).expect("keys.json")).expect("JSON");
    let digest = document["list"]["vault_secret_sha256"].as_str().expect("a digest");
    let mut files = vec![vault.join("vault.age")];
    for entry in vault.join("entries").read_dir().into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "age")
            && !entry.file_name().to_string_lossy().starts_with('.')
        {
            files.push(entry.path());
        }
    }
    for file in files {
        let payload = opened_by_age(bench, &file);
        let secret = BASE64_STANDARD
            .decode(payload["vault_secret"].as_str().expect("K"))
            .expect("base64");
        assert_eq!(hex(&Sha256::digest(secret)), digest, "K in {}", file.display());
        if let Some(secret) = payload["secret_access_key"].as_str() {
            let profile = payload["profile"].as_str().expect("a profile");
            content.entries.insert(profile.to_owned(), secret.to_owned());
        }
    }
    let opened: BTreeSet<String> = content.entries.keys().cloned().collect();
    assert_eq!(listed, opened, "what `list` shows, and what opens");
    content
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn texts<'j>(rows: &'j serde_json::Value, name: &'j str) -> impl Iterator<Item = String> + 'j {
    let rows = rows.as_array().into_iter().flatten();
    rows.filter_map(move |row| row[name].as_str().map(str::to_owned))
}

/// The content of an age file, opened by stock age with the key on paper.
#[track_caller]
pub fn opened_by_age(bench: &Bench, file: &Path) -> serde_json::Value {
    let output = Command::new(AGE)
        .arg("-d")
        .arg("-i")
        .arg(paper_file(bench))
        .arg(file)
        .output()
        .unwrap_or_else(|error| panic!("{AGE} does not run ({error}): apt-get install age"));
    assert!(
        output.status.success(),
        "stock age does not open {}: {}",
        file.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("a payload is JSON")
}

/// The key on paper.
pub fn paper(bench: &Bench) -> String {
    let text = fs::read_to_string(paper_file(bench)).expect("the key on paper");
    text.trim().to_owned()
}

/// Outside of what is searched for secrets.
fn paper_file(bench: &Bench) -> PathBuf {
    bench.root().join("paper.txt")
}

/// A bench whose token is touched at once.
pub fn quick() -> Bench {
    let bench = Bench::start();
    touch_at_once(&bench);
    bench
}

pub fn touch_at_once(bench: &Bench) {
    let at_once = AutoTouch::Always(Duration::ZERO);
    bench.token().auto_touch(at_once).expect("the token listens");
}

/// Makes a key on the token that asks for no PIN.
pub fn enroll_token(bench: &Bench, name: &str) -> Output {
    let line = ["key", "enroll", "piv", "--pin-policy", "never", "--name", name];
    bench.tapvault(line).run().success()
}

/// Enrolls a recovery key called "paper", and keeps it for [`content`].
pub fn enroll_paper(bench: &Bench) {
    const SECRET: &str = "key on paper";
    let mut terminal = bench
        .tapvault(["key", "enroll", "recovery"])
        .may_show(SECRET)
        .on_terminal();
    terminal.expect("Type its last");
    let shown = terminal.text();
    let start = shown.find("AGE-SECRET-KEY-1").expect("it is shown");
    let key: String = shown[start..].chars().take_while(|c| !c.is_whitespace()).collect();
    bench.secret(SECRET, &key);
    fs::write(paper_file(bench), format!("{key}\n")).expect("the key on paper");
    terminal.enter(&key[key.len() - 6..]);
    terminal.finish().success();
}

/// Enrolls a passphrase key. Its file is made cheap to open: each command of the vault pays for that.
pub fn enroll_passphrase(bench: &Bench) {
    const PASSPHRASE: &str = "four words from a hat";
    bench.secret("passphrase", PASSPHRASE);
    // Outside of what is searched for secrets.
    let told_by = bench.root().join("passphrase.txt");
    fs::write(&told_by, format!("{PASSPHRASE}\n")).expect("the passphrase");
    // The shell alone: strace counts in its children too, and a cat(1) has as many calls as tapvault.
    let command = format!("read -r line <{} && echo \"$line\"", told_by.display());
    bench.settings(&format!("passphrase_command = '{command}'\n"));
    bench.tapvault(["key", "enroll", "passphrase"]).run().success();
    let file = bench.vault().join("passphrases/passphrase.age");
    let passphrase = || age::secrecy::SecretString::from(PASSPHRASE);
    let identity = age::scrypt::Identity::new(passphrase());
    let text = age::decrypt(&identity, &fs::read(&file).expect("the key's file")).expect("it opens");
    let mut recipient = age::scrypt::Recipient::new(passphrase());
    recipient.set_work_factor(2);
    fs::write(file, age::encrypt(&recipient, &text).expect("sealed")).expect("the key's file");
}

/// Adds Ana's key to `profile` without asking AWS.
pub fn add(bench: &Bench, profile: &str) {
    let line = ["add", profile, "--stdin", "--offline"];
    bench.tapvault(line).stdin(&lines(ANA)).run().success();
}

/// A key as `add --stdin` reads it.
pub fn lines((id, secret): (&str, &str)) -> String {
    format!("{id}\n{secret}\n")
}

/// Deletes the vault and what this machine remembers of it; what is on the token stays.
pub fn start_anew(bench: &Bench) {
    for folder in [bench.vault(), bench.state_folder()] {
        fs::remove_dir_all(folder).expect("it was there");
    }
}

fn walk(folder: &Path, look: &mut dyn FnMut(&Path)) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        look(&entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), look);
        }
    }
}

/// Makes `to` what `from` is, modes included; missing if that is.
pub fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("the old one goes");
    }
    if !from.exists() {
        return;
    }
    fs::create_dir_all(to).expect("a folder");
    let mode = fs::metadata(from).expect("it is there").permissions();
    fs::set_permissions(to, mode).expect("its mode");
    for entry in from.read_dir().expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
