//! Where a code comes from: `-t`, the token's OATH applet, `mfa_process`, a prompt, in this order; and that its time step is
//! spent once, however it was got.

#[cfg(feature = "piv")]
mod account;
#[cfg(feature = "piv")]
pub mod pair;
pub mod program;
mod steps;
#[cfg_attr(not(feature = "piv"), path = "mfa/without_token.rs")]
mod token;
pub mod turn;

use crate::aws::MfaCode;
use crate::chain::Mfa;
use crate::context::Context;
use crate::context::settings::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::profile::ProfileName;
use crate::profile::value::MfaSerial;
use crate::secret::SecretText;
use crate::token::Serial;
use crate::vault::Vault;
use crate::vault::folder::Folder;
use crate::vault::keyring::Keyring;
use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use steps::{STEP, Steps};
use token::{Finding, Passwords};

pub use token::Account;
#[cfg(feature = "piv")]
pub use token::among;

/// Where a code comes from (`--mfa`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CodeSource {
    /// The OATH applet of a token that is plugged in
    Oath,
    /// The profile's mfa_process
    Process,
    /// A question at the terminal, or by pinentry
    Prompt,
}

/// What the person said about codes on the command line.
#[derive(Default)]
pub struct CodeWishes {
    /// `-t`: good for one call.
    pub given: Option<SecretText>,
    /// `--mfa`: nothing else is tried.
    pub source: Option<CodeSource>,
}

/// What helps to find the account of a device.
#[derive(Clone, Debug, Default)]
pub struct Clues {
    /// The user that the access key belongs to, as far as known.
    pub user: Option<String>,
    /// The tokens that open the profile's entry: the account is most likely there.
    pub tokens: Vec<Serial>,
    /// The profiles whose `oath = "..."` in config.toml counts, nearest first.
    pub profiles: Vec<String>,
}

impl Clues {
    /// What vault and key list know of the user behind `entry`; nothing is opened. `profiles` as [`Clues::profiles`].
    pub fn gather(
        vault: &Vault,
        keyring: Option<&Keyring>,
        entry: &ProfileName,
        profiles: Vec<String>,
    ) -> Result<Self> {
        Ok(Clues {
            user: vault
                .sidecar(entry)?
                .and_then(|sidecar| sidecar.user().map(str::to_owned)),
            profiles,
            ..Clues::of_keys(keyring)
        })
    }

    /// What the key list knows, where no entry is meant.
    pub fn of_keys(keyring: Option<&Keyring>) -> Self {
        let keys = keyring.iter().flat_map(|keyring| &keyring.unverified().keys);
        Clues {
            tokens: keys.filter_map(|key| key.serial()).collect(),
            ..Clues::default()
        }
    }

    /// The account that config.toml names.
    pub fn named<'s>(&self, settings: &'s Settings) -> Option<&'s str> {
        let mut said = self
            .profiles
            .iter()
            .filter_map(|profile| settings.profiles.get(profile));
        said.find_map(|profile| profile.oath.as_deref())
    }
}

/// Why no token gives the codes.
pub struct Missing {
    /// In words.
    pub error: Error,
    /// Whether a person would want to know.
    pub news: News,
}

/// Whether something is worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// There is a token, but not with this account.
    Worth,
    /// There is no token, and nobody expects one.
    Stale,
}

/// The account on a token that would give a device's codes.
#[derive(Clone, Debug, Serialize)]
pub struct Outlook {
    /// The token as people call it.
    pub token: String,
    /// The account's name.
    pub account: String,
    /// How many touches a code takes, 0 or 1.
    #[serde(skip)]
    pub touches: usize,
}

/// Whether a token would give the codes of `mfa`. Nobody is asked, nothing is waited for, and nothing blinks.
///
/// # Errors
/// [`ErrorKind::Config`] when several accounts of one token fit.
pub fn outlook(ctx: &Context, mfa: &Mfa, clues: &Clues) -> Result<Option<Outlook>> {
    token::look(ctx, &mfa.serial.value, clues)
}

/// Codes for the calls of one command.
pub struct Codes<'a> {
    ctx: &'a Context,
    steps: Steps,
    given: Option<SecretText>,
    source: Option<CodeSource>,
    accounts: BTreeMap<String, Account<'a>>,
    passwords: Passwords,
}

impl<'a> Codes<'a> {
    /// No token is looked at before [`Codes::look_ahead`].
    pub fn new(ctx: &'a Context, wishes: CodeWishes) -> Self {
        Codes {
            ctx,
            steps: Steps::in_folder(Folder::at(&ctx.paths.state)),
            given: wishes.given,
            source: wishes.source,
            accounts: BTreeMap::new(),
            passwords: Passwords::default(),
        }
    }

    /// Asks for none of the passwords that the command knows already.
    #[cfg(all(feature = "iam", feature = "piv"))]
    pub fn knowing(self, passwords: &Passwords) -> Self {
        let passwords = passwords.clone();
        Codes { passwords, ..self }
    }

    /// Finds out which of the codes that will be needed a token gives, before anything blinks. Returns how many touches that takes.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when two accounts fit; [`ErrorKind::NoKey`] when `--mfa oath` finds none. Otherwise a token that
    /// can't help is said in a word, and the next source is tried when the code is needed.
    pub fn look_ahead(&mut self, needed: &[(&Mfa, Clues)]) -> Result<usize> {
        // What the person gave covers the first call.
        let from_token = &needed[usize::from(self.given.is_some()).min(needed.len())..];
        if matches!(self.source, Some(CodeSource::Process | CodeSource::Prompt)) {
            return Ok(0);
        }
        let mut touches = 0;
        let _turn = match from_token {
            [] => None,
            _ => self.ctx.token_turn()?,
        };
        for (mfa, clues) in from_token {
            let serial = mfa.serial.value.as_str();
            if !self.accounts.contains_key(serial) {
                match token::find(self.ctx, &mfa.serial.value, clues, &self.passwords)? {
                    Finding::Found(account) => {
                        self.accounts.insert(serial.to_owned(), account);
                    }
                    Finding::Missing(missing) if self.source == Some(CodeSource::Oath) => return Err(missing.error),
                    Finding::Missing(missing) => self.fall_through(mfa, &missing),
                }
            }
            touches += self.accounts.get(serial).map_or(0, Account::touches);
        }
        Ok(touches)
    }

    /// A code of the device, for the call that `purpose` names.
    ///
    /// # Errors
    /// [`ErrorKind::Pin`] when there is nobody to ask; [`ErrorKind::NoTouch`] and the token's own errors; what failed in
    /// `mfa_process` otherwise.
    pub fn code(&mut self, mfa: &Mfa, purpose: &str, touches: &mut Touches<'_>) -> Result<MfaCode> {
        Ok(MfaCode {
            serial: mfa.serial.value.as_str().to_owned(),
            code: self.spend(mfa, purpose, touches)?.code,
        })
    }

    /// The same, with what is known of the code. Its step is spent.
    ///
    /// # Errors
    /// As [`Codes::code`].
    pub fn spend(&mut self, mfa: &Mfa, purpose: &str, touches: &mut Touches<'_>) -> Result<Draft> {
        let serial = mfa.serial.value.as_str();
        if let Some(code) = self.given.take() {
            // The person has read it somewhere; whether its step was spent here is theirs to know.
            let step = now_step(self.ctx);
            if let Err(error) = self.steps.claim(serial, step) {
                self.warn_unrecorded(&error);
            }
            return Ok(Draft {
                step,
                code,
                origin: Origin::Person,
            });
        }
        // Another command may spend the same step between the look and the claim; then the next one is waited for.
        loop {
            self.steps.await_unspent(self.ctx, serial, 1)?;
            let draft = self.draft(mfa, purpose, touches)?;
            let again = match self.steps.claim(serial, draft.step) {
                // RFC 6238, 5.2: a server takes the step before, for the network's delay, and no older one.
                Ok(true) if now_step(self.ctx) - draft.step > 1 => "the touch came too late for its code",
                Ok(true) => return Ok(draft),
                Ok(false) => "another command has spent the code of this half minute",
                // Without the record an automatic code could be sent twice; a person knows what was typed where.
                Err(error) if draft.origin != Origin::Person => return Err(error),
                Err(error) => {
                    self.warn_unrecorded(&error);
                    return Ok(draft);
                }
            };
            self.ctx.dialogue.tell(again);
            touches.plan_more(usize::from(draft.origin == Origin::Token));
        }
    }

    /// A code from the best source there is, not yet spent.
    fn draft(&mut self, mfa: &Mfa, purpose: &str, touches: &mut Touches<'_>) -> Result<Draft> {
        if let Some(account) = self.accounts.get_mut(mfa.serial.value.as_str()) {
            let _turn = self.ctx.token_turn()?;
            let (step, code) = account.code(self.ctx, mfa.serial.value.device(), touches)?;
            return Ok(Draft {
                step,
                code,
                origin: Origin::Token,
            });
        }
        match (self.source, &mfa.process) {
            (Some(CodeSource::Oath), _) => Err(Error::new(
                ErrorKind::NoKey,
                format!("no token gives codes of {}", mfa.serial.value),
            )),
            (Some(CodeSource::Process), None) => Err(Error::new(
                ErrorKind::Config,
                format!("--mfa process: no mfa_process is set for {}", mfa.serial.value),
            )
            .hint("put mfa_process = COMMAND into the profile, or leave out --mfa")),
            (Some(CodeSource::Process) | None, Some(command)) => program::code(self.ctx, &mfa.serial.value, command),
            (Some(CodeSource::Prompt), _) | (None, None) => Ok(Draft {
                code: self.ask(&mfa.serial.value, purpose)?,
                step: now_step(self.ctx),
                origin: Origin::Person,
            }),
        }
    }

    fn fall_through(&self, mfa: &Mfa, missing: &Missing) {
        if missing.news == News::Stale {
            return self.ctx.debug(|| missing.error.to_string());
        }
        let next = match mfa.process {
            Some(_) => "mfa_process gives the code",
            None => "the code has to be typed",
        };
        self.ctx.dialogue.tell(&format!("{}; {next}", missing.error));
    }

    fn ask(&self, serial: &MfaSerial, purpose: &str) -> Result<SecretText> {
        let question = format!("MFA code of {} for {purpose}", serial.device());
        for _ in 0..3 {
            let typed = if self.ctx.dialogue.has_terminal() {
                SecretText::copy_of(&self.ctx.dialogue.ask(&question)?)
            } else {
                self.ctx.dialogue.ask_secret(&question).map_err(|error| {
                    error.hint("-t CODE gives it on the command line; mfa_process in the profile runs a program that prints it")
                })?
            };
            if let Some(code) = parse(typed.expose()) {
                return Ok(code);
            }
            self.ctx.dialogue.tell("a code has 6 digits");
        }
        Err(Error::new(
            ErrorKind::Pin,
            format!("no code of 6 digits was given for {serial}"),
        ))
    }

    fn warn_unrecorded(&self, error: &Error) {
        self.ctx
            .dialogue
            .tell(&format!("warning: the spent code could not be recorded: {error}"));
    }
}

/// The time step of this moment (RFC 6238, 4.2).
fn now_step(ctx: &Context) -> i64 {
    ctx.now().as_second().div_euclid(STEP)
}

/// A code, and what is known of it.
pub struct Draft {
    /// The time step that it is for, or was given in.
    pub step: i64,
    /// Six digits.
    pub code: SecretText,
    /// Who gave it.
    pub origin: Origin,
}

impl Draft {
    /// When its step ends.
    pub fn ends(&self) -> Timestamp {
        Timestamp::from_second((self.step + 1) * STEP).unwrap_or(Timestamp::MAX)
    }
}

/// Who gave a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was typed, at a prompt or after `-t`.
    Person,
    /// `mfa_process` printed it.
    Program,
    /// A token's OATH applet calculated it.
    Token,
}

/// A code of six digits; spaces between them are forgiven.
fn parse(text: &str) -> Option<SecretText> {
    let digits = zeroize::Zeroizing::new(text.trim().split(' ').collect::<String>());
    let well_formed = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit());
    well_formed.then(|| SecretText::new(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_six_digits_and_nothing_else() {
        assert_eq!(parse(" 123 456\n").expect("a code").expose(), "123456");
        for wrong in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"] {
            assert!(parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
