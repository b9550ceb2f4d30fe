//! A typed client of a key's control socket.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::de::DeserializeOwned;

use super::{
    fault::Fault,
    journal::{Counts, Entry},
    protocol::{Access, Extension, Faults, Fingers, Log, PinProtocols, PinUse, Pong, Request, Speech},
};
use crate::soft_token::{
    body::{AutoTouch, Request as TouchRequest},
    client::{blocks_for, exchange, unpack},
    protocol::{Awaited, Done, Mark, Recognised, Request as Common, Taken},
};

/// One key's control socket. Each call is a connection of its own, so a `Control` can be shared and cloned freely.
#[derive(Clone, Debug)]
pub struct Control {
    socket: PathBuf,
}

impl Control {
    /// Connects at each call and not before.
    pub fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn ping(&self) -> io::Result<Pong> {
        self.ask(Request::Common(Common::Ping))
    }

    // --- the hand

    /// `false`: the touch was lost, the key wasn't blinking.
    pub fn touch(&self) -> io::Result<bool> {
        self.ask(Request::Common(Common::Touch)).map(|Taken { taken }| taken)
    }

    pub fn auto_touch(&self, auto: AutoTouch) -> io::Result<()> {
        self.tell(Request::Common(Common::AutoTouch(auto)))
    }

    pub fn set_touch_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.tell(Request::Common(Common::TouchTimeout(timeout)))
    }

    /// Blocks until the key blinks; an error if it doesn't in time.
    pub fn wait_for_touch(&self, timeout: Duration) -> io::Result<TouchRequest> {
        let Awaited { request } = self.ask(Request::Common(Common::Wait(timeout)))?;
        request.ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "the key doesn't wait for a touch"))
    }

    /// Pulls the key out, and returns when its node has gone.
    pub fn remove(&self) -> io::Result<()> {
        self.tell(Request::Common(Common::Remove))
    }

    /// Plugs the key in, and returns when its node is there.
    pub fn insert(&self) -> io::Result<()> {
        self.plug(Request::Common(Common::Insert))
    }

    /// Makes it as it came from the factory; every credential is lost.
    pub fn reset(&self) -> io::Result<()> {
        self.plug(Request::Reset)
    }

    // --- what it is

    /// Whether its node can be opened.
    pub fn set_access(&self, access: Access) -> io::Result<()> {
        self.tell(Request::Node(access))
    }

    pub fn set_hmac_secret(&self, extension: Extension) -> io::Result<()> {
        self.tell(Request::HmacSecret(extension))
    }

    pub fn set_pin_protocols(&self, protocols: PinProtocols) -> io::Result<()> {
        self.tell(Request::PinProtocol(protocols))
    }

    pub fn set_fingers(&self, fingers: Fingers) -> io::Result<()> {
        self.tell(Request::Fingers(fingers))
    }

    pub fn set_pin_use(&self, pin_use: PinUse) -> io::Result<()> {
        self.tell(Request::PinUse(pin_use))
    }

    pub fn set_speech(&self, speech: Speech) -> io::Result<()> {
        self.tell(Request::Speech(speech))
    }

    pub fn fault(&self, fault: Fault) -> io::Result<()> {
        self.tell(Request::Fault(fault))
    }

    /// Faults that have not struck yet, in words.
    pub fn faults(&self) -> io::Result<Vec<String>> {
        self.ask(Request::Faults).map(|Faults { faults }| faults)
    }

    pub fn clear_faults(&self) -> io::Result<()> {
        self.tell(Request::ClearFaults)
    }

    // --- what it tells

    pub fn counts(&self) -> io::Result<Counts> {
        self.ask(Request::Common(Common::Counts))
    }

    /// Where the journal stands; [`Self::log_since`] reads on from here.
    pub fn mark(&self) -> io::Result<usize> {
        self.ask(Request::Common(Common::Mark)).map(|Mark { mark }| mark)
    }

    pub fn log(&self) -> io::Result<Vec<Entry>> {
        self.log_since(0)
    }

    pub fn log_since(&self, mark: usize) -> io::Result<Vec<Entry>> {
        self.ask(Request::Common(Common::Log { since: mark }))
            .map(|Log { entries }| entries)
    }

    /// The answer's line as it came, for a person to read.
    pub fn ask_raw(&self, request: Request) -> io::Result<String> {
        let blocks = match &request {
            Request::Common(common) => blocks_for(common),
            _ => Duration::ZERO,
        };
        exchange(&self.socket, &request.to_string(), blocks)
    }

    fn plug(&self, request: Request) -> io::Result<()> {
        match self.ask(request)? {
            Recognised { recognised: true } => Ok(()),
            Recognised { recognised: false } => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the key's node doesn't appear"))
            }
        }
    }

    fn tell(&self, request: Request) -> io::Result<()> {
        self.ask(request).map(|Done {}| ())
    }

    fn ask<T: DeserializeOwned>(&self, request: Request) -> io::Result<T> {
        unpack(&request.to_string(), &self.ask_raw(request)?)
    }
}
