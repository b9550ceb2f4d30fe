//! GENERAL AUTHENTICATE with a slot's key: sign a digest, or agree on a secret (SP 800-73-4 part 2, 3.2.4).

use p256::{
    PublicKey,
    ecdh::diffie_hellman,
    ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner},
};

use super::{
    Piv,
    authenticate::{TAG_CHALLENGE, TAG_RESPONSE, TAG_TEMPLATE},
    policy::PinPolicy,
    slot::Slot,
};
use crate::soft_token::{
    apdu::{Answer, Command, StatusWord},
    tlv,
};

/// SP 800-78-4, table 6-2.
pub(super) const ECC_P256: u8 = 0x11;

/// The other side's point, for a key agreement (SP 800-73-4 part 2, table 7).
const TAG_EXPONENTIATION: u32 = 0x85;

/// Length of a P-256 field element, and so of a digest that fits.
const FIELD: usize = 32;

/// What the host wants done with the key.
enum Job {
    Sign { digest: [u8; FIELD] },
    Agree { point: Box<PublicKey> },
}

impl Piv {
    /// Refusals come in the order of a token's work: the request, the PIN, and the finger last.
    pub(super) fn use_key(&mut self, command: &Command) -> Answer {
        let slot = Slot::from_reference(command.p2).ok_or(StatusWord::WRONG_P1P2)?;
        // F9 signs attestations only (Yubico's SDK manual, "authenticate: sign").
        // Unverified: an empty slot and another algorithm than the key's are "incorrect data".
        if slot == Slot::Attestation || command.p1 != ECC_P256 {
            return Err(StatusWord::INCORRECT_DATA);
        }
        let policies = self.state.keys.get(&slot).ok_or(StatusWord::INCORRECT_DATA)?.policies;
        let job = Job::read(&command.data)?;

        self.require_pin(policies.pin)?;
        self.require_touch(policies.touch, &format!("{} {slot}", job.verb()))?;

        let key = self.state.keys.get(&slot).ok_or(StatusWord::INCORRECT_DATA)?;
        let result = match job {
            Job::Sign { digest } => {
                let signature: Signature = SigningKey::from(&key.secret)
                    .sign_prehash(&digest)
                    .map_err(|_| StatusWord::INCORRECT_DATA)?;
                signature.to_der().as_bytes().to_vec()
            }
            Job::Agree { point } => diffie_hellman(key.secret.to_nonzero_scalar(), point.as_affine())
                .raw_secret_bytes()
                .to_vec(),
        };
        Ok(tlv::encode(TAG_TEMPLATE, &tlv::encode(TAG_RESPONSE, &result)))
    }

    /// Unverified: "always" wants a VERIFY since the last use of such a key, but not directly before; and a use that
    /// ends without a touch has used up the PIN too.
    fn require_pin(&mut self, policy: PinPolicy) -> Result<(), StatusWord> {
        let satisfied = match policy {
            PinPolicy::Never => true,
            PinPolicy::Once => self.session.pin_verified,
            PinPolicy::Always => std::mem::take(&mut self.session.pin_fresh),
        };
        if satisfied {
            Ok(())
        } else {
            Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED)
        }
    }
}

impl Job {
    /// From the template: `82` empty asks for a response to `81`, a digest, or `85`, a point.
    fn read(data: &[u8]) -> Result<Self, StatusWord> {
        let template = tlv::only(data, TAG_TEMPLATE)
            .and_then(tlv::list)
            .ok_or(StatusWord::INCORRECT_DATA)?;
        if tlv::find(&template, TAG_RESPONSE) != Some(&[]) {
            return Err(StatusWord::INCORRECT_DATA);
        }
        match (
            tlv::find(&template, TAG_CHALLENGE),
            tlv::find(&template, TAG_EXPONENTIATION),
        ) {
            (Some(digest), None) => Self::sign(digest),
            (None, Some(point)) => Self::agree(point),
            _ => Err(StatusWord::INCORRECT_DATA),
        }
    }

    /// A shorter digest is filled up from the left, a longer one refused (Yubico's SDK manual, "authenticate: sign").
    fn sign(bytes: &[u8]) -> Result<Self, StatusWord> {
        if bytes.is_empty() || bytes.len() > FIELD {
            return Err(StatusWord::INCORRECT_DATA);
        }
        let mut digest = [0; FIELD];
        digest[FIELD - bytes.len()..].copy_from_slice(bytes);
        Ok(Self::Sign { digest })
    }

    /// An uncompressed point on the curve, 65 bytes (SP 800-73-4 part 2, 3.2.4).
    fn agree(bytes: &[u8]) -> Result<Self, StatusWord> {
        if bytes.len() != 1 + 2 * FIELD {
            return Err(StatusWord::INCORRECT_DATA);
        }
        let point = PublicKey::from_sec1_bytes(bytes).map_err(|_| StatusWord::INCORRECT_DATA)?;
        Ok(Self::Agree { point: Box::new(point) })
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::Sign { .. } => "sign with",
            Self::Agree { .. } => "agree with",
        }
    }
}
