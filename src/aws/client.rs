//! The AWS SDK behind [`super::Sts`] and `Iam`: one HTTP client, calls that end, retries that are said.

use super::Endpoint;
use super::failure::{Failure, Retry};
use super::transport::{encrypted_client, plain_client, proxy_variable};
use crate::context::Context;
use crate::credential::Credentials;
use crate::error::{Error, ErrorKind, Result};
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials as SdkCredentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::config::SharedHttpClient;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
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
    plain: OnceCell<SharedHttpClient>,
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
            plain: OnceCell::new(),
        })
    }

    /// Whether this client believes the certificates that `endpoint` is to be checked with.
    pub fn trusts(&self, endpoint: &Endpoint) -> bool {
        self.ca_bundle == endpoint.ca_bundle
    }

    /// What the clients of all services are made from; without credentials the calls are not signed.
    ///
    /// Whoever makes a client of it adds [`BoundedAnswer`](super::transport::BoundedAnswer), which is not for all of them.
    pub(super) fn config(&self, credentials: Option<&Credentials>, endpoint: &Endpoint) -> Result<SdkConfig> {
        let http = match &endpoint.url {
            // Reading the certificates of the machine takes 4 ms, and plain HTTP has no use for them.
            Some(url) if url.starts_with("http://") => made_once(&self.plain, || plain_client(&self.ctx.env))?,
            _ => made_once(&self.encrypted, || {
                encrypted_client(&self.ctx.env, self.ca_bundle.as_deref().map(Path::new))
            })?,
        };
        let app_name = AppName::new(concat!("tapvault-", env!("CARGO_PKG_VERSION")))
            .map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(endpoint.region.clone()))
            .use_fips(endpoint.fips)
            .use_dual_stack(endpoint.dual_stack)
            .app_name(app_name)
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
        if let Some(credentials) = credentials {
            // The SDK's copies of the secret can't be wiped.
            config = config.credentials_provider(SharedCredentialsProvider::new(SdkCredentials::new(
                credentials.id(),
                credentials.secret().expose(),
                credentials.token().map(|token| token.expose().to_owned()),
                None,
                "tapvault",
            )));
        }
        Ok(config.build())
    }

    /// The time now.
    pub(super) fn now(&self) -> Timestamp {
        self.ctx.now()
    }

    /// Makes one attempt, and says how it went to who asked for `--debug`.
    pub(super) fn once<T, E>(
        &self,
        name: &str,
        endpoint: &Endpoint,
        call: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Result<T, Box<Failure>>
    where
        T: RequestId,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (place, started) = (place(endpoint), Instant::now());
        let outcome = self.runtime.block_on(async {
            tokio::pin!(call);
            match tokio::time::timeout(SILENCE, &mut call).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    self.ctx.dialogue.note(&format!("waiting for {name} from {place}"));
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
        match outcome {
            Ok(output) => {
                debug("ok", output.request_id());
                Ok(output)
            }
            Err(err) => {
                let failure = Failure::of(name, place, &err, self.now());
                debug(&failure.word(), err.request_id());
                Err(Box::new(failure))
            }
        }
    }

    /// Makes a call, again where that is safe and of use, and says so when it takes long.
    pub(super) fn call<T, E, F>(
        &self,
        name: &str,
        endpoint: &Endpoint,
        repeatable: Repeatable,
        attempt: impl Fn() -> F,
    ) -> Result<T, Box<Failure>>
    where
        T: RequestId,
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut made = 1;
        loop {
            let failure = match self.once(name, endpoint, attempt()) {
                Ok(output) => return Ok(output),
                Err(failure) => failure.after(made),
            };
            let pause = match failure.retry() {
                Retry::Never => None,
                Retry::NotDone(after) => {
                    let doubtful = repeatable == Repeatable::Creates && !failure.is_without_effect();
                    (!doubtful).then_some(after)
                }
                Retry::PerhapsDone => (repeatable == Repeatable::Yes).then_some(None),
            };
            match pause.map(|after| after.unwrap_or(Duration::from_millis(200) * 3_u32.pow(made - 1))) {
                Some(pause) if made < MOST_ATTEMPTS && pause <= LONGEST_WAIT => {
                    if pause >= Duration::from_secs(1) {
                        self.ctx.dialogue.note(&format!(
                            "{name}: {}; trying again in {} s",
                            failure.word(),
                            pause.as_secs()
                        ));
                    }
                    std::thread::sleep(pause);
                }
                _ => return Err(failure.by_way_of(proxy_variable(&self.ctx.env, endpoint.url.as_deref()))),
            }
            made += 1;
        }
    }
}

fn made_once(
    cell: &OnceCell<SharedHttpClient>,
    make: impl FnOnce() -> Result<SharedHttpClient>,
) -> Result<SharedHttpClient> {
    match cell.get() {
        Some(client) => Ok(client.clone()),
        None => {
            let new = make()?;
            Ok(cell.get_or_init(|| new).clone())
        }
    }
}

/// Where a call goes, for messages.
fn place(endpoint: &Endpoint) -> &str {
    endpoint.url.as_deref().unwrap_or(&endpoint.region)
}

/// Whether a call may be made again when nobody knows whether the first one had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeatable {
    /// Twice is as good as once.
    Yes,
    /// It carried a code, and a code is good once.
    No,
    /// It makes something each time: only after a refusal that leaves no doubt.
    Creates,
}

/// The error for an answer in which something is missing.
pub(super) fn incomplete(call: &str) -> Error {
    Error::new(
        ErrorKind::Network,
        format!("{call}: the answer lacks what it should hold; something between here and AWS changed it"),
    )
}
