//! The first five minutes: enroll, add, exec, export, list, remove.

use crate::bench::{ANA, Bench, PIN, SERIAL};

#[test]
fn the_first_five_minutes_go_by_at_a_terminal() {
    let bench = Bench::start();
    let mut terminal = bench.tapvault(["key", "enroll", "piv"]).on_terminal();
    terminal.answer(&format!("PIN of YubiKey {SERIAL} (3 tries left): "), PIN);
    terminal
        .finish()
        .success()
        .touches(2)
        .pins(2, 0)
        .says("enrolled \"yubikey-15042118\"");

    let mut terminal = bench.tapvault(["add", "prod"]).on_terminal();
    terminal.answer("Access key ID: ", ANA.0);
    terminal.answer("Secret access key: ", ANA.1);
    terminal.answer("PIN of YubiKey", PIN);
    let out = terminal
        .finish()
        .success()
        .touches(1)
        .says("belongs to ana in account 111122223333");
    assert_eq!(out.stdout, "");

    let mut terminal = bench
        .tapvault(["exec", "prod", "--", "env"])
        .prints_secrets()
        .on_terminal();
    terminal.answer("PIN of YubiKey", PIN);
    let out = terminal.finish().success().touches(1).says("for `env`");
    assert!(out.variable("AWS_ACCESS_KEY_ID").starts_with("ASIA"));
    assert_eq!(bench.calls(), ["GetCallerIdentity", "GetSessionToken"]);
}
