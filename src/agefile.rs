//! One age file (age-encryption.org/v1): seal, open, and add recipients to its header without touching its payload.
//!
//! Knows nothing of keys, profiles or folders: file keys and recipients are given.

use crate::error::{Error, ErrorKind, Result};
use age::secrecy::ExposeSecret;
use age::{DecryptError, Decryptor, Encryptor, Identity, Recipient};
use age_core::format::{FileKey, Stanza, read, write};
use age_core::primitives::hkdf;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::io::{Read, Write};
use zeroize::Zeroizing;

/// The first line of every age file.
const INTRO: &[u8] = b"age-encryption.org/v1\n";

/// More stanzas than any vault has keys; a header with more is refused. A stanza costs work before it is known to be foreign.
const MOST_STANZAS: usize = 256;

/// An age file whose header has been read.
pub struct AgeFile {
    name: String,
    bytes: Vec<u8>,
    stanzas: Vec<Stanza>,
    /// Where in `bytes` the line `--- MAC` begins.
    mac_line: usize,
    /// Where in `bytes` the payload begins.
    payload: usize,
    mac: Vec<u8>,
}

impl AgeFile {
    /// Reads the header of the file called `name`.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`], naming the file.
    pub fn parse(name: &str, bytes: Vec<u8>) -> Result<Self> {
        let damaged = |what: &str| {
            Error::new(ErrorKind::Damaged, format!("{name} {what}"))
                .hint("restore it from a backup; other entries are not affected")
        };
        if bytes.is_empty() {
            return Err(damaged("is empty"));
        }
        let mut rest = bytes.strip_prefix(INTRO).ok_or_else(|| damaged("is no age file"))?;
        let mut stanzas = Vec::new();
        while rest.starts_with(b"-> ") {
            let (after, stanza) = read::age_stanza(rest).map_err(|_| damaged("has a damaged or cut header"))?;
            if stanzas.len() == MOST_STANZAS {
                return Err(damaged("has a header with more recipients than any vault has keys"));
            }
            stanzas.push(Stanza::from(stanza));
            rest = after;
        }
        let mac_line = bytes.len() - rest.len();
        let mac_text = rest
            .strip_prefix(b"--- ")
            .ok_or_else(|| damaged("has a damaged or cut header"))?;
        let end = mac_text
            .iter()
            .position(|b| *b == b'\n')
            .ok_or_else(|| damaged("ends in its header"))?;
        let mac = BASE64_STANDARD_NO_PAD
            .decode(&mac_text[..end])
            .map_err(|_| damaged("has a damaged header"))?;
        let payload = mac_line + 4 + end + 1;
        // The library's own reader has the last word on what a valid header is (a scrypt stanza must stand alone, ...).
        Decryptor::new_buffered(&bytes[..]).map_err(|err| damaged(&format!("is damaged: {}", one_line(err))))?;
        Ok(AgeFile {
            name: name.to_owned(),
            bytes,
            stanzas,
            mac_line,
            payload,
            mac,
        })
    }

    /// The header's stanzas.
    pub fn stanzas(&self) -> &[Stanza] {
        &self.stanzas
    }

    /// Whether this is the file with these bytes.
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.bytes == bytes
    }

    /// How long it is, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// What the file is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Decrypts the payload. The header's MAC is checked first (by the library).
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when the MAC or a part of the payload does not fit.
    pub fn open(&self, file_key: &FileKey) -> Result<Zeroizing<Vec<u8>>> {
        let damaged = |err: &dyn std::fmt::Display| {
            Error::new(
                ErrorKind::Damaged,
                format!(
                    "{} was changed or cut since it was sealed ({})",
                    self.name,
                    one_line(err)
                ),
            )
            .hint("restore it from a backup; other entries are not affected")
        };
        let known = KnownFileKey(file_key);
        let decryptor = Decryptor::new_buffered(&self.bytes[..]).map_err(|err| damaged(&err))?;
        let mut reader = decryptor
            .decrypt(std::iter::once(&known as &dyn Identity))
            .map_err(|err| damaged(&err))?;
        // The plaintext is never longer than the file, so the buffer never moves.
        let mut plaintext = Zeroizing::new(Vec::with_capacity(self.bytes.len()));
        reader.read_to_end(&mut plaintext).map_err(|err| damaged(&err))?;
        Ok(plaintext)
    }

    /// The same file with stanzas for `added` at the end of its header; the payload's bytes stay as they are.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when the header's MAC does not fit: a header must not be extended before it is trusted.
    pub fn with_recipients(&self, file_key: &FileKey, added: &[Box<dyn Recipient>]) -> Result<Vec<u8>> {
        header_mac(file_key, &self.bytes[..self.mac_line + 3])
            .verify_slice(&self.mac)
            .map_err(|_| {
                Error::new(
                    ErrorKind::Damaged,
                    format!("{} was changed since it was sealed", self.name),
                )
            })?;
        let mut header = self.bytes[..self.mac_line].to_vec();
        for recipient in added {
            let (stanzas, labels) = recipient.wrap_file_key(file_key).map_err(not_sealed)?;
            // Labels restrict what a recipient may stand beside (C2SP age-plugin); none of our kinds has one.
            if !labels.is_empty() {
                return Err(Error::new(
                    ErrorKind::Other,
                    "a recipient with labels can't be added to a header",
                ));
            }
            for stanza in &stanzas {
                header = cookie_factory::gen_simple(write::age_stanza(&stanza.tag, &stanza.args, &stanza.body), header)
                    .map_err(|err| Error::new(ErrorKind::Other, format!("writing a header: {err:?}")))?;
            }
        }
        header.extend_from_slice(b"---");
        let mac = header_mac(file_key, &header).finalize().into_bytes();
        header.push(b' ');
        header.extend_from_slice(BASE64_STANDARD_NO_PAD.encode(mac).as_bytes());
        header.push(b'\n');
        header.extend_from_slice(&self.bytes[self.payload..]);
        Ok(header)
    }
}

/// Seals `plaintext` under a new file key to `recipients`.
pub fn seal(plaintext: &[u8], recipients: &[Box<dyn Recipient>]) -> Result<Vec<u8>> {
    let encryptor = Encryptor::with_recipients(recipients.iter().map(|recipient| &**recipient)).map_err(not_sealed)?;
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(not_sealed)?;
    writer.write_all(plaintext).map_err(not_sealed)?;
    writer.finish().map_err(not_sealed)?;
    Ok(sealed)
}

/// What the library says, without the advice that it puts on further lines: to get another version of some program.
fn one_line(err: impl std::fmt::Display) -> String {
    err.to_string().lines().next().unwrap_or_default().to_owned()
}

fn not_sealed(err: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Other, format!("sealing failed: {err}"))
}

/// HMAC-SHA-256 over the header up to and including `---`, key HKDF(file key, "header") (age format, "Header MAC").
fn header_mac(file_key: &FileKey, header: &[u8]) -> Hmac<Sha256> {
    let key = Zeroizing::new(hkdf(&[], b"header", file_key.expose_secret()));
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&*key).expect("HMAC takes keys of any length");
    mac.update(header);
    mac
}

/// Hands the library a file key that was unwrapped already.
struct KnownFileKey<'a>(&'a FileKey);

impl Identity for KnownFileKey<'_> {
    fn unwrap_stanza(&self, _: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        Some(Ok(FileKey::init_with_mut(|key| {
            key.copy_from_slice(self.0.expose_secret())
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::x25519;

    fn boxed(identity: &x25519::Identity) -> Box<dyn Recipient> {
        Box::new(identity.to_public())
    }

    fn file_key(identity: &x25519::Identity, file: &AgeFile) -> Option<FileKey> {
        identity.unwrap_stanzas(file.stanzas())?.ok()
    }

    #[test]
    fn an_added_recipient_opens_the_same_payload() {
        let (first, second) = (x25519::Identity::generate(), x25519::Identity::generate());
        let sealed = seal(b"secret", &[boxed(&first)]).expect("sealed");
        let file = AgeFile::parse("a.age", sealed).expect("parsed");
        assert!(file_key(&second, &file).is_none());
        let key = file_key(&first, &file).expect("opens");
        let wider = AgeFile::parse(
            "a.age",
            file.with_recipients(&key, &[boxed(&second)]).expect("rewrapped"),
        )
        .expect("parsed");
        assert_eq!(
            &*wider.open(&file_key(&second, &wider).expect("opens")).expect("opened"),
            b"secret"
        );
        assert_eq!(
            &*wider.open(&file_key(&first, &wider).expect("opens")).expect("opened"),
            b"secret"
        );
    }

    #[test]
    fn no_flipped_byte_and_no_cut_goes_unnoticed() {
        let identity = x25519::Identity::generate();
        let sealed = seal(b"secret", &[boxed(&identity)]).expect("sealed");
        let opens = |bytes: Vec<u8>| -> bool {
            let Ok(file) = AgeFile::parse("a.age", bytes) else {
                return false;
            };
            file_key(&identity, &file).is_some_and(|key| file.open(&key).is_ok())
        };
        assert!(opens(sealed.clone()));
        for position in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[position] ^= 1;
            assert!(!opens(flipped), "byte {position}");
            assert!(!opens(sealed[..position].to_vec()), "cut at {position}");
        }
    }

    #[test]
    fn what_the_library_advises_is_not_passed_on() {
        let no_recipient =
            b"age-encryption.org/v1\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n0123456789abcdef".to_vec();
        let error = AgeFile::parse("a.age", no_recipient).err().expect("refused");
        assert!(!error.message().contains('\n'), "{error}");
    }

    #[test]
    fn a_header_changed_by_somebody_else_is_not_extended() {
        let (first, second) = (x25519::Identity::generate(), x25519::Identity::generate());
        let file = AgeFile::parse("a.age", seal(b"secret", &[boxed(&first)]).expect("sealed")).expect("parsed");
        let key = file_key(&first, &file).expect("opens");
        let other = AgeFile::parse("b.age", seal(b"other", &[boxed(&second)]).expect("sealed")).expect("parsed");
        assert_eq!(
            other.with_recipients(&key, &[]).err().map(|e| e.kind()),
            Some(ErrorKind::Damaged)
        );
    }
}
