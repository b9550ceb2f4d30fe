//! The program is cut short at every write, by kill -9 and by errors of the disk: the vault is in the old or the new state,
//! everything opens with every key, and the way on leads to the end.

mod broken_off;
pub mod content;
pub mod disk;
pub mod scene;
mod scrub;
pub mod steps;
pub mod strace;

use crate::bench::{ANA, Bench};
use scene::Scene;
use steps::{add, enroll_paper, enroll_passphrase, enroll_token, lines, quick, start_anew};
use tapvault_lab::aws_standin::{BEN_KEY, BEN_SECRET};

#[test]
fn add_cut_short_at_any_write_leaves_the_old_or_the_new_state() {
    let bench = two_keys_and_prod();
    Scene::new(bench, &["add", "dev", "--stdin", "--offline"], &[12])
        .stdin(&lines(ANA))
        .becomes(|content| {
            content.entries.insert("dev".into(), ANA.1.into());
        })
        .strike_everywhere();
}

#[test]
fn add_force_cut_short_at_any_write_leaves_the_old_or_the_new_state() {
    let bench = two_keys_and_prod();
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    Scene::new(bench, &["add", "prod", "--stdin", "--offline", "--force"], &[0])
        .stdin(&lines((BEN_KEY, BEN_SECRET)))
        .becomes(|content| {
            content.entries.insert("prod".into(), BEN_SECRET.into());
        })
        .strike_everywhere();
}

#[test]
fn remove_cut_short_at_any_write_leaves_the_old_or_the_new_state() {
    let bench = two_keys_and_prod();
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    Scene::new(bench, &["remove", "prod", "--force"], &[4])
        .becomes(|content| {
            content.entries.remove("prod");
        })
        .strike_everywhere();
}

#[test]
fn exec_cut_short_at_any_write_loses_nothing_and_works_on_a_full_disk() {
    let bench = two_keys_and_prod();
    Scene::new(bench, &["exec", "prod", "--", "true"], &[0])
        .only_courtesies()
        .strike_everywhere();
}

#[test]
fn the_first_enrolment_cut_short_at_any_write_leaves_no_vault_or_a_whole_one() {
    let bench = quick();
    enroll_token(&bench, "yubikey");
    start_anew(&bench);
    Scene::new(
        bench,
        &["key", "enroll", "piv", "--existing", "1", "--name", "yubikey"],
        &[12],
    )
    .becomes(|content| {
        content.keys.insert("yubikey".into());
    })
    .strike_everywhere();
}

#[test]
fn a_second_enrolment_cut_short_at_any_write_leaves_the_old_or_the_new_keys() {
    let bench = quick();
    enroll_token(&bench, "yubikey");
    enroll_token(&bench, "spare");
    start_anew(&bench);
    bench
        .tapvault(["key", "enroll", "piv", "--existing", "1", "--name", "yubikey"])
        .run()
        .success();
    enroll_paper(&bench);
    add(&bench, "prod");
    add(&bench, "dev");
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    Scene::new(
        bench,
        &["key", "enroll", "piv", "--existing", "2", "--name", "spare"],
        &[12],
    )
    .becomes(|content| {
        content.keys.insert("spare".into());
    })
    .strike_everywhere();
}

#[test]
fn removing_a_key_cut_short_at_any_write_leaves_the_old_or_the_new_keys() {
    let bench = two_keys_and_prod();
    add(&bench, "dev");
    enroll_token(&bench, "spare");
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    Scene::new(bench, &["key", "remove", "spare"], &[5])
        .becomes(|content| {
            content.keys.remove("spare");
        })
        .strike_everywhere();
}

#[test]
fn the_first_token_of_a_passphrase_vault_cut_short_at_any_write_leaves_the_old_or_the_new_keys() {
    let bench = quick();
    enroll_token(&bench, "yubikey");
    start_anew(&bench);
    enroll_passphrase(&bench);
    enroll_paper(&bench);
    add(&bench, "prod");
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
    Scene::new(
        bench,
        &["key", "enroll", "piv", "--existing", "1", "--name", "yubikey"],
        &[12],
    )
    .becomes(|content| {
        content.keys.insert("yubikey".into());
        content.keys.remove("passphrase");
    })
    .strike_everywhere();
}

fn two_keys_and_prod() -> Bench {
    let bench = quick();
    enroll_token(&bench, "yubikey");
    with_paper_and_prod(bench)
}

fn with_paper_and_prod(bench: Bench) -> Bench {
    enroll_paper(&bench);
    add(&bench, "prod");
    bench
}

/// Enrolls the key that is in this retired slot already.
fn adopt(bench: &Bench, slot: &str, name: &str) {
    let line = ["key", "enroll", "piv", "--existing", slot, "--name", name];
    bench.tapvault(line).run().success();
}
