//! Where the host finds the key: the way for reports out of this process.

use std::{io, time::Duration};

use tapvault_lab::fido_key::{protocol::Access, rig::Node};

use crate::{key::Identity, message::Report};

pub mod shim;
pub mod uhid;

/// A node that programs can open, from plugging in to pulling out: dropped, it is gone, and who had it open notices.
pub trait Port: Send {
    /// Reports of the host's that have arrived; never waits.
    fn receive(&mut self) -> io::Result<Vec<Report>>;

    /// To every program that has the node open, as hidraw does it.
    fn send(&mut self, report: &Report) -> io::Result<()>;

    /// Waits until there may be something to receive.
    fn wait(&mut self, at_most: Duration) -> io::Result<()>;
}

/// Where a key is plugged in.
#[derive(Clone, Debug)]
pub enum Place {
    /// A folder of a rig's, for programs under the shim.
    Rig(Node),
    /// The kernel.
    Uhid,
}

impl Place {
    /// Plugs in.
    pub fn open(&self, identity: &Identity) -> io::Result<Box<dyn Port>> {
        Ok(match self {
            Self::Rig(node) => Box::new(shim::ShimPort::open(node.clone(), identity)?),
            Self::Uhid => Box::new(uhid::UhidPort::open(identity)?),
        })
    }

    /// Whether programs can open the node, until the key is plugged in anew.
    pub fn set_access(&self, access: Access) -> io::Result<()> {
        match self {
            Self::Rig(node) => shim::set_access(node, access),
            Self::Uhid => Err(io::Error::other("the node is the kernel's: use chmod")),
        }
    }
}

/// The report descriptor of a FIDO key: 64 bytes in, 64 bytes out, no report number (CTAP 2.1, 11.2.8.1).
pub const DESCRIPTOR: [u8; 34] = [
    0x06, 0xd0, 0xf1, // usage page f1d0
    0x09, 0x01, // usage CTAPHID
    0xa1, 0x01, // collection: application
    0x09, 0x20, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08, 0x95, 0x40, 0x81, 0x02, // input
    0x09, 0x21, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08, 0x95, 0x40, 0x91, 0x02, // output
    0xc0,
];

/// What a program wrote to the node, as a report: hidraw wants the report's number first, which is 0 and none.
fn written(bytes: &[u8]) -> Option<Report> {
    let report = match bytes {
        [0, report @ ..] if bytes.len() > size_of::<Report>() => report,
        report => report,
    };
    report.try_into().ok()
}
