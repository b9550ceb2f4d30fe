//! Making (or adopting) a PIV key: which token, which slot, whose management key, and what the token says of the result.

#![cfg(feature = "piv")]

use super::NewKey;
use crate::context::{Context, host_name};
use crate::device::{self, describe, missed_twice};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::{Awaited, Touches};
use crate::secret::SecretText;
use crate::token::admin::{Admin, CertificateText, ManagementKey, ManagementKeyKind, SlotState};
use crate::token::card::{ReaderName, Readers};
use crate::token::discover::{self, Described, Evidence, Seen};
use crate::token::piv::pin_needed;
use crate::token::{self, Firmware, PinPolicy, Point, Policies, Serial, Slot, TouchPolicy};
use crate::wrap::piv::present::{self, PresentPiv};
use crate::wrap::piv::{PivDetails, PivRecipient, PolicyEvidence};
use crate::wrap::{EnrolledKey, KeyKind, KeyName};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a busy token is waited for.
const WAIT: Duration = Duration::from_secs(5);

/// What a person may choose.
#[derive(Clone, Debug, Default)]
pub struct PivWishes {
    /// Which token; the only one present otherwise.
    pub serial: Option<Serial>,
    /// Which slot; the first free retired one otherwise.
    pub slot: Option<Slot>,
    /// The slot of a key that is there already.
    pub existing: Option<Slot>,
    /// When the PIN is asked for.
    pub pin_policy: Option<PinPolicy>,
    /// Take a token whose PIN is still the factory's.
    pub allow_factory_pin: bool,
    /// Take a key that asks for less than a touch for every use, or can't prove it.
    pub weaker_presence: bool,
}

/// A token that was chosen, looked at and found fit; nothing was written to it yet.
pub struct ChosenToken<'a> {
    ctx: &'a Context,
    readers: Readers,
    admin: Admin,
    label: String,
    plan: Plan,
}

enum Plan {
    Make { slot: Slot, policies: Policies },
    Adopt { slot: Slot, key: Described },
}

/// Whether a token is plugged in that could be enrolled: what `add` offers on an empty vault.
pub fn available(ctx: &Context) -> Option<Serial> {
    let readers = device::readers(ctx).ok()?;
    let mut serials = discover::find(&readers, WAIT)
        .ok()?
        .into_iter()
        .filter_map(|sighting| match sighting.what {
            Seen::Token { serial, piv: true, .. } => Some(serial),
            Seen::Token { .. } | Seen::Busy | Seen::Foreign => None,
        });
    serials.next()
}

impl<'a> ChosenToken<'a> {
    /// Finds the token and decides on the slot.
    ///
    /// # Errors
    /// [`ErrorKind::NoKey`] without a token, [`ErrorKind::Usage`] with two, [`ErrorKind::Pin`] for a factory PIN,
    /// [`ErrorKind::Conflict`] for an occupied slot.
    pub fn choose(ctx: &'a Context, wishes: &PivWishes) -> Result<Self> {
        let readers = device::readers(ctx)?;
        let (reader, serial, firmware) = pick(&readers, wishes.serial)?;
        let label = format!("YubiKey {serial}");
        let said = |err: token::Error| describe(&err, &label);
        let mut admin = Admin::open(&readers, &reader, WAIT).map_err(said)?;
        check_pin(ctx, &mut admin, &label, firmware, wishes.allow_factory_pin)?;
        let plan = match wishes.existing {
            Some(slot) => {
                let adopted = admin.adopt(slot).map_err(said)?;
                let name = adopted.name.map(|name| format!(" \"{name}\"")).unwrap_or_default();
                ctx.dialogue.tell(&format!(
                    "{label}, firmware {firmware}; slot {slot} holds the key{name}"
                ));
                Plan::Adopt { slot, key: adopted.key }
            }
            None => {
                let slot = free_slot(&mut admin, &label, wishes.slot)?;
                ctx.dialogue
                    .tell(&format!("{label}, firmware {firmware}; slot {slot} is free"));
                Plan::Make {
                    slot,
                    policies: Policies {
                        pin: wishes.pin_policy.unwrap_or(PinPolicy::Once),
                        touch: TouchPolicy::Always,
                    },
                }
            }
        };
        let chosen = ChosenToken {
            ctx,
            readers,
            admin,
            label,
            plan,
        };
        chosen.refuse_weaker(wishes.weaker_presence)?;
        Ok(chosen)
    }

    /// The base of a good name.
    pub fn base_name(&self) -> String {
        format!("yubikey-{}", self.admin.serial())
    }

    /// How many touches making the key and vouching with it will take.
    pub fn touches(&self) -> usize {
        match &self.plan {
            Plan::Make { .. } => 2,
            Plan::Adopt { key, .. } => usize::from(key.policies.touch != TouchPolicy::Never),
        }
    }

    /// Makes the key, or takes the one that is there.
    pub fn make(mut self, name: KeyName, touches: &mut Touches<'_>) -> Result<NewKey<'a>> {
        let (slot, key, pin) = match self.plan {
            Plan::Adopt { slot, key } => (slot, key, None),
            Plan::Make { slot, policies } => {
                let pin = self.generate(slot, policies, &name, touches)?;
                let described = self.admin.adopt(slot).map_err(|err| describe(&err, &self.label))?.key;
                (slot, described, pin)
            }
        };
        let details = PivDetails {
            serial: self.admin.serial(),
            slot,
            firmware: self.admin.firmware(),
            pin_policy: key.policies.pin,
            touch_policy: key.policies.touch,
            origin: key.origin,
            evidence: evidence(key.evidence),
        };
        let recipient = PivRecipient::new(key.public_key);
        let record = EnrolledKey {
            name: name.clone(),
            recipient: recipient.to_string(),
            enrolled: self.ctx.now(),
            host: host_name(),
            kind: KeyKind::Piv(details.clone()),
        };
        let search = discover::find_key(&self.readers, slot, &key.public_key, WAIT)
            .map_err(|err| describe(&err, &self.label))?;
        let holder = search
            .holder
            .ok_or_else(|| describe(&token::Error::Removed, &self.label))?;
        let key = PresentPiv::new(self.ctx, name, details, recipient, holder)?.with_pin(pin);
        Ok(NewKey {
            record,
            key: Box::new(key),
            file: None,
        })
    }

    /// Generates the key and writes its certificate. Returns the PIN if it was typed.
    fn generate(
        &mut self,
        slot: Slot,
        policies: Policies,
        name: &KeyName,
        touches: &mut Touches<'_>,
    ) -> Result<Option<SecretText>> {
        let label = self.label.clone();
        let said = |err: token::Error| describe(&err, &label);
        let info = self.admin.management_key().map_err(said)?;
        let status = self.admin.pin_status().map_err(said)?;
        let wants_pin = info.kind == ManagementKeyKind::PinProtected || pin_needed(policies.pin, status);
        let pin = wants_pin
            .then(|| present::ask_pin(self.ctx, &label, status))
            .transpose()?;
        if let Some(pin) = &pin {
            // Before the key is made: a wrong PIN must not leave the slot occupied.
            self.admin.try_pin(pin.expose().as_bytes()).map_err(said)?;
        }
        self.authenticate(info.kind, pin.as_ref())?;
        let management = Management { touch: info.touch };
        let awaited = management.announce(&label, touches);
        let point = self.admin.generate(slot, policies).map_err(said)?;
        drop(awaited);
        let made = Made { slot, policies, point };
        let certified = self.certify(&made, name, pin.as_ref(), &management, touches);
        certified.map_err(|error| {
            // The key is there, and nobody can take it out again but its owner.
            error.hint(format!(
                "slot {slot} holds the new key without a certificate; `tapvault key enroll piv --serial {} --existing {}` takes it as it is",
                self.admin.serial(),
                slot.retired_number().unwrap_or_default()
            ))
        })?;
        Ok(pin)
    }

    fn authenticate(&mut self, kind: ManagementKeyKind, pin: Option<&SecretText>) -> Result<()> {
        let said = |err: token::Error, label: &str| describe(&err, label);
        let outcome = match (kind, pin) {
            (ManagementKeyKind::Factory, _) => self.admin.authenticate(ManagementKey::Factory),
            (ManagementKeyKind::PinProtected, Some(pin)) => self
                .admin
                .authenticate(ManagementKey::PinProtected(pin.expose().as_bytes())),
            // The factory's is tried first: the management key has no counter.
            (ManagementKeyKind::Unknown, _) => match self.admin.authenticate(ManagementKey::Factory) {
                Err(token::Error::ManagementKeyRefused) => self.ask_management_key()?,
                outcome => outcome,
            },
            (ManagementKeyKind::Custom | ManagementKeyKind::PinDerived | ManagementKeyKind::PinProtected, _) => {
                self.ask_management_key()?
            }
        };
        outcome.map_err(|err| said(err, &self.label))
    }

    fn ask_management_key(&mut self) -> Result<token::Result<()>> {
        let typed = self
            .ctx
            .dialogue
            .ask_secret(&format!("management key of {} (hex)", self.label))?;
        let bytes = unhex(typed.expose()).ok_or_else(|| {
            Error::new(
                ErrorKind::Pin,
                "a management key has 32, 48 or 64 hexadecimal digits; nothing was sent",
            )
        })?;
        Ok(self.admin.authenticate(ManagementKey::Bytes(&bytes)))
    }

    /// The touch that makes the key: its own signature on its certificate. Armed once more when it is missed.
    fn certify(
        &mut self,
        made: &Made,
        name: &KeyName,
        pin: Option<&SecretText>,
        management: &Management,
        touches: &mut Touches<'_>,
    ) -> Result<()> {
        let label = self.label.clone();
        let purpose = "make the key";
        let text = CertificateText {
            name: name.as_str(),
            made_by: concat!("tapvault ", env!("CARGO_PKG_VERSION")),
            made_at: u64::try_from(self.ctx.now().as_second()).unwrap_or_default(),
        };
        let pin = pin.map(|pin| pin.expose().as_bytes());
        let mut awaited = Some(touches.announce(&label, purpose));
        let mut signed = self.admin.self_sign(made.slot, &made.point, made.policies, &text, pin);
        if let Err(token::Error::NoTouch { waited }) = signed {
            awaited = Some(touches.again(awaited, &label, purpose, waited.as_secs()));
            signed = self.admin.self_sign(made.slot, &made.point, made.policies, &text, pin);
        }
        drop(awaited);
        let signed = signed.map_err(|err| missed_twice(&err, &label, purpose))?;
        let _awaited = management.announce(&label, touches);
        self.admin
            .write_certificate(made.slot, &signed)
            .map_err(|err| describe(&err, &label))
    }

    fn refuse_weaker(&self, allowed: bool) -> Result<()> {
        let Plan::Adopt { slot, key } = &self.plan else {
            return Ok(());
        };
        let details = PivDetails {
            serial: self.admin.serial(),
            slot: *slot,
            firmware: self.admin.firmware(),
            pin_policy: key.policies.pin,
            touch_policy: key.policies.touch,
            origin: key.origin,
            evidence: evidence(key.evidence),
        };
        match details.weakness() {
            Some(weakness) if !allowed => Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "the key in slot {slot} of {} gives weaker presence: {weakness}",
                    self.label
                ),
            )
            .hint("leave out --existing to have a key made that asks for a touch every time")
            .hint("--weaker-presence takes it all the same; `key list` and every use will say so")),
            Some(_) | None => Ok(()),
        }
    }
}

/// A key that was generated and has no certificate yet.
struct Made {
    slot: Slot,
    policies: Policies,
    point: Point,
}

/// A management key may itself want a touch, each time that it is proven.
struct Management {
    touch: TouchPolicy,
}

impl Management {
    fn announce<'a>(&self, token: &str, touches: &mut Touches<'a>) -> Option<Awaited<'a>> {
        (self.touch != TouchPolicy::Never).then(|| {
            touches.plan_more(1);
            touches.announce(token, "let its management key be used")
        })
    }
}

fn pick(readers: &Readers, wanted: Option<Serial>) -> Result<(ReaderName, Serial, Firmware)> {
    let sightings = discover::find(readers, WAIT).map_err(|err| describe(&err, "a YubiKey"))?;
    let mut tokens = Vec::new();
    let (mut without_piv, mut busy) = (None, false);
    for sighting in sightings {
        match sighting.what {
            Seen::Token {
                serial,
                firmware,
                piv: true,
            } => tokens.push((sighting.reader, serial, firmware)),
            Seen::Token { serial, piv: false, .. } => without_piv = Some(serial),
            Seen::Busy => busy = true,
            Seen::Foreign => {}
        }
    }
    if let Some(wanted) = wanted {
        tokens.retain(|(_, serial, _)| *serial == wanted);
    }
    if tokens.len() > 1 {
        let serials: Vec<String> = tokens.iter().map(|(_, serial, _)| serial.to_string()).collect();
        return Err(Error::new(
            ErrorKind::Usage,
            format!("{} tokens are plugged in: {}", tokens.len(), serials.join(", ")),
        )
        .hint("say which: --serial, or unplug the other"));
    }
    tokens.pop().ok_or_else(|| {
        let named = wanted.map_or_else(|| "a YubiKey".to_owned(), |serial| format!("YubiKey {serial}"));
        match without_piv {
            _ if busy => describe(
                &token::Error::Busy {
                    reader: String::new(),
                    serial: wanted,
                },
                &named,
            ),
            Some(serial) if wanted.is_none_or(|wanted| wanted == serial) => {
                Error::new(ErrorKind::NoKey, format!("PIV is switched off on YubiKey {serial}"))
                    .hint(format!("ykman --device {serial} config usb --enable PIV"))
            }
            _ => describe(&token::Error::NoToken, &named),
        }
    })
}

/// Everybody knows the factory's PIN. Whether it is still set is read, never tried.
fn check_pin(ctx: &Context, admin: &mut Admin, label: &str, firmware: Firmware, allowed: bool) -> Result<()> {
    match admin.pin_metadata() {
        Ok(metadata) if metadata.tries_left == 0 => Err(describe(&token::Error::PinBlocked, label)),
        Ok(metadata) if metadata.factory && !allowed => Err(Error::new(
            ErrorKind::Pin,
            format!("{label} still has the factory's PIN, which everybody knows"),
        )
        .hint(format!(
            "change it: ykman --device {} piv access change-pin",
            admin.serial()
        ))
        .hint(format!(
            "and the PUK: ykman --device {} piv access change-puk (or --allow-factory-pin, if you know why)",
            admin.serial()
        ))),
        Ok(_) => Ok(()),
        Err(token::Error::NotSupported { .. }) => {
            ctx.dialogue
                .tell(&format!("{label}, firmware {firmware}, can't tell whether its PIN is still the factory's; make sure that it is not"));
            Ok(())
        }
        Err(err) => Err(describe(&err, label)),
    }
}

fn free_slot(admin: &mut Admin, label: &str, wanted: Option<Slot>) -> Result<Slot> {
    let said = |err: token::Error| {
        match err {
        token::Error::NotSupported { .. } => describe(&err, label)
            .hint("with this firmware, make the key with age-plugin-yubikey --generate and adopt it with --existing SLOT --weaker-presence"),
        err => describe(&err, label),
    }
    };
    let Some(slot) = wanted else {
        return admin.first_free_slot().map_err(said);
    };
    match admin.slot_state(slot).map_err(said)? {
        SlotState::Free => Ok(slot),
        SlotState::KeyWithoutCertificate(_)
        | SlotState::CertificateOnly
        | SlotState::Occupied(_)
        | SlotState::Unproven => Err(said(token::Error::SlotOccupied { slot })),
    }
}

fn evidence(evidence: Evidence) -> PolicyEvidence {
    match evidence {
        Evidence::Metadata => PolicyEvidence::Metadata,
        Evidence::Attestation => PolicyEvidence::Attestation,
        Evidence::Certificate => PolicyEvidence::Certificate,
    }
}

fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits: Zeroizing<Vec<u8>> = Zeroizing::new(text.bytes().filter(|b| !b.is_ascii_whitespace()).collect());
    if !matches!(digits.len(), 32 | 48 | 64) {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(32));
    for pair in digits.chunks(2) {
        let nibble = |digit: u8| (digit as char).to_digit(16);
        bytes.push(u8::try_from(nibble(pair[0])? << 4 | nibble(pair[1])?).ok()?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_management_key_is_read_in_groups_and_only_whole() {
        let key = unhex("01020304 05060708 01020304 05060708 01020304 05060708").expect("a key");
        assert_eq!(key.len(), 24);
        assert!(unhex("0102").is_none());
        assert!(unhex(&"zz".repeat(24)).is_none());
    }
}
