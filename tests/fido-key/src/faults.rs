//! What the firmware never does: answers that come late, broken or not at all.
//!
//! It works on whole messages, just before they leave the key.

use std::time::{Duration, Instant};

use ciborium::Value;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use tapvault_lab::fido_key::fault::{Command, Effect, Fault};

use crate::message::{Message, Report, hid};

/// What a real key does between an answer's parts; here how often an endless one says that it is still there.
pub const KEEPALIVE: Duration = Duration::from_millis(100);
/// CTAP 2.1, 11.2.9.1.5: "processing".
const PROCESSING: u8 = 1;

/// Faults that were ordered, the first one first.
#[derive(Default)]
pub struct Faults {
    ordered: Vec<Fault>,
}

impl Faults {
    pub fn order(&mut self, fault: Fault) {
        self.ordered.push(fault);
    }

    pub fn clear(&mut self) {
        self.ordered.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.ordered.is_empty()
    }

    pub fn in_words(&self) -> Vec<String> {
        self.ordered.iter().map(ToString::to_string).collect()
    }

    /// The fault that strikes the answer to this command.
    pub fn take(&mut self, command: Option<Command>, is_ctap2: bool) -> Option<Fault> {
        let strikes = |fault: &Fault| match fault.on {
            Some(named) => Some(named) == command,
            None => is_ctap2,
        };
        let index = self.ordered.iter().position(strikes)?;
        let fault = &mut self.ordered[index];
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        Some(self.ordered.remove(index))
    }
}

/// An answer in place of the firmware's, for a fault that does not ask it.
pub fn refusal(effect: Effect, channel: u32) -> Option<Message> {
    match effect {
        Effect::Error(status) => Some(Message::new(channel, hid::CBOR, [status])),
        Effect::HidError(code) => Some(Message::new(channel, hid::ERROR, [code])),
        _ => None,
    }
}

/// What leaves the key in the answer's place.
pub enum Struck {
    Reports {
        at: Instant,
        reports: Vec<Report>,
    },
    /// Keepalives for ever.
    Endless,
}

impl Struck {
    pub fn at_once(reports: Vec<Report>) -> Self {
        Self::Reports {
            at: Instant::now(),
            reports,
        }
    }
}

/// Does to an answer what was ordered.
pub fn strike(effect: Effect, answer: Message) -> Struck {
    let reports = match effect {
        Effect::Late(time) => {
            return Struck::Reports {
                at: Instant::now() + time,
                reports: answer.reports(),
            };
        }
        Effect::Endless => return Struck::Endless,
        Effect::Silent => Vec::new(),
        // told already, in the firmware's place
        Effect::Error(_) | Effect::HidError(_) => answer.reports(),
        Effect::Cut => answer.reports().into_iter().take(1).collect(),
        Effect::Disordered => {
            let mut reports = answer.reports();
            if let Some(second) = reports.get_mut(1) {
                second[4] ^= 0x40;
            }
            reports
        }
        Effect::WrongChannel => Message {
            channel: answer.channel ^ 0x5a5a,
            ..answer
        }
        .reports(),
        Effect::Scrambled(seed) => with_data(&answer, scrambled(&answer.data, seed)),
        Effect::Empty => with_data(&answer, Vec::new()),
        Effect::Short => {
            let half = answer.data.len().div_ceil(2);
            with_data(&answer, answer.data[..half].to_vec())
        }
        // 1c to 1f are reserved (RFC 8949, 3); no decoder may take them
        Effect::Garbage => with_data(&answer, [&[0][..], &[0x1c; 99]].concat()),
        Effect::WrongTypes => with_data(&answer, rewritten(&answer, |_, value| *value = Value::from(0))),
        Effect::ShortAuthData => with_data(
            &answer,
            rewritten(&answer, |key, value| {
                // CTAP 2.1, 6.1.2 and 6.2.2: authData, in both
                if key == 2 {
                    *value = Value::Bytes(vec![1, 2, 3]);
                }
            }),
        ),
    };
    Struck::at_once(reports)
}

/// "I am still there."
pub fn keepalive(channel: u32) -> Vec<Report> {
    Message::new(channel, hid::KEEPALIVE, [PROCESSING]).reports()
}

fn with_data(answer: &Message, data: Vec<u8>) -> Vec<Report> {
    Message::new(answer.channel, answer.command, data).reports()
}

/// One to four places of the answer are changed behind its status, the same ones for the same number.
fn scrambled(data: &[u8], seed: u32) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(seed.into());
    let mut below = |end: usize| random.next_u32() as usize % end.max(1);
    let mut data = data.to_vec();
    for _ in 0..=below(4) {
        let place = 1 + below(data.len().saturating_sub(1));
        if place >= data.len() {
            break;
        }
        match below(5) {
            0 => data[place] ^= 1 << below(8),
            1 => data[place] = below(256) as u8,
            2 => data.truncate(place),
            3 => data.insert(place, below(256) as u8),
            _ => {
                data.remove(place);
            }
        }
    }
    data
}

/// The answer with each member of its map changed; one that is no map stays as it is.
fn rewritten(answer: &Message, change: impl Fn(i128, &mut Value)) -> Vec<u8> {
    let (status, cbor) = answer.data.split_at(answer.data.len().min(1));
    let Ok(Value::Map(mut members)) = ciborium::from_reader::<Value, _>(cbor) else {
        return answer.data.clone();
    };
    for (key, value) in &mut members {
        change(key.as_integer().map_or(-1, i128::from), value);
    }
    let mut written = status.to_vec();
    ciborium::into_writer(&Value::Map(members), &mut written).expect("a vector takes all");
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_waits_for_its_command_and_for_those_that_go_well() {
        let mut faults = Faults::default();
        faults.order(Fault::new(Effect::Silent).on(Command::GetAssertion).skip(1));
        faults.order(Fault::new(Effect::Empty));
        assert_eq!(faults.take(Some(Command::Init), false), None);
        assert_eq!(faults.take(Some(Command::GetAssertion), true), None, "one goes well");
        let effect = |fault: Option<Fault>| fault.map(|fault| fault.effect);
        assert_eq!(effect(faults.take(Some(Command::GetInfo), true)), Some(Effect::Empty));
        assert_eq!(
            effect(faults.take(Some(Command::GetAssertion), true)),
            Some(Effect::Silent)
        );
        assert!(faults.is_empty());
    }

    #[test]
    fn answers_are_struck_as_ordered() {
        let answer = Message::new(1, hid::CBOR, [0, 0xa1, 0x02, 0x43, 9, 9, 9]);
        let data = |effect| match strike(effect, answer.clone()) {
            Struck::Reports { reports, .. } => reports[0][7..][..usize::from(reports[0][6])].to_vec(),
            Struck::Endless => panic!("reports were expected"),
        };
        assert_eq!(data(Effect::Empty), Vec::<u8>::new());
        assert_eq!(data(Effect::Short), [0, 0xa1, 2, 0x43]);
        assert_eq!(data(Effect::WrongTypes), [0, 0xa1, 2, 0]);
        assert_eq!(data(Effect::ShortAuthData), [0, 0xa1, 2, 0x43, 1, 2, 3]);
        assert_eq!(data(Effect::Scrambled(1)), data(Effect::Scrambled(1)));
        assert!((0..20).any(|seed| data(Effect::Scrambled(seed)) != data(Effect::Scrambled(seed + 20))));
        assert!(matches!(strike(Effect::Endless, answer.clone()), Struck::Endless));
    }
}
