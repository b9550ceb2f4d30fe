//! The smart card service, the tokens that are plugged in, and whether they are the enrolled ones. Spends no PIN try.

use super::Finding;
use crate::context::Context;
use crate::device::{self, busy_words, describe};
use crate::token::admin::Admin;
use crate::token::card::Readers;
use crate::token::discover::{self, Seen, Sighting};
use crate::token::{self, Serial};
use crate::vault::Vault;
use crate::wrap::KeyKind;
use std::time::Duration;

/// How long a busy token is waited for.
const WAIT: Duration = Duration::from_secs(1);

/// What is plugged in.
pub fn look(ctx: &Context) -> Vec<Finding> {
    let enrolled = enrolled(ctx);
    let readers = match device::readers(ctx) {
        Ok(readers) => readers,
        // Without a token nobody needs the service.
        Err(error) if enrolled.is_empty() => {
            return vec![Finding::warn(
                error.message(),
                error.hints().first().cloned().unwrap_or_default(),
            )];
        }
        Err(error) => return vec![Finding::failed(&error)],
    };
    let sightings = match discover::find(&readers, WAIT) {
        Ok(sightings) => sightings,
        Err(err) => return vec![Finding::failed(&describe(&err, "a YubiKey"))],
    };
    let mut findings = vec![Finding::ok("the smart card service answers; access is permitted")];
    findings.extend(sightings.iter().flat_map(|sighting| token(&readers, sighting)));
    let present: Vec<Serial> = sightings
        .iter()
        .filter_map(|sighting| match sighting.what {
            Seen::Token { serial, .. } => Some(serial),
            Seen::Busy | Seen::Foreign => None,
        })
        .collect();
    for serial in enrolled.iter().filter(|serial| !present.contains(serial)) {
        findings.push(Finding::ok(format!("YubiKey {serial} is enrolled and not plugged in")));
    }
    if present.is_empty() && !enrolled.is_empty() {
        findings.push(Finding::warn(
            "none of the enrolled tokens is plugged in",
            "plug one in to open entries",
        ));
    }
    findings
}

fn enrolled(ctx: &Context) -> Vec<Serial> {
    let Ok((snapshot, _lock)) = Vault::at(&ctx.paths).read() else {
        return Vec::new();
    };
    let keys = snapshot
        .keyring
        .map(|keyring| keyring.unverified().keys.clone())
        .unwrap_or_default();
    keys.into_iter()
        .filter_map(|key| match key.kind {
            KeyKind::Piv(details) => Some(details.serial),
            KeyKind::Keychain { .. } | KeyKind::Passphrase { .. } | KeyKind::Recovery { .. } => None,
        })
        .collect()
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
