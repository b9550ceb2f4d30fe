//! What a token's answers come to: the crate's types in, ours out, and nothing believed that the request did not ask for.
//!
//! HID gives every reader all frames, so an answer may also be one to another program's request; the relying party tells them apart.

use super::failure::Fault;
use super::wire::{Check, Info, LONGEST_CREDENTIAL, Ownership, RP_ID};
use super::{OUTPUT, Result};
use ctap_hid_fido2::fidokey::get_assertion::get_assertion_params::Assertion;
use ctap_hid_fido2::fidokey::make_credential::Attestation;
use ctap_hid_fido2::fidokey::{AssertionExtension, CredentialExtension};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The most bytes of a PIN (CTAP 2.1, 6.5.1).
const LONGEST_PIN: u8 = 63;

/// The members of getInfo's answer that matter here (CTAP 2.1, 6.4). The crate's own type has no name outside of it.
pub struct Members {
    /// Such as `FIDO_2_1`.
    pub versions: Vec<String>,
    /// Such as `hmac-secret`.
    pub extensions: Vec<String>,
    /// Such as `clientPin`.
    pub options: Vec<(String, bool)>,
    /// In the token's order of preference.
    pub pin_protocols: Vec<u32>,
    /// Whether the PIN has to be changed first.
    pub force_pin_change: bool,
    /// The fewest characters of a PIN, 0 if it is not said.
    pub min_pin_length: u32,
}

/// What a token can do, and which PIN protocol it is spoken to with.
///
/// # Errors
/// [`Fault::Nonsense`] without a version, which every token has: such an answer is empty, or of something else.
pub fn info(told: Members, doing: &'static str) -> Result<(Info, u8)> {
    if told.versions.is_empty() {
        return Err(Fault::Nonsense { doing });
    }
    let option = |name: &str| {
        let mut options = told.options.iter();
        options.find(|(option, _)| option == name).map(|(_, is)| *is)
    };
    let info = Info {
        hmac_secret: told.extensions.iter().any(|extension| extension == "hmac-secret"),
        pin_set: option("clientPin"),
        fingers_set: option("uv"),
        always_uv: option("alwaysUv") == Some(true),
        makes_without_check: option("makeCredUvNotRqd") == Some(true),
        pin_outworn: told.force_pin_change,
        pin_is_for_keys: option("noMcGaPermissionsWithClientPin") != Some(true),
        // One that said more than a PIN can have would let none through.
        shortest_pin: u8::try_from(told.min_pin_length).map_or(0, |least| least.min(LONGEST_PIN)),
        versions: told.versions,
    };
    // Before CTAP 2.1 there was only the first.
    let mut protocols = told.pin_protocols.into_iter();
    let two_first = protocols.find(|protocol| matches!(protocol, 1 | 2)) == Some(2);
    Ok((info, if two_first { 2 } else { 1 }))
}

/// The new credential's ID.
///
/// # Errors
/// [`Fault::NoHmacSecret`] when it was made without; [`Fault::Nonsense`] when it can't be one that was asked for.
pub fn made(answer: Attestation, doing: &'static str) -> Result<Vec<u8>> {
    let nonsense = Err(Fault::Nonsense { doing });
    let credential = answer.credential_descriptor.id;
    if !is_ours(&answer.rpid_hash)
        || !answer.flags.user_present_result
        || !(1..=LONGEST_CREDENTIAL).contains(&credential.len())
    {
        return nonsense;
    }
    let mut extensions = answer.extensions.iter();
    match extensions.any(|extension| matches!(extension, CredentialExtension::HmacSecret(Some(true)))) {
        true => Ok(credential),
        false => Err(Fault::NoHmacSecret),
    }
}

/// Whether the credential of a silent assertion is the token's own.
///
/// # Errors
/// [`Fault::Nonsense`] when the answer has no authenticator data of ours: it says nothing then.
pub fn owned(answer: &[Assertion], doing: &'static str) -> Result<Ownership> {
    match answer.iter().any(|assertion| is_ours(&assertion.rpid_hash)) {
        true => Ok(Ownership::Owned),
        false => Err(Fault::Nonsense { doing }),
    }
}

/// The outputs for so many salts, one behind the other.
///
/// # Errors
/// [`Fault::NoHmacSecret`] without any, [`Fault::CheckedUnasked`] and [`Fault::Nonsense`] when touch and check were not as they were
/// asked for: they would open nothing.
pub fn outputs(answer: &[Assertion], salts: usize, check: Check, doing: &'static str) -> Result<Zeroizing<Vec<u8>>> {
    let nonsense = || Fault::Nonsense { doing };
    let assertion = answer.first().ok_or_else(nonsense)?;
    if !is_ours(&assertion.rpid_hash) || !assertion.flags.user_present_result {
        return Err(nonsense());
    }
    // What is given with a check and without is not the same (CTAP 2.1, 12.5: CredRandomWithUV, CredRandomWithoutUV).
    match (check, assertion.flags.user_verified_result) {
        (Check::None, false) | (Check::Pin | Check::BuiltIn, true) => {}
        (Check::None, true) => return Err(Fault::CheckedUnasked),
        (Check::Pin | Check::BuiltIn, false) => return Err(nonsense()),
    }
    let mut outputs = Zeroizing::new(Vec::with_capacity(2 * OUTPUT));
    let mut add = |output: &[u8]| {
        // Never more than there is room for: a text that grows leaves copies behind.
        if outputs.len() < 2 * OUTPUT {
            outputs.extend_from_slice(output);
        }
    };
    for extension in &assertion.extensions {
        match extension {
            AssertionExtension::HmacSecret(Some(output)) => add(output),
            AssertionExtension::HmacSecret2(Some((first, second))) => {
                add(first);
                add(second);
            }
            _ => {}
        }
    }
    match outputs.len() {
        0 => Err(Fault::NoHmacSecret),
        length if length == OUTPUT * salts => Ok(outputs),
        _ => Err(nonsense()),
    }
}

fn is_ours(rp_id_hash: &[u8]) -> bool {
    rp_id_hash == Sha256::digest(RP_ID).as_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(options: &[(&str, bool)]) -> Members {
        Members {
            versions: vec!["FIDO_2_1".into()],
            extensions: vec!["hmac-secret".into()],
            options: options.iter().map(|(name, is)| ((*name).to_owned(), *is)).collect(),
            pin_protocols: Vec::new(),
            force_pin_change: false,
            min_pin_length: 0,
        }
    }

    fn assertion(flags: u8, output: [u8; 32]) -> Assertion {
        let mut assertion = Assertion {
            rpid_hash: Sha256::digest(RP_ID).to_vec(),
            extensions: vec![AssertionExtension::HmacSecret(Some(output))],
            ..Assertion::default()
        };
        // Web Authentication, level 2, 6.1: user present, user verified.
        assertion.flags.user_present_result = flags & 1 != 0;
        assertion.flags.user_verified_result = flags & 4 != 0;
        assertion
    }

    #[test]
    fn the_tokens_own_first_choice_of_pin_protocols_is_taken_as_far_as_it_is_known() {
        for (offered, taken) in [
            (&[][..], 1),
            (&[1], 1),
            (&[2], 2),
            (&[2, 1], 2),
            (&[1, 2], 1),
            (&[3, 2, 1], 2),
            (&[3], 1),
        ] {
            let mut told = members(&[]);
            told.pin_protocols = offered.to_vec();
            assert_eq!(info(told, "").expect("understood").1, taken, "{offered:?}");
        }
    }

    #[test]
    fn a_pin_is_good_for_keys_unless_the_token_says_otherwise() {
        let has_pin = |options: &[(&str, bool)]| info(members(options), "").expect("understood").0.has_pin();
        assert!(has_pin(&[("clientPin", true)]));
        assert!(has_pin(&[
            ("clientPin", true),
            ("noMcGaPermissionsWithClientPin", false)
        ]));
        assert!(!has_pin(&[
            ("clientPin", true),
            ("noMcGaPermissionsWithClientPin", true)
        ]));
        assert!(!has_pin(&[("clientPin", false)]));
    }

    #[test]
    fn a_shortest_pin_that_no_pin_could_have_is_not_believed() {
        for (said, believed) in [(0, 0), (6, 6), (63, 63), (64, 63), (200, 63), (1000, 0)] {
            let mut told = members(&[]);
            told.min_pin_length = said;
            assert_eq!(info(told, "").expect("understood").0.shortest_pin, believed, "{said}");
        }
    }

    #[test]
    fn an_output_counts_only_with_touch_and_check_as_they_were_asked_for() {
        let outputs = |flags, check| outputs(&[assertion(flags, [7; 32])], 1, check, "");
        assert_eq!(outputs(1, Check::None).expect("an output")[..], [7; 32]);
        assert_eq!(outputs(5, Check::Pin).expect("an output")[..], [7; 32]);
        assert_eq!(outputs(5, Check::BuiltIn).expect("an output")[..], [7; 32]);
        assert_eq!(outputs(5, Check::None), Err(Fault::CheckedUnasked));
        for (flags, check) in [(0, Check::None), (4, Check::Pin), (1, Check::Pin), (1, Check::BuiltIn)] {
            assert_eq!(
                outputs(flags, check),
                Err(Fault::Nonsense { doing: "" }),
                "{flags} {check:?}"
            );
        }
    }

    #[test]
    fn more_or_fewer_outputs_than_salts_are_none() {
        let one = assertion(1, [7; 32]);
        let mut three = one.clone();
        three.extensions = vec![one.extensions[0].clone(); 3];
        let nonsense = Err(Fault::Nonsense { doing: "" });
        assert_eq!(outputs(std::slice::from_ref(&one), 2, Check::None, ""), nonsense);
        assert_eq!(outputs(&[three], 1, Check::None, ""), nonsense);
        let none = Assertion {
            extensions: Vec::new(),
            ..one
        };
        assert_eq!(outputs(&[none], 1, Check::None, ""), Err(Fault::NoHmacSecret));
    }

    #[test]
    fn an_answer_to_another_programs_request_is_not_ours() {
        let mut other = assertion(1, [7; 32]);
        other.rpid_hash = Sha256::digest("example.com").to_vec();
        let nonsense = Fault::Nonsense { doing: "" };
        assert_eq!(owned(std::slice::from_ref(&other), ""), Err(nonsense.clone()));
        assert_eq!(outputs(&[other], 1, Check::None, ""), Err(nonsense.clone()));
        assert_eq!(made(Attestation::default(), ""), Err(nonsense));
        assert_eq!(owned(&[assertion(0, [0; 32])], ""), Ok(Ownership::Owned));
    }
}
