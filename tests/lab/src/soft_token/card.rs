//! The card: choice of applet, command chaining and answers in pieces (ISO 7816-4:2005, 5.1.1 and 5.1.3).
//!
//! A further applet is one new file that implements [`Applet`] and one line in [`Card::new`]. The power and the
//! frames on the wire are left to [`super::vpcd`].

use std::{io, mem, sync::Arc};

use super::{
    apdu::{Answer, CLA_CHAINING, Command, Form, StatusWord},
    device::Device,
    journal::Entry,
    management::Management,
    oath::Oath,
    otp::Otp,
    piv::Piv,
};

/// The answer to reset of a YubiKey 5 on USB: T=1 and "YubiKey" among the historical bytes.
pub const ATR: [u8; 23] = [
    0x3b, 0xfd, 0x13, 0x00, 0x00, 0x81, 0x31, 0xfe, 0x15, 0x80, 0x73, 0xc0, 0x21, 0xc0, 0x57, 0x59, 0x75, 0x62, 0x69,
    0x4b, 0x65, 0x79, 0x40,
];

/// ISO 7816-4:2005, 7.1.1. Only with P1 = 04, "by name": OATH has another command under the same number.
const SELECT: u8 = 0xa4;
const BY_NAME: u8 = 0x04;
/// ISO 7816-4:2005, 7.6.1.
const GET_RESPONSE: u8 = 0xc0;
/// ISO 7816-4:2005, 8.2.1.2: an AID has at least the 5 bytes of its registered application provider.
const RID_LENGTH: usize = 5;
/// What a short answer can carry.
const PIECE: usize = 256;
/// A YubiKey's buffer for one command: a longer one is refused, however it comes.
const LONGEST_COMMAND: usize = 3072;

/// One application on the card.
pub trait Applet: Send {
    /// Its name in the journal.
    fn name(&self) -> &'static str;

    /// Its full application identifier; the beginning of it selects it too.
    fn aid(&self) -> &'static [u8];

    /// Chosen by SELECT, perhaps once more. Gives the data of the answer.
    fn select(&mut self) -> Answer;

    /// A whole command: chaining and the class byte are behind us.
    fn execute(&mut self, command: &Command) -> Answer;

    /// Another applet was chosen, or the power went: forget whatever isn't kept in the store.
    fn deselect(&mut self);

    /// The name of an instruction in the journal.
    fn instruction_name(&self, ins: u8) -> Option<&'static str>;

    /// The instruction that fetches the rest of a long answer.
    fn remaining_instruction(&self) -> u8 {
        GET_RESPONSE
    }
}

/// See the module's words.
pub struct Card {
    device: Arc<Device>,
    applets: Vec<Box<dyn Applet>>,
    selected: Option<usize>,
    chain: Option<Command>,
    rest: Vec<u8>,
}

impl Card {
    /// The applets in the order in which a shortened AID finds them.
    pub fn new(device: Arc<Device>) -> io::Result<Self> {
        let applets: Vec<Box<dyn Applet>> = vec![
            Box::new(Piv::new(device.clone())?),
            Box::new(Management::new(device.clone())),
            Box::new(Otp::new(device.clone())),
            Box::new(Oath::new(device.clone())?),
        ];
        Ok(Self {
            device,
            applets,
            selected: None,
            chain: None,
            rest: Vec::new(),
        })
    }

    /// Power on, power off or reset: whatever was selected, verified or half sent is gone.
    pub fn reset(&mut self) {
        if let Some(applet) = self.selected_applet() {
            applet.deselect();
        }
        self.selected = None;
        self.chain = None;
        self.rest.clear();
    }

    /// One APDU in, data and status word out.
    pub fn transmit(&mut self, bytes: &[u8]) -> Vec<u8> {
        let at_ms = self.device.journal.now_ms();
        let applet_before = self.selected;
        let (mut out, status) = match Command::parse(bytes) {
            Ok(command) => self.dispatch(command),
            Err(status) => (Vec::new(), status),
        };
        self.note(bytes, at_ms, applet_before, out.len(), status);
        out.extend(status.to_bytes());
        out
    }

    fn dispatch(&mut self, command: Command) -> (Vec<u8>, StatusWord) {
        // class 00 and its chaining bit: no secure messaging, no logical channels on a YubiKey's USB side
        if command.cla & !CLA_CHAINING != 0 {
            return (Vec::new(), StatusWord::CLASS_NOT_SUPPORTED);
        }
        let command = match self.unchain(command) {
            Ok(Some(whole)) => whole,
            Ok(None) => return (Vec::new(), StatusWord::OK),
            Err(status) => return (Vec::new(), status),
        };
        let rest = mem::take(&mut self.rest);
        let answer = match self.selected_applet() {
            _ if is_select(command.ins, command.p1) => self.select(&command),
            None => Err(StatusWord::INSTRUCTION_NOT_SUPPORTED),
            Some(applet) if command.ins == applet.remaining_instruction() => {
                // nothing left to fetch is answered like this in the example of Yubico's SDK manual, "sign"
                if rest.is_empty() {
                    Err(StatusWord::INCORRECT_DATA)
                } else {
                    Ok(rest)
                }
            }
            Some(applet) => applet.execute(&command),
        };
        match answer {
            Ok(data) => self.cut(data, command.form),
            Err(status) => (Vec::new(), status),
        }
    }

    /// Gathers the pieces of a chained command; `None` while more are to come.
    ///
    /// A piece that doesn't belong to the chain ends the old one and stands for itself: this lets a client that
    /// died in the middle be followed by another.
    fn unchain(&mut self, piece: Command) -> Result<Option<Command>, StatusWord> {
        let more_follows = piece.is_chained();
        let mut whole = match self.chain.take() {
            Some(mut begun) if (begun.ins, begun.p1p2()) == (piece.ins, piece.p1p2()) => {
                begun.data.extend_from_slice(&piece.data);
                begun.form = piece.form;
                begun
            }
            _ => piece,
        };
        if whole.data.len() > LONGEST_COMMAND {
            return Err(StatusWord::WRONG_LENGTH);
        }
        whole.cla &= !CLA_CHAINING;
        if more_follows {
            self.chain = Some(whole);
            return Ok(None);
        }
        Ok(Some(whole))
    }

    /// SELECT by application identifier, which may be shortened from the right (SP 800-73-4 part 2, 3.1.1).
    fn select(&mut self, command: &Command) -> Answer {
        if command.p2 != 0 {
            return Err(StatusWord::INCORRECT_P1P2);
        }
        let wanted = &command.data;
        if wanted.len() < RID_LENGTH {
            return Err(StatusWord::NOT_FOUND);
        }
        // a SELECT that finds nothing leaves the old choice in force
        let found = self.applets.iter().position(|applet| applet.aid().starts_with(wanted));
        let found = found.ok_or(StatusWord::NOT_FOUND)?;
        if self.selected != Some(found) {
            if let Some(applet) = self.selected_applet() {
                applet.deselect();
            }
            self.selected = Some(found);
        }
        self.applets[found].select()
    }

    /// Keeps back what a short answer can't carry.
    fn cut(&mut self, mut data: Vec<u8>, form: Form) -> (Vec<u8>, StatusWord) {
        if form == Form::Short && data.len() > PIECE {
            self.rest = data.split_off(PIECE);
            let status = StatusWord::more(self.rest.len());
            return (data, status);
        }
        (data, StatusWord::OK)
    }

    fn selected_applet(&mut self) -> Option<&mut Box<dyn Applet>> {
        self.selected.map(|index| &mut self.applets[index])
    }

    fn note(&self, bytes: &[u8], at_ms: u64, applet_before: Option<usize>, received: usize, status: StatusWord) {
        let head = |index: usize| bytes.get(index).copied().unwrap_or(0);
        let (cla, ins) = (head(0), head(1));
        let select = is_select(ins, head(2));
        // SELECT is told with the applet it led to, anything else with the applet it was for
        let applet = if select { self.selected } else { applet_before }.map(|index| &self.applets[index]);
        let name = match applet {
            _ if select => Some("SELECT"),
            Some(_) if ins == GET_RESPONSE => Some("GET RESPONSE"),
            Some(applet) => applet.instruction_name(ins),
            None => None,
        };
        let mut instruction = name.map_or_else(|| format!("{ins:02x}"), str::to_owned);
        if cla & CLA_CHAINING != 0 {
            instruction.push_str(" (chained)");
        }
        self.device.journal.add(Entry {
            number: 0,
            at_ms,
            took_ms: self.device.journal.now_ms() - at_ms,
            applet: applet.map_or("-", |applet| applet.name()).to_owned(),
            instruction,
            p1p2: format!("{:02x}{:02x}", head(2), head(3)),
            sent: Command::parse(bytes).map_or(0, |command| command.data.len()),
            received,
            status: status.to_string(),
            touch: self.device.body.take_last_touch(),
        });
    }
}

fn is_select(ins: u8, p1: u8) -> bool {
    ins == SELECT && p1 == BY_NAME
}
