//! The AWS config line by line, and the four folders.

use super::{Finding, config, count};
use crate::context::Context;
use crate::vault::Vault;
use crate::vault::folder::Folder;
use crate::vault::memory::Memory;

/// Every line of the AWS config that some command would stumble over.
pub fn aws_config(ctx: &Context) -> Vec<Finding> {
    let config = match config(ctx) {
        Ok(config) => config,
        Err(error) => return vec![Finding::failed(&error)],
    };
    let mut findings: Vec<Finding> = config
        .troubles()
        .map(|trouble| {
            let spoiled = trouble.profile.map_or_else(
                || "the line is passed over".to_owned(),
                |profile| format!("profile {profile} can't be used"),
            );
            Finding::fail(
                format!("{}: {}; {spoiled}", trouble.problem.place, trouble.problem.fault),
                "mend the line; other profiles are not affected",
            )
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(format!(
            "{} in the AWS config",
            count(config.names().count(), "profile", "profiles")
        )));
    }
    findings
}

/// Modes and owners of the folders, and whether they can be written.
pub fn folders(ctx: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (what, path) in [("vault", &ctx.paths.vault), ("state", &ctx.paths.state)] {
        let folder = Folder::at(path);
        if !folder.exists() {
            findings.push(Finding::ok(format!("no {what} folder yet ({})", path.display())));
        } else if let Err(error) = folder.check() {
            findings.push(Finding::failed(&error));
        } else if folder.can_be_written() {
            findings.push(Finding::ok(format!("{what} folder {} is yours alone", path.display())));
        } else {
            findings.push(Finding::warn(
                format!("{what} folder {} can't be written", path.display()),
                "opening works; sessions are not kept and nothing can be added",
            ));
        }
    }
    if let Err(error) = Memory::in_folder(Folder::at(&ctx.paths.state)).last_used("") {
        findings.push(Finding::failed(&error));
    }
    if let Err(error) = Vault::at(&ctx.paths).read() {
        findings.push(Finding::failed(&error));
    }
    findings
}
