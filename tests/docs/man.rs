//! docs/man: one page for each command, made from the command tree, and free of what groff and mandoc complain about.

use super::path;
use clap_mangen::Man;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "docs/man";

/// What the pages show as their date; set anew with each release.
const DATE: &str = "2026-11-25";

/// Every page by its file's name.
fn pages() -> BTreeMap<String, Vec<u8>> {
    fn write(command: &clap::Command, source: &str, pages: &mut BTreeMap<String, Vec<u8>>) {
        let man = Man::new(command.clone()).date(DATE).source(source).manual("tapvault");
        let mut page = Vec::new();
        man.render(&mut page).expect("written to memory");
        pages.insert(man.get_filename(), page);
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            write(below, source, pages);
        }
    }
    let mut command = tapvault::cli::command().disable_help_subcommand(true);
    command.build();
    let source = format!("tapvault {}", env!("CARGO_PKG_VERSION"));
    let mut pages = BTreeMap::new();
    write(&command, &source, &mut pages);
    pages
}

#[test]
fn the_man_pages_are_what_help_says() {
    let pages = pages();
    let folder = path(FOLDER);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(&folder).expect("docs/man");
        for (name, page) in &pages {
            fs::write(folder.join(name), page).expect("written");
        }
        // A page of a command that is gone goes too.
        for name in names(&folder).iter().filter(|name| !pages.contains_key(*name)) {
            fs::remove_file(folder.join(name)).expect("removed");
        }
    }
    let there = names(&folder);
    assert_eq!(there, pages.keys().cloned().collect());
    for (name, page) in &pages {
        assert!(
            fs::read(folder.join(name)).expect("a page") == *page,
            "{FOLDER}/{name} is not what --help says; UPDATE_DOCS=1 cargo test --test docs writes it anew"
        );
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let listing = fs::read_dir(folder).expect("docs/man");
    listing
        .map(|item| item.expect("an item").file_name().into_string().expect("text"))
        .collect()
}

/// What a program says of all pages: nothing, if they are well made.
fn complaints(program: &str, package: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C.UTF-8");
    command.args(pages().keys().map(|name| Path::new(FOLDER).join(name)));
    command.current_dir(path(""));
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}: apt-get install {package}"));
    [
        output.stderr,
        if program == "mandoc" { output.stdout } else { Vec::new() },
    ]
    .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    .concat()
}

#[test]
fn groff_and_mandoc_have_nothing_against_the_man_pages() {
    assert_eq!(complaints("groff", "groff-base", &["-man", "-Tutf8", "-ww", "-z"]), "");
    let complaints = complaints("mandoc", "mandoc", &["-Tlint", "-Wwarning"]);
    // clap_mangen ends a line before and after an empty one. Nothing is lost by it.
    let ours: Vec<&str> = complaints
        .lines()
        .filter(|line| !line.contains("skipping paragraph macro: br"))
        .collect();
    assert_eq!(ours, [""; 0]);
}

#[test]
fn man_shows_a_page_as_a_person_reads_it() {
    let output = Command::new("man")
        .args(["--local-file", "docs/man/tapvault-key-enroll-piv.1"])
        .current_dir(path(""))
        .envs([
            ("MANWIDTH", "80"),
            ("LC_ALL", "C.UTF-8"),
            ("MANPAGER", "cat"),
            ("MAN_KEEP_FORMATTING", ""),
        ])
        .output()
        .unwrap_or_else(|error| panic!("man: {error}: apt-get install man-db"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    for words in [
        "tapvault-key-enroll-piv",
        "SYNOPSIS",
        "--pin-policy",
        "Takes the first free retired slot",
    ] {
        assert!(text.contains(words), "no {words:?} in:\n{text}");
    }
}
