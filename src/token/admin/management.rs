//! The management key: which one a token wants, and where it comes from.

use super::{Admin, naming, session::Session};
use crate::token::{Error, Firmware, Result, TouchPolicy, piv::Piv, tlv::Reader};
use zeroize::Zeroizing;

/// The algorithm of a management key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagementAlgorithm {
    /// Three keys, 24 bytes; what firmware before 5.7 comes with.
    TripleDes,
    /// 16 bytes.
    Aes128,
    /// 24 bytes; what firmware 5.7 comes with.
    Aes192,
    /// 32 bytes.
    Aes256,
}

impl ManagementAlgorithm {
    /// How long a key is, in bytes.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// SP 800-78-4, table 6-2.
    const fn from_byte(byte: u8) -> Result<Self> {
        match byte {
            0x03 => Ok(Self::TripleDes),
            0x08 => Ok(Self::Aes128),
            0x0a => Ok(Self::Aes192),
            0x0c => Ok(Self::Aes256),
            _ => Err(Error::Malformed {
                what: "the management key's algorithm",
            }),
        }
    }

    const fn of_the_crate(self) -> yubikey::MgmAlgorithmId {
        match self {
            Self::TripleDes => yubikey::MgmAlgorithmId::ThreeDes,
            Self::Aes128 => yubikey::MgmAlgorithmId::Aes128,
            Self::Aes192 => yubikey::MgmAlgorithmId::Aes192,
            Self::Aes256 => yubikey::MgmAlgorithmId::Aes256,
        }
    }
}

/// Where the management key of a token is to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagementKeyKind {
    /// Still the factory's, which everybody knows.
    Factory,
    /// On the token, readable with the PIN, as ykman's `--protect` and age-plugin-yubikey set it up.
    PinProtected,
    /// Computed from the PIN, an old way of ykman's that is not supported here.
    PinDerived,
    /// Somebody knows it.
    Custom,
    /// One of [`Self::Factory`] and [`Self::Custom`]; firmware before 5.3 does not say. Trying costs nothing: there is no
    /// counter.
    Unknown,
}

/// What a token says of its management key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagementKeyInfo {
    /// Its algorithm.
    pub algorithm: ManagementAlgorithm,
    /// Whether proving it takes a touch; then [`Admin::generate`] and [`Admin::write_certificate`] each do.
    pub touch: TouchPolicy,
    /// Where it is to be had.
    pub kind: ManagementKeyKind,
}

/// A management key to prove.
#[derive(Clone, Copy)]
pub enum ManagementKey<'a> {
    /// The factory's for this firmware.
    Factory,
    /// The one that the token keeps behind this PIN.
    PinProtected(&'a [u8]),
    /// These bytes, 16 to 32 by [`ManagementAlgorithm::key_length`].
    Bytes(&'a [u8]),
}

/// A key as it is proven, for as long as an [`Admin`] lives.
pub(super) struct AuthenticationKey {
    pub algorithm: ManagementAlgorithm,
    pub touch: TouchPolicy,
    bytes: Zeroizing<Vec<u8>>,
}

impl AuthenticationKey {
    /// The crate's own type; its copy of the bytes is not wiped, so it is made where it is used and dropped there.
    pub fn of_the_crate(&self) -> Result<yubikey::MgmKey> {
        yubikey::MgmKey::from_bytes(&*self.bytes, Some(self.algorithm.of_the_crate())).map_err(|_| WRONG_LENGTH)
    }
}

const WRONG_LENGTH: Error = Error::Malformed {
    what: "the management key, by its length,",
};

/// 01 to 08, three times; the same bytes for 3DES and AES-192 (Yubico: PIV admin access).
const FACTORY: [u8; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8];

/// Yubico's object about how PIN, PUK and management key were set up.
const ADMIN_DATA: u32 = 0x5f_ff00;
/// "Printed information" (SP 800-73-4 part 1, table 3), readable with the PIN; ykman keeps a protected key there.
const PRINTED: u32 = 0x5f_c109;

impl Admin {
    /// What management key the token wants.
    pub fn management_key(&mut self) -> Result<ManagementKeyInfo> {
        self.with_piv(key_info)
    }

    /// Takes `key` for [`Admin::generate`] and [`Admin::write_certificate`], and proves it once, unless that took a touch.
    ///
    /// It is proven again before each of them, because another program may select its own applet at any time.
    ///
    /// # Errors
    /// [`Error::ManagementKeyRefused`]; for a protected one also those of [`Piv::verify`], and [`Error::NeedsManagementKey`]
    /// if the token keeps none.
    pub fn authenticate(&mut self, key: ManagementKey<'_>) -> Result<()> {
        let (info, bytes) = self.with_piv(|piv| {
            let info = key_info(piv)?;
            let bytes = match key {
                ManagementKey::Factory => Zeroizing::new(FACTORY.to_vec()),
                ManagementKey::PinProtected(pin) => protected_key(piv, pin)?,
                ManagementKey::Bytes(bytes) => Zeroizing::new(bytes.to_vec()),
            };
            Ok((info, bytes))
        })?;
        if bytes.len() != info.algorithm.key_length() {
            return Err(WRONG_LENGTH);
        }
        let key = AuthenticationKey {
            algorithm: info.algorithm,
            touch: info.touch,
            bytes,
        };
        if info.touch == TouchPolicy::Never {
            self.proven(&key, |_| Ok(()))?;
        }
        self.management = Some(key);
        Ok(())
    }

    /// Runs `work` with the management key proven.
    pub(super) fn managed<R>(&mut self, work: impl FnOnce(&mut Session) -> Result<R>) -> Result<R> {
        let key = self.management.take().ok_or(Error::NeedsManagementKey)?;
        let result = self.proven(&key, work);
        self.management = Some(key);
        result
    }

    fn proven<R>(&mut self, key: &AuthenticationKey, work: impl FnOnce(&mut Session) -> Result<R>) -> Result<R> {
        let session = Session::open(self.card.reader(), self.serial, self.wait);
        let mut session = session.map_err(|error| naming(self.serial, error))?;
        let result = session.authenticate(key).and_then(|()| work(&mut session));
        drop(session);
        // The key stays proven, for every program, until another applet is selected. That also ends a PIN verification of
        // another program's, which is the smaller harm. If it fails, what was done is still done, and more worth telling.
        let _ = self
            .card
            .transaction(self.wait)
            .and_then(|mut transaction| Piv::leave(&mut transaction));
        result
    }
}

fn key_info(piv: &mut Piv<'_>) -> Result<ManagementKeyInfo> {
    let (algorithm, touch, factory) = if piv.version()? < Firmware::METADATA {
        // Before 5.4.2 there was only 3DES; what touch it takes can't be read.
        (ManagementAlgorithm::TripleDes, TouchPolicy::Never, None)
    } else {
        let metadata = piv.management_metadata()?;
        let algorithm = ManagementAlgorithm::from_byte(metadata.algorithm)?;
        (algorithm, metadata.touch, Some(metadata.factory))
    };
    let kind = match factory {
        Some(true) => ManagementKeyKind::Factory,
        Some(false) => noted_kind(piv)?.unwrap_or(ManagementKeyKind::Custom),
        None => noted_kind(piv)?.unwrap_or(ManagementKeyKind::Unknown),
    };
    Ok(ManagementKeyInfo { algorithm, touch, kind })
}

/// What the token's admin data says: 80 with 81 flags (2: protected by the PIN) and 82 salt (derived from the PIN).
fn noted_kind(piv: &mut Piv<'_>) -> Result<Option<ManagementKeyKind>> {
    let what = "the admin data";
    let Some(content) = piv.object(ADMIN_DATA)? else {
        return Ok(None);
    };
    let Some(data) = Reader::new(&content, what).find(0x80)? else {
        return Ok(None);
    };
    let flags = Reader::new(data.value, what).find(0x81)?;
    if flags
        .and_then(|flags| flags.value.first())
        .is_some_and(|flags| flags & 2 != 0)
    {
        return Ok(Some(ManagementKeyKind::PinProtected));
    }
    let salt = Reader::new(data.value, what).find(0x82)?;
    Ok(salt.map(|_| ManagementKeyKind::PinDerived))
}

/// The key in "printed information": 88 with 89, as ykman writes it.
fn protected_key(piv: &mut Piv<'_>, pin: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let what = "the protected management key";
    // The status first, so that a PIN that another program verified is not dropped as ours.
    piv.pin_status()?;
    piv.verify(pin)?;
    let content = piv.object(PRINTED)?.ok_or(Error::NeedsManagementKey)?;
    let data = Reader::new(&content, what).expect(0x88)?;
    let key = Reader::new(data.value, what).find(0x89)?;
    let key = key.ok_or(Error::NeedsManagementKey)?.value;
    Ok(Zeroizing::new(key.to_vec()))
}
