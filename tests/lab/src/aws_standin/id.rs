//! Fresh identifiers and secrets in the shapes AWS gives them.
//!
//! Shapes are those of the IAM User Guide, "IAM identifiers": a prefix of four letters that tells the kind,
//! then capitals and the digits 2 to 7.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::BASE32_NOPAD;

/// What a unique ID stands for; the first four letters say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A long-term access key.
    AccessKey,
    /// A temporary (STS) access key.
    SessionKey,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::AccessKey => "AKIA",
            Self::SessionKey => "ASIA",
        }
    }
}

/// A fresh access key ID: 20 characters.
pub fn access_key_id(kind: Kind) -> String {
    let tail = BASE32_NOPAD.encode(&random::<10>());
    format!("{}{tail}", kind.prefix())
}

/// A fresh secret access key: 40 characters, among them `/` and `+` that careless clients fail to encode.
pub fn secret_access_key() -> String {
    STANDARD.encode(random::<30>())
}

/// A fresh session token: long, as AWS's are, and padded, so that clients must encode `=`.
pub fn session_token() -> String {
    // The first bytes are fixed in real tokens too; the number of the rest leaves base64 one `=` short.
    format!("IQoJb3JpZ2luX2Vj{}", STANDARD.encode(random::<320>()))
}

/// A fresh seed for a virtual MFA device: 40 bytes are 64 base32 characters, as AWS gives them.
pub fn mfa_seed() -> String {
    BASE32_NOPAD.encode(&random::<40>())
}

/// A request ID in the form of a version 4 UUID (RFC 9562, 5.4).
pub fn request_id() -> String {
    let mut bytes = random::<16>();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system's random source answers");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_the_documented_lengths() {
        assert_eq!(access_key_id(Kind::SessionKey).len(), 20);
        assert!(access_key_id(Kind::AccessKey).starts_with("AKIA"));
        assert_eq!(secret_access_key().len(), 40);
        assert!(session_token().len() > 400 && session_token().ends_with('='));
        assert_eq!(mfa_seed().len(), 64);
        assert_eq!(request_id().len(), 36);
    }
}
