//! Why a FIDO2 token did not do what it was asked, in variants that make a caller act differently.
//!
//! The crate tells failures as texts; the status byte in them is read here, and the rest of the text is dropped: it may quote data.

use super::wire::plain;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Why not. Messages are fragments; which token was meant is for the caller to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The node can't be opened by this user. The caller names the rule that is missing.
    #[error("this user may not open {path}")]
    NotPermitted {
        /// The node.
        #[serde(deserialize_with = "plain")]
        path: String,
    },

    /// Another program has it, or waits for its touch. The caller says so and goes on waiting.
    #[error("another program uses it")]
    Busy,

    /// It is not there, or was pulled out in the middle.
    #[error("it was pulled out")]
    Removed,

    /// It waited for a touch in vain. The caller may arm the request once more.
    #[error("it was not touched within {} s", waited.as_secs())]
    NoTouch {
        /// How long it waited.
        waited: Duration,
    },

    /// It did not answer until the deadline, and was given up.
    #[error("it did not answer within {} s", waited.as_secs())]
    Unanswered {
        /// The deadline.
        waited: Duration,
    },

    /// The PIN can't be one, so it was not sent and no try was spent.
    #[error("a FIDO2 PIN has 4 to 63 characters")]
    PinLength,

    /// The token takes only longer PINs, so it was not sent and no try was spent.
    #[error("its PIN has at least {least} characters")]
    PinTooShort {
        /// The fewest characters.
        least: u8,
    },

    /// The PIN was refused; one try is spent.
    #[error("wrong PIN")]
    WrongPin {
        /// How many are left, if the token says.
        tries: Option<u8>,
    },

    /// Too many wrong PINs in a row: it takes none until it was pulled out and plugged in again.
    #[error("it takes no PIN until it is plugged in anew")]
    PinLocked,

    /// No try is left; only a reset helps, which destroys its keys.
    #[error("its PIN is blocked for good")]
    PinBlocked,

    /// It has no PIN, and this takes one.
    #[error("it has no PIN")]
    PinNotSet,

    /// It wants its PIN for this.
    #[error("it wants its PIN for this")]
    PinRequired,

    /// Its PIN has to be changed before it can be used.
    #[error("its PIN has to be changed first")]
    PinOutworn,

    /// It has a PIN that is good for its administration only.
    #[error("its PIN is not for keys")]
    PinNotForKeys,

    /// A finger was not recognised. The caller may go on with the PIN.
    #[error("the finger was not recognised")]
    FingerRefused,

    /// A finger was not recognised, or its holder refused; and the token lets no PIN take the finger's place.
    #[error("the finger was not recognised, or it was refused on the token")]
    FingerDenied,

    /// It takes no more fingers; the PIN helps.
    #[error("it takes no more fingers until its PIN was given")]
    FingersBlocked,

    /// The credential is not one of its own.
    #[error("it does not hold this key")]
    NoCredential,

    /// It was told to stop, by this program or with its own button.
    #[error("it was cancelled")]
    Cancelled,

    /// Its holder refused on the device.
    #[error("it was refused on the token")]
    Denied,

    /// It checked its holder for a key that is used without; the outputs are not those of the key.
    #[error("it checked PIN or finger though it was not asked to")]
    CheckedUnasked,

    /// It speaks only U2F, which has no extensions. Nothing of ours is on it.
    #[error("it speaks only U2F")]
    OnlyU2f,

    /// It has no hmac-secret, or made a credential without it.
    #[error("it can't do hmac-secret")]
    NoHmacSecret,

    /// It answered with a status that means nothing more special here.
    #[error("it answered {status:02x}, {}, when {doing}", in_words(*status))]
    Refused {
        /// The status byte (CTAP 2.1, 8.2).
        status: u8,
        /// What was asked.
        #[serde(deserialize_with = "plain")]
        doing: String,
    },

    /// Its answer was no answer, or the crate gave up on it.
    #[error("its answer makes no sense ({doing})")]
    Nonsense {
        /// What was asked.
        #[serde(skip, default = "unknown")]
        doing: &'static str,
    },

    /// The child could not be started.
    #[error("the program that speaks to FIDO2 tokens could not be started: {detail}")]
    NotStarted {
        /// The system's words.
        #[serde(deserialize_with = "plain")]
        detail: String,
    },
}

fn unknown() -> &'static str {
    "reading its answer"
}

impl Fault {
    /// From a status byte (CTAP 2.1, 8.2, and CTAPHID 11.2.9.1.6 for an error frame).
    pub(super) fn of_status(status: u8, doing: &str) -> Self {
        match status {
            // ERR_CHANNEL_BUSY, and PROCESSING, USER_ACTION_PENDING and OPERATION_PENDING of tokens that are at work for somebody else.
            0x06 | 0x21 | 0x23 | 0x24 => Fault::Busy,
            // USER_ACTION_TIMEOUT, ACTION_TIMEOUT, ERR_TIMEOUT.
            0x2f | 0x3a | 0x05 => Fault::NoTouch { waited: Duration::ZERO },
            0x22 | 0x2e => Fault::NoCredential,
            0x27 => Fault::Denied,
            0x2d => Fault::Cancelled,
            0x31 => Fault::WrongPin { tries: None },
            0x32 => Fault::PinBlocked,
            0x34 => Fault::PinLocked,
            0x35 => Fault::PinNotSet,
            0x36 => Fault::PinRequired,
            0x37 => Fault::PinOutworn,
            0x3c => Fault::FingersBlocked,
            0x3f => Fault::FingerRefused,
            // The crate's own: reading from the node failed.
            0xfe => Fault::Removed,
            status => Fault::Refused {
                status,
                doing: doing.to_owned(),
            },
        }
    }

    /// From the crate's words.
    pub fn of_words(words: &str, doing: &'static str) -> Self {
        if words.contains("write error") || words.contains("read error") {
            return Fault::Removed;
        }
        // Two programs that open it at the same moment see each other's first frames.
        if words.contains("Nonce verification failed") {
            return Fault::Busy;
        }
        match status_in(words) {
            Some(status) => Fault::of_status(status, doing),
            None => Fault::Nonsense { doing },
        }
    }

    /// What a refusal means where a finger was asked for (CTAP 2.1, 6.1.2 and 6.2.2: after performBuiltInUv): PUAT_REQUIRED says that
    /// the PIN may take its place, OPERATION_DENIED that it may not. CTAP 2.0 has the first for it, too.
    pub(super) fn of_finger(self) -> Self {
        match self {
            Fault::PinRequired => Fault::FingerRefused,
            Fault::Denied => Fault::FingerDenied,
            fault => fault,
        }
    }

    /// From the words of a node that can't be opened.
    pub(super) fn of_open(words: &str, path: &str) -> Self {
        if words.contains("Permission denied") || words.contains("not permitted") {
            Fault::NotPermitted { path: path.to_owned() }
        } else if words.contains("busy") {
            Fault::Busy
        } else {
            Fault::Removed
        }
    }
}

/// A status in words (CTAP 2.1, 8.2, and CTAPHID 11.2.9.1.6), where it means nothing more special here.
fn in_words(status: u8) -> &'static str {
    match status {
        0x01 | 0x3e => "no such command",
        0x02..=0x04 | 0x11..=0x14 | 0x2c => "the request is malformed",
        0x0a | 0x0b => "the channel is not ours",
        0x15 | 0x28 | 0x39 => "it has no room for that",
        0x16 | 0x26 | 0x2b => "it can't do that",
        0x30 | 0x40 => "that is not allowed",
        0x33 | 0x38 => "the proof of the PIN is no longer good",
        0x3b => "it wants a touch for that",
        0x3d => "what it keeps is damaged",
        0xf0..=0xff => "an error of its maker's own",
        _ => "some error",
    }
}

/// The status in "response_status err = 0x31 CTAP2_ERR_PIN_INVALID ...".
fn status_in(words: &str) -> Option<u8> {
    let (_, rest) = words.split_once("err = 0x")?;
    let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_and_the_words_are_dropped() {
        let wrong = "response_status err = 0x31 CTAP2_ERR_PIN_INVALID   PIN Invalid.";
        assert_eq!(Fault::of_words(wrong, ""), Fault::WrongPin { tries: None });
        assert_eq!(Fault::of_words("read err = 0xFE", ""), Fault::Removed);
        let odd = Fault::of_words("response_status err = 0x7F CTAP1_ERR_OTHER", "making");
        assert_eq!(
            odd,
            Fault::Refused {
                status: 0x7f,
                doing: "making".into()
            }
        );
        for nonsense in ["", "err = 0x", "err = 0xfff", "value 6a09 is no map"] {
            assert_eq!(
                Fault::of_words(nonsense, "a"),
                Fault::Nonsense { doing: "a" },
                "{nonsense}"
            );
        }
    }

    #[test]
    fn each_status_that_has_a_meaning_of_its_own_is_told_from_the_others() {
        let told = [
            (0x05, Fault::NoTouch { waited: Duration::ZERO }),
            (0x06, Fault::Busy),
            (0x21, Fault::Busy),
            (0x22, Fault::NoCredential),
            (0x23, Fault::Busy),
            (0x24, Fault::Busy),
            (0x27, Fault::Denied),
            (0x2d, Fault::Cancelled),
            (0x2e, Fault::NoCredential),
            (0x2f, Fault::NoTouch { waited: Duration::ZERO }),
            (0x31, Fault::WrongPin { tries: None }),
            (0x32, Fault::PinBlocked),
            (0x34, Fault::PinLocked),
            (0x35, Fault::PinNotSet),
            (0x36, Fault::PinRequired),
            (0x37, Fault::PinOutworn),
            (0x3a, Fault::NoTouch { waited: Duration::ZERO }),
            (0x3c, Fault::FingersBlocked),
            (0x3f, Fault::FingerRefused),
            (0xfe, Fault::Removed),
        ];
        for status in 0..=u8::MAX {
            let special = told.iter().find(|(number, _)| *number == status);
            let fault = Fault::of_words(&format!("response_status err = 0x{status:02X} SOME_NAME"), "making");
            match special {
                Some((_, expected)) => assert_eq!(fault, *expected, "{status:02x}"),
                None => {
                    assert!(
                        matches!(fault, Fault::Refused { status: same, .. } if same == status),
                        "{fault:?}"
                    );
                    assert!(fault.to_string().ends_with("when making"), "{fault}");
                }
            }
        }
    }

    #[test]
    fn where_a_finger_was_asked_for_a_pin_is_wanted_in_its_place() {
        assert_eq!(Fault::PinRequired.of_finger(), Fault::FingerRefused);
        assert_eq!(Fault::Denied.of_finger(), Fault::FingerDenied);
        assert_eq!(Fault::Cancelled.of_finger(), Fault::Cancelled);
    }

    #[test]
    fn a_forbidden_node_is_told_from_one_that_has_gone() {
        let open = |words| Fault::of_open(words, "/dev/hidraw0");
        assert_eq!(
            open("Failed to open a device with path '/dev/hidraw0': Permission denied"),
            Fault::NotPermitted {
                path: "/dev/hidraw0".into()
            }
        );
        assert_eq!(open("No such file or directory"), Fault::Removed);
        assert_eq!(open("Device or resource busy"), Fault::Busy);
    }
}
