//! The child as its parent has it: started from this very program, asked over pipes, ended at a deadline.

use super::wire::{self, Answer, Request};
use super::{CHILD, Fault, Result};
use crate::secret::SECRET_VARIABLES;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long the child may take to tell its token to stop and to end, before it is killed.
const FAREWELL: Duration = Duration::from_millis(700);

/// This program, whatever its file is called by now: an update may have replaced it while it runs.
const MYSELF: &str = "/proc/self/exe";

/// An answer with its secret part; the error says how the child failed.
type Received = std::io::Result<Option<(Answer, Zeroizing<Vec<u8>>)>>;

/// A running child.
pub struct Worker {
    /// `None`: somebody else's, of whom there are only the pipes.
    child: Option<Child>,
    /// Closed to end the child; it notices that also when this program is killed.
    requests: Option<Box<dyn Write + Send>>,
    answers: Receiver<Received>,
}

impl Worker {
    /// Starts one. It is in a process group of its own: Ctrl-C ends this program, and the closed pipe then ends the child, which
    /// tells its token to stop blinking first.
    pub fn start() -> Result<Self> {
        let failed = |err: std::io::Error| Fault::NotStarted {
            detail: err.to_string(),
        };
        let mut command = Command::new(MYSELF);
        for name in SECRET_VARIABLES {
            command.env_remove(name);
        }
        let mut child = command
            .arg0("tapvault")
            .arg(CHILD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (requests, answers) = pipes.ok_or_else(|| failed(std::io::ErrorKind::BrokenPipe.into()))?;
        let mut worker = Self::over(answers, requests);
        worker.child = Some(child);
        Ok(worker)
    }

    /// Who reads and answers at the other ends of two pipes.
    pub fn over(mut answers: impl Read + Send + 'static, requests: impl Write + Send + 'static) -> Self {
        let (send, received) = mpsc::channel();
        std::thread::spawn(move || {
            loop {
                let answer = wire::receive::<Answer>(&mut answers);
                let over = !matches!(answer, Ok(Some(_)));
                if send.send(answer).is_err() || over {
                    break;
                }
            }
        });
        Worker {
            child: None,
            requests: Some(Box::new(requests)),
            answers: received,
        }
    }

    /// Asks, and waits for the answer until `patience` has run out; then the child is ended.
    pub fn ask(
        &mut self,
        request: &Request,
        secret: Option<&[u8]>,
        patience: Duration,
    ) -> Result<(Answer, Zeroizing<Vec<u8>>)> {
        let doing = request.doing();
        let sent = self
            .requests
            .as_mut()
            .is_some_and(|pipe| wire::send(pipe, request, secret.unwrap_or_default()).is_ok());
        if !sent {
            return Err(Fault::Nonsense { doing });
        }
        match self.answers.recv_timeout(patience) {
            Ok(Ok(Some((answer, secret)))) => Ok((answer.doing(doing), secret)),
            // It ended without an answer: the crate has panicked.
            Ok(Ok(None) | Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(Fault::Nonsense { doing }),
            Err(RecvTimeoutError::Timeout) => {
                self.end();
                Err(Fault::Unanswered { waited: patience })
            }
        }
    }

    fn end(&mut self) {
        self.requests = None;
        let Some(child) = &mut self.child else { return };
        let start = Instant::now();
        while start.elapsed() < FAREWELL {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

impl Request {
    /// What it is, for a failure.
    pub fn doing(&self) -> &'static str {
        match self {
            Request::Nodes => "listing the tokens",
            Request::Open { .. } => "reading what it can do",
            Request::PinTries => "reading its PIN tries",
            Request::Owns { .. } => "looking for a credential",
            Request::Pin => "checking its PIN",
            Request::Make { .. } => "making a credential",
            Request::Outputs { .. } => "calculating with it",
        }
    }
}

impl Answer {
    /// The child can't send the words of a failure that it has in common with its parent.
    fn doing(self, doing: &'static str) -> Self {
        match self {
            Answer::Fault(Fault::Nonsense { .. }) => Answer::Fault(Fault::Nonsense { doing }),
            answer => answer,
        }
    }
}
