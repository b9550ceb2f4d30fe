//! The certificate beside a key, as age-plugin-yubikey makes and reads it.
//!
//! That plugin takes the public key from it, lists a key as its own by the organisation, and reads the policies from an
//! extension that it shares with attestations. ykman shows it like any other. It proves nothing, see `discover::Evidence`.

use crate::token::{
    Point, Policies,
    attestation::POLICIES,
    tlv::write,
    x509::{COMMON_NAME, EC_PUBLIC_KEY, ORGANIZATION, SECP256R1},
};
use sha2::{Digest, Sha256};

/// The organisation by which age-plugin-yubikey knows its keys.
pub(super) const AGE_PLUGIN: &str = "age-plugin-yubikey";

/// What a person reads in the certificate.
pub struct CertificateText<'a> {
    /// The common name, up to 64 characters; longer ones are cut (RFC 5280, appendix A.1, ub-common-name).
    pub name: &'a str,
    /// The organisational unit: who made it, such as "tapvault 0.1.0".
    pub made_by: &'a str,
    /// When, in seconds since 1970.
    pub made_at: u64,
}

/// A certificate that waits for its signature.
pub(super) struct Unsigned {
    key: Point,
    signed: Vec<u8>,
}

/// A certificate signed by the key that it is for.
#[derive(Clone, PartialEq, Eq)]
pub struct SelfSigned {
    key: Point,
    der: Vec<u8>,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// id-at-organizationalUnitName, RFC 5280, appendix A.1.
const ORGANIZATIONAL_UNIT: &[u8] = &[0x55, 0x04, 0x0b];
/// ecdsa-with-SHA256, RFC 5758, 3.2.
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// "No well-defined expiration date", RFC 5280, 4.1.2.5.
const NEVER: &[u8] = b"99991231235959Z";

impl Unsigned {
    pub fn new(key: &Point, policies: Policies, text: &CertificateText<'_>) -> Self {
        let cut = |text: &str| text.chars().take(64).collect::<String>();
        let name = sequence(&[
            attribute(ORGANIZATION, AGE_PLUGIN),
            attribute(ORGANIZATIONAL_UNIT, &cut(text.made_by)),
            attribute(COMMON_NAME, &cut(text.name)),
        ]);
        let validity = sequence(&[time(text.made_at), write(GENERALIZED_TIME, NEVER)]);
        let key_info = sequence(&[
            sequence(&[oid(EC_PUBLIC_KEY), oid(SECP256R1)]),
            bits(key.uncompressed()),
        ]);
        let extension = sequence(&[
            oid(POLICIES),
            write(OCTET_STRING, &[policies.pin.byte(), policies.touch.byte()]),
        ]);
        // RFC 5280, 4.1: version 3, serial, signature, issuer, validity, subject, key, extensions.
        let signed = sequence(&[
            write(0xa0, &write(INTEGER, &[2])),
            serial(key, text.made_at),
            sequence(&[oid(ECDSA_WITH_SHA256)]),
            name.clone(),
            validity,
            name,
            key_info,
            write(0xa3, &sequence(&[extension])),
        ]);
        Self { key: *key, signed }
    }

    /// What the key signs the SHA-256 of.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.signed
    }

    pub fn with_signature(self, signature: &[u8]) -> SelfSigned {
        let der = sequence(&[self.signed, sequence(&[oid(ECDSA_WITH_SHA256)]), bits(signature)]);
        SelfSigned { key: self.key, der }
    }
}

impl SelfSigned {
    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The key that it is for and that signed it.
    pub fn public_key(&self) -> Point {
        self.key
    }
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    write(SEQUENCE, &parts.concat())
}

fn oid(bytes: &[u8]) -> Vec<u8> {
    write(OBJECT_IDENTIFIER, bytes)
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    write(BIT_STRING, &[&[0], bytes].concat())
}

fn attribute(kind: &[u8], text: &str) -> Vec<u8> {
    write(SET, &sequence(&[oid(kind), write(UTF8_STRING, text.as_bytes())]))
}

/// A serial number: 16 bytes of a digest, made positive and not zero. RFC 5280, 4.1.2.2 wants it unique per issuer, and
/// the issuer is this key.
fn serial(key: &Point, made_at: u64) -> Vec<u8> {
    let digest = Sha256::new()
        .chain_update(key.uncompressed())
        .chain_update(made_at.to_be_bytes())
        .finalize();
    let mut number = digest[..16].to_vec();
    number[0] = number[0] & 0x7f | 0x40;
    write(INTEGER, &number)
}

/// RFC 5280, 4.1.2.5: UTCTime until 2049, GeneralizedTime from then on.
fn time(seconds: u64) -> Vec<u8> {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days.min(2_932_896));
    let clock = format!(
        "{month:02}{day:02}{:02}{:02}{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    );
    match year {
        ..2050 => write(UTC_TIME, format!("{:02}{clock}", year % 100).as_bytes()),
        _ => write(GENERALIZED_TIME, format!("{year:04}{clock}").as_bytes()),
    }
}

/// Year, month and day of the Gregorian calendar, counted in eras of 400 years that begin on a 1 March.
fn date(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{PinPolicy, TouchPolicy, attestation::is_signed_by, x509::Certificate};
    use p256::ecdsa::{DerSignature, SigningKey, signature::hazmat::PrehashSigner};

    fn made(text: &CertificateText<'_>) -> SelfSigned {
        let signer = SigningKey::random(&mut rand::rngs::OsRng);
        let point = signer.verifying_key().to_encoded_point(false);
        let key = Point::from_sec1(point.as_bytes()).expect("a public key is a point");
        let policies = Policies {
            pin: PinPolicy::Once,
            touch: TouchPolicy::Always,
        };
        let unsigned = Unsigned::new(&key, policies, text);
        let digest = Sha256::digest(unsigned.signed_bytes());
        let signature: DerSignature = signer.sign_prehash(&digest).expect("a digest can be signed");
        unsigned.with_signature(signature.as_bytes())
    }

    #[test]
    fn the_certificate_reads_back_and_is_its_own_issuer() {
        let certificate = made(&CertificateText {
            name: "tapvault \u{e9}",
            made_by: "tapvault 0.1.0",
            made_at: 1_767_225_600,
        });
        let parsed = Certificate::parse(certificate.der()).expect("what we write we can read");
        assert_eq!(parsed.point(), Ok(Some(certificate.public_key())));
        assert_eq!(parsed.extension(POLICIES), Ok(Some(&[2, 2][..])));
        assert_eq!(parsed.subject(ORGANIZATION), Ok(Some(AGE_PLUGIN.to_owned())));
        assert_eq!(parsed.subject(COMMON_NAME), Ok(Some("tapvault \u{e9}".to_owned())));
        assert_eq!(is_signed_by(certificate.der(), certificate.der()), Ok(true));
        let other = made(&CertificateText {
            name: "",
            made_by: "",
            made_at: 0,
        });
        assert_eq!(is_signed_by(certificate.der(), other.der()), Ok(false));
    }

    #[test]
    fn the_yubikey_crate_accepts_it_and_changes_no_byte() {
        let certificate = made(&CertificateText {
            name: &"long ".repeat(40),
            made_by: "tapvault",
            made_at: 2_600_000_000,
        });
        let read = yubikey::Certificate::from_bytes(certificate.der().to_vec()).expect("it parses");
        assert!(read.subject().contains(AGE_PLUGIN));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases: [(u64, &[u8]); 5] = [
            (0, b"700101000000Z"),
            (951_782_400, b"000229000000Z"),
            (1_767_225_599, b"251231235959Z"),
            (2_524_607_999, b"491231235959Z"),
            (2_524_608_000, b"20500101000000Z"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(&time(seconds)[2..], expected);
        }
        assert_eq!(&time(u64::MAX)[2..10], b"99991231");
    }
}
