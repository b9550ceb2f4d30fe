//! Completion as it is used: in real shells at a terminal, somebody types a part of a word and presses Tab.

use crate::bench::{Bench, Snapshot, Terminal};
use std::path::Path;
use std::time::{Duration, Instant};

/// A shell without anybody's start-up files, and what makes it complete.
struct Shell {
    name: &'static str,
    arguments: &'static [&'static str],
    start_up: &'static [&'static str],
}

const SHELLS: [Shell; 3] = [
    Shell {
        name: "bash",
        arguments: &["--norc", "--noprofile", "-i"],
        start_up: &["source <(tapvault completion bash)"],
    },
    Shell {
        name: "zsh",
        arguments: &["-f", "-i"],
        start_up: &[
            "autoload -U compinit && compinit -u -D",
            "source <(tapvault completion zsh)",
        ],
    },
    Shell {
        name: "fish",
        arguments: &["--no-config", "-i"],
        start_up: &["tapvault completion fish | source"],
    },
];

const CONFIG: &str = "\
[default]
region = eu-central-1
[profile prod]
[profile \"two words\"]
[profile \"it's\"]
[profile \"größe\"]
[profile team/dev]
[profile plain]
";

impl Shell {
    fn start<'b>(&self, bench: &'b Bench) -> Terminal<'b> {
        let folder = Path::new(bench.tapvault_path()).parent().expect("a folder");
        let path = format!("{}:/usr/bin:/bin", folder.display());
        let mut terminal = bench
            .program(self.name, self.arguments)
            .env("PATH", path)
            .stdout_at_terminal()
            .on_terminal();
        for line in self.start_up {
            terminal.enter(line);
        }
        // Two words, so that its own echo is not taken for it.
        terminal.enter("printf '%s%s\\n' rea dy");
        terminal.expect("ready");
        terminal
    }
}

/// Types `line`, presses Tab, and has the shell show the words that it now takes the line for.
fn complete(terminal: &mut Terminal<'_>, line: &str) -> Vec<String> {
    let before = terminal.text().len();
    terminal.type_(line);
    terminal.type_("\t");
    // To the line's beginning and its end: the keys of Emacs, which all three know.
    terminal.type_("\x01printf '<%s>' \x05 ");
    terminal.enter("'end'");
    terminal.expect("<end>");
    let text = terminal.text().split_off(before);
    let words = text.rfind("<tapvault>").and_then(|at| text[at..].split("<end>").next());
    let words = words.unwrap_or_else(|| panic!("no words: {text}"));
    words
        .trim_start_matches('<')
        .trim_end_matches('>')
        .split("><")
        .map(str::to_owned)
        .collect()
}

#[test]
fn tab_completes_commands_options_profiles_and_keys_in_every_shell() {
    let bench = Bench::with_prod();
    bench.aws_config(CONFIG);
    bench.withhold_touches();
    let mark = bench.token().mark().expect("the token listens");
    let before = Snapshot::of(&bench.vault());
    for shell in &SHELLS {
        let mut terminal = shell.start(&bench);
        for (typed, expected) in [
            ("tapvault expl", &["tapvault", "explain"][..]),
            ("tapvault key enr", &["tapvault", "key", "enroll"]),
            ("tapvault exec --no-s", &["tapvault", "exec", "--no-session"]),
            ("tapvault exec pr", &["tapvault", "exec", "prod"]),
            ("tapvault exec tw", &["tapvault", "exec", "two words"]),
            ("tapvault explain it", &["tapvault", "explain", "it's"]),
            ("tapvault export gr", &["tapvault", "export", "größe"]),
            ("tapvault exec team", &["tapvault", "exec", "team/dev"]),
            // plain has no access key.
            ("tapvault remove p", &["tapvault", "remove", "prod"]),
            ("tapvault key show yu", &["tapvault", "key", "show", "yubikey-15042118"]),
            (
                "tapvault exec --key yu",
                &["tapvault", "exec", "--key", "yubikey-15042118"],
            ),
            ("tapvault completion zs", &["tapvault", "completion", "zsh"]),
        ] {
            assert_eq!(complete(&mut terminal, typed), expected, "{}: {typed}", shell.name);
        }
        terminal.enter("exit");
        terminal.finish();
    }
    let log = bench.token().log_since(mark).expect("the token listens");
    assert!(log.is_empty(), "the token was asked: {log:?}");
    assert!(Snapshot::of(&bench.vault()) == before, "the vault changed");
}

#[test]
fn bash_goes_on_inside_a_quoted_word() {
    let bench = Bench::setup().no_token().start();
    bench.aws_config(CONFIG);
    let mut terminal = SHELLS[0].start(&bench);
    for typed in ["tapvault exec two\\ w", "tapvault exec 'two w", "tapvault exec \"two w"] {
        assert_eq!(
            complete(&mut terminal, typed),
            ["tapvault", "exec", "two words"],
            "{typed}"
        );
    }
    terminal.enter("exit");
    terminal.finish();
}

#[test]
fn where_names_are_missing_or_unreadable_nothing_is_said() {
    let bench = Bench::setup().no_token().start();
    let config = bench.home().join(".aws/config");
    let mut shells: Vec<_> = SHELLS.iter().map(|shell| (shell.name, shell.start(&bench))).collect();
    let mut nothing_is_said = |what: &str| {
        for (name, terminal) in &mut shells {
            let before = terminal.text().len();
            let words = complete(terminal, "tapvault exec pr");
            assert_eq!(words, ["tapvault", "exec", "pr"], "{name}: {what}");
            let text = terminal.text().split_off(before);
            for noise in ["tapvault: ", "rror", "note", "panick"] {
                assert!(!text.contains(noise), "{name}: {what}: {text}");
            }
            // Commands and options don't depend on any file.
            assert_eq!(
                complete(terminal, "tapvault expo"),
                ["tapvault", "export"],
                "{name}: {what}"
            );
        }
    };
    std::fs::remove_file(&config).expect("the config");
    nothing_is_said("no config");
    std::fs::write(&config, b"\x00\xff\xfe[profile pr\n= \x80").expect("the config");
    nothing_is_said("a binary config");
    std::fs::remove_file(&config).expect("the config");
    std::fs::create_dir(&config).expect("a folder");
    nothing_is_said("a folder in its place");
    bench.settings("no_such_setting = ");
    nothing_is_said("settings that can't be read");
    std::fs::create_dir_all(bench.vault()).expect("the vault");
    std::fs::write(bench.vault().join("keys.json"), "{").expect("keys.json");
    nothing_is_said("a damaged vault");
    for (_, mut terminal) in shells {
        terminal.enter("exit");
        terminal.finish();
    }
}

#[test]
fn five_thousand_profiles_are_offered_at_once() {
    let bench = Bench::setup().no_token().start();
    let config: String = (0..5000).map(|number| format!("[profile p{number}]\n")).collect();
    bench.aws_config(&config);
    let started = Instant::now();
    let out = bench
        .tapvault(["--", "tapvault", "exec", "p"])
        .env("TAPVAULT_COMPLETE", "fish")
        .run()
        .success();
    assert_eq!(out.stdout.lines().count(), 5000);
    // Without optimisation, and beside other tests; nobody waits for Tab longer than this.
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}
