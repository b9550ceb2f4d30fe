//! config.toml, the AWS config line by line, and the four folders.

use super::{Finding, config, count};
use crate::context::Context;
use crate::context::settings::Settings;
use crate::vault::Vault;
use crate::vault::folder::Folder;
use crate::vault::memory::Memory;
use std::path::Path;

/// tapvault's own few settings.
pub fn settings(ctx: &Context) -> Finding {
    let path = ctx.paths.settings_file();
    match Settings::read(&path) {
        Ok(_) if path.exists() => Finding::ok(format!("{} can be used", path.display())),
        Ok(_) => Finding::ok(format!("no {}; the defaults hold", path.display())),
        Err(error) => Finding::failed(&error),
    }
}

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
    let paths = &ctx.paths;
    let mut findings = vec![config_folder(&paths.config)];
    for (what, path) in [
        ("vault", &paths.vault),
        ("state", &paths.state),
        ("runtime", &paths.runtime),
    ] {
        let folder = Folder::at(path);
        let shown = path.display();
        findings.push(match folder.check() {
            Err(error) => Finding::failed(&error),
            Ok(()) if !folder.exists() => Finding::ok(format!("no {what} folder yet ({shown})")),
            Ok(()) if folder.can_be_written() => Finding::ok(format!("{what} folder {shown} is yours alone")),
            Ok(()) => Finding::warn(
                format!("{what} folder {shown} can't be written"),
                "opening works; sessions are not kept and nothing can be added",
            ),
        });
    }
    if let Err(error) = Memory::in_folder(Folder::at(&paths.state)).last_used("") {
        findings.push(Finding::failed(&error));
    }
    // Its own modes are told above; this is about what is in it.
    let vault = Vault::at(paths);
    if vault.folder().check().is_ok()
        && let Err(error) = vault.look()
    {
        findings.push(Finding::failed(&error));
    }
    findings
}

/// Others may read it: it holds no secret. Whether they may write it matters for the file in it, see [`settings`].
fn config_folder(path: &Path) -> Finding {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Finding::ok(format!("config folder {}", path.display())),
        Ok(_) => Finding::fail(
            format!("config folder {} is no folder", path.display()),
            "put what is there somewhere else",
        ),
        Err(_) => Finding::ok(format!("no config folder ({}); the defaults hold", path.display())),
    }
}
