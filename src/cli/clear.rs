use super::completion;
use crate::context::Context;
use crate::error::Result;
use crate::profile::ProfileName;
use crate::vault::{Vault, session};
use clap::Args;

/// Drop sealed sessions, of one profile or all
///
/// Access keys stay. Nothing is opened, so no touch is needed; the next use fetches a session anew.
#[derive(Args)]
pub struct ClearArgs {
    /// Only this profile's
    #[arg(add = completion::profiles())]
    profile: Option<ProfileName>,
}

pub fn run(args: &ClearArgs, ctx: &Context) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    vault.read()?;
    let dropped = session::clear(&vault, args.profile.as_ref().map(ProfileName::as_str))?;
    ctx.dialogue.note(&format!(
        "dropped {dropped} {}",
        if dropped == 1 { "session" } else { "sessions" }
    ));
    Ok(())
}
