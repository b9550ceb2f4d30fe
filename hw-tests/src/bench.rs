//! What a scenario works with: the built program, a vault that is thrown away, the stand-in for AWS, and the person.

use serde_json::Value;
use std::env;
use std::ffi::OsStr;
use std::io::{Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tapvault_lab::aws_standin::{Standin, World};
use tapvault_lab::fido_key::rig::{FOLDER_VARIABLE, PRELOAD_VARIABLE};
use tempfile::TempDir;

/// What of the person's environment the programs need; everything else could reach a real vault or a real account. The last two
/// bring a soft FIDO2 key.
const KEPT: [&str; 7] = [
    "PATH",
    "TERM",
    "LANG",
    "PCSCLITE_CSOCK_NAME",
    "DBUS_SYSTEM_BUS_ADDRESS",
    PRELOAD_VARIABLE,
    FOLDER_VARIABLE,
];

/// See the module's words.
pub struct Bench {
    folder: TempDir,
    aws: Standin,
    program: PathBuf,
}

/// What a program left behind.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    command: String,
}

impl Bench {
    pub fn new() -> Result<Self, String> {
        let program = beside_us("tapvault")?;
        let folder = tempfile::tempdir().map_err(|error| format!("no folder to work in: {error}"))?;
        // Each scenario asks for the PIN; an agent would hold it.
        let settings = folder.path().join("tapvault/config");
        std::fs::create_dir_all(&settings)
            .and_then(|()| std::fs::write(settings.join("config.toml"), "agent = false\n"))
            .map_err(|error| format!("no settings to work with: {error}"))?;
        Ok(Self {
            folder,
            aws: Standin::start(World::sample()),
            program,
        })
    }

    pub fn aws(&self) -> &Standin {
        &self.aws
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Says something and waits for Enter.
    pub fn wait_for_enter(&self, words: &str) {
        self.ask(words);
    }

    /// Asks for a line.
    pub fn ask(&self, words: &str) -> String {
        print!("   {words}: ");
        let mut line = String::new();
        // a terminal that went away ends the program at the next line
        let _ = stdout().flush();
        let _ = stdin().read_line(&mut line);
        line.trim().to_owned()
    }

    /// Runs tapvault. What it asks, it asks at the person's own terminal.
    pub fn tapvault(&self, words: &[&str]) -> Result<Ran, String> {
        self.tapvault_with(words, "")
    }

    /// As [`Self::tapvault`], with something on its standard input.
    pub fn tapvault_with(&self, words: &[&str], input: &str) -> Result<Ran, String> {
        self.run(self.program.as_os_str(), words, input)
    }

    /// Runs somebody else's program; `None` if it isn't installed.
    pub fn outsider(&self, program: &str, words: &[&str]) -> Result<Option<Ran>, String> {
        match on_path(program) {
            Some(path) => self.run(path.as_os_str(), words, "").map(Some),
            None => Ok(None),
        }
    }

    fn run(&self, program: &OsStr, words: &[&str], input: &str) -> Result<Ran, String> {
        let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
        let shown = format!("{name} {}", words.join(" "));
        println!("   $ {shown}");
        let mut command = Command::new(program);
        let kept = KEPT.iter().filter_map(|name| Some((name, env::var_os(name)?)));
        command
            .args(words)
            .env_clear()
            .envs(kept)
            .env("HOME", self.folder.path())
            .env("TAPVAULT_HOME", self.path("tapvault"))
            .env("AWS_ENDPOINT_URL", self.aws.endpoint())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let failed = |error: std::io::Error| format!("{shown}: {error}");
        let mut child = command.spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // who doesn't read it says why by other means
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(failed)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ran = Ran {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            command: shown,
        };
        ran.stderr.lines().for_each(|line| println!("   {line}"));
        Ok(ran)
    }
}

impl Ran {
    /// The same, if it ended with this exit code.
    pub fn ended_with(self, code: i32) -> Result<Self, String> {
        if self.code == Some(code) {
            return Ok(self);
        }
        let ended = self
            .code
            .map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
        Err(format!("`{}` ended with {ended} instead of {code}", self.command))
    }

    /// Its standard output as JSON.
    pub fn json(&self) -> Result<Value, String> {
        serde_json::from_str(&self.stdout).map_err(|error| format!("`{}` printed no JSON: {error}", self.command))
    }
}

/// A program of this workspace: it lies in the same folder as ours.
fn beside_us(name: &str) -> Result<PathBuf, String> {
    let own = env::current_exe().map_err(|error| format!("where this program lies is not known: {error}"))?;
    let program = own.with_file_name(name);
    if program.is_file() {
        Ok(program)
    } else {
        Err(format!("{} is missing; `cargo build` makes it", program.display()))
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
