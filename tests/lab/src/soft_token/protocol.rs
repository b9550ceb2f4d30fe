//! The words of the control socket.
//!
//! A client sends one line and gets one line of JSON: an object with `"ok": true` and the answer's fields beside it,
//! or `{"ok": false, "error": "..."}`. A connection can carry any number of lines, one after the other.
//!
//! | line | does | answer's fields |
//! |---|---|---|
//! | `ping` | tells who and where the token is | `serial`, `firmware`, `inserted`, `connected`, `recognised` |
//! | `touch` | one touch, lost if the token isn't blinking | `taken` |
//! | `auto-touch on [MS]` | touches each wait after MS (0) | |
//! | `auto-touch count N [MS]` | touches the next N waits, then no more | |
//! | `auto-touch off` | touches nothing | |
//! | `touch-timeout MS` | how long the token blinks from the next wait on | |
//! | `wait [MS]` | blocks until the token blinks, MS (30000) at most | `request`: `number`, `purpose`; or null |
//! | `remove` | pulls the token out, even while it blinks | |
//! | `insert` | plugs it in; blocks until the reader has recognised it | `recognised` |
//! | `counts` | touches and attempts since the start | `touches`, `attempts` |
//! | `mark` | where the journal stands | `mark` |
//! | `log [MARK]` | the journal since MARK (0) | `entries` |
//! | `quit` | ends the process | |

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    body::{AutoTouch, Plug, Request as TouchRequest, TouchCounts},
    firmware::Firmware,
    journal::{Entry, PinCounts},
};

/// How long `wait` blocks if nobody says.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// One line to the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Ping,
    Touch,
    AutoTouch(AutoTouch),
    TouchTimeout(Duration),
    Wait(Duration),
    Remove,
    Insert,
    Counts,
    Mark,
    Log { since: usize },
    Quit,
}

/// Answer to `ping`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    pub serial: u32,
    pub firmware: Firmware,
    #[serde(flatten)]
    pub plug: Plug,
}

/// Answer to `touch`.
#[derive(Serialize, Deserialize)]
pub struct Taken {
    pub taken: bool,
}

/// Answer to `wait`.
#[derive(Serialize, Deserialize)]
pub struct Awaited {
    pub request: Option<TouchRequest>,
}

/// Answer to `insert`.
#[derive(Serialize, Deserialize)]
pub struct Recognised {
    pub recognised: bool,
}

/// Answer to `counts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub touches: TouchCounts,
    pub attempts: PinCounts,
}

/// Answer to `mark`.
#[derive(Serialize, Deserialize)]
pub struct Mark {
    pub mark: usize,
}

/// Answer to `log`.
#[derive(Serialize, Deserialize)]
pub struct Log {
    pub entries: Vec<Entry>,
}

/// Answer to whatever needs no other.
#[derive(Serialize, Deserialize)]
pub struct Done {}

impl FromStr for Request {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match words.as_slice() {
            ["ping"] => Self::Ping,
            ["touch"] => Self::Touch,
            ["auto-touch", "off"] => Self::AutoTouch(AutoTouch::Off),
            ["auto-touch", "on", rest @ ..] => Self::AutoTouch(AutoTouch::Always(optional_time(rest, Duration::ZERO)?)),
            ["auto-touch", "count", left, rest @ ..] => Self::AutoTouch(AutoTouch::Count {
                left: number(left)?,
                after: optional_time(rest, Duration::ZERO)?,
            }),
            ["touch-timeout", time] => Self::TouchTimeout(Duration::from_millis(number(time)?)),
            ["wait", rest @ ..] => Self::Wait(optional_time(rest, DEFAULT_WAIT)?),
            ["remove"] => Self::Remove,
            ["insert"] => Self::Insert,
            ["counts"] => Self::Counts,
            ["mark"] => Self::Mark,
            ["log"] => Self::Log { since: 0 },
            ["log", mark] => Self::Log { since: number(mark)? },
            ["quit"] => Self::Quit,
            _ => return Err(format!("not understood: {line:?}")),
        })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ping => write!(f, "ping"),
            Self::Touch => write!(f, "touch"),
            Self::AutoTouch(AutoTouch::Off) => write!(f, "auto-touch off"),
            Self::AutoTouch(AutoTouch::Always(after)) => write!(f, "auto-touch on {}", after.as_millis()),
            Self::AutoTouch(AutoTouch::Count { left, after }) => {
                write!(f, "auto-touch count {left} {}", after.as_millis())
            }
            Self::TouchTimeout(time) => write!(f, "touch-timeout {}", time.as_millis()),
            Self::Wait(time) => write!(f, "wait {}", time.as_millis()),
            Self::Remove => write!(f, "remove"),
            Self::Insert => write!(f, "insert"),
            Self::Counts => write!(f, "counts"),
            Self::Mark => write!(f, "mark"),
            Self::Log { since } => write!(f, "log {since}"),
            Self::Quit => write!(f, "quit"),
        }
    }
}

fn optional_time(words: &[&str], default: Duration) -> Result<Duration, String> {
    match words {
        [] => Ok(default),
        [time] => Ok(Duration::from_millis(number(time)?)),
        [_, more, ..] => Err(format!("one word too many: {more:?}")),
    }
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("not a number: {word:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_back_as_they_were_written() {
        let second = Duration::from_secs(1);
        for request in [
            Request::Ping,
            Request::Touch,
            Request::AutoTouch(AutoTouch::Off),
            Request::AutoTouch(AutoTouch::Always(second)),
            Request::AutoTouch(AutoTouch::Count { left: 3, after: second }),
            Request::TouchTimeout(second),
            Request::Wait(second),
            Request::Remove,
            Request::Insert,
            Request::Counts,
            Request::Mark,
            Request::Log { since: 7 },
            Request::Quit,
        ] {
            assert_eq!(request.to_string().parse(), Ok(request));
        }
    }

    #[test]
    fn what_is_left_out_has_its_default_and_nonsense_is_refused() {
        assert_eq!("wait".parse(), Ok(Request::Wait(DEFAULT_WAIT)));
        assert_eq!(
            "auto-touch on".parse(),
            Ok(Request::AutoTouch(AutoTouch::Always(Duration::ZERO)))
        );
        for line in ["", "tap", "wait soon", "wait 1 2", "auto-touch", "auto-touch count"] {
            assert!(line.parse::<Request>().is_err(), "{line:?}");
        }
    }
}
