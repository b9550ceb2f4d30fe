//! A rig for one test, and clients run against it.

use std::{
    env,
    io::{Read, Write},
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::Duration,
};

use tapvault_lab::soft_token::{
    body::AutoTouch,
    client::Control,
    firmware::Firmware,
    rig::{Rig, SOCKET_VARIABLE, TokenSpec},
};
use tapvault_lab::terminal::wait_until_silent;
use tempfile::TempDir;

use crate::common::{self, text};

pub const SERIAL: u32 = 14_000_001;

/// What the factory sets, in hexadecimal.
pub const DEFAULT_MANAGEMENT_KEY: &str = "010203040506070801020304050607080102030405060708";

pub struct Bench {
    rig: Rig,
    dir: TempDir,
}

impl Bench {
    /// One token whose waits for a touch end soon.
    pub fn new(firmware: Firmware) -> Self {
        let spec = TokenSpec::new(SERIAL, firmware).touch_timeout(Duration::from_secs(3));
        let dir = tempfile::tempdir().expect("a folder");
        let rig = Rig::start(&dir.path().join("rig"), &[spec]).unwrap_or_else(|error| panic!("{error}"));
        Self { rig, dir }
    }

    pub fn token(&self) -> &Control {
        self.rig.token(0)
    }

    /// Each wait is touched at once.
    pub fn touch_at_once(&self) {
        self.token()
            .auto_touch(AutoTouch::Always(Duration::ZERO))
            .expect("the token answers");
    }

    /// A path in the test's folder.
    pub fn path(&self, name: &str) -> String {
        self.dir
            .path()
            .join(name)
            .into_os_string()
            .into_string()
            .expect("UTF-8")
    }

    /// Runs a client that must succeed; gives what it wrote on both streams.
    pub fn run(&self, command_line: &str) -> String {
        let output = self.output(command_line);
        assert!(
            output.status.success(),
            "{command_line}: {}\n{}",
            output.status,
            text(&output)
        );
        text(&output)
    }

    /// Runs a client that must fail; gives what it wrote on both streams.
    pub fn run_refused(&self, command_line: &str) -> String {
        let output = self.output(command_line);
        assert!(!output.status.success(), "{command_line} succeeded\n{}", text(&output));
        text(&output)
    }

    /// `ykman piv` on this token: its reader's empty second slot makes ykman want a serial number.
    pub fn ykman_piv(&self, arguments: &str) -> String {
        self.run(&format!("ykman --device {SERIAL} piv {arguments}"))
    }

    pub fn ykman_piv_refused(&self, arguments: &str) -> String {
        self.run_refused(&format!("ykman --device {SERIAL} piv {arguments}"))
    }

    fn output(&self, command_line: &str) -> Output {
        let mut words = command_line.split_whitespace();
        let program = words.next().expect("a program");
        let mut command = self.command(program);
        command
            .args(words)
            .output()
            .unwrap_or_else(|error| panic!("{program} can't be run, is it installed? {error}"))
    }

    /// Runs a client on a terminal of its own, for those that ask there: waits for each text and types its answer,
    /// which is a secret.
    pub fn run_on_a_terminal(&self, command_line: &str, dialogue: &[(&str, &str)]) -> String {
        let mut command = self.command("script");
        // a question that nobody expects must not hang the test
        let tty = self.path("tty");
        let limited = format!("tty >{tty}; exec timeout --foreground 60 {command_line}");
        command.args(["--quiet", "--return", "--flush", "--command", &limited, "/dev/null"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script, of util-linux");
        let mut keyboard = child.stdin.take().expect("piped");
        let mut screen = child.stdout.take().expect("piped");

        let mut shown = Vec::new();
        let mut dialogue = dialogue.iter().peekable();
        let mut unanswered = 0;
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = screen.read(&mut buffer) {
            shown.extend_from_slice(&buffer[..count]);
            if let Some((prompt, answer)) = dialogue.peek()
                && String::from_utf8_lossy(&shown[unanswered..]).contains(prompt)
            {
                wait_until_silent(tty.as_ref());
                writeln!(keyboard, "{answer}").expect("typed");
                unanswered = shown.len();
                dialogue.next();
            }
        }
        let shown = String::from_utf8_lossy(&shown).into_owned();
        let status = child.wait().expect("waited for");
        assert!(
            status.success() && dialogue.peek().is_none(),
            "{command_line}: {status}\n{shown}"
        );
        shown
    }

    /// A client's command, in the environment where it finds the rig.
    pub fn command(&self, program: &str) -> Command {
        let tools = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin");
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([tools].into_iter().chain(env::split_paths(&path))).expect("folders");
        let mut command = Command::new(program);
        command
            .env(SOCKET_VARIABLE, self.rig.socket())
            .env("PATH", path)
            .current_dir(self.dir.path());
        command
    }

    /// Runs a test that uses libpcsclite in its own process.
    pub fn run_child_test(&self, name: &str) {
        common::run_child_test(&self.rig, name);
    }
}
