//! The answers to GET METADATA (Yubico, firmware 5.3): a list of tags, of which each kind of reference has its own.

use super::P256;
use crate::token::{
    Error, KeyOrigin, PinPolicy, Point, Policies, Result, TouchPolicy,
    tlv::{Reader, Tlv},
};

/// A key in a slot, as the token describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The algorithm's identifier (SP 800-78-4, table 6-2, and Yubico's): 0x11 is P-256.
    pub algorithm: u8,
    /// When the token asks for PIN and touch.
    pub policies: Policies,
    /// Whether it was made on the token.
    pub origin: KeyOrigin,
    /// The public key, if it is on P-256.
    pub public_key: Option<Point>,
}

/// The PIN, as the token describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinMetadata {
    /// Whether it is still 123456.
    pub factory: bool,
    /// Tries left; 0 means blocked.
    pub tries_left: u8,
    /// Tries after a right one.
    pub tries_total: u8,
}

/// The management key, as the token describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagementMetadata {
    /// The algorithm's identifier: 03 3DES, 08 AES-128, 0a AES-192, 0c AES-256.
    pub algorithm: u8,
    /// Whether it is still the factory's.
    pub factory: bool,
    /// Whether authenticating with it takes a touch.
    pub touch: TouchPolicy,
}

impl Metadata {
    pub(super) fn parse(data: &[u8]) -> Result<Self> {
        let tags = Tags::read(data)?;
        let algorithm = tags.byte(tags.algorithm)?;
        let origin = match tags.byte(tags.origin)? {
            1 => KeyOrigin::Generated,
            2 => KeyOrigin::Imported,
            _ => return Err(MALFORMED),
        };
        let public_key = match algorithm {
            P256 => Some(tags.point()?),
            _ => None,
        };
        let [pin, touch] = tags.pair(tags.policy)?;
        let policies = Policies {
            pin: PinPolicy::from_byte(pin),
            touch: TouchPolicy::from_byte(touch)?,
        };
        Ok(Self {
            algorithm,
            policies,
            origin,
            public_key,
        })
    }
}

impl PinMetadata {
    pub(super) fn parse(data: &[u8]) -> Result<Self> {
        let tags = Tags::read(data)?;
        let [tries_total, tries_left] = tags.pair(tags.retries)?;
        Ok(Self {
            factory: tags.byte(tags.default)? != 0,
            tries_left,
            tries_total,
        })
    }
}

impl ManagementMetadata {
    pub(super) fn parse(data: &[u8]) -> Result<Self> {
        let tags = Tags::read(data)?;
        let [_, touch] = tags.pair(tags.policy)?;
        Ok(Self {
            algorithm: tags.byte(tags.algorithm)?,
            factory: tags.byte(tags.default)? != 0,
            touch: TouchPolicy::from_byte(touch)?,
        })
    }
}

const WHAT: &str = "the metadata";
const MALFORMED: Error = Error::Malformed { what: WHAT };

/// The values by tag; unknown tags are skipped, newer firmware adds some.
#[derive(Default)]
struct Tags<'a> {
    algorithm: Option<&'a [u8]>,
    policy: Option<&'a [u8]>,
    origin: Option<&'a [u8]>,
    public: Option<&'a [u8]>,
    default: Option<&'a [u8]>,
    retries: Option<&'a [u8]>,
}

impl<'a> Tags<'a> {
    fn read(data: &'a [u8]) -> Result<Self> {
        let mut tags = Self::default();
        let mut reader = Reader::new(data, WHAT);
        while let Some(Tlv { tag, value, .. }) = reader.next()? {
            match tag {
                1 => tags.algorithm = Some(value),
                2 => tags.policy = Some(value),
                3 => tags.origin = Some(value),
                4 => tags.public = Some(value),
                5 => tags.default = Some(value),
                6 => tags.retries = Some(value),
                _ => {}
            }
        }
        Ok(tags)
    }

    fn byte(&self, value: Option<&[u8]>) -> Result<u8> {
        match value {
            Some([byte]) => Ok(*byte),
            _ => Err(MALFORMED),
        }
    }

    fn pair(&self, value: Option<&[u8]>) -> Result<[u8; 2]> {
        match value {
            Some([first, second]) => Ok([*first, *second]),
            _ => Err(MALFORMED),
        }
    }

    /// Tag 04 holds what GENERATE answers within 7F49: 86 with the point (SP 800-73-4 part 2, 3.3.2).
    fn point(&self) -> Result<Point> {
        let public = self.public.ok_or(MALFORMED)?;
        Point::from_sec1(Reader::new(public, WHAT).expect(0x86)?.value)
    }
}
