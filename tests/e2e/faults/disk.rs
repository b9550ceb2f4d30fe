//! A disk that is really full, or can only be read: what is there can be used, what is new is refused whole.

use super::content::content;
use super::steps::{copy, enroll_token, lines};
use super::{adopt, quick, start_anew, with_paper_and_prod};
use crate::bench::run::Invocation;
use crate::bench::{ANA, Bench, Snapshot};
use std::path::{Path, PathBuf};
use tapvault_lab::aws_standin::{ANA_MFA, BEN_KEY, BEN_SECRET};

/// Like a disk of 256 KiB on which nothing is left; the folder is brought back afterwards for the test to look at.
const FULL: &str = r#"
set -e
folder=$1 after=$2; shift 2
cp -a "$folder" "$after.before"
mount -t tmpfs -o size=256k,mode=0700 full "$folder"
cp -a "$after.before/." "$folder"
cat /dev/zero >"$folder/filler" 2>/dev/null || true
code=0; "$@" || code=$?
rm "$folder/filler"
cp -a "$folder" "$after"
exit $code
"#;

/// The folder as it is, but nothing can be changed in it.
pub const READ_ONLY: &str = r#"
set -e
folder=$1; shift 2
mount --bind "$folder" "$folder"
mount -o remount,bind,ro "$folder"
exec "$@"
"#;

#[test]
fn on_a_full_disk_what_is_there_is_used_and_what_is_new_is_refused_whole() {
    let bench = prod_and_a_second_slot();
    let before = Snapshot::of(&bench.vault());
    let after = bench.root().join("after");
    let full = |line: &[&str]| {
        let _ = std::fs::remove_dir_all(after.with_extension("before"));
        let _ = std::fs::remove_dir_all(&after);
        mounted(&bench, FULL, &bench.vault(), &after, line)
    };
    full(&["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .says("warning: the session could not be kept");
    full(&["export", "prod"]).prints_secrets().run().success();
    full(&["list"]).run().success();
    full(&["key", "list"]).run().success();
    let changes: [&[&str]; 4] = [
        &["add", "dev", "--stdin", "--offline"],
        &["add", "prod", "--stdin", "--offline", "--force"],
        &["key", "enroll", "piv", "--existing", "2", "--name", "spare"],
        &["key", "remove", "yubikey"],
    ];
    for line in changes {
        let output = full(line).stdin(&lines((BEN_KEY, BEN_SECRET))).run();
        output
            .fails(1, "other")
            .says("no space left on device")
            .says("free some space and run it again");
        let now = Snapshot::of(&after);
        for name in before.names() {
            assert_eq!(now.file(name), before.file(name), "{name} after {line:?}");
        }
        // What was prepared may have stayed; it stands in nobody's way once there is space again.
        let vault = bench.root().join("vault-before");
        copy(&bench.vault(), &vault);
        copy(&after, &bench.vault());
        assert_eq!(content(&bench).entries["prod"], ANA.1);
        if bench.vault().join("next/keys.json").exists() {
            bench.tapvault(["key", "resume", "--abandon"]).run().success();
        }
        bench.tapvault(["exec", "prod", "--", "true"]).run().success();
        copy(&vault, &bench.vault());
    }
    // Removing needs no space.
    full(&["remove", "prod", "--force"]).run().success();
    assert!(Snapshot::of(&after).file("entries/prod.age").is_none());
}

#[test]
fn when_this_machine_can_remember_nothing_it_says_so_and_works() {
    let bench = prod_and_a_second_slot();
    let after = bench.root().join("after");
    for script in [FULL, READ_ONLY] {
        let unable = |line: &[&str]| {
            let _ = std::fs::remove_dir_all(after.with_extension("before"));
            let _ = std::fs::remove_dir_all(&after);
            mounted(&bench, script, &bench.state_folder(), &after, line)
        };
        unable(&["exec", "prod", "--", "true"])
            .run()
            .success()
            .says("could not be remembered");
        unable(&["add", "prod", "--stdin", "--offline", "--force"])
            .stdin(&lines(ANA))
            .run()
            .success()
            .says("warning: ");
        unable(&["key", "enroll", "piv", "--existing", "2", "--name", "spare"])
            .run()
            .success()
            .says("could not be remembered");
        unable(&["key", "remove", "spare"])
            .run()
            .success()
            .says("could not be remembered");
    }
    assert_eq!(content(&bench).entries["prod"], ANA.1);
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
}

#[test]
fn a_code_whose_step_cannot_be_recorded_is_sent_if_a_person_gave_it_and_not_if_a_program_did() {
    let bench = prod_and_a_second_slot();
    let role = "role_arn = arn:aws:iam::444455556666:role/admin\nsource_profile = prod\n";
    let codes = bench.home().join("codes");
    std::fs::write(&codes, "#!/bin/sh\necho 123456\n").expect("a program");
    bench.aws_config(&format!(
        "[profile prod]\nregion = eu-central-1\n\
         [profile admin]\n{role}mfa_serial = {ANA_MFA}\n\
         [profile program]\n{role}mfa_serial = {ANA_MFA}\nmfa_process = sh {}\n",
        codes.display()
    ));
    let code = bench.aws().unused_totp(ANA_MFA).expect("a code");
    let read_only = |line: &[&str]| mounted(&bench, READ_ONLY, &bench.state_folder(), Path::new("-"), line);
    bench.aws().clear_calls();
    read_only(&["exec", "program", "--", "true"])
        .run()
        .fails(1, "other")
        .says("read-only file system")
        .says("tapvault needs to write there");
    assert!(
        bench
            .aws()
            .calls()
            .iter()
            .all(|call| !call.parameters.contains_key("TokenCode"))
    );
    read_only(&["exec", "-t", &code, "admin", "--", "true"])
        .run()
        .success()
        .says("warning: the spent code could not be recorded");
}

#[test]
fn a_vault_that_can_only_be_read_opens_and_refuses_changes_before_a_touch_is_spent() {
    let bench = prod_and_a_second_slot();
    let before = bench.snapshot();
    let read_only = |line: &[&str]| mounted(&bench, READ_ONLY, &bench.vault(), Path::new("-"), line);
    read_only(&["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1)
        .says("warning: the session could not be kept");
    read_only(&["export", "prod"])
        .prints_secrets()
        .run()
        .success()
        .touches(1);
    read_only(&["list"]).run().success();
    read_only(&["key", "list"]).run().success();
    let changes: [&[&str]; 6] = [
        &["add", "dev", "--stdin", "--offline"],
        &["add", "prod", "--stdin", "--offline", "--force"],
        &["key", "enroll", "piv", "--existing", "2", "--name", "spare"],
        &["key", "enroll", "piv"],
        &["key", "remove", "yubikey"],
        &["remove", "prod", "--force"],
    ];
    let keys = bench.token().counts().expect("counts").touches;
    for line in changes {
        read_only(line)
            .stdin(&lines(ANA))
            .run()
            .fails(1, "other")
            .touches(0)
            .says("read-only file system")
            .says("tapvault needs to write there");
        assert_eq!(bench.snapshot(), before, "{line:?}");
    }
    assert_eq!(bench.token().counts().expect("counts").touches, keys);
    // Nothing was made on the token either: the next free slot is the third still.
    enroll_token(&bench, "next").says("slot 84 (retired 3) is free");
}

/// Runs tapvault in a mount namespace of its own, in which `script` has done something to `folder`.
pub fn mounted<'b>(bench: &'b Bench, script: &str, folder: &Path, after: &Path, line: &[&str]) -> Invocation<'b> {
    let words = ["--mount", "sh", "-c", script, "sh"].map(PathBuf::from).into_iter();
    let words = words.chain([
        folder.to_owned(),
        after.to_owned(),
        env!("CARGO_BIN_EXE_tapvault").into(),
    ]);
    bench.program("/usr/bin/unshare", words.chain(line.iter().map(PathBuf::from)))
}

/// Keys: yubikey and paper; entries: prod. In the token's second slot is a key that is not enrolled.
fn prod_and_a_second_slot() -> Bench {
    let bench = quick();
    enroll_token(&bench, "yubikey");
    enroll_token(&bench, "spare");
    start_anew(&bench);
    adopt(&bench, "1", "yubikey");
    with_paper_and_prod(bench)
}
