//! A node for programs under the lab's shim: a Unix socket in a folder that stands in for `/dev` and `/sys`.
//!
//! Of type SEQPACKET, for that has both: reports stay apart, as in a datagram, and who has the node open notices when the
//! key is pulled out, as with a stream.

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, recv,
        send, socket_with,
    },
};
use tapvault_lab::fido_key::{protocol::Access, rig::Node};

use super::{DESCRIPTOR, Port, written};
use crate::{key::Identity, message::Report};

/// Programs that can wait to be let in. More than ever open a key at once.
const BACKLOG: i32 = 16;

/// As the kernel makes a node: its owner's alone.
const OPENABLE: u32 = 0o600;

/// See the module's words.
pub struct ShimPort {
    node: Node,
    listener: OwnedFd,
    programs: Vec<OwnedFd>,
}

impl ShimPort {
    /// Makes the node; last of all its device file, so that a program finds all or nothing.
    pub fn open(node: Node, identity: &Identity) -> io::Result<Self> {
        withdraw(&node)?;
        fs::create_dir_all(node.describing())?;
        fs::write(node.describing().join("report_descriptor"), DESCRIPTOR)?;
        fs::write(node.describing().join("uevent"), uevent(identity))?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let beside = beside(&node.device());
        bind(&listener, &SocketAddrUnix::new(&beside)?)?;
        listen(&listener, BACKLOG)?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(OPENABLE))?;
        fs::rename(&beside, node.device())?;
        Ok(Self {
            node,
            listener,
            programs: Vec::new(),
        })
    }
}

impl Port for ShimPort {
    fn receive(&mut self) -> io::Result<Vec<Report>> {
        loop {
            match accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(program) => self.programs.push(program),
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let mut reports = Vec::new();
        self.programs.retain(|program| {
            loop {
                let mut buffer = [0; 1 + size_of::<Report>()];
                match recv(program, &mut buffer[..], RecvFlags::empty()) {
                    // closed, in whatever way
                    Ok((_, 0)) => return false,
                    Ok((_, length)) => reports.extend(written(&buffer[..length])),
                    Err(Errno::AGAIN) => return true,
                    Err(_) => return false,
                }
            }
        });
        Ok(reports)
    }

    fn send(&mut self, report: &Report) -> io::Result<()> {
        // A program that does not read loses reports, as with hidraw; one that has gone is dropped at the next receive.
        for program in &self.programs {
            let _ = send(program, report, SendFlags::NOSIGNAL);
        }
        Ok(())
    }

    fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        let all = self.programs.iter().chain([&self.listener]);
        let mut watched: Vec<_> = all.map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        let at_most = Timespec::try_from(at_most).map_err(io::Error::other)?;
        match poll(&mut watched, Some(&at_most)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for ShimPort {
    fn drop(&mut self) {
        // an error says that the rig's folder has gone already
        let _ = withdraw(&self.node);
    }
}

/// What the shim makes of a mode: root too is refused.
pub fn set_access(node: &Node, access: Access) -> io::Result<()> {
    let mode = match access {
        Access::Permitted => OPENABLE,
        Access::Forbidden => 0o000,
    };
    fs::set_permissions(node.device(), fs::Permissions::from_mode(mode))
}

/// The device goes first: who sees it finds it described.
fn withdraw(node: &Node) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    gone(fs::remove_file(node.device()))?;
    gone(fs::remove_file(beside(&node.device())))?;
    gone(fs::remove_dir_all(node.class()))
}

/// A name that no program takes for a node's.
fn beside(device: &Path) -> PathBuf {
    device.with_added_extension("new")
}

/// What the kernel tells of a HID device: bus (3 is USB), vendor and product; HID_UNIQ is the serial number.
fn uevent(identity: &Identity) -> String {
    format!(
        "DRIVER=hid-generic\nHID_ID=0003:{:08X}:{:08X}\nHID_NAME={}\nHID_PHYS=usb-lab/input0\nHID_UNIQ={}\n",
        identity.vendor_id,
        identity.product_id,
        identity.product,
        identity.serial.as_deref().unwrap_or_default()
    )
}
