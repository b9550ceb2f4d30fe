//! Data objects: certificates, and what else the card keeps beside keys.

use super::{Piv, sw};
use crate::token::{Error, Result, Slot, apdu::Command, tlv};
use zeroize::Zeroizing;

/// Yubico's object with the certificate of the attestation key.
const ATTESTATION_CERTIFICATE: u32 = 0x5f_ff01;

impl Piv<'_> {
    /// A data object's content; `None` if there is none, or an empty one. 1 APDU, and one for each further 256 bytes.
    ///
    /// # Errors
    /// [`Error::PinRequired`] for an object that the PIN protects.
    pub fn object(&mut self, tag: u32) -> Result<Option<Zeroizing<Vec<u8>>>> {
        // SP 800-73-4 part 2, 3.1.2: 5C holds the tag of the object, the answer is in 53.
        let [_, tag @ ..] = tag.to_be_bytes();
        let answer = self.send(&Command::new("GET DATA", 0xcb, 0x3f, 0xff, &tlv::write(0x5c, &tag)))?;
        match answer.sw {
            sw::NOT_FOUND | sw::NO_REFERENCE => return Ok(None),
            sw::SECURITY_STATUS => return Err(Error::PinRequired),
            _ => {}
        }
        let data = answer.ok()?;
        let content = tlv::Reader::new(&data, "a data object").expect(0x53)?.value;
        Ok((!content.is_empty()).then(|| Zeroizing::new(content.to_vec())))
    }

    /// The certificate stored for `slot`, as DER; `None` if there is none. 1 APDU, and one for each further 256 bytes.
    ///
    /// # Errors
    /// [`Error::NotSupported`] for a compressed one: nothing that works with these slots stores such.
    pub fn certificate(&mut self, slot: Slot) -> Result<Option<Vec<u8>>> {
        self.certificate_object(slot.certificate_object())
    }

    /// The certificate of the attestation key, as DER. 1 APDU, and one for each further 256 bytes.
    pub fn attestation_issuer(&mut self) -> Result<Option<Vec<u8>>> {
        self.certificate_object(ATTESTATION_CERTIFICATE)
    }

    fn certificate_object(&mut self, tag: u32) -> Result<Option<Vec<u8>>> {
        let Some(content) = self.object(tag)? else {
            return Ok(None);
        };
        // SP 800-73-4 part 1, table 10: 70 the certificate, 71 CertInfo, whose lowest bit says gzip.
        let what = "a certificate object";
        let Some(certificate) = tlv::Reader::new(&content, what).find(0x70)? else {
            return Err(Error::Malformed { what });
        };
        let info = tlv::Reader::new(&content, what).find(0x71)?;
        if info
            .and_then(|info| info.value.first())
            .is_some_and(|info| info & 1 == 1)
        {
            return Err(self.unsupported("a compressed certificate"));
        }
        Ok(Some(certificate.value.to_vec()))
    }
}
