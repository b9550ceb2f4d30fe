//! A vault before a command that will be cut short, and what has to be true of it afterwards.

use super::content::{Content, content, paper};
use super::steps::copy;
use super::strace::{self, Fault, Point, plain};
use crate::bench::Bench;
use crate::bench::run::{Invocation, Output};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

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

fn walk(folder: &Path, look: &mut dyn FnMut(&Path)) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        look(&entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), look);
        }
    }
}
