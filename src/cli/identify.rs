//! Whose access key it is: AWS is asked before anything is sealed.

use super::common;
use crate::aws::{CallerIdentity, Endpoint, Sts};
use crate::context::Context;
use crate::credential::{AccessKey, Credentials};
use crate::error::{Error, ErrorKind, Result};
use crate::profile::{Asked, Config, Overrides, Partition, ProfileName, Region};
use crate::secret::{SecretText, short_id};
use crate::vault::sidecar::owner_of;

/// Asks AWS whose key it is, in the profile's partition; if that one does not know it, in the one that the person names.
///
/// # Errors
/// [`ErrorKind::Aws`] when AWS refuses the key, [`ErrorKind::Network`] when it can't be asked.
pub fn identify(
    ctx: &Context,
    sts: &mut Sts<'_>,
    config: &Config,
    profile: &ProfileName,
    key: &AccessKey,
) -> Result<CallerIdentity> {
    let mut endpoint = endpoint(config, profile)?;
    let credentials = Credentials::LongTerm(AccessKey {
        id: key.id.clone(),
        secret: SecretText::copy_of(key.secret.expose()),
    });
    let refusal = match sts.get_caller_identity(&credentials, &endpoint) {
        Ok(identity) => return Ok(identity),
        Err(error) => error,
    };
    // Another partition's STS does not know the key; that is the only refusal which another region can mend.
    let unknown = refusal.kind() == ErrorKind::Aws && refusal.to_string().contains("InvalidClientTokenId");
    let partition = endpoint.region.parse::<Region>().map(|region| region.partition());
    if unknown && partition == Ok(Partition::Aws) && ctx.dialogue.has_terminal() {
        ctx.dialogue
            .tell(&format!("AWS does not know this key in {}", endpoint.region));
        let typed = ctx
            .dialogue
            .ask("region of the account, such as cn-north-1 or us-gov-west-1 (Enter gives up)")?;
        if !typed.is_empty() {
            let region: Region = typed
                .parse()
                .map_err(|_| Error::new(ErrorKind::Usage, format!("{typed:?} is no region; nothing was sealed")))?;
            endpoint.region = region.as_str().to_owned();
            return sts.get_caller_identity(&credentials, &endpoint);
        }
    }
    Err(refusal)
}

/// Says whose it is, and warns of a root user's key.
pub fn tell_owner(ctx: &Context, key: &AccessKey, identity: &CallerIdentity) {
    let owner = owner_of(&identity.arn).unwrap_or_else(|| identity.arn.clone());
    ctx.dialogue.note(&format!(
        "{} belongs to {}",
        short_id(&key.id),
        owner.replace(" in ", " in account ")
    ));
    if identity.arn.ends_with(":root") {
        ctx.dialogue
            .note("warning: that is the root user of the account; AWS advises against access keys for it");
    }
}

fn endpoint(config: &Config, profile: &ProfileName) -> Result<Endpoint> {
    let resolved = config
        .resolve(profile, Asked::ByPerson, &Overrides::default())
        .map_err(common::from_config)?;
    Ok(common::endpoint(&resolved))
}
