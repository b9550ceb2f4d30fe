//! Shapes of parameters, checked the way AWS's front ends do: all at once, in one ValidationError.
//!
//! Lengths and patterns are those of the STS and IAM API References. What a value means is not known here.

use std::ops::RangeInclusive;

use super::error::ApiError;
use super::query::Params;

/// The characters a value may consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Anything.
    Any,
    /// `[\w+=,.@-]*`: names.
    Name,
    /// `[\w+=,.@:\/-]*`: external IDs.
    ExternalId,
    /// `[\w+=/:,.@-]*`: serial numbers.
    Serial,
    /// `[\d]*`: codes.
    Digits,
    /// `[\w]*`: access key IDs.
    Word,
}

impl Pattern {
    fn regex(self) -> &'static str {
        match self {
            Self::Any => ".*",
            Self::Name => r"[\w+=,.@-]*",
            Self::ExternalId => r"[\w+=,.@:\/-]*",
            Self::Serial => r"[\w+=/:,.@-]*",
            Self::Digits => r"[\d]*",
            Self::Word => r"[\w]*",
        }
    }

    fn matches(self, text: &str) -> bool {
        let extra = match self {
            Self::Any => return true,
            Self::Digits => return text.bytes().all(|b| b.is_ascii_digit()),
            Self::Name => "_+=,.@-",
            Self::ExternalId | Self::Serial => "_+=,.@:/-",
            Self::Word => "_",
        };
        text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
    }
}

/// A check under way: reads parameters, remembers what is wrong with them.
///
/// Values read are only good after [`finish`](Self::finish) said so.
pub struct Check<'a> {
    params: &'a Params,
    wrong: Vec<String>,
}

impl<'a> Check<'a> {
    /// Checks these parameters.
    pub fn new(params: &'a Params) -> Self {
        Self {
            params,
            wrong: Vec::new(),
        }
    }

    /// A text that has to be there.
    pub fn required(&mut self, name: &str, length: RangeInclusive<usize>, pattern: Pattern) -> &'a str {
        let value = self.optional(name, length, pattern);
        if value.is_none() {
            self.wrong.push(format!(
                "Value null at '{}' failed to satisfy constraint: Member must not be null",
                member(name)
            ));
        }
        value.unwrap_or_default()
    }

    /// A text that may be there.
    pub fn optional(&mut self, name: &str, length: RangeInclusive<usize>, pattern: Pattern) -> Option<&'a str> {
        let value = self.params.find(name)?;
        self.text(name, value, length, pattern);
        Some(value)
    }

    /// A whole number that may be there.
    pub fn integer(&mut self, name: &str, bounds: RangeInclusive<u32>) -> Option<u32> {
        let text = self.params.find(name)?;
        // Too long for a number of ours is out of bounds too; which side, the sign says.
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !Pattern::Digits.matches(digits) {
            self.fail(name, text, "Member must be a whole number");
            return None;
        }
        let value = text
            .parse::<i64>()
            .unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX });
        if value < i64::from(*bounds.start()) {
            self.fail(
                name,
                text,
                &format!("Member must have value greater than or equal to {}", bounds.start()),
            );
        }
        if value > i64::from(*bounds.end()) {
            self.fail(
                name,
                text,
                &format!("Member must have value less than or equal to {}", bounds.end()),
            );
        }
        u32::try_from(value).ok()
    }

    /// One of a few words, that has to be there.
    pub fn one_of(&mut self, name: &str, words: &[&str]) -> &'a str {
        let value = self.required(name, 0..=64, Pattern::Any);
        if self.params.find(name).is_some() && !words.contains(&value) {
            self.fail(
                name,
                value,
                &format!("Member must satisfy enum value set: [{}]", words.join(", ")),
            );
        }
        value
    }

    /// Any text of the call, such as a member of a list.
    pub fn text(&mut self, name: &str, value: &str, length: RangeInclusive<usize>, pattern: Pattern) {
        let count = value.chars().count();
        if !pattern.matches(value) {
            self.fail(
                name,
                value,
                &format!("Member must satisfy regular expression pattern: {}", pattern.regex()),
            );
        }
        if count < *length.start() {
            self.fail(
                name,
                value,
                &format!("Member must have length greater than or equal to {}", length.start()),
            );
        }
        if count > *length.end() {
            self.fail(
                name,
                value,
                &format!("Member must have length less than or equal to {}", length.end()),
            );
        }
    }

    /// The length of a list.
    pub fn count(&mut self, name: &str, count: usize, most: usize) {
        if count > most {
            self.fail(
                name,
                "",
                &format!("Member must have length less than or equal to {most}"),
            );
        }
    }

    /// All was well, or a ValidationError that tells all that was not.
    pub fn finish(self) -> Result<(), ApiError> {
        match self.wrong.len() {
            0 => Ok(()),
            1 => Err(ApiError::validation(format!(
                "1 validation error detected: {}",
                self.wrong[0]
            ))),
            n => Err(ApiError::validation(format!(
                "{n} validation errors detected: {}",
                self.wrong.join("; ")
            ))),
        }
    }

    fn fail(&mut self, name: &str, value: &str, constraint: &str) {
        // A web identity token is sensitive in AWS's model, so AWS does not repeat it.
        let value = if name == "WebIdentityToken" { "***" } else { value };
        self.wrong.push(format!(
            "Value '{value}' at '{}' failed to satisfy constraint: {constraint}",
            member(name)
        ));
    }
}

/// `RoleArn` is the member `roleArn` in AWS's words.
fn member(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_ascii_lowercase().to_string() + letters.as_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let params = Params::parse("RoleSessionName=a%20&DurationSeconds=899&TokenCode=12345");
        let mut check = Check::new(&params);
        check.required("RoleArn", 20..=2048, Pattern::Any);
        check.required("RoleSessionName", 2..=64, Pattern::Name);
        assert_eq!(check.integer("DurationSeconds", 900..=43_200), Some(899));
        check.optional("TokenCode", 6..=6, Pattern::Digits);
        let error = check.finish().unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (400, "ValidationError"));
        assert_eq!(
            error.message,
            "4 validation errors detected: \
             Value null at 'roleArn' failed to satisfy constraint: Member must not be null; \
             Value 'a ' at 'roleSessionName' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: [\\w+=,.@-]*; \
             Value '899' at 'durationSeconds' failed to satisfy constraint: \
             Member must have value greater than or equal to 900; \
             Value '12345' at 'tokenCode' failed to satisfy constraint: \
             Member must have length greater than or equal to 6"
        );
    }

    #[test]
    fn numbers_beyond_any_bound_are_out_of_bounds() {
        let params = Params::parse("DurationSeconds=99999999999999999999");
        let mut check = Check::new(&params);
        check.integer("DurationSeconds", 900..=43_200);
        assert!(
            check
                .finish()
                .unwrap_err()
                .message
                .ends_with("less than or equal to 43200")
        );
    }
}
