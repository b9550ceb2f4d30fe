//! A laptop is gone, and its token with it: what is left is a copy of the vault's folder, the key on paper, and a new machine.

use crate::bench::{ANA, Bench, OTHER_SERIAL, PIN};
use crate::faults::steps::copy;
use crate::tampering::{BEN, answer_unseen, with_tools};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The old machine, as far as it matters: its vault, and the key on paper.
struct Lost {
    laptop: Bench,
    paper: String,
}

fn lost() -> Lost {
    let laptop = Bench::with_prod();
    let paper = laptop.enroll_paper_with("paper", &[], Some(PIN));
    laptop.add("dev", BEN);
    laptop.pull_out(0);
    Lost { laptop, paper }
}

/// An empty home, a token that this vault has never seen, and the copied folder.
fn new_machine(lost: &Lost) -> Bench {
    let machine = Bench::setup().other_token().start();
    machine.secret("paper", &lost.paper);
    copy(&lost.laptop.vault(), &machine.vault());
    machine
}

/// `key enroll piv` with the key on paper, at the terminal of the new machine.
fn enroll_with_paper(machine: &Bench, paper: &str) {
    let mut terminal = machine.tapvault(["--recovery", "key", "enroll", "piv"]).on_terminal();
    terminal.answer("recovery key \"paper\"", paper);
    terminal.answer("is that what you expect? [y/N] ", "y");
    terminal.answer("PIN of YubiKey", PIN);
    terminal
        .finish()
        .success()
        .touches(2)
        .says(&format!("enrolled \"yubikey-{OTHER_SERIAL}\""));
}

#[test]
fn a_new_machine_with_another_token_takes_the_copied_vault_over() {
    let lost = lost();
    let machine = new_machine(&lost);
    enroll_with_paper(&machine, &lost.paper);
    for (profile, secret) in [("prod", ANA.1), ("dev", BEN.1)] {
        let out = machine
            .tapvault(["export", profile, "-n", "--format", "json"])
            .prints_secrets()
            .run()
            .success()
            .touches(1);
        assert_eq!(out.json()["SecretAccessKey"], secret);
    }
    machine
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    // The lost token goes: a touch to vouch, and one for each entry.
    machine
        .tapvault(["key", "remove", "yubikey-15042118"])
        .run()
        .success()
        .touches(3)
        .says("dev and prod");
    machine
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    // Whoever finds the laptop gets nothing out of the new vault.
    lost.laptop.token().insert().expect("plugged in");
    copy(&machine.vault(), &lost.laptop.vault());
    let out = lost.laptop.tapvault(["exec", "prod", "--", "true"]).run();
    out.fails(5, "no-key").touches(0);
}

#[test]
fn stock_tools_open_the_copied_vault_with_the_paper_and_with_the_new_token() {
    let lost = lost();
    let machine = new_machine(&lost);
    let identity = machine.root().join("paper.txt");
    fs::write(&identity, format!("{}\n", lost.paper)).expect("the paper, typed off");
    // Nothing of tapvault's has run on this machine.
    for (profile, key) in [("prod", ANA), ("dev", BEN)] {
        let file = format!("entries/{profile}.age");
        let words = ["-d", "-i", identity.to_str().expect("text"), &file];
        let out = machine
            .program("age", words)
            .in_folder(&machine.vault())
            .prints_secrets()
            .run()
            .success();
        assert_eq!(secrets(&out.json()), (key.0, key.1));
    }
    fs::remove_file(&identity).expect("removed");
    enroll_with_paper(&machine, &lost.paper);
    // The plugin finds the new token's key by itself.
    let listed = with_tools(machine.program("age-plugin-yubikey", ["--identity"]))
        .run()
        .success();
    let identity = machine.root().join("token.txt");
    fs::write(&identity, &listed.stdout).expect("the plugin's identity");
    let words = [
        Path::new("-d"),
        Path::new("-i"),
        &identity,
        Path::new("entries/prod.age"),
    ];
    let mut terminal = with_tools(machine.program("age", words))
        .in_folder(&machine.vault())
        .prints_secrets()
        .on_terminal();
    answer_unseen(&mut terminal, "PIN for YubiKey", PIN);
    let opened = terminal.finish().success().json();
    assert_eq!(secrets(&opened), ANA);
}

fn secrets(content: &Value) -> (&str, &str) {
    let text = |name: &str| content[name].as_str().expect("text");
    (text("access_key_id"), text("secret_access_key"))
}
