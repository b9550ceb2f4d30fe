//! Somebody can write the vault's folder and holds no key: whatever is put there is found out before anything is handed out.

use crate::bench::{ANA, Bench, SERIAL};
use crate::tampering::{
    Aside, BEN, Mallory, add_new, copy, enroll_without_pin, key_document, list, made_up, make_folder,
    public_recipients, read_json, refused, refuses, said_with_a_way_on, seal_to_all, version, with_two_entries, write,
};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::symlink;
use tapvault::agefile;
use tapvault::token::Point;
use tapvault::vault::name::hex;

/// What a command prints that must not have run.
const RUNS: [&str; 5] = ["exec", "dev", "--", "echo", "released"];

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
fn a_recipient_added_to_the_key_list_is_never_sealed_to() {
    let bench = with_two_entries();
    let file = bench.vault().join("keys.json");
    let mut document = key_document(&bench);
    let mallory = serde_json::to_value(Mallory::new().record()).expect("JSON");
    document["list"]["keys"].as_array_mut().expect("keys").push(mallory);
    write(&file, document.to_string());
    nothing_is_done_with_the_list(&bench);
}

#[test]
fn a_list_and_its_voucher_replaced_together_are_forged() {
    let bench = with_two_entries();
    let aside = Aside::of(&bench);
    let file = bench.vault().join("keys.json");
    let before = version(&file);
    let mut mallory = Mallory::new();
    // The next one in the chain, in good order, with her key beside ours and her voucher.
    let mut next = list(&file);
    next.generation += 1;
    next.previous = Some(hex(&before.digest()));
    next.keys.push(mallory.record());
    make_folder(&bench.vault().join("keys.d"));
    copy(&file, &bench.vault().join("keys.d/000001.json"));
    write(&file, mallory.vouches_for(next.clone()));
    nothing_is_done_with_the_list(&bench);
    // With a history that she vouches for as well.
    let mut first = list(&aside.vault().join("keys.json"));
    first.keys.push(mallory.record());
    let document = mallory.vouches_for(first);
    write(&bench.vault().join("keys.d/000001.json"), &document);
    next.previous = Some(hex(&version(&bench.vault().join("keys.d/000001.json")).digest()));
    write(&file, mallory.vouches_for(next.clone()));
    nothing_is_done_with_the_list(&bench);
    // Her key alone, and what only she can open: then ours is not even looked for.
    next.keys = vec![mallory.record()];
    write(&file, mallory.vouches_for(next));
    said_with_a_way_on(add_new(&bench).run(), 5, "no-key", "mallory").touches(0);
    refused(&bench, RUNS, 5, "no-key", "dev").touches(0);
    aside.put_back();
    // A first list of its own, with our key in it and a K of hers.
    let mut first = list(&file);
    first.keys.push(mallory.record());
    first.vault_secret_sha256 = "ab".repeat(32);
    write(&file, mallory.vouches_for(first));
    nothing_is_done_with_the_list(&bench);
    // The way on: the files from a backup.
    aside.put_back_vault();
    bench.tapvault(RUNS).run().success();
}

#[test]
fn vouchers_that_are_missing_garbled_or_for_another_list_are_forged() {
    let bench = with_two_entries();
    let file = bench.vault().join("keys.json");
    let honest = fs::read_to_string(&file).expect("text");
    let right = key_document(&bench);
    let signature = right["vouchers"][0]["signature"]
        .as_str()
        .expect("a voucher")
        .to_owned();
    let mut bytes = BASE64_STANDARD.decode(&signature).expect("base64");
    *bytes.last_mut().expect("bytes") ^= 1;
    let name = &right["vouchers"][0]["key"];
    let spoilt = [
        json!([]),
        json!([{ "key": name, "signature": "" }]),
        json!([{ "key": name, "signature": "not base64!" }]),
        json!([{ "key": name, "signature": BASE64_STANDARD.encode(bytes) }]),
        json!([{ "key": name, "signature": BASE64_STANDARD.encode([0x30; 72]) }]),
        json!([{ "key": name, "signature": BASE64_STANDARD.encode([0; 64]) }]),
        json!([{ "key": "mallory", "signature": "" }]),
    ];
    for vouchers in spoilt {
        write(&file, with_vouchers(&honest, &vouchers));
        nothing_is_done_with_the_list(&bench);
    }
    // The voucher of the list before it.
    write(&file, &honest);
    knows_a_passphrase(&bench);
    bench
        .tapvault(["key", "enroll", "passphrase", "--allow-touchless"])
        .run()
        .success();
    let now = fs::read_to_string(&file).expect("text");
    write(&file, with_vouchers(&now, &right["vouchers"]));
    nothing_is_done_with_the_list(&bench);
}

#[test]
fn a_list_with_more_keys_or_vouchers_than_anybody_has_is_refused_at_once() {
    let bench = with_two_entries();
    let file = bench.vault().join("keys.json");
    let right = key_document(&bench);
    // Each voucher costs a verification with each key: thousands of both would take for ever.
    let mut document = right.clone();
    let voucher = right["vouchers"][0].clone();
    document["vouchers"] = vec![voucher; 20_000].into();
    document["list"]["generation"] = json!(2);
    document["list"]["previous"] = json!("ab".repeat(32));
    write(&file, document.to_string());
    let out = refused(&bench, RUNS, 10, "damaged", "keys.json");
    assert!(out.took.as_secs() < 3, "{out}");
    let mut document = right;
    let mallory = Mallory::new().record();
    let many = (0..5000).map(|number| {
        let mut record = serde_json::to_value(&mallory).expect("JSON");
        record["name"] = json!(format!("mallory-{number}"));
        record
    });
    document["list"]["keys"].as_array_mut().expect("keys").extend(many);
    write(&file, document.to_string());
    let out = refused(&bench, RUNS, 10, "damaged", "keys.json");
    assert!(out.took.as_secs() < 3, "{out}");
}

/// A key file with the same list, byte for byte, and other vouchers.
fn with_vouchers(document: &str, vouchers: &serde_json::Value) -> String {
    let (list, _) = document.split_once(",\"vouchers\":").expect("vouchers after the list");
    format!("{list},\"vouchers\":{vouchers}}}\n")
}

/// Pinentry answers when a passphrase key is to be made.
fn knows_a_passphrase(bench: &Bench) {
    bench.pinentry_knows("passphrase", "eight.words.or.so");
    bench.pinentry_knows("once", "eight.words.or.so");
}

/// Every command that opens or seals refuses the key list as forged, and asks for no touch.
#[track_caller]
fn nothing_is_done_with_the_list(bench: &Bench) {
    let thing = "the key list can't be believed";
    refuses(bench, add_new(bench), 10, "forged", thing).touches(0);
    refused(bench, RUNS, 10, "forged", thing).touches(0);
    refused(bench, ["export", "dev", "-n"], 10, "forged", thing).touches(0);
    refused(bench, ["remove", "dev", "--force"], 10, "forged", thing).touches(0);
    refused(bench, ["key", "trust", "--yes"], 10, "forged", thing).touches(0);
    knows_a_passphrase(bench);
    let enroll = ["key", "enroll", "passphrase", "--allow-touchless"];
    refused(bench, enroll, 10, "forged", thing).touches(0);
}

#[test]
fn a_drawer_token_needs_every_link_of_the_history() {
    let bench = with_two_entries();
    // Lists that the token has not vouched for itself: 3 follows 2 by the paper key's voucher.
    let paper = bench.enroll_paper("paper");
    bench.pinentry_answers(&[&paper]);
    knows_a_passphrase(&bench);
    bench
        .tapvault(["--recovery", "key", "enroll", "passphrase", "--allow-touchless"])
        .run()
        .success()
        .touches(0);
    let aside = Aside::of(&bench);
    let exec = ["--key", "yubikey-15042118", "exec", "dev", "--", "echo", "released"];
    bench.tapvault(exec).run().success().touches(1);
    let link = bench.vault().join("keys.d/000002.json");
    fs::remove_file(&link).expect("removed");
    refused(&bench, exec, 10, "forged", "keys.d/000002.json").touches(0);
    for garbage in [&b""[..], b"{", b"\xff\x00", b"{\"list\":{},\"vouchers\":[]}"] {
        write(&link, garbage);
        refused(&bench, exec, 10, "damaged", "keys.d/000002.json").touches(0);
    }
    copy(&bench.vault().join("keys.d/000001.json"), &link);
    refused(&bench, exec, 10, "forged", "the key list can't be believed").touches(0);
    // A generation that has no successor.
    let mut document = read_json(&aside.vault().join("keys.d/000002.json"));
    document["list"]["generation"] = json!(u64::MAX);
    write(&link, document.to_string());
    refused(&bench, exec, 10, "forged", "the key list can't be believed").touches(0);
    aside.put_back();
    bench.tapvault(exec).run().success();
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
fn a_change_of_keys_that_somebody_planted_does_not_happen() {
    let bench = with_two_entries();
    let aside = Aside::of(&bench);
    let next = bench.vault().join("next");
    let keys = bench.vault().join("keys.json");
    let mut mallory = Mallory::new();
    let mut forged = list(&keys);
    forged.generation += 1;
    forged.previous = Some(hex(&version(&keys).digest()));
    forged.keys.push(mallory.record());
    let forged = mallory.vouches_for(forged);
    let mut first = list(&keys);
    first.keys.push(mallory.record());
    let first = mallory.vouches_for(first);
    let plant = |document: &[u8], commit: Option<&str>| {
        aside.put_back();
        make_folder(&next);
        make_folder(&next.join("entries"));
        write(&next.join("keys.json"), document);
        let content = made_up("access-key", "dev").to_string();
        write(&next.join("entries/dev.age"), seal_to_all(&bench, content.as_bytes()));
        write(&next.join("vault.age"), seal_to_all(&bench, content.as_bytes()));
        if let Some(commit) = commit {
            write(&next.join("COMMIT"), commit);
        }
    };
    // In good order: what it starts from, and every file with its digest.
    let commit_in_good_order = |from: &str| {
        let digest = |name: &str| hex(&Sha256::digest(fs::read(next.join(name)).expect("planted")));
        let files = ["keys.json", "vault.age", "entries/dev.age"].map(|name| (name.to_owned(), json!(digest(name))));
        let record = json!({ "from": from, "files": serde_json::Map::from_iter(files) });
        write(&next.join("COMMIT"), record.to_string());
    };
    let from = hex(&version(&keys).digest());
    for document in [&forged[..], &first] {
        // Not committed: nothing is changed by it, but no other change can begin before it is thrown away.
        plant(document, None);
        bench.tapvault(RUNS).run().success();
        knows_a_passphrase(&bench);
        let enroll = ["key", "enroll", "passphrase", "--allow-touchless"];
        refused(&bench, enroll, 12, "conflict", "was interrupted").touches(0);
        let out = bench.tapvault(["key", "resume"]).run();
        assert_ne!(out.code, Some(0), "{out}");
        bench.tapvault(["key", "resume", "--abandon"]).run().success();
        assert!(!next.exists());
        bench.tapvault(["key", "list"]).run().success().does_not_say("mallory");
        // Said to have happened: nothing that was not vouched for takes its place.
        let other = "ab".repeat(32);
        for from in [&from, &other] {
            plant(document, None);
            commit_in_good_order(from);
            for words in [&["list"][..], &["key", "list"], &RUNS, &["remove", "dev", "--force"]] {
                refused(&bench, words, 12, "conflict", "a change of keys can't be finished").touches(0);
            }
            refuses(&bench, add_new(&bench), 12, "conflict", "a change of keys").touches(0);
            // The way on.
            bench.tapvault(["key", "resume", "--abandon"]).run().success();
            bench.tapvault(RUNS).run().success();
            bench.tapvault(["key", "list"]).run().success().does_not_say("mallory");
        }
    }
    let climbing = json!({ "from": from, "files": { "keys.json": "", "entries/../../x.age": "" } }).to_string();
    let foreign = json!({ "from": from, "files": { "keys.json": "", "home/x.age": "" } }).to_string();
    for commit in [
        "",
        "{",
        "\u{0}",
        "[]",
        "{\"from\":null,\"files\":{}}",
        &climbing,
        &foreign,
    ] {
        plant(&forged, Some(commit));
        refused(&bench, ["list"], 10, "damaged", "next/COMMIT");
        refused(&bench, RUNS, 10, "damaged", "next/COMMIT").touches(0);
        bench.tapvault(["key", "resume", "--abandon"]).run().success();
        bench.tapvault(RUNS).run().success();
    }
    for garbage in [&b""[..], b"{", b"\xff\x00"] {
        plant(garbage, None);
        commit_in_good_order(&from);
        refused(&bench, ["list"], 10, "damaged", "next/keys.json");
        plant(garbage, None);
        bench.tapvault(RUNS).run().success();
    }
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
fn sessions_that_are_not_what_they_should_be_are_fetched_anew() {
    let bench = with_two_entries();
    bench.aws_config("[profile prod]\nregion = eu-central-1\n[profile dev]\nregion = eu-central-1\n");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    let sessions = bench.vault().join("sessions");
    let of_prod: Vec<String> = session_names(&bench);
    bench.tapvault(["exec", "dev", "--", "true"]).run().success().touches(1);
    let all = session_names(&bench);
    let of_dev = all
        .iter()
        .find(|name| !of_prod.contains(name))
        .expect("a session of dev");
    let of_prod = &of_prod[0];
    let (prod, dev) = (
        sessions.join(format!("{of_prod}.age")),
        sessions.join(format!("{of_dev}.age")),
    );
    let (beside_prod, beside_dev) = (prod.with_extension("json"), dev.with_extension("json"));
    let aside = Aside::of(&bench);
    let env = || {
        bench
            .tapvault(["exec", "dev", "--", "env"])
            .prints_secrets()
            .run()
            .success()
    };
    let sealed = env().touches(1).variable("AWS_ACCESS_KEY_ID").to_owned();
    let calls = bench.calls().len();
    let fetched_anew = |what: &str, touches: usize| {
        let out = env().touches(touches);
        assert_ne!(out.variable("AWS_ACCESS_KEY_ID"), sealed, "{what}\n{out}");
        aside.put_back();
        out
    };
    // Another profile's, with and without its sidecar.
    copy(&prod, &dev);
    fetched_anew("copied", 2).says("fetched anew").says("forged");
    copy(&prod, &dev);
    copy(&beside_prod, &beside_dev);
    fetched_anew("copied with sidecar", 2).says("fetched anew");
    // Made up.
    let mut content = made_up("session", "dev");
    content["session_token"] = json!("mallory");
    content["expires"] = json!("2999-01-01T00:00:00Z");
    content["inputs"] = json!(of_dev);
    write(&dev, seal_to_all(&bench, content.to_string().as_bytes()));
    fetched_anew("made up", 2).says("forged");
    // The access key itself in the place of a session.
    copy(&bench.vault().join("entries/dev.age"), &dev);
    fetched_anew("an entry", 2).says("forged");
    // Changed or cut.
    let bytes = fs::read(&dev).expect("read");
    let mut flipped = bytes.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    write(&dev, flipped);
    fetched_anew("flipped", 2).says("damaged");
    for cut in [0, 1, 30, bytes.len() - 200] {
        write(&dev, &bytes[..cut]);
        let touches = if cut > 200 { 2 } else { 1 };
        fetched_anew("cut", touches);
    }
    fs::remove_file(&dev).expect("removed");
    fetched_anew("missing", 1);
    fs::remove_file(&beside_dev).expect("removed");
    fetched_anew("without its sidecar", 1);
    write(&beside_dev, "{");
    fetched_anew("with a garbled sidecar", 1);
    let mut early = read_json(&beside_dev);
    early["expires"] = json!("2020-01-01T00:00:00Z");
    write(&beside_dev, early.to_string());
    fetched_anew("ended, as its sidecar says", 1);
    assert!(bench.calls().len() > calls);
}

#[test]
fn an_ended_session_is_not_handed_out_whatever_its_sidecar_says() {
    let bench = with_two_entries();
    bench
        .tapvault(["exec", "dev", "-d", "15m", "--", "true"])
        .run()
        .success()
        .touches(1);
    let name = session_names(&bench).remove(0);
    let sidecar = bench.vault().join(format!("sessions/{name}.json"));
    let mut lie = read_json(&sidecar);
    lie["expires"] = json!("2999-01-01T00:00:00Z");
    write(&sidecar, lie.to_string());
    // So much life does no session of 15 minutes have left.
    bench.settings("min_ttl_seconds = 1000\n");
    bench
        .tapvault(["exec", "dev", "-d", "15m", "--", "true"])
        .run()
        .success()
        .touches(2);
    assert_eq!(
        bench.calls().iter().filter(|call| *call == "GetSessionToken").count(),
        2
    );
}

fn session_names(bench: &Bench) -> Vec<String> {
    let files = bench.vault().join("sessions").read_dir().expect("sessions");
    files
        .filter_map(|file| {
            file.ok()?
                .file_name()
                .into_string()
                .ok()?
                .strip_suffix(".age")
                .map(str::to_owned)
        })
        .collect()
}

#[test]
fn a_passphrase_file_with_another_identity_is_forged() {
    let bench = Bench::setup().no_token().start();
    bench.settings("passphrase_command = \"echo correct.horse.battery\"\n");
    bench.tapvault(["key", "enroll", "passphrase"]).run().success();
    bench.add_stdin("dev", BEN).run().success();
    let aside = Aside::of(&bench);
    let file = bench.vault().join("passphrases/passphrase.age");
    // Made by somebody who knows the passphrase from elsewhere, with an identity that they know too.
    let mallory = Mallory::new();
    let under = |passphrase: &str, content: &str| {
        let mut recipient = age::scrypt::Recipient::new(age::secrecy::SecretString::from(passphrase.to_owned()));
        recipient.set_work_factor(2);
        agefile::seal(content.as_bytes(), &[Box::new(recipient)]).expect("sealed")
    };
    let thing = "passphrases/passphrase.age";
    write(&file, under("correct.horse.battery", &mallory.identity()));
    refused(&bench, RUNS, 10, "forged", thing);
    refuses(&bench, add_new(&bench), 10, "forged", thing);
    write(&file, under("correct.horse.battery", "no identity"));
    refused(&bench, RUNS, 10, "damaged", thing);
    write(&file, under("correct.horse.battery", ""));
    refused(&bench, RUNS, 10, "damaged", thing);
    // Not under a passphrase at all.
    write(&file, seal_to_all(&bench, mallory.identity().as_bytes()));
    refused(&bench, RUNS, 10, "damaged", thing);
    // Under another passphrase: that may as well be a slip of the person.
    write(&file, under("another.passphrase", &mallory.identity()));
    refused(&bench, RUNS, 7, "pin", "passphrase");
    // So much work that the machine would be busy for hours.
    let honest = fs::read(aside.vault().join(thing)).expect("read");
    let text = String::from_utf8_lossy(&honest[..80]).into_owned();
    let at = text.find(" 17\n").expect("the work factor");
    let mut heavy = honest.clone();
    heavy.splice(at + 1..at + 3, *b"40");
    write(&file, heavy);
    let out = refused(&bench, RUNS, 10, "damaged", thing);
    assert!(out.took.as_secs() < 5, "{out}");
    for bytes in [&[][..], &honest[..60], &honest[..honest.len() - 10], &[0xff; 400]] {
        write(&file, bytes);
        refused(&bench, RUNS, 10, "damaged", thing);
    }
    let mut flipped = honest.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    write(&file, flipped);
    refused(&bench, RUNS, 10, "damaged", thing);
    fs::remove_file(&file).expect("removed");
    refused(&bench, RUNS, 10, "damaged", thing);
    aside.put_back_vault();
    bench.tapvault(RUNS).run().success();
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

#[test]
fn what_the_folder_says_of_a_key_cannot_steer_the_terminal() {
    let bench = Bench::start();
    enroll_without_pin(&bench).success();
    let mut document = key_document(&bench);
    document["list"]["keys"][0]["host"] = json!("\u{1b}]0;owned\u{7}\u{202e}\nname  mallory");
    write(&bench.vault().join("keys.json"), document.to_string());
    let name = format!("yubikey-{SERIAL}");
    for words in [
        &["key", "show", &name][..],
        &["key", "list"],
        &["key", "list", "--json"],
    ] {
        let out = bench.tapvault(words).run().success();
        assert!(!out.stdout.contains(['\u{1b}', '\u{7}']), "{out}");
        assert!(!out.stdout.contains("\nname  mallory"), "{out}");
    }
    assert_eq!(public_recipients(&bench).len(), 1);
}
