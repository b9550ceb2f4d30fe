//! The AWS SDK behind [`super::Sts`]: one HTTP client, calls that end, retries that are said.

use super::failure::{Failure, Retry};
use super::transport::{BoundedAnswer, encrypted_client, plain_client, proxy_variable};
use super::{CallerIdentity, Endpoint, MfaCode, RoleRequest};
use crate::context::Context;
use crate::credential::{Credentials, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::prompt::say;
use crate::secret::SecretText;
use aws_credential_types::Credentials as SdkCredentials;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{AppName, BehaviorVersion, Region, SharedHttpClient};
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use jiff::Timestamp;
use std::cell::OnceCell;
use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

/// To reach the endpoint.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// For one answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// How often one call is made at most.
const MOST_ATTEMPTS: u32 = 3;
/// A longer wait than this is not made in a person's name; the error says how long AWS asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// After so long without an answer a line says what is waited for.
const SILENCE: Duration = Duration::from_secs(3);

/// Makes the calls.
pub struct Client<'a> {
    ctx: &'a Context,
    runtime: tokio::runtime::Runtime,
    ca_bundle: Option<String>,
    encrypted: OnceCell<SharedHttpClient>,
    plain: SharedHttpClient,
}

impl<'a> Client<'a> {
    /// Builds the HTTP client with the proxies and certificates that the environment names.
    pub fn new(ctx: &'a Context, endpoint: &Endpoint) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|err| Error::new(ErrorKind::Other, format!("starting the network: {err}")))?;
        Ok(Client {
            ctx,
            runtime,
            encrypted: OnceCell::new(),
            ca_bundle: endpoint.ca_bundle.clone(),
            plain: plain_client(),
        })
    }

    /// Whether this client believes the certificates that `endpoint` is to be checked with.
    pub fn trusts(&self, endpoint: &Endpoint) -> bool {
        self.ca_bundle == endpoint.ca_bundle
    }

    /// See [`super::Sts::get_caller_identity`].
    pub fn get_caller_identity(&self, credentials: &Credentials, endpoint: &Endpoint) -> Result<CallerIdentity> {
        let client = self.sts(credentials, endpoint)?;
        let output = self.call("GetCallerIdentity", endpoint, Repeatable::Yes, || {
            client.get_caller_identity().send()
        })?;
        match (output.account, output.arn) {
            (Some(account), Some(arn)) => Ok(CallerIdentity { account, arn }),
            _ => Err(incomplete("GetCallerIdentity")),
        }
    }

    /// See [`super::Sts::clock_ahead`].
    pub fn clock_ahead(&self, endpoint: &Endpoint) -> Result<i64> {
        let credentials = SdkCredentials::new("AKIAIOSFODNN7EXAMPLE", "of-nobody", None, None, "tapvault");
        let client = aws_sdk_sts::Client::from_conf(self.config(endpoint)?.credentials_provider(credentials).build());
        let outcome = self.runtime.block_on(client.get_caller_identity().send());
        let place = endpoint.url.as_deref().unwrap_or(&endpoint.region);
        match outcome {
            Ok(_) => Err(incomplete("GetCallerIdentity")),
            Err(err) => {
                let failure = Failure::of("GetCallerIdentity", place, &err, Timestamp::now());
                match failure.clock_ahead() {
                    Some(ahead) => Ok(ahead.as_secs()),
                    None => Err(failure.into_error(1)),
                }
            }
        }
    }

    /// See [`super::Sts::get_session_token`].
    pub fn get_session_token(
        &self,
        credentials: &Credentials,
        endpoint: &Endpoint,
        duration: u32,
        mfa: Option<&MfaCode>,
    ) -> Result<Session> {
        let client = self.sts(credentials, endpoint)?;
        let output = self.call("GetSessionToken", endpoint, Repeatable::with(mfa), || {
            client
                .get_session_token()
                .duration_seconds(seconds(duration))
                .set_serial_number(mfa.map(|mfa| mfa.serial.clone()))
                .set_token_code(mfa.map(|mfa| mfa.code.expose().to_owned()))
                .send()
        })?;
        session("GetSessionToken", output.credentials)
    }

    /// See [`super::Sts::assume_role`].
    pub fn assume_role(
        &self,
        credentials: &Credentials,
        endpoint: &Endpoint,
        request: &RoleRequest,
        mfa: Option<&MfaCode>,
    ) -> Result<Session> {
        let client = self.sts(credentials, endpoint)?;
        let tags = request
            .tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|err| Error::new(ErrorKind::Config, format!("a session tag can't be sent: {err}")))?;
        let policies = policies(request);
        let output = self
            .call("AssumeRole", endpoint, Repeatable::with(mfa), || {
                client
                    .assume_role()
                    .role_arn(&request.role_arn)
                    .role_session_name(&request.session_name)
                    .set_duration_seconds(request.duration.map(seconds))
                    .set_external_id(request.external_id.clone())
                    .set_source_identity(request.source_identity.clone())
                    .set_policy(request.policy.clone())
                    .set_policy_arns(policies.clone())
                    .set_tags((!tags.is_empty()).then(|| tags.clone()))
                    .set_transitive_tag_keys(
                        (!request.transitive_tags.is_empty()).then(|| request.transitive_tags.clone()),
                    )
                    .set_serial_number(mfa.map(|mfa| mfa.serial.clone()))
                    .set_token_code(mfa.map(|mfa| mfa.code.expose().to_owned()))
                    .send()
            })
            .map_err(|error| error.within(&request.role_arn))?;
        session("AssumeRole", output.credentials)
    }

    /// See [`super::Sts::assume_role_with_web_identity`].
    pub fn assume_role_with_web_identity(
        &self,
        endpoint: &Endpoint,
        request: &RoleRequest,
        token: &SecretText,
    ) -> Result<Session> {
        let client = aws_sdk_sts::Client::from_conf(self.config(endpoint)?.build());
        let policies = policies(request);
        let output = self
            .call("AssumeRoleWithWebIdentity", endpoint, Repeatable::Yes, || {
                client
                    .assume_role_with_web_identity()
                    .role_arn(&request.role_arn)
                    .role_session_name(&request.session_name)
                    .web_identity_token(token.expose())
                    .set_duration_seconds(request.duration.map(seconds))
                    .set_policy(request.policy.clone())
                    .set_policy_arns(policies.clone())
                    .send()
            })
            .map_err(|error| error.within(&request.role_arn))?;
        session("AssumeRoleWithWebIdentity", output.credentials)
    }

    fn sts(&self, credentials: &Credentials, endpoint: &Endpoint) -> Result<aws_sdk_sts::Client> {
        let credentials = SdkCredentials::new(
            credentials.id(),
            credentials.secret().expose(),
            credentials.token().map(|token| token.expose().to_owned()),
            None,
            "tapvault",
        );
        Ok(aws_sdk_sts::Client::from_conf(
            self.config(endpoint)?.credentials_provider(credentials).build(),
        ))
    }

    fn config(&self, endpoint: &Endpoint) -> Result<aws_sdk_sts::config::Builder> {
        let http = match &endpoint.url {
            // Reading the certificates of the machine takes 4 ms, and plain HTTP has no use for them.
            Some(url) if url.starts_with("http://") => self.plain.clone(),
            _ => match self.encrypted.get() {
                Some(client) => client.clone(),
                None => {
                    let new = encrypted_client(self.ca_bundle.as_deref().map(Path::new))?;
                    self.encrypted.get_or_init(|| new).clone()
                }
            },
        };
        let app_name = AppName::new(concat!("tapvault-", env!("CARGO_PKG_VERSION")))
            .map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        let mut config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(endpoint.region.clone()))
            .use_fips(endpoint.fips)
            .use_dual_stack(endpoint.dual_stack)
            .app_name(app_name)
            .interceptor(BoundedAnswer)
            .http_client(http)
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_PATIENCE)
                    .operation_timeout(ANSWER_PATIENCE)
                    .build(),
            )
            // Retries are made here, where Retry-After is kept and a spent MFA code is not sent twice.
            .retry_config(RetryConfig::disabled());
        if let Some(url) = &endpoint.url {
            config = config.endpoint_url(url);
        }
        Ok(config)
    }

    /// Makes a call, again where that is safe and of use, and says so when it takes long.
    fn call<T, E, F>(
        &self,
        name: &str,
        endpoint: &Endpoint,
        repeatable: Repeatable,
        attempt: impl Fn() -> F,
    ) -> Result<T>
    where
        T: RequestId,
        F: Future<Output = Result<T, aws_sdk_sts::error::SdkError<E>>>,
        E: aws_sdk_sts::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        let place = endpoint.url.as_deref().unwrap_or(&endpoint.region);
        for made in 1.. {
            let started = Instant::now();
            let outcome = self.runtime.block_on(async {
                let call = attempt();
                tokio::pin!(call);
                match tokio::time::timeout(SILENCE, &mut call).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        say(&format!("waiting for {name} from {place}"));
                        call.await
                    }
                }
            });
            let debug = |outcome: &str, request: Option<&str>| {
                let took = started.elapsed().as_millis();
                let request = request.map(|id| format!(", request {id}")).unwrap_or_default();
                self.ctx
                    .debug(|| format!("{name} from {place}: {outcome} after {took} ms{request}"));
            };
            let failure = match outcome {
                Ok(output) => {
                    debug("ok", output.request_id());
                    return Ok(output);
                }
                Err(err) => {
                    let failure = Failure::of(name, place, &err, Timestamp::now());
                    debug(&failure.word(), err.request_id());
                    failure
                }
            };
            let pause = match failure.retry() {
                Retry::Never => None,
                Retry::NotDone(after) => Some(after),
                Retry::PerhapsDone => (repeatable == Repeatable::Yes).then_some(None),
            };
            match pause.map(|after| after.unwrap_or(Duration::from_millis(200) * 3_u32.pow(made - 1))) {
                Some(pause) if made < MOST_ATTEMPTS && pause <= LONGEST_WAIT => {
                    if pause >= Duration::from_secs(1) {
                        say(&format!(
                            "{name}: {}; trying again in {} s",
                            failure.word(),
                            pause.as_secs()
                        ));
                    }
                    std::thread::sleep(pause);
                }
                _ => {
                    let error = failure.into_error(made);
                    return Err(match proxy_variable(&self.ctx.env, endpoint.url.as_deref()) {
                        Some(name) if error.kind() == ErrorKind::Network => error.hint(format!(
                            "{name} is set, so the call went to that proxy unless NO_PROXY names {place}"
                        )),
                        Some(_) | None => error,
                    });
                }
            }
        }
        unreachable!("the loop ends by returning")
    }
}

/// Whether a call may be made again when nobody knows whether the first one had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeatable {
    Yes,
    /// It carried a code, and a code is good once.
    No,
}

impl Repeatable {
    fn with(mfa: Option<&MfaCode>) -> Self {
        if mfa.is_some() { Repeatable::No } else { Repeatable::Yes }
    }
}

fn policies(request: &RoleRequest) -> Option<Vec<PolicyDescriptorType>> {
    let policies: Vec<_> = request
        .policy_arns
        .iter()
        .map(|arn| PolicyDescriptorType::builder().arn(arn).build())
        .collect();
    (!policies.is_empty()).then_some(policies)
}

fn seconds(duration: u32) -> i32 {
    i32::try_from(duration).unwrap_or(i32::MAX)
}

fn session(call: &str, credentials: Option<aws_sdk_sts::types::Credentials>) -> Result<Session> {
    let credentials = credentials.ok_or_else(|| incomplete(call))?;
    let expires = Timestamp::from_second(credentials.expiration.secs()).map_err(|_| incomplete(call))?;
    if credentials.access_key_id.is_empty()
        || credentials.secret_access_key.is_empty()
        || credentials.session_token.is_empty()
    {
        return Err(incomplete(call));
    }
    if expires <= Timestamp::now() {
        return Err(Error::new(
            ErrorKind::Network,
            format!("{call}: the session that came back has ended already ({expires})"),
        )
        .hint("something answers in AWS's place, or this machine's clock is wrong: `tapvault doctor` compares it"));
    }
    Ok(Session {
        id: credentials.access_key_id,
        secret: SecretText::new(credentials.secret_access_key.into()),
        token: SecretText::new(credentials.session_token.into()),
        expires,
    })
}

fn incomplete(call: &str) -> Error {
    Error::new(
        ErrorKind::Network,
        format!("{call}: the answer lacks what it should hold; something between here and AWS changed it"),
    )
}
