//! Another program that uses the token beside tapvault, played by the lab's `card-client`.

use super::program;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tapvault_lab::soft_token::hex;
use tapvault_lab::soft_token::rig::SOCKET_VARIABLE;

/// A connection to the card; it ends with this value.
pub struct CardClient {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub data: Vec<u8>,
    pub sw: u16,
}

/// PC/SC's words for an empty reader (SCARD_E_NO_SMARTCARD).
const NO_CARD: &str = "no Smart Card is currently in the device";
/// How long a reader may take to find its card again.
const RECOGNITION: Duration = Duration::from_secs(10);
/// How often is looked.
const PAUSE: Duration = Duration::from_millis(100);

impl CardClient {
    pub fn connect(socket: &Path, mode: &str, slot: usize) -> Self {
        Self::connect_with(&program::card_client(), socket, mode, slot)
    }

    /// The same with a copy of card-client that has another name.
    pub fn connect_with(program: &Path, socket: &Path, mode: &str, slot: usize) -> Self {
        let start = Instant::now();
        loop {
            let mut client = Self::started(program, socket, mode, slot);
            match client.receive() {
                Ok(_) => return client,
                // On a busy machine pcscd loses a card for a moment after it was recognised, as it does with real ones.
                Err(how) if how.contains(NO_CARD) && start.elapsed() < RECOGNITION => std::thread::sleep(PAUSE),
                Err(how) => panic!("no connection to the card: {how}"),
            }
        }
    }

    /// Whether there is a card.
    pub fn is_connectable(socket: &Path, slot: usize) -> bool {
        Self::started(&program::card_client(), socket, "shared", slot)
            .receive()
            .is_ok()
    }

    fn started(program: &Path, socket: &Path, mode: &str, slot: usize) -> Self {
        let mut process = Command::new(program)
            .env_clear()
            .env(SOCKET_VARIABLE, socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("card-client runs");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut client = CardClient { process, input, output };
        client.send(&format!("connect {mode} {slot}"));
        client
    }

    /// Begins a transaction: others wait until [`Self::end`].
    pub fn begin(&mut self) {
        self.send("begin");
        self.receive().expect("a transaction");
    }

    pub fn end(&mut self) {
        self.send("end");
        self.receive().expect("the end of a transaction");
    }

    /// Sends an APDU; the answer is fetched by [`Self::reply`].
    pub fn start(&mut self, apdu: &[u8]) {
        self.send(&format!("apdu {}", hex::encode(apdu)));
    }

    pub fn reply(&mut self) -> Reply {
        let answer = self.receive().expect("an answer of the card");
        let mut data = hex::decode(&answer).expect("hexadecimal");
        let low = data.pop().expect("a status word");
        let high = data.pop().expect("a status word");
        Reply {
            data,
            sw: u16::from_be_bytes([high, low]),
        }
    }

    pub fn transmit(&mut self, apdu: &[u8]) -> Reply {
        self.start(apdu);
        self.reply()
    }

    /// Selects PIV.
    pub fn select_piv(&mut self) {
        let reply = self.transmit(SELECT_PIV);
        assert_eq!(reply.sw, 0x9000, "SELECT of PIV");
    }

    /// Puts an OATH account there, as a program does that shares the card (YKOATH: SELECT, PUT; TOTP with SHA-1, 6 digits).
    pub fn put_oath_account(&mut self, name: &str) {
        self.begin();
        self.transmit(&[0, 0xa4, 4, 0, 7, 0xa0, 0, 0, 5, 0x27, 0x21, 1]);
        let mut data = vec![0x71, u8::try_from(name.len()).expect("a short name")];
        data.extend_from_slice(name.as_bytes());
        data.extend_from_slice(&[0x73, 16, 0x21, 6]);
        data.extend_from_slice(b"another's seed"); // 14 bytes
        let mut put = vec![0, 1, 0, 0, u8::try_from(data.len()).expect("a short APDU")];
        put.extend_from_slice(&data);
        let reply = self.transmit(&put);
        assert_eq!(reply.sw, 0x9000, "PUT");
        self.end();
    }

    /// VERIFY; the status word.
    pub fn verify(&mut self, pin: &str) -> u16 {
        self.transmit(&verify(pin)).sw
    }

    /// VERIFY without data: 9000 when the PIN is verified, else 63cX with the tries left.
    pub fn pin_status(&mut self) -> u16 {
        self.transmit(PIN_STATUS).sw
    }

    /// CHANGE REFERENCE DATA of the PIN.
    pub fn change_pin(&mut self, old: &str, new: &str) {
        self.select_piv();
        let mut apdu = vec![0, 0x24, 0, 0x80, 16];
        apdu.extend(padded(old));
        apdu.extend(padded(new));
        assert_eq!(self.transmit(&apdu).sw, 0x9000, "CHANGE REFERENCE DATA of the PIN");
    }

    /// Begins an ECDH of the slot's key with the curve's base point.
    pub fn start_ecdh(&mut self, slot: u8) {
        self.start(&ecdh(slot));
    }

    fn send(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it is open until dropped");
        writeln!(input, "{line}").expect("card-client listens");
    }

    fn receive(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("card-client answers");
        match line.trim_end().split_once(' ') {
            Some(("ok", rest)) => Ok(rest.to_owned()),
            None if line.trim_end() == "ok" => Ok(String::new()),
            _ => Err(line.trim_end().to_owned()),
        }
    }
}

impl Drop for CardClient {
    fn drop(&mut self) {
        // At the end of its input it goes and leaves the card as it is; killed, pcscd would reset the card.
        drop(self.input.take());
        let deadline = Instant::now() + Duration::from_millis(300);
        while Instant::now() < deadline {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        // It hangs in a wait for a touch.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// VERIFY of the PIN.
pub fn verify(pin: &str) -> Vec<u8> {
    [&[0, 0x20, 0, 0x80, 8][..], &padded(pin)].concat()
}

/// GENERAL AUTHENTICATE for an ECDH of the slot's key with the curve's base point.
pub fn ecdh(slot: u8) -> Vec<u8> {
    let point = hex::decode(BASE_POINT).expect("hexadecimal");
    let template = [0, 0x87, 0x11, slot, 0x47, 0x7c, 0x45, 0x82, 0x00, 0x85, 0x41];
    [&template[..], &point, &[0]].concat()
}

/// SELECT of the PIV applet.
pub const SELECT_PIV: &[u8] = &[0, 0xa4, 4, 0, 5, 0xa0, 0, 0, 3, 8, 0];
/// VERIFY without data: asks whether the PIN is verified.
pub const PIN_STATUS: &[u8] = &[0, 0x20, 0, 0x80];

/// SEC 2, 2.4.2: the base point G of secp256r1, uncompressed.
const BASE_POINT: &str = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                          4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

/// SP 800-73-4 part 2, 2.4.3: eight bytes, padded with ff.
fn padded(pin: &str) -> [u8; 8] {
    let mut padded = [0xff; 8];
    padded[..pin.len()].copy_from_slice(pin.as_bytes());
    padded
}
