//! Callers as an IDE or a service starts them: no terminal, nothing on standard input, hardly an environment.

use crate::bench::{Bench, Invocation};

/// What a desktop's session sets and a service's does not. The folders follow from HOME then, so the bench has them there.
const DESKTOP: [&str; 12] = [
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
    "TERM",
    "SHELL",
    "LANG",
    "USER",
    "PINENTRY_PROGRAM",
];

/// A bench whose vault lies below HOME, where it is found without a variable of the desktop's.
fn below_home() -> Bench {
    let bench = Bench::with_prod();
    for (here, there) in [("data", "share"), ("state", "state")] {
        let to = bench.home().join(".local").join(there);
        std::fs::create_dir_all(to.parent().expect("a parent")).expect("a folder");
        std::fs::rename(bench.root().join("xdg").join(here), to).expect("moved");
    }
    bench
}

fn as_an_ide(invocation: Invocation<'_>) -> Invocation<'_> {
    invocation.without_env(&DESKTOP)
}

#[test]
fn export_and_exec_work_with_hardly_any_environment() {
    let bench = below_home();
    let pinentry = bench.root().join("hand/pinentry");
    for path in [Some("/usr/bin:/bin"), Some(""), None] {
        let ide = |words: &[&str]| {
            let invocation = as_an_ide(bench.tapvault(words)).env("PINENTRY_PROGRAM", &pinentry);
            match path {
                Some(path) => invocation.env("PATH", path),
                None => invocation.without_env(&["PATH"]),
            }
        };
        let out = ide(&["export", "--format=json", "prod"])
            .prints_secrets()
            .run()
            .success()
            .touches(1);
        assert_eq!(out.json()["Version"], 1);
        let out = ide(&["exec", "prod", "--", "printenv", "AWS_VAULT"])
            .run()
            .success()
            .touches(1);
        assert_eq!(out.stdout, "prod\n", "PATH is {path:?}");
        let out = ide(&["exec", "prod", "--", "no-such-command"]).run().touches(0);
        assert_eq!(out.code, Some(127), "{out}");
        // Without SHELL the subshell is /bin/sh.
        let out = ide(&["exec", "prod"]).stdin("echo $AWS_VAULT\n").run().success();
        assert_eq!(out.says("starting /bin/sh").stdout, "prod\n");
    }
}

#[test]
fn without_any_pinentry_the_error_says_what_to_install_and_set() {
    let bench = below_home();
    let empty = bench.root().join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    // The usual folders are looked through too, so the pinentry that is found must be one for terminals.
    let out = as_an_ide(bench.tapvault(["export", "--format=json", "prod"]))
        .env("PATH", &empty)
        .env("PINENTRY_PROGRAM", "/usr/bin/pinentry-curses")
        .run()
        .fails(7, "pin")
        .releases_nothing()
        .touches(0);
    out.says("could not ask \"PIN of YubiKey 15042118 (3 tries left)\": there is no terminal here")
        .says("pinentry can't open a window here (it is pinentry-curses)")
        .says("run it at a terminal")
        .says("Debian: pinentry-gnome3")
        .says("PINENTRY_PROGRAM");
}

#[test]
fn a_question_that_only_a_terminal_can_answer_says_so() {
    let bench = below_home();
    bench.aws_config("[profile prod]\nregion = eu-central-1\n[profile dev]\nregion = eu-central-1\n");
    for words in [&["exec", "--", "true"][..], &["export", "--format=json"]] {
        as_an_ide(bench.tapvault(words))
            .run()
            .fails(2, "usage")
            .releases_nothing()
            .touches(0)
            .says("no profile was named")
            .says("AWS_PROFILE");
    }
}
