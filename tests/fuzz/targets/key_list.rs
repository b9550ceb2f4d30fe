//! keys.json and the versions before it: nobody without a key can write a list that is believed.

use super::{is_plain, is_plain_error};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::LazyLock;
use tapvault::context::Env;
use tapvault::presence::Touches;
use tapvault::prompt::Dialogue;
use tapvault::secret::SecretText;
use tapvault::vault::folder::Folder;
use tapvault::vault::keyring::{HISTORY, KeyList, Keyring, LIST_FILE, Version};
use tapvault::wrap::{EnrolledKey, KeyKind, PresentKey, SoftwareKey};

/// Two keys of nobody, 32 times the same byte.
const SECRETS: [(&str, &str); 2] = [
    (
        "first",
        "AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZ9K4CN",
    ),
    (
        "second",
        "AGE-SECRET-KEY-1QGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQ0N3JDM",
    ),
];

/// The only lists that these keys have ever vouched for: of the first alone, then of both.
pub static GENUINE: LazyLock<[Version; 2]> = LazyLock::new(|| {
    let dialogue = Dialogue::open(&Env::default());
    let mut keys = keys_of_nobody();
    let mut version = |count: usize, before: Option<&Version>| {
        let list = KeyList {
            tapvault: 1,
            vault: "00112233445566778899aabbccddeeff".into(),
            generation: count as u64,
            previous: before.map(|before| hex(&before.digest())),
            vault_secret_sha256: "11".repeat(32),
            touchless_beside_token: false,
            keys: keys[..count].iter().map(record).collect(),
        };
        let mut version = Version::draft(list).expect("two keys");
        for key in &mut keys[..count] {
            version
                .vouch(key, "", &mut Touches::none(&dialogue))
                .expect("no touch is needed");
        }
        version
    };
    let one = version(1, None);
    let two = version(2, Some(&one));
    [one, two]
});

fn keys_of_nobody() -> [SoftwareKey; 2] {
    SECRETS.map(|(name, secret)| {
        let name = name.parse().expect("a name");
        SoftwareKey::parse(name, &SecretText::copy_of(secret)).expect("an identity")
    })
}

fn record(key: &SoftwareKey) -> EnrolledKey {
    EnrolledKey {
        name: key.name().clone(),
        recipient: key.recipient(),
        enrolled: "2026-01-01T00:00:00Z".parse().expect("a time"),
        host: "host".into(),
        kind: KeyKind::Recovery {
            verifier: key.software_verifier(),
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Place {
    vault: Folder,
    _dir: tempfile::TempDir,
}

/// A vault's folder for each process; what is written there is never synced.
static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a folder");
    let vault = Folder::at(dir.path());
    let history = dir.path().join(HISTORY);
    fs::DirBuilder::new().mode(0o700).create(history).expect("a folder");
    Place { vault, _dir: dir }
});

fn put(path: &Path, bytes: &[u8]) {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).expect("a file");
    file.write_all(bytes).expect("written");
}

/// keys.json; behind a NUL each, the versions in keys.d from the first on.
pub fn keys(bytes: &[u8]) -> bool {
    let mut documents = bytes.split(|byte| *byte == 0);
    let current = documents.next().unwrap_or_default();
    let version = match Version::parse("keys.json", current) {
        Ok(version) => version,
        Err(error) => {
            is_plain_error(&error);
            return false;
        }
    };
    let copy = Version::parse("keys.json", &version.to_document().expect("written")).expect("what is written is read");
    assert_eq!(copy.digest(), version.digest());
    let list = version.list();
    list.presence_notes(false).iter().for_each(|note| is_plain(note));
    is_plain(&list.names());
    for key in &list.keys {
        assert!(list.key(&key.name).is_some());
        assert!(list.key_of(&key.verifier().expect("it was parsed")).is_some());
        is_plain(&key.kind_word());
        is_plain(&key.presence_word());
        is_plain(&key.token().unwrap_or_default());
        if let KeyKind::Fido2(details) = &key.kind {
            assert!(details.token().chars().count() < 200);
            assert!(details.plugin_identity().starts_with("AGE-PLUGIN-FIDO2-HMAC-1"));
            assert_ne!(details.voucher_salt(), details.salt.0);
        }
    }

    let vault = &PLACE.vault;
    put(&vault.path().join(LIST_FILE), current);
    for (number, document) in documents.take(3).enumerate() {
        let file = format!("{:06}.json", number + 1);
        put(&vault.path().join(HISTORY).join(file), document);
    }
    let keyring = Keyring::read(vault).expect("it was parsed").expect("it is there");
    let is_genuine = GENUINE.iter().any(|genuine| genuine.digest() == keyring.digest());
    for key in &keys_of_nobody() {
        match keyring.verify(key) {
            Ok(trusted) => {
                assert!(is_genuine, "a list that no key vouched for is believed");
                assert_eq!(trusted.digest(), keyring.digest());
            }
            Err(error) => is_plain_error(&error),
        }
    }
    for genuine in &*GENUINE {
        let generation = genuine.list().generation;
        if let Ok(true) = keyring.continues(generation, &hex(&genuine.digest())) {
            assert!(is_genuine, "a list that no key vouched for goes for a later one");
        }
    }
    for number in 1..=3 {
        // What one input leaves must not be seen by the next.
        let _ = fs::remove_file(vault.path().join(HISTORY).join(format!("{number:06}.json")));
    }
    is_genuine
}
