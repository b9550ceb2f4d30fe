//! Faults that a key's answer can suffer, as words.
//!
//! `fault [on COMMAND] [skip N] EFFECT` strikes once: the next answer to COMMAND (to any CTAP2 command if none is
//! named), after N that go well. What has been ordered first strikes first.

use std::{fmt, str::FromStr, time::Duration};

/// See the module's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub on: Option<Command>,
    pub skip: u32,
    pub effect: Effect,
}

/// What can be struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// CTAPHID_INIT, by which a program gets its channel.
    Init,
    MakeCredential,
    GetAssertion,
    GetInfo,
    ClientPin,
    Reset,
}

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The answer comes so much later, and nothing before it.
    Late(Duration),
    /// No answer ever, and no keepalive.
    Silent,
    /// Keepalives and nothing else until the key is pulled out or its channel opened anew.
    Endless,
    /// Only the first report of the answer arrives.
    Cut,
    /// The second report of the answer has another's number.
    Disordered,
    /// The answer is for a channel that nobody has.
    WrongChannel,
    /// An answer of no bytes.
    Empty,
    /// Status OK, and then half of the CBOR.
    Short,
    /// Status OK, and then what is no CBOR.
    Garbage,
    /// Status OK, and a map whose values all have another type: zero.
    WrongTypes,
    /// Status OK, and authenticator data of three bytes.
    ShortAuthData,
    /// The answer with some bytes changed, left out or put in; which ones follows from the number.
    Scrambled(u32),
    /// This status, without asking the firmware: `error 2e`.
    Error(u8),
    /// This error of the transport (CTAP 2.1, 11.2.9.1.6), without asking the firmware: `hid-error 06` is "busy".
    HidError(u8),
}

impl Fault {
    /// On the next answer to any CTAP2 command.
    pub fn new(effect: Effect) -> Self {
        Self {
            on: None,
            skip: 0,
            effect,
        }
    }

    pub fn on(self, command: Command) -> Self {
        Self {
            on: Some(command),
            ..self
        }
    }

    /// So many answers go well before.
    pub fn skip(self, skip: u32) -> Self {
        Self { skip, ..self }
    }
}

const COMMANDS: [(&str, Command); 6] = [
    ("init", Command::Init),
    ("make-credential", Command::MakeCredential),
    ("get-assertion", Command::GetAssertion),
    ("get-info", Command::GetInfo),
    ("client-pin", Command::ClientPin),
    ("reset", Command::Reset),
];

const PLAIN: [(&str, Effect); 10] = [
    ("silent", Effect::Silent),
    ("endless", Effect::Endless),
    ("cut", Effect::Cut),
    ("disordered", Effect::Disordered),
    ("wrong-channel", Effect::WrongChannel),
    ("empty", Effect::Empty),
    ("short", Effect::Short),
    ("garbage", Effect::Garbage),
    ("wrong-types", Effect::WrongTypes),
    ("short-auth-data", Effect::ShortAuthData),
];

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (on, rest) = match words.as_slice() {
            ["on", command, rest @ ..] => (Some(command.parse()?), rest),
            rest => (None, rest),
        };
        let (skip, rest) = match rest {
            ["skip", count, rest @ ..] => (count.parse().map_err(|_| format!("not a number: {count:?}"))?, rest),
            rest => (0, rest),
        };
        let effect = rest.join(" ").parse()?;
        Ok(Self { on, skip, effect })
    }
}

impl FromStr for Command {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = COMMANDS.iter().find(|(name, _)| *name == word);
        found.map(|(_, command)| *command).ok_or_else(|| {
            let names = COMMANDS.map(|(name, _)| name).join(", ");
            format!("no command {word:?}; there are {names}")
        })
    }
}

impl FromStr for Effect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let code = |word: &str| u8::from_str_radix(word, 16).map_err(|_| format!("not a code: {word:?}"));
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["late", ms] => {
                let ms = ms.parse().map_err(|_| format!("not a number: {ms:?}"))?;
                Ok(Self::Late(Duration::from_millis(ms)))
            }
            ["scrambled", seed] => {
                let seed = seed.parse().map_err(|_| format!("not a number: {seed:?}"))?;
                Ok(Self::Scrambled(seed))
            }
            ["error", word] => Ok(Self::Error(code(word)?)),
            ["hid-error", word] => Ok(Self::HidError(code(word)?)),
            [word] => (PLAIN.iter().find(|(name, _)| name == word))
                .map(|(_, effect)| *effect)
                .ok_or_else(|| format!("no fault {word:?}")),
            _ => Err(format!("no fault {text:?}")),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(command) = self.on {
            write!(f, "on {command} ")?;
        }
        if self.skip > 0 {
            write!(f, "skip {} ", self.skip)?;
        }
        write!(f, "{}", self.effect)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = COMMANDS.iter().find(|(_, command)| command == self);
        f.write_str(named.map_or("?", |(name, _)| name))
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late(time) => write!(f, "late {}", time.as_millis()),
            Self::Scrambled(seed) => write!(f, "scrambled {seed}"),
            Self::Error(code) => write!(f, "error {code:02x}"),
            Self::HidError(code) => write!(f, "hid-error {code:02x}"),
            plain => {
                let named = PLAIN.iter().find(|(_, effect)| effect == plain);
                f.write_str(named.map_or("?", |(name, _)| name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_back_as_it_was_written() {
        let with_words = [
            Effect::Late(Duration::from_secs(2)),
            Effect::Scrambled(7),
            Effect::Error(0x2e),
            Effect::HidError(6),
        ];
        for effect in PLAIN.map(|(_, effect)| effect).into_iter().chain(with_words) {
            let fault = Fault::new(effect);
            assert_eq!(fault.to_string().parse(), Ok(fault.clone()));
            for (_, command) in COMMANDS {
                let fault = fault.clone().on(command).skip(3);
                assert_eq!(fault.to_string().parse(), Ok(fault));
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "on",
            "on tuesday late 3",
            "late",
            "late soon",
            "error",
            "error xy",
            "skip 1",
            "cut cut",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text:?}");
        }
    }
}
