//! A device taken away: from the user, from AWS, from the tokens that are plugged in, and out of the config.

use super::config::ConfigLine;
use super::device::is_virtual;
use super::journal::{Book, Journal, Stage};
use super::look::{Seat, account_of, every_seat};
use super::user::{CodeTouches, Reached, reach};
use super::words::{listed, refused, resume_line};
use super::{Other, Person};
use crate::chain::Step;
use crate::chain::mfa::{Clues, pair};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::value::MfaSerial;
use crate::vault::Vault;

/// Whether a person is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Yes, at the terminal.
    Asked,
    /// It was given on the command line (`--force`).
    Given,
}

/// Removes the device `serial`, or the one that an interrupted command was about.
///
/// # Errors
/// Whatever stops it; the error says how to go on. [`ErrorKind::Usage`] when it is not known which device, or nobody can be asked.
pub fn remove(
    ctx: &Context,
    vault: &Vault,
    mut person: Person,
    serial: Option<MfaSerial>,
    consent: Consent,
) -> Result<()> {
    let entry = person.entry.clone();
    let book = Book::claim(ctx, &entry)?;
    let journal = book.read()?;
    let line = ConfigLine::of(ctx, &entry);
    let serial = meant(ctx, journal.as_ref(), serial, &person)?;
    if consent == Consent::Asked {
        ask(ctx, &serial)?;
    }
    if line.current()?.is_some_and(|(there, _)| there == serial.as_str()) {
        line.rehearse()?;
    }
    let seats = every_seat(ctx, &person.passwords);
    let is_own_code = |person: &Person| {
        let mfa = person.own.session.as_ref().and_then(Step::mfa);
        mfa.is_some_and(|mfa| mfa.serial.value == serial)
    };
    let purpose = format!("remove the MFA device {}", serial.device());
    let stage = journal.as_ref().map(|journal| journal.stage);
    if stage == Some(Stage::Deleting) && is_own_code(&person) {
        // The device gives no sessions any more.
        person.own.session = None;
    }
    let reached = match reach(ctx, vault, &mut person, &purpose, CodeTouches(0)) {
        // Perhaps it gives none either: nobody knows what became of the last call.
        Err(error) if error.kind() == ErrorKind::Aws && stage.is_some() && is_own_code(&person) => {
            ctx.dialogue
                .tell(&format!("{}; trying without a session", error.message()));
            person.own.session = None;
            reach(ctx, vault, &mut person, &purpose, CodeTouches(0))?
        }
        reached => reached?,
    };
    let mut run = Run {
        ctx,
        person: &person,
        serial,
        book,
        seats,
        reached,
    };
    run.finish(journal, vault, &line)
        .map_err(|error| match run.book.read() {
            Ok(None) => error,
            Ok(Some(_)) | Err(_) => error.hint(format!("`{}` goes on from here", resume_line("remove", &entry))),
        })
}

/// The device that is meant.
fn meant(ctx: &Context, journal: Option<&Journal>, serial: Option<MfaSerial>, person: &Person) -> Result<MfaSerial> {
    match (journal, serial) {
        (None, Some(serial)) => Ok(serial),
        (None, None) => Err(Error::new(
            ErrorKind::Usage,
            format!("profile {} has no mfa_serial, so no device is known", person.asked),
        )
        .hint("--serial names one; `tapvault mfa list` shows them")),
        (Some(journal), _) => {
            ctx.dialogue.note(&format!(
                "{}: a command that changed {} stopped {}; it is removed",
                person.entry,
                journal.serial,
                journal.stage.after()
            ));
            journal.serial.parse().map_err(|err| {
                Error::new(
                    ErrorKind::Damaged,
                    format!("the journal's device {:?}: {err}", journal.serial),
                )
            })
        }
    }
}

fn ask(ctx: &Context, serial: &MfaSerial) -> Result<()> {
    let question = format!("take {serial} from its user at AWS, and delete it here and there?");
    let agreed = ctx
        .dialogue
        .confirm(&question)
        .map_err(|error| error.hint("--force removes it without asking"))?;
    match agreed {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Cancelled, "nothing was removed")),
    }
}

struct Run<'a> {
    ctx: &'a Context,
    person: &'a Person,
    serial: MfaSerial,
    book: Book,
    seats: Vec<Seat<'a>>,
    reached: Reached<'a>,
}

impl Run<'_> {
    fn finish(&mut self, journal: Option<Journal>, vault: &Vault, line: &ConfigLine<'_>) -> Result<()> {
        let mut journal = match journal {
            Some(journal) => journal,
            None => self.begin()?,
        };
        self.at_aws(&mut journal)?;
        self.on_tokens(&journal, vault)?;
        if let Some(file) = line.remove(self.serial.as_str())? {
            self.ctx
                .dialogue
                .note(&format!("{file}: mfa_serial of {} is gone", self.person.entry));
        }
        self.book.close()
    }

    /// The journal, if it is the user's device.
    fn begin(&mut self) -> Result<Journal> {
        let devices = self.reached.devices(self.person)?;
        let serial = self.serial.as_str();
        if !devices.iter().any(|device| device.serial == serial) {
            let there: Vec<String> = devices.into_iter().map(|device| device.serial).collect();
            let there = match &there[..] {
                [] => "no MFA device at all".to_owned(),
                there => format!("only {}", there.join(" and ")),
            };
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("{} has {there}; {serial} was not touched", self.reached.user.owner()),
            )
            .hint("--serial names another device of the user"));
        }
        let name = account_of(serial);
        let holders = self
            .seats
            .iter()
            .filter(|seat| name.as_ref().is_some_and(|name| seat.account(name).is_some()));
        let tokens = holders.map(|seat| seat.authenticator.serial().0).collect();
        Ok(Journal {
            tokens,
            ..self.book.begin(self.ctx, serial, Stage::Deactivating, Other::Kept)
        })
    }

    fn at_aws(&mut self, journal: &mut Journal) -> Result<()> {
        let serial = self.serial.as_str();
        let name = self.reached.name()?.to_owned();
        let credentials = &self.reached.user.credentials;
        if journal.stage != Stage::Deleting {
            let before = self.book.read()?;
            journal.stage = Stage::Deactivating;
            self.book.write(journal)?;
            if let Err(error) = self.reached.iam.deactivate_mfa_device(credentials, &name, serial) {
                // Refused in so many words: everything is what it was.
                match before {
                    None if error.is_denied() => self.book.close()?,
                    Some(before) if error.is_denied() => self.book.write(&before)?,
                    None | Some(_) => {}
                }
                return Err(refused(error, self.person));
            }
            journal.stage = Stage::Deleting;
            self.book.write(journal)?;
        }
        if is_virtual(serial) {
            self.reached
                .iam
                .delete_mfa_device(credentials, serial)
                .map_err(|error| {
                    refused(error, self.person).within(format!("{serial} is nobody's, but still there"))
                })?;
        }
        self.ctx.dialogue.note(&format!(
            "{serial} is no MFA device of {} any more",
            self.reached.user.owner()
        ));
        Ok(())
    }

    fn on_tokens(&mut self, journal: &Journal, vault: &Vault) -> Result<()> {
        let Some(name) = account_of(self.serial.as_str()) else {
            return Ok(());
        };
        let mut absent = Vec::new();
        for serial in journal.tokens() {
            match self.seats.iter_mut().find(|seat| seat.authenticator.serial() == serial) {
                None => absent.push(serial),
                Some(seat) => {
                    if seat.remove(&name)? {
                        let token = seat.authenticator.token();
                        self.ctx.dialogue.note(&format!("{token}: the account {name} is gone"));
                    }
                }
            }
        }
        if !absent.is_empty() {
            self.ctx.dialogue.note(&format!(
                "{} may still have the account {name}, which is of no use; `ykman oath accounts delete` removes it",
                listed(absent)
            ));
        }
        self.tell_others(vault)
    }

    /// Accounts of other names are people's own; they are only spoken of.
    fn tell_others(&self, vault: &Vault) -> Result<()> {
        let profiles = vec![self.person.entry.to_string(), self.person.asked.to_string()];
        let clues = Clues::gather(vault, None, &self.person.entry, profiles)?;
        if let Ok(account) = pair::giver(self.ctx, &self.serial, &clues, &self.person.passwords) {
            self.ctx.dialogue.note(&format!(
                "{} has an account {}, which gave its codes; `ykman oath accounts delete` removes it",
                account.token(),
                account.name()
            ));
        }
        Ok(())
    }
}
