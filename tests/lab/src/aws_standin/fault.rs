//! What goes wrong on purpose, at which call.
//!
//! A fault names an action, lets some of its calls pass, and then acts on one, several or all. Whether it strikes
//! before or after the call took effect is a choice, because that is what clients get wrong: an answer that never
//! came does not mean that nothing happened.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::error::ApiError;

/// One thing to go wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Name of the action, or `*`.
    pub action: String,
    /// How many calls of it pass first.
    #[serde(default)]
    pub skip: u64,
    /// How many it then strikes; `None` for all.
    #[serde(default = "once")]
    pub times: Option<u64>,
    /// What happens.
    pub effect: Effect,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// The answer waits.
    Delay {
        /// So long.
        ms: u64,
        /// Before the call takes effect or after; after, it is in the log already.
        #[serde(default)]
        when: When,
    },
    /// The connection closes without an answer.
    Drop {
        /// Before the call takes effect or after.
        #[serde(default)]
        when: When,
    },
    /// The call takes effect, half of the answer is sent, the connection closes.
    Cut,
    /// An AWS error.
    Error {
        /// HTTP status.
        status: u16,
        /// Error code.
        code: String,
        /// Message.
        #[serde(default)]
        message: String,
        /// Seconds in a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u64>,
        /// Instead of the call, or after it took effect.
        #[serde(default)]
        when: When,
    },
    /// The call takes effect; the answer is this body, which is no XML.
    Garbage {
        /// HTTP status.
        #[serde(default = "ok")]
        status: u16,
        /// The body.
        #[serde(default = "garbage")]
        body: String,
    },
    /// The call takes effect; the answer comes byte by byte.
    Drip {
        /// Pause after each byte.
        ms: u64,
    },
}

/// Before or after the call took effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Nothing happened yet.
    #[default]
    Before,
    /// It happened.
    After,
}

/// A fault that was aimed, but not yet given its effect.
pub struct Aim {
    action: String,
    skip: u64,
    times: Option<u64>,
}

impl Fault {
    /// Aims at the next call of an action; `*` for any.
    pub fn on(action: &str) -> Aim {
        Aim {
            action: action.to_owned(),
            skip: 0,
            times: Some(1),
        }
    }
}

impl Aim {
    /// Aims at the n-th call from now on, counting from 1.
    pub fn nth(self, n: u64) -> Self {
        Self {
            skip: n.saturating_sub(1),
            ..self
        }
    }

    /// Strikes so many calls.
    pub fn times(self, times: u64) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// Strikes every call, until faults are cleared.
    pub fn every(self) -> Self {
        Self { times: None, ..self }
    }

    /// See [`Effect::Delay`].
    pub fn delay(self, ms: u64, when: When) -> Fault {
        self.with(Effect::Delay { ms, when })
    }

    /// See [`Effect::Drop`].
    pub fn drop_connection(self, when: When) -> Fault {
        self.with(Effect::Drop { when })
    }

    /// See [`Effect::Cut`].
    pub fn cut(self) -> Fault {
        self.with(Effect::Cut)
    }

    /// See [`Effect::Error`]; nothing happens but the error.
    pub fn error(self, status: u16, code: &str, message: &str) -> Fault {
        let (code, message) = (code.to_owned(), message.to_owned());
        self.with(Effect::Error {
            status,
            code,
            message,
            retry_after: None,
            when: When::Before,
        })
    }

    /// An error that is told though the call took effect.
    pub fn error_after_effect(self, status: u16, code: &str, message: &str) -> Fault {
        let (code, message) = (code.to_owned(), message.to_owned());
        self.with(Effect::Error {
            status,
            code,
            message,
            retry_after: None,
            when: When::After,
        })
    }

    /// STS's throttling: 400 `Throttling`, with `Retry-After`.
    pub fn throttle(self, retry_after: u64) -> Fault {
        let ApiError {
            status,
            code,
            message,
            retry_after,
        } = ApiError::throttling(Some(retry_after));
        self.with(Effect::Error {
            status,
            code,
            message,
            retry_after,
            when: When::Before,
        })
    }

    /// See [`Effect::Garbage`].
    pub fn garbage(self, body: &str) -> Fault {
        self.with(Effect::Garbage {
            status: ok(),
            body: body.to_owned(),
        })
    }

    /// See [`Effect::Drip`].
    pub fn drip(self, ms: u64) -> Fault {
        self.with(Effect::Drip { ms })
    }

    /// Any effect.
    pub fn with(self, effect: Effect) -> Fault {
        Fault {
            action: self.action,
            skip: self.skip,
            times: self.times,
            effect,
        }
    }
}

impl Effect {
    /// Its name in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delay { when: When::Before, .. } => "delay before effect",
            Self::Delay { when: When::After, .. } => "delay after effect",
            Self::Drop { when: When::Before } => "drop before effect",
            Self::Drop { when: When::After } => "drop after effect",
            Self::Cut => "cut",
            Self::Error { when: When::Before, .. } => "error",
            Self::Error { when: When::After, .. } => "error after effect",
            Self::Garbage { .. } => "garbage",
            Self::Drip { .. } => "drip",
        }
    }
}

/// The faults that are armed.
#[derive(Default)]
pub struct Faults {
    armed: Vec<Fault>,
    seen: HashMap<String, u64>,
}

impl Faults {
    /// Arms one.
    pub fn arm(&mut self, fault: Fault) {
        self.armed.push(fault);
    }

    /// Disarms all.
    pub fn clear(&mut self) {
        self.armed.clear();
    }

    /// The effects that strike this call, in the order they were armed; counts the call.
    pub fn strike(&mut self, action: &str) -> Vec<Effect> {
        *self.seen.entry(action.to_owned()).or_default() += 1;
        let mut effects = Vec::new();
        for fault in self
            .armed
            .iter_mut()
            .filter(|fault| fault.action == action || fault.action == "*")
        {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            match &mut fault.times {
                Some(0) => continue,
                Some(left) => *left -= 1,
                None => {}
            }
            effects.push(fault.effect.clone());
        }
        self.armed.retain(|fault| fault.times != Some(0));
        effects
    }

    /// How many calls of each action came.
    pub fn seen(&self) -> &HashMap<String, u64> {
        &self.seen
    }
}

fn once() -> Option<u64> {
    Some(1)
}

fn ok() -> u16 {
    200
}

fn garbage() -> String {
    "<html><body>It works!</bo".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_the_calls_it_was_aimed_at() {
        let mut faults = Faults::default();
        faults.arm(Fault::on("AssumeRole").nth(2).times(2).cut());
        let struck = [(); 5].map(|()| faults.strike("AssumeRole").len());
        assert_eq!(struck, [0, 1, 1, 0, 0]);
        assert_eq!(faults.strike("GetUser"), []);
        assert_eq!(faults.seen()["AssumeRole"], 5);
    }

    #[test]
    fn every_call_is_struck_until_faults_are_cleared() {
        let mut faults = Faults::default();
        faults.arm(Fault::on("*").every().drop_connection(When::After));
        assert_eq!((faults.strike("A").len(), faults.strike("B").len()), (1, 1));
        faults.clear();
        assert_eq!(faults.strike("A"), []);
    }

    #[test]
    fn faults_are_written_in_json_with_defaults() {
        let text = r#"{"action":"CreateAccessKey","effect":{"kind":"drop","when":"after"}}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(fault, Fault::on("CreateAccessKey").drop_connection(When::After));
    }
}
