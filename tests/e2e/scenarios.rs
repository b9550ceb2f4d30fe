//! Runs every folder of tests/scenarios: an AWS config, and steps with what they have to say, cost and call.
//!
//! tests/scenarios/README.md has the format. `SCENARIO=NAME cargo test --test e2e scenario` runs one.

use crate::bench::{Bench, Invocation, Output, PIN};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

/// They mostly wait, so a few run at once.
const AT_ONCE: usize = 3;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    /// What it shows.
    about: String,
    #[serde(default)]
    vault: Keys,
    /// tapvault's own config.toml.
    settings: Option<String>,
    /// A passphrase for `passphrase_command`, in the file passphrase of the home.
    passphrase: Option<String>,
    /// Files of the home, by name. Secrets may be in them: they are what some other program keeps.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Profiles, and whose access key each has in the vault from the start.
    #[serde(default)]
    entries: BTreeMap<String, String>,
    step: Vec<Step>,
}

/// What opens the vault from the start.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Keys {
    /// A token.
    #[default]
    Piv,
    /// Nothing, and no token is there.
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Arguments of tapvault.
    run: Option<Vec<String>>,
    /// Arguments of the aws CLI.
    aws: Option<Vec<String>>,
    /// Standard input.
    stdin: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Names of secrets that this environment gives.
    #[serde(default)]
    env_secrets: Vec<String>,
    /// At a terminal: questions and what is typed.
    #[serde(default)]
    dialogue: Vec<[String; 2]>,
    /// Standard output is the terminal too.
    #[serde(default)]
    stdout_at_terminal: bool,
    /// Standard output may hold secrets.
    #[serde(default)]
    prints_secrets: bool,

    #[serde(default)]
    exit: i32,
    /// The stable name of the failure.
    error: Option<String>,
    #[serde(default)]
    touches: usize,
    /// How many of them are announced where the test can see it, if not all.
    announced: Option<usize>,
    /// Every call, in order: the action, then parameters that have to be such.
    #[serde(default)]
    calls: Vec<String>,
    /// The whole of standard output; `*` stands for anything in a line.
    #[serde(default)]
    stdout: String,
    /// Lines that have to be among what is said to the person.
    #[serde(default)]
    says: Vec<String>,
    /// And such that must not.
    #[serde(default)]
    says_not: Vec<String>,
}

#[test]
fn every_scenario_goes_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let only = std::env::var("SCENARIO").ok();
    let entries = folder.read_dir().expect("tests/scenarios");
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.expect("tests/scenarios").path())
        .filter(|path| path.is_dir())
        .filter(|path| only.as_ref().is_none_or(|only| path.ends_with(only)))
        .collect();
    folders.sort();
    assert!(!folders.is_empty(), "no scenario in {}", folder.display());

    let waiting = Mutex::new(folders.iter());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(folder) = next else { break };
                    if let Err(why) = thread::scope(|one| one.spawn(|| run(folder)).join()) {
                        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                        let why = why
                            .downcast_ref::<String>()
                            .cloned()
                            .or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                        let line = format!("{name}: {}", why.unwrap_or_default());
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(
        failed.is_empty(),
        "{} scenarios failed:\n\n{}",
        failed.len(),
        failed.join("\n\n")
    );
}

fn run(folder: &Path) {
    let text = fs::read_to_string(folder.join("scenario.toml")).expect("scenario.toml");
    let scenario: Scenario = toml::from_str(&text).unwrap_or_else(|error| panic!("scenario.toml: {error}"));
    assert!(!scenario.about.is_empty() && !scenario.step.is_empty());
    let bench = match scenario.vault {
        Keys::Piv => Bench::enrolled(),
        Keys::None => Bench::setup().no_token().start(),
    };
    let config = fs::read_to_string(folder.join("config")).expect("config");
    bench.aws_config(&filled(&bench, &config));
    if let Some(settings) = &scenario.settings {
        bench.settings(&filled(&bench, settings));
    }
    if let Some(passphrase) = &scenario.passphrase {
        let file = bench.home().join("passphrase");
        fs::write(&file, passphrase).expect("the passphrase's file");
        bench.except_file(&file);
        bench.secret("passphrase", passphrase);
    }
    for (name, text) in &scenario.files {
        let file = bench.home().join(name);
        fs::write(&file, filled(&bench, text)).expect("a file of the home");
        bench.except_file(&file);
    }
    for (profile, user) in &scenario.entries {
        let key = format!("{{key {user}}}\n{{secret {user}}}\n");
        let add = bench.tapvault(["add", profile, "--stdin"]).stdin(&filled(&bench, &key));
        add.run().success().touches(1);
    }
    for (number, step) in scenario.step.iter().enumerate() {
        play(&bench, number + 1, step);
    }
}

fn play(bench: &Bench, number: usize, step: &Step) {
    bench.aws().clear_calls();
    let out = invoke(bench, step);
    let title = format!("step {number}");
    assert!(
        out.code == Some(step.exit),
        "{title}: exit code {:?}, not {}\n{out}",
        out.code,
        step.exit
    );
    let out = match &step.error {
        Some(name) => out.fails(step.exit, name),
        None => out,
    };
    let out = out.touches_of_which_announced(step.touches, step.announced.unwrap_or(step.touches));

    let calls = bench.aws().calls();
    let told: Vec<String> = calls.iter().map(|call| call.action.clone()).collect();
    assert!(
        calls.len() == step.calls.len(),
        "{title}: the calls were {told:?}, not {:?}\n{out}",
        step.calls
    );
    for (call, expected) in calls.iter().zip(&step.calls) {
        let expected = filled(bench, expected);
        let mut words = expected.split(' ');
        let action = words.next().unwrap_or_default();
        assert!(
            call.action == action,
            "{title}: {} was called, not {action}\n{out}",
            call.action
        );
        for word in words {
            let (name, value) = word.split_once('=').expect("NAME=VALUE");
            let actual = match name {
                "region" => call.region.clone(),
                "key" => call.access_key_id.clone(),
                "error" => call.error.clone(),
                _ => call.parameters.get(name).cloned(),
            };
            let actual = actual.unwrap_or_else(|| "-".into());
            assert!(
                fits(value, &actual),
                "{title}: {action} had {name} {actual}, not {value}\n{out}"
            );
        }
    }

    let expected = filled(bench, &step.stdout);
    let same = expected.lines().count() == out.stdout.lines().count()
        && expected
            .lines()
            .zip(out.stdout.lines())
            .all(|(pattern, line)| fits(pattern, line));
    assert!(same, "{title}: standard output is not\n{expected}\n--- but\n{out}");
    let said = out.said();
    for pattern in &step.says {
        let pattern = filled(bench, pattern);
        assert!(
            said.lines().any(|line| fits(&pattern, line)),
            "{title}: no line says {pattern:?}\n{out}"
        );
    }
    for pattern in &step.says_not {
        assert!(
            !said.lines().any(|line| fits(pattern, line)),
            "{title}: a line says {pattern:?}\n{out}"
        );
    }
}

fn invoke(bench: &Bench, step: &Step) -> Output {
    let fill = |words: &Vec<String>| words.iter().map(|word| filled(bench, word)).collect::<Vec<_>>();
    let mut invocation: Invocation<'_> = match (&step.run, &step.aws) {
        (Some(words), None) => bench.tapvault(fill(words)),
        (None, Some(words)) => bench.program("/usr/bin/aws", fill(words)),
        _ => panic!("a step has either run or aws"),
    };
    for (name, value) in &step.env {
        invocation = invocation.env(name, filled(bench, value));
    }
    for name in &step.env_secrets {
        invocation = invocation.given_in_environment(&filled(bench, name));
    }
    if let Some(text) = &step.stdin {
        invocation = invocation.stdin(&filled(bench, text));
    }
    if step.prints_secrets {
        invocation = invocation.prints_secrets();
    }
    if step.stdout_at_terminal {
        invocation = invocation.stdout_at_terminal();
    }
    if step.dialogue.is_empty() {
        return invocation.run();
    }
    let mut terminal = invocation.on_terminal();
    for [question, answer] in &step.dialogue {
        terminal.answer(question, &filled(bench, answer));
    }
    terminal.finish()
}

/// Fills in what is between braces: `{key ana}`, `{secret ana}`, `{code ana}`, `{pin}`, `{tapvault}`, `{endpoint}`, `{home}`.
fn filled(bench: &Bench, text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let value = after
            .split_once('}')
            .and_then(|(inner, tail)| Some((value(bench, inner)?, tail)));
        match value {
            Some((value, tail)) => {
                out.push_str(&value);
                rest = tail;
            }
            // A brace of the text itself, such as JSON's.
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn value(bench: &Bench, words: &str) -> Option<String> {
    let key = |user: &str| {
        bench.aws().world(|world| {
            let mut users = world.accounts.iter().flat_map(|account| &account.users);
            let user = users
                .find(|it| it.name == user)
                .unwrap_or_else(|| panic!("there is no user {user}"));
            (user.access_keys[0].id.clone(), user.access_keys[0].secret.clone())
        })
    };
    Some(match words.split_once(' ') {
        Some(("key", user)) => key(user).0,
        Some(("secret", user)) => key(user).1,
        Some(("code", device)) => {
            let serial = bench.aws().world(|world| {
                let mut devices = world.accounts.iter().flat_map(|account| &account.mfa_devices);
                let found = devices.find(|it| it.serial.ends_with(&format!("/{device}")));
                found
                    .unwrap_or_else(|| panic!("there is no device {device}"))
                    .serial
                    .clone()
            });
            bench.aws().unused_totp(&serial).expect("a code that was not used yet")
        }
        None if words == "pin" => PIN.to_owned(),
        None if words == "tapvault" => env!("CARGO_BIN_EXE_tapvault").to_owned(),
        None if words == "endpoint" => bench.aws().endpoint(),
        None if words == "home" => bench.home().display().to_string(),
        _ => return None,
    })
}

/// Whether a line is as the pattern says: `*` stands for anything.
fn fits(pattern: &str, line: &str) -> bool {
    let parts: Vec<&str> = pattern.split('*').collect();
    let [first, middle @ .., last] = &parts[..] else {
        return pattern == line;
    };
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_in_a_line() {
        for (pattern, line) in [("a", "a"), ("*", ""), ("a*c", "abc"), ("*b*", "abc"), ("a*b*b", "abb")] {
            assert!(fits(pattern, line), "{pattern} {line}");
        }
        for (pattern, line) in [("a", "ab"), ("", "a"), ("a*b*b", "ab"), ("*c", "cd")] {
            assert!(!fits(pattern, line), "{pattern} {line}");
        }
    }
}
