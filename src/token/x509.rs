//! As much of a certificate as a token needs: its key, its signature, a name and an extension (RFC 5280, 4.1).
//!
//! The signed bytes are kept as they came, because encoding them anew could change them. Whom to trust is left to the
//! caller.

use super::{
    Error, Point, Result,
    tlv::{Reader, Tlv},
};

const WHAT: &str = "the certificate";

const SEQUENCE: u32 = 0x30;
const SET: u32 = 0x31;
const INTEGER: u32 = 0x02;
const BIT_STRING: u32 = 0x03;
const OCTET_STRING: u32 = 0x04;
const OBJECT_IDENTIFIER: u32 = 0x06;

/// id-ecPublicKey, RFC 5480, 2.1.1.
pub(super) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// secp256r1, RFC 5480, 2.1.1.1.
pub(super) const SECP256R1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// secp384r1.
pub(super) const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// rsaEncryption, RFC 3279, 2.3.1.
pub(super) const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// id-at-commonName, RFC 5280, appendix A.1.
pub(super) const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// id-at-organizationName.
pub(super) const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

/// A certificate, taken apart.
pub(super) struct Certificate<'a> {
    /// What is signed.
    pub signed: &'a [u8],
    /// The object identifier of the signature's algorithm.
    pub signature_algorithm: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
    /// The object identifier of the key's algorithm.
    pub key_algorithm: &'a [u8],
    /// The object identifier of the curve, for a key on one.
    pub curve: Option<&'a [u8]>,
    /// The key: a point, or an RSA key as DER.
    pub key: &'a [u8],
    subject: &'a [u8],
    extensions: Option<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    /// Takes `der` apart.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(der: &'a [u8]) -> Result<Self> {
        let mut outer = reader(reader(der).expect(SEQUENCE)?.value);
        let signed = outer.expect(SEQUENCE)?;
        let signature_algorithm = algorithm(outer.expect(SEQUENCE)?)?.0;
        let signature = bits(outer.expect(BIT_STRING)?)?;

        // RFC 5280, 4.1: [0] version, serial, signature, issuer, validity, subject, key, [1], [2], [3] extensions.
        let mut fields = reader(signed.value);
        let mut serial = fields.next()?;
        if serial.is_some_and(|field| field.tag == 0xa0) {
            serial = fields.next()?;
        }
        serial.filter(|field| field.tag == INTEGER).ok_or_else(malformed)?;
        for _signature_issuer_validity in 0..3 {
            fields.expect(SEQUENCE)?;
        }
        let subject = fields.expect(SEQUENCE)?.value;
        let mut key_info = reader(fields.expect(SEQUENCE)?.value);
        let (key_algorithm, curve) = algorithm(key_info.expect(SEQUENCE)?)?;
        let key = bits(key_info.expect(BIT_STRING)?)?;
        let extensions = fields.find(0xa3)?.map(|explicit| explicit.value);
        Ok(Self {
            signed: signed.whole,
            signature_algorithm,
            signature,
            key_algorithm,
            curve,
            key,
            subject,
            extensions,
        })
    }

    /// The public key, if it is on P-256.
    pub fn point(&self) -> Result<Option<Point>> {
        match (self.key_algorithm, self.curve) {
            (EC_PUBLIC_KEY, Some(SECP256R1)) => Point::from_sec1(self.key).map(Some),
            _ => Ok(None),
        }
    }

    /// The value of the extension `oid`, without its OCTET STRING; `None` if it is missing.
    ///
    /// # Errors
    /// [`Error::Malformed`] also if it is there twice: then nobody could say which counts (RFC 5280, 4.2).
    pub fn extension(&self, oid: &[u8]) -> Result<Option<&'a [u8]>> {
        let Some(explicit) = self.extensions else {
            return Ok(None);
        };
        let mut found = None;
        let mut all = reader(reader(explicit).expect(SEQUENCE)?.value);
        while let Some(extension) = all.next()? {
            let mut fields = reader(extension.value);
            if fields.expect(OBJECT_IDENTIFIER)?.value != oid {
                continue;
            }
            let value = fields.find(OCTET_STRING)?.ok_or_else(malformed)?.value;
            if found.replace(value).is_some() {
                return Err(malformed());
            }
        }
        Ok(found)
    }

    /// The first attribute `oid` of the subject, if it is text.
    pub fn subject(&self, oid: &[u8]) -> Result<Option<String>> {
        let mut names = reader(self.subject);
        while let Some(set) = names.next()? {
            if set.tag != SET {
                return Err(malformed());
            }
            let mut attributes = reader(set.value);
            while let Some(attribute) = attributes.next()? {
                let mut pair = reader(attribute.value);
                if pair.expect(OBJECT_IDENTIFIER)?.value == oid {
                    let text = pair.next()?.ok_or_else(malformed)?.value;
                    return Ok(String::from_utf8(text.to_vec()).ok());
                }
            }
        }
        Ok(None)
    }
}

/// An INTEGER's bytes without the leading zero that keeps it positive (X.690, 8.3).
pub(super) fn unsigned(bytes: &[u8]) -> &[u8] {
    match bytes {
        [0, rest @ ..] => rest,
        all => all,
    }
}

fn reader(bytes: &[u8]) -> Reader<'_> {
    Reader::new(bytes, WHAT)
}

fn malformed() -> Error {
    Error::Malformed { what: WHAT }
}

/// AlgorithmIdentifier: its object identifier, and its parameters if they are one too.
fn algorithm<'a>(sequence: Tlv<'a>) -> Result<(&'a [u8], Option<&'a [u8]>)> {
    let mut fields = reader(sequence.value);
    let oid = fields.expect(OBJECT_IDENTIFIER)?.value;
    let parameters = fields.next()?.filter(|tlv| tlv.tag == OBJECT_IDENTIFIER);
    Ok((oid, parameters.map(|tlv| tlv.value)))
}

/// A BIT STRING of whole bytes; its first byte counts unused bits (X.690, 8.6).
fn bits(tlv: Tlv<'_>) -> Result<&[u8]> {
    match tlv.value {
        [0, bytes @ ..] => Ok(bytes),
        _ => Err(malformed()),
    }
}
