//! The list of keys, its vouchers and its changes, made up or garbled.

use super::{RUNS, knows_a_passphrase};
use crate::bench::{Bench, SERIAL};
use crate::tampering::{
    Aside, BEN, Mallory, add_new, copy, enroll_without_pin, key_document, list, made_up, make_folder,
    public_recipients, read_json, refused, refuses, said_with_a_way_on, seal_to_all, version, with_two_entries, write,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;
use tapvault::agefile;
use tapvault::vault::name::hex;

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
