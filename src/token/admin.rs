//! Making a key: find a free slot, authenticate, generate, certify; each a step, so that a caller can announce the touch.
//!
//! The `yubikey` crate proves the management key, generates and writes the certificate; everything else is our own APDUs,
//! for three reasons. Its other calls swallow errors and can't tell a missed touch. It keeps a verified PIN in memory and
//! writes it, like every APDU, to the `log` crate at trace level: it gets no PIN here, and this program installs no logger
//! for that crate. Its drop resets the card, hence `session`.
//!
//! Nothing here resets, changes PIN, PUK or management key, or writes to a slot that holds anything.

mod certificate;
mod management;
mod session;

pub use certificate::{CertificateText, SelfSigned};
pub use management::{ManagementAlgorithm, ManagementKey, ManagementKeyInfo, ManagementKeyKind};

use super::{
    Error, Firmware, PinStatus, Point, Policies, Result, Serial, Slot,
    card::{Card, ReaderName, Readers},
    discover::{Described, describe},
    piv::{Metadata, PinMetadata, Piv, pin_needed},
    x509::{COMMON_NAME, Certificate, ORGANIZATION},
};
use management::AuthenticationKey;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// A token being set up.
///
/// Between two calls other programs may use it, so nothing stays proven from one to the next: PIN and management key are
/// dropped again at the end of each. Dropping this leaves the card as it is.
pub struct Admin {
    card: Card,
    wait: Duration,
    serial: Serial,
    firmware: Firmware,
    management: Option<AuthenticationKey>,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// Neither key nor certificate.
    Free,
    /// A key that nobody has certified: enrolment stopped between [`Admin::generate`] and [`Admin::write_certificate`], or
    /// another program keeps its keys so. [`Admin::self_sign`] can go on from here, if the user says it is theirs.
    KeyWithoutCertificate(Metadata),
    /// A certificate, and no key.
    CertificateOnly,
    /// A key and a certificate, or a key that can't be read. Without metadata before firmware 5.3.
    Occupied(Option<Metadata>),
    /// No certificate and no key the token made. Before firmware 5.3 an imported key can't be seen, so this is not free.
    Unproven,
}

/// A key that is there already, as it would be enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// The key, and how much is known of it.
    pub key: Described,
    /// The name in its certificate, if it has one.
    pub name: Option<String>,
    /// Whether age-plugin-yubikey would list it as its own.
    pub by_age_plugin: bool,
}

impl Admin {
    /// Connects to the token in `reader`; `wait` bounds each later wait for other programs too.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Removed`], [`Error::NotSupported`] if it is no YubiKey with PIV.
    pub fn open(readers: &Readers, reader: &ReaderName, wait: Duration) -> Result<Self> {
        let mut card = readers.connect(reader, wait)?;
        let mut transaction = card.transaction(wait)?;
        let mut piv = Piv::select(&mut transaction)?;
        let (firmware, serial) = (piv.version()?, piv.serial()?);
        drop(piv);
        drop(transaction);
        Ok(Self {
            card,
            wait,
            serial,
            firmware,
            management: None,
        })
    }

    /// The token's serial.
    pub fn serial(&self) -> Serial {
        self.serial
    }

    /// The token's firmware.
    pub fn firmware(&self) -> Firmware {
        self.firmware
    }

    /// Whether the PIN is verified, else its tries. Spends none.
    pub fn pin_status(&mut self) -> Result<PinStatus> {
        self.with_piv(|piv| piv.pin_status())
    }

    /// Verifies the PIN, and drops it again: to know that it is right before anything is written.
    ///
    /// # Errors
    /// As [`Piv::verify`].
    pub fn try_pin(&mut self, pin: &[u8]) -> Result<()> {
        self.with_piv(|piv| {
            piv.pin_status()?;
            piv.verify(pin)
        })
    }

    /// Whether the PIN is still the factory's. Spends no try.
    ///
    /// # Errors
    /// [`Error::NotSupported`] before firmware 5.3: there only trying would tell, and nobody tries here.
    pub fn pin_metadata(&mut self) -> Result<PinMetadata> {
        self.with_piv(|piv| piv.pin_metadata())
    }

    /// What `slot` holds.
    pub fn slot_state(&mut self, slot: Slot) -> Result<SlotState> {
        self.with_piv(|piv| slot_state(piv, slot))
    }

    /// The first retired slot with neither key nor certificate.
    ///
    /// # Errors
    /// [`Error::NoFreeSlot`]; before firmware 5.3, where no slot can be proven free, [`Error::NotSupported`].
    pub fn first_free_slot(&mut self) -> Result<Slot> {
        self.need_metadata()?;
        self.with_piv(|piv| {
            for slot in Slot::all_retired() {
                if slot_state(piv, slot)? == SlotState::Free {
                    return Ok(slot);
                }
            }
            Err(Error::NoFreeSlot)
        })
    }

    /// Describes the key in `slot` for enrolling it as it is.
    ///
    /// # Errors
    /// [`Error::SlotEmpty`] if there is no P-256 key.
    pub fn adopt(&mut self, slot: Slot) -> Result<Adopted> {
        self.with_piv(|piv| {
            let key = describe(piv, slot)?.ok_or(Error::SlotEmpty { slot })?;
            let der = piv.certificate(slot)?.unwrap_or_default();
            // A certificate for another key, or none that can be read, names nothing here.
            let certificate = Certificate::parse(&der).ok();
            let certificate = certificate.filter(|it| it.point() == Ok(Some(key.public_key)));
            let text = |oid| certificate.as_ref().and_then(|it| it.subject(oid).ok()?);
            Ok(Adopted {
                key,
                name: text(COMMON_NAME),
                by_age_plugin: text(ORGANIZATION).as_deref() == Some(certificate::AGE_PLUGIN),
            })
        })
    }

    /// Makes a P-256 key in `slot`; returns its public key. Takes management key and no touch.
    ///
    /// From here on the slot is occupied; only the certificate is missing.
    ///
    /// # Errors
    /// [`Error::SlotOccupied`] unless it is [`SlotState::Free`], [`Error::NeedsManagementKey`], [`Error::Malformed`] if what
    /// the token then says of the key is not what was asked for.
    pub fn generate(&mut self, slot: Slot, policies: Policies) -> Result<Point> {
        self.need_metadata()?;
        if self.slot_state(slot)? != SlotState::Free {
            return Err(Error::SlotOccupied { slot });
        }
        let public_key = self.managed(|session| session.generate(slot, policies))?;
        let made = self.with_piv(|piv| piv.metadata(slot))?;
        let as_asked = made.is_some_and(|made| made.public_key == Some(public_key) && made.policies == policies);
        if !as_asked {
            return Err(Error::Malformed {
                what: "the description of the new key",
            });
        }
        Ok(public_key)
    }

    /// Makes the certificate for the key in `slot`, signed by that key: this waits for the touch. Writes nothing.
    ///
    /// # Errors
    /// As [`Piv::verify`] and [`Piv::sign`]; [`Error::PinRequired`] if the policy wants a PIN and `pin` is `None`.
    pub fn self_sign(
        &mut self,
        slot: Slot,
        key: &Point,
        policies: Policies,
        text: &CertificateText<'_>,
        pin: Option<&[u8]>,
    ) -> Result<SelfSigned> {
        let unsigned = certificate::Unsigned::new(key, policies, text);
        let digest = Sha256::digest(unsigned.signed_bytes()).into();
        let signature = self.with_piv(|piv| {
            let status = piv.pin_status()?;
            if pin_needed(policies.pin, status) {
                piv.verify(pin.ok_or(Error::PinRequired)?)?;
            }
            piv.sign(slot, policies, &digest)
        })?;
        if !key.verifies(&digest, &signature) {
            return Err(Error::Malformed {
                what: "the token's signature",
            });
        }
        Ok(unsigned.with_signature(&signature))
    }

    /// Stores the certificate beside its key. Takes the management key and no touch.
    ///
    /// # Errors
    /// [`Error::SlotOccupied`] if there is a certificate, [`Error::SlotEmpty`] if the key is another,
    /// [`Error::NeedsManagementKey`], [`Error::Malformed`] if it does not read back as it was written.
    pub fn write_certificate(&mut self, slot: Slot, certificate: &SelfSigned) -> Result<()> {
        self.with_piv(|piv| {
            if piv.object(slot.certificate_object())?.is_some() {
                return Err(Error::SlotOccupied { slot });
            }
            match describe(piv, slot)? {
                Some(described) if described.public_key == certificate.public_key() => Ok(()),
                _ => Err(Error::SlotEmpty { slot }),
            }
        })?;
        self.managed(|session| session.write_certificate(slot, certificate.der()))?;
        match self.with_piv(|piv| piv.certificate(slot))? {
            Some(stored) if stored == certificate.der() => Ok(()),
            _ => Err(Error::Malformed {
                what: "the stored certificate",
            }),
        }
    }

    /// Runs `work` with PIV selected, in a transaction; a PIN that `work` verified is dropped by the end of it.
    fn with_piv<R>(&mut self, work: impl FnOnce(&mut Piv<'_>) -> Result<R>) -> Result<R> {
        let serial = self.serial;
        let mut transaction = self
            .card
            .transaction(self.wait)
            .map_err(|error| naming(serial, error))?;
        work(&mut Piv::select(&mut transaction)?)
    }

    /// Firmware without metadata can't say whether a slot is free.
    fn need_metadata(&self) -> Result<()> {
        if self.firmware < Firmware::METADATA {
            return Err(Error::NotSupported {
                what: "telling a free slot from an occupied one",
                firmware: Some(self.firmware),
            });
        }
        Ok(())
    }
}

/// A busy token is named by its serial where that is known.
fn naming(serial: Serial, error: Error) -> Error {
    match error {
        Error::Busy { reader, .. } => Error::Busy {
            reader,
            serial: Some(serial),
        },
        error => error,
    }
}

fn slot_state(piv: &mut Piv<'_>, slot: Slot) -> Result<SlotState> {
    // The object is asked for, not the certificate: one that can't be read is somebody's all the same.
    let certified = piv.object(slot.certificate_object())?.is_some();
    match (piv.metadata(slot), certified) {
        (Ok(None), false) => Ok(SlotState::Free),
        (Ok(None), true) => Ok(SlotState::CertificateOnly),
        (Ok(Some(metadata)), false) => Ok(SlotState::KeyWithoutCertificate(metadata)),
        (Ok(Some(metadata)), true) => Ok(SlotState::Occupied(Some(metadata))),
        // Described in a way that this program does not understand: a key all the same.
        (Err(Error::Malformed { .. }), _) => Ok(SlotState::Occupied(None)),
        (Err(Error::NotSupported { .. }), true) => Ok(SlotState::Occupied(None)),
        (Err(Error::NotSupported { .. }), false) => match piv.attest(slot) {
            Ok(_) => Ok(SlotState::Occupied(None)),
            Err(Error::SlotEmpty { .. } | Error::NotSupported { .. }) => Ok(SlotState::Unproven),
            Err(error) => Err(error),
        },
        (Err(error), _) => Err(error),
    }
}
