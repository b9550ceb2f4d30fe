use super::headline;
use crate::cli::key::{planned, report};
use crate::context::Context;
use crate::enrollment::fido2::{ChosenFido2, Fido2Wishes};
use crate::enrollment::{Enrollment, Touchless, forget_keychain_key};
use crate::error::Result;
use crate::vault::Vault;
use crate::vault::unlock::KeyChoice;
use crate::wrap::KeyName;
use crate::wrap::fido2::Verification;
use clap::{Args, ValueEnum};

/// A key on a FIDO2 token with hmac-secret, that needs a touch for every command
///
/// For Security Keys, Nitrokeys, SoloKeys and others without PIV. Stores nothing on the token and changes nothing on it; whoever
/// resets it destroys the key. The key is tried twice before it is enrolled.
#[derive(Args, Default)]
pub struct Fido2Args {
    /// Which token, by its node such as /dev/hidraw3, when several are plugged in
    #[arg(long, value_name = "PATH")]
    device: Option<String>,
    /// Which token, by its serial number; few FIDO2 tokens show one
    #[arg(long, value_name = "SERIAL")]
    serial: Option<String>,
    /// Whether the token asks for its PIN or a finger, beside the touch; fixed for this key
    #[arg(long, value_enum, default_value_t)]
    uv: UvWord,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum UvWord {
    /// Each time
    #[default]
    Required,
    /// Never: who has token and vault needs only a touch
    Discouraged,
}

pub fn run(
    args: &Fido2Args,
    wanted: Option<&KeyName>,
    ctx: &Context,
    vault: &Vault,
    choice: &KeyChoice,
    touchless: Touchless,
) -> Result<()> {
    let wishes = Fido2Wishes {
        device: args.device.clone(),
        serial: args.serial.clone(),
        uv: Some(match args.uv {
            UvWord::Required => Verification::Required,
            UvWord::Discouraged => Verification::Discouraged,
        }),
    };
    // The token is looked at first: on an empty vault nothing else can stand in the way.
    let token = ChosenFido2::choose(ctx, &wishes)?;
    let enrollment = Enrollment::begin(ctx, vault, choice, touchless)?;
    let name = enrollment.name(wanted, "fido2")?;
    let mut touches = planned(ctx, token.touches() + enrollment.touches()?);
    let new = token.make(name, &mut touches)?;
    let record = new.record.clone();
    let outcome = enrollment.finish(new, &mut touches)?;
    outcome.dropped.iter().for_each(|key| forget_keychain_key(ctx, key));
    report(ctx, &outcome, &headline(&record));
    Ok(())
}
