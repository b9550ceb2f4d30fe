//! Entries, their sidecars and the vault secret, made up or moved.

use super::{RUNS, knows_a_passphrase};
use crate::bench::ANA;
use crate::tampering::{
    Aside, BEN, add_new, copy, made_up, make_folder, read_json, refused, refuses, said_with_a_way_on, seal_to_all,
    with_two_entries, write,
};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use tapvault::token::Point;

#[test]
fn an_entry_copied_over_another_one_is_forged() {
    let bench = with_two_entries();
    let aside = Aside::of(&bench);
    let entries = bench.vault().join("entries");
    for with_sidecar in [false, true] {
        copy(&entries.join("prod.age"), &entries.join("dev.age"));
        if with_sidecar {
            copy(&entries.join("prod.json"), &entries.join("dev.json"));
        }
        refused(&bench, RUNS, 10, "forged", "entries/dev.age")
            .touches(1)
            .says("\"prod\"");
        for format in ["env", "export-env", "json", "ini"] {
            refused(
                &bench,
                ["export", "dev", "--format", format, "-n"],
                10,
                "forged",
                "entries/dev.age",
            );
        }
        // It would not be what the touch was for.
        refused(&bench, ["remove", "dev", "--force"], 10, "forged", "entries/dev.age");
        // Nor is it passed on to another key.
        knows_a_passphrase(&bench);
        let before = bench.snapshot();
        let enroll = ["key", "enroll", "passphrase", "--allow-touchless"];
        said_with_a_way_on(bench.tapvault(enroll).run(), 10, "forged", "entries/dev.age").says("key resume");
        said_with_a_way_on(bench.tapvault(["key", "resume"]).run(), 10, "forged", "entries/dev.age");
        bench.tapvault(["key", "resume", "--abandon"]).run().success();
        assert_eq!(bench.snapshot(), before);
        aside.put_back();
    }
    // The way on that the hint names.
    copy(&entries.join("prod.age"), &entries.join("dev.age"));
    bench
        .tapvault(["add", "dev", "--stdin", "--force"])
        .stdin(&format!("{}\n{}\n", BEN.0, BEN.1))
        .run()
        .success()
        .touches(1);
    bench.tapvault(["exec", "dev", "--", "true"]).run().success().touches(1);
}

#[test]
fn an_entry_made_with_public_recipients_only_is_forged() {
    let bench = with_two_entries();
    let dev = bench.vault().join("entries/dev.age");
    let said = [
        (
            made_up("access-key", "dev"),
            "forged",
            "does not carry this vault's secret",
        ),
        (made_up("session", "dev"), "damaged", "entries/dev.age"),
        (made_up("vault-secret", "dev"), "forged", "entries/dev.age"),
        (made_up("something", "dev"), "damaged", "entries/dev.age"),
        (json!({}), "damaged", "entries/dev.age"),
        (json!([1, 2, 3]), "damaged", "entries/dev.age"),
    ];
    for (content, name, words) in said {
        write(&dev, seal_to_all(&bench, content.to_string().as_bytes()));
        refused(&bench, RUNS, 10, name, "entries/dev.age")
            .touches(1)
            .says(words);
    }
    for (field, value) in [
        ("vault_secret", json!("")),
        ("vault_secret", json!(BASE64_STANDARD.encode([7; 31]))),
        ("vault_secret", json!(BASE64_STANDARD.encode([7; 300]))),
        ("vault_secret", json!(null)),
        ("generation", json!(-1)),
        ("generation", json!("9")),
        ("tapvault", json!(2)),
    ] {
        let mut content = made_up("access-key", "dev");
        content[field] = value;
        write(&dev, seal_to_all(&bench, content.to_string().as_bytes()));
        refused(&bench, RUNS, 10, "damaged", "entries/dev.age");
    }
    for content in [&b""[..], b"\xff\xfe", b"{", &[b'['; 100_000]] {
        write(&dev, seal_to_all(&bench, content));
        refused(&bench, RUNS, 10, "damaged", "entries/dev.age");
    }
    // A highest generation does not make it newer than anything.
    let mut content = made_up("access-key", "dev");
    content["generation"] = json!(u64::MAX);
    write(&dev, seal_to_all(&bench, content.to_string().as_bytes()));
    refused(&bench, RUNS, 10, "forged", "entries/dev.age");
    refused(&bench, ["remove", "dev", "--force"], 10, "forged", "entries/dev.age");
}

#[test]
fn the_vault_secret_made_up_or_replaced_by_an_entry_is_forged() {
    let bench = with_two_entries();
    let file = bench.vault().join("vault.age");
    let mut content = made_up("vault-secret", "");
    write(&file, seal_to_all(&bench, content.to_string().as_bytes()));
    refuses(&bench, add_new(&bench), 10, "forged", "vault.age").touches(1);
    content["vault_secret"] = json!(BASE64_STANDARD.encode([0; 32]));
    write(&file, seal_to_all(&bench, content.to_string().as_bytes()));
    refuses(&bench, add_new(&bench), 10, "forged", "vault.age");
    copy(&bench.vault().join("entries/prod.age"), &file);
    refuses(&bench, add_new(&bench), 10, "forged", "vault.age");
    fs::remove_file(&file).expect("removed");
    refuses(&bench, add_new(&bench), 10, "damaged", "vault.age").touches(0);
    // What is there still opens.
    bench.tapvault(RUNS).run().success();
}

#[test]
fn a_lying_sidecar_is_believed_in_nothing_that_matters_and_mended() {
    let bench = with_two_entries();
    let aside = Aside::of(&bench);
    let file = bench.vault().join("entries/dev.json");
    let right = read_json(&file);
    let lie = |field: &str, value: serde_json::Value| {
        let mut lie = right.clone();
        lie[field] = value;
        lie.to_string().into_bytes()
    };
    let lies: Vec<Vec<u8>> = vec![
        lie("profile", json!("prod")),
        lie("entry", json!("00112233445566778899aabbccddeeff")),
        lie("arn", json!("arn:aws:iam::999988887777:user/mallory")),
        lie("arn", json!("\u{1b}]0;owned\u{7}\u{1b}[2J\n\u{202e}:::::/")),
        lie("access_key_id", json!("\u{1b}[2Jä")),
        lie("generation", json!(0)),
        lie("generation", json!(u64::MAX)),
        lie("kind", json!("session")),
        lie("added", json!("9999-12-30T00:00:00Z")),
        lie("tapvault", json!(2)),
        b"".to_vec(),
        b"{".to_vec(),
        vec![0xff; 1000],
        vec![b' '; 1 << 20],
        b"[".repeat(200_000),
    ];
    for lie in lies {
        write(&file, &lie);
        let table = bench.tapvault(["list"]).run().success();
        let json = bench.tapvault(["list", "--json"]).run().success();
        assert!(
            !table.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']) && !json.stdout.contains('\u{1b}'),
            "{table}\n{json}"
        );
        let out = bench
            .tapvault(["exec", "dev", "-n", "--", "env"])
            .prints_secrets()
            .run()
            .success()
            .touches(1)
            .does_not_say("\u{1b}")
            .does_not_say("\u{202e}");
        assert_eq!(out.variable("AWS_ACCESS_KEY_ID"), BEN.0);
        assert_eq!(
            read_json(&file),
            right,
            "it was mended after {}",
            String::from_utf8_lossy(&lie)
        );
        aside.put_back();
    }
    fs::remove_file(&file).expect("removed");
    assert!(bench.tapvault(["list"]).run().success().stdout.contains("dev"));
    bench.tapvault(["exec", "dev", "-n", "--", "true"]).run().success();
    assert_eq!(read_json(&file), right);
    // A new access key for the profile goes in whatever the sidecar counts.
    for generation in [u64::MAX, u64::MAX - 1] {
        write(&file, lie("generation", json!(generation)));
        bench
            .tapvault(["add", "dev", "--stdin", "--force"])
            .stdin(&format!("{}\n{}\n", ANA.0, ANA.1))
            .run()
            .success();
        bench.tapvault(["exec", "dev", "-n", "--", "true"]).run().success();
        let now = read_json(&file)["generation"].as_u64();
        assert!(now.is_some_and(|now| now < 10), "{now:?}");
    }
}

#[test]
fn a_sidecar_that_is_far_too_large_is_named() {
    let bench = with_two_entries();
    write(&bench.vault().join("entries/dev.json"), vec![b' '; 5 << 20]);
    refused(&bench, RUNS, 10, "damaged", "entries/dev.json");
    refused(&bench, ["list"], 10, "damaged", "entries/dev.json");
    // The other entry does not suffer.
    bench.tapvault(["exec", "prod", "--", "true"]).run().success();
}

#[test]
fn no_link_in_the_vault_leads_a_change_out_of_it() {
    let bench = with_two_entries();
    let aside = Aside::of(&bench);
    let outside = bench.root().join("outside");
    let vault = bench.vault();
    let fresh = || {
        aside.put_back();
        let _ = fs::remove_dir_all(&outside);
        make_folder(&outside);
        for name in ["COMMIT", "keys.json", "letter", "love.age"] {
            write(&outside.join(name), "precious");
        }
    };
    let intact = |what: &str| {
        let left = outside.read_dir().expect("it is there").count();
        assert_eq!(left, 4, "files of another folder were taken by {what}");
    };
    for part in ["next", "sessions", "passphrases", "keys.d", "entries"] {
        fresh();
        let _ = fs::remove_dir_all(vault.join(part));
        symlink(&outside, vault.join(part)).expect("linked");
        if part != "next" {
            // A change that only has to be finished would move and delete files in there.
            make_folder(&vault.join("next"));
            write(&vault.join("next/COMMIT"), "");
        }
        for words in [&["list"][..], &RUNS, &["clear"], &["key", "resume"]] {
            refused(&bench, words, 10, "damaged", part);
        }
        refuses(&bench, add_new(&bench), 10, "damaged", part);
        intact(part);
        let _ = bench.tapvault(["key", "resume", "--abandon"]).run();
        intact(part);
    }
    for part in ["entries", "passphrases"] {
        fresh();
        make_folder(&vault.join("next"));
        write(&vault.join("next/COMMIT"), "");
        symlink(&outside, vault.join("next").join(part)).expect("linked");
        refused(&bench, ["list"], 10, "damaged", &format!("next/{part}"));
        intact(part);
    }
}

#[test]
fn a_point_off_the_curve_never_reaches_the_token() {
    let bench = with_two_entries();
    // A compressed point whose x has no y.
    let off = (0..=u8::MAX)
        .map(|last| {
            let mut point = [0; 33];
            point[0] = 2;
            point[32] = last;
            point
        })
        .find(|point| Point::from_sec1(point).is_err())
        .expect("half of all x have no y");
    let mut long = vec![4; 65];
    long[64] = 7;
    for (what, point) in [
        ("off the curve", off.to_vec()),
        ("uncompressed and off the curve", long),
        ("the point at infinity", vec![0]),
        ("nothing", vec![]),
        ("of another field", [vec![3], vec![0xff; 32]].concat()),
    ] {
        for (file, command) in [("entries/dev.age", "exec"), ("vault.age", "add")] {
            let aside = Aside::of(&bench);
            let path = bench.vault().join(file);
            let sealed = fs::read(&path).expect("read");
            write(&path, with_ephemeral(&sealed, &point));
            let mark = bench.token().mark().expect("a mark");
            if command == "exec" {
                refused(&bench, RUNS, 10, "damaged", "dev").touches(0);
                refused(&bench, ["remove", "dev", "--force"], 10, "damaged", "dev").touches(0);
            } else {
                refuses(&bench, add_new(&bench), 10, "damaged", "vault.age").touches(0);
            }
            let log = bench.token().log_since(mark).expect("the log");
            let used: Vec<_> = log
                .iter()
                .filter(|entry| entry.instruction.contains("AUTHENTICATE"))
                .collect();
            assert!(used.is_empty(), "{what}: {used:?}");
            aside.put_back();
        }
    }
}

/// The age file with another ephemeral key in its `piv-p256` stanza. The header's MAC no longer fits; nobody gets so far.
fn with_ephemeral(sealed: &[u8], point: &[u8]) -> Vec<u8> {
    let start = sealed
        .windows(12)
        .position(|window| window == b"-> piv-p256 ")
        .expect("a stanza");
    let end = start + sealed[start..].iter().position(|b| *b == b'\n').expect("its end");
    let line = String::from_utf8_lossy(&sealed[start..end]).into_owned();
    let (before, _) = line.rsplit_once(' ').expect("arguments");
    let line = format!("{before} {}", BASE64_STANDARD_NO_PAD.encode(point));
    [&sealed[..start], line.as_bytes(), &sealed[end..]].concat()
}
