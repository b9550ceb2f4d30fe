//! A token's failures as this program says them: which token, and what to do next.

use crate::error::{Error, ErrorKind};
use crate::presence::processes;
use crate::token::{self, OathFault, ServiceFault};

/// The failure for a person. `token` names the device, such as "YubiKey 15042118".
pub fn describe(err: &token::Error, token: &str) -> Error {
    use token::Error as E;
    match err {
        E::NoReaderService {
            fault: ServiceFault::NotRunning,
            detail,
        } => Error::new(ErrorKind::NoKey, format!("the smart card service does not run ({detail})"))
            .hint("Debian, Ubuntu: sudo apt install pcscd && sudo systemctl enable --now pcscd.socket; docs/hardware.md has more"),
        E::NoReaderService {
            fault: ServiceFault::NotPermitted,
            detail,
        } => Error::new(ErrorKind::NoKey, format!("the smart card service does not let this user in ({detail})"))
            .hint("docs/hardware.md has the polkit rule that lets you in over ssh and from cron"),
        E::NoToken => Error::new(ErrorKind::NoKey, format!("{token} is not plugged in")).hint("plug it in and run the command again"),
        E::Busy { .. } => busy_error(token),
        E::Removed => Error::new(ErrorKind::NoKey, format!("{token} was pulled out, or lost its power, before it was done"))
            .hint("plug it in and run the command again"),
        E::NoTouch { waited } => Error::new(ErrorKind::NoTouch, format!("{token} was not touched within {} s", waited.as_secs())),
        E::PinRequired => Error::new(
            ErrorKind::Pin,
            format!("{token} wants its PIN again; another program may have used it meanwhile"),
        )
        .hint("run the command again"),
        E::PinLength => Error::new(ErrorKind::Pin, format!("a PIV PIN has 6 to 8 characters; nothing was sent to {token}")),
        E::WrongPin { tries } => Error::new(
            ErrorKind::Pin,
            format!("wrong PIN for {token}; {tries} {} left (nothing was retried)", if *tries == 1 { "try" } else { "tries" }),
        ),
        E::PinBlocked => Error::new(ErrorKind::Pin, format!("the PIN of {token} is blocked"))
            .hint("`ykman piv access unblock-pin` sets a new one with the PUK; your keys stay")
            .hint("another enrolled key, or --recovery, opens your entries meanwhile"),
        E::NeedsManagementKey | E::ManagementKeyRefused => Error::new(ErrorKind::Pin, format!("{token} refused the management key"))
            .hint("`ykman piv info` says of what kind it is"),
        E::SlotOccupied { slot } => Error::new(ErrorKind::Conflict, format!("slot {slot} of {token} is not empty; it was left as it is"))
            .hint("leave out --slot for the first free one, or --existing adopts the key that is there"),
        E::SlotEmpty { slot } => Error::new(ErrorKind::NoKey, format!("slot {slot} of {token} holds no key that could be used"))
            .hint("`ykman piv info` shows what is in the slots; leave out --existing to have a key made"),
        E::NoFreeSlot => Error::new(ErrorKind::Conflict, format!("all 20 retired slots of {token} are in use"))
            .hint("`ykman piv info` shows what is in them; tapvault never overwrites one"),
        E::Oath(fault) => describe_oath(fault, token),
        E::NotSupported { .. } | E::Card { .. } | E::Malformed { .. } | E::Pcsc { .. } => {
            Error::new(ErrorKind::Other, format!("{token}: {err}")).hint("--debug shows instructions and status words, never data")
        }
    }
}

fn describe_oath(fault: &OathFault, token: &str) -> Error {
    let said = format!("{token}: {fault}");
    match fault {
        OathFault::PasswordRequired => Error::new(ErrorKind::Pin, said).hint("run the command again"),
        OathFault::WrongPassword => Error::new(
            ErrorKind::Pin,
            format!("wrong password for the OATH accounts on {token}"),
        )
        .hint("it is the one of `ykman oath access change-password`; there is no counter of tries"),
        OathFault::Unproven => {
            Error::new(ErrorKind::Forged, said).hint("the password was not sent; this may be another device")
        }
        OathFault::NoSuchAccount { .. } => {
            Error::new(ErrorKind::NoKey, said).hint("`ykman oath accounts list` shows what there is")
        }
        OathFault::AccountExists { .. } => Error::new(ErrorKind::Conflict, said)
            .hint("it was left as it is; `ykman oath accounts delete` removes it if nothing needs it"),
        OathFault::Full => Error::new(ErrorKind::Conflict, said)
            .hint("`ykman oath accounts delete` makes room; a YubiKey holds 32 accounts, 64 from firmware 5.7 on"),
        OathFault::NotTimeBased { .. } | OathFault::NameLength { .. } => Error::new(ErrorKind::Config, said),
    }
}

/// The failure of an operation that was armed twice; a missed touch names what was not done.
pub fn missed_twice(err: &token::Error, token: &str, purpose: &str) -> Error {
    match err {
        token::Error::NoTouch { waited } => Error::new(
            ErrorKind::NoTouch,
            format!(
                "{token} was not touched (2 x {} s), so this was not done: {purpose}",
                waited.as_secs()
            ),
        )
        .hint("try again; if it never blinked, `ykman list` shows which tokens are plugged in"),
        err => describe(err, token),
    }
}

/// "YubiKey 1 is in use, perhaps by scdaemon (pid 812)".
pub fn busy_words(token: &str) -> String {
    let holders = processes::likely_card_holders();
    if holders.is_empty() {
        format!("{token} is in use by another program, or waits for its touch")
    } else {
        format!("{token} is in use, perhaps by {}", holders.join(" or "))
    }
}

/// The failure of a token that stays busy.
pub fn busy_error(token: &str) -> Error {
    let error = Error::new(ErrorKind::Busy, busy_words(token));
    if processes::likely_card_holders()
        .iter()
        .any(|holder| holder.starts_with("scdaemon"))
    {
        error.hint("`gpgconf --kill scdaemon` frees it; docs/hardware.md says how to share it for good")
    } else {
        error.hint("end the other program, or try again when it is done; docs/hardware.md says how to share a token")
    }
}
