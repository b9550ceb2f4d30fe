//! A node of the kernel's: `/dev/uhid` makes a HID device of what a process tells it, and its hidraw node is real.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    io::Errno,
};

use super::{DESCRIPTOR, Port, written};
use crate::{key::Identity, message::Report};

const UHID: &str = "/dev/uhid";

// linux/uhid.h: a number, and the event's own structure, packed and in the machine's byte order.
const CREATE2: u32 = 11;
const OUTPUT: u32 = 6;
const INPUT2: u32 = 12;
const EVENT: usize = 4 + 4372;
/// In CREATE2: name, phys, uniq, then sizes and numbers, then the descriptor.
const NAME: usize = 4;
const NAME_SIZE: usize = 128;
const SERIAL: usize = NAME + NAME_SIZE + 64;
const SERIAL_SIZE: usize = 64;
const DESCRIPTOR_SIZE: usize = SERIAL + SERIAL_SIZE;
const BUS: usize = DESCRIPTOR_SIZE + 2;
const VENDOR: usize = BUS + 2;
const PRODUCT: usize = VENDOR + 4;
const VERSION: usize = PRODUCT + 4;
const DESCRIPTOR_DATA: usize = VERSION + 8;
const BUS_USB: u16 = 3;
/// In OUTPUT: 4096 bytes of data, then how many they are.
const DATA: usize = 4;
const DATA_SIZE: usize = DATA + 4096;

/// See the module's words. Closed, the device is gone.
pub struct UhidPort(File);

impl UhidPort {
    pub fn open(identity: &Identity) -> io::Result<Self> {
        let mut uhid = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(UHID)
            .map_err(|error| io::Error::other(format!("{UHID}: {error}")))?;
        let serial = identity.serial.as_deref().unwrap_or_default();
        let mut event = vec![0; EVENT];
        let mut put = |at: usize, bytes: &[u8]| event[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &CREATE2.to_ne_bytes());
        put(NAME, &clipped(&identity.product, NAME_SIZE));
        put(SERIAL, &clipped(serial, SERIAL_SIZE));
        put(
            DESCRIPTOR_SIZE,
            &u16::try_from(DESCRIPTOR.len()).unwrap_or(0).to_ne_bytes(),
        );
        put(BUS, &BUS_USB.to_ne_bytes());
        put(VENDOR, &u32::from(identity.vendor_id).to_ne_bytes());
        put(PRODUCT, &u32::from(identity.product_id).to_ne_bytes());
        put(VERSION, &0x0100u32.to_ne_bytes());
        put(DESCRIPTOR_DATA, &DESCRIPTOR);
        uhid.write_all(&event)?;
        Ok(Self(uhid))
    }
}

/// With room for the zero at its end.
fn clipped(text: &str, size: usize) -> Vec<u8> {
    text.bytes().take(size - 1).collect()
}

impl Port for UhidPort {
    fn receive(&mut self) -> io::Result<Vec<Report>> {
        let mut reports = Vec::new();
        loop {
            let mut event = [0; EVENT];
            match self.0.read(&mut event) {
                Ok(_) if event[..4] == OUTPUT.to_ne_bytes() => {
                    let length = usize::from(u16::from_ne_bytes([event[DATA_SIZE], event[DATA_SIZE + 1]]));
                    reports.extend(written(&event[DATA..][..length]));
                }
                // opened, closed, started: the kernel wants no answer
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(reports),
                Err(error) => return Err(error),
            }
        }
    }

    fn send(&mut self, report: &Report) -> io::Result<()> {
        let length = u16::try_from(report.len()).unwrap_or(0).to_ne_bytes();
        let event = [&INPUT2.to_ne_bytes()[..], &length, report].concat();
        self.0.write_all(&event)
    }

    fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        let at_most = Timespec::try_from(at_most).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&at_most)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
