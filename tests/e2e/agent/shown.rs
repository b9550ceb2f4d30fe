//! What a waiting person sees: who asks for what, how many wait, and each thing once; and that AWS clients get their JSON and
//! nothing else.

use super::joining::path_with_tapvault;
use super::{status, touch, touches, until, until_waiting, with_prod};
use crate::bench::{Bench, Invocation, Output, PIN, PYTHON, TOUCH_PATIENCE};
use std::time::{Duration, Instant};

/// As patient as a real token: many processes have to start before it gives up.
const REAL_PATIENCE: Duration = Duration::from_secs(15);

/// How long twenty clients in Python may take until they ask, on a machine that has other work.
const STARTED: Duration = Duration::from_secs(60);

/// A shell in which people call tapvault by its name.
fn shell<'b>(bench: &'b Bench, script: &str) -> Invocation<'b> {
    bench
        .program("/bin/sh", ["-c", script])
        .env("PATH", path_with_tapvault(bench))
        .prints_secrets()
}

fn unhurried(bench: &Bench) {
    bench.withhold_touches();
    bench.token().set_touch_timeout(REAL_PATIENCE).expect("it listens");
}

fn times(text: &str, words: &str) -> usize {
    text.matches(words).count()
}

#[test]
fn the_line_names_profile_account_role_command_and_the_processes_that_ask() {
    let bench = with_prod();
    bench.aws_config(
        "[profile prod]\nregion = eu-central-1\n\
         [profile reader]\nrole_arn = arn:aws:iam::444455556666:role/reader\nsource_profile = prod\n",
    );
    unhurried(&bench);
    let mut terminal = shell(&bench, "tapvault exec reader -- sh -c 'exit 7'; exit $?").on_terminal();
    terminal.answer("PIN of YubiKey", PIN);
    let shell = terminal.pid().as_raw_nonzero();
    terminal.expect(&format!(
        "touch YubiKey 15042118 to open prod (ana in 111122223333) for role reader in 444455556666 (profile reader) \
         for `sh -c exit 7`, asked by sh ({shell})"
    ));
    touch(&bench);
    let out = terminal.finish();
    assert_eq!(out.code, Some(7), "the child's own\n{out}");
    assert_eq!(times(&out.terminal, "touch YubiKey"), 1, "{out}");
}

#[test]
fn a_crowd_is_told_once_it_has_settled() {
    let bench = with_prod();
    unhurried(&bench);
    // The first one is shown the touch before anybody else is there.
    let script = "export_prod() { tapvault export --format=json prod >/dev/null; }
        export_prod & until [ -e go ]; do sleep 0.1; done
        for n in 1 2 3 4 5 6 7 8; do export_prod & done
        bash -c 'tapvault export --format=json prod >/dev/null; true' & wait";
    let mut terminal = shell(&bench, script).on_terminal();
    terminal.answer("PIN of YubiKey", PIN);
    terminal.expect("touch YubiKey 15042118 to open prod (ana in 111122223333) for export, asked by sh (");
    std::fs::write(bench.home().join("go"), "").expect("the others may come");
    terminal.expect("9 more wait: 8 sh, 1 bash");
    touch(&bench);
    let out = terminal.finish().success();
    assert_eq!(times(&out.terminal, "touch YubiKey"), 1, "{out}");
    assert_eq!(times(&out.terminal, "PIN of YubiKey"), 1, "{out}");
    assert_eq!(out.touch_counts().given, 1, "{out}");
}

#[test]
fn fifty_on_one_terminal_are_shown_one_line_and_asked_one_pin() {
    let bench = with_prod();
    unhurried(&bench);
    let script = "for n in $(seq 50); do tapvault export --format=json prod >/dev/null & done; wait";
    let mut terminal = shell(&bench, script).on_terminal();
    terminal.expect("PIN of YubiKey");
    until_waiting(&bench, 50);
    terminal.enter(PIN);
    terminal.expect("touch YubiKey 15042118 to open prod");
    terminal.expect("; 49 more wait: 49 sh");
    touch(&bench);
    let out = terminal.finish().success();
    assert_eq!(times(&out.terminal, "touch YubiKey"), 1, "{out}");
    assert_eq!(times(&out.terminal, "more wait"), 1, "{out}");
    assert_eq!(times(&out.terminal, "PIN of YubiKey"), 1, "{out}");
    assert_eq!(out.touch_counts().given, 1, "{out}");
}

#[test]
fn each_terminal_is_told_what_is_awaited_and_one_of_them_asks() {
    let bench = with_prod();
    unhurried(&bench);
    // Both are started by this test, so they share the touch.
    let mut first = bench.tapvault(["exec", "prod", "--", "true"]).on_terminal();
    first.answer("PIN of YubiKey", PIN);
    first.expect("touch YubiKey 15042118 to open prod");
    let mut second = bench.tapvault(["exec", "prod", "--", "true"]).on_terminal();
    second.expect("touch YubiKey 15042118 to open prod");
    first.expect("1 more waits: 1 e2e");
    touch(&bench);
    let (first, second) = (first.finish().success(), second.finish().success());
    assert_eq!(times(&first.terminal, "PIN of YubiKey"), 1, "{first}");
    assert_eq!(times(&second.terminal, "PIN of YubiKey"), 0, "{second}");
    assert_eq!(times(&second.terminal, "touch YubiKey"), 1, "{second}");
}

#[test]
fn notify_command_is_run_once_for_all_who_wait() {
    let bench = with_prod();
    bench.settings("notify_command = 'echo \"$1\" >>words'\n");
    unhurried(&bench);
    let script = "for n in 1 2 3 4 5; do tapvault export --format=json prod >/dev/null & done; wait";
    let running = shell(&bench, script).start();
    until_waiting(&bench, 5);
    let words = bench.home().join("words");
    until("its words", || words.exists());
    touch(&bench);
    running.wait().success();
    let words = std::fs::read_to_string(words).expect("its words");
    assert_eq!(words.lines().count(), 1, "{words}");
    assert!(words.starts_with("touch YubiKey 15042118 to open prod"), "{words}");
}

#[test]
fn status_says_who_waits_and_for_what_and_what_is_held() {
    let bench = with_prod();
    let none = bench.tapvault(["status"]).run().success();
    assert_eq!(
        none.stdout,
        "leases      nothing\nwaiting     nothing\nagent       none runs; exec and export start one when they need it\n"
    );
    let none = bench.tapvault(["status", "--json"]).run().success().json_as("status");
    assert!(none["agent"].is_null());

    unhurried(&bench);
    let running = shell(&bench, "tapvault exec --lease 15m prod -- true; exit $?").start();
    let shell = running.pid().as_raw_nonzero();
    let awaits = "touch YubiKey 15042118 to open prod (ana in 111122223333) for `true`; leased for 15 min, asked by sh";
    until("the touch is awaited", || {
        status(&bench)["waiting"][0]["awaits"]
            .as_str()
            .is_some_and(|line| line.starts_with(awaits))
    });
    let json = bench.tapvault(["status", "--json"]).run().success().json_as("status");
    let waiting = &json["waiting"][0];
    assert_eq!(waiting["profile"], "prod");
    assert_eq!(waiting["asked_by"][0], format!("sh ({shell})"), "{json}");
    let text = bench.tapvault(["status"]).run().success().stdout;
    let line = text
        .lines()
        .find(|line| line.starts_with("waiting "))
        .expect("its line");
    assert!(
        line.starts_with("waiting     prod  since ") && line.contains(&format!(", asked by sh ({shell})")),
        "{text}"
    );
    assert!(line.contains(&format!(": {awaits}")), "{text}");

    touch(&bench);
    running.wait().success();
    let json = bench.tapvault(["status", "--json"]).run().success().json_as("status");
    assert_eq!(json["waiting"], serde_json::json!([]));
    assert_eq!(json["leases"][0]["callers"], serde_json::json!(["sh"]));
    let text = bench.tapvault(["status"]).run().success().stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("leases      prod  until "), "{text}");
    assert!(lines[0].ends_with(" min)   1 use   sh"), "{text}");
    assert_eq!(lines[1], "waiting     nothing");
    assert!(
        lines[2].starts_with("tokens      YubiKey 15042118: PIN held since "),
        "{text}"
    );
    assert!(lines[3].starts_with("agent       process "), "{text}");
}

#[test]
fn who_waits_for_nothing_any_more_gets_a_clear_error_and_clean_standard_output() {
    let bench = with_prod();
    bench.withhold_touches();
    bench.token().set_touch_timeout(TOUCH_PATIENCE).expect("it listens");
    let script = "for n in 1 2 3; do tapvault export --format=json prod & done; wait";
    let out = bench
        .program("/bin/sh", ["-c", script])
        .env("PATH", path_with_tapvault(&bench))
        .run()
        .releases_nothing();
    assert_eq!(out.touch_counts().missed, 2, "twice for all of them\n{out}");
    assert_eq!(
        times(&out.stderr, "tapvault: no-touch: "),
        3,
        "each says why it ends\n{out}"
    );
}

/// Runs `client` so many times at once, with a profile `app` that asks tapvault, and sees to it that all ask before the touch: how
/// long a client in Python takes to come so far is not what is looked at.
fn clients_at_once(bench: &Bench, number: usize, client: &str) -> Output {
    let home = bench.home();
    let ready = home.join("ready");
    std::fs::create_dir(&ready).expect("a folder");
    let ask = format!(
        "touch ready/$$; until [ -e go ]; do sleep 0.1; done; exec {} export --format=json prod",
        bench.tapvault_path()
    );
    std::fs::write(home.join("ask"), ask).expect("a script");
    bench.aws_config(
        "[profile prod]\nregion = eu-central-1\n\
         [profile app]\nregion = eu-central-1\ncredential_process = /bin/sh ask\n",
    );
    unhurried(bench);
    let script = format!("for n in $(seq {number}); do {client} & done; wait");
    let running = bench
        .program("/bin/sh", ["-c", &script])
        .env("AWS_PROFILE", "app")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .start();
    let start = Instant::now();
    while std::fs::read_dir(&ready).expect("a folder").count() < number {
        assert!(start.elapsed() < STARTED, "not all of them ask");
        std::thread::sleep(Duration::from_millis(50));
    }
    std::fs::write(home.join("go"), "").expect("they may go");
    until_waiting(bench, number);
    bench.touch_by_itself();
    running.wait().success()
}

#[test]
fn aws_clis_that_ask_at_once_are_served_by_one_touch() {
    let bench = with_prod();
    let before = touches(&bench);
    // Debian's is too old for AWS_ENDPOINT_URL.
    let client = format!(
        "/usr/bin/aws --endpoint-url {} --output text --query Arn sts get-caller-identity",
        bench.aws().endpoint()
    );
    let out = clients_at_once(&bench, 3, &client);
    assert_eq!(out.stdout, "arn:aws:iam::111122223333:user/ana\n".repeat(3), "{out}");
    assert_eq!(touches(&bench) - before, 1);
}

#[test]
fn twenty_boto3_processes_are_served_by_one_touch() {
    let bench = with_prod();
    let before = touches(&bench);
    let client = format!("{PYTHON} -c 'import boto3; print(boto3.client(\"sts\").get_caller_identity()[\"Arn\"])'");
    let out = clients_at_once(&bench, 20, &client);
    assert_eq!(out.stdout, "arn:aws:iam::111122223333:user/ana\n".repeat(20), "{out}");
    assert_eq!(touches(&bench) - before, 1);
    let calls = bench.calls();
    assert_eq!(
        calls.iter().filter(|call| *call == "GetSessionToken").count(),
        1,
        "{calls:?}"
    );
}
