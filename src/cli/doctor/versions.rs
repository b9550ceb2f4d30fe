//! Which versions of what: for a report of a fault, and for whoever reads one.

use super::Finding;
use crate::process::{Inherit, capture};
use std::time::Duration;

/// It only prints; more than this means that it is something else.
const PATIENCE: Duration = Duration::from_secs(2);

/// This program, and the smart card service if it is installed.
pub fn look() -> Vec<Finding> {
    let mut findings = vec![Finding::ok(format!(
        "tapvault {} on {} {}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    ))];
    findings.extend(pcscd());
    findings
}

/// pcscd and its polkit. libpcsclite comes from the same source and says no version of its own. Where pcscd does not run, or lets
/// nobody in, the line of the service says so.
fn pcscd() -> Option<Finding> {
    // It is no program for everybody's PATH.
    let line = "PATH=$PATH:/usr/local/sbin:/usr/sbin; pcscd --version 2>/dev/null";
    let printed = capture(line, "pcscd --version", Inherit::NoSecrets, PATIENCE).ok()?;
    let text = printed.expose();
    let version = text.split_whitespace().skip_while(|word| *word != "version").nth(1)?;
    let version = version.trim_end_matches('.');
    let polkit = if text.split_whitespace().any(|word| word == "polkit") {
        "with polkit, which lets in who sits at this machine; over ssh and from cron it takes the rule in docs/hardware.md"
    } else {
        "without polkit: every user is let in"
    };
    Some(Finding::ok(format!("pcscd {version}, built {polkit}")))
}
