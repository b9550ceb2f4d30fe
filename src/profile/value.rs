//! The values a profile can hold, checked once: what AWS would refuse is refused before any token blinks.
//!
//! The bounds are those of the STS and IAM API references.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::region::Partition;

/// Why a value can't be used: a fragment that reads after "KEY = VALUE: ".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub &'static str);

/// A length of time in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Seconds(pub u32);

impl Seconds {
    /// `duration_seconds = 3600`: digits and nothing else.
    ///
    /// # Errors
    /// When it is not a whole number.
    pub fn from_digits(text: &str) -> Result<Self, Unfit> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(seconds) if digits => Ok(Self(seconds)),
            _ => Err(Unfit("expected a number of seconds")),
        }
    }
}

impl FromStr for Seconds {
    type Err = Unfit;

    /// `8h`, `90m`, `1h30m`, `1.5h`, `3600s`, or a bare number of seconds.
    fn from_str(text: &str) -> Result<Self, Unfit> {
        const WHAT: Unfit = Unfit("expected a length of time such as 8h, 90m or 3600s");
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::from_digits(text).map_err(|_| WHAT);
        }
        let mut rest = text;
        let mut millis: u64 = 0;
        while !rest.is_empty() {
            let cut = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(WHAT)?;
            let (number, tail) = rest.split_at(cut);
            let unit: u64 = match tail.as_bytes().first() {
                Some(b'h') => 3_600_000,
                Some(b'm') => 60_000,
                Some(b's') => 1_000,
                _ => return Err(WHAT),
            };
            millis = thousandths(number)
                .and_then(|thousandths| Some(thousandths.checked_mul(unit)? / 1_000))
                .and_then(|part| millis.checked_add(part))
                .ok_or(WHAT)?;
            rest = &tail[1..];
        }
        if !millis.is_multiple_of(1_000) {
            return Err(Unfit("expected whole seconds"));
        }
        u32::try_from(millis / 1_000).map(Self).map_err(|_| WHAT)
    }
}

/// `1.5` as 1,500: three places are enough for any whole second.
fn thousandths(number: &str) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || part.len() > 3 || part.contains('.') {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let part: u64 = format!("{part:0<3}").parse().ok()?;
    whole.checked_mul(1_000)?.checked_add(part)
}

impl fmt::Display for Seconds {
    /// `8 h`, `1 h 30 min`, `15 min`, `90 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 3600, self.0 / 60 % 60, self.0 % 60) {
            (0, 0, s) => write!(f, "{s} s"),
            (h, 0, 0) => write!(f, "{h} h"),
            (0, m, 0) => write!(f, "{m} min"),
            (h, m, 0) => write!(f, "{h} h {m} min"),
            _ => write!(f, "{} s", self.0),
        }
    }
}

/// The ARN of a role.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct RoleArn(String);

impl RoleArn {
    /// The whole ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition, if it is one that tapvault knows.
    pub fn partition(&self) -> Option<Partition> {
        Partition::of_arn(&self.0)
    }

    /// The account the role lies in.
    pub fn account(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
    }

    /// The role's name, without its path.
    pub fn role(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl FromStr for RoleArn {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let mut parts = text.splitn(6, ':');
        let arn = parts.next() == Some("arn")
            && parts.next().is_some_and(|partition| !partition.is_empty())
            && parts.next() == Some("iam")
            && parts.next() == Some("")
            && parts.next().is_some_and(|account| !account.is_empty())
            && parts
                .next()
                .and_then(|resource| resource.strip_prefix("role/"))
                .is_some_and(|role| !role.is_empty() && !role.ends_with('/'));
        if arn && text.chars().all(|c| c.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Unfit("expected the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME"))
        }
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The serial of an MFA device: an ARN for a virtual one, letters and digits for a hardware one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct MfaSerial(String);

impl MfaSerial {
    /// The serial as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What to call the device: the last part of its ARN, or the whole serial.
    pub fn device(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl FromStr for MfaSerial {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        // STS: SerialNumber, 9 to 256 of [\w+=/:,.@-].
        fits(text, 1..=256, b"+=/:,.@-")
            .then(|| Self(text.to_owned()))
            .ok_or(Unfit("expected the ARN or serial of an MFA device"))
    }
}

impl fmt::Display for MfaSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A command for the shell, from a line of the config.
///
/// Its arguments may hold a secret, so people are shown its first word only; a digest sees all of it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Command(String);

impl Command {
    /// The command line, to be run.
    pub fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }

    /// The whole line, for whoever runs it.
    pub fn line(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_whitespace().next() {
            // `TOKEN=... program`: the assignment may be the secret.
            Some(program) if !program.contains('=') => write!(f, "{program} ..."),
            Some(_) | None => f.write_str("..."),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({self})")
    }
}

/// A session tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value, perhaps empty.
    pub value: String,
}

/// `key=value,key2=value2`, in the order written.
///
/// # Errors
/// A part without `=`, a key twice, or more than STS takes.
pub fn tags(text: &str) -> Result<Vec<Tag>, Unfit> {
    let mut tags: Vec<Tag> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').ok_or(Unfit("expected key=value,key2=value2"))?;
        let (key, value) = (tag_key(key)?, value.trim().to_owned());
        if value.chars().count() > 256 {
            return Err(Unfit("a tag's value has at most 256 characters"));
        }
        // STS compares tag keys without regard to case.
        if tags.iter().any(|tag| tag.key.eq_ignore_ascii_case(&key)) {
            return Err(Unfit("a tag key is there twice"));
        }
        tags.push(Tag { key, value });
    }
    if tags.len() > MAX_TAGS { Err(TOO_MANY) } else { Ok(tags) }
}

/// `key,key2`, in the order written.
///
/// # Errors
/// A key that can't be one, or more than STS takes.
pub fn tag_keys(text: &str) -> Result<Vec<String>, Unfit> {
    let keys: Vec<_> = text
        .split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty())
        .map(tag_key)
        .collect::<Result<_, _>>()?;
    if keys.len() > MAX_TAGS { Err(TOO_MANY) } else { Ok(keys) }
}

const MAX_TAGS: usize = 50;
const TOO_MANY: Unfit = Unfit("STS takes at most 50 tags");

fn tag_key(text: &str) -> Result<String, Unfit> {
    match text.trim() {
        key if (1..=128).contains(&key.chars().count()) => Ok(key.to_owned()),
        _ => Err(Unfit("a tag's key has 1 to 128 characters")),
    }
}

/// The name of a role session.
///
/// # Errors
/// When STS would refuse it: RoleSessionName, 2 to 64 of `[\w+=,.@-]`.
pub fn session_name(text: &str) -> Result<String, Unfit> {
    fits(text, 2..=64, b"+=,.@-")
        .then(|| text.to_owned())
        .ok_or(Unfit("expected 2 to 64 letters, digits or any of _+=,.@-"))
}

/// The source identity of a role session.
///
/// # Errors
/// When STS would refuse it: SourceIdentity, 2 to 64 of `[\w+=,.@-]`.
pub fn source_identity(text: &str) -> Result<String, Unfit> {
    session_name(text)
}

/// The external id that a role's trust policy may ask for.
///
/// # Errors
/// When STS would refuse it: ExternalId, 2 to 1224 of `[\w+=,.@:/-]`.
pub fn external_id(text: &str) -> Result<String, Unfit> {
    fits(text, 2..=1224, b"+=,.@:/-")
        .then(|| text.to_owned())
        .ok_or(Unfit("expected 2 to 1224 letters, digits or any of _+=,.@:/-"))
}

/// `true` or `false`, in any case.
///
/// # Errors
/// Anything else.
pub fn switch(text: &str) -> Result<bool, Unfit> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(Unfit("expected true or false")),
    }
}

fn fits(text: &str, length: std::ops::RangeInclusive<usize>, marks: &[u8]) -> bool {
    length.contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || marks.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_shown() {
        for (text, seconds, shown) in [
            ("8h", 28_800, "8 h"),
            ("1h30m", 5_400, "1 h 30 min"),
            ("1.5h", 5_400, "1 h 30 min"),
            ("43200s", 43_200, "12 h"),
            ("900", 900, "15 min"),
            ("90s", 90, "90 s"),
            ("0s", 0, "0 s"),
        ] {
            assert_eq!(text.parse(), Ok(Seconds(seconds)), "{text}");
            assert_eq!(Seconds(seconds).to_string(), shown);
        }
        for text in [
            "",
            "h",
            "1d",
            "-1h",
            "1h3",
            "0.0001s",
            "1.2345h",
            ".5h",
            "99999999999h",
            "1..5h",
            "8 h",
            "１h",
        ] {
            assert!(text.parse::<Seconds>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_role_arn_names_its_parts() {
        let arn: RoleArn = "arn:aws-cn:iam::444455556666:role/team/admin".parse().unwrap();
        assert_eq!((arn.account(), arn.role()), ("444455556666", "admin"));
        assert_eq!(arn.partition(), Some(Partition::China));
        for text in [
            "",
            "arn:foo",
            "arn:aws:iam::1:user/x",
            "arn:aws:iam::1:role/",
            "arn:aws:sts::1:role/x",
            "role/x",
        ] {
            assert!(text.parse::<RoleArn>().is_err(), "{text}");
        }
    }

    #[test]
    fn tags_keep_their_order() {
        let read = tags("b=1, a = x=y ,c=").unwrap();
        let pairs: Vec<_> = read.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect();
        assert_eq!(pairs, [("b", "1"), ("a", "x=y"), ("c", "")]);
        assert!(tags("a").is_err() && tags("=x").is_err() && tags("a=1,A=2").is_err());
        assert_eq!(tag_keys("a, b,").unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_command_shows_its_program_only() {
        let command = Command::new("op item get x --token=s3cret");
        assert_eq!(format!("{command} {command:?}"), "op ... Command(op ...)");
    }
}
