//! A touch that is awaited: what a person sees of it, from before the token blinks until it has answered.

use super::{Dialogue, printable};

/// What is shown for one touch; it goes with this value.
#[must_use = "what is shown goes with it: hold it until the token has answered"]
pub struct Awaited<'a> {
    dialogue: &'a Dialogue,
}

impl<'a> Awaited<'a> {
    pub(super) fn begin(dialogue: &'a Dialogue, line: &str) -> Self {
        let mut awaited = Awaited { dialogue };
        awaited.say_instead(line);
        awaited
    }

    /// Other words for the same touch: it was missed, and is waited for once more.
    pub fn say_instead(&mut self, line: &str) {
        let line = printable(line);
        match self.dialogue.elsewhere() {
            Some(person) => person.touch(&line),
            None => self.dialogue.tell_printable(&line),
        }
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        if let Some(person) = self.dialogue.elsewhere() {
            person.touched();
        }
    }
}
