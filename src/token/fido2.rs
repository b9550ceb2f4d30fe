//! A FIDO2 token by hmac-secret: which nodes there are, what a token can do, a credential, and the outputs for one or two salts.
//!
//! The crate that speaks CTAP never times out, prints, may panic on an answer, and wipes nothing. So it runs in a child of this
//! program ([`serve`]), which answers over a pipe, is told to stop at a deadline, and takes its memory with it. Here is the parent's
//! side: a [`Session`] is one child with one token. When a PIN is asked for, and what a touch is for, is left to others.
//!
//! | module    | its idea                                                        |
//! |-----------|-----------------------------------------------------------------|
//! | `child`   | the child: the only code that names the crates                  |
//! | `failure` | what a token refused, from the crate's words to a [`Fault`]     |
//! | `pin`     | a PIN as CTAP has it                                            |
//! | `told`    | what an answer comes to, and what of it is not believed         |
//! | `wire`    | requests and answers between the two                            |
//! | `worker`  | starting the child, waiting for it, ending it                   |

mod child;
mod failure;
mod pin;
pub mod told;
mod wire;
mod worker;

pub use child::serve;
pub use failure::Fault;
pub use pin::Pin;
pub use wire::{Check, Info, Node, Outcome, Ownership, RP_ID};

use std::io::{Read, Write};
use std::time::{Duration, Instant};
use wire::{Answer, LONGEST_CREDENTIAL, Request};
use worker::Worker;
use zeroize::Zeroizing;

/// The word that makes this program the child. No command has this name.
pub const CHILD: &str = "__fido2";

/// A result of this module.
pub type Result<T> = std::result::Result<T, Fault>;

/// How long an output is (CTAP 2.1, 12.5). In bytes.
const OUTPUT: usize = 32;

/// The output for one salt.
pub type Output = Zeroizing<[u8; OUTPUT]>;

/// What a token answers without a person. The slowest ones take about a second for the key agreement before a PIN; the rest is for a
/// machine that is busy with other things.
const QUICK: Duration = Duration::from_secs(10);

/// A token waits some 30 s for a touch (CTAP 2.1, 6.1.2 and 6.2.2: at least 10 s); after this it is given up.
const TOUCH: Duration = Duration::from_secs(45);

/// The nodes of FIDO tokens, also those that this user may not open.
///
/// # Errors
/// [`Fault::NotStarted`] or [`Fault::Nonsense`] when the child can't be had; without a token the list is empty.
pub fn nodes() -> Result<Vec<Node>> {
    listed(Worker::start()?)
}

/// The same from a child of somebody else's: what it says, and where it is asked.
///
/// # Errors
/// As [`nodes`].
pub fn nodes_over(answers: impl Read + Send + 'static, requests: impl Write + Send + 'static) -> Result<Vec<Node>> {
    listed(Worker::over(answers, requests))
}

fn listed(mut worker: Worker) -> Result<Vec<Node>> {
    match worker.ask(&Request::Nodes, None, QUICK)? {
        (Answer::Nodes(nodes), _) => Ok(nodes),
        (Answer::Fault(fault), _) => Err(fault),
        _ => Err(Fault::Nonsense {
            doing: "listing the tokens",
        }),
    }
}

/// A token that is open, in a child of its own.
pub struct Session {
    worker: Worker,
    info: Info,
}

impl Session {
    /// Opens the token at `path` and reads what it can do.
    pub fn open(path: &str) -> Result<Self> {
        Self::begin(Worker::start()?, path)
    }

    /// The same by a child of somebody else's: what it says, and where it is asked.
    pub fn over(answers: impl Read + Send + 'static, requests: impl Write + Send + 'static) -> Result<Self> {
        Self::begin(Worker::over(answers, requests), "")
    }

    fn begin(mut worker: Worker, path: &str) -> Result<Self> {
        match worker.ask(&Request::Open { path: path.to_owned() }, None, QUICK)? {
            (Answer::Info(info), _) => Ok(Session { worker, info }),
            (Answer::Fault(Fault::NoTouch { .. }), _) => Err(Fault::Nonsense {
                doing: "reading what it can do",
            }),
            (Answer::Fault(fault), _) => Err(fault),
            _ => Err(Fault::Nonsense {
                doing: "reading what it can do",
            }),
        }
    }

    /// What it said of itself when it was opened.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// How many wrong PINs are still allowed.
    pub fn pin_tries(&mut self) -> Result<u8> {
        match self.ask_quickly(&Request::PinTries, None)? {
            Answer::Tries(tries) => Ok(tries),
            _ => Err(Fault::Nonsense {
                doing: "reading its PIN tries",
            }),
        }
    }

    /// Whether `credential` is one of this token's; asks for no touch and no PIN.
    pub fn owns(&mut self, credential: &[u8]) -> Result<Ownership> {
        let request = Request::Owns {
            credential: wire::Bytes(credential.to_vec()),
        };
        match self.ask_quickly(&request, None)? {
            Answer::Ownership(ownership) => Ok(ownership),
            _ => Err(Fault::Nonsense {
                doing: "looking for a credential",
            }),
        }
    }

    /// Has the token check the PIN, which spends a try if it is wrong. The child keeps it for what follows.
    pub fn check_pin(&mut self, pin: &Pin) -> Result<()> {
        match self.ask_quickly(&Request::Pin, Some(pin.expose().as_bytes()))? {
            Answer::Done => Ok(()),
            _ => Err(Fault::Nonsense {
                doing: "checking its PIN",
            }),
        }
    }

    /// Makes a credential that stays with us, not on the token. Waits for a touch.
    pub fn make(&mut self, check: Check) -> Result<Vec<u8>> {
        match self.ask_with_touch(&Request::Make { check })? {
            (Answer::Made { credential }, _) if (1..=LONGEST_CREDENTIAL).contains(&credential.0.len()) => {
                Ok(credential.0)
            }
            _ => Err(Fault::Nonsense {
                doing: "making a credential",
            }),
        }
    }

    /// The output for one salt. Waits for a touch.
    pub fn output(&mut self, credential: &[u8], salt: &[u8; 32], check: Check) -> Result<Output> {
        let secret = self.outputs(credential, &[*salt], check)?;
        take(&secret, 0)
    }

    /// The outputs for two salts, for one touch.
    pub fn two_outputs(&mut self, credential: &[u8], salts: [&[u8; 32]; 2], check: Check) -> Result<[Output; 2]> {
        let secret = self.outputs(credential, &salts.map(|salt| *salt), check)?;
        Ok([take(&secret, 0)?, take(&secret, 1)?])
    }

    fn outputs(&mut self, credential: &[u8], salts: &[[u8; 32]], check: Check) -> Result<Zeroizing<Vec<u8>>> {
        let request = Request::Outputs {
            credential: wire::Bytes(credential.to_vec()),
            salts: salts.iter().map(|salt| wire::Bytes(salt.to_vec())).collect(),
            check,
        };
        match self.ask_with_touch(&request)? {
            (Answer::Outputs, secret) if secret.len() == OUTPUT * salts.len() => Ok(secret),
            _ => Err(Fault::Nonsense {
                doing: "calculating with it",
            }),
        }
    }

    /// A request that a token answers by itself. One that says that it waited for a touch did something else than it was asked to.
    fn ask_quickly(&mut self, request: &Request, secret: Option<&[u8]>) -> Result<Answer> {
        match self.worker.ask(request, secret, QUICK)? {
            (Answer::Fault(Fault::NoTouch { .. }), _) => Err(Fault::Nonsense { doing: request.doing() }),
            (Answer::Fault(fault), _) => Err(fault),
            (answer, _) => Ok(answer),
        }
    }

    /// A request that the token answers after a touch; a missed one is told with the time that it waited.
    fn ask_with_touch(&mut self, request: &Request) -> Result<(Answer, Zeroizing<Vec<u8>>)> {
        let start = Instant::now();
        match self.worker.ask(request, None, TOUCH)? {
            (Answer::Fault(Fault::NoTouch { .. }), _) => Err(Fault::NoTouch {
                waited: start.elapsed(),
            }),
            (Answer::Fault(fault), _) => Err(fault),
            answer => Ok(answer),
        }
    }
}

fn take(secret: &[u8], which: usize) -> Result<Output> {
    let part = secret.get(OUTPUT * which..OUTPUT * (which + 1));
    let bytes = part.and_then(|part| <[u8; OUTPUT]>::try_from(part).ok());
    bytes.map(Zeroizing::new).ok_or(Fault::Nonsense {
        doing: "calculating with it",
    })
}
