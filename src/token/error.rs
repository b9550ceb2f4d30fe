//! What can go wrong with a token, in variants that make a caller act differently.
//!
//! Messages are fragments that read after "failed to ...:"; which command helps is for the caller to say.

use super::{Firmware, Serial, Slot};
use std::time::Duration;

/// A result of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a token did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The smart card service can't be used at all. The caller names the service or the rule that is missing.
    #[error("{fault} ({detail})")]
    NoReaderService {
        /// Whether it is absent or refuses this user.
        fault: ServiceFault,
        /// The service's own words.
        detail: String,
    },

    /// No reader holds a token that fits. The caller asks for it to be plugged in.
    #[error("no token is plugged in")]
    NoToken,

    /// Another program holds the token exclusively or awaits a touch. The caller says so and goes on waiting.
    #[error("the token in {reader} is in use by another program")]
    Busy {
        /// The reader's name.
        reader: String,
        /// The token's serial, if it was read before it became busy.
        serial: Option<Serial>,
    },

    /// The token was pulled out, or lost power, in the middle. The caller starts over once it is back.
    #[error("the token was removed")]
    Removed,

    /// The token waited for a touch in vain. The caller may arm the request once more.
    #[error("the token was not touched within {} s", waited.as_secs())]
    NoTouch {
        /// How long it waited; about 15 s on a real token.
        waited: Duration,
    },

    /// The key needs a verified PIN first. The caller asks for it.
    #[error("the token wants its PIN first")]
    PinRequired,

    /// The PIN can't be one, so it was not sent and no try was spent. The caller asks again.
    #[error("a PIV PIN has 6 to 8 characters")]
    PinLength,

    /// The PIN was refused; one try is spent. The caller drops the PIN and tells the tries.
    #[error("wrong PIN; {tries} {} left", if *tries == 1 { "try" } else { "tries" })]
    WrongPin {
        /// How many are left, at least 1.
        tries: u8,
    },

    /// No PIN try is left. The caller names the command that takes the PUK.
    #[error("the PIN is blocked")]
    PinBlocked,

    /// The firmware can't do it. The caller offers another way.
    #[error("{what} is not supported{}", firmware.map(|f| format!(" by firmware {f}")).unwrap_or_default())]
    NotSupported {
        /// What was asked.
        what: &'static str,
        /// The firmware, if known.
        firmware: Option<Firmware>,
    },

    /// The slot already holds something; it was left alone. The caller picks another or adopts it.
    #[error("slot {slot} is not empty")]
    SlotOccupied {
        /// The slot.
        slot: Slot,
    },

    /// The slot holds no key that could be used.
    #[error("slot {slot} holds no key")]
    SlotEmpty {
        /// The slot.
        slot: Slot,
    },

    /// All twenty retired slots hold something.
    #[error("no retired slot is free")]
    NoFreeSlot,

    /// The management key is not authenticated. The caller asks for it.
    #[error("the token wants its management key first")]
    NeedsManagementKey,

    /// The management key was refused; this has no counter. The caller asks for another.
    #[error("the token refused the management key")]
    ManagementKeyRefused,

    /// The OATH applet refused, or what it was to do can't be done.
    #[error(transparent)]
    Oath(#[from] OathFault),

    /// The card answered with a status word that means nothing more special here.
    #[error("the card answered {sw:04x} to {instruction}")]
    Card {
        /// The instruction's name.
        instruction: &'static str,
        /// SW1 and SW2.
        sw: u16,
    },

    /// An answer or an argument that can't be what it should be; never trusted further.
    #[error("{what} is malformed")]
    Malformed {
        /// What was to be read.
        what: &'static str,
    },

    /// PC/SC failed in a way that is none of the above.
    #[error("PC/SC failed to {doing}: {text} ({code:08x})")]
    Pcsc {
        /// What was tried.
        doing: &'static str,
        /// The PC/SC code, such as 0x8010_0016.
        code: u32,
        /// The library's words for it.
        text: String,
    },
}

/// What goes wrong with OATH accounts only. Account names are escaped: they may hold anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OathFault {
    /// A password is set and not proven since the applet was selected. The caller asks for it.
    #[error("the token wants its OATH password first")]
    PasswordRequired,

    /// The password was refused. There is no counter; the caller drops the password and asks again.
    #[error("wrong OATH password")]
    WrongPassword,

    /// The device did not prove that it knows the password: it is not the one that the password was set on.
    #[error("the token could not prove that it knows the OATH password")]
    Unproven,

    /// There is no account of this name. The caller lists those that there are.
    #[error("the token has no OATH account {account}")]
    NoSuchAccount {
        /// Its name.
        account: String,
    },

    /// There is an account of this name already; it was left alone. The caller picks another name.
    #[error("the token already has an OATH account {account}")]
    AccountExists {
        /// Its name.
        account: String,
    },

    /// The token takes no more accounts (32; 64 since firmware 5.7). The caller names the command that deletes one.
    #[error("the token has no room for another OATH account")]
    Full,

    /// The account counts uses instead of time; calculating would use one up, so it was not asked.
    #[error("the OATH account {account} is not time-based")]
    NotTimeBased {
        /// Its name.
        account: String,
    },

    /// An account's name can't be one, so nothing was sent.
    #[error("an OATH account's name has 1 to 64 bytes, not {length}")]
    NameLength {
        /// How many bytes it would have.
        length: usize,
    },
}

/// Why the smart card service can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServiceFault {
    /// pcscd (or the system's own service) does not answer.
    #[error("the smart card service does not run")]
    NotRunning,
    /// The service refuses this user; with pcscd that is a polkit rule.
    #[error("the smart card service does not permit access")]
    NotPermitted,
}
