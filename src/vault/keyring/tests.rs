//! What a folder writer could try with the key list, and that a drawer key can catch up.

use super::*;
use crate::context::Env;
use crate::presence::Touches;
use crate::prompt::Dialogue;
use crate::wrap::{KeyKind, SoftwareKey};
use jiff::Timestamp;

struct Case {
    _dir: tempfile::TempDir,
    vault: Folder,
    dialogue: Dialogue,
}

fn case() -> Case {
    let dir = tempfile::tempdir().expect("a folder");
    let vault = Folder::at(dir.path().join("vault"));
    vault.ensure().expect("made");
    vault.below(HISTORY).ensure().expect("made");
    Case {
        _dir: dir,
        vault,
        dialogue: Dialogue::open(&Env::default()),
    }
}

fn key(name: &str) -> SoftwareKey {
    SoftwareKey::generate(name.parse().expect("a name"))
}

fn record(key: &SoftwareKey) -> EnrolledKey {
    EnrolledKey {
        name: key.name().clone(),
        recipient: key.recipient(),
        enrolled: Timestamp::UNIX_EPOCH,
        host: "host".into(),
        kind: KeyKind::Recovery {
            verifier: key.software_verifier(),
        },
    }
}

fn list(keys: &[&SoftwareKey], before: Option<&Version>) -> KeyList {
    KeyList {
        tapvault: FORMAT,
        vault: "v".into(),
        generation: before.map_or(1, |v| v.list.generation + 1),
        previous: before.map(|v| hex(&v.digest())),
        vault_secret_sha256: hex(&[1; 32]),
        touchless_beside_token: false,
        keys: keys.iter().map(|key| record(key)).collect(),
    }
}

impl Case {
    fn version(&self, keys: &[&SoftwareKey], before: Option<&Version>, vouching: &mut [&mut SoftwareKey]) -> Version {
        let mut version = Version::draft(list(keys, before)).expect("drafted");
        for key in vouching {
            version
                .vouch(*key, "", &mut Touches::none(&self.dialogue))
                .expect("vouched");
        }
        version
    }

    fn put(&self, versions: &[&Version]) -> Keyring {
        let (last, earlier) = versions.split_last().expect("a version");
        for version in earlier {
            let document = version.to_document().expect("written");
            self.vault
                .below(HISTORY)
                .replace(&version.history_file(), &document)
                .expect("stored");
        }
        self.vault
            .replace(LIST_FILE, &last.to_document().expect("written"))
            .expect("stored");
        Keyring::read(&self.vault).expect("read").expect("there")
    }
}

/// Two keys: `first` made version 1, and vouched for version 2 that brought `second`.
fn two_keys(case: &Case) -> (SoftwareKey, SoftwareKey, Version, Version) {
    let (mut first, mut second) = (key("first"), key("second"));
    let (a, b) = (
        SoftwareKey::parse(first.name().clone(), &first.secret_text()),
        SoftwareKey::parse(second.name().clone(), &second.secret_text()),
    );
    let (a, b) = (a.expect("a copy"), b.expect("a copy"));
    let one = case.version(&[&a], None, &mut [&mut first]);
    let two = case.version(&[&a, &b], Some(&one), &mut [&mut first, &mut second]);
    (first, second, one, two)
}

#[test]
fn both_keys_verify_the_list_that_both_vouched_for() {
    let case = case();
    let (first, second, one, two) = two_keys(&case);
    let keyring = case.put(&[&one, &two]);
    assert_eq!(keyring.verify(&first).expect("verified").list().generation, 2);
    assert!(keyring.verify(&second).is_ok());
}

#[test]
fn a_key_from_the_drawer_walks_forward_to_a_list_it_never_saw() {
    let case = case();
    let (mut first, second, one, two) = two_keys(&case);
    let third = key("third");
    let a = SoftwareKey::parse(first.name().clone(), &first.secret_text()).expect("a copy");
    let three = case.version(&[&a, &second, &third], Some(&two), &mut [&mut first]);
    assert_eq!(
        case.put(&[&one, &two, &three])
            .verify(&second)
            .expect("verified")
            .list()
            .keys
            .len(),
        3
    );
}

#[test]
fn a_recipient_added_to_the_file_is_noticed() {
    let case = case();
    let (first, second, one, two) = two_keys(&case);
    case.put(&[&one, &two]);
    let text = String::from_utf8(case.vault.read(LIST_FILE).expect("read").expect("there")).expect("text");
    let added = text.replacen(&second.recipient(), &key("mallory").recipient(), 1);
    assert_ne!(text, added);
    case.vault.replace(LIST_FILE, added.as_bytes()).expect("stored");
    let keyring = Keyring::read(&case.vault).expect("read").expect("there");
    assert_eq!(keyring.verify(&first).err().map(|e| e.kind()), Some(ErrorKind::Forged));
}

#[test]
fn list_and_voucher_replaced_together_are_noticed() {
    let case = case();
    let (first, _, one, two) = two_keys(&case);
    let mut mallory = key("mallory");
    let copy = SoftwareKey::parse(mallory.name().clone(), &mallory.secret_text()).expect("a copy");
    let forged = case.version(&[&first, &copy], Some(&two), &mut [&mut mallory]);
    assert_eq!(
        case.put(&[&one, &two, &forged]).verify(&first).err().map(|e| e.kind()),
        Some(ErrorKind::Forged)
    );
    let fresh = case.version(&[&first, &copy], None, &mut [&mut mallory]);
    assert_eq!(
        case.put(&[&fresh]).verify(&first).err().map(|e| e.kind()),
        Some(ErrorKind::Forged)
    );
}

#[test]
fn a_removed_key_can_neither_verify_nor_vouch_for_a_later_list() {
    let case = case();
    let (mut first, mut second, one, two) = two_keys(&case);
    let a = SoftwareKey::parse(first.name().clone(), &first.secret_text()).expect("a copy");
    let three = case.version(&[&a], Some(&two), &mut [&mut first]);
    assert_eq!(
        case.put(&[&one, &two, &three]).verify(&second).err().map(|e| e.kind()),
        Some(ErrorKind::Forged)
    );
    let b = SoftwareKey::parse(second.name().clone(), &second.secret_text()).expect("a copy");
    let four = case.version(&[&a, &b], Some(&three), &mut [&mut second]);
    assert_eq!(
        case.put(&[&one, &two, &three, &four])
            .verify(&first)
            .err()
            .map(|e| e.kind()),
        Some(ErrorKind::Forged)
    );
}

#[test]
fn a_missing_link_of_the_history_is_named() {
    let case = case();
    let (mut first, second, one, two) = two_keys(&case);
    let a = SoftwareKey::parse(first.name().clone(), &first.secret_text()).expect("a copy");
    let three = case.version(&[&a, &second], Some(&two), &mut [&mut first]);
    let keyring = case.put(&[&one, &two, &three]);
    case.vault.below(HISTORY).remove(&two.history_file()).expect("removed");
    let error = keyring.verify(&second).err().expect("refused");
    assert!(error.to_string().contains("000002.json"), "{error}");
    assert!(keyring.verify(&first).is_ok(), "its own voucher is on the current list");
}

#[test]
fn a_fork_by_a_removed_key_does_not_continue_the_list_that_was_seen() {
    let case = case();
    let (mut first, mut second, one, two) = two_keys(&case);
    let a = SoftwareKey::parse(first.name().clone(), &first.secret_text()).expect("a copy");
    let b = SoftwareKey::parse(second.name().clone(), &second.secret_text()).expect("a copy");
    let mallory = key("mallory");
    // `first` removes `second`; the machine sees that list, and later ones that follow it.
    let three = case.version(&[&a], Some(&two), &mut [&mut first]);
    let seen = hex(&three.digest());
    let four = case.version(&[&a], Some(&three), &mut [&mut first]);
    assert!(
        case.put(&[&one, &two, &three, &four])
            .continues(3, &seen)
            .expect("walked")
    );
    // `second` was in list 2, so it can vouch for another list 3 and go on from there.
    let fork = case.version(&[&a, &b, &mallory], Some(&two), &mut [&mut second]);
    let further = case.version(&[&a, &b, &mallory], Some(&fork), &mut [&mut second]);
    let keyring = case.put(&[&one, &two, &fork, &further]);
    assert!(keyring.verify(&first).is_ok(), "its own voucher on list 2 leads there");
    assert!(!keyring.continues(3, &seen).expect("walked"));
}
