//! A FIDO2 key whose token is plugged in: which token it is, and what its outputs open and sign. How its holder is checked is in
//! [`super::holder`].

use super::holder::{Holder, needed_check};
use super::{Fido2Details, identity, label, proof, signing_key};
use crate::context::Context;
use crate::device::fido2::{describe, foreign, missed_twice, open, open_if_able, patiently};
use crate::error::{Error, ErrorKind, Result};
use crate::presence::Touches;
use crate::token::fido2::{self as token, Check, Fault, Node, Outcome, Output, Ownership, Pin, Session};
use crate::wrap::{EnrolledKey, KeyKind, KeyName, PresentKey, SoftwareVerifier, Verifier, voucher_message};
use age::Identity;
use age_core::format::{FileKey, Stanza};
use ed25519_dalek::{Signer, SigningKey};

/// What a look for the tokens of some keys came to.
pub enum Found<'a> {
    /// One is here.
    Key(Box<PresentFido2<'a>>),
    /// None is; the error says what stands in the way, if anything is plugged in.
    None(Option<Error>),
}

/// Looks for a token that holds one of `keys`, in the order of the keys, without a touch. A token that says nothing without one is
/// taken when nothing speaks against it; between several the person is asked.
///
/// # Errors
/// [`ErrorKind::Busy`] when a token stays in use by another program.
pub fn find<'a>(ctx: &'a Context, keys: &[&EnrolledKey]) -> Result<Found<'a>> {
    let nodes = match token::nodes() {
        Ok(nodes) => nodes,
        Err(fault) => return Ok(Found::None(Some(describe(&fault, "a FIDO2 token")))),
    };
    let mut look = Look::default();
    for node in &nodes {
        look.at(ctx, node, &name(node, &nodes), keys)?;
    }
    let Look {
        mut owned,
        mut untold,
        trouble,
        foreign,
    } = look;
    // As the keys stand in the list, not as the tokens are plugged in.
    let rank = |(name, _): &(KeyName, Seat)| keys.iter().position(|key| key.name == *name);
    owned.sort_by_key(rank);
    let seat = match owned.into_iter().next() {
        Some(owned) => Some(owned),
        None if untold.len() > 1 => Some(untold.swap_remove(ask_which(ctx, &untold)?)),
        None => untold.pop(),
    };
    let present = seat.and_then(|(name, seat)| Some((keys.iter().find(|key| key.name == name)?, seat)));
    if let Some((key, seat)) = present
        && let KeyKind::Fido2(details) = &key.kind
    {
        let recipient = key.recipient.clone();
        return Ok(Found::Key(Box::new(PresentFido2 {
            ctx,
            name: key.name.clone(),
            verifier: Verifier::Ed25519(details.verifier.0),
            details: details.clone(),
            recipient,
            seat,
            identity: None,
            signing: None,
            pin: None,
        })));
    }
    let names = || {
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        names.join(" or ")
    };
    Ok(Found::None(
        trouble.or_else(|| foreign.map(|token| self::foreign(&token, &names()))),
    ))
}

/// A token in its place.
#[derive(Clone)]
pub struct Seat {
    /// The node.
    pub node: Node,
    /// What people call it.
    pub token: String,
}

#[derive(Default)]
struct Look {
    owned: Vec<(KeyName, Seat)>,
    untold: Vec<(KeyName, Seat)>,
    trouble: Option<Error>,
    foreign: Option<String>,
}

impl Look {
    fn at(&mut self, ctx: &Context, node: &Node, token: &str, keys: &[&EnrolledKey]) -> Result<()> {
        let mut session = match self.open(ctx, node, token) {
            Ok(Some(session)) => session,
            Ok(None) => return Ok(()),
            // Another token may hold the key.
            Err(error) if error.kind() != ErrorKind::Busy => {
                self.trouble.get_or_insert(error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut is_foreign = true;
        for key in keys {
            let KeyKind::Fido2(details) = &key.kind else { continue };
            let seat = || Seat {
                node: node.clone(),
                token: token.to_owned(),
            };
            match patiently(ctx, token, || session.owns(&details.credential.0)) {
                Ok(Ownership::Owned) => self.owned.push((key.name.clone(), seat())),
                Ok(Ownership::Untold) => self.untold.push((key.name.clone(), seat())),
                Ok(Ownership::Foreign) => continue,
                Err(error) if error.kind() != ErrorKind::Busy => {
                    self.trouble.get_or_insert(error);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            is_foreign = false;
        }
        if is_foreign {
            self.foreign.get_or_insert(token.to_owned());
        }
        Ok(())
    }

    /// `None`: a token that no key of ours can be on.
    fn open(&self, ctx: &Context, node: &Node, token: &str) -> Result<Option<Session>> {
        match &node.access {
            Outcome::Fine | Outcome::Not(Fault::Busy) => open_if_able(ctx, node, token),
            Outcome::Not(fault) => Err(describe(fault, token)),
        }
    }
}

/// What a token is called: with its place where several would be called the same.
pub fn name(node: &Node, all: &[Node]) -> String {
    let called = |node: &Node| label(&node.name, node.serial.as_deref());
    let own = called(node);
    match all.iter().filter(|other| called(other) == own).count() {
        0 | 1 => own,
        _ => format!("{own} at {}", node.path),
    }
}

fn ask_which(ctx: &Context, seats: &[(KeyName, Seat)]) -> Result<usize> {
    let say = "several tokens don't tell which key they hold before they are touched";
    if !ctx.dialogue.has_terminal() {
        return Err(Error::new(ErrorKind::NoKey, say).hint("leave only the right one plugged in, or say --key NAME"));
    }
    ctx.dialogue.tell(say);
    for (number, (name, seat)) in seats.iter().enumerate() {
        ctx.dialogue
            .tell(&format!("  {}  {} for {name}", number + 1, seat.token));
    }
    let typed = ctx.dialogue.ask("which one")?;
    let number: Option<usize> = typed.parse().ok();
    number
        .and_then(|number| number.checked_sub(1))
        .filter(|number| *number < seats.len())
        .ok_or_else(|| Error::new(ErrorKind::Cancelled, "that is none of the numbers; nothing was opened"))
}

/// An enrolled FIDO2 key with its token.
pub struct PresentFido2<'a> {
    ctx: &'a Context,
    name: KeyName,
    details: Fido2Details,
    recipient: String,
    /// As the list has it. Checked before anything is unwrapped or signed: a token proves it only when it is touched.
    verifier: Verifier,
    seat: Seat,
    /// Held until the command ends: one touch gives what opens everything, and asking for more would only look safer.
    identity: Option<age::x25519::Identity>,
    signing: Option<SigningKey>,
    /// Typed once per command, wiped with this value, dropped when it is refused.
    pin: Option<Pin>,
}

impl<'a> PresentFido2<'a> {
    /// A key that was just made, with what its token gave for it.
    pub fn made(
        ctx: &'a Context,
        (name, details, recipient): (KeyName, Fido2Details, String),
        seat: Seat,
        identity: age::x25519::Identity,
        signing: SigningKey,
    ) -> Self {
        PresentFido2 {
            ctx,
            name,
            verifier: Verifier::Ed25519(details.verifier.0),
            details,
            recipient,
            seat,
            identity: Some(identity),
            signing: Some(signing),
            pin: None,
        }
    }

    /// The identity, for a touch if it is not at hand.
    fn identity(&mut self, purpose: &str, touches: &mut Touches<'_>) -> Result<&age::x25519::Identity> {
        let identity = match self.identity.take() {
            Some(identity) => identity,
            None => {
                let salt = self.details.salt.0;
                let output = self.calculate(purpose, touches, |session, credential, check| {
                    session.output(credential, &salt, check)
                })?;
                self.believed(&output)?
            }
        };
        Ok(self.identity.insert(identity))
    }

    /// The signature key, for a touch if it is not at hand. That touch opens, too.
    fn signing(&mut self, purpose: &str, touches: &mut Touches<'_>) -> Result<&SigningKey> {
        let signing = match self.signing.take() {
            Some(signing) => signing,
            None => {
                let salts = [self.details.salt.0, self.details.voucher_salt()];
                let [opening, vouching] = self.calculate(purpose, touches, |session, credential, check| {
                    session.two_outputs(credential, [&salts[0], &salts[1]], check)
                })?;
                let signing = signing_key(&vouching);
                if self.details.verifier.0 != signing.verifying_key().to_bytes() {
                    return Err(self.forged());
                }
                self.identity = Some(self.believed(&opening)?);
                signing
            }
        };
        Ok(self.signing.insert(signing))
    }

    /// The identity of this output, if recipient and verifier in the list are those of the token that gave it.
    fn believed(&self, output: &Output) -> Result<age::x25519::Identity> {
        let identity = identity(output);
        let is_genuine = identity.to_public().to_string() == self.recipient
            && proof(&identity, &self.details.verifier) == self.details.proof;
        match is_genuine {
            true => Ok(identity),
            false => Err(self.forged()),
        }
    }

    fn forged(&self) -> Error {
        Error::new(
            ErrorKind::Forged,
            format!(
                "the key list has another key for {} than {} holds",
                self.name, self.seat.token
            ),
        )
        .hint("somebody changed the key list; restore keys.json and keys.d from a backup")
    }

    /// One operation: PIN if needed, and the touch.
    fn calculate<T>(
        &mut self,
        purpose: &str,
        touches: &mut Touches<'_>,
        operation: impl Fn(&mut Session, &[u8], Check) -> token::Result<T>,
    ) -> Result<T> {
        let (ctx, seat) = (self.ctx, self.seat.clone());
        ctx.dialogue.must_be_heard()?;
        let session = open(ctx, &seat.node, &seat.token)?;
        if !session.info().hmac_secret {
            return Err(describe(&Fault::NoHmacSecret, &seat.token));
        }
        let check = needed_check(session.info(), self.details.uv, &seat.token)?;
        let mut holder = Holder {
            session,
            check,
            pin: self.pin.take(),
        };
        if check == Check::Pin {
            holder.give_pin(ctx, &seat.token)?;
        }
        let credential = &self.details.credential.0;
        let outcome = holder.touched(ctx, &seat.token, purpose, touches, |session, check| {
            operation(session, credential, check)
        })?;
        self.pin = holder.pin;
        outcome.map_err(|fault| match fault {
            Fault::NoCredential => foreign(&seat.token, self.name.as_str()),
            fault => missed_twice(&fault, &seat.token, purpose),
        })
    }
}

impl PresentKey for PresentFido2<'_> {
    fn name(&self) -> &KeyName {
        &self.name
    }

    fn proven_verifier(&self) -> &Verifier {
        &self.verifier
    }

    fn unwrap_file_key(&mut self, stanzas: &[Stanza], purpose: &str, touches: &mut Touches<'_>) -> Result<FileKey> {
        let unwrapped = self.identity(purpose, touches)?.unwrap_stanzas(stanzas);
        match unwrapped {
            Some(Ok(file_key)) => Ok(file_key),
            Some(Err(err)) => Err(Error::new(ErrorKind::Damaged, format!("its header is damaged: {err}"))),
            None => Err(Error::new(
                ErrorKind::NoKey,
                format!("it is not sealed to {}", self.name),
            )),
        }
    }

    fn vouch(&mut self, list: &[u8], purpose: &str, touches: &mut Touches<'_>) -> Result<Vec<u8>> {
        let signature = self.signing(purpose, touches)?.sign(&voucher_message(list));
        Ok(signature.to_bytes().to_vec())
    }

    fn touches_for(&self, unwraps: usize, vouchers: usize) -> usize {
        let vouching = vouchers > 0 && self.signing.is_none();
        // A voucher is always made first, and its touch opens, too.
        let opening = unwraps > 0 && self.identity.is_none();
        usize::from(vouching || opening)
    }
}

/// What the list records to check the vouchers of a signature key with.
pub fn verifier(signing: &SigningKey) -> SoftwareVerifier {
    SoftwareVerifier(signing.verifying_key().to_bytes())
}
