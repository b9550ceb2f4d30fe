//! Desktop notifications: a touch is shown on the desktop when nobody would see the line for it, before the token blinks, and is gone
//! with the touch, however that ends.

use super::{SOON, shell, until, written};
use crate::bench::desktop::{Activation, BUS_VARIABLE, Desktop};
use crate::bench::screen::{Event, Manner, Screen, Shown};
use crate::bench::{ANA, Bench, Output, PIN};
use rustix::process::Signal;

/// A desktop of this kind beside the bench.
fn screen<'b>(bench: &'b Bench, manner: Manner) -> (Desktop<'b>, Screen) {
    let desktop = Desktop::without_keyring(bench, Activation::None);
    let screen = Screen::on(bench, &desktop, manner);
    (desktop, screen)
}

/// One notification, closed after the touch.
#[track_caller]
fn shown_for_one_touch(screen: &Screen) -> Shown {
    until("it is taken away", || !screen.is_showing());
    let events = screen.events();
    let [Event::Shown(shown), Event::Closed { id, touched }] = &events[..] else {
        panic!("not one that was closed: {events:#?}");
    };
    assert_eq!(id, &shown.id);
    assert!(*touched > 0, "it was there until the touch");
    shown.clone()
}

fn blinks(bench: &Bench) -> u32 {
    bench.token().counts().expect("counts").touches.awaited
}

#[test]
fn a_caller_without_a_terminal_sees_who_wants_what_on_the_desktop() {
    let bench = Bench::with_prod();
    let (_desktop, screen) = screen(&bench, Manner::Usual);
    bench.aws_config(
        "[profile prod]\nregion = eu-central-1\n\
         [profile boss]\nrole_arn = arn:aws:iam::111122223333:role/reader\nsource_profile = prod\n",
    );
    let before = blinks(&bench);
    let script = format!("{} exec boss -- true one '<b>two</b>'; true", bench.tapvault_path());
    let out = bench.program("bash", ["-c", &script]).run().success().touches(1);
    let line = out
        .said()
        .lines()
        .find(|line| line.starts_with("touch "))
        .map(str::to_owned);
    let shown = shown_for_one_touch(&screen);
    assert_eq!(shown.blinked, before, "it was there before the blink");
    assert_eq!(shown.application, "tapvault");
    assert_eq!(shown.summary, "tapvault waits for a touch");
    assert_eq!(shown.urgency, Some(2));
    for words in [
        "touch YubiKey 15042118 to open prod (ana in 111122223333)",
        "for role reader in 111122223333 (profile boss)",
        "for `true one &lt;b&gt;two&lt;/b&gt;`",
        "asked by bash &lt; ",
    ] {
        assert!(shown.body.contains(words), "{words}: {}", shown.body);
    }
    assert_eq!(Some(shown.body.replace("&lt;", "<").replace("&gt;", ">")), line);
    // What stays when tapvault is killed by force is not kept for long.
    assert!(shown.transient);
    assert!((15_000..=60_000).contains(&shown.expires), "{}", shown.expires);
}

#[test]
fn a_server_that_knows_no_tags_is_given_none() {
    let bench = Bench::with_prod();
    let (_desktop, screen) = screen(&bench, Manner::Plain);
    bench.tapvault(["exec", "prod", "--", "true", "<&>"]).run().success();
    let shown = shown_for_one_touch(&screen);
    assert!(shown.body.contains("for `true <&>`"), "{}", shown.body);
}

#[test]
fn no_name_and_no_word_of_a_command_brings_tags_or_lines_of_its_own() {
    let bench = Bench::with_prod();
    let name = "<b>prod</b> & <a href=\"x\">y</a>";
    bench.add(name, ANA);
    let (_desktop, screen) = screen(&bench, Manner::Usual);
    let hostile = "<img src=\"x\"/>\nsecond\u{1b}[31m\u{202e}";
    bench
        .tapvault(["exec", name, "--", "true", hostile])
        .run()
        .success()
        .touches(1);
    let shown = screen.shown().remove(0);
    assert!(
        !shown.body.contains(['<', '>', '\n', '\u{1b}', '\u{202e}']),
        "{}",
        shown.body
    );
    assert!(
        shown.body.contains("&lt;b&gt;prod&lt;/b&gt; &amp; &lt;a href"),
        "{}",
        shown.body
    );
    assert!(shown.body.contains("&lt;img src"), "{}", shown.body);
}

#[test]
fn a_background_job_is_shown_on_the_desktop_and_not_on_its_terminal() {
    let bench = Bench::with_prod();
    let (_desktop, screen) = screen(&bench, Manner::Usual);
    let mut shell = shell(&bench);
    shell.enter("$tapvault exec prod -- sh -c 'echo $AWS_VAULT >out' &");
    assert_eq!(written(&bench.home().join("out")), "prod\n");
    shell.enter("wait %1; echo ended $?; exit");
    shell.expect("ended 0\n");
    shell.finish().does_not_say("to open prod (ana");
    shown_for_one_touch(&screen);
}

#[test]
fn a_caller_inside_a_full_screen_program_is_shown_on_the_desktop() {
    let bench = Bench::with_prod();
    let (_desktop, screen) = screen(&bench, Manner::Usual);
    let script = format!(
        "stty raw -echo; {} exec prod -- true; code=$?; stty sane; exit $code",
        bench.tapvault_path()
    );
    let out = bench.program("sh", ["-c", &script]).on_terminal().finish().success();
    assert_eq!(out.terminal, "", "{out}");
    shown_for_one_touch(&screen);
}

#[test]
fn at_a_terminal_nothing_is_shown_on_the_desktop_even_when_the_caller_swallows_stderr() {
    let bench = Bench::with_prod();
    let (_desktop, screen) = screen(&bench, Manner::Usual);
    let script = format!("{} export --format=json prod 2>/dev/null", bench.tapvault_path());
    let mut terminal = bench.program("sh", ["-c", &script]).prints_secrets().on_terminal();
    terminal.answer("PIN of", PIN);
    terminal.expect("touch YubiKey 15042118 to open prod (ana");
    terminal.finish().success();
    assert_eq!(screen.events(), []);
}

#[test]
fn a_command_that_went_into_the_background_is_shown_on_the_desktop_from_then_on() {
    let bench = Bench::with_prod();
    let (_desktop, screen) = screen(&bench, Manner::Usual);
    bench.withhold_touches();
    let mut shell = shell(&bench);
    shell.enter("$tapvault exec prod -- sh -c 'echo $AWS_VAULT >out'");
    shell.answer("PIN of", PIN);
    bench.token().wait_for_touch(SOON).expect("a blink");
    shell.type_("\x1a");
    shell.expect("Stopped");
    until("the first blink is over", || {
        bench.token().counts().expect("counts").touches.missed >= 1
    });
    assert_eq!(screen.events(), []);
    bench.touch_by_itself();
    shell.enter("bg");
    assert_eq!(written(&bench.home().join("out")), "prod\n");
    shell.enter("wait %1; echo ended $?; exit");
    shell.expect("ended 0\n");
    shell.finish().success();
    let shown = screen.shown();
    assert!(shown[0].body.contains("once more: touch"), "{shown:?}");
    until("it is taken away", || !screen.is_showing());
}

#[test]
fn a_missed_touch_changes_the_same_notification_and_the_second_ends_it() {
    let bench = Bench::with_prod();
    let (_desktop, screen) = screen(&bench, Manner::Usual);
    bench.withhold_touches();
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .fails(6, "no-touch")
        .missed_touch();
    until("it is taken away", || !screen.is_showing());
    let events = screen.events();
    let [Event::Shown(first), Event::Shown(second), Event::Closed { id, .. }] = &events[..] else {
        panic!("not two and an end: {events:#?}");
    };
    assert_eq!((second.replaces, *id), (first.id, first.id));
    assert!(second.body.starts_with("no touch within "), "{}", second.body);
}

#[test]
fn a_token_that_is_pulled_out_takes_the_notification_with_it() {
    let bench = Bench::with_prod();
    let (_desktop, screen) = screen(&bench, Manner::Usual);
    bench.withhold_touches();
    let running = bench.tapvault(["exec", "prod", "--", "true"]).start();
    bench.token().wait_for_touch(SOON).expect("a blink");
    until("it is shown", || screen.is_showing());
    bench.token().remove().expect("pulled out");
    running.wait().fails(5, "no-key");
    until("it is taken away", || !screen.is_showing());
}

#[test]
fn signals_that_end_the_command_take_the_notification_with_them() {
    let bench = Bench::with_prod();
    let (_desktop, screen) = screen(&bench, Manner::Usual);
    bench.withhold_touches();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let running = bench.tapvault(["exec", "prod", "--", "true"]).start();
        bench.token().wait_for_touch(SOON).expect("a blink");
        until("it is shown", || screen.is_showing());
        running.signal(signal);
        let out = running.wait();
        assert_eq!(out.signal, Some(signal.as_raw()), "{out}");
        until("it is taken away", || !screen.is_showing());
        until("the token is quiet again", || {
            let counts = bench.token().counts().expect("counts").touches;
            counts.awaited == counts.given + counts.missed + counts.interrupted
        });
    }
}

/// Nothing catches SIGKILL, but the helper that shows it sees that nobody is left.
#[test]
fn sigkill_takes_the_notification_with_it_too() {
    let bench = Bench::with_prod();
    let (_desktop, screen) = screen(&bench, Manner::Usual);
    bench.withhold_touches();
    let running = bench.tapvault(["exec", "prod", "--", "true"]).start();
    bench.token().wait_for_touch(SOON).expect("a blink");
    until("it is shown", || screen.is_showing());
    running.signal(Signal::KILL);
    running.wait();
    until("it is taken away", || !screen.is_showing());
    bench.touch_by_itself();
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    let shown = screen.shown();
    assert_eq!(shown.len(), 2, "{shown:#?}");
    until("it is taken away", || !screen.is_showing());
}

#[test]
fn a_silent_server_keeps_nobody_waiting() {
    let bench = Bench::with_prod();
    let (_desktop, screen) = screen(&bench, Manner::Silent);
    // It never answers, so nothing here has waited for an answer.
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    assert_eq!(screen.events(), []);
}

#[test]
fn a_late_server_is_told_to_take_away_what_it_shows_after_the_blink() {
    let bench = Bench::with_prod();
    let (_desktop, screen) = screen(&bench, Manner::Late);
    bench.withhold_touches();
    let running = bench.tapvault(["exec", "prod", "--", "true"]).start();
    bench
        .token()
        .wait_for_touch(SOON)
        .expect("it blinks although nothing is shown yet");
    assert_eq!(screen.events(), []);
    screen.wake();
    until("it is shown", || screen.is_showing());
    bench.touch_by_itself();
    // Lost if the first blink is over by now.
    bench.token().touch().expect("it listens");
    running.wait().success();
    until("it is taken away", || !screen.is_showing());
}

fn works_as_ever(bench: &Bench) -> Output {
    let out = bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    let said = out.stderr.lines().filter(|line| !line.starts_with("waiting: "));
    assert_eq!(said.count(), 1, "{out}");
    out
}

#[test]
fn without_a_bus_or_a_server_or_with_a_bus_that_is_none_the_line_on_stderr_is_all() {
    let bench = Bench::with_prod();
    works_as_ever(&bench);
    {
        let _desktop = Desktop::without_keyring(&bench, Activation::None);
        works_as_ever(&bench);
    }
    let socket = bench.root().join("deaf");
    // It takes connections, and never says a word.
    let _deaf = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    for address in [format!("unix:path={}", socket.display()), "garbage".to_owned()] {
        bench.everywhere(BUS_VARIABLE, &address);
        works_as_ever(&bench);
    }
}
