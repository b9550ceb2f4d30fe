//! Which of the tokens that are plugged in: all of them, or the one that holds a key.
//!
//! Readers are looked at one by one. One that another program keeps for itself is not touched, one that is busy is reported
//! and not waited for longer than asked, and no card is reset. What to do with a token is left to the caller.

use super::{
    Error, Firmware, KeyOrigin, PinPolicy, PinStatus, Point, Policies, Result, Serial, Slot, TouchPolicy,
    apdu::{self, Command, SW_OK, Transmit},
    attestation::POLICIES,
    card::{Card, ReaderName, ReaderState, Readers},
    piv::{MANAGEMENT, Paused, Piv},
    tlv,
    x509::Certificate,
};
use std::thread;
use std::time::{Duration, Instant};

/// So long a card is given to answer as cards do.
const SETTLING: Duration = Duration::from_secs(1);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;

/// A reader that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Where.
    pub reader: ReaderName,
    /// What.
    pub what: Seen,
}

/// What is in a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A YubiKey.
    Token {
        /// Its serial.
        serial: Serial,
        /// Its firmware.
        firmware: Firmware,
        /// Whether its PIV applet is there and switched on.
        piv: bool,
    },
    /// A card that another program keeps for itself, or whose touch it awaits.
    Busy,
    /// A card that is no YubiKey, or does not say which.
    Foreign,
}

/// Looks into every reader; waits for busy ones no longer than `wait` each. 3 APDUs per token.
///
/// # Errors
/// [`Error::NoReaderService`] and other failures of the service itself; a card that answers badly is [`Seen::Foreign`].
pub fn find(readers: &Readers, wait: Duration) -> Result<Vec<Sighting>> {
    let mut sightings = Vec::new();
    for (reader, card) in cards(readers, wait)? {
        let seen = settled(readers, &reader, wait, card, |mut card| {
            let mut transaction = card.transaction(wait)?;
            look(&mut transaction)
        });
        let what = match seen {
            Ok(what) => what,
            Err(Error::Busy { .. }) => Seen::Busy,
            Err(Error::Removed) => continue,
            Err(error @ Error::NoReaderService { .. }) => return Err(error),
            Err(_) => Seen::Foreign,
        };
        sightings.push(Sighting { reader, what });
    }
    Ok(sightings)
}

/// Connects to the token with this serial; waits for busy ones no longer than `wait` each. 3 APDUs per token.
///
/// # Errors
/// [`Error::NoToken`], or [`Error::Busy`] if it may be the one that is busy; as [`find`].
pub fn connect(readers: &Readers, wanted: Serial, wait: Duration) -> Result<Card> {
    let mut missing = Error::NoToken;
    for sighting in find(readers, wait)? {
        match sighting.what {
            Seen::Token { serial, .. } if serial == wanted => return readers.connect(&sighting.reader, wait),
            Seen::Busy => {
                missing = Error::Busy {
                    reader: sighting.reader.to_string(),
                    serial: None,
                }
            }
            Seen::Token { .. } | Seen::Foreign => {}
        }
    }
    Err(missing)
}

/// Where a key is, and where it could not be looked for.
pub struct KeySearch {
    /// The token that holds the key.
    pub holder: Option<Holder>,
    /// Readers that were busy; the key may be in one of them.
    pub busy: Vec<ReaderName>,
    /// How many other cards were asked and don't hold it.
    pub others: usize,
}

/// A token that holds the key, connected, with PIV selected.
pub struct Holder {
    /// The connection.
    pub card: Card,
    /// What its first transaction learned; for [`Piv::resume`].
    pub selected: Paused,
    /// When the token asks for PIN and touch.
    pub policies: Policies,
    /// Whether the token made the key, if it is known.
    pub origin: Option<KeyOrigin>,
    /// How much all this is worth.
    pub evidence: Evidence,
    /// Whether the PIN was verified then, or its tries; `None` if the key needs none, or the token did not say.
    pub pin: Option<PinStatus>,
}

/// Where knowledge of a key comes from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The token described the key itself (firmware 5.3).
    Metadata,
    /// The token testified with its attestation key (firmware 4.3).
    Attestation,
    /// A certificate in the slot says so. Anyone with the management key could have written it; the policies may be wrong.
    Certificate,
}

/// Looks for the token that holds `key` in `slot`; waits for busy ones no longer than `wait` each. 2 APDUs per token with
/// firmware 5.3, and one more for the PIN of the holder.
///
/// # Errors
/// As [`find`]; a token without the key is no error.
pub fn find_key(readers: &Readers, slot: Slot, key: &Point, wait: Duration) -> Result<KeySearch> {
    let mut search = KeySearch {
        holder: None,
        busy: Vec::new(),
        others: 0,
    };
    for (reader, card) in cards(readers, wait)? {
        match settled(readers, &reader, wait, card, |card| holder(card, slot, key, wait)) {
            Ok(Some(holder)) => {
                search.holder = Some(holder);
                break;
            }
            Ok(None) => search.others += 1,
            Err(Error::Busy { .. }) => search.busy.push(reader),
            Err(Error::Removed) => {}
            Err(error @ Error::NoReaderService { .. }) => return Err(error),
            Err(_) => search.others += 1,
        }
    }
    Ok(search)
}

/// A slot's key with everything that can be learned of it without touch or PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// The public key.
    pub public_key: Point,
    /// When the token asks for PIN and touch.
    pub policies: Policies,
    /// Whether the token made it, if it is known.
    pub origin: Option<KeyOrigin>,
    /// How much all this is worth.
    pub evidence: Evidence,
}

/// Describes the P-256 key in `slot` by the best evidence there is; `None` if there is no such key. 1 APDU with firmware
/// 5.3, else some for attestation or certificate.
pub fn describe(piv: &mut Piv<'_>, slot: Slot) -> Result<Option<Described>> {
    match piv.metadata(slot) {
        Ok(metadata) => Ok(metadata.and_then(|metadata| {
            Some(Described {
                public_key: metadata.public_key?,
                policies: metadata.policies,
                origin: Some(metadata.origin),
                evidence: Evidence::Metadata,
            })
        })),
        Err(Error::NotSupported { .. }) => match attested(piv, slot)? {
            Some(described) => Ok(Some(described)),
            None => certified(piv, slot),
        },
        Err(error) => Err(error),
    }
}

fn attested(piv: &mut Piv<'_>, slot: Slot) -> Result<Option<Described>> {
    let attestation = match piv.attest(slot) {
        Ok(attestation) => attestation,
        Err(Error::SlotEmpty { .. } | Error::NotSupported { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (Some(public_key), Some(issuer)) = (attestation.public_key, piv.attestation_issuer()?) else {
        return Ok(None);
    };
    Ok(attestation.is_signed_by(&issuer)?.then_some(Described {
        public_key,
        policies: attestation.policies,
        origin: Some(KeyOrigin::Generated),
        evidence: Evidence::Attestation,
    }))
}

fn certified(piv: &mut Piv<'_>, slot: Slot) -> Result<Option<Described>> {
    let Some(der) = piv.certificate(slot)? else {
        return Ok(None);
    };
    let certificate = Certificate::parse(&der)?;
    let Some(public_key) = certificate.point()? else {
        return Ok(None);
    };
    // age-plugin-yubikey's note; without one, what most keys have, so that a touch is at least announced.
    let policies = match certificate.extension(POLICIES)? {
        Some([pin, touch]) => Policies {
            pin: PinPolicy::from_byte(*pin),
            touch: TouchPolicy::from_byte(*touch)?,
        },
        _ => Policies {
            pin: PinPolicy::Once,
            touch: TouchPolicy::Always,
        },
    };
    Ok(Some(Described {
        public_key,
        policies,
        origin: None,
        evidence: Evidence::Certificate,
    }))
}

fn holder(mut card: Card, slot: Slot, key: &Point, wait: Duration) -> Result<Option<Holder>> {
    let mut transaction = card.transaction(wait)?;
    let mut piv = Piv::select(&mut transaction)?;
    let Some(described) = describe(&mut piv, slot)?.filter(|found| found.public_key == *key) else {
        return Ok(None);
    };
    // Asked in the same transaction: another one would cost more than the answer.
    let pin = match described.policies.pin {
        PinPolicy::Never => None,
        PinPolicy::Once | PinPolicy::Always | PinPolicy::Other(_) => piv.pin_status().ok(),
    };
    let selected = piv.pause();
    drop(transaction);
    Ok(Some(Holder {
        card,
        selected,
        policies: described.policies,
        origin: described.origin,
        evidence: described.evidence,
        pin,
    }))
}

/// Connects to every card, those first that no program uses: they need no waiting.
fn cards(readers: &Readers, wait: Duration) -> Result<impl Iterator<Item = (ReaderName, Result<Card>)>> {
    let mut all = readers.list()?;
    all.retain(|reader| reader.state != ReaderState::Empty);
    all.sort_by_key(|reader| reader.state != ReaderState::Present);
    Ok(all.into_iter().map(move |reader| {
        let card = match reader.state {
            ReaderState::Exclusive => Err(Error::Busy {
                reader: reader.name.to_string(),
                serial: None,
            }),
            ReaderState::Empty | ReaderState::Present | ReaderState::Shared => readers.connect(&reader.name, wait),
        };
        (reader.name, card)
    }))
}

/// What `look` finds, tried again for [`SETTLING`] while the reader has a card and it still does not answer: pcscd resets and
/// powers a card whose last user was killed, and who comes at that moment would not see the token.
fn settled<T>(
    readers: &Readers,
    reader: &ReaderName,
    wait: Duration,
    card: Result<Card>,
    look: impl Fn(Card) -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    let mut outcome = card.and_then(&look);
    while matches!(outcome, Err(Error::Removed | Error::Pcsc { .. })) && start.elapsed() < SETTLING {
        thread::sleep(PAUSE);
        outcome = readers.connect(reader, wait).and_then(&look);
    }
    outcome
}

/// What the card at the other end of `link` is. 3 APDUs for a token. Public for tests/fuzz, which answers as no card should.
///
/// # Errors
/// As the card's answers are; [`find`] calls most of them [`Seen::Foreign`].
pub fn look(link: &mut dyn Transmit) -> Result<Seen> {
    match look_with_piv(link)? {
        Some(seen) => Ok(seen),
        None => look_without_piv(link),
    }
}

fn look_with_piv(link: &mut dyn Transmit) -> Result<Option<Seen>> {
    let mut piv = match Piv::select(link) {
        Ok(piv) => piv,
        Err(Error::NotSupported { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(Seen::Token {
        firmware: piv.version()?,
        serial: piv.serial()?,
        piv: true,
    }))
}

/// A YubiKey with PIV switched off still tells who it is (Yubico: management application, READ CONFIG, firmware 5).
fn look_without_piv(link: &mut dyn Transmit) -> Result<Seen> {
    let what = "the device information";
    let select = Command::select("SELECT management", MANAGEMENT);
    if apdu::send(link, &select)?.sw != SW_OK {
        return Ok(Seen::Foreign);
    }
    let read = Command::new("READ CONFIG", 0x1d, 0, 0, &[]);
    let answer = apdu::send(link, &read)?.ok()?;
    // One byte of length, then tags: 02 the serial, 05 the firmware.
    let tags = answer.get(1..).unwrap_or_default();
    let serial = tlv::Reader::new(tags, what).find(2)?.map(|tlv| tlv.value.try_into());
    let firmware = tlv::Reader::new(tags, what).find(5)?.map(|tlv| tlv.value);
    match (serial, firmware) {
        (Some(Ok(serial)), Some([major, minor, patch])) => Ok(Seen::Token {
            serial: Serial(u32::from_be_bytes(serial)),
            firmware: Firmware::new(*major, *minor, *patch),
            piv: false,
        }),
        _ => Ok(Seen::Foreign),
    }
}
