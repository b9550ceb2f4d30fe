//! Helpers that tapvault calls in its turn: at the terminal they are as a shell would have started them.

use super::until;
use crate::bench::{Bench, CTRL_C, PIN};
use std::path::Path;
use tapvault_lab::aws_standin::ANA_MFA;

/// `prod` with an MFA device whose codes come from this script.
fn with_codes_from(script: &str) -> Bench {
    let bench = Bench::with_prod();
    let helper = bench.home().join("codes");
    std::fs::write(&helper, script).expect("a helper");
    bench.aws_config(&format!(
        "[profile prod]\nregion = eu-central-1\nmfa_serial = {ANA_MFA}\nmfa_process = sh {}\n",
        helper.display()
    ));
    bench
}

#[test]
fn a_helper_may_ask_at_the_terminal() {
    let bench = with_codes_from("printf 'the code, please: ' >/dev/tty; read -r code </dev/tty; echo \"$code\"\n");
    let mut terminal = bench.tapvault(["exec", "prod", "--", "echo", "ran"]).on_terminal();
    terminal.answer("PIN of", PIN);
    let code = bench.aws().unused_totp(ANA_MFA).expect("a code");
    terminal.answer("the code, please: ", &code);
    assert_eq!(terminal.finish().success().touches(1).stdout, "ran\n");
}

#[test]
fn ctrl_c_ends_the_helper_too() {
    let bench = with_codes_from("echo $$ >helper; printf 'wait for it' >/dev/tty; exec sleep 60\n");
    let mut terminal = bench.tapvault(["exec", "prod", "--", "true"]).on_terminal();
    terminal.answer("PIN of", PIN);
    terminal.expect("wait for it");
    let pid = std::fs::read_to_string(bench.home().join("helper")).expect("its number");
    terminal.type_(CTRL_C);
    let out = terminal.finish().releases_nothing();
    assert_eq!(out.signal, Some(2), "{out}");
    let helper = Path::new("/proc").join(pid.trim());
    until("the helper's end", || !helper.exists());
}
