//! The line `mfa_serial` of a profile in the AWS config file, set or removed; everything else in it stays as it is.

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::files::rewrite::{Backup, Rewrite};
use crate::profile::files::{Location, Platform, locate, read};
use crate::profile::{Asked, Config, ConfigText, EditError, FileKind, Overrides, Place, ProfileName};

const KEY: &str = "mfa_serial";

/// A serial that no device has, to see early whether a line can be written.
const SPECIMEN: &str = "arn:aws:iam::000000000000:mfa/specimen";

/// The line of one profile.
pub struct ConfigLine<'a> {
    ctx: &'a Context,
    profile: &'a ProfileName,
}

impl<'a> ConfigLine<'a> {
    /// Of this profile. Nothing is read yet.
    pub fn of(ctx: &'a Context, profile: &'a ProfileName) -> Self {
        ConfigLine { ctx, profile }
    }

    /// The serial that the profile names itself, and where.
    pub fn current(&self) -> Result<Option<(String, Place)>> {
        let config = self.both(self.file(FileKind::Config)?.1)?;
        let sections = config.profile(self.profile.as_str());
        let line = sections.and_then(|sections| sections.property(KEY));
        Ok(line.map(|line| (line.value(), line.place())))
    }

    /// Looks for everything that would keep the line from being set, and changes nothing.
    ///
    /// # Errors
    /// As [`ConfigLine::set`].
    pub fn rehearse(&self) -> Result<()> {
        let (location, text) = self.file(FileKind::Config)?;
        self.with(&text, SPECIMEN)?;
        if text.as_bytes().is_empty() {
            return Ok(());
        }
        Rewrite::prepare(&location, Backup::None)
            .map(|_| ())
            .map_err(Error::from)
    }

    /// Sets it, in a new section if there is none, in a new file if there is none. Returns the file, for people.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the file can't be written, or the profile would not be read back so.
    pub fn set(&self, serial: &str) -> Result<String> {
        let (location, old) = self.file(FileKind::Config)?;
        let new = self.with(&old, serial)?;
        replace(&location, &old, &new)?;
        Ok(location.shown)
    }

    /// Removes it, if it names `serial`. Returns the file, for people, if the line was there.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the file can't be written.
    pub fn remove(&self, serial: &str) -> Result<Option<String>> {
        if self.current()?.is_none_or(|(there, _)| there != serial) {
            return Ok(None);
        }
        let (location, old) = self.file(FileKind::Config)?;
        let mut new = old.clone();
        if !new.remove(self.profile, KEY).map_err(|err| said(&err))? {
            return Ok(None);
        }
        replace(&location, &old, &new)?;
        Ok(Some(location.shown))
    }

    /// `old` with the line, if the profile then says so.
    fn with(&self, old: &ConfigText, serial: &str) -> Result<ConfigText> {
        let mut new = old.clone();
        new.set(self.profile, KEY, serial).map_err(|err| said(&err))?;
        let config = self.both(new.clone())?;
        let resolved = config.resolve(self.profile, Asked::ByPerson, &Overrides::default());
        let read = resolved.ok().and_then(|profile| profile.mfa_serial);
        match read {
            Some(read) if read.value.as_str() != serial => Err(Error::new(
                ErrorKind::Config,
                format!("mfa_serial of {} is set elsewhere too: {}", self.profile, read.origin),
            )
            .hint("remove it there; then run this again")),
            Some(_) | None => Ok(new),
        }
    }

    fn both(&self, config: ConfigText) -> Result<Config> {
        Ok(Config::new(config, self.file(FileKind::Credentials)?.1, &self.ctx.env))
    }

    fn file(&self, kind: FileKind) -> Result<(Location, ConfigText)> {
        let location = locate(kind, &self.ctx.env, Platform::here())?;
        let text = read(&location)?;
        Ok((location, text))
    }
}

fn replace(location: &Location, old: &ConfigText, new: &ConfigText) -> Result<()> {
    if new.as_bytes() == old.as_bytes() {
        return Ok(());
    }
    Rewrite::make_missing(location)?;
    Rewrite::prepare(location, Backup::None)?.replace(old, new, Backup::None)?;
    Ok(())
}

fn said(err: &EditError) -> Error {
    Error::new(ErrorKind::Config, err.to_string()).hint("mend it in the file; then run this again")
}
