//! The claim in a signed request: who says to have signed what, and when.
//!
//! A claim comes in the `Authorization` header or in the query of a presigned URL (IAM User Guide,
//! "Authentication methods"). It is only read here; whether it is true, [`auth`](super::auth) decides.

use jiff::Timestamp;

use super::clock;
use super::error::ApiError;
use super::http::Request;
use super::query::Params;
use super::sigv4::{ALGORITHM, Scope};

/// What a request's signature claims.
pub struct Claim {
    /// Whose key.
    pub access_key_id: String,
    /// Day, region and service the key was derived for.
    pub scope: Scope,
    /// Last part of the scope; only `aws4_request` is right.
    pub terminator: String,
    /// Names of the signed header fields, in lower case, as listed.
    pub signed_headers: Vec<String>,
    /// The signature.
    pub signature: String,
    /// When, in the spelling that was signed.
    pub amz_date: String,
    /// The same moment.
    pub signed_at: Timestamp,
    /// The session token, if any.
    pub token: Option<String>,
    /// Where it was.
    pub place: Place,
}

/// Where a claim was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the `Authorization` header.
    Header,
    /// In the URL, good for so many seconds.
    Query {
        /// `X-Amz-Expires`.
        expires: u64,
    },
}

impl Claim {
    /// `None`: the request is not signed. `Err`: it is, and the signature can't be read.
    pub fn read(request: &Request, query: &Params) -> Result<Option<Self>, ApiError> {
        match request.header("authorization") {
            Some(authorization) => Self::from_header(request, authorization).map(Some),
            None if query.find("X-Amz-Algorithm").is_some() => Self::from_query(query).map(Some),
            None => Ok(None),
        }
    }

    /// The access key ID and region a request names, however broken the rest is; for the log.
    pub fn glimpse(request: &Request, query: &Params) -> (Option<String>, Option<String>) {
        let credential = match request.header("authorization") {
            Some(header) => header.split_once("Credential=").map(|(_, rest)| rest),
            None => query.find("X-Amz-Credential"),
        };
        let mut parts = credential
            .unwrap_or_default()
            .split([',', ' '])
            .next()
            .unwrap_or_default()
            .split('/');
        // A client that swaps ID and secret must not get its secret into the log: only what looks like an ID.
        let id = parts.next().filter(|id| looks_like_key_id(id)).map(str::to_owned);
        let region = id.as_ref().and_then(|_| parts.nth(1)).map(str::to_owned);
        (id, region)
    }

    fn from_header(request: &Request, authorization: &str) -> Result<Self, ApiError> {
        let (algorithm, fields) = authorization.split_once(' ').unwrap_or((authorization, ""));
        if algorithm != ALGORITHM {
            return Err(ApiError::incomplete_signature(format!(
                "Unsupported AWS 'algorithm': '{algorithm}'"
            )));
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split(',').map(str::trim).filter(|field| !field.is_empty()) {
            match field.split_once('=') {
                Some(("Credential", value)) => credential = Some(value),
                Some(("SignedHeaders", value)) => signed_headers = Some(value),
                Some(("Signature", value)) => signature = Some(value),
                Some(_) => {}
                None => {
                    return Err(ApiError::incomplete_signature(format!(
                        "'{field}' not a valid key=value pair (missing equal-sign) in Authorization header."
                    )));
                }
            }
        }
        // X-Amz-Date wins over Date (IAM User Guide, "Elements of an AWS API request signature").
        let date = request.header("x-amz-date").or(request.header("date"));
        let (Some(credential), Some(signed_headers), Some(signature), Some(date)) =
            (credential, signed_headers, signature, date)
        else {
            let missing = [
                (
                    credential.is_none(),
                    "Authorization header requires 'Credential' parameter.",
                ),
                (
                    signature.is_none(),
                    "Authorization header requires 'Signature' parameter.",
                ),
                (
                    signed_headers.is_none(),
                    "Authorization header requires 'SignedHeaders' parameter.",
                ),
                (
                    date.is_none(),
                    "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
                ),
            ];
            let words: Vec<&str> = missing
                .iter()
                .filter(|(is_missing, _)| *is_missing)
                .map(|(_, w)| *w)
                .collect();
            return Err(ApiError::incomplete_signature(words.join(" ")));
        };
        let signed_at = clock::parse_amz_date(date)
            .or_else(|| clock::parse_http_date(date))
            .ok_or_else(|| ApiError::incomplete_signature(malformed_date(date)))?;
        let token = request.header("x-amz-security-token").map(str::to_owned);
        Self::assemble(credential, signed_headers, signature, signed_at, token, Place::Header)
    }

    fn from_query(query: &Params) -> Result<Self, ApiError> {
        let need = |name: &str| {
            query.find(name).ok_or_else(|| {
                ApiError::incomplete_signature(format!("AWS query-string parameters must include '{name}'."))
            })
        };
        let algorithm = need("X-Amz-Algorithm")?;
        if algorithm != ALGORITHM {
            return Err(ApiError::incomplete_signature(format!(
                "Unsupported AWS 'algorithm': '{algorithm}'"
            )));
        }
        let date = need("X-Amz-Date")?;
        let signed_at =
            clock::parse_amz_date(date).ok_or_else(|| ApiError::incomplete_signature(malformed_date(date)))?;
        // Seven days at most: the life of a signing key (Amazon S3 User Guide, "Download and upload objects with
        // presigned URLs").
        let expires = need("X-Amz-Expires")?
            .parse()
            .ok()
            .filter(|seconds| (1..=604_800).contains(seconds))
            .ok_or_else(|| ApiError::incomplete_signature("X-Amz-Expires must be between 1 and 604800 seconds."))?;
        let token = query.find("X-Amz-Security-Token").map(str::to_owned);
        let place = Place::Query { expires };
        Self::assemble(
            need("X-Amz-Credential")?,
            need("X-Amz-SignedHeaders")?,
            need("X-Amz-Signature")?,
            signed_at,
            token,
            place,
        )
    }

    fn assemble(
        credential: &str,
        signed_headers: &str,
        signature: &str,
        signed_at: Timestamp,
        token: Option<String>,
        place: Place,
    ) -> Result<Self, ApiError> {
        let parts: Vec<&str> = credential.split('/').collect();
        let [access_key_id, date, region, service, terminator] = parts.as_slice() else {
            return Err(ApiError::incomplete_signature(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
                 '{credential}'"
            )));
        };
        Ok(Self {
            access_key_id: (*access_key_id).to_owned(),
            scope: Scope {
                date: (*date).to_owned(),
                region: (*region).to_owned(),
                service: (*service).to_owned(),
            },
            terminator: (*terminator).to_owned(),
            signed_headers: signed_headers.split(';').map(str::to_ascii_lowercase).collect(),
            signature: signature.to_owned(),
            amz_date: clock::amz_date(signed_at),
            signed_at,
            token,
            place,
        })
    }
}

fn malformed_date(date: &str) -> String {
    format!("Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601")
}

/// IAM User Guide, "IAM identifiers": a known prefix, then capitals and digits.
pub fn looks_like_key_id(text: &str) -> bool {
    let prefix = text.starts_with("AKIA") || text.starts_with("ASIA");
    prefix && (16..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(authorization: &str) -> Request {
        let headers = [
            ("host", "x"),
            ("x-amz-date", "20150830T123600Z"),
            ("authorization", authorization),
        ];
        Request {
            method: "GET".into(),
            path: "/".into(),
            query: String::new(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: Vec::new(),
            keep_alive: true,
        }
    }

    fn refusal(authorization: &str) -> String {
        match Claim::read(&signed(authorization), &Params::default()) {
            Err(error) => format!("{} {}", error.code, error.message),
            Ok(_) => panic!("{authorization} was read"),
        }
    }

    #[test]
    fn a_claim_is_read_from_the_header() {
        let request = signed(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=host;x-amz-date, Signature=00",
        );
        let claim = Claim::read(&request, &Params::default()).unwrap().unwrap();
        assert_eq!(
            (claim.access_key_id.as_str(), claim.scope.region.as_str()),
            ("AKIDEXAMPLE", "us-east-1")
        );
        assert_eq!(claim.signed_headers, ["host", "x-amz-date"]);
        assert_eq!(claim.place, Place::Header);
    }

    #[test]
    fn malformed_claims_are_incomplete_signatures() {
        assert!(refusal("Bearer x").starts_with("IncompleteSignature Unsupported"));
        assert!(refusal("AWS4-HMAC-SHA256 SignedHeaders=host").contains("requires 'Credential' parameter. Auth"));
        assert!(refusal("AWS4-HMAC-SHA256 Credential=a/b,SignedHeaders=h,Signature=0").contains("exactly 5"));
        assert!(refusal("AWS4-HMAC-SHA256 nonsense").contains("missing equal-sign"));
    }

    #[test]
    fn the_log_sees_ids_and_never_a_secret_in_the_place_of_one() {
        let seen = |authorization: &str| Claim::glimpse(&signed(authorization), &Params::default());
        let good = "AWS4-HMAC-SHA256 Credential=AKIATAPVAULTLABANA22/20150830/us-east-1/iam/aws4_request";
        assert_eq!(
            seen(good),
            (Some("AKIATAPVAULTLABANA22".into()), Some("us-east-1".into()))
        );
        assert_eq!(
            seen("AWS4-HMAC-SHA256 Credential=wJalrXUtnFEMI/K7MDENG/bPxRfi"),
            (None, None)
        );
    }
}
