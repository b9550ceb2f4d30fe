//! The child's environment: pure, so that every rule can be tested without a child.

use crate::context::Env;
use crate::credential::Credentials;
use crate::render;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// What would lead an AWS client elsewhere than to the credentials that it is given, or is tapvault's own.
const REMOVED: [&str; 17] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    // Of other credentials: clients take it for the account of those in the environment.
    "AWS_ACCOUNT_ID",
    "AWS_CREDENTIAL_FILE",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_DEFAULT_PROFILE",
    "AWS_PROFILE",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/// Every variable with this beginning is tapvault's own.
const OURS: &str = "TAPVAULT_";

/// The environment for a child with `credentials` of `profile`.
///
/// `endpoint` is the profile's general endpoint, if the config names one.
pub fn of_child(
    env: &Env,
    profile: &str,
    credentials: &Credentials,
    region: Option<&str>,
    endpoint: Option<&str>,
) -> Vec<(OsString, OsString)> {
    let mut child: BTreeMap<OsString, OsString> = env
        .iter()
        .filter(|(name, _)| {
            let name = name.to_string_lossy();
            !REMOVED.contains(&name.as_ref()) && !name.starts_with(OURS)
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let mut set = |name: &str, value: &str| child.insert(name.into(), value.into());
    set("AWS_VAULT", profile);
    if let Some(region) = region {
        set("AWS_REGION", region);
        set("AWS_DEFAULT_REGION", region);
    }
    if let Some(endpoint) = endpoint {
        set("AWS_ENDPOINT_URL", endpoint);
    }
    for (name, value) in render::variables(credentials) {
        set(name, &value);
    }
    child.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::{AccessKey, Session};
    use crate::secret::SecretText;
    use jiff::Timestamp;

    fn session() -> Credentials {
        Credentials::Temporary(Session {
            id: "ASIA".into(),
            secret: SecretText::copy_of("s"),
            token: SecretText::copy_of("t"),
            expires: Timestamp::from_second(1_800_000_000).expect("a time"),
        })
    }

    fn value<'a>(child: &'a [(OsString, OsString)], name: &str) -> Option<&'a str> {
        child
            .iter()
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| value.to_str())
    }

    #[test]
    fn what_would_lead_elsewhere_is_removed_and_the_rest_stays() {
        let env = Env::from([
            ("AWS_PROFILE", "other"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://x"),
            ("AWS_CREDENTIAL_EXPIRATION", "2001-01-01T00:00:00Z"),
            ("TAPVAULT_HOME", "/t"),
            ("HOME", "/h"),
        ]);
        let child = of_child(&env, "prod", &session(), Some("eu-central-1"), None);
        for gone in [
            "AWS_PROFILE",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "TAPVAULT_HOME",
            "AWS_ENDPOINT_URL",
        ] {
            assert_eq!(value(&child, gone), None, "{gone}");
        }
        assert_eq!(value(&child, "HOME"), Some("/h"));
        assert_eq!(value(&child, "AWS_VAULT"), Some("prod"));
        assert_eq!(value(&child, "AWS_REGION"), Some("eu-central-1"));
        assert_eq!(value(&child, "AWS_CREDENTIAL_EXPIRATION"), Some("2027-01-15T08:00:00Z"));
    }

    #[test]
    fn an_access_key_brings_no_token_and_no_end() {
        let env = Env::from([("AWS_SESSION_TOKEN", "stale")]);
        let key = Credentials::LongTerm(AccessKey {
            id: "AKIA".into(),
            secret: SecretText::copy_of("s"),
        });
        let child = of_child(&env, "prod", &key, None, None);
        assert_eq!(value(&child, "AWS_SESSION_TOKEN"), None);
        assert_eq!(value(&child, "AWS_CREDENTIAL_EXPIRATION"), None);
        assert_eq!(value(&child, "AWS_REGION"), None);
    }
}
