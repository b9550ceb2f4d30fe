//! Jobs of an interactive shell: nothing of ours lands on a terminal that somebody else is using, and no job is stopped unseen.

use super::{SOON, shell, until, written};
use crate::bench::{Bench, PIN, Terminal};
use std::time::Duration;

/// What tells a full-screen program's picture from what is written into it.
const PAGE: &str = "one page of text";

/// Starts a job that waits for the file `go`, and a pager before it; the pager has the terminal when this returns.
fn job_behind_a_pager<'b>(bench: &'b Bench, command: &str) -> Terminal<'b> {
    std::fs::write(bench.home().join("page"), format!("{PAGE}\n")).expect("a page");
    let mut shell = shell(bench);
    shell.enter(&format!(
        "(until [ -e go ]; do sleep 0.05; done; exec {command}) & job=$!; less page"
    ));
    shell.expect(PAGE);
    shell.expect("(END)");
    shell
}

fn go(bench: &Bench) {
    std::fs::write(bench.home().join("go"), "").expect("go");
}

#[test]
fn a_job_behind_a_pager_works_without_a_word_on_the_terminal() {
    let bench = Bench::with_prod();
    let mut shell = job_behind_a_pager(&bench, "$tapvault exec prod -- sh -c 'echo $AWS_VAULT >out'");
    let before = shell.text();
    go(&bench);
    assert_eq!(written(&bench.home().join("out")), "prod\n");
    assert_eq!(shell.text(), before, "something was written into the pager's picture");
    shell.type_("q");
    shell.enter("wait $job; echo ended $?; exit");
    shell.expect("ended 0\n");
    let out = shell.finish();
    assert_eq!(out.pinentry_asked(), 1);
    assert_eq!(out.touch_counts().given, 1);
}

#[test]
fn a_job_that_fails_behind_a_pager_tells_by_its_exit_code_alone() {
    let bench = Bench::with_prod();
    bench.withhold_touches();
    let mut shell = job_behind_a_pager(&bench, "$tapvault exec prod -- true");
    let before = shell.text();
    go(&bench);
    until("two missed touches", || {
        bench.token().counts().expect("counts").touches.missed >= 2
    });
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(shell.text(), before, "something was written into the pager's picture");
    shell.type_("q");
    shell.enter("wait $job; echo ended $?; exit");
    shell.expect("ended 6\n");
    shell.finish().does_not_say("no-touch");
}

#[test]
fn a_job_beside_the_shells_prompt_says_how_it_failed_and_nothing_before() {
    let bench = Bench::with_prod();
    bench.withhold_touches();
    let mut shell = shell(&bench);
    shell.enter("$tapvault exec prod -- true &");
    shell.expect("tapvault: no-touch: ");
    shell.enter("wait %1; echo ended $?; exit");
    shell.expect("ended 6\n");
    shell.finish().does_not_say("to open prod (ana");
}

/// A pinentry that knows terminals only is never let near this one.
#[test]
fn a_job_with_no_graphical_pinentry_is_not_stopped_but_says_why_it_failed() {
    let bench = Bench::with_prod();
    let mut shell = shell(&bench);
    shell.enter("PINENTRY_PROGRAM=/usr/bin/pinentry-curses $tapvault exec prod -- true &");
    shell.expect("this is a background job, which may not ask at its terminal");
    shell.expect("pinentry can't open a window here (it is pinentry-curses)");
    shell.expect("run it in the foreground, without `&`");
    shell.enter("wait %1; echo ended $?; exit");
    shell.expect("ended 7\n");
    shell.finish().does_not_say("Stopped").touches(0);
}

/// With `stty tostop` one word of a background job would stop it.
#[test]
fn a_job_is_not_stopped_where_background_writing_stops_jobs() {
    let bench = Bench::with_prod();
    bench.withhold_touches();
    let mut shell = shell(&bench);
    shell.enter("stty tostop; $tapvault exec prod -- true &");
    until("two missed touches", || {
        bench.token().counts().expect("counts").touches.missed >= 2
    });
    shell.enter("wait %1; echo ended $?; stty -tostop; exit");
    shell.expect("ended 6\n");
    shell.finish().does_not_say("Stopped").does_not_say("no-touch");
}

#[test]
fn a_background_job_cannot_be_asked_which_profile() {
    let bench = Bench::with_prod();
    let mut shell = shell(&bench);
    shell.enter("$tapvault exec -- true &");
    shell.expect("no profile was named");
    shell.enter("wait %1; echo ended $?; exit");
    shell.expect("ended 2\n");
    shell.finish().does_not_say("Stopped");
}

#[test]
fn a_command_stopped_at_its_touch_goes_on_in_the_background_in_silence() {
    let bench = Bench::with_prod();
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
    bench.touch_by_itself();
    shell.enter("bg");
    assert_eq!(written(&bench.home().join("out")), "prod\n");
    shell.enter("wait %1; echo ended $?; exit");
    shell.expect("ended 0\n");
    shell.finish().does_not_say("once more");
}

/// The keys would be taken from the program that reads them one by one, and the picture spoiled: vim's system(), an
/// application in the terminal that runs the aws CLI.
#[test]
fn a_caller_inside_a_full_screen_program_is_asked_by_pinentry() {
    let bench = Bench::with_prod();
    let script = format!(
        "stty raw -echo; {} exec prod -- true; code=$?; stty sane; exit $code",
        bench.tapvault_path()
    );
    let out = bench.program("sh", ["-c", &script]).on_terminal().finish().success();
    assert_eq!(out.terminal, "", "{out}");
    assert_eq!(out.pinentry_asked(), 1);
    // When its standard error is caught, everything is said there.
    let script = format!(
        "stty raw -echo; {} exec prod -- true 2>err; stty sane",
        bench.tapvault_path()
    );
    let out = bench
        .program("sh", ["-c", &script])
        .env("PINENTRY_PROGRAM", "/usr/bin/pinentry-curses")
        .on_terminal()
        .finish();
    assert_eq!(out.terminal, "", "{out}");
    let said = std::fs::read_to_string(bench.home().join("err")).expect("what it said");
    assert!(
        said.contains("another program has the terminal (it takes the whole screen)"),
        "{said}"
    );
    assert!(said.contains("run it in another terminal"), "{said}");
}

/// less has the terminal key by key from its start, but takes no key before there is something to show.
#[test]
fn a_pager_at_the_end_of_the_pipe_does_not_keep_the_pin_from_being_typed() {
    let bench = Bench::with_prod();
    let mut shell = shell(&bench);
    shell.enter(&format!(
        "(sleep 0.5; exec $tapvault exec prod -- echo '{PAGE}') | less"
    ));
    shell.answer("PIN of YubiKey 15042118 (3 tries left): ", PIN);
    shell.expect("touch YubiKey 15042118 to open prod");
    shell.expect(PAGE);
    shell.expect("(END)");
    shell.type_("q");
    shell.enter("exit");
    shell.finish().success();
}
