#[cfg(feature = "iam")]
mod iam;

use super::common;
#[cfg(feature = "iam")]
use super::completion;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "iam")]
use crate::profile::ProfileName;
use crate::prompt::printable;
use crate::render;
use crate::secret::short_id;
use crate::vault::sidecar::Sidecar;
use crate::vault::unlock::KeyChoice;
use crate::vault::{Listed, Vault};
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

/// List profiles, access keys and sealed sessions; opens nothing unless AWS is asked
#[derive(Args)]
pub struct ListArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Only the names of the profiles
    #[arg(long, conflicts_with_all = ["json", "credentials", "sessions"])]
    profiles: bool,
    /// Only the names of the profiles with an access key in the vault
    #[arg(long, conflicts_with_all = ["json", "sessions"])]
    credentials: bool,
    /// Only the names of the profiles with a sealed session
    #[arg(long, conflicts_with = "json")]
    sessions: bool,
    /// Ask AWS for the access keys of these profiles' users, or of all: how old, and whether active. A touch for each entry
    #[cfg(feature = "iam")]
    #[arg(long, value_name = "PROFILE", num_args = 0.., conflicts_with_all = ["profiles", "credentials", "sessions"], add = completion::profiles())]
    iam: Option<Vec<ProfileName>>,
}

/// A profile of the config, the vault, or both.
#[derive(Default, Serialize)]
struct Row {
    profile: String,
    /// Whether the vault has an access key for it.
    access_key: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<String>,
    #[serde(skip)]
    added_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_days: Option<i64>,
    /// When its longest sealed session ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_expires: Option<String>,
    #[serde(skip)]
    session_left: Option<i64>,
}

pub fn run(args: &ListArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    #[cfg(feature = "iam")]
    if let Some(named) = &args.iam {
        return iam::run(named, args.json, ctx, choice);
    }
    #[cfg(not(feature = "iam"))]
    let _ = choice;
    let vault = Vault::at(&ctx.paths);
    let (snapshot, lock) = vault.read()?;
    let now = ctx.now();
    let rows = rows(ctx, &vault, now)?;
    // A pager may keep the output waiting for long; nobody else should be.
    drop(lock);
    let text = if args.json {
        let json = serde_json::to_string_pretty(&rows).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        format!("{json}\n")
    } else if args.profiles || args.credentials || args.sessions {
        rows.iter()
            .filter(|row| !args.credentials || row.access_key)
            .filter(|row| !args.sessions || row.session_left.is_some())
            .map(|row| format!("{}\n", row.profile))
            .collect()
    } else {
        table(&rows)
    };
    print(&text)?;
    let is_something_left = common::is_something_left(ctx, &vault);
    for row in rows.iter().filter(|row| row.access_key) {
        if is_something_left {
            for line in common::left_behind(ctx, &vault, &row.profile) {
                ctx.dialogue.note(&line);
            }
        }
        tell_age(ctx, row);
    }
    if let Some(keyring) = &snapshot.keyring {
        common::tell_presence(ctx, keyring.unverified());
        common::tell_ways_in(ctx, keyring.unverified());
    }
    Ok(())
}

/// That an access key is old, on standard error.
fn tell_age(ctx: &Context, row: &Row) {
    if let Some(line) = common::too_old(ctx, &row.profile, row.added_at, ctx.settings.max_key_age) {
        ctx.dialogue
            .note(&format!("{line}; {}", common::way_to_a_new_key(&row.profile)));
    }
}

/// Writes a result; a reader that has gone (`| head`) is no error.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// What it means for a command how writing its result ended.
///
/// # Errors
/// [`ErrorKind::Other`] for anything but a reader that has gone.
pub fn written(outcome: std::io::Result<()>) -> Result<()> {
    match outcome {
        Err(err) if err.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::new(
            ErrorKind::Other,
            format!("writing to standard output: {err}"),
        )),
        _ => Ok(()),
    }
}

fn rows(ctx: &Context, vault: &Vault, now: Timestamp) -> Result<Vec<Row>> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut row = |profile: &str, change: &mut dyn FnMut(&mut Row)| {
        change(rows.entry(profile.to_owned()).or_default());
    };
    match common::config(ctx) {
        Ok(config) => config.names().for_each(|name| row(name, &mut |_| {})),
        // The vault's own part is worth showing all the same.
        Err(error) => ctx
            .dialogue
            .note(&format!("the profiles of the AWS config are left out: {error}")),
    }
    for Listed { profile, sidecar } in vault.list()? {
        row(&profile, &mut |row| {
            row.access_key = true;
            let Some(sidecar) = &sidecar else { return };
            row.access_key_id = Some(sidecar.access_key_id.clone());
            row.arn = sidecar.arn.clone();
            row.added = sidecar.added.map(render::timestamp);
            row.added_at = sidecar.added;
            row.age_days = sidecar.added.map(|added| now.duration_since(added).as_hours() / 24);
        });
    }
    for Sidecar { profile, expires, .. } in vault.list_sessions()? {
        let Some(expires) = expires.filter(|expires| *expires > now) else {
            continue;
        };
        row(&profile, &mut |row| {
            let left = expires.duration_since(now).as_secs();
            if row.session_left.is_none_or(|longest| left > longest) {
                row.session_left = Some(left);
                row.session_expires = Some(render::timestamp(expires));
            }
        });
    }
    Ok(rows.into_iter().map(|(profile, row)| Row { profile, ..row }).collect())
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no profiles yet; `tapvault add PROFILE` puts the first access key into the vault\n".into();
    }
    let mut lines: Vec<[Cow<'_, str>; 4]> = Vec::with_capacity(rows.len() + 1);
    lines.push(["PROFILE", "ACCESS KEY", "AGE", "SESSION"].map(Cow::from));
    for row in rows {
        let key = match (&row.access_key_id, row.access_key) {
            (Some(id), _) => short_id(id).into(),
            (None, true) => Cow::from("(not known before it is opened)"),
            (None, false) => "-".into(),
        };
        let owner = row.arn.as_deref().and_then(crate::vault::sidecar::owner_of);
        let whose = match owner {
            Some(owner) => format!("{key} {owner}").into(),
            None => key,
        };
        lines.push([
            printable(&row.profile).into(),
            printable(&whose).into(),
            row.age_days.map_or("-".into(), |days| format!("{days} d").into()),
            row.session_left.map_or("-".into(), |seconds| left(seconds).into()),
        ]);
    }
    columns(&lines)
}

/// "6 h 12 min left".
pub fn left(seconds: i64) -> String {
    match (seconds / 3600, seconds % 3600 / 60) {
        (0, minutes) => format!("{minutes} min left"),
        (hours, 0) => format!("{hours} h left"),
        (hours, minutes) => format!("{hours} h {minutes} min left"),
    }
}

/// Columns of the width that each needs; the last one is not padded.
pub fn columns<const N: usize>(lines: &[[impl AsRef<str>; N]]) -> String {
    let cells = |column: usize| lines.iter().map(move |line| line[column].as_ref().chars().count());
    let widths: Vec<usize> = (0..N).map(|column| cells(column).max().unwrap_or(0)).collect();
    lines.iter().fold(String::new(), |mut text, line| {
        for (column, cell) in line.iter().map(AsRef::as_ref).enumerate() {
            text.push_str(cell);
            if column + 1 < N {
                let padding = widths[column] - cell.chars().count() + 2;
                text.extend(std::iter::repeat_n(' ', padding));
            }
        }
        text.push('\n');
        text
    })
}
