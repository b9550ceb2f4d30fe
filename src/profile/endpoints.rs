//! Which endpoint a service is called at.
//!
//! The order of the AWS SDKs ("Service-specific endpoints" in their reference guide): the service's variable, the general
//! variable, the service's block in `[services]`, `endpoint_url`; all of them silenced by `ignore_configured_endpoint_urls`.

use super::config::Sections;
use super::error::{ConfigError, shown};
use super::origin::{Origin, Sourced, Via};
use super::resolve::{Services, Voices, parsed};
use super::settings::{Endpoints, Note, StsRegional};
use super::value::{Unfit, switch};
use super::variables;

/// Reads all that says where calls go.
pub(super) fn read(voices: &mut Voices<'_>) -> Result<Endpoints, ConfigError> {
    let ignored = voices.read(
        "ignore_configured_endpoint_urls",
        &[variables::IGNORE_CONFIGURED_ENDPOINT_URLS],
        switch,
    )?;
    let mut endpoints = Endpoints {
        fips: voices.read("use_fips_endpoint", &[variables::USE_FIPS_ENDPOINT], switch)?,
        dualstack: voices.read("use_dualstack_endpoint", &[variables::USE_DUALSTACK_ENDPOINT], switch)?,
        sts_regional: voices.read(
            "sts_regional_endpoints",
            &[variables::STS_REGIONAL_ENDPOINTS],
            sts_regional,
        )?,
        ca_bundle: voices.text("ca_bundle", &[variables::CA_BUNDLE])?,
        ..Endpoints::default()
    };
    if ignored.is_some_and(|ignored| ignored.value) {
        return Ok(endpoints);
    }
    endpoints.general = voices.read("endpoint_url", &[variables::ENDPOINT_URL], url)?;
    let services = voices.services()?;
    if let Some(Services { name, sections: None }) = &services {
        // The SDKs say nothing, and the calls go to AWS.
        voices.notes.push(Note::new(
            format!("services = {} ({}) sets no endpoint", shown(&name.value), name.origin),
            "no section has that name",
        ));
    }
    let sections = services.and_then(|services| services.sections);
    let general = endpoints.general.as_ref();
    endpoints.sts = service(voices, sections, "sts", variables::ENDPOINT_URL_STS, general)?;
    endpoints.iam = service(voices, sections, "iam", variables::ENDPOINT_URL_IAM, general)?;
    Ok(endpoints)
}

fn service(
    voices: &Voices<'_>,
    services: Option<Sections<'_>>,
    block: &str,
    variable: &'static str,
    general: Option<&Sourced<String>>,
) -> Result<Option<Sourced<String>>, ConfigError> {
    if let Some(found) = voices.environment(variable, "endpoint_url", url)? {
        return Ok(Some(found));
    }
    if let Some(Sourced {
        origin: Origin::Env(_), ..
    }) = general
    {
        return Ok(general.cloned());
    }
    let found = services.and_then(|sections| {
        let (text, place) = sections.nested(block, "endpoint_url")?;
        Some(Sourced::new(text.to_owned(), sections.origin(place, Via::Services)))
    });
    match found {
        Some(found) => parsed("endpoint_url", found, url).map(Some),
        None => Ok(general.cloned()),
    }
}

fn url(text: &str) -> Result<String, Unfit> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic()) => Ok(text.to_owned()),
        _ => Err(Unfit("expected a URL that begins with https:// or http://")),
    }
}

fn sts_regional(text: &str) -> Result<StsRegional, Unfit> {
    match text {
        _ if text.eq_ignore_ascii_case("regional") => Ok(StsRegional::Regional),
        _ if text.eq_ignore_ascii_case("legacy") => Ok(StsRegional::Legacy),
        _ => Err(Unfit("expected regional or legacy")),
    }
}
