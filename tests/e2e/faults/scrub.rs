//! `import --scrub` cut short at every write: a key is in the file or in the vault, and the next run leads to the end.

use super::content::content;
use super::quick;
use super::scene::faults;
use super::steps::{copy, enroll_paper, enroll_token};
use super::strace::{self, Fault};
use crate::bench::ANA;
use std::fs;

#[test]
fn an_import_with_scrub_cut_short_at_any_write_loses_no_key_and_leaves_whole_files() {
    strace::check();
    let bench = quick();
    enroll_token(&bench, "yubikey");
    enroll_paper(&bench);
    let aws = bench.home().join(".aws");
    let file = aws.join("credentials");
    let old = format!(
        "# mine\n[prod]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        ANA.0, ANA.1
    );
    fs::write(&file, &old).expect("the credentials file");
    let kept = bench.root().join("before");
    let folders = [
        ("vault", bench.vault()),
        ("state", bench.state_folder()),
        ("aws", aws.clone()),
    ];
    for (name, folder) in &folders {
        copy(folder, &kept.join(name));
    }
    let line = ["import", "aws-credentials", "--scrub", "--offline"];
    let (output, points) = strace::points(&bench, &line, |run| run);
    output.success().touches(2);
    let read = || fs::read_to_string(&file).expect("the file is there");
    let new = read();
    assert!(!new.contains(ANA.1));
    // The one place where the test itself keeps the key; from here on both states of the file are met.
    bench.except_file(&file);
    let in_aws = points.iter().filter(|point| point.place.starts_with("aws")).count();
    assert!(in_aws >= 4, "made, written, synced, moved: {points:?}");
    for (at, point) in points.iter().enumerate() {
        for fault in faults(at.checked_sub(1).map(|before| &points[before]), point) {
            for (name, folder) in &folders {
                copy(&kept.join(name), folder);
            }
            let output = strace::strike(&bench, &line, |run| run, point, fault);
            let context = format!("{fault:?} at {point}\n{output}");
            match fault {
                Fault::Kill => assert_eq!(output.signal, Some(9), "{context}"),
                Fault::Error(_) => assert!(matches!(output.code, Some(0 | 1 | 3)), "{context}"),
                Fault::Signal(_) => unreachable!("none is sent here"),
            }
            let text = read();
            assert!(text == old || text == new, "{text}\n{context}");
            let entries = content(&bench).entries;
            assert!(entries.get("prod").is_none_or(|secret| secret == ANA.1), "{context}");
            if text == new {
                assert!(entries.contains_key("prod"), "the key is lost\n{context}");
            }
            bench.tapvault(line).run().success();
            assert_eq!(read(), new, "{context}");
            assert_eq!(content(&bench).entries["prod"], ANA.1, "{context}");
            let beside = aws.read_dir().expect("a folder").count();
            assert_eq!(beside, 2, "something is left beside the file\n{context}");
        }
    }
    println!("{} writes, {in_aws} of them beside the credentials file", points.len());
}
