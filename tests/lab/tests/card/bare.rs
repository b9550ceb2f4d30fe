//! A card in hand, and words for what is sent to it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tapvault_lab::soft_token::{
    body::AutoTouch,
    card::Card,
    device::{Device, Setup},
    firmware::Firmware,
    tlv,
};
use tempfile::TempDir;

pub const PIV: &[u8] = &[0xa0, 0x00, 0x00, 0x03, 0x08];
pub const MANAGEMENT: &[u8] = &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17];
pub const OATH: &[u8] = &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x21, 0x01];
pub const PIN: &[u8] = b"123456\xff\xff";
pub const PUK: &[u8] = b"12345678";
pub const WRONG: &[u8] = b"000000\xff\xff";

/// Data and status word.
pub type Reply = (Vec<u8>, u16);

pub struct Bare {
    pub device: Arc<Device>,
    card: Card,
    setup: Setup,
    dir: TempDir,
}

impl Bare {
    /// A new token with PIV selected, which waits for a touch but a moment.
    pub fn new(firmware: Firmware) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let setup = Setup {
            firmware: Some(firmware),
            touch_timeout: Duration::from_millis(10),
            touch_cache: Duration::from_millis(300),
            ..Setup::default()
        };
        let (device, card) = open(&dir.path().join("token.json"), &setup);
        let mut bare = Self {
            device,
            card,
            setup,
            dir,
        };
        bare.select(PIV);
        bare
    }

    /// The process ends and another takes up its state file.
    pub fn restart(&mut self) {
        (self.device, self.card) = open(&self.state_file(), &self.setup);
        self.select(PIV);
    }

    pub fn state_file(&self) -> PathBuf {
        self.dir.path().join("token.json")
    }

    /// Power goes and comes back.
    pub fn reset(&mut self) {
        self.card.reset();
        self.select(PIV);
    }

    /// The bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> Reply {
        let mut reply = self.card.transmit(bytes);
        let status = reply.split_off(reply.len() - 2);
        (reply, u16::from_be_bytes([status[0], status[1]]))
    }

    /// An extended command, so that the whole answer comes at once. `head` is INS, P1, P2.
    pub fn send(&mut self, head: [u8; 3], data: &[u8]) -> Reply {
        let mut bytes = vec![0, head[0], head[1], head[2], 0];
        bytes.extend(u16::try_from(data.len()).expect("short enough").to_be_bytes());
        bytes.extend(data);
        self.raw(&bytes)
    }

    pub fn select(&mut self, aid: &[u8]) -> Reply {
        self.send([0xa4, 0x04, 0x00], aid)
    }

    pub fn verify(&mut self, pin: &[u8]) -> u16 {
        self.send([0x20, 0x00, 0x80], pin).1
    }

    /// Proves the default management key of this firmware, the simple way.
    pub fn authenticate(&mut self) {
        let algorithm = if self.device.firmware.is_5_7() { 0x0a } else { 0x03 };
        let (answer, status) = self.send([0x87, algorithm, 0x9b], &[0x7c, 2, 0x81, 0]);
        assert_eq!(status, 0x9000);
        let response = crate::management_key::encrypt_with_default_key(algorithm, &answer[4..]);
        let (_, status) = self.send(
            [0x87, algorithm, 0x9b],
            &tlv::encode(0x7c, &tlv::encode(0x82, &response)),
        );
        assert_eq!(status, 0x9000);
    }

    /// Makes a P-256 key; `policies` are the elements `AA` and `AB`. Gives the public point.
    pub fn generate(&mut self, slot: u8, policies: &[u8]) -> Vec<u8> {
        let data = tlv::encode(0xac, &[&[0x80, 1, 0x11], policies].concat());
        let (answer, status) = self.send([0x47, 0x00, slot], &data);
        assert_eq!(status, 0x9000);
        let point = tlv::only(&answer, 0x7f49).and_then(|key| tlv::only(key, 0x86));
        point.expect("a public key").to_vec()
    }

    /// Signs a digest of 32 times 7.
    pub fn sign(&mut self, slot: u8) -> Reply {
        self.send(
            [0x87, 0x11, slot],
            &[&[0x7c, 0x24, 0x82, 0, 0x81, 0x20][..], &[7; 32]].concat(),
        )
    }

    pub fn metadata(&mut self, reference: u8) -> Reply {
        self.send([0xf7, 0x00, reference], &[])
    }

    /// Each wait is touched at once, or none is.
    pub fn auto_touch(&mut self, on: bool) {
        let auto = if on {
            AutoTouch::Always(Duration::ZERO)
        } else {
            AutoTouch::Off
        };
        self.device.body.set_auto_touch(auto);
    }
}

fn open(state: &std::path::Path, setup: &Setup) -> (Arc<Device>, Card) {
    let device = Arc::new(Device::open(state, setup).expect("a device"));
    let card = Card::new(device.clone()).expect("a card");
    (device, card)
}
