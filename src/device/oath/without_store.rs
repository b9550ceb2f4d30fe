//! In place of `kept` in a build without the feature `keychain`: nothing is ever kept.

use super::Manner;
use crate::error::Error;
use crate::token::Serial;
use crate::token::oath::UnlockKey;

/// What the store says of a token.
pub enum Kept {
    /// A key; never here.
    #[expect(dead_code, reason = "the shape is that of `kept`, so that the caller need not know")]
    Key(UnlockKey),
    /// None is kept.
    Nothing,
    /// The store can't be asked; never here.
    #[expect(dead_code, reason = "the shape is that of `kept`, so that the caller need not know")]
    Unknown(Error),
}

/// Finds none.
pub fn find(_: Serial, _: Manner) -> Kept {
    Kept::Nothing
}
