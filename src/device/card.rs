//! A card as a person meets it: reached by PC/SC, and waited for while others use it.

use super::{PATIENCE, busy_words, describe};
use crate::context::{Chatter, Context};
use crate::error::Result;
use crate::prompt::debug;
use crate::token;
use crate::token::card::{Card, Readers, Transaction};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After so long a person is told that the token is busy.
pub const SOON: Duration = Duration::from_secs(1);

/// How often a busy token is looked at again.
const PAUSE: Duration = Duration::from_millis(200);

/// What a look at the tokens gave.
pub enum Look<T> {
    /// All that was to be known.
    Done(T),
    /// A token that may be the one is in use; it is named as in [`claim`].
    Busy(String),
}

/// Opens PC/SC; with `--debug` it says the instructions and status words, never data.
pub fn readers(ctx: &Context) -> Result<Readers> {
    let readers = Readers::open().map_err(|err| describe(&err, "a YubiKey"))?;
    Ok(match ctx.chatter {
        Chatter::Normal => readers,
        Chatter::Debug => {
            let elsewhere = ctx.dialogue.elsewhere_shared();
            readers.observed(Arc::new(move |line| debug(elsewhere.as_deref(), line)))
        }
    })
}

/// Waits for the card, saying so when it takes long. `token` names it, such as "YubiKey 15042118".
///
/// # Errors
/// [`crate::error::ErrorKind::Busy`] when it stays in use for [`PATIENCE`].
pub fn claim<'c>(ctx: &Context, card: &'c mut Card, token: &str) -> Result<Transaction<'c>> {
    match card.await_turn(SOON) {
        Ok(()) => {}
        Err(token::Error::Busy { .. }) => ctx.dialogue.tell(&format!("waiting: {}", busy_words(token))),
        Err(err) => return Err(describe(&err, token)),
    }
    card.transaction(PATIENCE).map_err(|err| describe(&err, token))
}

/// Looks again and again while a token that may be the one is busy, and says once that it waits. Still [`Look::Busy`] when that goes
/// on for [`PATIENCE`].
///
/// # Errors
/// Those of `look`, which are not waited out.
pub fn look_until_free<T>(ctx: &Context, mut look: impl FnMut() -> Result<Look<T>>) -> Result<Look<T>> {
    let start = Instant::now();
    let mut told = false;
    loop {
        match look()? {
            Look::Busy(token) if start.elapsed() <= PATIENCE => {
                if !told {
                    ctx.dialogue.tell(&format!("waiting: {}", busy_words(&token)));
                    told = true;
                }
            }
            seen => return Ok(seen),
        }
        std::thread::sleep(PAUSE);
    }
}
