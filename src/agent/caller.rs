//! A client as the agent sees it: a connection that lines and questions are sent over, and whose answers are awaited.

use super::asker::Asker;
use super::protocol::frame::{self, Frame};
use super::protocol::{Answer, Program, Question, SIGN_OF_LIFE, Screen, Word};
use crate::error::{Error, ErrorKind, Result};
use crate::prompt::{Asks, Helper, nobody};
use crate::secret::SecretText;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a client may take to accept a frame: it reads all the time.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// How long a frame that has begun may take.
const FRAME_PATIENCE: Duration = Duration::from_secs(5);

/// How long a person may take to answer. Others wait for the token meanwhile, perhaps for a prompt that was forgotten.
const ANSWER_PATIENCE: Duration = Duration::from_secs(120);

/// More answers than any request needs; a client that sends more is cut off.
const MOST_ANSWERS: usize = 64;

/// A client that waits.
pub struct Caller {
    stream: Arc<UnixStream>,
    /// Who it is.
    pub asker: Asker,
    /// Where its lines land.
    pub screen: Screen,
    /// Whether it wants debug lines.
    pub debug: bool,
    /// Held while a frame is written, so that two never mix.
    writing: Mutex<()>,
    /// Held while one question is answered.
    asking: Mutex<()>,
    answer: Mutex<Pending>,
    answered: Condvar,
    there: AtomicBool,
    /// Whether it has got its last word.
    served: AtomicBool,
}

enum Pending {
    /// Nothing is asked.
    Nothing,
    /// An answer is awaited.
    Awaited,
    /// It has come.
    Come(Result<SecretText>),
}

impl Caller {
    /// The client at the other end of `stream`.
    pub fn new(stream: Arc<UnixStream>, asker: Asker, screen: Screen, debug: bool) -> Self {
        // Without it a client that never reads would hold up others.
        let _ = stream.set_write_timeout(Some(WRITE_PATIENCE));
        Caller {
            stream,
            asker,
            screen,
            debug,
            writing: Mutex::new(()),
            asking: Mutex::new(()),
            answer: Mutex::new(Pending::Nothing),
            answered: Condvar::new(),
            there: AtomicBool::new(true),
            served: AtomicBool::new(false),
        }
    }

    /// Whether it still waits.
    pub fn is_there(&self) -> bool {
        self.there.load(Ordering::SeqCst)
    }

    /// Sends a word; a client that does not take it has gone.
    pub fn send(&self, word: &Word, body: &[u8]) {
        let _writing = unpoisoned(&self.writing);
        if self.is_there() && frame::write(&self.stream, word, body).is_err() {
            self.leave();
        }
    }

    /// Sends the word that ends the request, and the connection with it; only the first one counts.
    pub fn send_last(&self, word: &Word, body: &[u8]) {
        if !self.served.swap(true, Ordering::SeqCst) {
            self.send(word, body);
            // What was sent can still be read; a client that stays on would only hold a place.
            self.leave();
        }
    }

    /// Asks the person there.
    ///
    /// # Errors
    /// What kept the person from answering; [`ErrorKind::Cancelled`] when the client has gone.
    pub fn ask(&self, how: Asks, question: &str) -> Result<SecretText> {
        self.await_answer(&Word::Ask {
            how: Question::from(how),
            question: question.to_owned(),
        })
    }

    /// Has the client run a program.
    ///
    /// # Errors
    /// The program's; [`ErrorKind::Cancelled`] when the client has gone.
    pub fn run(&self, helper: &Helper) -> Result<SecretText> {
        self.await_answer(&Word::Run(Program::from(helper)))
    }

    fn await_answer(&self, word: &Word) -> Result<SecretText> {
        let _asking = unpoisoned(&self.asking);
        *unpoisoned(&self.answer) = Pending::Awaited;
        self.send(word, &[]);
        let asked = Instant::now();
        let mut answer = unpoisoned(&self.answer);
        loop {
            if let Pending::Come(given) = std::mem::replace(&mut *answer, Pending::Awaited) {
                *answer = Pending::Nothing;
                return given;
            }
            if !self.is_there() {
                return Err(nobody());
            }
            let left = ANSWER_PATIENCE.saturating_sub(asked.elapsed());
            if left.is_zero() {
                // What is typed later was not asked for.
                *answer = Pending::Nothing;
                return Err(Error::new(
                    ErrorKind::Pin,
                    format!("nobody answered within {} s", ANSWER_PATIENCE.as_secs()),
                )
                .hint("run it again"));
            }
            answer = self
                .answered
                .wait_timeout(answer, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Reads what the client sends until it goes: its answers, and nothing else. Tells it meanwhile that it is not forgotten.
    pub fn listen(&self) {
        for _ in 0..MOST_ANSWERS {
            while !self.stirs_within(SIGN_OF_LIFE) {
                self.send(&Word::Heard, &[]);
            }
            let given = match frame::read(&self.stream, None, FRAME_PATIENCE) {
                Ok(Some(frame)) => answer(&frame),
                Ok(None) | Err(_) => break,
            };
            let mut pending = unpoisoned(&self.answer);
            // An answer that nobody asked for is no client of ours.
            if !matches!(*pending, Pending::Awaited) {
                break;
            }
            *pending = Pending::Come(given);
            drop(pending);
            self.answered.notify_all();
        }
        self.leave();
    }

    /// Whether it says something, or is gone, within that time.
    fn stirs_within(&self, time: Duration) -> bool {
        let time = Timespec::try_from(time).expect("seconds");
        match poll(&mut [PollFd::new(&*self.stream, PollFlags::IN)], Some(&time)) {
            Ok(number) => number > 0,
            Err(rustix::io::Errno::INTR) => false,
            // What is wrong with it, reading tells.
            Err(_) => true,
        }
    }

    /// It waits no longer: whoever waits for its answer is told.
    pub fn leave(&self) {
        self.there.store(false, Ordering::SeqCst);
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        drop(unpoisoned(&self.answer));
        self.answered.notify_all();
    }
}

fn answer(frame: &Frame) -> Result<SecretText> {
    match frame.parse::<Answer>()? {
        Answer::Given => Ok(SecretText::new(frame.text()?)),
        Answer::Failed(failure) => Err(failure.into()),
    }
}

/// The lock's content, whoever panicked with it: every value here is whole between two statements.
pub fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error for a request that the agent gives up.
pub fn given_up(why: &str) -> Error {
    Error::new(ErrorKind::Other, why)
}
