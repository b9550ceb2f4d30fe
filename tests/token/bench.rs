//! One rig, hands on its tokens, and the probe run against it.

use serde_json::Value;
use std::{
    env,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub const FIRST: &str = "14000001";
pub const SECOND: &str = "14000002";
pub const PIN: &str = "123456";
/// How long the rig's tokens blink, in milliseconds.
pub const BLINKS: u64 = 1500;

/// Ends with its rig.
pub struct Bench {
    rig: Rig,
    dir: TempDir,
    firmwares: Vec<String>,
}

/// Ends with the value.
struct Rig {
    child: Child,
    /// Kept open: the rig goes on printing.
    _stdout: BufReader<ChildStdout>,
}

impl Bench {
    /// A rig with tokens of these firmwares, serials 14000001 and 14000002.
    pub fn new(firmwares: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let rig = Rig::start(dir.path(), firmwares.iter().copied());
        Self {
            rig,
            dir,
            firmwares: firmwares.iter().map(|&firmware| firmware.to_owned()).collect(),
        }
    }

    /// Kills the smart card service, and the tokens with it.
    pub fn kill_service(&mut self) {
        self.rig.end();
        let deadline = Instant::now() + Duration::from_secs(10);
        while UnixStream::connect(self.socket()).is_ok() {
            assert!(Instant::now() < deadline, "the service does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts it again, with the same tokens in the same readers.
    pub fn start_service(&mut self) {
        self.rig = Rig::start(self.dir.path(), self.firmwares.iter().map(String::as_str));
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("rig/ipc/pcscd.comm")
    }

    /// Says one line to a token's control socket.
    pub fn tell(&self, token: usize, line: &str) -> Value {
        let socket = self.dir.path().join(format!("rig/token-{token}.sock"));
        let mut stream = UnixStream::connect(socket).expect("the token listens");
        writeln!(stream, "{line}").expect("it reads");
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).expect("it answers");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(answer["ok"], true, "{line}: {answer}");
        answer
    }

    /// Touches the first token whenever it blinks.
    pub fn touch_always(&self) {
        self.tell(0, "auto-touch on");
    }

    /// Where the token's journal stands.
    pub fn mark(&self, token: usize) -> u64 {
        self.tell(token, "mark")["mark"].as_u64().expect("a number")
    }

    /// Instructions and status words since `mark`, such as "SELECT 9000".
    pub fn since(&self, token: usize, mark: u64) -> Vec<String> {
        let log = self.tell(token, &format!("log {mark}"));
        let entries = log["entries"].as_array().expect("a list").iter();
        let line = |entry: &Value| {
            let text = |field: &str| entry[field].as_str().expect("text").to_owned();
            format!("{} {}", text("instruction"), text("status"))
        };
        entries.map(line).collect()
    }

    /// Wrong PINs that the token has seen.
    pub fn refused_pins(&self, token: usize) -> u64 {
        self.tell(token, "counts")["attempts"]["pin"]["refused"]
            .as_u64()
            .expect("a number")
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PCSCLITE_CSOCK_NAME", self.socket());
        command
    }

    pub fn probe_command(&self, words: &[&str]) -> Command {
        self.example("token-probe", words)
    }

    /// The probe of the OATH applet.
    pub fn oath_command(&self, words: &[&str]) -> Command {
        self.example("oath-probe", words)
    }

    fn example(&self, name: &str, words: &[&str]) -> Command {
        let mut command = self.command(target().join("examples").join(name).to_str().expect("UTF-8"));
        command.args(words);
        command
    }

    /// Runs the OATH probe, which must succeed; gives what it printed.
    pub fn oath(&self, words: &[&str]) -> String {
        let output = self
            .oath_command(words)
            .output()
            .expect("the probe is built with the tests");
        let text = text(&output);
        assert!(output.status.success(), "{words:?}: {text}");
        text
    }

    /// Runs the OATH probe, which must fail; gives what it printed on both streams.
    pub fn oath_fails(&self, words: &[&str]) -> String {
        let output = self
            .oath_command(words)
            .output()
            .expect("the probe is built with the tests");
        let text = text(&output);
        assert!(!output.status.success(), "{words:?} succeeded: {text}");
        text
    }

    /// Runs the probe, which must succeed; gives what it printed.
    pub fn probe(&self, words: &[&str]) -> String {
        let output = self
            .probe_command(words)
            .output()
            .expect("the probe is built with the tests");
        let text = text(&output);
        assert!(output.status.success(), "{words:?}: {text}");
        text
    }

    /// Runs the probe, which must fail; gives what it printed on both streams.
    pub fn probe_fails(&self, words: &[&str]) -> String {
        let output = self
            .probe_command(words)
            .output()
            .expect("the probe is built with the tests");
        let text = text(&output);
        assert!(!output.status.success(), "{words:?} succeeded: {text}");
        text
    }

    /// Starts the probe and returns once it has printed a line that begins with `until`.
    pub fn probe_started(&self, words: &[&str], until: &str) -> Started {
        let mut command = self.probe_command(words);
        started(&mut command, until)
    }

    /// Makes a key on the first token, touching it; returns the public key.
    pub fn enrolled(&self, options: &[&str]) -> String {
        let words = [&["enroll", FIRST, "free", PIN], options].concat();
        self.touch_always();
        let point = value(&self.probe(&words), "point");
        self.tell(0, "auto-touch off");
        point
    }

    pub fn ykman(&self, words: &[&str]) -> String {
        let output = self.ykman_output(words);
        assert!(output.status.success(), "ykman {words:?}: {}", text(&output));
        text(&output)
    }

    pub fn ykman_fails(&self, words: &[&str]) -> String {
        let output = self.ykman_output(words);
        assert!(!output.status.success(), "ykman {words:?}: {}", text(&output));
        text(&output)
    }

    fn ykman_output(&self, words: &[&str]) -> Output {
        self.command("ykman")
            .args(["--device", FIRST])
            .args(words)
            .output()
            .expect("ykman is installed")
    }
}

impl Rig {
    fn start<'f>(dir: &Path, firmwares: impl IntoIterator<Item = &'f str>) -> Self {
        let program = env::var_os("TAPVAULT_SOFT_TOKEN").map(PathBuf::from);
        let program = program.unwrap_or_else(|| target().join("soft-token"));
        let mut command = Command::new(&program);
        command
            .arg("rig")
            .arg(dir.join("rig"))
            .args(["--touch-timeout-ms", &BLINKS.to_string()]);
        for (firmware, serial) in firmwares.into_iter().zip([FIRST, SECOND]) {
            command.arg("--token").arg(format!("{firmware}:{serial}"));
        }
        let rig = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = rig.unwrap_or_else(|error| panic!("no soft token at {program:?}: {error}"));
        let mut first = String::new();
        let stdout = child.stdout.take().expect("piped");
        let mut stdout = BufReader::new(stdout);
        while !first.contains("PCSCLITE_CSOCK_NAME") {
            let read = stdout.read_line(&mut first).expect("the rig speaks UTF-8");
            assert_ne!(read, 0, "the rig ended at once: {first}");
        }
        Self { child, _stdout: stdout }
    }

    fn end(&mut self) {
        // A failure here would hide the test's own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.end();
    }
}

/// A program that is still running.
pub struct Started {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Started {
    /// Waits for its end; what it printed on stdout since, and whether it succeeded.
    pub fn finish(mut self) -> (String, bool) {
        let mut rest = String::new();
        while self.stdout.read_line(&mut rest).expect("UTF-8") > 0 {}
        let output = self.child.wait_with_output().expect("it ends");
        (rest + &String::from_utf8_lossy(&output.stderr), output.status.success())
    }

    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

pub fn started(command: &mut Command, until: &str) -> Started {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    while !line.starts_with(until) {
        line.clear();
        if stdout.read_line(&mut line).expect("UTF-8") == 0 {
            let output = child.wait_with_output().expect("it ends");
            panic!("ended before {until:?}: {}", text(&output));
        }
    }
    Started { child, stdout }
}

pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The rest of the line that begins with `key: `.
pub fn value(text: &str, key: &str) -> String {
    let mut lines = text
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    lines
        .next_back()
        .unwrap_or_else(|| panic!("no {key} in {text}"))
        .to_owned()
}

/// Where cargo puts programs: two folders up from this one.
fn target() -> PathBuf {
    let tests = env::current_exe().expect("this executable");
    tests.ancestors().nth(2).expect("target/debug/deps").to_owned()
}
