//! PINs that the person has typed, held in locked memory while their token stays plugged in.

use super::caller::unpoisoned;
use super::locked::Locked;
use super::protocol::PinFacts;
use crate::error::Result;
use crate::secret::SecretText;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Mutex;
use zeroize::Zeroizing;

/// The PINs, by token.
#[derive(Default)]
pub struct Pins(Mutex<BTreeMap<String, Held>>);

struct Held {
    pin: Locked,
    since: Timestamp,
}

impl Pins {
    /// The PIN of `token`.
    pub fn find(&self, token: &str) -> Option<SecretText> {
        let pins = unpoisoned(&self.0);
        let text = std::str::from_utf8(pins.get(token)?.pin.expose()).ok()?;
        Some(SecretText::copy_of(text))
    }

    /// Holds a PIN that the token has accepted.
    ///
    /// # Errors
    /// When no memory can be locked for it; it is not held then.
    pub fn hold(&self, token: &str, pin: &SecretText, now: Timestamp) -> Result<()> {
        let mut pins = unpoisoned(&self.0);
        let same = |held: &Held| held.pin.expose() == pin.expose().as_bytes();
        if pins.get(token).is_some_and(same) {
            return Ok(());
        }
        let locked = Locked::holding(Zeroizing::new(pin.expose().as_bytes().to_vec()))?;
        pins.insert(
            token.to_owned(),
            Held {
                pin: locked,
                since: now,
            },
        );
        Ok(())
    }

    /// Drops the PIN of `token`.
    pub fn drop_of(&self, token: &str) {
        unpoisoned(&self.0).remove(token);
    }

    /// Drops all. Says how many.
    pub fn drop_all(&self) -> usize {
        std::mem::take(&mut *unpoisoned(&self.0)).len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        unpoisoned(&self.0).is_empty()
    }

    /// For `status`.
    pub fn facts(&self) -> Vec<PinFacts> {
        let pins = unpoisoned(&self.0);
        let fact = |(token, held): (&String, &Held)| PinFacts {
            token: token.clone(),
            since: held.since,
        };
        pins.iter().map(fact).collect()
    }
}
