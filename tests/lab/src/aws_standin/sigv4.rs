//! The arithmetic of Signature Version 4: canonical request, string to sign, signature.
//!
//! Follows the IAM User Guide, "Create a signed AWS API request", step by step; each function is one of its
//! steps. Which parts of a request carry the claim is [`credential`](super::credential)'s business, and whose
//! secret verifies it [`auth`](super::auth)'s.

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::http::Request;
use super::query;

/// The only algorithm STS and IAM take.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The last part of each credential scope.
pub const TERMINATOR: &str = "aws4_request";

/// What a signing key is good for: one day, one region, one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// `YYYYMMDD`.
    pub date: String,
    /// `us-east-1`.
    pub region: String,
    /// `sts` or `iam`.
    pub service: String,
}

impl Scope {
    /// `20150830/us-east-1/iam/aws4_request`.
    pub fn credential_scope(&self) -> String {
        format!("{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service)
    }
}

/// Step 1: the request in the one spelling that client and service agree on.
pub fn canonical_request(request: &Request, signed_headers: &[String]) -> String {
    let mut headers = String::new();
    for name in signed_headers {
        let values: Vec<String> = request
            .headers
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| trim_all(value))
            .collect();
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        request.method,
        canonical_path(&request.path),
        canonical_query(&request.query),
        signed_headers.join(";"),
        // The hash of what arrived, never the one a client claims in X-Amz-Content-Sha256.
        hash(&request.body),
    )
}

/// Step 2: the hash of the canonical request.
pub fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Step 3: the string to sign.
pub fn string_to_sign(amz_date: &str, scope: &Scope, canonical_request: &str) -> String {
    format!(
        "{ALGORITHM}\n{amz_date}\n{}\n{}",
        scope.credential_scope(),
        hash(canonical_request.as_bytes())
    )
}

/// Step 4: the signing key.
pub fn signing_key(secret: &str, scope: &Scope) -> [u8; 32] {
    let date = hmac(format!("AWS4{secret}").as_bytes(), &scope.date)
        .finalize()
        .into_bytes();
    let region = hmac(&date, &scope.region).finalize().into_bytes();
    let service = hmac(&region, &scope.service).finalize().into_bytes();
    hmac(&service, TERMINATOR).finalize().into_bytes().into()
}

/// Step 5: the signature, in lower-case hex.
pub fn signature(key: &[u8; 32], string_to_sign: &str) -> String {
    HEXLOWER.encode(&hmac(key, string_to_sign).finalize().into_bytes())
}

/// Whether `claimed` is the signature; compared in constant time, as a service has to.
pub fn verify(key: &[u8; 32], string_to_sign: &str, claimed: &str) -> bool {
    // Upper-case hex is refused: the documentation says lower-case.
    HEXLOWER
        .decode(claimed.as_bytes())
        .is_ok_and(|claimed| hmac(key, string_to_sign).verify_slice(&claimed).is_ok())
}

fn hmac(key: &[u8], message: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message.as_bytes());
    mac
}

/// The path with dot segments and empty segments removed (RFC 3986, 5.2.4), each segment encoded. What a client
/// encoded once arrives encoded, so it is encoded twice here: what the guide asks of every service but S3.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let encoded: Vec<String> = segments
        .iter()
        .map(|segment| query::encode(segment.as_bytes()))
        .collect();
    let open_end = !segments.is_empty() && ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    format!("/{}{}", encoded.join("/"), if open_end { "/" } else { "" })
}

/// Parameters encoded, then sorted by encoded name and value. A presigned URL's own signature is not part of
/// what it signs.
fn canonical_query(text: &str) -> String {
    let mut pairs: Vec<(String, String)> = query::Params::parse(text)
        .iter()
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| (query::encode(name.as_bytes()), query::encode(value.as_bytes())))
        .collect();
    pairs.sort();
    pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&")
}

/// A header's value without spaces at its ends, runs of spaces inside as one: `Trimall`.
fn trim_all(value: &str) -> String {
    value
        .split([' ', '\t'])
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
#[path = "sigv4_tests.rs"]
mod tests;
