//! Bases that are no entry of the vault: a `credential_process`, a web identity token. Their sessions are not kept: nothing
//! was opened, so there is no vault secret to seal them with, and no touch to save.

use super::call::{call, default_session_name, endpoint};
use super::mfa::turn::Turn;
use super::mfa::{Clues, Codes};
use super::resolve::Wishes;
use super::{AssumeRoleWithWebIdentity, Base, Chain, Mfa, Step, Token, refusal};
use crate::aws::{RoleRequest, Sts};
use crate::context::Context;
use crate::credential::{Credentials, Session, printed};
use crate::error::{Error, ErrorKind, Result, plain_io};
use crate::presence::Touches;
use crate::process::{Inherit, capture};
use crate::profile::Origin;
use crate::reading;
use crate::secret::SecretText;
use jiff::Timestamp;
use std::path::Path;
use std::time::Duration;

/// How long a helper may take: it may ask somebody.
const PATIENCE: Duration = Duration::from_secs(60);

/// More than any web identity token (STS allows 20,000 characters).
const LONGEST_TOKEN: u64 = 64 << 10;

/// Runs a plan whose base is outside the vault.
pub fn resolve(ctx: &Context, chain: &Chain, wishes: Wishes) -> Result<Credentials> {
    let mut sts = Sts::new(ctx);
    let needed: Vec<(&Mfa, Clues)> = chain
        .steps
        .iter()
        .filter_map(|step| {
            let clues = Clues {
                profiles: chain.named_for(step),
                ..Clues::default()
            };
            Some((step.mfa()?, clues))
        })
        .collect();
    let _turn = Turn::wait(ctx, needed.iter().map(|(mfa, _)| mfa.serial.value.as_str()));
    let mut codes = Codes::new(ctx, wishes.codes);
    let mut touches = Touches::planned(&ctx.dialogue, codes.look_ahead(&needed)?);
    let mut steps = chain.steps.iter();
    let mut credentials = match &chain.base {
        Base::CredentialProcess { command, origin } => from_process(command.line(), origin, ctx.now())?,
        Base::WebIdentity { token, origin } => {
            let (Some(Step::AssumeRoleWithWebIdentity(step)), token) = (steps.next(), read_token(token, origin)?)
            else {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("{origin}: a web identity token leads to no role"),
                ));
            };
            Credentials::Temporary(with_token(ctx, &mut sts, step, &chain.steps[0], &token)?)
        }
        Base::Entry { profile, .. } => {
            return Err(Error::new(
                ErrorKind::Other,
                format!("{profile} is an entry of the vault"),
            ));
        }
    };
    for at in chain.steps.len() - steps.len()..chain.steps.len() {
        let step = (&chain.steps[..at], &chain.steps[at]);
        let session = call(ctx, &mut sts, &credentials, step, &mut codes, &mut touches);
        credentials = Credentials::Temporary(session.map_err(|error| refusal::of_source(error, &chain.base))?);
    }
    Ok(credentials)
}

fn with_token(
    ctx: &Context,
    sts: &mut Sts<'_>,
    inputs: &AssumeRoleWithWebIdentity,
    step: &Step,
    token: &SecretText,
) -> Result<Session> {
    let request = RoleRequest {
        role_arn: inputs.role_arn.value.as_str().to_owned(),
        session_name: inputs
            .session_name
            .as_ref()
            .map_or_else(|| default_session_name(&ctx.env), |name| name.value.clone()),
        duration: Some(inputs.duration.value.0),
        policy: inputs.policy.document.clone(),
        policy_arns: inputs.policy.arns.clone(),
        ..RoleRequest::default()
    };
    sts.assume_role_with_web_identity(&endpoint(step), &request, token)
        .map_err(|error| refusal::explained(error, &[], step))
}

fn from_process(line: &str, origin: &Origin, now: Timestamp) -> Result<Credentials> {
    let text = capture(line, "credential_process", Inherit::All, PATIENCE).map_err(|error| error.within(origin))?;
    printed::parse(text.expose(), "credential_process", now).map_err(|error| error.within(origin))
}

fn read_token(token: &Token, origin: &Origin) -> Result<SecretText> {
    let text = match token {
        Token::File(path) => {
            let unusable = |how: &str| Error::new(ErrorKind::Config, format!("{origin}: {path} {how}"));
            let bytes = reading::read(Path::new(path), LONGEST_TOKEN)
                .map_err(|err| unusable(&format!("can't be read: {}", plain_io(&err))))?;
            if bytes.len() as u64 > LONGEST_TOKEN {
                return Err(unusable("is too long for a web identity token"));
            }
            let text = std::str::from_utf8(&bytes).map_err(|_| unusable("is no text, so no web identity token"))?;
            SecretText::copy_of(text.trim())
        }
        Token::Process(command) => {
            let printed = capture(command.line(), "web_identity_token_process", Inherit::All, PATIENCE)
                .map_err(|error| error.within(origin))?;
            SecretText::copy_of(printed.expose().trim())
        }
    };
    if text.is_empty() {
        return Err(Error::new(
            ErrorKind::Config,
            format!("{origin}: the web identity token is empty"),
        ));
    }
    Ok(text)
}
