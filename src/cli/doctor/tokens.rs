//! The smart card service, the tokens that are plugged in, and whether they are the enrolled ones. Spends no PIN try.

use super::Finding;
use crate::context::Context;
use crate::device::{self, busy_words, describe};
use crate::token::admin::Admin;
use crate::token::card::Readers;
use crate::token::discover::{self, Seen, Sighting};
use crate::token::{self, Serial};
use crate::vault::Vault;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a busy token is waited for.
const WAIT: Duration = Duration::from_secs(1);

/// What was seen.
pub struct Look {
    /// How the service is.
    pub service: Finding,
    /// How the tokens are.
    pub tokens: Vec<Finding>,
    /// What is plugged in, for who wants to know more of it; `None` when the service can't be asked.
    pub plugged_in: Option<(Readers, Vec<Sighting>)>,
}

impl Look {
    fn nowhere(service: Finding) -> Self {
        Look {
            service,
            tokens: Vec::new(),
            plugged_in: None,
        }
    }
}

/// How the service is, and what is plugged in.
pub fn look(ctx: &Context) -> Look {
    let enrolled = enrolled(ctx);
    let looked = device::readers(ctx).and_then(|readers| {
        let sightings = discover::find(&readers, WAIT).map_err(|err| describe(&err, "a YubiKey"))?;
        Ok((readers, sightings))
    });
    let (readers, sightings) = match looked {
        Ok(looked) => looked,
        // Without a token nobody needs the service.
        Err(error) if enrolled.is_empty() => return Look::nowhere(Finding::unneeded(&error)),
        Err(error) => return Look::nowhere(Finding::failed(&error)),
    };
    let mut findings = Vec::new();
    findings.extend(sightings.iter().flat_map(|sighting| token(&readers, sighting)));
    let present: Vec<Serial> = sightings
        .iter()
        .filter_map(|sighting| match sighting.what {
            Seen::Token { serial, .. } => Some(serial),
            Seen::Busy | Seen::Foreign => None,
        })
        .collect();
    // One that is busy may be the enrolled one.
    let busy = sightings.iter().any(|sighting| matches!(sighting.what, Seen::Busy));
    if !busy {
        findings.extend(missing(&enrolled, &present));
    }
    if sightings.is_empty() && enrolled.is_empty() {
        findings.push(Finding::ok("no token is plugged in, and none is enrolled"));
    }
    Look {
        service: Finding::ok("the smart card service answers; access is permitted"),
        tokens: findings,
        plugged_in: Some((readers, sightings)),
    }
}

/// What is said of the enrolled tokens that are not here.
fn missing(enrolled: &[Serial], present: &[Serial]) -> Vec<Finding> {
    let absent = enrolled.iter().filter(|serial| !present.contains(serial));
    let mut findings: Vec<Finding> = absent
        .map(|serial| Finding::ok(format!("YubiKey {serial} is enrolled and not plugged in")))
        .collect();
    if !enrolled.is_empty() && findings.len() == enrolled.len() {
        findings.push(Finding::warn(
            "none of the enrolled tokens is plugged in",
            "plug one in to open entries",
        ));
    }
    findings
}

fn enrolled(ctx: &Context) -> Vec<Serial> {
    let Ok((snapshot, _lock)) = Vault::at(&ctx.paths).look() else {
        return Vec::new();
    };
    let keys = snapshot
        .keyring
        .map(|keyring| keyring.unverified().keys.clone())
        .unwrap_or_default();
    // A token may hold several of the keys.
    let serials: BTreeSet<Serial> = keys.into_iter().filter_map(|key| key.serial()).collect();
    serials.into_iter().collect()
}

fn token(readers: &Readers, sighting: &Sighting) -> Vec<Finding> {
    match sighting.what {
        Seen::Busy => vec![Finding::warn(
            busy_words("a token"),
            "it can be looked at when the other program is done",
        )],
        Seen::Foreign => vec![Finding::ok(format!(
            "{} holds a card that is no YubiKey",
            sighting.reader
        ))],
        Seen::Token { serial, piv: false, .. } => vec![Finding::warn(
            format!("PIV is switched off on YubiKey {serial}"),
            format!("ykman --device {serial} config usb --enable PIV"),
        )],
        Seen::Token {
            serial,
            firmware,
            piv: true,
        } => {
            let label = format!("YubiKey {serial}");
            let pin = Admin::open(readers, &sighting.reader, WAIT).and_then(|mut admin| admin.pin_metadata());
            let change = format!("ykman --device {serial} piv access change-pin");
            vec![match pin {
                Ok(pin) if pin.tries_left == 0 => Finding::failed(&describe(&token::Error::PinBlocked, &label)),
                Ok(pin) if pin.factory => Finding::fail(
                    format!("{label}, firmware {firmware}, still has the factory's PIN, which everybody knows"),
                    change,
                ),
                Ok(pin) if pin.tries_left < pin.tries_total => Finding::warn(
                    format!(
                        "{label}, firmware {firmware}: {} of {} PIN tries left",
                        pin.tries_left, pin.tries_total
                    ),
                    "the right PIN sets them back",
                ),
                Ok(_) => Finding::ok(format!(
                    "{label}, firmware {firmware}, PIV enabled, PIN changed from the factory's"
                )),
                Err(token::Error::NotSupported { .. }) => Finding::warn(
                    format!("{label}, firmware {firmware}, can't tell whether its PIN is still the factory's"),
                    change,
                ),
                Err(err) => Finding::failed(&describe(&err, &label)),
            }]
        }
    }
}
