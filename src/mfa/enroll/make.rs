//! The steps of an enrolment that make something: the device at AWS, its account on the tokens, the two codes, the device enabled, the
//! paper.

use super::Run;
use crate::aws::iam::{NewDevice, NotDone};
use crate::chain::mfa::{Account, pair};
use crate::error::{Error, ErrorKind, Result};
use crate::mfa::device::Candidate;
use crate::mfa::journal::Stage;
use crate::mfa::look::Seat;
use crate::mfa::words::refused;
use crate::secret::SecretText;
use crate::token::oath::{self, Algorithm, Digits, Kind, NewAccount, Seed, Touch};
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

impl Run<'_> {
    /// Makes the first device whose name is free.
    pub(super) fn make(&mut self) -> Result<(Candidate, NewDevice)> {
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

    /// Puts the seed on the tokens. The journal names a token before its turn, and no longer when it took nothing.
    pub(super) fn bring_in(&mut self, candidate: &Candidate, device: &NewDevice) -> Result<()> {
        pair::forget(self.ctx, &candidate.serial)?;
        for target in 0..self.targets {
            if let Some(journal) = &mut self.journal {
                journal.tokens.push(self.seats[target].authenticator.serial().0);
            }
            self.step(Stage::Seeding)?;
            let authenticator = &mut self.seats[target].authenticator;
            let put = authenticator.put(&NewAccount {
                name: candidate.account.clone(),
                algorithm: Algorithm::Sha1,
                digits: Digits::SIX,
                touch: Touch::Required,
                seed: Seed::new(decoded(&device.seed)?),
            });
            match put {
                Ok(()) => self.ctx.dialogue.note(&format!(
                    "{} has the seed of {}",
                    authenticator.token(),
                    candidate.serial
                )),
                // It is full, or somebody else's account of this name came meanwhile, which is not ours to delete.
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    if let Some(journal) = &mut self.journal {
                        journal.tokens.pop();
                    }
                    self.step(Stage::Seeding)?;
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn enable(&mut self, candidate: &Candidate) -> Result<()> {
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
    pub(super) fn show(&self, candidate: &Candidate, device: &NewDevice) -> Result<()> {
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
