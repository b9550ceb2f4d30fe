//! What a failed call means: refused by AWS or not reached, worth another attempt or not, and what a person can do.

use crate::error::{Error, ErrorKind};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// A clock that is off by more than this is worth a line; AWS bears five minutes.
const WORTH_SAYING: SignedDuration = SignedDuration::from_secs(30);

/// A call that failed.
pub struct Failure {
    call: String,
    place: String,
    what: What,
    retry_after: Option<Duration>,
    /// How far this machine's clock is ahead of AWS's, by the answer's Date.
    clock_ahead: Option<SignedDuration>,
    /// How often the call was made.
    attempts: u32,
    /// The variable that named a proxy for it.
    proxy: Option<&'static str>,
}

enum What {
    /// AWS's own code and words.
    Refused { code: String, message: String, status: u16 },
    /// A server's error without AWS's words: an overloaded front end's, or a proxy's.
    Broken(u16),
    /// There was an answer, with this status if there was one, but none that AWS gives.
    Garbled(Option<u16>),
    /// No answer in time.
    Late,
    /// No connection, or it broke.
    Unreachable(String),
    /// The call could not even be built.
    Unsent(String),
}

/// Whether another attempt makes sense.
pub enum Retry {
    /// The same answer would come.
    Never,
    /// AWS said that nothing was done; perhaps after how long it may be tried again.
    NotDone(Option<Duration>),
    /// Nobody knows whether it was done.
    PerhapsDone,
}

impl Failure {
    /// Sorts the SDK's error. `place` is the endpoint or region, for the message.
    pub fn of<E>(call: &str, place: &str, err: &SdkError<E>, now: Timestamp) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let response = err.raw_response();
        let what = match err {
            SdkError::ServiceError(service) => match service.err().code() {
                Some(code) => What::Refused {
                    code: code.to_owned(),
                    message: service.err().message().unwrap_or_default().trim().to_owned(),
                    status: service.raw().status().as_u16(),
                },
                // A proxy's or a captive portal's page, or an overloaded front end's.
                None if service.raw().status().as_u16() >= 500 => What::Broken(service.raw().status().as_u16()),
                None => What::Garbled(Some(service.raw().status().as_u16())),
            },
            SdkError::ResponseError(_) => What::Garbled(response.map(|response| response.status().as_u16())),
            SdkError::TimeoutError(_) => What::Late,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => What::Late,
            SdkError::DispatchFailure(failure) => What::Unreachable(
                failure
                    .as_connector_error()
                    .map_or_else(|| "no connection".to_owned(), |err| innermost(err)),
            ),
            SdkError::ConstructionFailure(_) => What::Unsent(innermost(err)),
            _ => What::Unsent(innermost(err)),
        };
        Failure {
            call: call.to_owned(),
            place: place.to_owned(),
            what,
            retry_after: response.and_then(|response| retry_after(response, now)),
            clock_ahead: response.and_then(date).map(|theirs| now.duration_since(theirs)),
            attempts: 1,
            proxy: None,
        }
    }

    /// The same failure, met at this attempt.
    pub fn after(mut self: Box<Self>, attempts: u32) -> Box<Self> {
        self.attempts = attempts;
        self
    }

    /// The same failure, perhaps of a proxy that this variable names.
    pub fn by_way_of(mut self: Box<Self>, proxy: Option<&'static str>) -> Box<Self> {
        self.proxy = proxy;
        self
    }

    /// Whether it is certain that the call had no effect: AWS said no, in its own words and not while breaking down.
    pub fn is_without_effect(&self) -> bool {
        match &self.what {
            What::Refused { status, .. } => *status < 500,
            What::Unsent(_) => true,
            What::Broken(_) | What::Garbled(_) | What::Late | What::Unreachable(_) => false,
        }
    }

    /// How far this machine's clock is ahead of AWS's, if the answer had a Date.
    pub fn clock_ahead(&self) -> Option<SignedDuration> {
        self.clock_ahead
    }

    /// In a word or two, for lines while retrying.
    pub fn word(&self) -> String {
        match &self.what {
            What::Refused { code, .. } => code.clone(),
            What::Broken(status) => format!("HTTP {status}"),
            What::Garbled(_) => "an answer that is not AWS's".into(),
            What::Late => "no answer in time".into(),
            What::Unreachable(why) => why.clone(),
            What::Unsent(_) => "not sent".into(),
        }
    }

    /// Whether another attempt makes sense.
    pub fn retry(&self) -> Retry {
        match &self.what {
            What::Refused { code, status, .. } => {
                let throttled = matches!(
                    code.as_str(),
                    "Throttling"
                        | "ThrottlingException"
                        | "ThrottledException"
                        | "RequestThrottled"
                        | "TooManyRequestsException"
                        | "SlowDown"
                        | "RequestLimitExceeded"
                        | "BandwidthLimitExceeded"
                        | "PriorRequestNotComplete"
                        | "EC2ThrottledException"
                        | "ServiceUnavailable"
                        // AWS could not ask the identity provider (STS API reference, AssumeRoleWithWebIdentity).
                        | "IDPCommunicationError"
                ) || matches!(status, 429 | 503);
                match (throttled, status) {
                    (true, _) => Retry::NotDone(self.retry_after),
                    (false, 500..) => Retry::PerhapsDone,
                    (false, _) => Retry::Never,
                }
            }
            What::Broken(429 | 503) => Retry::NotDone(self.retry_after),
            // Whatever sent it decided so; a proxy's 407 and a portal's 302 come again.
            What::Garbled(Some(300..500)) => Retry::Never,
            What::Broken(_) | What::Garbled(_) | What::Late | What::Unreachable(_) => Retry::PerhapsDone,
            What::Unsent(_) => Retry::Never,
        }
    }

    /// The error for the person.
    pub fn to_error(&self) -> Error {
        let Failure { call, place, .. } = self;
        let tries = if self.attempts > 1 {
            format!(" ({} attempts)", self.attempts)
        } else {
            String::new()
        };
        let mut error = match &self.what {
            What::Refused { code, message, .. } if message.is_empty() => {
                Error::new(ErrorKind::Aws, format!("{call} refused: {code}{tries}"))
            }
            What::Refused { code, message, .. } => {
                Error::new(ErrorKind::Aws, format!("{call} refused: {code}: \"{message}\"{tries}"))
            }
            What::Broken(status) => Error::new(
                ErrorKind::Network,
                format!("{call}: {place} answered HTTP {status}, without AWS's words{tries}"),
            )
            .hint("try again later; a proxy may be in between (HTTPS_PROXY)"),
            What::Garbled(status) => Error::new(
                ErrorKind::Network,
                match status {
                    Some(200) | None => format!("{call}: {place} gave an answer that is not AWS's{tries}"),
                    Some(status) => format!("{call}: {place} answered HTTP {status} and nothing that is AWS's{tries}"),
                },
            )
            .hint(
                "a proxy or a captive portal may be in between; AWS_ENDPOINT_URL and HTTPS_PROXY decide where calls go",
            ),
            What::Late => Error::new(
                ErrorKind::Network,
                format!("{call}: no answer from {place} in time{tries}"),
            )
            .hint("check the network, or HTTPS_PROXY if you need one"),
            What::Unreachable(why) => Error::new(
                ErrorKind::Network,
                format!("{call}: {place} can't be reached: {why}{tries}"),
            )
            .hint("check the network, or HTTPS_PROXY if you need one"),
            What::Unsent(why) => Error::new(ErrorKind::Other, format!("{call} could not be sent: {why}")),
        };
        if let What::Refused { code, .. } = &self.what {
            error = error.refused_with(code.clone());
        }
        if let Some(name) = self.proxy
            && error.kind() == ErrorKind::Network
        {
            error = error.hint(format!(
                "{name} is set, so the call went to that proxy unless NO_PROXY names {place}"
            ));
        }
        if let Some(after) = self.retry_after {
            error = error.hint(format!(
                "AWS asks to wait {} s before the next attempt",
                after.as_secs()
            ));
        }
        if let Some(line) = self.clock_ahead.and_then(clock_line) {
            error = error.hint(line);
        }
        error
    }
}

/// What to say of a clock that is `ahead` of AWS's (or behind, when negative).
fn clock_line(ahead: SignedDuration) -> Option<String> {
    if ahead.abs() < WORTH_SAYING {
        return None;
    }
    let side = if ahead.is_negative() { "behind" } else { "ahead of" };
    Some(format!(
        "this machine's clock is {} s {side} AWS; set it, then try again",
        ahead.abs().as_secs()
    ))
}

/// The Date header (RFC 9110, 6.6.1; the format is that of RFC 5322).
fn date(response: &HttpResponse) -> Option<Timestamp> {
    let text = response.headers().get("date")?;
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

/// Retry-After, in seconds or as a date (RFC 9110, 10.2.3). AWS sends seconds; what stands before it may not.
fn retry_after(response: &HttpResponse, now: Timestamp) -> Option<Duration> {
    let text = response.headers().get("retry-after")?.trim();
    let until = || {
        let then = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Some(Duration::try_from(then.duration_since(now)).unwrap_or_default())
    };
    text.parse().ok().map(Duration::from_secs).or_else(until)
}

/// The innermost cause: the SDK's outer words are "dispatch failure".
fn innermost(err: &(dyn std::error::Error + 'static)) -> String {
    let mut current = err;
    while let Some(source) = current.source() {
        current = source;
    }
    let text = current.to_string();
    match text.find(" (os error") {
        Some(cut) => text[..cut].to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_mentioned_with_its_side_and_size() {
        assert_eq!(clock_line(SignedDuration::from_secs(5)), None);
        let behind = clock_line(SignedDuration::from_secs(-94)).expect("a line");
        assert!(behind.contains("94 s behind"), "{behind}");
        assert!(
            clock_line(SignedDuration::from_secs(3600))
                .expect("a line")
                .contains("3600 s ahead of")
        );
    }
}
