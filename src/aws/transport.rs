//! HTTP as the calls need it: the environment's proxies, the machine's certificates or a bundle, answers of bounded length.

use crate::env::Env;
use crate::error::{Error, ErrorKind, Result, plain_io};
use crate::reading;
use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;
use rustls_pki_types::pem::PemObject;
use std::path::Path;

/// Thirty times what Debian trusts. In bytes.
const LONGEST_BUNDLE: u64 = 8 << 20;

/// A hundred times the longest answer of STS. In bytes.
const LONGEST_ANSWER: usize = 1 << 20;

/// Connections without TLS, for endpoints that are given as `http://`.
///
/// # Errors
/// [`ErrorKind::Config`] when the proxy that the environment names can't be used.
pub fn plain_client(env: &Env) -> Result<SharedHttpClient> {
    let proxy = proxy(env, Some("http://"))?;
    Ok(Builder::new().build_with_connector_fn(move |settings, _| {
        let mut connector = ConnectorBuilder::default().proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.build_http()
    }))
}

/// Connections with TLS, which trust the machine's certificates, or only those of the bundle.
///
/// # Errors
/// [`ErrorKind::Config`] when the bundle, or the proxy that the environment names, can't be used.
pub fn encrypted_client(env: &Env, bundle: Option<&Path>) -> Result<SharedHttpClient> {
    let proxy = proxy(env, None)?;
    let mut context = TlsContext::builder();
    if let Some(path) = bundle {
        context = context.with_trust_store(trust_store(path)?);
    }
    let context = context
        .build()
        .map_err(|err| Error::new(ErrorKind::Config, format!("the TLS certificates can't be used: {err}")))?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.clone())
            .proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    }))
}

/// The variable that names a proxy for calls to `url`; without one they go to `https://`. Its value may hold a password.
pub fn proxy_variable(env: &Env, url: Option<&str>) -> Option<&'static str> {
    let names = match url {
        Some(url) if url.starts_with("http://") => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
        Some(_) | None => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
    };
    names
        .into_iter()
        .find(|name| env.text(name).is_some_and(|value| !value.is_empty()))
}

/// The proxy for calls to `url`, as `env` has it: an agent makes calls in the name of clients whose environment differs from its own.
fn proxy(env: &Env, url: Option<&str>) -> Result<ProxyConfig> {
    // A CGI program's HTTP_PROXY is a header of its request (httpoxy.org).
    let Some(name) = proxy_variable(env, url).filter(|_| env.os("REQUEST_METHOD").is_none()) else {
        return Ok(ProxyConfig::disabled());
    };
    let value = env.text(name).unwrap_or_default();
    // curl takes a bare host and port too.
    let with_scheme = match value.contains("://") {
        true => value.to_owned(),
        false => format!("http://{value}"),
    };
    let config = match url {
        Some(_) => ProxyConfig::http(with_scheme),
        None => ProxyConfig::https(with_scheme),
    };
    // The value may hold a password, and so may the library's words.
    let config = config.map_err(|_| {
        Error::new(ErrorKind::Config, format!("{name} names no proxy that can be used"))
            .hint("expected http://HOST:PORT or https://HOST:PORT; SOCKS proxies are not supported")
    })?;
    Ok(match env.text("NO_PROXY").or_else(|| env.text("no_proxy")) {
        Some(rules) => config.no_proxy(rules),
        None => config,
    })
}

/// Ends an answer that is far longer than any of STS: the SDK would gather all of it in memory.
#[derive(Debug)]
pub struct BoundedAnswer;

impl Intercept for BoundedAnswer {
    fn name(&self) -> &'static str {
        "BoundedAnswer"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        let unbounded = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(unbounded, LONGEST_ANSWER));
        Ok(())
    }
}

fn trust_store(path: &Path) -> Result<TrustStore> {
    let unusable = |how: &str| {
        Error::new(ErrorKind::Config, format!("the CA bundle {} {how}", path.display()))
            .hint("AWS_CA_BUNDLE, or ca_bundle in the profile, names it")
    };
    let bytes =
        reading::read(path, LONGEST_BUNDLE).map_err(|err| unusable(&format!("can't be read: {}", plain_io(&err))))?;
    if bytes.len() as u64 > LONGEST_BUNDLE {
        return Err(unusable("is too large for one"));
    }
    // Certificates may have words of any encoding between them.
    let pem = String::from_utf8_lossy(&bytes);
    let certificates = certificates_of(&pem);
    if certificates.is_empty() {
        return Err(unusable("holds no certificate"));
    }
    // The library would panic on what it can't read.
    for certificate in rustls_pki_types::CertificateDer::pem_slice_iter(pem.as_bytes()) {
        if !certificate.is_ok_and(|der| rustls::RootCertStore::empty().add(der).is_ok()) {
            return Err(unusable("has a certificate that can't be read"));
        }
    }
    Ok(certificates
        .into_iter()
        .fold(TrustStore::empty(), |store, certificate| {
            store.with_pem_certificate(certificate)
        }))
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
