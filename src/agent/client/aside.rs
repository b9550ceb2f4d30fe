//! Questions that the agent answers at once, beside its work: what it holds, and an end of that.

use super::{FIRST_WORD, FRAME_PATIENCE, MOST_UNHEARD, PAUSE, silence, unexpected};
use crate::agent::place::Place;
use crate::agent::protocol::frame;
use crate::agent::protocol::{Greeting, Opening, Status, Wants, Word};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};

/// What the agent holds and does; `None` when none runs.
///
/// # Errors
/// When it does not answer.
pub fn status(ctx: &Context) -> Result<Option<Status>> {
    match short(ctx, Wants::Status)? {
        Some(Word::Status(status)) => Ok(Some(*status)),
        Some(other) => Err(unexpected(&other)),
        None => Ok(None),
    }
}

/// Ends leases of `profile`, or all leases and PINs. Says how many of each; `None` when no agent runs.
///
/// # Errors
/// When it does not answer.
pub fn lock(ctx: &Context, profile: Option<String>) -> Result<Option<(usize, usize)>> {
    match short(ctx, Wants::Lock { profile })? {
        Some(Word::Locked { leases, pins }) => Ok(Some((leases, pins))),
        Some(Word::OtherVersion(theirs)) if theirs.is_older_than(&Greeting::ours()) => {
            ctx.dialogue.note(&format!(
                "an agent of version {} made room for this one; what it held has ended",
                theirs.version
            ));
            Ok(None)
        }
        Some(other) => Err(unexpected(&other)),
        None => Ok(None),
    }
}

/// A question that the agent answers at once. `None` only if there is no agent: one that is there may hold something.
fn short(ctx: &Context, wants: Wants) -> Result<Option<Word>> {
    let greeting = Greeting::ours();
    let opening = Opening { greeting, wants };
    let place = Place::of(&ctx.paths);
    for _ in 0..MOST_UNHEARD {
        let Some(stream) = place.connect()? else {
            return Ok(None);
        };
        let frame = match frame::write(&stream, &opening, &[]) {
            Ok(()) => frame::read(&stream, Some(FIRST_WORD), FRAME_PATIENCE),
            Err(_) => Ok(None),
        };
        match frame {
            Ok(Some(frame)) => return frame.parse().map(Some),
            // It ends at this moment, or others crowd it.
            Ok(None) => std::thread::sleep(PAUSE),
            Err(error) => {
                return Err(error
                    .within("the agent does not answer")
                    .hint(format!("end {}; what it holds ends with it", silence::named(&stream))));
            }
        }
    }
    Err(
        Error::new(ErrorKind::Other, "the agent closes every connection without an answer")
            .hint("it may be in another container, or too busy; what it holds ends with its process"),
    )
}
