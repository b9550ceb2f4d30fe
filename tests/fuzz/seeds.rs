//! What the corpus begins with: what honest files, tokens and clients say.

use crate::targets::key_list::GENUINE;
use crate::targets::sealed::SLOT;
use age::Recipient;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tapvault::agefile;
use tapvault::agent::protocol::plan::Plan;
use tapvault::agent::protocol::{Greeting, frame};
use tapvault::chain::{Chain, Request};
use tapvault::profile::{Config, ConfigText, FileKind};
use tapvault::wrap::piv::PivRecipient;

type Seeds = Vec<(String, Vec<u8>)>;

/// The seeds of a target.
pub fn of(target: &str) -> Seeds {
    match target {
        "config" => config(),
        "age" => age(),
        "payload" => payload(),
        "keys" => keys(),
        "piv" => piv(),
        "oath" => oath(),
        "fido2" => fido2(),
        "frames" => frames(),
        other => panic!("no seeds for {other}"),
    }
}

fn root(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn named<T: AsRef<[u8]>>(seeds: impl IntoIterator<Item = (&'static str, T)>) -> Seeds {
    let seeds = seeds.into_iter();
    seeds
        .map(|(name, bytes)| (name.to_owned(), bytes.as_ref().to_vec()))
        .collect()
}

/// Every setting that is read, in one file.
const ALL_SETTINGS: &str = include_str!("seeds/all-settings");

/// What the scenarios have, and one file with all that is read.
fn config() -> Seeds {
    let mut seeds = named([
        ("all-settings", ALL_SETTINGS.to_owned()),
        (
            "credentials",
            "[profile a]\nregion = eu-west-1\n\0[a]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = secret\n# aws_secret_access_key = old\n[b]\r\naws_session_token = t\r\n".to_owned(),
        ),
    ]);
    for scenario in fs::read_dir(root("tests/scenarios")).expect("the scenarios") {
        let scenario = scenario.expect("an item");
        let name = format!("scenario-{}", scenario.file_name().to_string_lossy());
        if let Ok(file) = fs::read(scenario.path().join("config"))
            && seeds.iter().all(|(_, other)| *other != file)
        {
            seeds.push((name, file));
        }
    }
    seeds
}

/// Sealed to one key, to both kinds and to many. Random, so those that are there are kept.
fn age() -> Seeds {
    let piv = || -> Box<dyn Recipient> { Box::new(SLOT.parse::<PivRecipient>().expect("a recipient")) };
    let software = || -> Box<dyn Recipient> { Box::new(age::x25519::Identity::generate().to_public()) };
    let sealed = |keys: Vec<Box<dyn Recipient>>| agefile::seal(b"{\"tapvault\":1}", &keys).expect("sealed");
    let both = sealed(vec![piv(), software()]);
    let payload = both.len() - 40;
    let mut seeds = named([
        ("piv", sealed(vec![piv()])),
        ("software", sealed(vec![software()])),
        ("cut-in-the-payload", both[..payload].to_vec()),
        ("both", both),
        ("many", sealed((0..6).map(|_| software()).collect())),
        (
            "no-recipient",
            b"age-encryption.org/v1\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n0123456789abcdef0123456789abcdef".to_vec(),
        ),
        (
            "passphrase",
            b"age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 17\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n0123456789abcdef".to_vec(),
        ),
        (
            "grease",
            b"age-encryption.org/v1\n-> x-grease a b\n\n-> piv-p256 AAAAAA AAAA\nAAAA\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n0123456789abcdef".to_vec(),
        ),
    ]);
    seeds.retain(|(name, _)| !root("tests/fuzz/corpus/age").join(name).exists());
    seeds
}

fn payload() -> Seeds {
    let with = |more: Value| {
        let mut all = json!({
            "tapvault": 1, "profile": "prod", "entry": "00112233445566778899aabbccddeeff", "generation": 1,
            "vault_secret": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
        });
        let fields = all.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        all.to_string()
    };
    let key = json!({
        "kind": "access-key", "access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "a/secret+\"quoted\"",
        "added": "2026-11-25T00:23:32.709314457Z",
    });
    let named_key = {
        let mut key = key.clone();
        key["arn"] = "arn:aws:iam::111122223333:user/ana".into();
        key
    };
    let session = json!({
        "kind": "session", "access_key_id": "ASIAIOSFODNN7EXAMPLE", "secret_access_key": "s", "session_token": "t".repeat(300),
        "expires": "2026-11-25T12:00:00Z", "inputs": "ab".repeat(32), "base": "ana",
    });
    let mut old_session = session.clone();
    old_session.as_object_mut().expect("an object").remove("base");
    named([
        ("access-key", with(key)),
        ("access-key-with-arn", with(named_key)),
        ("session", with(session)),
        ("session-without-base", with(old_session)),
        ("vault-secret", with(json!({"kind": "vault-secret", "profile": ""}))),
        (
            "a-later-field",
            with(json!({"kind": "vault-secret", "later": [1, {"a": null}]})),
        ),
        ("a-later-format", with(json!({"kind": "vault-secret", "tapvault": 2}))),
        ("another-kind", with(json!({"kind": "\u{1b}[2J"}))),
        (
            "largest-generation",
            with(json!({"kind": "vault-secret", "generation": u64::MAX})),
        ),
    ])
}

fn keys() -> Seeds {
    let documents = GENUINE
        .each_ref()
        .map(|version| version.to_document().expect("written"));
    let [one, two] = documents;
    let text = String::from_utf8(two.clone()).expect("JSON");
    let piv = json!({
        "name": "yubikey-15042118", "recipient": SLOT, "enrolled": "2026-11-25T00:23:32.709314457Z", "host": "vm",
        "kind": "piv", "serial": 15_042_118, "slot": "82", "firmware": "5.7.1", "pin_policy": "once", "touch_policy": "cached",
        "origin": null, "evidence": "certificate",
    });
    let with_token = text.replacen("\"keys\":[", &format!("\"keys\":[{piv},"), 1);
    let fido2 = json!({
        "name": "fido2", "recipient": "age1un79lgfm3r2zusm3zmlz99s7wtacv5430flsj7r4wsr3kk3dtd8q63udyz",
        "enrolled": "2026-11-25T00:23:32.709314457Z", "host": "vm", "kind": "fido2", "rp_id": "age-encryption.org",
        "credential": BASE64_STANDARD.encode([7; 158]), "salt": BASE64_STANDARD.encode([8; 32]), "uv": "required",
        "product": "Nitrokey 3", "serial": "A1B2C3D4", "verifier": BASE64_STANDARD.encode([9; 32]),
        "proof": BASE64_STANDARD.encode([10; 32]),
    });
    let with_fido2 = text.replacen("\"keys\":[", &format!("\"keys\":[{fido2},"), 1);
    let wild_fido2 = with_fido2
        .replacen("Nitrokey 3", "\\u001b[2J\\u202e", 1)
        .replacen("required", "discouraged", 1);
    let touchless = with_token.replacen("\"keys\":", "\"touchless_beside_token\":true,\"keys\":", 1);
    named([
        ("first", one.clone()),
        ("second-alone", two.clone()),
        ("second", [&two[..], &one].join(&0)),
        ("second-after-itself", [&two[..], &two].join(&0)),
        (
            "another-generation",
            text.replacen("\"generation\":2", "\"generation\":3", 1).into_bytes(),
        ),
        (
            "third-that-nobody-vouched-for",
            [
                text.replacen("\"generation\":2", "\"generation\":3", 1).as_bytes(),
                &one,
                &two,
            ]
            .join(&0),
        ),
        ("with-a-token", [with_token.as_bytes(), &one].join(&0)),
        ("with-a-fido2-token", [with_fido2.as_bytes(), &one].join(&0)),
        ("with-a-wild-fido2-token", [wild_fido2.as_bytes(), &one].join(&0)),
        ("touchless", [touchless.as_bytes(), &one].join(&0)),
        (
            "other-kinds",
            [
                text.replacen("recovery", "passphrase", 1)
                    .replacen("recovery", "keychain", 1)
                    .as_bytes(),
                &one,
            ]
            .join(&0),
        ),
    ])
}

/// `what`, and the answers in hex as `card.rs` takes them.
fn answers(what: u8, answers: &[&str]) -> Vec<u8> {
    let answers = answers.iter().map(|text| from_hex(text)).collect::<Vec<_>>();
    binary(what, &answers)
}

fn binary(what: u8, answers: &[Vec<u8>]) -> Vec<u8> {
    let mut all = vec![what];
    for answer in answers {
        all.extend_from_slice(&u16::try_from(answer.len()).expect("a short answer").to_be_bytes());
        all.extend_from_slice(answer);
    }
    all
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect()
}

/// An answer as it comes: in pieces of 256 bytes, each with how much is left.
fn in_pieces(data: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = data.chunks(256).map(<[u8]>::to_vec).collect();
    let lengths: Vec<usize> = pieces.iter().map(Vec::len).collect();
    for (piece, next) in pieces.iter_mut().zip(lengths.iter().skip(1).map(Some).chain([None])) {
        piece.extend_from_slice(&match next {
            // A whole 256 is said as 00.
            Some(next) => [0x61, (next % 256) as u8],
            None => [0x90, 0],
        });
    }
    pieces
}

fn piv() -> Seeds {
    const POINT: &str = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    let metadata = format!("010111 02020202 030101 0443 8641{POINT} 9000");
    let sample = |name: &str| fs::read(root("src/token/attestation/samples").join(name)).expect("a sample");
    let object = |der: &[u8]| {
        let length = |inner: usize| u16::try_from(inner).expect("short").to_be_bytes();
        let inner = [&[0x70, 0x82][..], &length(der.len()), der, &[0x71, 1, 0, 0xfe, 0]].concat();
        [&[0x53, 0x82][..], &length(inner.len()), &inner].concat()
    };
    let ok = || vec![0x90, 0];
    let mut seeds = named([
        ("look", answers(0, &["9000", "050701 9000", "00e586c6 9000"])),
        (
            "look-at-a-yubikey-4",
            answers(0, &["9000", "040305 9000", "6d00", "9000", "00d59f81 9000", "9000"]),
        ),
        (
            "look-without-piv",
            answers(0, &["6a82", "9000", "0f 0204 00d59f81 0503050701 0302023f 9000"]),
        ),
        ("metadata", answers(2, &["9000", &metadata])),
        ("management", answers(3, &["9000", "01010a 02020001 050101 9000"])),
        ("pin-metadata", answers(4, &["9000", "050101 06020303 9000"])),
        ("pin", answers(7, &["9000", "63c3", "9000", "9000"])),
        (
            "wrong-pin",
            answers(7, &["9000", "63c3", "63c2", "6a82", "6a82", "6a82", "9000"]),
        ),
        ("version", answers(8, &["9000", "050701 9000", "00e586c6 9000"])),
        ("signature", answers(9, &["9000", "7c0a 8208 3006020101020101 9000"])),
        (
            "ecdh",
            answers(10, &["9000", &format!("7c22 8220 {} 9000", "5a".repeat(32))]),
        ),
        ("no-touch", answers(10, &["9000", "6982", "63c3"])),
        ("described", answers(11, &["9000", &metadata])),
        ("empty-slot", answers(11, &["9000", "6a88"])),
    ]);
    for kind in ["rsa", "p384"] {
        let (leaf, issuer) = (
            sample(&format!("leaf-{kind}.der")),
            sample(&format!("issuer-{kind}.der")),
        );
        let attested = [vec![ok(), vec![0x6d, 0]], in_pieces(&leaf), in_pieces(&object(&issuer))].concat();
        seeds.push((format!("attested-{kind}"), binary(11, &attested)));
        seeds.push((
            format!("attestation-{kind}"),
            binary(5, &[vec![ok()], in_pieces(&leaf)].concat()),
        ));
        seeds.push((format!("signed-{kind}"), binary(1, &[leaf.clone(), issuer])));
        let certified = [vec![ok(), vec![0x6d, 0], vec![0x6a, 0x80]], in_pieces(&object(&leaf))].concat();
        seeds.push((format!("certified-{kind}"), binary(11, &certified)));
        seeds.push((
            format!("certificate-{kind}"),
            binary(6, &[vec![ok()], in_pieces(&object(&leaf))].concat()),
        ));
    }
    seeds
}

fn oath() -> Seeds {
    const GREETING: &str = "7903 050701 7108 0102030405060708 9000";
    const LOCKED: &str = "7903 050701 7108 0102030405060708 7408 a1a2a3a4a5a6a7a8 7b01 01 9000";
    const LISTED: &str = "7202 2161 7202 1162 7202 2363 7202 4164 9000";
    const TOLD: &str = "7101 61 7605 06 11223344 7101 62 7701 06 7101 63 7c01 08 9000";
    const CODE: &str = "7605 06 11223344 9000";
    let full = format!("7515 06 {} 9000", "5b".repeat(20));
    // "30/Amazon:ana" and, in another alphabet, one that turns words round.
    let named_accounts = "720e 21 33302f416d617a6f6e3a616e61 7206 21 e280ae c3a9 9000";
    named([
        ("accounts", answers(2, &[GREETING, LISTED, TOLD])),
        ("codes", answers(2, &[GREETING, LISTED, TOLD, CODE, &full, CODE, &full])),
        ("names", answers(2, &[GREETING, named_accounts, "9000", CODE, &full])),
        (
            "in-pieces",
            answers(2, &[GREETING, "7202 2161 6108", "7202 2363 9000", TOLD, CODE, &full]),
        ),
        ("no-touch", answers(2, &[GREETING, LISTED, TOLD, "6982", "6985"])),
        ("locked", answers(2, &[LOCKED, "6a80"])),
        (
            "unproven",
            answers(2, &[LOCKED, &format!("7514 {} 9000", "00".repeat(20)), LISTED]),
        ),
        ("put", answers(0, &[GREETING, LISTED, "9000"])),
        ("full", answers(0, &[GREETING, LISTED, "6a84"])),
        ("delete", answers(1, &[GREETING, "9000"])),
        ("no-such-account", answers(1, &[GREETING, "6984"])),
        ("no-oath", answers(2, &["6a82"])),
    ])
}

/// What a soft token answered when it was enrolled and used, in hex, and what the child made of it.
const FIDO2_ANSWERS: &str = include_str!("seeds/fido2-answers");

fn fido2() -> Seeds {
    let answer = |name: &str| {
        let line = FIDO2_ANSWERS
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        from_hex(line.unwrap_or_else(|| panic!("no answer {name}")))
    };
    let with = |what: u8, rest: &[u8]| [&[what][..], rest].concat();
    let message = |json: Value, secret: &[u8]| {
        let json = json.to_string();
        let length = |length: usize| u32::try_from(length).expect("short").to_be_bytes();
        [&length(json.len())[..], &length(secret.len()), json.as_bytes(), secret].concat()
    };
    let said = |messages: &[(Value, &[u8])]| {
        let messages = messages.iter().map(|(json, secret)| message(json.clone(), secret));
        messages.collect::<Vec<_>>().concat()
    };
    let node = |access: Value| json!({"path": "/dev/hidraw3", "vendor": 0x20a0, "product": 0x42b2, "name": "Nitrokey 3", "serial": null, "access": access});
    let info = json!({"info": {
        "versions": ["U2F_V2", "FIDO_2_0", "FIDO_2_1"], "hmac_secret": true, "pin_set": true, "fingers_set": null,
        "always_uv": false, "makes_without_check": true, "pin_outworn": false, "pin_is_for_keys": true, "shortest_pin": 4,
    }});
    let credential = BASE64_STANDARD.encode([7; 158]);
    let fault = |fault: Value| json!({"fault": fault});
    let all = said(&[
        (info.clone(), b""),
        (json!({"tries": 8}), b""),
        (json!({"ownership": "owned"}), b""),
        (json!("done"), b""),
        (json!({"made": {"credential": credential}}), b""),
        (json!("outputs"), &[1; 32]),
        (json!("outputs"), &[2; 64]),
    ]);
    let refusals = said(&[
        (info, b""),
        (fault(json!("busy")), b""),
        (json!({"ownership": "untold"}), b""),
        (fault(json!({"wrong-pin": {"tries": 1}})), b""),
        (fault(json!({"no-touch": {"waited": {"secs": 30, "nanos": 0}}})), b""),
        (fault(json!({"refused": {"status": 127, "doing": "\u{1b}[2J"}})), b""),
        (json!("outputs"), &[2; 32]),
    ]);
    let nodes = json!({"nodes": [
        node(json!("fine")),
        node(json!({"not": {"not-permitted": {"path": "/dev/hidraw3"}}})),
        node(json!({"not": "busy"})),
    ]});
    named([
        ("nodes", with(0, &message(nodes, b""))),
        ("conversation", with(1, &all)),
        ("refusals", with(1, &refusals)),
        ("nothing-to-start", with(1, &message(fault(json!({"not-started": {"detail": "EMFILE"}})), b""))),
        ("made", with(2, &answer("make-credential"))),
        ("output", with(3, &answer("get-assertion"))),
        ("two-outputs", with(4, &answer("get-assertion-two-salts"))),
        ("output-without-pin", with(5, &answer("get-assertion-without-pin"))),
        ("output-of-the-other-kind", with(3, &answer("get-assertion-without-pin"))),
        ("silent", with(6, &answer("get-assertion-silent"))),
        ("no-assertion", with(6, &answer("make-credential"))),
        ("nitrokey", with(7, b"vU2F_V2\nvFIDO_2_0\nvFIDO_2_1\necredProtect\nehmac-secret\n+rk\n+up\n-plat\n+clientPin\n+credMgmt\n+pinUvAuthToken\np2\np1")),
        ("fingers", with(7, b"vFIDO_2_1\nehmac-secret\n+uv\n+alwaysUv\n+bioEnroll\n+clientPin\n-makeCredUvNotRqd\np1\nf\nm6")),
        ("wrong-pin", with(8, b"response_status err = 0x31 CTAP2_ERR_PIN_INVALID   PIN Invalid.")),
        ("pulled-out", with(8, b"read err = 0xFE")),
        ("no-cbor", with(8, b"ciborium parse error")),
    ])
}

fn frames() -> Seeds {
    let greeting = serde_json::to_value(Greeting::ours()).expect("JSON");
    let opening = |wants: Value| {
        let mut opening = greeting.clone();
        opening["wants"] = wants;
        framed(&opening, b"")
    };
    let plan = |name: &str| {
        let text = ConfigText::parse("config", FileKind::Config, ALL_SETTINGS.into());
        let none = ConfigText::parse("credentials", FileKind::Credentials, Vec::new());
        let config = Config::new(text, none, &[("", ""); 0]);
        let name = name.parse().expect("a name");
        let chain = Chain::plan(&config, &name, &Request::default(), &|name| name.as_str() == "ana").expect("a plan");
        serde_json::to_value(Plan::of(&chain).expect("it begins with an entry")).expect("JSON")
    };
    let credentials = |plan: Value| {
        json!({"credentials": {
            "folders": {"config": "/c", "vault": "/v", "state": "/s"}, "plan": plan,
            "network": {"HTTPS_PROXY": "http://proxy:3128"}, "user": {"USER": "ana"}, "command": ["terraform", "plan"],
            "key": null, "refresh": false, "gives_code": true, "codes": "oath", "lease": 900,
            "screen": {"asks": true, "place": [1, 2, 3]}, "debug": false,
        }})
    };
    let failure = json!({"failed": {"kind": "aws", "message": "no", "hints": ["a", "b"], "aws_code": "AccessDenied"}});
    let conversation = [
        framed(&json!("heard"), b""),
        framed(&json!({"say": {"voice": "note", "line": "touch YubiKey 1"}}), b""),
        framed(&json!({"touch": {"line": "for prod"}}), b""),
        framed(&json!({"ask": {"how": "secret", "question": "PIN"}}), b""),
        framed(
            &json!({"run": {"mfa": {"serial": "arn:aws:iam::111122223333:mfa/ana"}}}),
            b"",
        ),
        framed(&json!({"count_down": {"words": "STS", "seconds": 3}}), b""),
        framed(&json!("touched"), b""),
        framed(&json!("credentials"), b"{\"Version\":1}"),
    ];
    named([
        ("credentials-of-an-entry", opening(credentials(plan("ana")))),
        ("credentials-of-a-role", opening(credentials(plan("everything")))),
        ("credentials-of-a-chain", opening(credentials(plan("chained")))),
        ("status", opening(json!("status"))),
        ("lock", opening(json!({"lock": {"profile": "prod"}}))),
        (
            "another-version",
            framed(&json!({"protocol": 9, "version": "9.0.0-rc.1", "wants": "status"}), b""),
        ),
        ("other-version", framed(&json!({"other_version": greeting}), b"")),
        ("conversation", conversation.concat()),
        ("failed", framed(&failure, b"")),
        (
            "answers",
            [framed(&json!("given"), b"123456"), framed(&failure, b"")].concat(),
        ),
        ("too-long", vec![0xff; 8]),
    ])
}

fn framed(head: &Value, body: &[u8]) -> Vec<u8> {
    frame::encode(head, body).expect("short enough").to_vec()
}
