//! What a token testifies about a key that it made itself (Yubico, "PIV attestation", firmware 4.3).
//!
//! The testimony is a certificate for the key, signed by the token's own key in slot f9. Whether that one is Yubico's is a
//! second question, [`is_signed_by`] one of Yubico's, and not needed to know that this token keeps its word.

use super::{
    Error, Firmware, PinPolicy, Point, Policies, Result, Serial, TouchPolicy,
    tlv::Reader,
    x509::{Certificate, EC_PUBLIC_KEY, RSA_ENCRYPTION, SECP256R1, SECP384R1, unsigned},
};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// 1.3.6.1.4.1.41482.3.3: the firmware, three bytes.
const FIRMWARE: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xc4, 0x0a, 0x03, 0x03];
/// 1.3.6.1.4.1.41482.3.7: the serial number, an INTEGER.
const SERIAL: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xc4, 0x0a, 0x03, 0x07];
/// 1.3.6.1.4.1.41482.3.8: PIN and touch policy, a byte each.
pub(super) const POLICIES: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xc4, 0x0a, 0x03, 0x08];

/// A testimony, read but not yet believed: see [`Attestation::is_signed_by`].
#[derive(Clone, PartialEq, Eq)]
pub struct Attestation {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The key that the token made, if it is on P-256.
    pub public_key: Option<Point>,
    /// When the token asks for PIN and touch.
    pub policies: Policies,
    /// The token's firmware.
    pub firmware: Firmware,
    /// The token's serial; a token can be set up not to tell.
    pub serial: Option<Serial>,
}

impl Attestation {
    /// Reads the answer to ATTEST.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is no certificate or lacks policies or firmware.
    pub fn parse(der: &[u8]) -> Result<Self> {
        let malformed = || Error::Malformed {
            what: "the attestation",
        };
        let certificate = Certificate::parse(der)?;
        let [pin, touch] = certificate.extension(POLICIES)?.ok_or_else(malformed)? else {
            return Err(malformed());
        };
        let [major, minor, patch] = certificate.extension(FIRMWARE)?.ok_or_else(malformed)? else {
            return Err(malformed());
        };
        let serial = match certificate.extension(SERIAL)? {
            Some(integer) => Some(serial(integer)?),
            None => None,
        };
        Ok(Self {
            certificate: der.to_vec(),
            public_key: certificate.point()?,
            policies: Policies {
                pin: PinPolicy::from_byte(*pin),
                touch: TouchPolicy::from_byte(*touch)?,
            },
            firmware: Firmware::new(*major, *minor, *patch),
            serial,
        })
    }

    /// Whether the key of `issuer` (DER, the certificate of slot f9) signed this.
    ///
    /// # Errors
    /// As [`is_signed_by`].
    pub fn is_signed_by(&self, issuer: &[u8]) -> Result<bool> {
        is_signed_by(&self.certificate, issuer)
    }
}

fn serial(integer: &[u8]) -> Result<Serial> {
    let what = "the attestation's serial";
    let bytes = unsigned(Reader::new(integer, what).expect(0x02)?.value);
    let mut number = [0; 4];
    let start = number.len().checked_sub(bytes.len()).ok_or(Error::Malformed { what })?;
    number[start..].copy_from_slice(bytes);
    Ok(Serial(u32::from_be_bytes(number)))
}

/// Whether the key in the certificate `issuer` made the signature in `certificate`, both DER.
///
/// Nothing else is compared: names, dates and constraints of these certificates mean nothing here.
///
/// # Errors
/// [`Error::Malformed`], or [`Error::NotSupported`] for a signature that is neither RSA (PKCS #1 v1.5) nor ECDSA on P-256 or
/// P-384, with SHA-256, -384 or -512.
pub fn is_signed_by(certificate: &[u8], issuer: &[u8]) -> Result<bool> {
    let certificate = Certificate::parse(certificate)?;
    let issuer = Certificate::parse(issuer)?;
    let (scheme, hash) = scheme(certificate.signature_algorithm)?;
    let digest = hash.digest(certificate.signed);
    let (key, signature) = (issuer.key, certificate.signature);
    Ok(match (scheme, issuer.key_algorithm, issuer.curve) {
        (Scheme::Rsa, RSA_ENCRYPTION, _) => verify_rsa(key, hash, &digest, signature)?,
        (Scheme::Ecdsa, EC_PUBLIC_KEY, Some(SECP256R1)) => verify_p256(key, &digest, signature),
        (Scheme::Ecdsa, EC_PUBLIC_KEY, Some(SECP384R1)) => verify_p384(key, &digest, signature),
        _ => false,
    })
}

enum Scheme {
    Rsa,
    Ecdsa,
}

#[derive(Clone, Copy)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }

    /// DigestInfo up to the digest, RFC 8017, 9.2, note 1.
    fn digest_info(self) -> [u8; 19] {
        let (last, length) = match self {
            Self::Sha256 => (1, 32),
            Self::Sha384 => (2, 48),
            Self::Sha512 => (3, 64),
        };
        [
            0x30,
            17 + length,
            0x30,
            0x0d,
            0x06,
            0x09,
            0x60,
            0x86,
            0x48,
            0x01,
            0x65,
            0x03,
            0x04,
            0x02,
            last,
            0x05,
            0x00,
            0x04,
            length,
        ]
    }
}

/// RFC 4055, 5 (1.2.840.113549.1.1.x) and RFC 5758, 3.2 (1.2.840.10045.4.3.x).
fn scheme(oid: &[u8]) -> Result<(Scheme, Hash)> {
    const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    match oid.split_last() {
        Some((11, arc)) if arc == RSA => Ok((Scheme::Rsa, Hash::Sha256)),
        Some((12, arc)) if arc == RSA => Ok((Scheme::Rsa, Hash::Sha384)),
        Some((13, arc)) if arc == RSA => Ok((Scheme::Rsa, Hash::Sha512)),
        Some((2, arc)) if arc == ECDSA => Ok((Scheme::Ecdsa, Hash::Sha256)),
        Some((3, arc)) if arc == ECDSA => Ok((Scheme::Ecdsa, Hash::Sha384)),
        Some((4, arc)) if arc == ECDSA => Ok((Scheme::Ecdsa, Hash::Sha512)),
        _ => Err(Error::NotSupported {
            what: "the certificate's signature algorithm",
            firmware: None,
        }),
    }
}

fn verify_rsa(key: &[u8], hash: Hash, digest: &[u8], signature: &[u8]) -> Result<bool> {
    use rsa::{BoxedUint, Pkcs1v15Sign, RsaPublicKey};
    // RSAPublicKey, RFC 8017, A.1.1.
    let what = "the issuer's RSA key";
    let mut numbers = Reader::new(Reader::new(key, what).expect(0x30)?.value, what);
    let modulus = BoxedUint::from_be_slice_vartime(unsigned(numbers.expect(0x02)?.value));
    let exponent = BoxedUint::from_be_slice_vartime(unsigned(numbers.expect(0x02)?.value));
    let key = RsaPublicKey::new(modulus, exponent).map_err(|_| Error::Malformed { what })?;
    let scheme = Pkcs1v15Sign {
        hash_len: Some(digest.len()),
        prefix: hash.digest_info().into(),
    };
    Ok(key.verify(scheme, digest, signature).is_ok())
}

fn verify_p256(key: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    use p256::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier};
    match (VerifyingKey::from_sec1_bytes(key), Signature::from_der(signature)) {
        (Ok(key), Ok(signature)) => key.verify_prehash(digest, &signature).is_ok(),
        _ => false,
    }
}

fn verify_p384(key: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    use p384::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier};
    match (VerifyingKey::from_sec1_bytes(key), Signature::from_der(signature)) {
        (Ok(key), Ok(signature)) => key.verify_prehash(digest, &signature).is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
