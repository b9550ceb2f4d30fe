//! An age file of the vault, outside and inside.

use super::{is_plain, is_plain_error};
use age::secrecy::ExposeSecret;
use age::{EncryptError, Recipient};
use age_core::format::{FileKey, Stanza};
use age_core::primitives::hkdf;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::collections::HashSet;
use tapvault::agefile::AgeFile;
use tapvault::vault::payload::{Content, Payload};
use tapvault::wrap::piv::PivRecipient;

/// The slot whose public key is the generator of P-256, so that its private key is 1.
pub const SLOT: &str = "age1yubikey1qd43050juykyy3lchnnw2caygre8wqmasyk7kvaq7jsnj3wcnrpfvpkgk82";

/// The file, and the same header as somebody would have sealed it who knows the file key: only then is it extended.
pub fn age(bytes: &[u8]) -> bool {
    let file = match AgeFile::parse("a.age", bytes.to_vec()) {
        Ok(file) => file,
        Err(error) => {
            is_plain_error(&error);
            return false;
        }
    };
    assert!(file.is(bytes) && file.size() == bytes.len());
    let slot: PivRecipient = SLOT.parse().expect("a recipient");
    if let Some(Ok(stanza)) = slot.find(file.stanzas()) {
        assert!(
            slot.unwrap_with(&stanza, &[7; 32]).is_err(),
            "no ECDH gives 7, 7, 7, ..."
        );
    }
    let key = FileKey::init_with_mut(|key| key.fill(42));
    let sealed = AgeFile::parse("a.age", vouched_for(bytes, &key)).expect("only the MAC is another");
    if let Err(error) = sealed.open(&key) {
        is_plain_error(&error);
    }
    let wider = sealed
        .with_recipients(&key, &[Box::new(Anybody)])
        .expect("its MAC fits");
    if let Ok(wider) = AgeFile::parse("a.age", wider) {
        let (last, rest) = wider.stanzas().split_last().expect("one more");
        assert_eq!(last.tag, "anybody");
        assert!(
            rest.iter()
                .zip(sealed.stanzas())
                .all(|(a, b)| a.tag == b.tag && a.args == b.args && a.body == b.body)
        );
        assert_eq!(rest.len(), sealed.stanzas().len());
    }
    true
}

/// The same file with the header's MAC under `key` (age format, "Header MAC").
fn vouched_for(bytes: &[u8], key: &FileKey) -> Vec<u8> {
    let line = bytes
        .windows(5)
        .position(|part| part == b"\n--- ")
        .expect("it was parsed");
    let (header, rest) = bytes.split_at(line + 4);
    let end = rest.iter().position(|byte| *byte == b'\n').expect("it was parsed");
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&hkdf(&[], b"header", key.expose_secret())).expect("any key");
    mac.update(header);
    let mac = BASE64_STANDARD_NO_PAD.encode(mac.finalize().into_bytes());
    [header, b" ", mac.as_bytes(), &rest[end..]].concat()
}

/// A recipient that costs nothing.
struct Anybody;

impl Recipient for Anybody {
    fn wrap_file_key(&self, _: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let stanza = Stanza {
            tag: "anybody".to_owned(),
            args: Vec::new(),
            body: vec![0; 32],
        };
        Ok((vec![stanza], HashSet::new()))
    }
}

/// The content of an entry.
pub fn payload(bytes: &[u8]) -> bool {
    let read = match Payload::from_json(bytes, "a.age") {
        Ok(read) => read,
        Err(error) => {
            is_plain_error(&error);
            return false;
        }
    };
    let written = read.to_json().expect("what was read is short enough to be written");
    let again = Payload::from_json(&written, "a.age").expect("what is written is read");
    assert_eq!(*again.to_json().expect("written"), *written);
    let kind = match read.content {
        Content::AccessKey { .. } => "access-key",
        Content::Session { .. } => "session",
        Content::VaultSecret => "vault-secret",
    };
    let digest = read.vault_secret.digest();
    assert!(again.check("a.age", kind, &read.profile, &digest).is_ok());
    let refused = [
        again.check("a.age", "another", &read.profile, &digest),
        again.check("a.age", kind, &format!("{}x", read.profile), &digest),
        again.check("a.age", kind, &read.profile, &[0; 32]),
    ];
    for refused in refused {
        is_plain(refused.expect_err("it is another").message());
    }
    true
}
