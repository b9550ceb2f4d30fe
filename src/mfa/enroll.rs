//! A new device: made at AWS, its seed put on the tokens, enabled with two codes of the first token, and named in the config.
//!
//! What was cut short is finished where the device is the user's already, and undone otherwise: its seed is nowhere else, and
//! making it anew costs nothing.

use super::config::ConfigLine;
use super::device::Candidate;
use super::journal::{Book, Journal, Stage};
use super::look::{Plugged, Seat, account_of};
use super::user::{CodeTouches, Reached, reach};
use super::words::{listed, refused, resume_line};
use super::{Other, Paper, Person, Wishes};
use crate::aws::iam::{NewDevice, NotDone};
use crate::chain::mfa::{Account, pair};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::ProfileName;
use crate::secret::SecretText;
use crate::token::Serial;
use crate::token::oath::{self, Algorithm, Digits, Kind, NewAccount, Seed, Touch};
use crate::vault::Vault;
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

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
        journal => seats(ctx, &wishes, journal.as_ref(), &entry)?,
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

/// The tokens of an enrolment.
#[derive(Default)]
struct Seats<'a> {
    /// Those that get the seed, the first of which gives the codes; then those that an interrupted enrolment has put it on.
    seats: Vec<Seat<'a>>,
    /// How many get it.
    targets: usize,
}

fn seats<'a>(ctx: &'a Context, wishes: &Wishes, journal: Option<&Journal>, entry: &ProfileName) -> Result<Seats<'a>> {
    let plugged = Plugged::look(ctx)?;
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

    /// Makes the first device whose name is free.
    fn make(&mut self) -> Result<(Candidate, NewDevice)> {
        let mut taken = Vec::new();
        for candidate in Candidate::all(self.wishes.serial.as_ref(), &self.reached.user.arn)? {
            if !self.owned.contains(&candidate.serial) {
                self.refuse_account(&candidate)?;
                if let Some(device) = self.create(&candidate)? {
                    return Ok((candidate, device));
                }
            }
            taken.push(candidate.serial);
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "there is a device {} at AWS already; nothing was done",
                taken.join(" and ")
            ),
        )
        .hint("--serial gives the new one another name"))
    }

    /// An account that is there already is somebody's; the token would overwrite it.
    fn refuse_account(&self, candidate: &Candidate) -> Result<()> {
        let holder = self.seats[..self.targets]
            .iter()
            .find(|seat| seat.account(&candidate.account).is_some());
        match holder {
            None => Ok(()),
            Some(seat) => Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "{} has an OATH account {} already; it was left as it is, and nothing was done",
                    seat.authenticator.token(),
                    candidate.serial
                ),
            )
            .hint("--serial gives the new device another name")
            .hint("`ykman oath accounts delete` removes the account if nothing needs it")),
        }
    }

    /// `None` when the name is taken.
    fn create(&mut self, candidate: &Candidate) -> Result<Option<NewDevice>> {
        let journal = self
            .book
            .begin(self.ctx, &candidate.serial, Stage::Creating, self.wishes.other);
        self.book.write(&journal)?;
        self.journal = Some(journal);
        let credentials = &self.reached.user.credentials;
        let made = self
            .reached
            .iam
            .create_mfa_device(credentials, &candidate.path, &candidate.name);
        match made {
            Ok(device) if device.serial == candidate.serial => Ok(Some(device)),
            Ok(device) => {
                // Its name decides what the account is called, so it has to be the one that was looked for.
                if let Some(journal) = &mut self.journal {
                    journal.serial = device.serial.clone();
                    self.book.write(journal)?;
                }
                Err(self.undo(Error::new(
                    ErrorKind::Aws,
                    format!("AWS made {} where {} was asked for", device.serial, candidate.serial),
                )))
            }
            Err(NotDone::Refused(error)) if error.is_taken() => self.close().map(|()| None),
            Err(NotDone::Refused(error)) => {
                self.close()?;
                Err(refused(error, self.person).within("no MFA device was made"))
            }
            Err(NotDone::Doubtful(error)) => Err(self.undo(error.into_error())),
        }
    }

    /// Puts the seed on the tokens.
    fn bring_in(&mut self, candidate: &Candidate, device: &NewDevice) -> Result<()> {
        let targets = self.seats[..self.targets].iter();
        let serials = targets.map(|seat| seat.authenticator.serial().0).collect();
        if let Some(journal) = &mut self.journal {
            journal.tokens = serials;
        }
        self.step(Stage::Seeding)?;
        pair::forget(self.ctx, &candidate.serial)?;
        for seat in &mut self.seats[..self.targets] {
            seat.authenticator.put(&NewAccount {
                name: candidate.account.clone(),
                algorithm: Algorithm::Sha1,
                digits: Digits::SIX,
                touch: Touch::Required,
                seed: Seed::new(decoded(&device.seed)?),
            })?;
            self.ctx.dialogue.note(&format!(
                "{} has the seed of {}",
                seat.authenticator.token(),
                candidate.serial
            ));
        }
        Ok(())
    }

    fn enable(&mut self, candidate: &Candidate) -> Result<()> {
        let codes = self.codes(candidate).map_err(|error| self.undo(error))?;
        self.step(Stage::Enabling).map_err(|error| self.undo(error))?;
        let name = self.reached.name()?.to_owned();
        let credentials = &self.reached.user.credentials;
        let enabled = self
            .reached
            .iam
            .enable_mfa_device(credentials, &name, &candidate.serial, &codes);
        match enabled {
            Ok(()) => Ok(()),
            Err(NotDone::Refused(error)) => {
                let error = refused(error, self.person).within(format!("{} was not enabled", candidate.serial));
                Err(self.undo(error))
            }
            Err(NotDone::Doubtful(error)) => {
                // Where even this gets no answer the journal stays.
                let devices = self.reached.devices(self.person)?;
                if devices.iter().any(|device| device.serial == candidate.serial) {
                    return Ok(());
                }
                Err(self.undo(error.into_error()))
            }
        }
    }

    /// Two codes of the first token.
    fn codes(&mut self, candidate: &Candidate) -> Result<[SecretText; 2]> {
        let first = self.seats.remove(0);
        let fresh = oath::Account {
            name: candidate.account.clone(),
            kind: Kind::Totp,
            algorithm: Some(Algorithm::Sha1),
            digits: Some(Digits::SIX),
            touch: Some(Touch::Required),
        };
        let mut account = Account::on(first.authenticator, fresh);
        let codes = pair::codes(self.ctx, &candidate.serial, &mut account, &mut self.reached.touches);
        let first = Seat {
            authenticator: account.into_authenticator(),
            accounts: first.accounts,
        };
        self.seats.insert(0, first);
        codes
    }

    /// As the console's QR code has it (Key URI format).
    fn show(&self, candidate: &Candidate, device: &NewDevice) -> Result<()> {
        let account = self.reached.user.arn.split(':').nth(4).unwrap_or_default();
        let uri = Zeroizing::new(format!(
            "otpauth://totp/Amazon%20Web%20Services:{}@{account}?secret={}&issuer=Amazon%20Web%20Services",
            candidate.name,
            device.seed.expose()
        ));
        let dialogue = &self.ctx.dialogue;
        dialogue.show("The seed, for paper or another device; it is shown once:\n\n  ")?;
        dialogue.show(&uri)?;
        dialogue.show("\n\n")?;
        dialogue.show_qr(&uri)?;
        dialogue.show("\n")
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

/// The seed's bytes.
fn decoded(seed: &SecretText) -> Result<Zeroizing<Vec<u8>>> {
    let text = Zeroizing::new(seed.expose().trim_end_matches('=').to_ascii_uppercase());
    BASE32_NOPAD
        .decode(text.as_bytes())
        .map(Zeroizing::new)
        // What it is must not be told.
        .map_err(|_| {
            Error::new(
                ErrorKind::Network,
                "CreateVirtualMFADevice: the seed that came is no base32",
            )
        })
}
