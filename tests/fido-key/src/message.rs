//! CTAPHID messages and the reports of 64 bytes that carry them (CTAP 2.1, 11.2.4).

use std::collections::HashMap;

/// What hidraw carries, in both directions.
pub const REPORT: usize = 64;
/// One report.
pub type Report = [u8; REPORT];

/// CTAPHID commands, without the bit that marks a message's first report.
pub mod hid {
    pub const INIT: u8 = 0x06;
    pub const CBOR: u8 = 0x10;
    pub const CANCEL: u8 = 0x11;
    pub const KEEPALIVE: u8 = 0x3b;
    pub const ERROR: u8 = 0x3f;
}

/// Marks the first report of a message.
const FIRST: u8 = 0x80;
/// Bytes before the data: channel, command and length; channel and number.
const FIRST_HEAD: usize = 7;
const NEXT_HEAD: usize = 5;

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub channel: u32,
    pub command: u8,
    pub data: Vec<u8>,
}

impl Message {
    pub fn new(channel: u32, command: u8, data: impl Into<Vec<u8>>) -> Self {
        Self {
            channel,
            command,
            data: data.into(),
        }
    }

    pub fn reports(&self) -> Vec<Report> {
        let length = u16::try_from(self.data.len()).unwrap_or(u16::MAX);
        let (first, rest) = self.data.split_at(self.data.len().min(REPORT - FIRST_HEAD));
        let head = [
            &self.channel.to_be_bytes()[..],
            &[self.command | FIRST],
            &length.to_be_bytes(),
        ]
        .concat();
        let mut reports = vec![padded(&head, first)];
        for (number, part) in (0..).zip(rest.chunks(REPORT - NEXT_HEAD)) {
            let head = [&self.channel.to_be_bytes()[..], &[number]].concat();
            reports.push(padded(&head, part));
        }
        reports
    }
}

fn padded(head: &[u8], data: &[u8]) -> Report {
    let mut report = [0; REPORT];
    report[..head.len()].copy_from_slice(head);
    report[head.len()..][..data.len()].copy_from_slice(data);
    report
}

/// The channel that a report belongs to.
pub fn channel(report: &Report) -> u32 {
    u32::from_be_bytes([report[0], report[1], report[2], report[3]])
}

/// The command of a message's first report; `None` for a later one.
pub fn command(report: &Report) -> Option<u8> {
    (report[4] & FIRST != 0).then_some(report[4] & !FIRST)
}

/// Gathers reports until a message is whole; each channel for itself.
#[derive(Default)]
pub struct Gather {
    parts: HashMap<u32, (Message, usize)>,
}

impl Gather {
    /// The message that this report completes.
    pub fn push(&mut self, report: &Report) -> Option<Message> {
        let channel = channel(report);
        let (mut message, length) = match command(report) {
            Some(command) => {
                let length = usize::from(u16::from_be_bytes([report[5], report[6]]));
                let message = Message::new(
                    channel,
                    command,
                    &report[FIRST_HEAD..][..length.min(REPORT - FIRST_HEAD)],
                );
                (message, length)
            }
            None => {
                let (mut message, length) = self.parts.remove(&channel)?;
                let missing = length - message.data.len();
                message
                    .data
                    .extend_from_slice(&report[NEXT_HEAD..][..missing.min(REPORT - NEXT_HEAD)]);
                (message, length)
            }
        };
        if message.data.len() == length {
            return Some(message);
        }
        message.data.reserve(length);
        self.parts.insert(channel, (message, length));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_every_length_come_back() {
        for length in [0, 1, 56, 57, 58, 116, 117, 1000] {
            let message = Message::new(0x0102_0304, hid::CBOR, vec![7; length]);
            let mut gather = Gather::default();
            let mut reports = message.reports();
            let last = reports.pop().expect("at least one");
            for report in reports {
                assert_eq!(gather.push(&report), None);
            }
            assert_eq!(gather.push(&last), Some(message), "{length}");
        }
    }

    #[test]
    fn channels_do_not_disturb_each_other() {
        let [one, two] = [1, 2].map(|channel| Message::new(channel, hid::CBOR, vec![9; 100]));
        let mut gather = Gather::default();
        assert_eq!(gather.push(&one.reports()[0]), None);
        assert_eq!(gather.push(&two.reports()[0]), None);
        assert_eq!(gather.push(&one.reports()[1]), Some(one));
        assert_eq!(gather.push(&two.reports()[1]), Some(two));
    }
}
