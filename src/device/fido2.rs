//! A FIDO2 token as a person meets it: what it is called, waiting for a busy one, and its failures in words.

use super::PATIENCE;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::token::fido2::{Fault, Node, Session};
use std::time::{Duration, Instant};

/// How often a busy token is asked again.
const PAUSE: Duration = Duration::from_millis(300);

/// A token that answered nothing for so long was most likely waiting for a touch.
const A_TOUCH: Duration = Duration::from_secs(30);

/// Runs `attempt` until the token is no longer busy; says so when it has to wait. `token` names it.
///
/// # Errors
/// [`ErrorKind::Busy`] when it stays in use for [`PATIENCE`].
pub fn patiently<T>(ctx: &Context, token: &str, mut attempt: impl FnMut() -> Result<T, Fault>) -> Result<T> {
    let start = Instant::now();
    let mut told = false;
    loop {
        match attempt() {
            Err(Fault::Busy) if start.elapsed() < PATIENCE => {
                if !told {
                    ctx.dialogue.tell(&format!(
                        "waiting: {token} is in use by another program, or waits for its touch"
                    ));
                    told = true;
                }
                std::thread::sleep(PAUSE);
            }
            outcome => return outcome.map_err(|fault| describe(&fault, token)),
        }
    }
}

/// Opens the token at a node.
///
/// # Errors
/// As [`patiently`].
pub fn open(ctx: &Context, node: &Node, token: &str) -> Result<Session> {
    let session = patiently(ctx, token, || Session::open(&node.path))?;
    ctx.debug(|| format!("FIDO2: {token} at {}, {}", node.path, session.info().versions.join(" ")));
    Ok(session)
}

/// The failure for a person. `token` names the device.
pub fn describe(fault: &Fault, token: &str) -> Error {
    match fault {
        Fault::NotPermitted { path } => Error::new(
            ErrorKind::NoKey,
            format!("{token} is plugged in, but this user may not open it ({path})"),
        )
        .hint("docs/hardware.md has the udev rule that lets you in; then plug it in anew"),
        Fault::Busy => Error::new(
            ErrorKind::Busy,
            format!("{token} is in use by another program, or waits for its touch"),
        )
        .hint("end the other program (a browser that asks for it?), or try again when it is done"),
        Fault::Removed => Error::new(ErrorKind::NoKey, format!("{token} was pulled out before it was done"))
            .hint("plug it in and run the command again"),
        Fault::NoTouch { waited } => Error::new(
            ErrorKind::NoTouch,
            format!("{token} was not touched within {} s", waited.as_secs()),
        ),
        Fault::Unanswered { waited } => Error::new(
            match *waited < A_TOUCH {
                true => ErrorKind::Other,
                false => ErrorKind::NoTouch,
            },
            format!("{token} did not answer within {} s and was given up", waited.as_secs()),
        )
        .hint("plug it in anew and run the command again"),
        Fault::PinLength => Error::new(
            ErrorKind::Pin,
            format!("a FIDO2 PIN has 4 to 63 characters; nothing was sent to {token}"),
        ),
        Fault::WrongPin { tries } => {
            let left = match tries {
                Some(1) => "; 1 try left".to_owned(),
                Some(tries) => format!("; {tries} tries left"),
                None => String::new(),
            };
            Error::new(
                ErrorKind::Pin,
                format!("wrong PIN for {token}{left} (nothing was retried)"),
            )
        }
        Fault::PinLocked => Error::new(
            ErrorKind::Pin,
            format!("{token} takes no PIN any more until it is plugged in anew: too many were wrong"),
        )
        .hint("pull it out, plug it in, and run the command again"),
        Fault::PinBlocked => Error::new(ErrorKind::Pin, format!("the PIN of {token} is blocked for good"))
            .hint("only a reset helps, and it destroys the key; another enrolled key, or --recovery, opens your entries"),
        Fault::PinNotSet => Error::new(ErrorKind::Pin, format!("{token} has no PIN, and this key wants one")).hint(
            "a PIN goes only with a reset, which destroys the key too; if you have reset it: tapvault key enroll fido2",
        ),
        Fault::PinRequired => Error::new(ErrorKind::Pin, format!("{token} wants its PIN for this"))
            .hint("if it was set to always ask for it (alwaysUv): what a key gives with PIN and without is not the same; set it back, or enroll it anew"),
        Fault::PinOutworn => Error::new(ErrorKind::Pin, format!("the PIN of {token} has to be changed before it can be used"))
            .hint("with libfido2's tools: fido2-token -C /dev/hidrawN"),
        Fault::FingerRefused => Error::new(ErrorKind::Pin, format!("{token} did not recognise the finger")),
        Fault::FingersBlocked => Error::new(
            ErrorKind::Pin,
            format!("{token} takes no fingers until its PIN was given"),
        ),
        Fault::NoCredential => foreign(token, "this key"),
        Fault::Cancelled => Error::new(ErrorKind::Cancelled, format!("{token} was told to stop; nothing was done")),
        Fault::Denied => Error::new(ErrorKind::Cancelled, format!("it was refused on {token}; nothing was done")),
        Fault::NoHmacSecret => Error::new(
            ErrorKind::NoKey,
            format!("{token} has no hmac-secret, so it can open no vault"),
        )
        .hint("docs/hardware.md lists tokens that have it"),
        Fault::Refused { .. } | Fault::Nonsense { .. } => Error::new(ErrorKind::Other, format!("{token}: {fault}"))
            .hint("plug it in anew and run the command again; docs/hardware.md lists tokens that are known to work"),
        Fault::NotStarted { .. } => Error::new(ErrorKind::Other, fault.to_string()),
    }
}

/// A token that does not hold a key which it should hold.
pub fn foreign(token: &str, key: &str) -> Error {
    Error::new(
        ErrorKind::NoKey,
        format!("{token} does not hold {key}: it is another token, or it was reset since the key was enrolled"),
    )
    .hint("a reset destroys every key on a token; then: tapvault key remove NAME, and enroll it anew")
}

/// The failure of an operation that was armed twice; a missed touch names what was not done.
pub fn missed_twice(fault: &Fault, token: &str, purpose: &str) -> Error {
    match fault {
        Fault::NoTouch { waited } => Error::new(
            ErrorKind::NoTouch,
            format!(
                "{token} was not touched (2 x {} s), so this was not done: {purpose}",
                waited.as_secs()
            ),
        )
        .hint("try again; if it never blinked, tapvault doctor shows which tokens are plugged in"),
        fault => describe(fault, token),
    }
}
