//! The two programs: what is typed, and what it becomes.

use crate::bench::{ANA, Bench, PIN};
use std::path::{Path, PathBuf};

/// A copy of the program that is typed, in a folder without the other.
fn alone(bench: &Bench) -> PathBuf {
    let folder = bench.hand().join("bin");
    std::fs::create_dir_all(&folder).expect("a folder");
    let copy = folder.join("tapvault");
    std::fs::copy(bench.tapvault_path(), &copy).expect("copied");
    copy
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn without_the_engine_it_says_what_is_missing_and_where() {
    let bench = Bench::with_prod();
    let front = alone(&bench);
    for line in [&["list"][..], &["exec", "prod", "--", "true"], &["export", "prod"]] {
        bench
            .program(text(&front), line)
            .run()
            .fails(1, "other")
            .says(&format!(
                "tapvault-engine is missing; it belongs beside {}",
                front.display()
            ))
            .says("install both programs");
    }
    // These need nothing of it.
    bench.program(text(&front), ["status"]).run().success();
    bench.program(text(&front), ["--version"]).run().success();
}

#[test]
fn an_engine_in_libexec_is_found_also_through_a_link() {
    let bench = Bench::with_prod();
    let front = alone(&bench);
    let libexec = bench.hand().join("libexec/tapvault");
    std::fs::create_dir_all(&libexec).expect("a folder");
    let engine = Path::new(bench.tapvault_path()).with_file_name("tapvault-engine");
    std::fs::copy(engine, libexec.join("tapvault-engine")).expect("copied");
    let link = bench.home().join("tv");
    std::os::unix::fs::symlink(&front, &link).expect("linked");
    bench
        .program(text(&link), ["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}

#[test]
fn what_was_picked_and_said_before_the_engine_is_neither_asked_nor_said_again() {
    let bench = Bench::setup().agent().start();
    bench.enroll();
    bench.add("prod", ANA).success();
    let mut terminal = bench
        .tapvault(["exec", "--no-agent", "--debug"])
        .env("SHELL", "/bin/true")
        .on_terminal();
    terminal.answer("profile (name or number)", "1");
    terminal.answer("PIN of YubiKey", PIN);
    let out = terminal.finish().success().touches(1);
    for once in [
        "starting /bin/true with the credentials",
        "profile (name or number)",
        "--no-agent",
    ] {
        assert_eq!(out.terminal.matches(once).count(), 1, "{once}: {out}");
    }
}
