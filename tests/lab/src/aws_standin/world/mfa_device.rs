//! A virtual MFA device: its seed, its user, and the codes it has spent.

use std::collections::BTreeSet;

use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::aws_standin::totp;

/// A virtual MFA device.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MfaDevice {
    /// `arn:aws:iam::111122223333:mfa/ana`
    pub serial: String,
    /// The TOTP seed in base32 (RFC 4648, 6).
    pub seed: String,
    /// Digits of a code.
    #[serde(default = "six")]
    pub digits: u32,
    /// Name of the user it is enabled for.
    #[serde(default)]
    pub user: Option<String>,
    /// Since when it is enabled.
    #[serde(default)]
    pub enabled: Option<Timestamp>,
    /// How many steps the device runs ahead, as ResyncMFADevice found.
    #[serde(default)]
    pub drift_steps: i64,
    /// Steps, in the device's own count, whose code was taken; none is taken twice.
    #[serde(default)]
    pub used_steps: BTreeSet<u64>,
}

impl MfaDevice {
    /// The code at a step of the service's clock.
    pub fn code(&self, step: u64) -> String {
        totp::code(&self.seed_bytes(), self.own_step(step), self.digits)
    }

    /// The device's own count at a step of the service's clock: the same, unless it drifted.
    pub fn own_step(&self, step: u64) -> u64 {
        step.saturating_add_signed(self.drift_steps)
    }

    /// Whether the code at a step of the service's clock was taken already.
    pub fn is_spent(&self, step: u64) -> bool {
        self.used_steps.contains(&self.own_step(step))
    }

    /// Remembers that it was.
    pub fn spend(&mut self, step: u64) {
        self.used_steps.insert(self.own_step(step));
    }

    /// Takes a code: the step it belonged to, which is used from now on. `None` if it is no code of these minutes,
    /// or was taken before: AWS tells neither from the other.
    pub fn take(&mut self, code: &str, now: Timestamp) -> Option<u64> {
        let fits = |step: &u64| self.code(*step) == code && !self.is_spent(*step);
        let step = totp::window(totp::step_at(now)).into_iter().find(fits)?;
        self.spend(step);
        Some(step)
    }

    /// Seeds are written with or without padding and in either case; one that is not base32 gives no codes that
    /// anybody else would give.
    fn seed_bytes(&self) -> Vec<u8> {
        let text = self.seed.trim_end_matches('=').to_ascii_uppercase();
        BASE32_NOPAD.decode(text.as_bytes()).unwrap_or_default()
    }
}

fn six() -> u32 {
    6
}
