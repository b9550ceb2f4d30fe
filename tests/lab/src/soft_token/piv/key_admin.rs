//! Keys come and go: generated here, imported, moved, deleted.

use super::{Piv, key_use::ECC_P256, policy::Policies, slot::Slot, state::Key};
use crate::soft_token::{
    apdu::{Answer, Command, StatusWord},
    tlv,
};

/// Cryptographic mechanism identifier template and its algorithm (SP 800-73-4 part 2, 3.3.2).
const TAG_MECHANISM: u32 = 0xac;
const TAG_ALGORITHM: u32 = 0x80;
/// Public key and its point (SP 800-73-4 part 2, 3.3.2).
const TAG_PUBLIC_KEY: u32 = 0x7f49;
pub(super) const TAG_POINT: u32 = 0x86;
/// The private value in IMPORT KEY (Yubico's SDK manual, "import asymmetric key pair").
const TAG_PRIVATE_VALUE: u32 = 0x06;
/// The destination that makes MOVE KEY a deletion.
const NOWHERE: u8 = 0xff;

impl Piv {
    /// GENERATE ASYMMETRIC KEY PAIR: SP 800-73-4 part 2, 3.3.2, with Yubico's policies.
    pub(super) fn generate_key(&mut self, command: &Command) -> Answer {
        let slot = Slot::from_reference(command.p2).ok_or(StatusWord::WRONG_P1P2)?;
        self.require_management()?;
        let elements = tlv::only(&command.data, TAG_MECHANISM).and_then(tlv::list);
        let elements = elements.ok_or(StatusWord::INCORRECT_DATA)?;
        // RSA and P-384 are not emulated: like an algorithm that this firmware doesn't know
        if tlv::find(&elements, TAG_ALGORITHM) != Some(&[ECC_P256]) {
            return Err(StatusWord::INCORRECT_DATA);
        }
        let key = Key::generate(Policies::read(&elements, slot)?);
        let point = key.public_point();
        self.state.keys.insert(slot, key);
        self.save()?;
        Ok(tlv::encode(TAG_PUBLIC_KEY, &tlv::encode(TAG_POINT, &point)))
    }

    /// IMPORT KEY (Yubico): P1 algorithm, P2 slot.
    pub(super) fn import_key(&mut self, command: &Command) -> Answer {
        let slot = Slot::from_reference(command.p2).ok_or(StatusWord::WRONG_P1P2)?;
        self.require_management()?;
        let elements = tlv::list(&command.data).ok_or(StatusWord::INCORRECT_DATA)?;
        if command.p1 != ECC_P256 {
            return Err(StatusWord::INCORRECT_DATA);
        }
        let policies = Policies::read(&elements, slot)?;
        let key = tlv::find(&elements, TAG_PRIVATE_VALUE).and_then(|scalar| Key::import(scalar, policies));
        self.state.keys.insert(slot, key.ok_or(StatusWord::INCORRECT_DATA)?);
        self.save()
    }

    /// MOVE KEY (Yubico, since 5.7): P1 destination, P2 source. Certificates stay where they are.
    ///
    /// The attestation key can be deleted but not moved, and the destination must be empty (Yubico's SDK,
    /// `MoveKeyCommand`). Unverified: which status words those refusals have.
    pub(super) fn move_key(&mut self, command: &Command) -> Answer {
        let source = Slot::from_reference(command.p2).ok_or(StatusWord::WRONG_P1P2)?;
        let destination = match command.p1 {
            NOWHERE => None,
            reference => Some(Slot::from_reference(reference).ok_or(StatusWord::WRONG_P1P2)?),
        };
        self.require_management()?;
        let involves_attestation = source == Slot::Attestation || destination == Some(Slot::Attestation);
        if destination.is_some_and(|slot| involves_attestation || self.state.keys.contains_key(&slot)) {
            return Err(StatusWord::INCORRECT_DATA);
        }
        let key = self.state.keys.remove(&source).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        if let Some(destination) = destination {
            self.state.keys.insert(destination, key);
        }
        self.save()
    }
}
