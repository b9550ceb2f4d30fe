//! A P-256 public key as bytes that are known to lie on the curve.
//!
//! Bytes, because two generations of curve crates meet here (`age` and `yubikey`), and SEC1 is what both speak.

use super::{Error, Result};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use std::fmt;

/// A point of P-256, not the identity, checked when it was read.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Point([u8; Self::UNCOMPRESSED]);

impl Point {
    /// 04, x, y.
    pub const UNCOMPRESSED: usize = 65;
    /// 02 or 03, x.
    pub const COMPRESSED: usize = 33;

    /// Reads 65 (uncompressed) or 33 (compressed) bytes; SEC 1, 2.3.4.
    ///
    /// # Errors
    /// [`Error::Malformed`] if they are no point of P-256.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self> {
        let malformed = Error::Malformed {
            what: "the P-256 point",
        };
        let key = p256::PublicKey::from_sec1_bytes(bytes).map_err(|_| malformed.clone())?;
        let encoded = key.to_encoded_point(false);
        encoded.as_bytes().try_into().map(Self).map_err(|_| malformed)
    }

    /// 04, x, y: the form of GENERAL AUTHENTICATE, metadata and certificates.
    pub const fn uncompressed(&self) -> &[u8; Self::UNCOMPRESSED] {
        &self.0
    }

    /// 02 or 03, x: the form of the age stanza and recipient.
    pub fn compressed(&self) -> [u8; Self::COMPRESSED] {
        let mut compressed = [0; Self::COMPRESSED];
        // SEC 1, 2.3.3: the first octet is 02 plus the lowest bit of y.
        compressed[0] = 0x02 | (self.0[Self::UNCOMPRESSED - 1] & 1);
        compressed[1..].copy_from_slice(&self.0[1..Self::COMPRESSED]);
        compressed
    }

    /// Whether `signature` (a DER `ECDSA-Sig-Value`) over the SHA-256 `digest` was made with this key.
    pub fn verifies(&self, digest: &[u8; 32], signature: &[u8]) -> bool {
        use p256::ecdsa::{DerSignature, Signature, VerifyingKey, signature::hazmat::PrehashVerifier};
        let key = VerifyingKey::from_sec1_bytes(&self.0);
        let signature = DerSignature::from_bytes(signature).and_then(Signature::try_from);
        match (key, signature) {
            (Ok(key), Ok(signature)) => key.verify_prehash(digest, &signature).is_ok(),
            _ => false,
        }
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Point(")?;
        for byte in self.compressed() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_name_the_same_point() {
        let key = p256::SecretKey::random(&mut rand::rngs::OsRng).public_key();
        let long = Point::from_sec1(key.to_encoded_point(false).as_bytes());
        let short = Point::from_sec1(key.to_encoded_point(true).as_bytes());
        assert_eq!(long, short);
        let point = long.expect("a public key is a point");
        assert_eq!(&point.compressed(), key.to_encoded_point(true).as_bytes());
    }

    #[test]
    fn what_is_not_on_the_curve_is_refused() {
        let mut off = [1; 65];
        off[0] = 4;
        for wrong in [&off[..], &[0], &[], &[2; 33][..32], &off[..64]] {
            assert!(Point::from_sec1(wrong).is_err());
        }
    }
}
