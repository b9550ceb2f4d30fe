//! Every file of the corpus, fed to the same functions as the fuzzer feeds: cheap, in each `cargo test`.
//!
//! `UPDATE_CORPUS=1 cargo test --test fuzz_corpus` writes the seeds anew that [`seeds`] makes; what the fuzzer found stays.

mod seeds;
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

fn folder(target: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    here.join(target)
}

/// The files of a target's corpus, with their names.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder(target);
    let items = fs::read_dir(&folder).unwrap_or_else(|err| panic!("{}: {err}", folder.display()));
    let mut files: Vec<_> = items
        .map(|item| item.expect("an item").path())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a file")))
        .collect();
    files.sort();
    files
}

/// As the test below is, before it reads: a corpus is written by who asks for it, and else only compared.
fn written_anew() {
    if std::env::var_os("UPDATE_CORPUS").is_none() {
        return;
    }
    for (target, _) in targets::ALL {
        fs::create_dir_all(folder(target)).expect("a folder");
        for (name, bytes) in seeds::of(target) {
            fs::write(folder(target).join(name), bytes).expect("written");
        }
    }
}

#[test]
fn the_corpus_breaks_no_promise_and_has_not_gone_stale() {
    written_anew();
    for (target, run) in targets::ALL {
        let files = corpus(target);
        let mut taken = 0;
        for (name, bytes) in &files {
            // A panic names the file.
            println!("{name}");
            taken += usize::from(run(bytes));
        }
        assert!(
            taken * 3 >= files.len() && files.len() >= 8,
            "{target}: of {} files {taken} are taken for good; UPDATE_CORPUS=1 writes the seeds anew",
            files.len()
        );
    }
}

#[test]
fn what_is_broken_off_or_doubled_breaks_no_promise() {
    for (target, run) in targets::ALL {
        for (name, bytes) in corpus(target).into_iter().take(12) {
            println!("{name}");
            // Not each byte: a config file is planned and edited some twenty times a run.
            let step = (bytes.len() / 24).max(1);
            for at in (0..bytes.len()).step_by(step) {
                run(&bytes[..at]);
                run(&[&bytes[..at], &bytes[at..], &bytes[at..]].concat());
            }
        }
    }
}
