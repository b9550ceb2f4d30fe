//! tapvault: a command-line vault for AWS credentials that opens with the touch of a hardware token.
//!
//! `tapvault exec prod -- terraform plan`, told once:
//!
//! 1. [`cli`] turns the command line into a request: which profile, how long, who is asking and what for.
//! 2. [`profile`] reads the AWS config and resolves the profile; [`chain`] makes a pure plan of it.
//! 3. [`chain::resolve`] runs the plan. A fresh sealed session is opened; else the access key under it is.
//! 4. [`vault`] finds the entry, a plain age file, and verifies the list of enrolled keys.
//! 5. [`wrap`] finds the enrolled key that is here, and unwraps with it. [`presence`] says what a touch is for before the
//!    token blinks.
//! 6. [`token`] speaks to the device: bytes, status words, no policy, no prompts, no AWS.
//! 7. [`aws`] calls STS; [`chain::mfa`] brings the code.
//! 8. The session is sealed to the enrolled keys, and [`process`] or [`render`] hands it out.
//!
//! Data goes down once and comes back once; nothing below knows who is above. docs/architecture.md has the rules that a test
//! holds.

// They panic when nobody can be written to. `prompt::say` and `cli::list::print` don't.
#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod agefile;
pub mod agent;
pub mod aws;
pub mod chain;
pub mod cli;
pub mod context;
pub mod credential;
#[cfg(any(feature = "piv", feature = "fido2"))]
pub mod device;
pub mod enrollment;
pub mod env;
pub mod error;
#[cfg(all(feature = "iam", feature = "piv"))]
pub mod mfa;
pub mod presence;
pub mod process;
pub mod profile;
pub mod programs;
pub mod prompt;
pub mod reading;
pub mod render;
#[cfg(feature = "iam")]
pub mod rotation;
pub mod secret;
#[cfg(feature = "keychain")]
pub mod store;
pub mod token;
pub mod vault;
pub mod wrap;
