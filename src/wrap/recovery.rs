//! A recovery key: an ordinary age identity, shown once, kept on paper. Stock `age -d -i` opens every entry with it.

use super::{KeyName, SoftwareKey};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};

/// How many of the last characters have to be typed back, to show that it was written down.
const PROOF: usize = 6;

/// Makes a new key, shows it once, and has the person prove that they have it.
///
/// # Errors
/// [`ErrorKind::Usage`] without a terminal: the key must not land in a log. [`ErrorKind::Cancelled`] when the proof fails.
pub fn create(name: KeyName, ctx: &Context) -> Result<SoftwareKey> {
    if !ctx.dialogue.has_terminal() {
        return Err(Error::new(
            ErrorKind::Usage,
            "a recovery key is shown once, at a terminal, and there is none",
        )
        .hint("run it in a terminal window, not in a script or a pipe"));
    }
    let key = SoftwareKey::generate(name);
    let text = key.secret_text();
    ctx.dialogue
        .show("Write this down or print it; it is shown once and stored nowhere:\n\n  ")?;
    ctx.dialogue.show(text.expose())?;
    ctx.dialogue.show("\n\n")?;
    ctx.dialogue.show_qr(text.expose())?;
    ctx.dialogue.show("\n")?;
    for attempt in 0..3 {
        let typed = ctx
            .dialogue
            .ask(&format!("Type its last {PROOF} characters to go on"))?;
        let last = &text.expose()[text.expose().len() - PROOF..];
        if typed.eq_ignore_ascii_case(last) {
            return Ok(key);
        }
        if attempt < 2 {
            ctx.dialogue.tell("that is not how it ends");
        }
    }
    Err(Error::new(
        ErrorKind::Cancelled,
        "the key was not written down, so it was thrown away; nothing was changed",
    ))
}

/// Asks for the key on paper.
pub fn ask(name: &KeyName, ctx: &Context) -> Result<SoftwareKey> {
    let text = ctx
        .dialogue
        .ask_secret(&format!("recovery key \"{name}\" (AGE-SECRET-KEY-1...)"))?;
    SoftwareKey::parse(name.clone(), &text)
}
