//! A new device: made at AWS, its seed put on the tokens, enabled with two codes of the first token, and named in the config.
//!
//! What was cut short is finished where the device is the user's already, and undone otherwise: its seed is nowhere else, and
//! making it anew costs nothing.

mod make;
mod seats;

use super::config::ConfigLine;
use super::journal::{Book, Journal, Stage};
use super::look::{Seat, account_of};
use super::user::{CodeTouches, Reached, reach};
use super::words::{listed, refused, resume_line};
use super::{Other, Paper, Person, Wishes};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::vault::Vault;
use seats::{Seats, seats};

/// Enrolls a device for the user of an entry, or brings an interrupted enrolment to its end.
///
/// # Errors
/// Whatever stops it. Nothing is left behind then, or the error says what, and how to go on.
pub fn enroll(ctx: &Context, vault: &Vault, mut person: Person, mut wishes: Wishes) -> Result<()> {
    if wishes.paper == Paper::Shown && !ctx.dialogue.has_terminal() {
        return Err(Error::new(
            ErrorKind::Usage,
            "--show-seed shows the seed once, at a terminal, and there is none",
        )
        .hint("run it in a terminal window, not in a script or a pipe"));
    }
    let entry = person.entry.clone();
    let book = Book::claim(ctx, &entry)?;
    let journal = book.read()?;
    let line = ConfigLine::of(ctx, &entry);
    match &journal {
        Some(journal) if journal.stage.is_of_removal() => {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("the removal of {} stopped {}", journal.serial, journal.stage.after()),
            )
            .hint(format!("`{}` finishes it first", resume_line("remove", &entry))));
        }
        Some(journal) => {
            ctx.dialogue.note(&format!(
                "{entry}: going on with the enrolment of {}, which stopped {}",
                journal.serial,
                journal.stage.after()
            ));
            wishes.other = journal.other;
        }
        None => wishes.other = other(ctx, &line, wishes.other)?,
    }
    line.rehearse()?;
    let Seats { seats, targets } = match &journal {
        // Nothing but the config is left.
        Some(journal) if journal.stage == Stage::Writing => Seats::default(),
        journal => seats(ctx, &wishes, journal.as_ref(), &person)?,
    };
    // Each of the two codes takes a touch, for so the account is made.
    let codes = CodeTouches(if seats.is_empty() { 0 } else { 2 });
    let mut reached = reach(ctx, vault, &mut person, "enroll an MFA device", codes)?;
    reached.name()?;
    let owned: Vec<String> = reached.devices(&person)?.into_iter().map(|it| it.serial).collect();
    let mut run = Run {
        ctx,
        person: &person,
        wishes: &wishes,
        book,
        journal,
        seats,
        targets,
        reached,
        owned,
    };
    run.finish(&line).map_err(|error| run.stopped(error))
}

/// Whether another device that the profile names may be replaced: said, or asked for.
fn other(ctx: &Context, line: &ConfigLine<'_>, wish: Other) -> Result<Other> {
    let Some((serial, place)) = line.current()?.filter(|_| wish == Other::Kept) else {
        return Ok(wish);
    };
    let question = format!("{place}: the profile has mfa_serial = {serial}; put the new device in its place?");
    if ctx.dialogue.has_terminal() && ctx.dialogue.confirm(&question)? {
        return Ok(Other::Replaced);
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!("{place}: the profile has mfa_serial = {serial} already; nothing was done"),
    )
    .hint("--replace puts the new device in its place; the old one stays at AWS until `tapvault mfa remove --serial`"))
}

struct Run<'a> {
    ctx: &'a Context,
    person: &'a Person,
    wishes: &'a Wishes,
    book: Book,
    journal: Option<Journal>,
    /// As in [`Seats`].
    seats: Vec<Seat<'a>>,
    targets: usize,
    reached: Reached<'a>,
    /// The user's devices.
    owned: Vec<String>,
}

impl Run<'_> {
    fn finish(&mut self, line: &ConfigLine<'_>) -> Result<()> {
        let serial = match self.settle()? {
            Settled::Enabled(serial) => serial,
            Settled::Anew => {
                let (candidate, device) = self.make()?;
                let made = self.bring_in(&candidate, &device);
                made.map_err(|error| self.undo(error))?;
                self.enable(&candidate)?;
                if self.wishes.paper == Paper::Shown {
                    self.show(&candidate, &device)?;
                }
                candidate.serial
            }
        };
        self.step(Stage::Writing)?;
        let file = line.set(&serial)?;
        self.book.close()?;
        self.ctx.dialogue.note(&format!(
            "{serial} is an MFA device of {} now; {file}: mfa_serial of {} names it",
            self.reached.user.owner(),
            self.person.entry
        ));
        Ok(())
    }

    /// What an interrupted enrolment has left: brought to where this one can go on.
    fn settle(&mut self) -> Result<Settled> {
        let Some(journal) = self.journal.clone() else {
            return Ok(Settled::Anew);
        };
        let enabled = self.owned.contains(&journal.serial);
        match (journal.stage, enabled) {
            (Stage::Seeding | Stage::Enabling | Stage::Writing, true) => Ok(Settled::Enabled(journal.serial)),
            // It was the user's before: AWS would have refused to make it.
            (Stage::Creating, true) => self.close().map(|()| Settled::Anew),
            (Stage::Writing, false) => {
                self.close()?;
                Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "{} is not a device of {} any more; {} may still have its account",
                        journal.serial,
                        self.reached.user.owner(),
                        listed(journal.tokens())
                    ),
                )
                .hint("`ykman oath accounts delete` removes it; then run this again"))
            }
            (Stage::Creating | Stage::Seeding | Stage::Enabling, false) => {
                self.take_back()?;
                self.ctx
                    .dialogue
                    .note(&format!("{} was never enabled; it is made anew", journal.serial));
                Ok(Settled::Anew)
            }
            // `enroll` has refused these.
            (stage @ (Stage::Deactivating | Stage::Deleting), _) => Err(Error::new(
                ErrorKind::Conflict,
                format!("a removal stopped {}", stage.after()),
            )),
        }
    }

    /// The error, with what became of the device that was made.
    fn undo(&mut self, error: Error) -> Error {
        let Some(serial) = self.journal.as_ref().map(|journal| journal.serial.clone()) else {
            return error;
        };
        match self.take_back() {
            Ok(()) => error.hint(format!("{serial} was deleted again; nothing of it is left")),
            Err(left) => error.hint(format!("{serial} could not be undone: {}", left.message())),
        }
    }

    /// Deletes the device of the journal, which is nobody's, and its accounts.
    fn take_back(&mut self) -> Result<()> {
        let Some(journal) = self.journal.clone() else {
            return Ok(());
        };
        let credentials = &self.reached.user.credentials;
        match self.reached.iam.delete_mfa_device(credentials, &journal.serial) {
            Ok(()) => {}
            // It was somebody's before: AWS would have refused to make it, had the answer come.
            Err(error) if error.is_in_use() && journal.stage == Stage::Creating => {}
            Err(error) => return Err(refused(error, self.person)),
        }
        for serial in journal.tokens() {
            let seat = self.seats.iter_mut().find(|seat| seat.authenticator.serial() == serial);
            let seat =
                seat.ok_or_else(|| Error::new(ErrorKind::NoKey, format!("YubiKey {serial} was not looked at")))?;
            if let Some(name) = account_of(&journal.serial) {
                seat.remove(&name)?;
            }
        }
        self.close()
    }

    fn step(&mut self, stage: Stage) -> Result<()> {
        if let Some(journal) = &mut self.journal {
            journal.stage = stage;
            journal.at = self.ctx.now();
            self.book.write(journal)?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.book.close()?;
        self.journal = None;
        Ok(())
    }

    /// The error, with the way on if something was left in the middle.
    fn stopped(&self, error: Error) -> Error {
        match &self.journal {
            None => error,
            Some(_) => error.hint(format!(
                "`{}` finishes or undoes it",
                resume_line("enroll", &self.person.entry)
            )),
        }
    }
}

/// Where an enrolment goes on.
enum Settled {
    /// With the config: this device is the user's.
    Enabled(String),
    /// At the beginning.
    Anew,
}
