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
//! | `wire`    | requests and answers between the two                            |
//! | `worker`  | starting the child, waiting for it, ending it                   |

mod child;
mod failure;
mod pin;
mod wire;
mod worker;

pub use child::serve;
pub use failure::Fault;
pub use pin::Pin;
pub use wire::{Check, Info, Node, Outcome, Ownership, RP_ID};

use std::time::{Duration, Instant};
use wire::{Answer, Request};
use worker::Worker;
use zeroize::Zeroizing;

/// The word that makes this program the child. No command has this name.
pub const CHILD: &str = "__fido2";

/// A result of this module.
pub type Result<T> = std::result::Result<T, Fault>;

/// The output for one salt, 32 bytes.
pub type Output = Zeroizing<[u8; 32]>;

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
    match Worker::start()?.ask(&Request::Nodes, None, QUICK)? {
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
        let mut worker = Worker::start()?;
        match worker.ask(&Request::Open { path: path.to_owned() }, None, QUICK)? {
            (Answer::Info(info), _) => Ok(Session { worker, info }),
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
        match self.worker.ask(&Request::PinTries, None, QUICK)? {
            (Answer::Tries(tries), _) => Ok(tries),
            (Answer::Fault(fault), _) => Err(fault),
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
        match self.worker.ask(&request, None, QUICK)? {
            (Answer::Ownership(ownership), _) => Ok(ownership),
            (Answer::Fault(fault), _) => Err(fault),
            _ => Err(Fault::Nonsense {
                doing: "looking for a credential",
            }),
        }
    }

    /// Has the token check the PIN, which spends a try if it is wrong. The child keeps it for what follows.
    pub fn check_pin(&mut self, pin: &Pin) -> Result<()> {
        match self.worker.ask(&Request::Pin, Some(pin.expose().as_bytes()), QUICK)? {
            (Answer::Done, _) => Ok(()),
            (Answer::Fault(fault), _) => Err(fault),
            _ => Err(Fault::Nonsense {
                doing: "checking its PIN",
            }),
        }
    }

    /// Makes a credential that stays with us, not on the token. Waits for a touch.
    pub fn make(&mut self, check: Check) -> Result<Vec<u8>> {
        match self.ask_with_touch(&Request::Make { check })? {
            (Answer::Made { credential }, _) => Ok(credential.0),
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
            (Answer::Outputs, secret) if secret.len() == 32 * salts.len() => Ok(secret),
            _ => Err(Fault::Nonsense {
                doing: "calculating with it",
            }),
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
    let part = secret.get(32 * which..32 * (which + 1));
    let bytes = part.and_then(|part| <[u8; 32]>::try_from(part).ok());
    bytes.map(Zeroizing::new).ok_or(Fault::Nonsense {
        doing: "calculating with it",
    })
}
