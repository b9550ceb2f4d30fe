//! Session tags (IAM User Guide, "Pass session tags in AWS STS"): their rules, and which go on through a chain.

use std::collections::HashSet;

use crate::aws_standin::constraint::{Check, Pattern};
use crate::aws_standin::error::ApiError;
use crate::aws_standin::query::Params;

/// "You can pass up to 50 session tags."
const TAGS_MAX: usize = 50;

/// `Tags` and `TransitiveTagKeys`, as sent.
pub struct Tags<'a> {
    pairs: Vec<(&'a str, &'a str)>,
    transitive: Vec<&'a str>,
}

impl<'a> Tags<'a> {
    /// Reads and checks their shapes.
    pub fn read(check: &mut Check<'_>, params: &'a Params) -> Self {
        let pairs = params.pairs("Tags", "Key", "Value");
        let transitive = params.list("TransitiveTagKeys");
        check.count("Tags", pairs.len(), TAGS_MAX);
        check.count("TransitiveTagKeys", transitive.len(), TAGS_MAX);
        for (n, (key, value)) in pairs.iter().enumerate() {
            let n = n + 1;
            check.text(&format!("tags.{n}.member.key"), key, 1..=128, Pattern::Any);
            check.text(&format!("tags.{n}.member.value"), value, 0..=256, Pattern::Any);
        }
        Self { pairs, transitive }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Their share of the packed space.
    pub fn size(&self) -> usize {
        self.pairs.iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    /// The rules that need no caller: keys differ in more than case, transitive keys are among them.
    pub fn check(&self) -> Result<(), ApiError> {
        let mut seen = HashSet::new();
        if !self.pairs.iter().all(|(key, _)| seen.insert(key.to_lowercase())) {
            return Err(invalid(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        if !self.transitive.iter().all(|key| seen.contains(&key.to_lowercase())) {
            return Err(ApiError::validation(
                "The specified transitive tag key must be included in the requested tags.",
            ));
        }
        Ok(())
    }

    /// The tags that go on from the new session: those inherited, which a call can't override, and its own
    /// transitive ones.
    pub fn transitive_after(&self, inherited: &[(String, String)]) -> Result<Vec<(String, String)>, ApiError> {
        let is_inherited = |key: &str| inherited.iter().any(|(known, _)| known.eq_ignore_ascii_case(key));
        if self.pairs.iter().any(|(key, _)| is_inherited(key)) {
            return Err(invalid(
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key \
                 from the calling session.",
            ));
        }
        let own = self
            .pairs
            .iter()
            .filter(|(key, _)| self.transitive.iter().any(|t| t.eq_ignore_ascii_case(key)));
        let own = own.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Ok(inherited.iter().cloned().chain(own).collect())
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(400, "InvalidParameterValue", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transitive_tags_go_on_and_are_not_overridden() {
        let tags = Tags {
            pairs: vec![("Team", "ops"), ("Cost", "7")],
            transitive: vec!["team"],
        };
        tags.check().unwrap();
        let inherited = [("Project".to_owned(), "x".to_owned())];
        let after = tags.transitive_after(&inherited).unwrap();
        assert_eq!(
            after,
            [
                ("Project".to_owned(), "x".to_owned()),
                ("Team".to_owned(), "ops".to_owned())
            ]
        );
        assert_eq!(tags.transitive_after(&after).unwrap_err().code, "InvalidParameterValue");
    }

    #[test]
    fn keys_differ_in_more_than_case() {
        let tags = Tags {
            pairs: vec![("a", ""), ("A", "")],
            transitive: vec![],
        };
        assert!(tags.check().unwrap_err().message.starts_with("Duplicate tag keys"));
        let tags = Tags {
            pairs: vec![("a", "")],
            transitive: vec!["b"],
        };
        assert_eq!(tags.check().unwrap_err().code, "ValidationError");
    }
}
