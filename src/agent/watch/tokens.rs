//! Tokens that are pulled out, by the names of their readers.

use super::{Ended, Tell};
use crate::token::watch::Watch;

/// Tells of every reader that loses its card.
pub fn watch(tell: &Tell) {
    let mut readers = Watch::new();
    loop {
        let gone = readers.next_gone();
        tell(Ended::TokensGone(gone.iter().map(ToString::to_string).collect()));
    }
}
