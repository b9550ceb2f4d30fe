//! The FIDO2 tokens that are plugged in: may they be opened, can they do hmac-secret, is a PIN set, do they hold the enrolled keys.
//! Asks for no touch, and spends no PIN try.

use super::Finding;
use crate::context::Context;
use crate::device::fido2::describe;
use crate::token::fido2::{Fault, Info, Node, Outcome, Ownership, Session, nodes};
use crate::vault::Vault;
use crate::wrap::fido2::present::name;
use crate::wrap::{EnrolledKey, KeyKind};
use std::collections::BTreeSet;

/// Fewer tries than this were spent on wrong PINs; tokens begin with 8 (CTAP 2.1, 6.5.2.2).
const FEW_TRIES: u8 = 3;

/// What is plugged in, and which enrolled keys are missing.
pub fn look(ctx: &Context) -> Vec<Finding> {
    let enrolled = enrolled(ctx);
    let nodes = match nodes() {
        Ok(nodes) => nodes,
        Err(fault) => {
            let error = describe(&fault, "a FIDO2 token");
            return vec![match enrolled.is_empty() {
                true => Finding::warn(error.message(), "only FIDO2 keys need it"),
                false => Finding::failed(&error),
            }];
        }
    };
    let mut here = BTreeSet::new();
    let mut uncertain = false;
    let mut findings = Vec::new();
    for node in &nodes {
        let token = name(node, &nodes);
        match at(node, &token, &enrolled) {
            Ok(seen) => {
                here.extend(seen.holds);
                uncertain |= seen.may_hold_more;
                findings.push(seen.finding);
            }
            Err(fault @ Fault::OnlyU2f) => findings.push(Finding::ok(describe(&fault, &token).message())),
            Err(fault) => {
                uncertain = true;
                let error = describe(&fault, &token);
                findings.push(match (enrolled.is_empty(), &fault) {
                    (false, Fault::Busy) => Finding::warn(error.message(), error.hints().join("; ")),
                    (false, _) => Finding::failed(&error),
                    (true, _) => Finding::ok(format!("{}; only FIDO2 keys would need it", error.message())),
                });
            }
        }
    }
    // One that can't be looked at may be the one.
    if !uncertain {
        let absent = enrolled.iter().filter(|key| !here.contains(key.name.as_str()));
        findings.extend(absent.map(|key| {
            Finding::ok(format!(
                "{} ({}) is enrolled, and none of the FIDO2 tokens here holds it",
                key.name,
                key.token().unwrap_or_default()
            ))
        }));
    }
    findings
}

struct Seen {
    finding: Finding,
    /// Names of the enrolled keys that it holds.
    holds: Vec<String>,
    may_hold_more: bool,
}

fn at(node: &Node, token: &str, enrolled: &[EnrolledKey]) -> Result<Seen, Fault> {
    if let Outcome::Not(fault) = &node.access {
        return Err(fault.clone());
    }
    let mut session = Session::open(&node.path)?;
    let info = session.info().clone();
    let tries = match info.pin_set {
        Some(true) => Some(session.pin_tries()?),
        Some(false) | None => None,
    };
    let (mut holds, mut may_hold_more) = (Vec::new(), false);
    for key in enrolled {
        let KeyKind::Fido2(details) = &key.kind else { continue };
        match session.owns(&details.credential.0)? {
            Ownership::Owned => holds.push(key.name.to_string()),
            Ownership::Untold => may_hold_more = true,
            Ownership::Foreign => {}
        }
    }
    let mut finding = judged(node, token, &info, tries, !enrolled.is_empty());
    if !holds.is_empty() {
        finding.text.push_str(&format!("; it holds {}", holds.join(" and ")));
    }
    Ok(Seen {
        finding,
        holds,
        may_hold_more,
    })
}

fn judged(node: &Node, token: &str, info: &Info, tries: Option<u8>, is_needed: bool) -> Finding {
    let place = format!("{token} ({})", node.path);
    if !info.hmac_secret {
        return Finding::ok(format!("{place} has no hmac-secret, so it can open no vault"));
    }
    let always = if info.always_uv {
        ", asked for each time (alwaysUv)"
    } else {
        ""
    };
    match (info.pin_set, tries) {
        (Some(true), Some(0)) => Finding::failed(&describe(&Fault::PinBlocked, &place)),
        (Some(true), Some(tries)) if tries <= FEW_TRIES => Finding::warn(
            format!("{place}: {tries} PIN tries left"),
            "the right PIN sets them back; without a try left only a reset helps, and it destroys the keys",
        ),
        (Some(true), _) if info.pin_outworn => Finding::failed(&describe(&Fault::PinOutworn, &place)),
        (Some(true), _) if info.fingers_set == Some(true) => {
            Finding::ok(format!("{place}: hmac-secret, fingers enrolled, PIN set{always}"))
        }
        (Some(true), _) if !info.pin_is_for_keys => Finding::warn(
            describe(&Fault::PinNotForKeys, &place).message(),
            "its maker's program enrolls a finger",
        ),
        (Some(true), _) => Finding::ok(format!("{place}: hmac-secret, PIN set{always}")),
        (Some(false) | None, _) if info.fingers_set == Some(true) => {
            Finding::ok(format!("{place}: hmac-secret, fingers enrolled{always}"))
        }
        (Some(false), _) if is_needed => Finding::warn(
            format!("{place} has no PIN: a key made without one opens the vault for whoever finds it"),
            format!("fido2-token -S {} sets one (libfido2's tools)", node.path),
        ),
        (Some(false) | None, _) => Finding::ok(format!("{place}: hmac-secret, no PIN set")),
    }
}

fn enrolled(ctx: &Context) -> Vec<EnrolledKey> {
    let Ok((snapshot, _lock)) = Vault::at(&ctx.paths).look() else {
        return Vec::new();
    };
    let mut keys = snapshot
        .keyring
        .map(|keyring| keyring.unverified().keys.clone())
        .unwrap_or_default();
    keys.retain(|key| matches!(key.kind, KeyKind::Fido2(_)));
    keys
}
