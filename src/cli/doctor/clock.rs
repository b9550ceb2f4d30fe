//! The clock: AWS refuses signatures that are more than five minutes off, and MFA codes that are one.

use super::Finding;
use crate::aws::{Endpoint, Sts};
use crate::cli::common;
use crate::context::Context;
use crate::error::ErrorKind;
use crate::profile::{Asked, Overrides, Partition};
use crate::vault::Vault;
use jiff::{SignedDuration, Timestamp};

/// More than this spoils MFA codes now and then. In seconds.
const WORTH_A_WORD: u64 = 20;

/// More than this is refused by AWS. In seconds.
const REFUSED: u64 = 300;

const REMEDY: &str = "set it (systemd: timedatectl set-ntp true)";

/// The time as this machine has it. The vault's own times show a clock that went back, without asking anybody.
pub fn of_this_machine(ctx: &Context) -> Finding {
    let now = ctx.now();
    match newest(ctx).filter(|seen| seen.duration_since(now) > SignedDuration::from_secs(REFUSED as i64)) {
        Some(seen) => Finding::fail(
            format!("the clock says {now:.0}, but something in the vault was made at {seen:.0}"),
            REMEDY,
        ),
        None => Finding::ok(format!("the clock says {now:.0}; --online compares it with AWS")),
    }
}

/// When the newest key or entry was made, as the vault says.
fn newest(ctx: &Context) -> Option<Timestamp> {
    let vault = Vault::at(&ctx.paths);
    let (snapshot, _lock) = vault.look().ok()?;
    let keys = snapshot.keyring?.unverified().keys.clone();
    let entries = vault.list().unwrap_or_default().into_iter();
    let added = entries.filter_map(|entry| entry.sidecar?.added);
    keys.into_iter().map(|key| key.enrolled).chain(added).max()
}

/// Asks STS for the time, without credentials.
pub fn compare(ctx: &Context) -> Finding {
    match Sts::new(ctx).clock_ahead(&endpoint(ctx)) {
        Ok(ahead) => {
            let off = ahead.unsigned_abs();
            let side = if ahead < 0 { "behind" } else { "ahead of" };
            let text = format!("the clock is {off} s {side} AWS");
            match off {
                REFUSED.. => Finding::fail(text, REMEDY),
                WORTH_A_WORD.. => Finding::warn(text, REMEDY),
                _ => Finding::ok("the clock agrees with AWS"),
            }
        }
        Err(error) if error.kind() == ErrorKind::Network => Finding::warn(
            format!("AWS can't be asked for the time: {}", error.message()),
            "check the network, or HTTPS_PROXY if you need one",
        ),
        Err(error) => Finding::failed(&error),
    }
}

/// Where the profile in use calls; AWS itself when that can't be told.
fn endpoint(ctx: &Context) -> Endpoint {
    let of_profile = || {
        let config = common::config(ctx).ok()?;
        let name = config.named_by_environment().unwrap_or("default").parse().ok()?;
        let profile = config.resolve(&name, Asked::ByPerson, &Overrides::default()).ok()?;
        Some(common::endpoint(&profile))
    };
    of_profile().unwrap_or_else(|| Endpoint {
        region: Partition::Aws.home().as_str().to_owned(),
        url: None,
        fips: false,
        dual_stack: false,
        ca_bundle: None,
    })
}
