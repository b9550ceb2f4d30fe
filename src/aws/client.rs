//! The AWS SDK behind [`super::Sts`]: one HTTP client, calls that end, retries that are said.

use super::failure::{Failure, Retry};
use super::{CallerIdentity, Endpoint, MfaCode, RoleRequest};
use crate::context::{Chatter, Context};
use crate::credential::{Credentials, Session};
use crate::error::{Error, ErrorKind, Result, plain_io};
use crate::prompt::say;
use crate::reading;
use crate::secret::SecretText;
use aws_credential_types::Credentials as SdkCredentials;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{AppName, BehaviorVersion, Region, SharedHttpClient};
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use jiff::Timestamp;
use rustls_pki_types::pem::PemObject;
use std::cell::OnceCell;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

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

/// Thirty times what Debian trusts. In bytes.
const LONGEST_BUNDLE: u64 = 8 << 20;

/// Makes the calls.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    ca_bundle: Option<String>,
    encrypted: OnceCell<SharedHttpClient>,
    plain: SharedHttpClient,
    voice: Voice,
}

impl Client {
    /// Builds the HTTP client with the proxies and certificates that the environment names.
    pub fn new(ctx: &Context, endpoint: &Endpoint) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|err| Error::new(ErrorKind::Other, format!("starting the network: {err}")))?;
        Ok(Client {
            runtime,
            encrypted: OnceCell::new(),
            ca_bundle: endpoint.ca_bundle.clone(),
            plain: Builder::new().build_with_connector_fn(|settings, _| {
                let mut connector = ConnectorBuilder::default().proxy_config(ProxyConfig::from_env());
                connector.set_connector_settings(settings.cloned());
                connector.build_http()
            }),
            voice: Voice { chatter: ctx.chatter },
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
        F: Future<Output = Result<T, aws_sdk_sts::error::SdkError<E>>>,
        E: aws_sdk_sts::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        let place = endpoint.url.as_deref().unwrap_or(&endpoint.region);
        for made in 1.. {
            let outcome = self.runtime.block_on(async {
                let call = attempt();
                tokio::pin!(call);
                match tokio::time::timeout(SILENCE, &mut call).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        self.voice.say(&format!("waiting for {name} from {place}"));
                        call.await
                    }
                }
            });
            let failure = match outcome {
                Ok(output) => {
                    self.voice.debug(&format!("{name} from {place}: ok"));
                    return Ok(output);
                }
                Err(err) => Failure::of(name, place, &err, Timestamp::now()),
            };
            self.voice.debug(&format!("{name} from {place}: {}", failure.word()));
            let pause = match failure.retry() {
                Retry::Never => None,
                Retry::NotDone(after) => Some(after),
                Retry::PerhapsDone => (repeatable == Repeatable::Yes).then_some(None),
            };
            match pause.map(|after| after.unwrap_or(Duration::from_millis(200) * 3_u32.pow(made - 1))) {
                Some(pause) if made < MOST_ATTEMPTS && pause <= LONGEST_WAIT => {
                    if pause >= Duration::from_secs(1) {
                        self.voice.say(&format!(
                            "{name}: {}; trying again in {} s",
                            failure.word(),
                            pause.as_secs()
                        ));
                    }
                    std::thread::sleep(pause);
                }
                _ => return Err(failure.into_error(made)),
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

/// Lines on stderr while a call is under way.
struct Voice {
    chatter: Chatter,
}

impl Voice {
    fn say(&self, line: &str) {
        say(line);
    }

    fn debug(&self, line: &str) {
        if self.chatter == Chatter::Debug {
            say(&format!("debug: {line}"));
        }
    }
}

fn encrypted_client(bundle: Option<&Path>) -> Result<SharedHttpClient> {
    let mut context = TlsContext::builder();
    if let Some(path) = bundle {
        let pem = bundle_text(path)?;
        let mut store = TrustStore::empty();
        let certificates = certificates_of(&pem);
        if certificates.is_empty() {
            return Err(Error::new(
                ErrorKind::Config,
                format!("the CA bundle {} holds no certificate", path.display()),
            ));
        }
        // The library would panic on what it can't read.
        for certificate in rustls_pki_types::CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let readable = certificate.is_ok_and(|der| rustls::RootCertStore::empty().add(der).is_ok());
            if !readable {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("the CA bundle {} has a certificate that can't be read", path.display()),
                ));
            }
        }
        for certificate in certificates {
            store = store.with_pem_certificate(certificate);
        }
        context = context.with_trust_store(store);
    }
    let context = context
        .build()
        .map_err(|err| Error::new(ErrorKind::Config, format!("the TLS certificates can't be used: {err}")))?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.clone())
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    }))
}

/// The text of a bundle. Certificates may have words of any encoding between them.
fn bundle_text(path: &Path) -> Result<String> {
    let unusable = |how: &str| {
        Error::new(ErrorKind::Config, format!("the CA bundle {} {how}", path.display()))
            .hint("AWS_CA_BUNDLE, or ca_bundle in the profile, names it")
    };
    let bytes =
        reading::read(path, LONGEST_BUNDLE).map_err(|err| unusable(&format!("can't be read: {}", plain_io(&err))))?;
    if bytes.len() as u64 > LONGEST_BUNDLE {
        return Err(unusable("is too large for one"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The certificates of a bundle, one PEM text each: the library reads only the first of a text.
fn certificates_of(pem: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    pem.match_indices(BEGIN)
        .filter_map(|(start, _)| {
            let length = pem[start..].find(END)? + END.len();
            Some(format!("{}\n", &pem[start..start + length]))
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_split_into_its_certificates() {
        let one = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----";
        assert_eq!(certificates_of(&format!("# a\n{one}\n\n{one}\n")).len(), 2);
        assert!(certificates_of("-----BEGIN CERTIFICATE-----\nhalf").is_empty());
    }
}
