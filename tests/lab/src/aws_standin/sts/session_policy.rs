//! Session policies: what a caller takes away from the session it asks for.
//!
//! Of a policy's statements only the allowed actions count here; resources, conditions and denials are read past.

use serde::Deserialize;

use super::tags::Tags;
use crate::aws_standin::constraint::{Check, Pattern};
use crate::aws_standin::error::ApiError;
use crate::aws_standin::query::Params;

/// "The plaintext that you use for both inline and managed session policies can't exceed 2,048 characters."
const PLAIN_MAX: usize = 2048;
/// "You can provide up to 10 managed policy ARNs."
const ARNS_MAX: usize = 10;
/// The packed format's size is not documented, only that it has its own limit, shared with tags. Half of the tags
/// that are legal one by one already exceed the real one; so they do this one.
const PACKED_MAX: usize = 4096;

/// `Policy` and `PolicyArns`, as sent.
pub struct SessionPolicy<'a> {
    inline: Option<&'a str>,
    arns: Vec<&'a str>,
}

impl<'a> SessionPolicy<'a> {
    /// Reads and checks their shapes.
    pub fn read(check: &mut Check<'a>, params: &'a Params) -> Self {
        let inline = check.optional("Policy", 1..=PLAIN_MAX, Pattern::Any);
        let arns: Vec<&str> = params
            .pairs("PolicyArns", "arn", "")
            .into_iter()
            .map(|(arn, _)| arn)
            .collect();
        check.count("PolicyArns", arns.len(), ARNS_MAX);
        for arn in &arns {
            check.text("PolicyArns", arn, 20..=2048, Pattern::Any);
        }
        Self { inline, arns }
    }

    /// MalformedPolicyDocument unless the inline policy is one, ValidationError unless the ARNs are policies'.
    pub fn check(&self) -> Result<(), ApiError> {
        if let Some(text) = self.inline {
            parse(text)?;
        }
        match self
            .arns
            .iter()
            .find(|arn| !(arn.starts_with("arn:") && arn.contains(":policy/")))
        {
            Some(arn) => Err(ApiError::validation(format!("{arn} is invalid"))),
            None => Ok(()),
        }
    }

    /// How much of the space for policies and tags they take, in percent, as the answer tells it; `None` if there
    /// are neither.
    pub fn packed_size(&self, tags: &Tags<'_>) -> Result<Option<usize>, ApiError> {
        self.check()?;
        if self.inline.is_none() && self.arns.is_empty() && tags.is_empty() {
            return Ok(None);
        }
        let inline = self
            .inline
            .map_or(0, |text| text.bytes().filter(|b| !b.is_ascii_whitespace()).count());
        let bytes = inline + self.arns.iter().map(|arn| arn.len()).sum::<usize>() + tags.size();
        let percent = (bytes * 100).div_ceil(PACKED_MAX);
        if percent > 100 {
            let words = format!("Packed policy consumes {percent}% of allotted space, please use smaller policy.");
            return Err(ApiError::new(400, "PackedPolicyTooLarge", words));
        }
        Ok(Some(percent))
    }

    /// The actions the inline policy leaves; `None` if there is none, or if managed policies, whose text nobody
    /// knows here, are there to add to it.
    pub fn actions(&self) -> Option<Vec<String>> {
        let document = parse(self.inline?).ok().filter(|_| self.arns.is_empty())?;
        let allowed = document
            .statement
            .into_vec()
            .into_iter()
            .filter(|statement| statement.effect == Verdict::Allow);
        Some(
            allowed
                .filter_map(|statement| statement.action)
                .flat_map(OneOrMany::into_vec)
                .collect(),
        )
    }
}

/// The part of a policy that is looked at (IAM User Guide, "Grammar of the IAM JSON policy language").
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "Statement")]
    statement: OneOrMany<Statement>,
}

#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "Effect")]
    effect: Verdict,
    #[serde(rename = "Action")]
    action: Option<OneOrMany<String>>,
}

#[derive(Deserialize, PartialEq, Eq)]
enum Verdict {
    Allow,
    Deny,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(item) => vec![item],
            Self::Many(items) => items,
        }
    }
}

fn parse(text: &str) -> Result<Document, ApiError> {
    let json: serde_json::Value = serde_json::from_str(text)
        .map_err(|_| ApiError::new(400, "MalformedPolicyDocument", "This policy contains invalid Json"))?;
    serde_json::from_value(json).map_err(|_| ApiError::new(400, "MalformedPolicyDocument", "Syntax errors in policy."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(inline: &str) -> SessionPolicy<'_> {
        SessionPolicy {
            inline: Some(inline),
            arns: Vec::new(),
        }
    }

    #[test]
    fn malformed_policies_are_refused() {
        assert_eq!(
            policy("{").check().unwrap_err().message,
            "This policy contains invalid Json"
        );
        assert_eq!(policy("{}").check().unwrap_err().code, "MalformedPolicyDocument");
        assert!(
            policy(r#"{"Statement":{"Effect":"allow","Action":"*"}}"#)
                .check()
                .is_err()
        );
    }

    #[test]
    fn allowed_actions_are_what_is_left() {
        let text = r#"{"Statement":[{"Effect":"Allow","Action":["s3:*","iam:GetUser"],"Resource":"*"},
                       {"Effect":"Deny","Action":"sts:*","Resource":"*"}]}"#;
        assert_eq!(policy(text).actions().unwrap(), ["s3:*", "iam:GetUser"]);
    }
}
