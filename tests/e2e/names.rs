//! Names that people have, and names that attackers would like: each is one entry, in its folder, and comes back as it was.

use crate::bench::{ANA, Bench};
use crate::tampering::{BEN, enroll_without_pin};
use std::fs;
use tapvault_lab::aws_standin::READER_ROLE;

/// As long as a name may be.
fn longest() -> String {
    "x".repeat(1024)
}

fn hostile() -> Vec<String> {
    let mut names: Vec<String> = [
        "a b",
        " leading and trailing ",
        "größe 日本 🦀",
        "\u{65}\u{301}",
        "\u{e9}",
        "a/b",
        "/etc/passwd",
        "../../../etc/passwd",
        "..",
        ".",
        ".hidden",
        "-dash",
        "--force",
        "-",
        "Prod",
        "prod",
        "PROD",
        "con",
        "a'b\"c`id`$(touch owned);|&<>*?[]{}!#~\\",
        "%41",
        "%",
        "~",
        "name=value",
        "profile default",
        "default",
        "entries/prod.age",
        ".tmp-x",
        "a\u{202e}b",
        "prod.age",
        "\u{200b}",
    ]
    .map(str::to_owned)
    .into();
    names.push(longest());
    names.push(format!("{}y", &longest()[1..]));
    names.push("ä".repeat(512));
    names
}

#[test]
fn every_name_is_added_listed_used_and_removed() {
    let bench = Bench::start();
    bench.aws_config("");
    enroll_without_pin(&bench).success();
    let outside = |bench: &Bench| -> Vec<String> {
        let data = bench.vault().parent().expect("a parent").to_owned();
        let mut found: Vec<String> = [data, bench.home()]
            .iter()
            .flat_map(|folder| folder.read_dir().expect("a folder"))
            .map(|file| file.expect("a file").path().display().to_string())
            .collect();
        found.sort();
        found
    };
    let before = outside(&bench);
    let names = hostile();
    for name in &names {
        bench
            .tapvault(["add", "--stdin", "--offline", "--", name])
            .stdin(&format!("{}\n{}\n", BEN.0, BEN.1))
            .run()
            .success()
            .touches(1);
    }
    assert_eq!(outside(&bench), before);
    let mut expected = names.clone();
    expected.sort();
    let listed = bench.tapvault(["list", "--credentials"]).run().success().stdout;
    assert_eq!(listed.lines().map(str::to_owned).collect::<Vec<_>>(), expected);
    let rows = bench.tapvault(["list", "--json"]).run().success().json();
    let rows: Vec<&str> = rows
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["profile"].as_str().expect("a name"))
        .collect();
    assert_eq!(rows, expected);
    assert_eq!(
        bench.tapvault(["list"]).run().success().stdout.lines().count(),
        names.len() + 1
    );
    // Two files each, all of them of names that any file system takes, apart without their case.
    let files: Vec<String> = bench
        .vault()
        .join("entries")
        .read_dir()
        .expect("entries")
        .map(|file| file.expect("a file").file_name().into_string().expect("text"))
        .collect();
    assert_eq!(files.len(), 2 * names.len());
    let mut folded: Vec<String> = files.iter().map(|file| file.to_lowercase()).collect();
    folded.sort();
    folded.dedup();
    assert_eq!(folded.len(), files.len());
    assert!(
        files
            .iter()
            .all(|file| file.len() <= 130 && file.is_ascii() && !file.starts_with('.'))
    );
    for name in &names {
        // A word that begins with a dash is a profile only where it can be nothing else.
        let (words, named) = if name.starts_with('-') {
            (vec!["exec", "-n", "--", "sh"], Some(name))
        } else {
            (vec!["exec", name, "-n", "--", "sh"], None)
        };
        let mut words: Vec<&str> = words;
        words.extend(["-c", "printf '<%s>%s' \"$AWS_VAULT\" \"$AWS_ACCESS_KEY_ID\""]);
        let mut command = bench.tapvault(words);
        if let Some(name) = named {
            command = command.env("AWS_PROFILE", name);
        }
        let out = command.prints_secrets().run().success().touches(1);
        assert_eq!(out.stdout, format!("<{name}>{}", BEN.0));
        export_is_read_back_by_a_shell(&bench, name);
    }
    // One goes, the others stay.
    for (gone, name) in names.iter().enumerate() {
        bench
            .tapvault(["remove", "--force", "--", name])
            .run()
            .success()
            .touches(1);
        let left = bench.tapvault(["list", "--credentials"]).run().success().stdout;
        let mut expected = names[gone + 1..].to_vec();
        expected.sort();
        assert_eq!(left.lines().map(str::to_owned).collect::<Vec<_>>(), expected);
    }
    assert_eq!(outside(&bench), before);
    assert_eq!(bench.vault().join("entries").read_dir().expect("entries").count(), 0);
}

/// Both env formats, as `eval "$(tapvault export NAME)"` takes them.
fn export_is_read_back_by_a_shell(bench: &Bench, name: &str) {
    let format = if name.len().is_multiple_of(2) {
        "env"
    } else {
        "export-env"
    };
    let out = bench
        .tapvault(["export", "-n", "--format", format, "--", name])
        .prints_secrets()
        .run()
        .success()
        .touches(1);
    let file = bench.root().join("exported");
    fs::write(&file, &out.stdout).expect("written");
    let script = r#"set -a; . "$1"; printf '<%s>%s' "$AWS_VAULT" "$AWS_SECRET_ACCESS_KEY""#;
    let read = bench
        .program("sh", ["-c", script, "sh", file.to_str().expect("text")])
        .in_folder(bench.root())
        .prints_secrets()
        .run()
        .success();
    assert_eq!(read.stdout, format!("<{name}>{}", BEN.1), "{}", out.stdout);
    assert!(!bench.root().join("owned").exists());
    fs::remove_file(file).expect("removed");
}

#[test]
fn a_command_in_a_hint_is_one_that_a_shell_takes_for_this_name() {
    let bench = Bench::start();
    bench.aws_config("");
    enroll_without_pin(&bench).success();
    let shown = |name: &String| !name.contains('\u{202e}');
    for name in hostile().into_iter().filter(shown) {
        let add = ["add", "--stdin", "--offline", "--", &name];
        let key = format!("{}\n{}\n", BEN.0, BEN.1);
        bench.tapvault(add).stdin(&key).run().success();
        let out = bench.tapvault(add).stdin(&key).run().fails(12, "conflict");
        let hint = out.stderr.lines().find_map(|line| line.strip_suffix(" replaces it"));
        let line = format!("tapvault() {{ printf '%s\\n' \"$@\"; }}; {}", hint.expect("a hint"));
        let taken = bench.program("sh", ["-c", &line]).run().success().stdout;
        assert_eq!(taken.replace("--\n", ""), format!("add\n--force\n{name}\n"), "{line}");
        bench.tapvault(["remove", "--force", "--", &name]).run().success();
    }
    for (name, hint) in [
        ("it's prod", r"tapvault rotate 'it'\''s prod' begins one"),
        ("-dash", "tapvault rotate -- -dash begins one"),
    ] {
        let add = ["add", "--stdin", "--offline", "--", name];
        let key = format!("{}\n{}\n", BEN.0, BEN.1);
        bench.tapvault(add).stdin(&key).run().success();
        let out = bench.tapvault(["rotate", "--resume", "--", name]).run();
        out.fails(2, "usage").says(hint);
    }
}

#[test]
fn sessions_and_roles_have_hostile_names_too() {
    let bench = Bench::start();
    enroll_without_pin(&bench).success();
    let base = "../a b/größe";
    let role = "the 'role' of ..";
    bench.aws_config(&format!(
        "[profile {base}]\nregion = eu-central-1\n\
         [profile \"{role}\"]\nregion = eu-central-1\nsource_profile = {base}\nrole_arn = {READER_ROLE}\n"
    ));
    bench.add(base, ANA);
    for (name, kept) in [(base, 1), (role, 2)] {
        let out = bench
            .tapvault(["exec", name, "--", "sh", "-c", "printf '<%s>' \"$AWS_VAULT\""])
            .run()
            .success()
            .touches(1)
            .says(base);
        assert_eq!(out.stdout, format!("<{name}>"));
        let listed = bench.tapvault(["list", "--sessions"]).run().success().stdout;
        assert_eq!(listed.lines().count(), kept, "{listed}");
        assert!(listed.lines().any(|line| line == name), "{listed}");
    }
    let calls = bench.calls().len();
    bench.tapvault(["exec", role, "--", "true"]).run().success().touches(1);
    assert_eq!(bench.calls().len(), calls, "both were kept");
    bench
        .tapvault(["remove", base, "--sessions-only"])
        .run()
        .success()
        .touches(0);
    assert_eq!(bench.tapvault(["list", "--sessions"]).run().success().stdout, "");
}

#[test]
fn names_that_are_none_are_refused() {
    let bench = Bench::start();
    enroll_without_pin(&bench).success();
    let before = bench.snapshot();
    let too_long = "x".repeat(1025);
    for (name, words) in [
        ("", "can't be empty"),
        ("a\nb", "control characters"),
        ("a\u{1b}[2Jb", "control characters"),
        ("\u{7f}", "control characters"),
        (&too_long, "longer than 1024"),
    ] {
        for command in [
            &["add", "--stdin", "--offline", "--"][..],
            &["export", "--"],
            &["remove", "--force", "--"],
            &["clear", "--"],
        ] {
            let out = bench
                .tapvault([command, &[name]].concat())
                .run()
                .releases_nothing()
                .says(words)
                .does_not_say("\u{1b}[2J");
            assert_eq!(out.code, Some(2), "{out}");
        }
    }
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn a_name_that_is_nearly_right_is_not_taken_for_another() {
    let bench = Bench::start();
    enroll_without_pin(&bench).success();
    bench.add("Prod", BEN);
    for near in ["prod", "PROD", " Prod", "Prod ", "Pr\u{f6}d"] {
        let out = bench.tapvault(["export", "-n", "--", near]).run().releases_nothing();
        let out = out.touches(0);
        assert!(matches!(out.code, Some(3 | 4)), "{near:?}\n{out}");
    }
    bench.aws_config("");
    bench
        .tapvault(["export", "-n", "prod"])
        .run()
        .fails(4, "no-entry")
        .says("did you mean Prod?");
}
