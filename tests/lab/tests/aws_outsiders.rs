//! Real clients against the stand-in, and moto as a second opinion.
//!
//! They check what our own client can't: that signatures made elsewhere hold, that answers parse in clients written
//! for AWS, and that errors reach their users as they would from AWS. A client that is missing fails its test: a
//! skipped test would look like a passed one.
//!
//! - aws CLI 2.9.19: Debian's package `awscli`, `/usr/bin/aws` (`TAPVAULT_LAB_AWS` names another).
//! - boto3 and moto in `target/venv` of the workspace, where tests/setup puts them (`TAPVAULT_LAB_VENV` names another
//!   folder).

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use serde_json::Value;
use tapvault_lab::aws_standin::{Standin, World, sample::*};

/// A home of its own for a client, so that nothing of the person who runs the tests reaches it.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("tapvault-lab-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A command that sees this home and nothing of the environment but the path.
    fn command(&self, program: &Path) -> Command {
        assert!(
            program.exists(),
            "{} is missing: see the head of tests/aws_outsiders.rs",
            program.display()
        );
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &self.0)
            .env("AWS_CONFIG_FILE", self.0.join("config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.0.join("credentials"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("AWS_PAGER", "");
        command
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn venv(program: &str) -> PathBuf {
    let folder = env::var_os("TAPVAULT_LAB_VENV").map(PathBuf::from);
    folder
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv"))
        .join("bin")
        .join(program)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/aws_outsiders")
        .join(name)
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// The aws CLI with one set of credentials.
struct Cli<'a> {
    home: &'a Home,
    endpoint: String,
    key: String,
    secret: String,
    token: Option<String>,
    region: &'a str,
}

impl<'a> Cli<'a> {
    fn new(home: &'a Home, aws: &Standin, key: &str, secret: &str, region: &'a str) -> Self {
        Self {
            home,
            endpoint: aws.endpoint(),
            key: key.to_owned(),
            secret: secret.to_owned(),
            token: None,
            region,
        }
    }

    fn session(&self, credentials: &Value) -> Self {
        let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
        Self {
            key: text("AccessKeyId"),
            secret: text("SecretAccessKey"),
            token: Some(text("SessionToken")),
            endpoint: self.endpoint.clone(),
            ..*self
        }
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        let program = env::var_os("TAPVAULT_LAB_AWS").map_or_else(|| PathBuf::from("/usr/bin/aws"), PathBuf::from);
        let mut command = self.home.command(&program);
        command
            .args([
                "--endpoint-url",
                &self.endpoint,
                "--region",
                self.region,
                "--output",
                "json",
            ])
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", &self.key)
            .env("AWS_SECRET_ACCESS_KEY", &self.secret);
        if let Some(token) = &self.token {
            command.env("AWS_SESSION_TOKEN", token);
        }
        command.output().unwrap()
    }

    #[track_caller]
    fn ok(&self, line: &str) -> Value {
        serde_json::from_str(&succeeded(&self.run(line.split_whitespace()))).unwrap()
    }

    /// The CLI exits with 254 when the service refused (AWS CLI User Guide, "Return codes").
    #[track_caller]
    fn refused(&self, line: &str, words: &str) {
        let output = self.run(line.split_whitespace());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(254), "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn the_aws_cli_signs_in_assumes_and_manages_keys() {
    let (home, aws) = (Home::new("cli"), Standin::start(World::sample()));
    let ana = Cli::new(&home, &aws, ANA_KEY, ANA_SECRET, "eu-west-1");
    assert_eq!(
        ana.ok("sts get-caller-identity")["Arn"],
        "arn:aws:iam::111122223333:user/ana"
    );

    let code = aws.unused_totp(ANA_MFA).unwrap();
    let answer = ana.ok(&format!(
        "sts get-session-token --serial-number {ANA_MFA} --token-code {code}"
    ));
    let session = ana.session(&answer["Credentials"]);
    assert_eq!(
        session.ok("iam list-access-keys")["AccessKeyMetadata"][0]["AccessKeyId"],
        ANA_KEY
    );
    session.refused(
        "sts get-session-token",
        "Cannot call GetSessionToken with session credentials",
    );
    ana.refused(
        &format!("sts get-session-token --serial-number {ANA_MFA} --token-code {code}"),
        "An error occurred (AccessDenied) when calling the GetSessionToken operation: MultiFactorAuthentication failed \
         with invalid MFA one time pass code. ",
    );

    let assume = format!("sts assume-role --role-arn {PARTNER_ROLE} --role-session-name lab");
    ana.refused(&assume, "is not authorized to perform: sts:AssumeRole on resource: ");
    let answer = ana.ok(&format!("{assume} --external-id {EXTERNAL_ID} --duration-seconds 900"));
    let role = ana.session(&answer["Credentials"]);
    assert_eq!(role.ok("sts get-caller-identity")["Account"], OTHER_ACCOUNT);

    ana.ok("iam create-access-key");
    ana.refused(
        "iam create-access-key",
        "(LimitExceeded) when calling the CreateAccessKey operation",
    );
    let agents: Vec<_> = aws.calls().into_iter().filter_map(|call| call.user_agent).collect();
    assert!(agents.iter().all(|agent| agent.starts_with("aws-cli/2")), "{agents:?}");
}

#[test]
fn the_aws_cli_tells_a_wrong_secret_a_wrong_clock_and_a_wrong_partition() {
    let (home, aws) = (Home::new("cli-wrong"), Standin::start(World::sample()));
    let cli = |key, secret, region| Cli::new(&home, &aws, key, secret, region);
    cli(ANA_KEY, BEN_SECRET, "us-east-1").refused("sts get-caller-identity", "(SignatureDoesNotMatch)");
    let chen = cli(CHEN_KEY, CHEN_SECRET, "us-east-1");
    chen.refused("sts get-caller-identity", "(InvalidClientTokenId)");
    let chen = cli(CHEN_KEY, CHEN_SECRET, "cn-northwest-1");
    assert_eq!(chen.ok("sts get-caller-identity")["Account"], CHINA_ACCOUNT);
    aws.world(|world| world.clock_offset_seconds = 3600);
    cli(ANA_KEY, ANA_SECRET, "us-east-1").refused("sts get-caller-identity", "Signature expired: ");
    aws.world(|world| world.clock_offset_seconds = -3600);
    cli(ANA_KEY, ANA_SECRET, "us-east-1").refused("sts get-caller-identity", "Signature not yet current: ");
}

#[test]
fn boto3_sees_refusals_as_from_aws() {
    let (home, aws) = (Home::new("boto3"), Standin::start(World::sample()));
    let output = home
        .command(&venv("python"))
        .arg(script("refusals.py"))
        .args([
            &aws.endpoint(),
            ANA_KEY,
            ANA_SECRET,
            ANA_MFA,
            &aws.unused_totp(ANA_MFA).unwrap(),
        ])
        .output()
        .unwrap();
    assert_eq!(succeeded(&output), "refused as expected\n");
}

/// Paths of the values in an answer, by operation.
type Shapes = BTreeMap<String, Vec<String>>;

fn happy_path(home: &Home, endpoint: &str, more: &[&str]) -> Shapes {
    let output = home
        .command(&venv("python"))
        .arg(script("happy_path.py"))
        .args([endpoint, ANA_KEY, ANA_SECRET])
        .args(more)
        .output()
        .unwrap();
    serde_json::from_str(&succeeded(&output)).unwrap()
}

/// moto's server on a free port; killed at the end.
struct Moto(Child, u16);

impl Moto {
    fn start(home: &Home) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = home
            .command(&venv("moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (moto, start) = (Self(child, port), Instant::now());
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(60), "moto does not listen");
            thread::sleep(Duration::from_millis(50));
        }
        moto
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Where the two differ, and why.
const DIFFERENCES: [(&str, &str); 6] = [
    // PackedPolicySize tells the share that policies and tags took; these calls have neither.
    ("assume_role .PackedPolicySize: int", "moto's"),
    ("get_federation_token .PackedPolicySize: int", "moto's"),
    // IAM API Reference: each list has it.
    ("list_access_keys .IsTruncated: bool", "ours"),
    ("list_account_aliases .IsTruncated: bool", "ours"),
    // A seed is told once, when the device is made (IAM API Reference, VirtualMFADevice).
    (
        "list_virtual_mfa_devices .VirtualMFADevices[].Base32StringSeed: bytes",
        "moto's",
    ),
    (
        "list_virtual_mfa_devices .VirtualMFADevices[].QRCodePNG: bytes",
        "moto's",
    ),
];

#[test]
fn moto_answers_in_the_same_shapes() {
    let (home, aws) = (Home::new("moto"), Standin::start(World::sample()));
    let ours = happy_path(&home, &aws.endpoint(), &[]);
    let moto = Moto::start(&home);
    let theirs = happy_path(&home, &format!("http://127.0.0.1:{}", moto.1), &["--make-user"]);
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    let mut differences = Vec::new();
    for (operation, ours) in &ours {
        let theirs = &theirs[operation];
        let lone = |one: &[String], other: &[String], side: &str| {
            let lone = one.iter().filter(|path| !other.contains(path));
            lone.map(|path| format!("{operation} {path} {side}"))
                .collect::<Vec<_>>()
        };
        differences.extend(lone(ours, theirs, "ours"));
        differences.extend(lone(theirs, ours, "moto's"));
    }
    let expected: Vec<_> = DIFFERENCES
        .iter()
        .map(|(what, side)| format!("{what} {side}"))
        .collect();
    assert_eq!(differences, expected);
}
