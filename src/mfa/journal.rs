//! How far an enrolment or a removal has come: a small clear file in the state folder, written before each step that could be cut
//! short. No seed is in it, and nothing that it says is believed where AWS or a token says otherwise.

use super::Other;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::ProfileName;
use crate::token::Serial;
use crate::vault::folder::{Folder, Lock};
use crate::vault::name::file_stem;
use crate::vault::payload::FORMAT;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What `mfa/PROFILE.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The format's version.
    pub tapvault: u32,
    /// The profile in full.
    pub profile: String,
    /// The device's ARN.
    pub serial: String,
    /// The step that was about to be taken.
    pub stage: Stage,
    /// The tokens that this program puts an account of the device on, or takes it off. Accounts of that name which are there from
    /// before are found before this is written, and never get into it.
    pub tokens: Vec<u32>,
    /// What the person said of another `mfa_serial`.
    pub other: Other,
    /// When this was written.
    pub at: Timestamp,
}

/// The steps that leave something behind when they are cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// CreateVirtualMFADevice is called.
    Creating,
    /// The device is made; its seed goes to the tokens.
    Seeding,
    /// EnableMFADevice is called.
    Enabling,
    /// The device is the user's. The config gets its line.
    Writing,
    /// DeactivateMFADevice is called.
    Deactivating,
    /// The device is nobody's. It is deleted; then its accounts and the config's line go.
    Deleting,
}

impl Stage {
    /// Whether a removal is under way, and no enrolment.
    pub fn is_of_removal(self) -> bool {
        match self {
            Stage::Creating | Stage::Seeding | Stage::Enabling | Stage::Writing => false,
            Stage::Deactivating | Stage::Deleting => true,
        }
    }

    /// What had been done last: reads after "stopped".
    pub fn after(self) -> &'static str {
        match self {
            Stage::Creating => "at CreateVirtualMFADevice",
            Stage::Seeding => "while the seed went to the token",
            Stage::Enabling => "at EnableMFADevice",
            Stage::Writing => "before the config was written",
            Stage::Deactivating => "at DeactivateMFADevice",
            Stage::Deleting => "before everything of the device was deleted",
        }
    }
}

/// The journal of one profile, held by this command alone.
pub struct Book {
    folder: Folder,
    profile: ProfileName,
    _lock: Lock,
}

impl Book {
    /// Takes the journal of `profile` for this command.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] at once while another command has it.
    pub fn claim(ctx: &Context, profile: &ProfileName) -> Result<Self> {
        let state = Folder::at(&ctx.paths.state);
        state.ensure()?;
        let folder = state.below("mfa");
        folder.ensure()?;
        let lock = folder
            .try_lock_called(&format!("{}.lock", file_stem(profile.as_str())))?
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Conflict,
                    format!("another command changes the MFA devices of {profile}"),
                )
                .hint("wait until it has ended; nothing was done here")
            })?;
        Ok(Book {
            folder,
            profile: profile.clone(),
            _lock: lock,
        })
    }

    /// Where all of them lie.
    pub(super) fn folder(ctx: &Context) -> Folder {
        Folder::at(&ctx.paths.state).below("mfa")
    }

    /// The journal of `profile`, if no command is at work on it; `None` too when it holds nothing.
    ///
    /// # Errors
    /// As [`Book::read`].
    pub fn glance(ctx: &Context, profile: &ProfileName) -> Result<Option<Journal>> {
        if !Book::folder(ctx)
            .path()
            .join(format!("{}.json", file_stem(profile.as_str())))
            .exists()
        {
            return Ok(None);
        }
        match Book::claim(ctx, profile) {
            Ok(book) => book.read(),
            // It is being written, or nobody can write it.
            Err(_) => Ok(None),
        }
    }

    /// What an earlier command has left; `None` when it left nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when it can't be understood, or speaks of another profile.
    pub fn read(&self) -> Result<Option<Journal>> {
        let Some(json) = self.folder.read(&self.file())? else {
            return Ok(None);
        };
        let journal: Option<Journal> = serde_json::from_slice(&json).ok();
        journal
            .filter(|journal| journal.tapvault == FORMAT && journal.profile == self.profile.as_str())
            .map(Some)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Damaged,
                    format!(
                        "{} is no journal of MFA devices of {}",
                        self.place().display(),
                        self.profile
                    ),
                )
                .hint("remove it, and look with `tapvault mfa list` and `ykman oath accounts list` what is left to do")
            })
    }

    /// Writes `journal`; it is on the disk when this returns.
    pub fn write(&self, journal: &Journal) -> Result<()> {
        let mut json = serde_json::to_vec(journal).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        json.push(b'\n');
        let _lock = self.folder.lock()?;
        self.folder.replace(&self.file(), &json)
    }

    /// Removes it: nothing is left to do.
    pub fn close(&self) -> Result<()> {
        let _lock = self.folder.lock()?;
        if self.folder.remove(&self.file())? {
            self.folder.sync()?;
        }
        Ok(())
    }

    /// The journal of something that begins now.
    pub fn begin(&self, ctx: &Context, serial: &str, stage: Stage, other: Other) -> Journal {
        Journal {
            tapvault: FORMAT,
            profile: self.profile.to_string(),
            serial: serial.to_owned(),
            stage,
            tokens: Vec::new(),
            other,
            at: ctx.now(),
        }
    }

    /// The file.
    pub fn place(&self) -> PathBuf {
        self.folder.path().join(self.file())
    }

    fn file(&self) -> String {
        format!("{}.json", file_stem(self.profile.as_str()))
    }
}

impl Journal {
    /// The tokens of [`Journal::tokens`].
    pub fn tokens(&self) -> impl Iterator<Item = Serial> {
        self.tokens.iter().copied().map(Serial)
    }
}
