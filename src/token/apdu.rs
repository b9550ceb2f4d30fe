//! One command and its whole answer, however many APDUs that takes.
//!
//! Long commands are chained and long answers fetched, both in short APDUs (ISO 7816-4, 5.3): every YubiKey and every
//! reader takes them, while extended ones depend on both. Which bytes to send is left to `piv` and `oath`, how to `card`.

use super::{Error, Result};
use std::fmt;
use zeroize::Zeroizing;

/// Moves one APDU; a PC/SC transaction, or a script in tests.
pub trait Transmit {
    /// Sends `apdu` and waits for the answer: data, SW1, SW2.
    ///
    /// # Errors
    /// [`Error::Removed`] or [`Error::Pcsc`].
    fn transmit(&mut self, apdu: &[u8]) -> Result<Zeroizing<Vec<u8>>>;

    /// Hears which instruction got which status word. Data is never told: a VERIFY carries the PIN.
    fn note(&mut self, _line: fmt::Arguments<'_>) {}

    /// Whether the card was reset by another program since the last transaction on this connection, so that no applet
    /// is selected any more.
    fn was_reset(&self) -> bool {
        false
    }
}

/// What to tell the card.
pub struct Command<'a> {
    /// For errors and notes.
    pub name: &'static str,
    /// INS.
    pub ins: u8,
    /// P1.
    pub p1: u8,
    /// P2.
    pub p2: u8,
    /// The data field, of any length.
    pub data: &'a [u8],
    /// Whether the answer can have data.
    pub expects: Expects,
    /// How the rest of a long answer is asked for.
    pub rest: Rest,
}

impl<'a> Command<'a> {
    /// A command whose answer can have data.
    pub const fn new(name: &'static str, ins: u8, p1: u8, p2: u8, data: &'a [u8]) -> Self {
        Self {
            name,
            ins,
            p1,
            p2,
            data,
            expects: Expects::Data,
            rest: Rest::GetResponse,
        }
    }

    /// SELECT by application identifier (ISO 7816-4, 11.1.1).
    pub const fn select(name: &'static str, aid: &'a [u8]) -> Self {
        Self::new(name, 0xa4, 0x04, 0x00, aid)
    }
}

/// What a command's answer holds beside the status word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Expects {
    /// Data, as much as there is.
    Data,
    /// Never any.
    Nothing,
}

/// The instruction that fetches the rest of a long answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// ISO 7816-4, 11.7.1.
    GetResponse,
    /// The OATH applet's own (YKOATH, SEND REMAINING INSTRUCTION).
    SendRemaining,
}

/// What the card said.
pub struct Answer {
    name: &'static str,
    /// SW1 and SW2.
    pub sw: u16,
    /// The data field; wiped when dropped, it may be a shared secret.
    pub data: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// The data if the card said 9000.
    ///
    /// # Errors
    /// [`Error::Card`] otherwise.
    pub fn ok(self) -> Result<Zeroizing<Vec<u8>>> {
        match self.sw {
            SW_OK => Ok(self.data),
            _ => Err(self.refused()),
        }
    }

    /// The error for a status word with no meaning of its own here.
    pub fn refused(&self) -> Error {
        Error::Card {
            instruction: self.name,
            sw: self.sw,
        }
    }
}

/// Success.
pub const SW_OK: u16 = 0x9000;

/// Command chaining, ISO 7816-4, 5.3.3: more blocks of this command follow.
const CLA_CHAINED: u8 = 0x10;
/// The most data of a short APDU.
const BLOCK: usize = 255;
/// "As much as there is", up to 256 bytes.
const LE_ANY: u8 = 0;
/// More than any object of a PIV applet, and than 64 OATH accounts; a card that goes on and on is not believed.
const LONGEST_ANSWER: usize = 0xffff;
/// Four times as many as that takes in full pieces.
const MOST_PIECES: usize = 1024;

/// Sends `command` and collects the answer.
///
/// # Errors
/// [`Error::Removed`] also for an answer without status word: that is what the virtual reader and some drivers give when
/// the card goes away under a command. Status words other than 9000 are not errors here, see [`Answer::ok`].
pub fn send(link: &mut dyn Transmit, command: &Command<'_>) -> Result<Answer> {
    let mut blocks = command.data.chunks(BLOCK).peekable();
    let mut block = blocks.next().unwrap_or_default();
    while blocks.peek().is_some() {
        let apdu = short_apdu(CLA_CHAINED, command, block, None);
        let answer = exchange(link, command.name, &apdu)?;
        if answer.sw != SW_OK {
            return Ok(answer);
        }
        block = blocks.next().unwrap_or_default();
    }

    // A command without data always carries Le, though some answer with nothing: Le is allowed then, and a four byte APDU
    // is what readers and emulators stumble over.
    let le = match command.expects {
        Expects::Nothing if !block.is_empty() => None,
        Expects::Nothing | Expects::Data => Some(LE_ANY),
    };
    let mut answer = exchange(link, command.name, &short_apdu(0, command, block, le))?;
    // ISO 7816-4, 5.3.4: 6Cxx asks for the same command with the exact length.
    if let [0x6c, exact] = answer.sw.to_be_bytes() {
        answer = exchange(link, command.name, &short_apdu(0, command, block, Some(exact)))?;
    }
    fetch_rest(link, answer, command.rest)
}

/// ISO 7816-4, 5.3.4: 61xx says that xx more bytes (00: 256 or more) wait to be fetched.
fn fetch_rest(link: &mut dyn Transmit, mut answer: Answer, rest: Rest) -> Result<Answer> {
    let mut pieces = 0;
    while let [0x61, waiting] = answer.sw.to_be_bytes() {
        pieces += 1;
        // OATH gives all that fits, whatever Le says; some of its versions take no other Le than 00.
        let (more, le) = match rest {
            Rest::GetResponse => (Command::new("GET RESPONSE", 0xc0, 0, 0, &[]), waiting),
            Rest::SendRemaining => (Command::new("SEND REMAINING", 0xa5, 0, 0, &[]), LE_ANY),
        };
        let next = exchange(link, more.name, &short_apdu(0, &more, &[], Some(le)))?;
        let total = answer.data.len() + next.data.len();
        let stuck = next.data.is_empty() && next.sw >> 8 == 0x61;
        if total > LONGEST_ANSWER || pieces > MOST_PIECES || stuck {
            return Err(Error::Malformed {
                what: "the card's long answer",
            });
        }
        // Reserved before it is filled, so that growing leaves no unwiped copy behind.
        let mut joined = Zeroizing::new(Vec::with_capacity(total));
        joined.extend_from_slice(&answer.data);
        joined.extend_from_slice(&next.data);
        answer.data = joined;
        answer.sw = next.sw;
    }
    Ok(answer)
}

/// `CLA INS P1 P2 [Lc data] [Le]`, ISO 7816-4, 5.1.
fn short_apdu(cla: u8, command: &Command<'_>, block: &[u8], le: Option<u8>) -> Zeroizing<Vec<u8>> {
    let mut apdu = Zeroizing::new(Vec::with_capacity(block.len() + 6));
    apdu.extend_from_slice(&[cla, command.ins, command.p1, command.p2]);
    if !block.is_empty() {
        apdu.push(block.len() as u8);
        apdu.extend_from_slice(block);
    }
    apdu.extend(le);
    apdu
}

fn exchange(link: &mut dyn Transmit, name: &'static str, apdu: &[u8]) -> Result<Answer> {
    let mut data = link.transmit(apdu)?;
    let Some(at) = data.len().checked_sub(2) else {
        link.note(format_args!("{name}: no status word"));
        return Err(Error::Removed);
    };
    let sw = u16::from_be_bytes([data[at], data[at + 1]]);
    data.truncate(at);
    link.note(format_args!("{name}: {sw:04x}"));
    Ok(Answer { name, sw, data })
}

#[cfg(test)]
pub(super) mod script {
    //! A card that answers from a list and insists on the questions.

    use super::*;

    /// Expected APDU and answer, both in hex; `*` at the end of an APDU stands for "whatever follows".
    pub struct Script {
        steps: std::vec::IntoIter<(&'static str, String)>,
        pub notes: Vec<String>,
        pub reset: bool,
    }

    impl Script {
        pub fn new<A: Into<String>>(steps: impl IntoIterator<Item = (&'static str, A)>) -> Self {
            let steps: Vec<_> = steps.into_iter().map(|(ask, say)| (ask, say.into())).collect();
            Self {
                steps: steps.into_iter(),
                notes: Vec::new(),
                reset: false,
            }
        }

        pub fn is_done(&self) -> bool {
            self.steps.len() == 0
        }
    }

    impl Transmit for Script {
        fn transmit(&mut self, apdu: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
            let sent = to_hex(apdu);
            let (ask, say) = self.steps.next().unwrap_or_else(|| panic!("unexpected {sent}"));
            let ask = ask.replace(' ', "");
            match ask.strip_suffix('*') {
                Some(start) => assert!(sent.starts_with(start), "{sent} is not {ask}"),
                None => assert_eq!(sent, ask),
            }
            if say == "removed" {
                return Err(Error::Removed);
            }
            Ok(Zeroizing::new(from_hex(&say)))
        }

        fn note(&mut self, line: fmt::Arguments<'_>) {
            self.notes.push(line.to_string());
        }

        fn was_reset(&self) -> bool {
            self.reset
        }
    }

    pub fn to_hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn from_hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
        digits
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).expect("hex is ASCII"))
            .map(|pair| u8::from_str_radix(pair, 16).expect("hex digits"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{script::*, *};

    fn command(data: &[u8]) -> Command<'_> {
        Command::new("TEST", 0xaa, 1, 2, data)
    }

    #[test]
    fn a_long_answer_is_fetched_in_pieces() {
        let mut card = Script::new([
            ("00aa010200", "0102 6102"),
            ("00c0000002", "0304 6100"),
            ("00c0000000", "05 9000"),
        ]);
        let answer = send(&mut card, &command(&[])).expect("it answers");
        assert_eq!((answer.sw, to_hex(&answer.data).as_str()), (0x9000, "0102030405"));
        assert!(card.is_done());
        assert_eq!(card.notes, ["TEST: 6102", "GET RESPONSE: 6100", "GET RESPONSE: 9000"]);
    }

    #[test]
    fn the_rest_of_an_oath_answer_is_asked_for_in_its_own_words() {
        let mut card = Script::new([("00aa010200", "0102 61ff"), ("00a5000000", "03 9000")]);
        let command = Command {
            rest: Rest::SendRemaining,
            ..command(&[])
        };
        assert_eq!(send(&mut card, &command).map(|a| a.data.len()), Ok(3));
        assert_eq!(card.notes, ["TEST: 61ff", "SEND REMAINING: 9000"]);
    }

    #[test]
    fn a_long_command_is_chained_and_only_its_end_asks_for_data() {
        let mut card = Script::new([("10aa0102ff*", "9000"), ("00aa010203 070707 00", "9000")]);
        send(&mut card, &command(&[7; 258])).expect("it answers");
        assert!(card.is_done());
    }

    #[test]
    fn only_a_command_with_data_and_no_answer_goes_without_le() {
        let mut card = Script::new([("00aa010201 09", "9000"), ("00aa010200", "9000")]);
        for data in [&[9][..], &[]] {
            let command = Command {
                expects: Expects::Nothing,
                ..command(data)
            };
            send(&mut card, &command).expect("it answers");
        }
        assert!(card.is_done());
    }

    #[test]
    fn a_refused_block_ends_the_chain() {
        let mut card = Script::new([("10aa0102ff*", "6e00")]);
        let answer = send(&mut card, &command(&[7; 600])).expect("it answers");
        assert_eq!(answer.sw, 0x6e00);
    }

    #[test]
    fn the_exact_length_is_given_when_asked() {
        let mut card = Script::new([("00aa010200", "6c05"), ("00aa010205", "01020304059000")]);
        assert_eq!(send(&mut card, &command(&[])).map(|a| a.data.len()), Ok(5));
    }

    #[test]
    fn no_status_word_means_removed() {
        for answer in ["", "90"] {
            let mut card = Script::new([("00aa010200", answer)]);
            assert_eq!(send(&mut card, &command(&[])).map(|a| a.sw), Err(Error::Removed));
        }
    }

    #[test]
    fn a_card_that_never_ends_is_given_up() {
        let mut card = Script::new([("00aa010200", "6110"), ("00c0000010", "6110")]);
        assert!(send(&mut card, &command(&[])).is_err());
        let endless = std::iter::once(("00aa010200", "6100".to_owned()))
            .chain((0..256).map(|_| ("00c0000000", "07".repeat(256) + "6100")));
        assert!(send(&mut Script::new(endless), &command(&[])).is_err());
    }
}
