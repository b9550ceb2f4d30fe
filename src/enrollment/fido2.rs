//! Making a FIDO2 key: which token, a credential that stays with us, and its outputs, calculated twice and compared.

#![cfg(feature = "fido2")]

use super::NewKey;
use crate::context::{Context, host_name};
use crate::device::fido2::{describe, missed_twice, open};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::token::fido2::{self as token, Check, Fault, Info, Node, Outcome, Output, Session};
use crate::wrap::fido2::holder::{Holder, needed_check};
use crate::wrap::fido2::present::{self, PresentFido2, Seat};
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
    pub fn make(self, name: KeyName, touches: &mut Touches<'_>) -> Result<NewKey<'a>> {
        let (ctx, seat) = (self.ctx, self.seat);
        let token = &seat.token;
        let info = self.session.info();
        let check = needed_check(info, self.uv, token)?;
        let mut making = check;
        // Where PIN or fingers are set, a token wants them for a new credential whatever is used later (CTAP 2.1, 6.1.2).
        if check == Check::None
            && (info.pin_set == Some(true) || info.fingers_set == Some(true))
            && !info.makes_without_check
        {
            making = needed_check(info, Verification::Required, token)?;
        }
        let mut holder = Holder {
            session: self.session,
            check: making,
            pin: None,
        };
        if making == Check::Pin {
            holder.give_pin(ctx, token)?;
        }
        let credential = touched(ctx, &mut holder, token, "make the key", touches, Session::make)?;
        if check == Check::None {
            holder.check = Check::None;
        }
        let mut salt = [0; 32];
        rand::rngs::OsRng.fill_bytes(&mut salt);
        let salts = [salt, voucher_salt(&salt)];
        let mut calculate = |purpose: &str, touches: &mut Touches<'_>| -> Result<[Output; 2]> {
            touched(ctx, &mut holder, token, purpose, touches, |session, check| {
                session.two_outputs(&credential, [&salts[0], &salts[1]], check)
            })
        };
        let first = calculate("try the key", touches)?;
        let second = calculate("try it once more", touches)?;
        if first != second || *first[0] == *first[1] {
            return Err(Error::new(
                ErrorKind::Other,
                format!("{token} does not calculate the same twice, so nothing sealed to it would open again"),
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
            product: seat.node.name.clone(),
            serial: seat.node.serial.clone(),
            proof: proof(&identity, &verifier),
            verifier,
        };
        let record = EnrolledKey {
            name: name.clone(),
            recipient: recipient.clone(),
            enrolled: ctx.now(),
            host: host_name(),
            kind: KeyKind::Fido2(details.clone()),
        };
        let key = PresentFido2::made(ctx, (name, details, recipient), seat, identity, signing);
        Ok(NewKey {
            record,
            key: Box::new(key),
            file: None,
        })
    }
}

fn touched<T>(
    ctx: &Context,
    holder: &mut Holder,
    token: &str,
    purpose: &str,
    touches: &mut Touches<'_>,
    operation: impl Fn(&mut Session, Check) -> token::Result<T>,
) -> Result<T> {
    let outcome = holder.touched(ctx, token, purpose, touches, operation)?;
    outcome.map_err(|fault| missed_twice(&fault, token, purpose).hint("nothing was enrolled"))
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
        Verification::Required if info.pin_set != Some(true) && info.fingers_set != Some(true) => {
            Err(unguarded(info, seat))
        }
        Verification::Required => needed_check(info, uv, token).map(drop),
        Verification::Discouraged => Ok(()),
    }
}

/// A token without PIN and fingers.
fn unguarded(info: &Info, seat: &Seat) -> Error {
    let without = match (info.pin_set, info.fingers_set) {
        (None, None) => "can have neither PIN nor fingers",
        (None, Some(_)) => "has no finger enrolled yet",
        (Some(_), _) => "has no PIN yet",
    };
    let error = Error::new(
        ErrorKind::Pin,
        format!(
            "{} {without}, so whoever finds it could open the vault with a touch",
            seat.token
        ),
    );
    let error = match (info.pin_set, info.fingers_set) {
        (None, None) => error,
        (None, Some(_)) => error.hint("its maker's program enrolls one"),
        (Some(_), _) => error.hint(format!(
            "set one: fido2-token -S {} (libfido2's tools), or ykman fido access change-pin",
            seat.node.path
        )),
    };
    match info.always_uv {
        // It does nothing without.
        true => error,
        false => error.hint("--uv discouraged enrolls it all the same"),
    }
}
