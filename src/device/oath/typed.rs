//! The passwords of OATH accounts that a person has typed for one command, so that none is asked for twice.

use crate::token::Serial;
use crate::token::oath::UnlockKey;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Each as the key that it makes on its token. Copies share what they know; it is wiped with the last of them.
#[derive(Clone, Default)]
pub struct Passwords(Rc<RefCell<BTreeMap<Serial, UnlockKey>>>);

impl Passwords {
    /// Knows the key of a token that has taken it.
    pub(super) fn learn(&self, serial: Serial, key: &UnlockKey) {
        self.0.borrow_mut().insert(serial, key.clone());
    }

    /// The key of a token, which has to be learned anew: it may be wrong by now.
    pub(super) fn take(&self, serial: Serial) -> Option<UnlockKey> {
        self.0.borrow_mut().remove(&serial)
    }
}
