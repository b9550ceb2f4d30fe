//! The codes of a virtual MFA device: RFC 6238 with SHA-1, six digits, thirty seconds.
//!
//! Pure: which steps were used already is the [`MfaDevice`](super::world::MfaDevice)'s memory.

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha1::Sha1;

/// Length of a time step. RFC 6238, 4.1 (X = 30 by default).
pub const STEP_SECONDS: i64 = 30;

/// The time step a moment lies in: T of RFC 6238, 4.2, counted from the Unix epoch.
pub fn step_at(at: Timestamp) -> u64 {
    u64::try_from(at.as_second().div_euclid(STEP_SECONDS)).unwrap_or(0)
}

/// The code a seed gives at a step.
pub fn code(seed: &[u8], step: u64, digits: u32) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(seed).expect("HMAC takes keys of any length");
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    // RFC 4226, 5.3: the low nibble of the last byte says where the 31 bits begin.
    let start = usize::from(digest[19] & 0x0f);
    let word = [
        digest[start] & 0x7f,
        digest[start + 1],
        digest[start + 2],
        digest[start + 3],
    ];
    let number = u64::from(u32::from_be_bytes(word)) % 10u64.pow(digits);
    format!("{number:0width$}", width = digits as usize)
}

/// The steps that are tried for a code: the present one and one either side, the one about to go last.
///
/// RFC 6238, 5.2 recommends at most one step for the network's delay; the other side allows for a device that
/// runs ahead.
pub fn window(now: u64) -> [u64; 3] {
    [now, now + 1, now.saturating_sub(1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_6238_appendix_b() {
        let seed = b"12345678901234567890";
        for (second, expected) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let step = step_at(Timestamp::from_second(second).unwrap());
            assert_eq!(code(seed, step, 8), expected, "at {second}");
            assert_eq!(code(seed, step, 6), expected[2..], "six digits at {second}");
        }
    }

    #[test]
    fn a_step_is_thirty_seconds() {
        let step = |second| step_at(Timestamp::from_second(second).unwrap());
        assert_eq!((step(29), step(30), step(59), step(60)), (0, 1, 1, 2));
    }
}
