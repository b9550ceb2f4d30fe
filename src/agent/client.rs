//! Asks the agent for credentials and is the person's side meanwhile: shows its words, asks its questions, runs the programs that
//! the config names. Starts an agent if there is none; does without one where there can be none.

mod aside;
mod silence;
mod start;

use super::place::Place;
use super::protocol::frame::{self, Frame};
use super::protocol::plan::Plan;
use super::protocol::{
    Answer, Failure, Folders, Greeting, NETWORK, NO_TOKEN, Opening, Program, Question, READ_FROM_PROCESS, Request,
    Screen, Spoken, USER, Wants, Word,
};
use super::run::Wanted;
use crate::chain::Chain;
use crate::chain::mfa::program;
use crate::context::{Chatter, Context};
use crate::credential::{Credentials, printed};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Action;
use crate::prompt::Awaited;
use crate::secret::SecretText;
use crate::vault::Vault;
use crate::vault::unlock::KeyChoice;
use crate::wrap::passphrase;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub use aside::{lock, status};
pub use start::detach;

/// How long an agent may take to say that it has understood; one that is stopped would never.
const FIRST_WORD: Duration = Duration::from_secs(10);

/// How long a frame that has begun may take.
const FRAME_PATIENCE: Duration = Duration::from_secs(5);

/// How often a connection that ends before the agent's first word is tried again.
const MOST_UNHEARD: usize = 10;

/// Before it is.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether the agent may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As `config.toml` says.
    Usual,
    /// `--no-agent`.
    Alone,
    /// It was, and this is what comes after; the person has been told why.
    Refused,
}

/// A way to the agent, and the connection to one that runs. It is made before there is anything to ask, so that the agent gets ready to
/// read while the request is put together.
pub struct Call {
    way: Way,
    place: Place,
    begun: Option<Result<Option<UnixStream>>>,
}

impl Call {
    /// Connects, if the agent may be asked; what comes of it is said when it is.
    pub fn begin(ctx: &Context, way: Way) -> Self {
        let place = Place::of(&ctx.paths);
        let asks = way == Way::Usual && ctx.settings.agent != Some(false);
        Call {
            way,
            begun: asks.then(|| place.connect()),
            place,
        }
    }

    /// The connection that was begun. Where nobody listened then, somebody may by now.
    fn connect(&mut self) -> Result<Option<UnixStream>> {
        match self.begun.take() {
            Some(Ok(None)) | None => self.place.connect(),
            Some(begun) => begun,
        }
    }
}

/// What does without the agent: [`super::run::alone`], or what starts a program that can do that.
pub type Alone<'a> = &'a dyn Fn(&Context, &Vault, &Chain, Wanted) -> Result<Credentials>;

/// Credentials for `chain`: from the agent, or by `alone`.
///
/// # Errors
/// Everything between a missing entry and a refusal by AWS.
pub fn credentials(
    ctx: &Context,
    vault: &Vault,
    chain: &Chain,
    wanted: Wanted,
    (mut call, alone): (Call, Alone<'_>),
) -> Result<Credentials> {
    if call.way == Way::Refused {
        return alone(ctx, vault, chain, Wanted { lease: 0, ..wanted });
    }
    let refused = match Asked::new(ctx, chain, &wanted, call.way) {
        Ok(asked) => match asked.ask(ctx, vault, chain, &mut call)? {
            Outcome::Credentials(credentials) => return Ok(credentials),
            Outcome::Elsewhere(why) => why,
        },
        Err(why) => why,
    };
    ctx.debug(|| format!("without the agent: {refused}"));
    if wanted.lease > 0 {
        ctx.dialogue
            .note(&format!("nothing is leased, for that takes the agent: {refused}"));
    }
    alone(ctx, vault, chain, Wanted { lease: 0, ..wanted })
}

fn unexpected(word: &Word) -> Error {
    match word {
        Word::OtherVersion(theirs) => Error::new(
            ErrorKind::Other,
            format!(
                "the agent that runs is of version {}, and this is {}",
                theirs.version,
                env!("CARGO_PKG_VERSION")
            ),
        )
        .hint("it ends when nothing asks for it; or end its process"),
        _ => Error::new(ErrorKind::Other, "the agent answered something else than it was asked"),
    }
}

enum Outcome {
    Credentials(Credentials),
    /// Why the agent can't serve the request.
    Elsewhere(String),
}

/// What came of one connection.
enum Talk {
    Ended(Outcome),
    /// It ended before the agent's first word, which comes before any work: nothing was done. The kernel takes down a process
    /// that was killed piece by piece, and its socket may be the last to go.
    Unheard,
    /// The agent has gone without a last word.
    Broken,
    /// It is of this earlier version, and makes room.
    MakesRoom(String),
}

/// A request on its way to the agent.
struct Asked {
    opening: Opening,
    code: Option<SecretText>,
    leases: bool,
    patience: Option<Duration>,
}

impl Asked {
    /// The request; the inner error is why the agent is not asked.
    fn new(ctx: &Context, chain: &Chain, wanted: &Wanted, way: Way) -> std::result::Result<Self, String> {
        let not = |why: &str| Err(why.to_owned());
        if way == Way::Alone {
            return not("--no-agent");
        }
        if ctx.settings.agent == Some(false) {
            return not("agent = false in config.toml");
        }
        let key = match &wanted.key {
            KeyChoice::Any => None,
            KeyChoice::Named(name) => Some(name.to_string()),
            // The key on paper opens everything, for ever: it stays in this process.
            KeyChoice::Recovery => return not("the recovery key is typed"),
        };
        let Some(plan) = Plan::of(chain) else {
            return not("the chain begins outside the vault");
        };
        let set = |names: &[&str]| -> BTreeMap<String, String> {
            let value = |name: &&str| Some(((*name).to_owned(), ctx.env.text(name)?.to_owned()));
            names.iter().filter_map(value).collect()
        };
        let network = set(&NETWORK);
        let is_relative = |name: &&str| network.get(*name).is_some_and(|path| !path.starts_with('/'));
        if let Some(name) = READ_FROM_PROCESS.into_iter().find(|name| is_relative(name)) {
            return Err(format!(
                "{name} is relative, and the agent has another working directory"
            ));
        }
        let code = wanted.codes.given.clone();
        let request = Request {
            folders: Folders::of(&ctx.paths),
            plan,
            network,
            user: set(&USER),
            command: match &wanted.action {
                Action::Run(words) => Some(shown(words)),
                Action::Export => None,
            },
            key,
            refresh: wanted.refresh,
            gives_code: code.is_some(),
            codes: wanted.codes.source.map(Into::into),
            lease: wanted.lease,
            screen: screen(ctx),
            debug: ctx.chatter == Chatter::Debug,
        };
        Ok(Asked {
            opening: Opening {
                greeting: Greeting::ours(),
                wants: Wants::Credentials(Box::new(request)),
            },
            code,
            leases: wanted.lease > 0,
            patience: wanted.patience,
        })
    }

    /// Asks an agent that runs before anything about keys is read: within a lease nothing of it is needed.
    fn ask(&self, ctx: &Context, vault: &Vault, chain: &Chain, call: &mut Call) -> Result<Outcome> {
        let mut asked_again = false;
        let mut unheard = 0;
        loop {
            let stream = match call.connect() {
                Ok(Some(stream)) => stream,
                Ok(None) if !self.leases && !vault.has_token()? => return Ok(Outcome::Elsewhere(NO_TOKEN.into())),
                Ok(None) => match start::started(ctx, &call.place) {
                    Ok(stream) => stream,
                    Err(why) => return Ok(Outcome::Elsewhere(why)),
                },
                Err(error) => {
                    ctx.dialogue.note(&format!("the agent is not used: {error}"));
                    error.hints().iter().for_each(|hint| ctx.dialogue.note(hint));
                    return Ok(Outcome::Elsewhere(error.message().to_owned()));
                }
            };
            match self.talk(ctx, chain, &stream)? {
                Talk::Ended(outcome) => return Ok(outcome),
                Talk::Unheard if unheard < MOST_UNHEARD => {
                    unheard += 1;
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Talk::Unheard => return Ok(Outcome::Elsewhere("it closes every connection".into())),
                Talk::MakesRoom(version) if asked_again => {
                    let why = format!("one of version {version} serves here and does not make room");
                    return Ok(Outcome::Elsewhere(why));
                }
                Talk::Broken if asked_again => {
                    return Err(
                        Error::new(ErrorKind::Other, "the agent ended twice while it worked on this")
                            .hint("--no-agent does it without one"),
                    );
                }
                Talk::MakesRoom(_) => {}
                // Nobody knows whether the code was used, and AWS takes it once.
                Talk::Broken if self.code.is_some() => {
                    return Err(Error::new(
                        ErrorKind::Other,
                        "the agent ended while it worked on this; the code may be spent",
                    )
                    .hint("try again with the next code"));
                }
                Talk::Broken => ctx.dialogue.tell("the agent ended; asking again"),
            }
            asked_again = true;
        }
    }

    fn talk(&self, ctx: &Context, chain: &Chain, stream: &UnixStream) -> Result<Talk> {
        let code = self.code.as_ref().map_or(&b""[..], |code| code.expose().as_bytes());
        match frame::encode(&self.opening, code) {
            Ok(bytes) if std::io::Write::write_all(&mut &*stream, &bytes).is_err() => return Ok(Talk::Unheard),
            Ok(_) => {}
            Err(error) => return Ok(Talk::Ended(Outcome::Elsewhere(error.message().to_owned()))),
        }
        let mut awaited: Option<Awaited<'_>> = None;
        let mut heard = false;
        loop {
            if heard && let Err(silent) = silence::outlast(stream) {
                let error = silence::stands_still(stream, silent);
                return Err(match self.code {
                    Some(_) => error.hint("the code may be spent: take the next one"),
                    None => error,
                });
            }
            let frame = match frame::read(stream, Some(FIRST_WORD), FRAME_PATIENCE) {
                Ok(Some(frame)) => frame,
                Ok(None) if !heard => return Ok(Talk::Unheard),
                Ok(None) => return Ok(Talk::Broken),
                Err(error) if !heard => {
                    // It took long, and will next time: the person should know.
                    let words = "the agent does not answer as it should; going on without it";
                    ctx.dialogue.tell(&format!("{words}: {}", error.message()));
                    return Ok(Talk::Ended(Outcome::Elsewhere(error.message().to_owned())));
                }
                Err(error) => return Err(error.hint("--no-agent does it without the agent")),
            };
            let first = !std::mem::replace(&mut heard, true);
            match frame.parse()? {
                // It takes longer than an answer from memory.
                Word::Heard => {
                    if let Some(patience) = self.patience.filter(|_| first) {
                        ctx.dialogue.pace().limit(patience);
                    }
                }
                Word::OtherVersion(theirs) => {
                    let ours = Greeting::ours();
                    if theirs.is_older_than(&ours) {
                        return Ok(Talk::MakesRoom(theirs.version));
                    }
                    let why = format!("it is of version {}, later than this one", theirs.version);
                    return Ok(Talk::Ended(Outcome::Elsewhere(why)));
                }
                Word::Elsewhere(why) => return Ok(Talk::Ended(Outcome::Elsewhere(why))),
                Word::Say { voice, line } => match voice {
                    Spoken::Tell => ctx.dialogue.tell(&line),
                    Spoken::Note => ctx.dialogue.note(&line),
                    Spoken::Debug => ctx.dialogue.debug(&line),
                },
                Word::Touch { line } => {
                    drop(awaited.take());
                    awaited = Some(ctx.dialogue.touch(&line));
                }
                Word::Touched => drop(awaited.take()),
                Word::CountDown { words, seconds } => ctx.dialogue.tell(&format!("{words} {seconds} s")),
                Word::Ask { how, question } => reply(stream, ask(ctx, how, &question)),
                Word::Run(program) => reply(stream, run(ctx, chain, &program)),
                Word::Credentials => {
                    return credentials_of(ctx, &frame).map(|it| Talk::Ended(Outcome::Credentials(it)));
                }
                Word::Failed(failure) => return Err(failure.into()),
                word @ (Word::Status(_) | Word::Locked { .. }) => return Err(unexpected(&word)),
            }
        }
    }
}

fn credentials_of(ctx: &Context, frame: &Frame) -> Result<Credentials> {
    printed::parse(&frame.text()?, "the agent", ctx.now())
}

fn reply(stream: &UnixStream, answer: Result<SecretText>) {
    // If the agent has gone, the next read tells.
    let _ = match &answer {
        Ok(text) => frame::write(stream, &Answer::Given, text.expose().as_bytes()),
        Err(error) => frame::write(stream, &Answer::Failed(Failure::from(error)), &[]),
    };
}

fn ask(ctx: &Context, how: Question, question: &str) -> Result<SecretText> {
    match how {
        Question::Line => ctx.dialogue.ask(question).map(|line| SecretText::copy_of(&line)),
        Question::Secret => ctx.dialogue.ask_secret(question),
        Question::Consent => ctx
            .dialogue
            .confirm(question)
            .map(|yes| SecretText::copy_of(if yes { "y" } else { "n" })),
    }
}

/// Runs a program that this client's own config names: the agent can only say which.
fn run(ctx: &Context, chain: &Chain, which: &Program) -> Result<SecretText> {
    let command = match which {
        Program::Mfa { serial } => {
            let mut devices = chain.steps.iter().filter_map(|step| step.mfa());
            let process = devices
                .find(|mfa| mfa.serial.value.as_str() == serial)
                .and_then(|mfa| mfa.process.as_ref());
            return program::output(process.ok_or_else(no_program)?);
        }
        Program::Passphrase => ctx.settings.passphrase_command.as_ref(),
    };
    passphrase::from_command(command.ok_or_else(no_program)?)
}

fn no_program() -> Error {
    Error::new(
        ErrorKind::Config,
        "the agent asks for a program that is not configured here",
    )
}

/// The command's words, as far as anybody is shown them: a request has a bound, and a command line may be megabytes.
fn shown(words: &[String]) -> Vec<String> {
    const ENOUGH: usize = 200;
    let mut room = ENOUGH;
    let mut shown = Vec::new();
    for word in words {
        if room == 0 {
            break;
        }
        let cut: String = word.chars().take(room).collect();
        room -= cut.chars().count();
        shown.push(cut);
    }
    shown
}

fn screen(ctx: &Context) -> Screen {
    // Who is in the foreground writes on the terminal, whatever stderr is; also who can't ask there at this moment, because another
    // one of the same group reads a PIN.
    let terminal = ctx.dialogue.terminal_session().map(|session| (0, session, 0));
    let place = terminal.or_else(|| {
        let file = std::fs::metadata("/proc/self/fd/2").ok()?;
        Some((file.dev(), file.ino(), file.rdev()))
    });
    Screen {
        asks: ctx.dialogue.has_terminal(),
        // Without any stderr nothing is seen, and each is its own.
        place: place.unwrap_or((1, u64::from(std::process::id()), 0)),
    }
}
