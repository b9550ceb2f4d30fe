//! What goes wrong on purpose, and the binary with its control socket.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Client, form};
use tapvault_lab::aws_standin::{Call, Fault, Standin, When, World, sample::*};

fn standin() -> Standin {
    Standin::start(World::sample())
}

fn key_count(aws: &Standin) -> usize {
    aws.world(|world| world.user(MAIN_ACCOUNT, "ana").unwrap().access_keys.len())
}

/// Sends a call and reads whatever comes until the connection closes.
fn all_bytes(client: &Client, service: &str, version: &str, action: &str) -> Vec<u8> {
    let request = client.signed_post(service, &form(version, action, &[]));
    let mut stream = TcpStream::connect(("127.0.0.1", client.port)).unwrap();
    stream.write_all(&request).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_dropped_call_took_effect_or_not_as_wished() {
    let aws = standin();
    let ana = Client::ana(&aws);
    aws.fault(Fault::on("CreateAccessKey").drop_connection(When::Before));
    assert!(ana.try_call("iam", "2010-05-08", "CreateAccessKey", &[]).is_none());
    assert_eq!(key_count(&aws), 1);
    aws.fault(Fault::on("CreateAccessKey").drop_connection(When::After));
    assert!(ana.try_call("iam", "2010-05-08", "CreateAccessKey", &[]).is_none());
    assert_eq!(key_count(&aws), 2);
    let told: Vec<_> = aws.calls().into_iter().map(|call| (call.status, call.faults)).collect();
    assert_eq!(told[0], (None, vec!["drop before effect".to_owned()]));
    assert_eq!(told[1], (Some(200), vec!["drop after effect".to_owned()]));
    ana.iam("GetUser", &[]).ok();
}

#[test]
fn a_cut_answer_stops_in_the_middle_of_its_body() {
    let aws = standin();
    let ana = Client::ana(&aws);
    aws.fault(Fault::on("CreateAccessKey").cut());
    let bytes = all_bytes(&ana, "iam", "2010-05-08", "CreateAccessKey");
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("<CreateAccessKeyResponse"));
    assert!(!text.contains("</CreateAccessKeyResponse>"));
    assert_eq!(key_count(&aws), 2);
}

#[test]
fn the_second_and_third_call_are_throttled() {
    let aws = standin();
    let ana = Client::ana(&aws);
    aws.fault(Fault::on("GetCallerIdentity").nth(2).times(2).throttle(7));
    ana.sts("GetCallerIdentity", &[]).ok();
    for _ in 0..2 {
        let answer = ana.sts("GetCallerIdentity", &[]);
        assert_eq!(answer.refused(400, "Throttling"), "Rate exceeded");
        assert_eq!(answer.header("retry-after"), Some("7"));
    }
    ana.sts("GetCallerIdentity", &[]).ok();
}

#[test]
fn any_error_can_be_told_before_or_after_the_effect() {
    let aws = standin();
    let ana = Client::ana(&aws);
    aws.fault(Fault::on("*").error(
        503,
        "ServiceUnavailable",
        "The request has failed due to a temporary failure.",
    ));
    let answer = ana.iam("CreateAccessKey", &[]);
    answer.refused(503, "ServiceUnavailable");
    assert!(answer.body.contains("<Type>Receiver</Type>"));
    assert_eq!(key_count(&aws), 1);
    aws.fault(Fault::on("CreateAccessKey").error_after_effect(500, "InternalFailure", "?"));
    ana.iam("CreateAccessKey", &[]).refused(500, "InternalFailure");
    assert_eq!(key_count(&aws), 2);
    aws.fault(
        Fault::on("GetUser")
            .every()
            .error(429, "TooManyRequestsException", "Rate exceeded"),
    );
    ana.iam("GetUser", &[]).refused(429, "TooManyRequestsException");
    aws.clear_faults();
    ana.iam("GetUser", &[]).ok();
}

#[test]
fn a_delayed_call_arrives_before_and_is_logged_after_its_effect() {
    let aws = standin();
    let ana = Client::ana(&aws);
    aws.fault(Fault::on("GetUser").delay(1000, When::Before));
    aws.fault(Fault::on("CreateAccessKey").delay(1000, When::After));
    thread::scope(|scope| {
        let start = Instant::now();
        let slow = scope.spawn(|| ana.iam("GetUser", &[]).ok());
        while aws.arrived("GetUser") == 0 {
            thread::yield_now();
        }
        assert!(aws.calls_of("GetUser").is_empty());
        // The lock is free meanwhile.
        ana.sts("GetCallerIdentity", &[]).ok();
        assert!(!slow.is_finished());
        slow.join().unwrap();
        assert!(start.elapsed() >= Duration::from_secs(1));
        let slow = scope.spawn(|| ana.iam("CreateAccessKey", &[]).ok());
        while aws.calls_of("CreateAccessKey").is_empty() {
            thread::yield_now();
        }
        assert!(!slow.is_finished() && key_count(&aws) == 2);
    });
}

#[test]
fn garbage_and_dripping_answers() {
    let aws = standin();
    let ana = Client::ana(&aws);
    aws.fault(Fault::on("GetUser").garbage("<html>captive portal"));
    assert_eq!(ana.iam("GetUser", &[]).ok().body, "<html>captive portal");
    aws.fault(Fault::on("GetUser").drip(1));
    let start = Instant::now();
    ana.iam("GetUser", &[]).ok().text("Arn");
    assert!(
        start.elapsed() > Duration::from_millis(500),
        "some 900 bytes, a millisecond each"
    );
}

/// The binary, its socket, and a folder that goes away with it.
struct Binary {
    child: Child,
    folder: PathBuf,
    control: UnixStream,
}

impl Binary {
    fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("aws-standin-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let world = folder.join("world.json");
        std::fs::write(&world, serde_json::to_vec(&World::sample()).unwrap()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_aws-standin"))
            .args([
                "--world".as_ref(),
                world.as_os_str(),
                "--port-file".as_ref(),
                folder.join("port").as_os_str(),
            ])
            .args(["--log".as_ref(), folder.join("log").as_os_str()])
            .args(["--control".as_ref(), folder.join("control").as_os_str()])
            .spawn()
            .unwrap();
        wait_for(&folder.join("port"));
        let control = UnixStream::connect(folder.join("control")).unwrap();
        Self { child, folder, control }
    }

    fn port(&self) -> u16 {
        std::fs::read_to_string(self.folder.join("port"))
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    #[track_caller]
    fn ask(&self, question: &Value) -> Value {
        let mut stream = &self.control;
        stream.write_all(format!("{question}\n").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{} never came",
            path.display()
        );
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_binary_is_controlled_over_its_socket() {
    let binary = Binary::start("control");
    let client = Client {
        port: binary.port(),
        key: ANA_KEY.into(),
        secret: ANA_SECRET.into(),
        token: None,
        region: "eu-central-1".into(),
        skew: 0,
        unsigned: None,
    };
    let ok = |question: Value| {
        let answer = binary.ask(&question);
        answer
            .get("ok")
            .unwrap_or_else(|| panic!("{question}: {answer}"))
            .clone()
    };
    let code = ok(json!({"do": "totp", "serial": ANA_MFA}));
    let params = [("SerialNumber", ANA_MFA), ("TokenCode", code.as_str().unwrap())];
    client.sts("GetSessionToken", &params).ok();
    assert_eq!(
        ok(json!({"do": "used_steps", "serial": ANA_MFA}))
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_ne!(ok(json!({"do": "totp", "serial": ANA_MFA, "unused": true})), code);

    let throttle = json!({"kind": "error", "status": 400, "code": "Throttling", "retry_after": 2});
    ok(json!({"do": "fault", "fault": {"action": "GetUser", "skip": 1, "times": null, "effect": throttle}}));
    client.iam("GetUser", &[]).ok();
    client.iam("GetUser", &[]).refused(400, "Throttling");
    ok(json!({"do": "clear_faults"}));
    client.iam("GetUser", &[]).ok();
    assert_eq!(ok(json!({"do": "arrived", "action": "GetUser"})), json!(3));

    ok(json!({"do": "clock", "offset_seconds": 1000}));
    client.iam("GetUser", &[]).refused(403, "SignatureDoesNotMatch");
    ok(json!({"do": "clock", "offset_seconds": 0}));

    let mut world = ok(json!({"do": "world"}));
    world["accounts"][0]["users"][0]["access_keys"][0]["status"] = json!("Inactive");
    ok(json!({"do": "set_world", "world": world}));
    client.iam("GetUser", &[]).refused(403, "InvalidClientTokenId");
    ok(json!({"do": "expire_sessions"}));

    let calls: Vec<Call> = serde_json::from_value(ok(json!({"do": "calls", "since": 2}))).unwrap();
    assert_eq!((calls.len(), calls[0].seq), (4, 3));
    let log = std::fs::read_to_string(binary.folder.join("log")).unwrap();
    let lines: Vec<Call> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[2..], calls[..]);
    assert!(!log.contains(ANA_SECRET) && !log.contains(code.as_str().unwrap()));
    ok(json!({"do": "clear_calls"}));
    assert_eq!(ok(json!({"do": "calls"})), json!([]));

    for wrong in [
        json!({"do": "dance"}),
        json!({"do": "totp", "serial": "none"}),
        json!(7),
    ] {
        assert!(binary.ask(&wrong).get("error").is_some(), "{wrong}");
    }
}

#[test]
fn the_binary_says_how_it_is_called() {
    for arguments in [
        &[][..],
        &["--sample"],
        &["--port-file"],
        &["--world", "/nonexistent", "--port-file", "x"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_aws-standin"))
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("aws-standin: "));
    }
}
