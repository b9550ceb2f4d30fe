//! The person: reads the screen, types, touches, pulls tokens out.

use std::env;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;
use tapvault_lab::fido_key;
use tapvault_lab::soft_token::{self, body::AutoTouch};
use tapvault_lab::terminal::wait_until_silent;

pub const PIN: &str = "654321";
pub const WRONG_PIN: &str = "111111";
/// A second token's serial number, and its PIN.
pub const SECOND: &str = "SECOND02";
pub const SECOND_PIN: &str = "321654";

/// What is on the screen, and what is done about it.
enum Cue {
    /// A scenario begins.
    Begin,
    Pin,
    PluginPin,
    Touch,
    PlugIn,
    PlugInSecond,
    PullOutSecond,
    Swap,
}

const CUES: [(&str, Cue); 9] = [
    ("Enter goes on: ", Cue::Begin),
    ("tries left): ", Cue::Pin),
    ("Enter PIN for YubiKey", Cue::PluginPin),
    ("touch YubiKey", Cue::Touch),
    ("touch Soft FIDO2 key", Cue::Touch),
    ("plug the token in again, then Enter: ", Cue::PlugIn),
    ("or only Enter if there is none: ", Cue::PlugInSecond),
    ("pull the second token out, then Enter: ", Cue::PullOutSecond),
    ("plug the second in, then Enter: ", Cue::Swap),
];

/// A token in the person's hand.
pub trait Hand {
    fn touched(&self, touches: AutoTouch);
    fn wait_until_it_blinks(&self);
    fn pull_out(&self);
    fn plug_in(&self);
}

/// Both kinds of token have the same words for it.
macro_rules! hand {
    ($control:ty) => {
        impl Hand for $control {
            fn touched(&self, touches: AutoTouch) {
                self.auto_touch(touches).expect("answers");
            }

            fn wait_until_it_blinks(&self) {
                self.wait_for_touch(Duration::from_secs(10)).expect("it blinks");
            }

            fn pull_out(&self) {
                self.remove().expect("answers");
            }

            fn plug_in(&self) {
                self.insert().expect("recognised");
            }
        }
    };
}
hand!(soft_token::client::Control);
hand!(fido_key::client::Control);

/// See the module's words.
pub struct Player<'a> {
    tokens: Vec<&'a dyn Hand>,
    /// Holds the terminal's name, once there is one.
    tty: PathBuf,
    scenario: String,
    pin_was_wrong: bool,
    /// What happens when a scenario of this name begins.
    meanwhile: Option<(&'static str, &'a dyn Fn())>,
}

impl<'a> Player<'a> {
    pub fn new<T: Hand>(tokens: Vec<&'a T>, tty: PathBuf) -> Self {
        Self {
            tokens: tokens.into_iter().map(|token| token as &dyn Hand).collect(),
            tty,
            scenario: String::new(),
            pin_was_wrong: false,
            meanwhile: None,
        }
    }

    /// Does something of its own when a scenario of this name begins.
    pub fn meanwhile(self, scenario: &'static str, what: &'a dyn Fn()) -> Self {
        Self {
            meanwhile: Some((scenario, what)),
            ..self
        }
    }

    /// Plays all scenarios on the token of these words, which programs find by these variables. Returns what was on the screen, and
    /// whether the program was content.
    pub fn play<V: AsRef<OsStr>>(
        &mut self,
        words: &[&str],
        variables: impl IntoIterator<Item = (&'static str, V)>,
    ) -> (String, bool) {
        let program = env!("CARGO_BIN_EXE_tapvault-hw-tests");
        // a question that nobody expects must not hang the test
        let command = format!(
            "tty >{}; exec timeout --foreground 240 {program} {}",
            self.tty.display(),
            words.join(" ")
        );
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
            .env("PATH", path_with_tools())
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script, of the Debian package bsdutils");
        let mut keyboard = child.stdin.take().expect("piped");
        let mut screen = child.stdout.take().expect("piped");

        let (mut shown, mut done) = (Vec::new(), 0);
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = screen.read(&mut buffer) {
            shown.extend_from_slice(&buffer[..count]);
            while let Some(end) = self.answer(&String::from_utf8_lossy(&shown[done..]), &mut keyboard) {
                done += end;
            }
        }
        let content = child.wait().expect("waited for").success();
        (String::from_utf8_lossy(&shown).into_owned(), content)
    }

    /// Does what the first cue in this part of the screen asks for; returns where it ends.
    fn answer(&mut self, part: &str, keyboard: &mut ChildStdin) -> Option<usize> {
        let found = CUES
            .iter()
            .filter_map(|(words, cue)| Some((part.find(words)? + words.len(), cue)));
        let (end, cue) = found.min_by_key(|(end, _)| *end)?;
        match cue {
            Cue::Begin => {
                self.begin(&part[..end]);
                type_line(keyboard, "");
            }
            Cue::Pin | Cue::PluginPin => {
                wait_until_silent(&self.tty);
                let question = part[..end].lines().last().unwrap_or_default();
                type_line(keyboard, self.pin(question));
            }
            Cue::Touch if self.scenario.starts_with("the token is pulled out") => {
                self.tokens[0].wait_until_it_blinks();
                self.tokens[0].pull_out();
            }
            // touched by itself, or left alone
            Cue::Touch => {}
            Cue::PlugIn => {
                self.tokens[0].plug_in();
                type_line(keyboard, "");
            }
            Cue::PlugInSecond => match self.tokens.get(1) {
                None => type_line(keyboard, ""),
                Some(second) => {
                    second.plug_in();
                    type_line(keyboard, "/dev/hidraw1");
                }
            },
            Cue::PullOutSecond => {
                self.tokens[1].pull_out();
                type_line(keyboard, "");
            }
            Cue::Swap => {
                self.tokens[0].pull_out();
                self.tokens[1].plug_in();
                type_line(keyboard, "");
            }
        }
        Some(end)
    }

    fn begin(&mut self, part: &str) {
        let start = part.rfind("== ").expect("a scenario has a name") + "== ".len();
        self.scenario = part[start..].lines().next().unwrap_or_default().trim_end().to_owned();
        let touches = match self.scenario.as_str() {
            "a touch is withheld"
            | "the token is pulled out"
            | "a touch for a code is withheld"
            | "the token is pulled out before a code" => AutoTouch::Off,
            _ => AutoTouch::Always(Duration::from_millis(50)),
        };
        self.tokens.iter().for_each(|token| token.touched(touches));
        if let Some((scenario, what)) = self.meanwhile
            && scenario == self.scenario
        {
            what();
        }
    }

    fn pin(&mut self, question: &str) -> &'static str {
        if self.scenario == "a PIN is wrong" && !self.pin_was_wrong {
            self.pin_was_wrong = true;
            return WRONG_PIN;
        }
        if question.contains(SECOND) { SECOND_PIN } else { PIN }
    }
}

fn type_line(keyboard: &mut ChildStdin, line: &str) {
    // who has gone says so by its exit code
    let _ = writeln!(keyboard, "{line}");
}

/// The path with the folder where tests/setup puts age-plugin-yubikey.
fn path_with_tools() -> std::ffi::OsString {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths([tools].into_iter().chain(env::split_paths(&path))).expect("folders")
}
