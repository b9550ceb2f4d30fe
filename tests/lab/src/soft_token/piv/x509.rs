//! X.509 certificates, written and read as far as attestations need it (RFC 5280, 4.1).

use p256::{
    SecretKey,
    ecdsa::{Signature, SigningKey, signature::Signer},
};
use rand::{RngCore, rngs::OsRng};

use crate::soft_token::tlv;

/// ASN.1 universal tags (X.680, 8.4), constructed where the type is.
mod tag {
    pub const BOOLEAN: u32 = 0x01;
    pub const INTEGER: u32 = 0x02;
    pub const BIT_STRING: u32 = 0x03;
    pub const OCTET_STRING: u32 = 0x04;
    pub const OBJECT_IDENTIFIER: u32 = 0x06;
    pub const UTF8_STRING: u32 = 0x0c;
    pub const UTC_TIME: u32 = 0x17;
    pub const GENERALIZED_TIME: u32 = 0x18;
    pub const SEQUENCE: u32 = 0x30;
    pub const SET: u32 = 0x31;
    pub const VERSION: u32 = 0xa0;
    pub const EXTENSIONS: u32 = 0xa3;
}

/// Object identifiers, encoded.
mod oid {
    /// ecdsa-with-SHA256 (RFC 5758, 3.2)
    pub const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    /// id-ecPublicKey and secp256r1 (RFC 5480, 2.1.1)
    pub const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    pub const SECP256R1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    /// id-at-commonName (RFC 5280, appendix A)
    pub const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    /// id-ce-basicConstraints (RFC 5280, 4.2.1.9)
    pub const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
    /// id-ce-keyUsage (RFC 5280, 4.2.1.3)
    pub const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
}

/// What a new certificate says. Name and validity are encoded already, so that they can be another certificate's.
pub struct Content<'a> {
    pub serial_number: [u8; 16],
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    pub validity: &'a [u8],
    /// An uncompressed point of P-256.
    pub point: &'a [u8],
    pub extensions: &'a [Vec<u8>],
}

impl Content<'_> {
    /// The certificate, signed by its issuer's key.
    pub fn sign(&self, issuer: &SecretKey) -> Vec<u8> {
        let algorithm = sequence(&[&object_identifier(oid::ECDSA_WITH_SHA256)]);
        let key_algorithm = sequence(&[
            &object_identifier(oid::EC_PUBLIC_KEY),
            &object_identifier(oid::SECP256R1),
        ]);
        let to_be_signed = sequence(&[
            &tlv::encode(tag::VERSION, &integer(2)), // version 3
            &tlv::encode(tag::INTEGER, &self.serial_number),
            &algorithm,
            self.issuer,
            self.validity,
            self.subject,
            &sequence(&[&key_algorithm, &bit_string(self.point)]),
            &tlv::encode(tag::EXTENSIONS, &tlv::encode(tag::SEQUENCE, &self.extensions.concat())),
        ]);
        let signature: Signature = SigningKey::from(issuer).sign(&to_be_signed);
        sequence(&[&to_be_signed, &algorithm, &bit_string(signature.to_der().as_bytes())])
    }
}

/// What a certificate that is to be an issuer says about itself, encoded.
pub struct Issuer<'a> {
    pub subject: &'a [u8],
    pub validity: &'a [u8],
}

impl<'a> Issuer<'a> {
    /// `None` if this isn't a certificate.
    pub fn read(certificate: &'a [u8]) -> Option<Self> {
        let to_be_signed = tlv::only(certificate, tag::SEQUENCE).and_then(tlv::first)?.0.value;
        let fields = tlv::list(to_be_signed)?;
        // the version is left out in version 1: serial number, algorithm, issuer, validity, subject follow
        let fields = fields
            .strip_prefix(&[tlv::first(to_be_signed)?.0])
            .filter(|_| fields[0].tag == tag::VERSION);
        match fields? {
            [_serial, _algorithm, _issuer, validity, subject, ..] => Some(Self {
                subject: subject.whole,
                validity: validity.whole,
            }),
            _ => None,
        }
    }
}

/// A name of one common name.
pub fn common_name(name: &str) -> Vec<u8> {
    let name = tlv::encode(tag::UTF8_STRING, name.as_bytes());
    let attribute = sequence(&[&object_identifier(oid::COMMON_NAME), &name]);
    sequence(&[&tlv::encode(tag::SET, &attribute)])
}

/// From a time before 2050 (`YYMMDDhhmmssZ`) to one after it (`YYYYMMDDhhmmssZ`; RFC 5280, 4.1.2.5).
pub fn validity(from: &str, until: &str) -> Vec<u8> {
    sequence(&[
        &tlv::encode(tag::UTC_TIME, from.as_bytes()),
        &tlv::encode(tag::GENERALIZED_TIME, until.as_bytes()),
    ])
}

/// An extension that isn't critical.
pub fn extension(object_identifier_bytes: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[
        &object_identifier(object_identifier_bytes),
        &tlv::encode(tag::OCTET_STRING, value),
    ])
}

/// The two extensions that make a certificate an issuer: "CA", and "signs certificates".
pub fn issuer_extensions() -> Vec<Vec<u8>> {
    let is_true = tlv::encode(tag::BOOLEAN, &[0xff]);
    let critical =
        |id, value: &[u8]| sequence(&[&object_identifier(id), &is_true, &tlv::encode(tag::OCTET_STRING, value)]);
    // keyCertSign is bit 5: one byte, two bits of it unused
    let key_usage = tlv::encode(tag::BIT_STRING, &[2, 0x04]);
    vec![
        critical(oid::BASIC_CONSTRAINTS, &sequence(&[&is_true])),
        critical(oid::KEY_USAGE, &key_usage),
    ]
}

/// An INTEGER that isn't negative.
pub fn integer(value: u32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
    let mut content = bytes[start..].to_vec();
    if content[0] & 0x80 != 0 {
        content.insert(0, 0);
    }
    tlv::encode(tag::INTEGER, &content)
}

/// 16 bytes, positive and without leading zeros (RFC 5280, 4.1.2.2).
pub fn random_serial_number() -> [u8; 16] {
    let mut number = [0; 16];
    OsRng.fill_bytes(&mut number);
    number[0] = number[0] & 0x3f | 0x40;
    number
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv::encode(tag::SEQUENCE, &parts.concat())
}

fn object_identifier(bytes: &[u8]) -> Vec<u8> {
    tlv::encode(tag::OBJECT_IDENTIFIER, bytes)
}

/// All bits used.
fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv::encode(tag::BIT_STRING, &[&[0], bytes].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_minimal_and_not_negative() {
        assert_eq!(integer(0), [2, 1, 0]);
        assert_eq!(integer(127), [2, 1, 0x7f]);
        assert_eq!(integer(128), [2, 2, 0, 0x80]);
        assert_eq!(integer(10_000_001), [2, 4, 0, 0x98, 0x96, 0x81]);
    }

    #[test]
    fn what_is_no_certificate_is_no_issuer() {
        for bytes in [&[][..], &[0x30, 0], &[0x30, 2, 0x30, 0], &[0x30, 4, 0x30, 2, 0xa0, 0]] {
            assert!(Issuer::read(bytes).is_none(), "{bytes:02x?}");
        }
    }
}
