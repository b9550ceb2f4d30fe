//! A token as a person meets it: reached, waited for while others use it, and its failures in words that say what to do next.
//!
//! What is asked of the token is left to those who use it: `wrap::piv` opens with it, `chain::mfa` has it calculate codes.

#[cfg(feature = "piv")]
mod card;
#[cfg(feature = "piv")]
mod failure;
#[cfg(feature = "fido2")]
pub mod fido2;
#[cfg(feature = "piv")]
pub mod oath;

#[cfg(feature = "piv")]
pub use card::{Look, SOON, claim, look_until_free, readers};
#[cfg(feature = "piv")]
pub use failure::{busy_error, busy_words, describe, missed_twice};

use std::time::Duration;

/// So long a busy token is waited for: two touches that somebody else misses, and some more.
pub const PATIENCE: Duration = Duration::from_secs(40);
