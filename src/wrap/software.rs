//! A key whose secret is in memory for the length of one command: an age X25519 identity, and the signature key derived from it.

use super::{KeyName, PresentKey, SoftwareVerifier, Verifier, voucher_message};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::secret::SecretText;
use age::Identity;
use age::secrecy::ExposeSecret;
use age_core::format::{FileKey, Stanza};
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// HKDF's info for the signature key: the X25519 secret itself is used for nothing but unwrapping.
const SIGNING_INFO: &[u8] = b"tapvault key list v1";

/// An X25519 identity and its Ed25519 voucher key.
pub struct SoftwareKey {
    name: KeyName,
    identity: age::x25519::Identity,
    signing: SigningKey,
    verifier: Verifier,
}

impl SoftwareKey {
    /// A new one from the operating system's random numbers.
    pub fn generate(name: KeyName) -> Self {
        Self::from_identity(name, age::x25519::Identity::generate())
    }

    /// From the text `AGE-SECRET-KEY-1...`.
    ///
    /// # Errors
    /// [`ErrorKind::Pin`] when it is no age identity (Bech32's checksum finds typing slips).
    pub fn parse(name: KeyName, text: &SecretText) -> Result<Self> {
        // On paper it may be written in groups, and in any case.
        let compact = Zeroizing::new(
            text.expose()
                .chars()
                .filter(|c| !c.is_whitespace())
                .collect::<String>()
                .to_ascii_uppercase(),
        );
        let identity = compact.parse().map_err(|_| {
            Error::new(
                ErrorKind::Pin,
                "that is no recovery key: its check digits don't fit, or a part is missing",
            )
            .hint("it begins with AGE-SECRET-KEY-1 and has 74 characters")
        })?;
        Ok(Self::from_identity(name, identity))
    }

    fn from_identity(name: KeyName, identity: age::x25519::Identity) -> Self {
        let text = identity.to_string();
        let (_, secret) = bech32::decode(text.expose_secret()).expect("age writes its identities in Bech32");
        let secret = Zeroizing::new(secret);
        let mut seed = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &secret)
            .expand(SIGNING_INFO, &mut *seed)
            .expect("HKDF gives up to 8,160 bytes");
        let signing = SigningKey::from_bytes(&seed);
        let verifier = Verifier::Ed25519(signing.verifying_key().to_bytes());
        SoftwareKey {
            name,
            identity,
            signing,
            verifier,
        }
    }

    /// The same key under the name that the key list has for it.
    pub fn renamed(self, name: KeyName) -> Self {
        SoftwareKey { name, ..self }
    }

    /// `age1...`.
    pub fn recipient(&self) -> String {
        self.identity.to_public().to_string()
    }

    /// What the key list records to check its vouchers with.
    pub fn software_verifier(&self) -> SoftwareVerifier {
        SoftwareVerifier(self.signing.verifying_key().to_bytes())
    }

    /// `AGE-SECRET-KEY-1...`, for paper or for the file under a passphrase.
    pub fn secret_text(&self) -> SecretText {
        SecretText::copy_of(self.identity.to_string().expose_secret())
    }
}

impl PresentKey for SoftwareKey {
    fn name(&self) -> &KeyName {
        &self.name
    }

    fn proven_verifier(&self) -> &Verifier {
        &self.verifier
    }

    fn unwrap_file_key(&mut self, stanzas: &[Stanza], _: &str, _: &mut Touches<'_>) -> Result<FileKey> {
        match self.identity.unwrap_stanzas(stanzas) {
            Some(Ok(file_key)) => Ok(file_key),
            Some(Err(err)) => Err(Error::new(ErrorKind::Damaged, format!("its header is damaged: {err}"))),
            None => Err(Error::new(
                ErrorKind::NoKey,
                format!("it is not sealed to {}", self.name),
            )),
        }
    }

    fn vouch(&mut self, list: &[u8], _: &str, _: &mut Touches<'_>) -> Result<Vec<u8>> {
        Ok(self.signing.sign(&voucher_message(list)).to_bytes().to_vec())
    }

    fn touches_for(&self, _: usize, _: usize) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::Dialogue;

    fn name() -> KeyName {
        "paper".parse().expect("a name")
    }

    #[test]
    fn a_key_typed_in_groups_and_lower_case_is_the_same_key() {
        let key = SoftwareKey::generate(name());
        let typed = key.secret_text().expose().to_ascii_lowercase();
        let spaced = format!("{} {}\n", &typed[..20], &typed[20..]);
        let again = SoftwareKey::parse(name(), &SecretText::copy_of(&spaced)).expect("parsed");
        assert_eq!(again.recipient(), key.recipient());
        assert_eq!(again.proven_verifier(), key.proven_verifier());
    }

    #[test]
    fn a_typing_slip_is_found() {
        let key = SoftwareKey::generate(name());
        let mut typed = key.secret_text().expose().to_owned();
        let last = if typed.ends_with('Q') { 'P' } else { 'Q' };
        typed.pop();
        typed.push(last);
        assert_eq!(
            SoftwareKey::parse(name(), &SecretText::copy_of(&typed))
                .err()
                .map(|e| e.kind()),
            Some(ErrorKind::Pin)
        );
    }

    #[test]
    fn a_voucher_is_for_one_list_and_one_key() {
        let dialogue = Dialogue::open(&crate::context::Env::default());
        let mut touches = Touches::none(&dialogue);
        let (mut key, other) = (SoftwareKey::generate(name()), SoftwareKey::generate(name()));
        let voucher = key.vouch(b"list", "", &mut touches).expect("vouched");
        assert!(key.proven_verifier().accepts(b"list", &voucher));
        assert!(!key.proven_verifier().accepts(b"another", &voucher));
        assert!(!other.proven_verifier().accepts(b"list", &voucher));
    }
}
