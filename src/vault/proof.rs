//! The proof in a clear JSON file that says what may be done to access keys at AWS: it shows that somebody wrote it who has
//! opened this vault, and not somebody who can only write into its folder.

use super::folder::Folder;
use super::keyring::unhex;
use super::name::hex;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::VaultSecret;
use hmac::{Hmac, Mac};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::Sha256;
use std::collections::BTreeMap;

/// The member that holds it: HMAC-SHA256 (RFC 2104) in hex, over [`DOMAIN`] and the JSON without this member.
const MEMBER: &str = "proof";

/// Keeps the proof apart from any other use of K. The file's place needs no word here: the JSON names its profile.
const DOMAIN: &[u8] = b"tapvault rotation journal v1\0";

/// The JSON of `content`, one object, with the proof that who has K wrote it.
pub fn stamp(content: &impl Serialize, secret: &VaultSecret) -> Result<Vec<u8>> {
    match serde_json::to_value(content) {
        Ok(Value::Object(object)) => stamp_object(object, secret),
        Ok(_) => Err(Error::new(ErrorKind::Other, "only an object can carry a proof")),
        Err(err) => Err(Error::new(ErrorKind::Other, err.to_string())),
    }
}

/// Whether who wrote the file had K.
pub fn holds(file: &[u8], secret: &VaultSecret) -> bool {
    unstamped(file, secret).is_some()
}

/// The proven files of `from`, in the name of the K that follows: written to `to` under the same names. One that is not
/// proven is left out, and stays what it is.
pub(super) fn renew(from: &Folder, to: &Folder, before: &VaultSecret, next: &VaultSecret) -> Result<()> {
    for name in from.names(".json")? {
        let file = from.read(&name)?.unwrap_or_default();
        if let Some(object) = unstamped(&file, before) {
            to.replace(&name, &stamp_object(object, next)?)?;
        }
    }
    Ok(())
}

fn stamp_object(mut object: Map<String, Value>, secret: &VaultSecret) -> Result<Vec<u8>> {
    let proof = mac(&object, secret)?.finalize().into_bytes();
    object.insert(MEMBER.to_owned(), hex(&proof).into());
    let mut file = to_bytes(&object)?;
    file.push(b'\n');
    Ok(file)
}

/// The object without its proof; `None` when that does not hold.
fn unstamped(file: &[u8], secret: &VaultSecret) -> Option<Map<String, Value>> {
    let mut object: Map<String, Value> = serde_json::from_slice(file).ok()?;
    let claimed = object.remove(MEMBER)?;
    let claimed = unhex(claimed.as_str()?)?;
    mac(&object, secret).ok()?.verify_slice(&claimed).ok()?;
    Some(object)
}

fn mac(object: &Map<String, Value>, secret: &VaultSecret) -> Result<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret.expose()).expect("HMAC takes keys of any length");
    mac.update(DOMAIN);
    mac.update(&to_bytes(object)?);
    Ok(mac)
}

/// In the order of the names: the map's own order depends on how serde_json was built.
fn to_bytes(object: &Map<String, Value>) -> Result<Vec<u8>> {
    let sorted: BTreeMap<&String, &Value> = object.iter().collect();
    serde_json::to_vec(&sorted).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_one_secret_and_one_content_whatever_the_order_of_the_members() {
        let secret = VaultSecret::random();
        let file = stamp(&serde_json::json!({"old": "AKIA1", "at": "now"}), &secret).expect("an object");
        assert!(holds(&file, &secret));
        assert!(!holds(&file, &VaultSecret::random()));
        let text = String::from_utf8(file).expect("text");
        assert!(!holds(text.replace("AKIA1", "AKIA2").as_bytes(), &secret));
        assert!(!holds(text.replace("proof", "prove").as_bytes(), &secret));
        let object: BTreeMap<String, Value> = serde_json::from_str(&text).expect("an object");
        let turned: Vec<String> = object
            .iter()
            .rev()
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        assert!(holds(format!("{{{}}}", turned.join(",")).as_bytes(), &secret));
    }

    #[test]
    fn a_new_secret_takes_over_what_the_old_one_proves_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let folders = ["from", "to"].map(|name| Folder::at(dir.path().join(name)));
        folders.iter().for_each(|folder| folder.ensure().expect("made"));
        let [from, to] = folders;
        let (before, next) = (VaultSecret::random(), VaultSecret::random());
        let file = stamp(&serde_json::json!({"old": "AKIA1"}), &before).expect("an object");
        from.replace("true.json", &file).expect("written");
        from.replace("made-up.json", b"{\"old\":\"AKIA1\"}").expect("written");
        renew(&from, &to, &before, &next).expect("renewed");
        assert_eq!(to.names(".json").expect("listed"), ["true.json"]);
        assert!(holds(&to.read("true.json").expect("read").expect("there"), &next));
    }
}
