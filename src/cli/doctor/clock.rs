//! The clock: AWS refuses signatures that are more than five minutes off, and MFA codes that are one.

use super::Finding;
use crate::aws::{Endpoint, Sts};
use crate::cli::common;
use crate::context::Context;
use crate::error::ErrorKind;
use crate::profile::{Asked, Overrides};

/// More than this spoils MFA codes now and then. In seconds.
const WORTH_A_WORD: u64 = 20;

/// More than this is refused by AWS. In seconds.
const REFUSED: u64 = 300;

/// Asks STS for the time, without credentials.
pub fn compare(ctx: &Context) -> Option<Finding> {
    let endpoint = endpoint(ctx)?;
    Some(match Sts::new(ctx).clock_ahead(&endpoint) {
        Ok(ahead) => {
            let off = ahead.unsigned_abs();
            let side = if ahead < 0 { "behind" } else { "ahead of" };
            let text = format!("the clock is {off} s {side} AWS");
            let remedy = "set it (systemd: timedatectl set-ntp true)";
            match off {
                REFUSED.. => Finding::fail(text, remedy),
                WORTH_A_WORD.. => Finding::warn(text, remedy),
                _ => Finding::ok("the clock agrees with AWS"),
            }
        }
        Err(error) if error.kind() == ErrorKind::Network => Finding::warn(
            format!("AWS can't be asked for the time: {}", error.message()),
            "check the network, or HTTPS_PROXY if you need one; --offline leaves this out",
        ),
        Err(error) => Finding::failed(&error),
    })
}

fn endpoint(ctx: &Context) -> Option<Endpoint> {
    let config = common::config(ctx).ok()?;
    let name = config.named_by_environment().unwrap_or("default").parse().ok()?;
    let profile = config.resolve(&name, Asked::ByPerson, &Overrides::default()).ok()?;
    Some(common::endpoint(&profile))
}
