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
    open_if_able(ctx, node, token)?.ok_or_else(|| describe(&Fault::OnlyU2f, token))
}

/// The same; `None` for a token that speaks only U2F: it is in nobody's way.
///
/// # Errors
/// As [`patiently`].
pub fn open_if_able(ctx: &Context, node: &Node, token: &str) -> Result<Option<Session>> {
    let session = patiently(ctx, token, || match Session::open(&node.path) {
        Err(Fault::OnlyU2f) => Ok(None),
        opened => opened.map(Some),
    })?;
    ctx.debug(|| match &session {
        Some(session) => format!("FIDO2: {token} at {}, {}", node.path, session.info().versions.join(" ")),
        None => format!("FIDO2: {token} at {} speaks only U2F", node.path),
    });
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
        Fault::PinTooShort { least } => Error::new(
            ErrorKind::Pin,
            format!("the PIN of {token} has at least {least} characters; nothing was sent to it"),
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
        Fault::PinBlocked => Error::new(ErrorKind::Pin, format!("the PIN of {token} is blocked for good")).hint(
            "only a reset helps, and it destroys the key; another enrolled key, or --recovery, opens your entries",
        ),
        Fault::PinNotSet => Error::new(ErrorKind::Pin, format!("{token} has no PIN, and this key wants one")).hint(
            "a PIN goes only with a reset, which destroys the key too; if you have reset it: tapvault key enroll fido2",
        ),
        Fault::PinRequired => Error::new(
            ErrorKind::Pin,
            format!("{token} wants its PIN or a finger for this"),
        )
        .hint("a key that was enrolled without (--uv discouraged) does not open while the token asks for everything (alwaysUv): what it gives with and without is not the same")
        .hint("set it back (fido2-token -D -u /dev/hidrawN), or open with another key and enroll this one anew"),
        Fault::CheckedUnasked => Error::new(
            ErrorKind::Pin,
            format!(
                "{token} checked its PIN or a finger for a key that is one without, and what it gives so opens nothing"
            ),
        )
        .hint("enroll it without --uv discouraged; tapvault key enroll fido2 --help"),
        Fault::PinOutworn => Error::new(
            ErrorKind::Pin,
            format!("the PIN of {token} has to be changed before it can be used"),
        )
        .hint("with libfido2's tools: fido2-token -C /dev/hidrawN; the keys stay"),
        Fault::PinNotForKeys => Error::new(
            ErrorKind::Pin,
            format!("{token} takes no PIN for keys, only a finger, and none is enrolled on it"),
        )
        .hint("its maker's program enrolls one"),
        Fault::FingerRefused => {
            Error::new(ErrorKind::Pin, format!("{token} did not recognise the finger")).hint("run the command again")
        }
        Fault::FingerDenied => Error::new(
            ErrorKind::Pin,
            format!("{token} did not recognise the finger, or it was refused there; nothing was done"),
        )
        .hint("run the command again"),
        Fault::FingersBlocked => Error::new(
            ErrorKind::Pin,
            format!("{token} takes no fingers until its PIN was given"),
        )
        .hint("give it to any program that asks for it; a browser does"),
        Fault::OnlyU2f => Error::new(
            ErrorKind::NoKey,
            format!("{token} speaks only U2F, which has no hmac-secret, so it can open no vault"),
        )
        .hint("docs/hardware.md lists tokens that have it"),
        Fault::NoCredential => foreign(token, "this key"),
        Fault::Cancelled => Error::new(
            ErrorKind::Cancelled,
            format!("{token} was told to stop; nothing was done"),
        ),
        Fault::Denied => Error::new(
            ErrorKind::Cancelled,
            format!("it was refused on {token}; nothing was done"),
        ),
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
