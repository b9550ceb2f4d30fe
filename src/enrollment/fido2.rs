//! Making a FIDO2 key: which token, a credential that stays with us, and its outputs, calculated twice and compared.

#![cfg(feature = "fido2")]

use super::NewKey;
use crate::context::{Context, host_name};
use crate::device::fido2::{describe, missed_twice, open};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::token::fido2::{self as token, Check, Fault, Info, Node, Outcome, Output, Session};
use crate::wrap::fido2::present::{self, PresentFido2, Seat, give_pin, needed_check};
use crate::wrap::fido2::{
    Bytes, Fido2Details, RelyingParty, Salt, Verification, identity, proof, signing_key, voucher_salt,
};
use crate::wrap::{EnrolledKey, KeyKind, KeyName};
use rand::RngCore;

/// What a person may choose.
#[derive(Clone, Debug, Default)]
pub struct Fido2Wishes {
    /// The token's node; the only one plugged in otherwise.
    pub device: Option<String>,
    /// The token's serial number.
    pub serial: Option<String>,
    /// Whether PIN or finger are asked for; they are, otherwise.
    pub uv: Option<Verification>,
}

/// A token that was chosen, looked at and found fit; nothing was asked of it yet.
pub struct ChosenFido2<'a> {
    ctx: &'a Context,
    seat: Seat,
    session: Session,
    uv: Verification,
}

/// A credential's touch, and one for each calculation.
const TOUCHES: usize = 3;

/// The one token that is plugged in and could be enrolled: what `add` offers on an empty vault.
pub fn available() -> Option<String> {
    let nodes = token::nodes().ok()?;
    match &nodes[..] {
        [node] if node.access == Outcome::Fine => Some(present::name(node, &nodes)),
        _ => None,
    }
}

impl<'a> ChosenFido2<'a> {
    /// Finds the token and sees whether it can do what is wished.
    ///
    /// # Errors
    /// [`ErrorKind::NoKey`] without a token or without hmac-secret, [`ErrorKind::Usage`] with two, [`ErrorKind::Pin`] without a PIN.
    pub fn choose(ctx: &'a Context, wishes: &Fido2Wishes) -> Result<Self> {
        let nodes = token::nodes().map_err(|fault| describe(&fault, "a FIDO2 token"))?;
        let node = pick(&nodes, wishes)?;
        let seat = Seat {
            token: present::name(node, &nodes),
            node: node.clone(),
        };
        if let Outcome::Not(fault) = &node.access
            && *fault != Fault::Busy
        {
            return Err(describe(fault, &seat.token));
        }
        let session = open(ctx, node, &seat.token)?;
        let uv = wishes.uv.unwrap_or(Verification::Required);
        fit(session.info(), uv, &seat)?;
        ctx.dialogue.tell(&format!(
            "{} at {}, {}",
            seat.token,
            node.path,
            session.info().versions.join(" ")
        ));
        Ok(ChosenFido2 { ctx, seat, session, uv })
    }

    /// How many touches making the key takes. Vouching with it takes none more: its outputs are at hand then.
    pub fn touches(&self) -> usize {
        TOUCHES
    }

    /// Makes the credential, and calculates with it twice: a token that gives another output each time would lock its owner out.
    pub fn make(mut self, name: KeyName, touches: &mut Touches<'_>) -> Result<NewKey<'a>> {
        let check = needed_check(self.session.info(), self.uv, &self.seat.token)?;
        let mut making = check;
        // With a PIN set, a token wants it for a new credential whatever is used later.
        if check == Check::None && self.session.info().pin_set == Some(true) && !self.session.info().makes_without_check
        {
            making = Check::Pin;
        }
        if check == Check::Pin || making == Check::Pin {
            give_pin(self.ctx, &mut self.session, &self.seat.token, None)?;
        }
        let credential = self.touched("make the key", touches, |session| session.make(making))?;
        let mut salt = [0; 32];
        rand::rngs::OsRng.fill_bytes(&mut salt);
        let salts = [salt, voucher_salt(&salt)];
        let mut calculate = |purpose: &str, touches: &mut Touches<'_>| -> Result<[Output; 2]> {
            self.touched(purpose, touches, |session| {
                session.two_outputs(&credential, [&salts[0], &salts[1]], check)
            })
        };
        let first = calculate("try the key", touches)?;
        let second = calculate("try it once more", touches)?;
        if first != second || *first[0] == *first[1] {
            return Err(Error::new(
                ErrorKind::Other,
                format!(
                    "{} does not calculate the same twice, so nothing sealed to it would open again",
                    self.seat.token
                ),
            )
            .hint("nothing was enrolled; docs/hardware.md lists tokens that are known to work"));
        }
        let [opening, vouching] = first;
        let (identity, signing) = (identity(&opening), signing_key(&vouching));
        let verifier = present::verifier(&signing);
        let recipient = identity.to_public().to_string();
        let details = Fido2Details {
            rp_id: RelyingParty::Age,
            credential: Bytes(credential),
            salt: Salt(salt),
            uv: self.uv,
            product: self.seat.node.name.clone(),
            serial: self.seat.node.serial.clone(),
            proof: proof(&identity, &verifier),
            verifier,
        };
        let record = EnrolledKey {
            name: name.clone(),
            recipient: recipient.clone(),
            enrolled: self.ctx.now(),
            host: host_name(),
            kind: KeyKind::Fido2(details.clone()),
        };
        let key = PresentFido2::made(self.ctx, (name, details, recipient), self.seat, identity, signing);
        Ok(NewKey {
            record,
            key: Box::new(key),
            file: None,
        })
    }

    /// An operation with a touch, armed once more when it is missed.
    fn touched<T>(
        &mut self,
        purpose: &str,
        touches: &mut Touches<'_>,
        operation: impl Fn(&mut Session) -> token::Result<T>,
    ) -> Result<T> {
        let token = &self.seat.token;
        let mut awaited = Some(touches.announce(token, purpose));
        let mut outcome = operation(&mut self.session);
        if let Err(Fault::NoTouch { waited }) = &outcome {
            awaited = Some(touches.again(awaited, token, purpose, waited.as_secs()));
            outcome = operation(&mut self.session);
        }
        drop(awaited);
        outcome.map_err(|fault| missed_twice(&fault, token, purpose).hint("nothing was enrolled"))
    }
}

fn pick<'n>(nodes: &'n [Node], wishes: &Fido2Wishes) -> Result<&'n Node> {
    let fits = |node: &&Node| {
        wishes.device.as_ref().is_none_or(|path| *path == node.path)
            && (wishes.serial.is_none() || wishes.serial == node.serial)
    };
    let fitting: Vec<&Node> = nodes.iter().filter(fits).collect();
    match &fitting[..] {
        [node] => Ok(node),
        [] if nodes.is_empty() => Err(Error::new(ErrorKind::NoKey, "no FIDO2 token is plugged in").hint(
            "plug one in and run the command again; in a container or WSL, docs/hardware.md says how it gets there",
        )),
        [] => Err(Error::new(ErrorKind::NoKey, "no FIDO2 token like that is plugged in")
            .hint(format!("there are {}", listed(nodes)))),
        [..] => Err(Error::new(
            ErrorKind::Usage,
            format!("{} FIDO2 tokens are plugged in: {}", fitting.len(), listed(nodes)),
        )
        .hint("say which: --device PATH or --serial, or unplug the others")),
    }
}

fn listed(nodes: &[Node]) -> String {
    let words = nodes.iter().map(|node| {
        let label = crate::wrap::fido2::label(&node.name, node.serial.as_deref());
        format!("{label} at {}", node.path)
    });
    words.collect::<Vec<_>>().join(", ")
}

fn fit(info: &Info, uv: Verification, seat: &Seat) -> Result<()> {
    let token = &seat.token;
    if !info.hmac_secret {
        return Err(describe(&Fault::NoHmacSecret, token));
    }
    match uv {
        Verification::Discouraged if info.always_uv => Err(Error::new(
            ErrorKind::Usage,
            format!("{token} asks for its PIN or a finger for everything (alwaysUv), so no key can do without"),
        )
        .hint("leave out --uv discouraged")
        .hint("or switch alwaysUv off (fido2-token -D -u); keys that were made with it go on working")),
        Verification::Required if info.pin_set != Some(true) && info.fingers_set != Some(true) => Err(Error::new(
            ErrorKind::Pin,
            format!("{token} has no PIN yet, so whoever finds it could open the vault with a touch"),
        )
        .hint(format!(
            "set one: fido2-token -S {} (libfido2's tools), or ykman fido access change-pin",
            seat.node.path
        ))
        .hint("--uv discouraged enrolls it all the same")),
        Verification::Required if info.pin_outworn => Err(describe(&Fault::PinOutworn, token)),
        Verification::Required | Verification::Discouraged => Ok(()),
    }
}
