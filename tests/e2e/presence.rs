//! Touch: withheld, nothing happens; given, exactly as often as was announced, and announced before the token blinks.

use crate::bench::{ANA, Bench, Output, PIN, SERIAL, TOUCH_PATIENCE, Terminal};
use std::time::Duration;
use tapvault_lab::aws_standin::{BEN_KEY, BEN_SECRET};
use tapvault_lab::soft_token::body::AutoTouch;

const SOON: Duration = Duration::from_secs(10);

/// What every command has to do when nobody touches the token.
fn missed(bench: &Bench, out: Output) {
    let out = out.fails(6, "no-touch").missed_touch().releases_nothing();
    let out = out.says(&format!("YubiKey {SERIAL} was not touched (2 x 1 s)"));
    let out = out.says(&format!("no touch within 1 s; once more: touch YubiKey {SERIAL} to "));
    // The PIN is typed once.
    assert_eq!(out.pinentry_asked(), 1, "{out}");
    bench.touch_by_itself();
}

#[test]
fn exec_without_a_touch_starts_no_child_and_calls_nobody() {
    let bench = Bench::with_prod();
    let before = bench.snapshot();
    bench.aws().clear_calls();
    bench.withhold_touches();
    let ran = bench.root().join("ran");
    let touch = ran.to_str().expect("text");
    missed(&bench, bench.tapvault(["exec", "prod", "--", "touch", touch]).run());
    assert!(!ran.exists() && bench.calls().is_empty());
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn export_without_a_touch_prints_nothing() {
    let bench = Bench::with_prod();
    let before = bench.snapshot();
    bench.withhold_touches();
    // Nothing is allowed on standard output here, so the search would find what is there.
    missed(&bench, bench.tapvault(["export", "--format", "json", "prod"]).run());
    assert_eq!(bench.snapshot(), before);
    bench.withhold_touches();
    missed(&bench, bench.tapvault(["export", "--no-session", "prod"]).run());
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn a_sealed_session_is_no_way_round_the_touch() {
    let bench = Bench::with_prod();
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    let before = bench.snapshot();
    bench.withhold_touches();
    missed(&bench, bench.tapvault(["export", "prod"]).run());
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn add_without_a_touch_seals_nothing() {
    let bench = Bench::with_prod();
    let before = bench.snapshot();
    bench.withhold_touches();
    missed(&bench, bench.add_stdin("dev", (BEN_KEY, BEN_SECRET)).run());
    assert_eq!(bench.snapshot(), before);
    bench.withhold_touches();
    let force = bench.tapvault(["add", "prod", "--stdin", "--force"]);
    missed(&bench, force.stdin(&format!("{BEN_KEY}\n{BEN_SECRET}\n")).run());
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn remove_without_a_touch_removes_nothing() {
    let bench = Bench::with_prod();
    let before = bench.snapshot();
    bench.withhold_touches();
    missed(&bench, bench.tapvault(["remove", "--force", "prod"]).run());
    assert_eq!(bench.snapshot(), before);
    bench.tapvault(["remove", "--force", "prod"]).run().success().touches(1);
}

#[test]
fn enroll_without_a_touch_enrolls_nothing_and_says_how_to_go_on() {
    let bench = Bench::start();
    bench.withhold_touches();
    let out = bench.tapvault(["key", "enroll", "piv"]).run();
    missed(&bench, out.says("slot 82 (retired 1) holds the new key without a certificate; `tapvault key enroll piv --serial 15042118 --existing 1`"));
    assert!(bench.snapshot().file("keys.json").is_none());
    let out = bench
        .tapvault(["key", "enroll", "piv", "--serial", "15042118", "--existing", "1"])
        .run();
    out.success().touches(1).says("enrolled \"yubikey-15042118\"");
    bench.add("prod", ANA);
}

#[test]
fn enroll_whose_second_touch_is_missed_enrolls_nothing() {
    let bench = Bench::start();
    let one = AutoTouch::Count {
        left: 1,
        after: Duration::ZERO,
    };
    bench.token().auto_touch(one).expect("the token listens");
    let out = bench.tapvault(["key", "enroll", "piv"]).run().fails(6, "no-touch");
    assert_eq!(
        (out.announced(), out.touch_counts().given, out.touch_counts().missed),
        (2, 1, 2),
        "{out}"
    );
    assert!(bench.snapshot().file("keys.json").is_none());
    bench.touch_by_itself();
    // The slot is taken now: the next key goes into the next one.
    let out = bench.tapvault(["key", "enroll", "piv"]).run().success().touches(2);
    out.says("slot 83 (retired 2) is free");
}

#[test]
fn a_second_blink_that_is_touched_is_good_enough() {
    let bench = Bench::with_prod();
    bench.withhold_touches();
    let running = bench.tapvault(["exec", "prod", "--", "true"]).start();
    let first = bench.token().wait_for_touch(SOON).expect("a blink");
    while bench.token().wait_for_touch(SOON).expect("a blink").number == first.number {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(bench.token().touch().expect("the token listens"));
    let out = running.wait().success();
    let counts = out.touch_counts();
    assert_eq!((out.announced(), counts.awaited, counts.given), (1, 2, 1), "{out}");
}

/// Waits for the blink, and touches the token only when the line is on the screen. As long as nobody does, tapvault waits in
/// the very call that makes the token blink: the line came before it.
fn announced_at_the_blink(bench: &Bench, terminal: &mut Terminal<'_>, line: &str) {
    bench.token().wait_for_touch(SOON).expect("a blink");
    terminal.expect_within(line, TOUCH_PATIENCE / 2);
    assert!(bench.token().touch().expect("the token listens"));
}

#[test]
fn each_touch_is_announced_before_the_token_blinks() {
    let bench = Bench::start();
    bench.withhold_touches();
    let mut terminal = bench.tapvault(["key", "enroll", "piv"]).on_terminal();
    terminal.expect("2 touches\n");
    terminal.answer("PIN of YubiKey 15042118 (3 tries left): ", PIN);
    announced_at_the_blink(
        &bench,
        &mut terminal,
        "touch 1 of 2: YubiKey 15042118, to make the key\n",
    );
    announced_at_the_blink(
        &bench,
        &mut terminal,
        "touch 2 of 2: YubiKey 15042118, to vouch for the new key",
    );
    terminal.finish().success().touches(2);

    let mut terminal = bench.add_stdin("prod", ANA).on_terminal();
    terminal.answer("PIN of", PIN);
    announced_at_the_blink(&bench, &mut terminal, "touch YubiKey 15042118 to seal prod\n");
    terminal.finish().success().touches(1);

    let mut terminal = bench.tapvault(["exec", "prod", "--", "true"]).on_terminal();
    terminal.answer("PIN of", PIN);
    announced_at_the_blink(
        &bench,
        &mut terminal,
        "touch YubiKey 15042118 to open prod (ana in 111122223333) for `true`",
    );
    terminal.finish().success().touches(1);
}

#[test]
fn a_rewrap_announces_all_its_touches_first_and_takes_so_many() {
    let bench = Bench::with_prod();
    bench.add("dev", (BEN_KEY, BEN_SECRET));
    bench.settings("passphrase_command = \"echo 'vermilion otter seventeen'\"\n");
    // Two entries, the vault secret, and the voucher.
    let out = bench
        .tapvault(["key", "enroll", "passphrase", "--allow-touchless"])
        .run()
        .success();
    let first = out
        .said()
        .lines()
        .find(|line| line.contains("touch"))
        .map(str::to_owned);
    let total = out.announced();
    assert_eq!(first, Some(format!("{total} touches")), "{out}");
    let out = out.touches(total).pins(1, 0);
    assert_eq!(out.pinentry_asked(), 1, "one PIN serves for all\n{out}");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .says("presence: none");
}

#[test]
fn a_profile_can_not_steer_the_terminal_in_the_line_before_the_touch() {
    let bench = Bench::enrolled();
    let name = "prod\u{1b}[2J";
    let out = bench.add_stdin(name, ANA).run();
    assert!(!out.said().contains('\u{1b}'), "{out}");
}

#[test]
fn debug_shows_instructions_and_no_data() {
    let bench = Bench::start();
    // The search at the end looks at all of this output for PIN, keys and session secrets.
    let out = bench
        .tapvault(["--debug", "key", "enroll", "piv"])
        .run()
        .success()
        .touches(2);
    let out = out.says("debug: VERIFY").says("GENERAL AUTHENTICATE");
    no_long_hex(&out);
    no_long_hex(
        &bench
            .tapvault(["--debug", "add", "prod", "--stdin"])
            .stdin(&format!("{}\n{}\n", ANA.0, ANA.1))
            .run()
            .success(),
    );
    let out = bench
        .tapvault(["--debug", "exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    no_long_hex(&out.says("debug: "));
    no_long_hex(
        &bench
            .tapvault(["--debug", "export", "prod"])
            .prints_secrets()
            .run()
            .success(),
    );
}

/// Data would show as many hexadecimal digits or decimal bytes in a row; status words and names do not. AWS's request IDs and the
/// names of sealed sessions' files are no data of ours.
fn no_long_hex(out: &Output) {
    let said = out.said();
    let lines = said.lines().filter(|line| line.starts_with("debug: "));
    for line in lines.map(|line| line.split(", request ").next().unwrap_or(line)) {
        let longest = line
            .split(' ')
            .filter(|word| !word.starts_with("sessions/"))
            .flat_map(|word| word.split(|c: char| !c.is_ascii_hexdigit()))
            .map(str::len)
            .max()
            .unwrap_or(0);
        assert!(
            longest < 12 && !line.contains(", 0x") && !line.contains("[1"),
            "{line}\n{out}"
        );
    }
}
