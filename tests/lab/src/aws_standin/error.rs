//! What AWS says no with: a status, a code, a message.
//!
//! Codes and statuses are those of "Common Errors" and of each action's page in the STS and IAM API References;
//! wordings that the references do not give are those that users of the real service report.

use super::xml::Element;

/// A refusal, as it goes to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// AWS's error code, which clients branch on.
    pub code: String,
    /// AWS's words for people.
    pub message: String,
    /// Seconds for a `Retry-After` header (RFC 9110, 10.2.3).
    pub retry_after: Option<u64>,
}

impl ApiError {
    /// Any error.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            retry_after: None,
        }
    }

    /// The request carries no signature at all.
    pub fn missing_authentication_token() -> Self {
        Self::new(
            403,
            "MissingAuthenticationToken",
            "Request is missing Authentication Token",
        )
    }

    /// The access key or session token is unknown here. AWS does not say which, nor why.
    pub fn invalid_client_token_id() -> Self {
        Self::new(
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        )
    }

    /// The session has ended.
    pub fn expired_token() -> Self {
        Self::new(
            403,
            "ExpiredToken",
            "The security token included in the request is expired",
        )
    }

    /// The signature is malformed. "Common Errors" of services of the query protocol gives 400; newer services' 403.
    pub fn incomplete_signature(message: impl Into<String>) -> Self {
        Self::new(400, "IncompleteSignature", message)
    }

    /// The signature is well-formed and does not hold, for a reason worth telling.
    pub fn signature(message: impl Into<String>) -> Self {
        Self::new(403, "SignatureDoesNotMatch", message)
    }

    /// The signature is well-formed and was made with another secret or over another request.
    pub fn signature_does_not_match() -> Self {
        Self::signature(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        )
    }

    /// A parameter breaks a constraint.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationError", message)
    }

    /// The caller is known and may not.
    pub fn access_denied(message: impl Into<String>) -> Self {
        Self::new(403, "AccessDenied", message)
    }

    /// IAM knows no such thing.
    pub fn no_such_entity(message: impl Into<String>) -> Self {
        Self::new(404, "NoSuchEntity", message)
    }

    /// The action does not exist in that version of the API.
    pub fn invalid_action(action: &str, version: Option<&str>) -> Self {
        let version = version.unwrap_or("NO_VERSION_SPECIFIED");
        Self::new(
            400,
            "InvalidAction",
            format!("Could not find operation {action} for version {version}"),
        )
    }

    /// The caller is asked to slow down.
    pub fn throttling(retry_after: Option<u64>) -> Self {
        Self {
            retry_after,
            ..Self::new(400, "Throttling", "Rate exceeded")
        }
    }

    /// The document AWS sends for this error.
    pub fn document(&self, namespace: &'static str, request_id: &str) -> String {
        // `Sender` and `Receiver` are SOAP's words for whose fault it is.
        let fault = if self.status < 500 { "Sender" } else { "Receiver" };
        let error = [
            Element::text("Type", fault),
            Element::text("Code", &self.code),
            Element::text("Message", &self.message),
        ];
        Element::node(
            "ErrorResponse",
            [Element::node("Error", error), Element::text("RequestId", request_id)],
        )
        .in_namespace(namespace)
        .document()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_document_says_whose_fault_it_is() {
        let sender = ApiError::invalid_client_token_id().document("urn:x", "r-1");
        assert!(sender.contains("<Type>Sender</Type>") && sender.contains("<RequestId>r-1</RequestId>"));
        let receiver = ApiError::new(503, "ServiceUnavailable", "busy").document("urn:x", "r-1");
        assert!(receiver.contains("<Type>Receiver</Type>"));
    }
}
