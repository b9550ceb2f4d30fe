//! A FIDO2 token that answers anything, and a child that says anything of it.

use super::{is_plain, is_plain_error};
use ctap_hid_fido2::fidokey::get_assertion::get_assertion_response;
use ctap_hid_fido2::fidokey::make_credential::make_credential_response;
use std::fmt::Display;
use std::io::{Cursor, sink};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use tapvault::device::fido2::{describe, missed_twice};
use tapvault::secret::SecretText;
use tapvault::token::fido2::told::{self, Members};
use tapvault::token::fido2::{Check, Fault, Info, Node, Outcome, Ownership, Pin, Result, Session, nodes_over};

/// What is asked where the answer's failure has to be told.
const DOING: &str = "asking it";

/// The first byte says which way the rest comes: over the child's pipe, in a token's answers, or in the crate's words.
pub fn fido2(bytes: &[u8]) -> bool {
    let Some((what, rest)) = bytes.split_first() else {
        return false;
    };
    match what {
        0 => listed(rest),
        1 => conversation(rest),
        2 => made(rest),
        3 => calculated(rest, 1, Check::Pin),
        4 => calculated(rest, 2, Check::Pin),
        5 => calculated(rest, 1, Check::None),
        6 => looked_up(rest),
        7 => introduced(rest),
        _ => worded(rest),
    }
}

/// The nodes, as the child tells them.
fn listed(pipe: &[u8]) -> bool {
    let Some(nodes) = taken(nodes_over(Cursor::new(pipe.to_vec()), sink())) else {
        return false;
    };
    for Node {
        path,
        name,
        serial,
        access,
        ..
    } in &nodes
    {
        [path, name].into_iter().chain(serial).for_each(|text| is_short(text));
        if let Outcome::Not(fault) = access {
            is_told(fault);
        }
    }
    true
}

/// Everything that is asked of a token, one after the other, as far as the child's answers go.
fn conversation(pipe: &[u8]) -> bool {
    let Some(mut session) = taken(Session::over(Cursor::new(pipe.to_vec()), sink())) else {
        return false;
    };
    is_short(&session.info().versions.join(" "));
    let pin = Pin::from_typed(&SecretText::copy_of("58210366")).expect("a PIN");
    taken(session.pin_tries());
    taken(session.owns(&[7; 64]));
    taken(session.check_pin(&pin));
    if let Some(credential) = taken(session.make(Check::Pin)) {
        assert!((1..1024).contains(&credential.len()));
    }
    let one = taken(session.output(&[7; 64], &[1; 32], Check::Pin));
    let two = taken(session.two_outputs(&[7; 64], [&[1; 32], &[2; 32]], Check::BuiltIn));
    one.is_some() && two.is_some()
}

/// A new credential, as a token answers (CTAP 2.1, 6.1.2).
fn made(cbor: &[u8]) -> bool {
    let Some(answer) = read(|| make_credential_response::parse_cbor(cbor)) else {
        return false;
    };
    let has_a_touch = answer.flags.user_present_result;
    match taken(told::made(answer, DOING)) {
        Some(credential) => {
            assert!(has_a_touch, "made without a touch");
            assert!((1..1024).contains(&credential.len()));
            true
        }
        None => false,
    }
}

/// Outputs, as a token answers (CTAP 2.1, 6.2.2 and 12.5), under a shared secret of zeros.
fn calculated(cbor: &[u8], salts: usize, check: Check) -> bool {
    let Some(answer) = read(|| get_assertion_response::parse_cbor(cbor, Some(Default::default()))) else {
        return false;
    };
    let flags = answer.flags.clone();
    match taken(told::outputs(&[answer], salts, check, DOING)) {
        Some(outputs) => {
            assert_eq!(outputs.len(), 32 * salts);
            assert!(flags.user_present_result, "calculated without a touch");
            assert_eq!(flags.user_verified_result, check != Check::None, "of the other kind");
            true
        }
        None => false,
    }
}

/// A silent assertion.
fn looked_up(cbor: &[u8]) -> bool {
    let answer = read(|| get_assertion_response::parse_cbor(cbor, Some(Default::default())));
    answer.is_some_and(|answer| taken(told::owned(&[answer], DOING)) == Some(Ownership::Owned))
}

/// What a token says it can do: lines of words, the first letter of each says what they are. The crate keeps its own reader of
/// that answer to itself.
fn introduced(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let words = |mark: char| text.lines().filter_map(move |line| line.strip_prefix(mark));
    let options = words('+').map(|name| (name.to_owned(), true));
    let told = told::info(
        Members {
            versions: words('v').map(str::to_owned).collect(),
            extensions: words('e').map(str::to_owned).collect(),
            options: options.chain(words('-').map(|name| (name.to_owned(), false))).collect(),
            pin_protocols: words('p').filter_map(|number| number.parse().ok()).collect(),
            force_pin_change: words('f').next().is_some(),
            min_pin_length: words('m').filter_map(|number| number.parse().ok()).next().unwrap_or(0),
        },
        DOING,
    );
    let told = taken(told);
    let Some((
        Info {
            hmac_secret,
            shortest_pin,
            ..
        },
        protocol,
    )) = told
    else {
        return false;
    };
    assert!(matches!(protocol, 1 | 2) && shortest_pin < 64);
    hmac_secret
}

/// The crate's words for a failure.
fn worded(words: &[u8]) -> bool {
    let fault = Fault::of_words(&String::from_utf8_lossy(words), DOING);
    is_told(&fault);
    !matches!(fault, Fault::Nonsense { .. })
}

fn taken<T>(result: Result<T>) -> Option<T> {
    result.inspect_err(is_told).ok()
}

/// A failure is one line that says what, which token and, in some other line, what next.
fn is_told(fault: &Fault) {
    is_short(&fault.to_string());
    for error in [describe(fault, "Token"), missed_twice(fault, "Token", "open prod")] {
        is_plain_error(&error);
        assert!(
            (1..400).contains(&error.message().chars().count()),
            "{}",
            error.message()
        );
    }
}

fn is_short(text: &str) {
    is_plain(text);
    assert!(text.chars().count() < 600, "{text:?}");
}

/// What the crate reads an answer as. It is known to panic on some; in the program that ends the child, and here nothing.
fn read<T, E: Display>(reader: impl FnOnce() -> std::result::Result<T, E>) -> Option<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let words = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            let is_the_crates = |place: &panic::Location<'_>| place.file().contains("ctap-hid-fido2");
            if !what.location().is_some_and(is_the_crates) {
                words(what);
            }
        }));
    });
    match panic::catch_unwind(AssertUnwindSafe(reader)) {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(error)) => {
            is_told(&Fault::of_words(&error.to_string(), DOING));
            None
        }
        Err(_) => None,
    }
}
