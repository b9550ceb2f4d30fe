//! In place of `token` in a build without the feature `piv`: no token is ever asked.

use super::{Clues, Missing, News, Outlook};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::value::MfaSerial;
use crate::secret::SecretText;
use std::convert::Infallible;
use std::marker::PhantomData;

/// The passwords of tokens' accounts; there are none.
#[derive(Clone, Default)]
pub struct Passwords {}

/// Whether a token gives the codes of a device.
pub enum Finding<'a> {
    /// It does; never here.
    #[expect(dead_code, reason = "the shape is that of `token`, so that callers need not know")]
    Found(Account<'a>),
    /// None does.
    Missing(Missing),
}

/// An account on a token; there is none.
pub struct Account<'a>(Infallible, PhantomData<&'a ()>);

impl Account<'_> {
    /// How many touches a code takes.
    pub fn touches(&self) -> usize {
        match self.0 {}
    }

    /// A code and the time step that it is for.
    pub fn code(&mut self, _: &Context, _: &str, _: &mut Touches<'_>) -> Result<(i64, SecretText)> {
        match self.0 {}
    }
}

/// Finds none.
pub fn find<'a>(_: &'a Context, _: &MfaSerial, _: &Clues, _: &Passwords) -> Result<Finding<'a>> {
    Ok(Finding::Missing(Missing {
        error: Error::new(ErrorKind::NoKey, "this build has no support for tokens"),
        news: News::Stale,
    }))
}

/// Sees none.
pub fn look(_: &Context, _: &MfaSerial, _: &Clues) -> Result<Option<Outlook>> {
    Ok(None)
}
