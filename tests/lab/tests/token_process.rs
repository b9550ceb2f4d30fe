//! The program on its own: this test is the driver that it connects to, and the hand on its control socket.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use tapvault_lab::soft_token::{card::ATR, client::Control};
use tempfile::TempDir;

const POWER_ON: &[u8] = &[1];
const RESET: &[u8] = &[2];
const GET_ATR: &[u8] = &[4];
const SELECT_PIV: &[u8] = &[0x00, 0xa4, 0x04, 0x00, 5, 0xa0, 0, 0, 3, 8];
const GET_VERSION: &[u8] = &[0x00, 0xfd, 0, 0];

/// For whatever should happen at once.
const PATIENCE: Duration = Duration::from_secs(10);

struct Process {
    child: Child,
    control: Control,
    driver: TcpListener,
    dir: TempDir,
}

impl Process {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let driver = TcpListener::bind("127.0.0.1:0").expect("a port");
        let control = Control::new(&dir.path().join("sock"));
        let address = driver.local_addr().expect("a port").to_string();
        let child = command(dir.path(), &address)
            .args(["--serial", "7"])
            .spawn()
            .expect("runs");
        let start = Instant::now();
        let process = Self {
            child,
            control,
            driver,
            dir,
        };
        while process.control.ping().is_err() {
            assert!(start.elapsed() < PATIENCE, "the control socket isn't there");
            thread::sleep(Duration::from_millis(5));
        }
        process
    }

    /// The next connection of the token.
    fn connection(&self) -> TcpStream {
        let (stream, _) = self.driver.accept().expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(dir: &Path, address: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soft-token"));
    command
        .arg("--state")
        .arg(dir.join("state.json"))
        .arg("--control")
        .arg(dir.join("sock"));
    command.args(["--vpcd", address]);
    command
}

fn send(stream: &mut TcpStream, frame: &[u8]) {
    let length = u16::try_from(frame.len()).expect("short").to_be_bytes();
    stream.write_all(&[&length, frame].concat()).expect("sent");
}

fn ask(stream: &mut TcpStream, frame: &[u8]) -> Vec<u8> {
    send(stream, frame);
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("an answer");
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).expect("an answer");
    answer
}

#[test]
fn frames_carry_power_the_atr_and_apdus() {
    let process = Process::start();
    let mut stream = process.connection();
    assert_eq!(ask(&mut stream, GET_ATR), ATR);
    assert!(!process.control.ping().expect("answers").plug.recognised);
    send(&mut stream, POWER_ON);
    assert_eq!(ask(&mut stream, GET_VERSION), [0x6d, 0x00], "nothing is selected");
    assert!(process.control.ping().expect("answers").plug.recognised);
    assert!(ask(&mut stream, SELECT_PIV).ends_with(&[0x90, 0x00]));
    assert_eq!(ask(&mut stream, GET_VERSION), [5, 7, 1, 0x90, 0x00]);
    send(&mut stream, RESET);
    assert_eq!(ask(&mut stream, GET_VERSION), [0x6d, 0x00]);
}

#[test]
fn the_driver_may_come_later_and_go_and_come_back() {
    let process = Process::start();
    for _ in 0..2 {
        let mut stream = process.connection();
        send(&mut stream, POWER_ON);
        assert!(ask(&mut stream, SELECT_PIV).ends_with(&[0x90, 0x00]));
    }

    let dir = tempfile::tempdir().expect("a folder");
    let address = process.driver.local_addr().expect("a port");
    let port_of_nobody = TcpListener::bind((address.ip(), 0))
        .and_then(|free| free.local_addr())
        .expect("a port");
    let mut early = command(dir.path(), &port_of_nobody.to_string()).spawn().expect("runs");
    thread::sleep(Duration::from_millis(100));
    let late = TcpListener::bind(port_of_nobody).expect("still free");
    late.accept().expect("connects");
    early.kill().and_then(|()| early.wait()).expect("killed");
}

#[test]
fn a_token_whose_absence_was_not_noticed_leaves_again() {
    let process = Process::start();
    let mut stream = process.connection();
    // a driver that takes it for the card that was there before doesn't give power
    for _ in 0..3 {
        assert_eq!(ask(&mut stream, GET_ATR), ATR);
    }
    send(&mut stream, GET_ATR);
    assert_eq!(stream.read(&mut [0]).expect("closed"), 0);
    let mut stream = process.connection();
    send(&mut stream, POWER_ON);
    assert!(ask(&mut stream, SELECT_PIV).ends_with(&[0x90, 0x00]));
}

#[test]
fn the_hand_is_told_what_became_of_its_wish() {
    let mut process = Process::start();
    let mut stream = process.connection();
    send(&mut stream, POWER_ON);
    ask(&mut stream, SELECT_PIV);

    let control = &process.control;
    assert_eq!(control.ping().expect("answers").serial, 7);
    assert!(!control.touch().expect("answers"), "it isn't blinking");
    let start = Instant::now();
    assert!(control.wait_for_touch(Duration::from_millis(50)).is_err());
    assert!(start.elapsed() < Duration::from_secs(5));
    let mark = control.mark().expect("answers");
    ask(&mut stream, GET_VERSION);
    let log = control.log_since(mark).expect("answers");
    assert_eq!(
        log.iter().map(|entry| entry.instruction.as_str()).collect::<Vec<_>>(),
        ["GET VERSION"]
    );

    // several lines in one connection, nonsense among them
    let mut socket = UnixStream::connect(control.socket()).expect("open");
    socket.write_all(b"stroke\nauto-touch count 2\nping\n").expect("sent");
    let lines: Vec<String> = BufReader::new(socket)
        .lines()
        .take(3)
        .collect::<Result<_, _>>()
        .expect("three answers");
    assert!(
        lines[0].contains("\"ok\":false") && lines[0].contains("stroke"),
        "{}",
        lines[0]
    );
    assert_eq!(lines[1], r#"{"ok":true}"#);
    assert!(lines[2].contains("\"serial\":7"), "{}", lines[2]);

    control.remove().expect("answers");
    assert_eq!(stream.read(&mut [0]).expect("closed"), 0);
    control.quit().expect("answers");
    assert!(process.child.wait().expect("ends").success());
}

#[test]
fn a_state_file_belongs_to_one_token() {
    let process = Process::start();
    let mut other = command(process.dir.path(), "127.0.0.1:1");
    let output = other.args(["--serial", "8"]).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("is the token 7"), "{text}");
}
