//! ATTEST: the token's word, signed by its attestation key (F9), that a key was made inside it.
//!
//! The chain has the shape of Yubico's: a root for all tokens, a certificate for each token's attestation key, and
//! below it one for each attested slot. Root and names are the lab's own: nothing here can be mistaken for Yubico's.

use p256::{SecretKey, elliptic_curve::sec1::ToEncodedPoint};
use sha2::{Digest, Sha256};

use super::{
    Piv,
    slot::Slot,
    state::{Key, Origin},
    x509,
};
use crate::soft_token::{
    apdu::{Answer, Command, StatusWord},
    device::Device,
    hex::Hex,
    management::FORM_FACTOR,
    tlv,
};

/// The parts of a certificate object (SP 800-73-4 part 1, appendix A).
const TAG_CERTIFICATE: u32 = 0x70;
const TAG_CERTIFICATE_INFO: u32 = 0x71;
const TAG_ERROR_DETECTION: u32 = 0xfe;

/// 1.3.6.1.4.1.41482.3.x: Yubico's extensions in attestations ("PIV attestation" on developers.yubico.com).
mod oid {
    pub const FIRMWARE: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xc4, 0x0a, 0x03, 0x03];
    pub const SERIAL: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xc4, 0x0a, 0x03, 0x07];
    pub const POLICIES: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xc4, 0x0a, 0x03, 0x08];
    pub const FORM_FACTOR: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xc4, 0x0a, 0x03, 0x09];
}

const ROOT_NAME: &str = "tapvault lab: Soft Token PIV Root CA";

const ROOT_SERIAL_NUMBER: [u8; 16] = *b"tapvault lab PIV";

/// The dates of Yubico's certificates.
const VALID_FROM: &str = "160314000000Z";
const VALID_UNTIL: &str = "20520417000000Z";

impl Piv {
    /// ATTEST (Yubico): P1 is the slot. Nobody has to prove anything.
    pub(super) fn attest(&mut self, command: &Command) -> Answer {
        if command.p2 != 0 {
            return Err(StatusWord::INCORRECT_P1P2);
        }
        let slot = Slot::from_reference(command.p1).ok_or(StatusWord::WRONG_P1P2)?;
        let key = self.state.keys.get(&slot);
        // unverified: for an imported key, an empty slot and a token without attestation key alike
        let key = key
            .filter(|key| key.origin == Origin::Generated)
            .ok_or(StatusWord::INCORRECT_DATA)?;
        let signer = self
            .state
            .keys
            .get(&Slot::Attestation)
            .ok_or(StatusWord::INCORRECT_DATA)?;
        let issuer = self.state.objects.get(&Slot::Attestation.certificate_object());
        let issuer = issuer
            .and_then(|Hex(object)| from_object(object))
            .and_then(x509::Issuer::read);
        let issuer = issuer.ok_or(StatusWord::INCORRECT_DATA)?;

        let content = x509::Content {
            serial_number: x509::random_serial_number(),
            issuer: issuer.subject,
            subject: &x509::common_name(&format!("YubiKey PIV Attestation {slot}")),
            validity: issuer.validity,
            point: &key.public_point(),
            extensions: &extensions(&self.device, key),
        };
        Ok(content.sign(&signer.secret))
    }
}

/// The certificate of a token's attestation key, as the factory puts it into F9.
pub fn device_certificate(device: &Device, point: &[u8]) -> Vec<u8> {
    let content = x509::Content {
        serial_number: x509::random_serial_number(),
        issuer: &x509::common_name(ROOT_NAME),
        subject: &x509::common_name(&format!("Soft Token PIV Attestation {}", device.serial)),
        validity: &x509::validity(VALID_FROM, VALID_UNTIL),
        point,
        extensions: &x509::issuer_extensions(),
    };
    content.sign(&root_key())
}

/// The certificate above all soft tokens' attestation certificates, for whoever verifies a chain. Always the same
/// bytes: its serial number is fixed, and ECDSA is deterministic here (RFC 6979).
pub fn root_certificate() -> Vec<u8> {
    let key = root_key();
    let point = key.public_key().to_encoded_point(false);
    let name = x509::common_name(ROOT_NAME);
    let content = x509::Content {
        serial_number: ROOT_SERIAL_NUMBER,
        issuer: &name,
        subject: &name,
        validity: &x509::validity(VALID_FROM, VALID_UNTIL),
        point: point.as_bytes(),
        extensions: &x509::issuer_extensions(),
    };
    content.sign(&key)
}

/// A certificate as a data object holds it: not compressed.
pub fn as_object(certificate: &[u8]) -> Vec<u8> {
    [
        tlv::encode(TAG_CERTIFICATE, certificate),
        tlv::encode(TAG_CERTIFICATE_INFO, &[0]),
        tlv::encode(TAG_ERROR_DETECTION, &[]),
    ]
    .concat()
}

fn from_object(object: &[u8]) -> Option<&[u8]> {
    tlv::find(&tlv::list(object)?, TAG_CERTIFICATE)
}

fn extensions(device: &Device, key: &Key) -> Vec<Vec<u8>> {
    vec![
        x509::extension(oid::FIRMWARE, &device.firmware.to_bytes()),
        // the only one of the four whose content is ASN.1 again
        x509::extension(oid::SERIAL, &x509::integer(device.serial)),
        x509::extension(oid::POLICIES, &key.policies.to_bytes()),
        x509::extension(oid::FORM_FACTOR, &[FORM_FACTOR]),
    ]
}

/// The same for all soft tokens, so that one root verifies them all. It protects nothing.
fn root_key() -> SecretKey {
    let digest = Sha256::digest(ROOT_NAME);
    SecretKey::from_bytes(&digest).expect("this digest is a scalar of P-256: all but a 2^-32 part of digests are")
}
