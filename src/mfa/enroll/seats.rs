//! Which tokens an enrolment is about: those that the person named, the only one that is here, and those that an interrupted one has
//! put its seed on.

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::mfa::journal::Journal;
use crate::mfa::look::{Plugged, Seat};
use crate::mfa::words::{listed, resume_line};
use crate::mfa::{Person, Wishes};
use crate::token::Serial;

/// The tokens of an enrolment.
#[derive(Default)]
pub(super) struct Seats<'a> {
    /// Those that get the seed, the first of which gives the codes; then those that an interrupted enrolment has put it on.
    pub seats: Vec<Seat<'a>>,
    /// How many get it.
    pub targets: usize,
}

/// Finds them. An account's password is asked for here.
///
/// # Errors
/// [`ErrorKind::NoKey`] when one is not plugged in, [`ErrorKind::Usage`] when it is not clear which.
pub(super) fn seats<'a>(
    ctx: &'a Context,
    wishes: &Wishes,
    journal: Option<&Journal>,
    Person { entry, passwords, .. }: &Person,
) -> Result<Seats<'a>> {
    let plugged = Plugged::look(ctx, passwords)?;
    let before: Vec<Serial> = journal.map(|journal| journal.tokens().collect()).unwrap_or_default();
    if let Some(missing) = before.iter().find(|serial| !plugged.serials().contains(serial)) {
        return Err(Error::new(
            ErrorKind::NoKey,
            format!("YubiKey {missing} may hold the seed of the interrupted enrolment, and is not plugged in"),
        )
        .hint("plug it in and run the command again")
        .hint(format!(
            "if it is lost: `{}` deletes the device all the same",
            resume_line("remove", entry)
        )));
    }
    let chosen = match (&wishes.tokens[..], &before[..], &plugged.serials()[..]) {
        ([], [], []) => {
            return Err(Error::new(ErrorKind::NoKey, "no token is plugged in")
                .hint("plug in the YubiKey that is to hold the seed, and run the command again"));
        }
        ([], [], [only]) => vec![*only],
        ([], [], several) => {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("several tokens are plugged in: {}", listed(several)),
            )
            .hint("say which with --token SERIAL; given twice, both get the seed, and the first gives the codes"));
        }
        ([], before, _) => before.to_vec(),
        (named, _, _) => named.to_vec(),
    };
    let mut serials: Vec<Serial> = Vec::new();
    let mut add = |more: Vec<Serial>| {
        for serial in more {
            if !serials.contains(&serial) {
                serials.push(serial);
            }
        }
        serials.len()
    };
    let targets = add(chosen);
    add(before);
    let seats = serials.into_iter().map(|serial| plugged.seat(serial));
    Ok(Seats {
        seats: seats.collect::<Result<_>>()?,
        targets,
    })
}
