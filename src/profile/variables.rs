//! The environment variables that profiles listen to.
//!
//! Those of the AWS SDKs, and those of aws-vault that people have in their scripts.

/// The variables that are kept of the environment; [`super::Config::new`] looks at no others.
pub(super) const ALL: [&str; 23] = [
    PROFILE,
    REGION,
    DEFAULT_REGION,
    MFA_SERIAL,
    ROLE_ARN,
    ROLE_SESSION_NAME,
    SESSION_TAGS,
    TRANSITIVE_TAGS,
    SOURCE_IDENTITY,
    WEB_IDENTITY_TOKEN_FILE,
    ASSUME_ROLE_TTL,
    SESSION_TOKEN_TTL,
    CHAINED_SESSION_TOKEN_TTL,
    FEDERATION_TOKEN_TTL,
    STS_REGIONAL_ENDPOINTS,
    ENDPOINT_URL,
    ENDPOINT_URL_STS,
    ENDPOINT_URL_IAM,
    IGNORE_CONFIGURED_ENDPOINT_URLS,
    USE_FIPS_ENDPOINT,
    USE_DUALSTACK_ENDPOINT,
    CA_BUNDLE,
    DEFAULT_OUTPUT,
];

pub(super) const PROFILE: &str = "AWS_PROFILE";
pub(super) const REGION: &str = "AWS_REGION";
pub(super) const DEFAULT_REGION: &str = "AWS_DEFAULT_REGION";
pub(super) const MFA_SERIAL: &str = "AWS_MFA_SERIAL";
pub(super) const ROLE_ARN: &str = "AWS_ROLE_ARN";
pub(super) const ROLE_SESSION_NAME: &str = "AWS_ROLE_SESSION_NAME";
pub(super) const SESSION_TAGS: &str = "AWS_SESSION_TAGS";
pub(super) const TRANSITIVE_TAGS: &str = "AWS_TRANSITIVE_TAGS";
pub(super) const SOURCE_IDENTITY: &str = "AWS_SOURCE_IDENTITY";
pub(super) const WEB_IDENTITY_TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
pub(super) const ASSUME_ROLE_TTL: &str = "AWS_ASSUME_ROLE_TTL";
pub(super) const SESSION_TOKEN_TTL: &str = "AWS_SESSION_TOKEN_TTL";
pub(super) const CHAINED_SESSION_TOKEN_TTL: &str = "AWS_CHAINED_SESSION_TOKEN_TTL";
pub(super) const FEDERATION_TOKEN_TTL: &str = "AWS_FEDERATION_TOKEN_TTL";
pub(super) const STS_REGIONAL_ENDPOINTS: &str = "AWS_STS_REGIONAL_ENDPOINTS";
pub(super) const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
pub(super) const ENDPOINT_URL_STS: &str = "AWS_ENDPOINT_URL_STS";
pub(super) const ENDPOINT_URL_IAM: &str = "AWS_ENDPOINT_URL_IAM";
pub(super) const IGNORE_CONFIGURED_ENDPOINT_URLS: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
pub(super) const USE_FIPS_ENDPOINT: &str = "AWS_USE_FIPS_ENDPOINT";
pub(super) const USE_DUALSTACK_ENDPOINT: &str = "AWS_USE_DUALSTACK_ENDPOINT";
pub(super) const CA_BUNDLE: &str = "AWS_CA_BUNDLE";
pub(super) const DEFAULT_OUTPUT: &str = "AWS_DEFAULT_OUTPUT";
