//! The rig: isolation, two tokens, pulling and plugging, and an end that leaves nothing behind.

mod common;

use std::{
    fs,
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use common::{run_child_test, token_of_parent};
use pcsc::{Card, Context, Error, Protocols, Scope, ShareMode};
use tapvault_lab::soft_token::{
    body::Touch,
    client::Control,
    firmware::Firmware,
    rig::{Rig, RigError, TokenSpec},
};
use yubikey::{
    MgmKey, PinPolicy, Serial, TouchPolicy, YubiKey,
    piv::{self, AlgorithmId, SlotId},
};

const SELECT_PIV: &[u8] = &[0x00, 0xa4, 0x04, 0x00, 5, 0xa0, 0, 0, 3, 8];
const GET_SERIAL: &[u8] = &[0x00, 0xf8, 0, 0, 0];
const FIRST: &std::ffi::CStr = c"Yubico YubiKey OTP+FIDO+CCID 00 00";
const SECOND: &std::ffi::CStr = c"Yubico YubiKey OTP+FIDO+CCID 00 01";

fn spec(serial: u32) -> TokenSpec {
    TokenSpec::new(serial, Firmware::V5_7_1)
}

fn start(dir: &Path, tokens: &[TokenSpec]) -> Rig {
    Rig::start(dir, tokens).unwrap_or_else(|error| panic!("{error}"))
}

fn context() -> Context {
    Context::establish(Scope::User).expect("pcscd is there")
}

fn connect(context: &Context, reader: &std::ffi::CStr) -> Result<Card, Error> {
    context.connect(reader, ShareMode::Shared, Protocols::T1)
}

fn transmit(card: &Card, command: &[u8]) -> Result<Vec<u8>, Error> {
    let mut buffer = [0; 300];
    card.transmit(command, &mut buffer).map(<[u8]>::to_vec)
}

/// Until the reader has noticed something, which takes it up to half a second.
fn eventually<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        assert!(Instant::now() < deadline, "it never happened");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_tokens_are_found_in_two_slots_and_fast() {
    let dir = tempfile::tempdir().expect("a folder");
    let rig = start(dir.path(), &[spec(1001), spec(1002)]);
    run_child_test(&rig, "finds_two_tokens_and_is_fast");
}

#[test]
#[ignore = "a child of the test above"]
fn finds_two_tokens_and_is_fast() {
    let context = context();
    let cards = [FIRST, SECOND].map(|reader| connect(&context, reader).expect("a card"));
    for (card, serial) in cards.iter().zip([1001u32, 1002]) {
        transmit(card, SELECT_PIV).expect("selected");
        assert_eq!(
            transmit(card, GET_SERIAL).expect("a serial number")[..4],
            serial.to_be_bytes()
        );
    }
    let start = Instant::now();
    for _ in 0..50 {
        transmit(&cards[0], GET_SERIAL).expect("a serial number");
    }
    // without TCP_QUICKACK this takes two seconds
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_token_is_pulled_and_plugged() {
    let dir = tempfile::tempdir().expect("a folder");
    let rig = start(dir.path(), &[spec(1001), spec(1002).removed()]);
    run_child_test(&rig, "pulls_and_plugs");
}

#[test]
#[ignore = "a child of the test above"]
fn pulls_and_plugs() {
    let context = context();
    assert_eq!(connect(&context, SECOND).err(), Some(Error::NoSmartcard));
    token_of_parent(1).insert().expect("recognised");
    let second = eventually(|| connect(&context, SECOND).ok());
    transmit(&second, SELECT_PIV).expect("selected");

    // idle
    let first = connect(&context, FIRST).expect("a card");
    token_of_parent(0).remove().expect("answers");
    eventually(|| (transmit(&first, SELECT_PIV) == Err(Error::RemovedCard)).then_some(()));
    assert_eq!(connect(&context, FIRST).err(), Some(Error::NoSmartcard));
    transmit(&second, SELECT_PIV).expect("the other one doesn't care");
    token_of_parent(0).insert().expect("recognised");
    let first = eventually(|| connect(&context, FIRST).ok());

    // in the middle of a wait for a touch
    drop(first);
    make_a_touch_key();
    let first = connect(&context, FIRST).expect("a card");
    transmit(&first, SELECT_PIV).expect("selected");
    let digest = [
        &[0x00, 0x87, 0x11, 0x9e, 38, 0x7c, 36, 0x82, 0, 0x81, 32][..],
        &[7; 32],
        &[0],
    ]
    .concat();
    thread::scope(|scope| {
        scope.spawn(|| {
            token_of_parent(0)
                .wait_for_touch(Duration::from_secs(10))
                .expect("it blinks");
            token_of_parent(0).remove().expect("answers");
        });
        // vpcd hides the removal: an answer of no bytes
        assert_eq!(transmit(&first, &digest), Ok(vec![]));
    });
    let last = token_of_parent(0).log().expect("answers").pop().expect("entries");
    assert_eq!(last.touch, Some(Touch::Interrupted));
    assert!(
        last.took_ms < 5_000,
        "the wait ended with the removal: {} ms",
        last.took_ms
    );
    token_of_parent(0).insert().expect("recognised");
    let first = eventually(|| connect(&context, FIRST).ok());
    transmit(&first, SELECT_PIV).expect("selected");
}

/// In 9E: a touch each time, and no PIN.
fn make_a_touch_key() {
    let mut key = YubiKey::open_by_serial(Serial(1001)).expect("opened");
    let default = MgmKey::get_default(&key).expect("a default");
    key.authenticate(&default).expect("authenticated");
    piv::generate(
        &mut key,
        SlotId::CardAuthentication,
        AlgorithmId::EccP256,
        PinPolicy::Never,
        TouchPolicy::Always,
    )
    .expect("generated");
}

#[test]
fn a_token_keeps_its_memory_from_rig_to_rig() {
    let dir = tempfile::tempdir().expect("a folder");
    drop(start(dir.path(), &[spec(1001)]));
    let before = fs::read(dir.path().join("token-0.json")).expect("a state file");
    let rig = start(dir.path(), &[spec(1001)]);
    assert_eq!(rig.token(0).ping().expect("answers").serial, 1001);
    assert_eq!(fs::read(dir.path().join("token-0.json")).expect("a state file"), before);
    drop(rig);
    let error = Rig::start(dir.path(), &[spec(2002)])
        .err()
        .expect("another token's memory");
    assert!(error.to_string().contains("is the token 1001"), "{error}");
}

#[test]
fn nothing_survives_the_rig() {
    let dir = tempfile::tempdir().expect("a folder");
    let rig = start(dir.path(), &[spec(1001)]);
    assert!(!processes_naming(dir.path()).is_empty());
    drop(rig);
    assert_eq!(processes_naming(dir.path()), Vec::<String>::new());
}

#[test]
fn nothing_survives_an_owner_that_is_killed() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut owner = Command::new(env!("CARGO_BIN_EXE_soft-token"))
        .arg("rig")
        .arg(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("runs");
    let control = Control::new(&dir.path().join("token-0.sock"));
    eventually(|| control.ping().ok().filter(|pong| pong.plug.recognised));
    owner.kill().expect("killed");
    owner.wait().expect("waited for");
    eventually(|| processes_naming(dir.path()).is_empty().then_some(()));
    assert!(UnixStream::connect(control.socket()).is_err());
}

#[test]
fn a_folder_with_too_long_a_name_is_refused_in_words() {
    let dir = tempfile::tempdir().expect("a folder");
    let error = Rig::start(&dir.path().join("x".repeat(100)), &[spec(1001)])
        .err()
        .expect("refused");
    assert!(matches!(error, RigError::PathTooLong(_)), "{error}");
    let error = Rig::start(dir.path(), &[spec(1), spec(2), spec(3)])
        .err()
        .expect("refused");
    assert!(matches!(error, RigError::TooManyTokens), "{error}");
}

/// Command lines of living processes in which this path occurs.
fn processes_naming(path: &Path) -> Vec<String> {
    let path = path.to_str().expect("UTF-8");
    let command_line = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("cmdline")).ok();
    let all = fs::read_dir("/proc").expect("proc").flatten().filter_map(command_line);
    all.filter(|line| line.contains(path)).collect()
}
