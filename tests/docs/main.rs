//! The documentation against the program: docs/cli.md says what `--help` says, the tables are complete, links lead somewhere.
//!
//! `UPDATE_DOCS=1 cargo test --test docs` writes the command reference and the man pages anew.

mod lines;
mod man;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tapvault::context::settings::Settings;
use tapvault::error::ErrorKind;

const REFERENCE: &str = "docs/cli.md";
const BEGIN: &str = "<!-- from here to the end mark: written by tests/docs -->\n";
const END: &str = "<!-- end mark -->\n";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|err| panic!("{name}: {err}"))
}

/// Every command's long help, the tree top-down.
fn reference() -> String {
    fn describe(command: &clap::Command, words: &str, text: &mut String) {
        let words = if words.is_empty() {
            command.get_name().to_owned()
        } else {
            format!("{words} {}", command.get_name())
        };
        // A width of its own: else it would be that of the terminal which runs the test.
        let mut shown = command.clone().bin_name(&words).term_width(100);
        if words.contains(' ') {
            // Said once, for the whole program.
            for global in ["key", "recovery", "debug"] {
                shown = shown.mut_arg(global, |argument| argument.hide(true).hide_long_help(true));
            }
        }
        let help = shown.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        text.push_str(&format!(
            "### {words}\n\n```text\n{}\n```\n\n",
            lines.join("\n").trim_end()
        ));
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            describe(below, &words, text);
        }
    }
    let mut command = tapvault::cli::command();
    command.build();
    let mut text = String::from("\n");
    describe(&command, "", &mut text);
    text
}

#[test]
fn the_command_reference_is_what_help_says() {
    let text = read(REFERENCE);
    let (head, rest) = text.split_once(BEGIN).expect("the mark where it begins");
    let (written, tail) = rest.split_once(END).expect("the mark where it ends");
    let right = reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let text = format!("{head}{BEGIN}{right}{END}{tail}");
        fs::write(path(REFERENCE), text).expect("written");
    } else {
        assert!(
            written == right,
            "{REFERENCE} is not what --help says; UPDATE_DOCS=1 cargo test --test docs writes it anew"
        );
    }
}

/// The rows of the table below `heading`, cells trimmed and without code marks.
fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let section = text.split_once(&format!("\n## {heading}\n")).expect("the section").1;
    let section = section.split("\n## ").next().unwrap_or_default();
    section
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
        })
        .collect()
}

#[test]
fn every_exit_code_stands_in_the_table_with_its_name() {
    let said: BTreeSet<(String, String)> = table(&read(REFERENCE), "Exit codes")
        .into_iter()
        .filter(|row| !row[1].is_empty())
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let right: BTreeSet<(String, String)> = ErrorKind::ALL
        .iter()
        .map(|kind| (kind.exit_code().to_string(), kind.name().to_owned()))
        .collect();
    assert_eq!(said, right);
}

#[test]
fn every_setting_stands_in_the_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.toml");
    fs::write(&file, "no_such_setting = 1\n").expect("written");
    let error = Settings::read(&file).expect_err("refused").to_string();
    let known = error
        .split_once("expected")
        .unwrap_or_else(|| panic!("it lists what it knows: {error}"))
        .1;
    let right: BTreeSet<String> = known.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let said: BTreeSet<String> = table(&read(REFERENCE), "Settings")
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    assert_eq!(said, right);
}

/// How GitHub and others name a heading: lower case, no punctuation, dashes for spaces.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn documents() -> Vec<String> {
    let mut names = vec!["README.md".to_owned()];
    for folder in ["docs", "udev", "hw-tests", "tests/scenarios"] {
        let Ok(listing) = fs::read_dir(path(folder)) else {
            continue;
        };
        for item in listing {
            let name = item.expect("an item").file_name().into_string().expect("text");
            if name.ends_with(".md") {
                names.push(format!("{folder}/{name}"));
            }
        }
    }
    names.sort();
    names
}

/// The text without its blocks and spans of code.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let lines: Vec<String> = text
        .lines()
        .filter(|line| {
            let fence = line.starts_with("```");
            fenced ^= fence;
            !fence && !fenced && !line.starts_with("    ")
        })
        .map(|line| line.split('`').step_by(2).collect::<Vec<_>>().join("`"))
        .collect();
    lines.join("\n")
}

#[test]
fn links_lead_to_files_and_headings_that_are_there() {
    for name in documents() {
        let text = read(&name);
        for link in prose(&text).split("](").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            if link.starts_with("https://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let folder = Path::new(&name).parent().expect("a folder");
            let target = if file.is_empty() {
                path(&name)
            } else {
                path(&folder.join(file).to_string_lossy())
            };
            assert!(target.exists(), "{name} links to {link}");
            if !heading.is_empty() {
                let target = fs::read_to_string(target).expect("text");
                let found = target
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .any(|line| anchor(line.trim_start_matches('#')) == heading);
                assert!(found, "{name} links to {link}");
            }
        }
    }
}

#[test]
fn the_documents_are_plain_ascii() {
    for name in documents() {
        for (number, line) in read(&name).lines().enumerate() {
            assert!(line.is_ascii(), "{name}:{}: {line}", number + 1);
        }
    }
}
