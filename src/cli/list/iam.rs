//! `list --iam`: the access keys as AWS has them. Each entry is opened for it, with its touch.

use super::{columns, print};
use crate::aws::Sts;
use crate::aws::iam::{KeyStatus, ListedKey};
use crate::chain::Sessions;
use crate::chain::mfa::{CodeWishes, Codes};
use crate::chain::user::{self, Asking, Later, User};
use crate::cli::common;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::presence::processes;
use crate::profile::{Config, ProfileName};
use crate::render;
use crate::vault::unlock::KeyChoice;
use crate::vault::{Listed, Vault};
use jiff::Timestamp;
use serde::Serialize;

/// What the smallest policy has to allow.
const NEEDS: &str = "it needs iam:ListAccessKeys on arn:aws:iam::*:user/${aws:username}";

/// An access key of a user; docs/schema/list-iam.json describes it.
#[derive(Serialize)]
struct Row {
    /// The entry by which its user was met.
    profile: String,
    access_key_id: String,
    /// Whether it is the one in the vault.
    in_vault: bool,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_days: Option<i64>,
}

/// Asks AWS about the access keys of the users behind `named`, or behind all entries when none is named.
pub fn run(named: &[ProfileName], json: bool, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    let config = common::config(ctx)?;
    let entries: Vec<ProfileName> = match named {
        [] => vault.list()?.iter().map(Listed::name).collect::<Result<_>>()?,
        named => named
            .iter()
            .map(|asked| common::base(&config, &vault, asked))
            .collect::<Result<_>>()?,
    };
    if let Some(keyring) = vault.read()?.0.keyring {
        common::tell_presence(ctx, keyring.unverified());
    }
    let mut rows = Vec::new();
    for entry in &entries {
        let (in_vault, keys) = ask(ctx, &vault, &config, entry, choice)?;
        rows.extend(keys.into_iter().map(|key| row(entry, &in_vault, key, ctx.now())));
    }
    if json {
        let json = serde_json::to_string_pretty(&rows).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        return print(&format!("{json}\n"));
    }
    let mut lines = vec![["PROFILE", "ACCESS KEY", "AGE", "AT AWS", "IN THE VAULT"].map(str::to_owned)];
    lines.extend(rows.iter().map(words));
    print(&columns(&lines))
}

/// Opens the entry and lists its user's keys; with them the ID of the one in the vault.
fn ask(
    ctx: &Context,
    vault: &Vault,
    config: &Config,
    entry: &ProfileName,
    choice: &KeyChoice,
) -> Result<(String, Vec<ListedKey>)> {
    let own = common::own(config, vault, (entry, entry), Sessions::Made)?;
    common::tell_own_notes(ctx, &own);
    let mut codes = Codes::new(ctx, CodeWishes::default());
    let asking = Asking {
        entry,
        asked: entry,
        own: &own,
        key: choice,
        purpose: "ask AWS about its access keys",
        callers: &processes::callers(),
    };
    let (opened, mut touches) = user::open(ctx, vault, &asking, Later::default(), &mut codes)?;
    let key = opened.entry.key;
    // Nothing more is opened: the PIN is dropped on the token before AWS is called.
    drop(opened.unlocked);
    let mut sts = Sts::new(ctx);
    let user = User::meet(ctx, &mut sts, &mut codes, &mut touches, (entry, &own), &key)?;
    let keys = user::iam(ctx, &own)
        .list_access_keys(&user.credentials)
        .map_err(|error| {
            user::refused(error, entry, &own, NEEDS).within(format!("the access keys of {}", user.owner()))
        })?;
    Ok((key.id, keys))
}

fn row(entry: &ProfileName, in_vault: &str, key: ListedKey, now: Timestamp) -> Row {
    Row {
        profile: entry.to_string(),
        in_vault: key.id == in_vault,
        access_key_id: key.id,
        status: match key.status {
            KeyStatus::Active => "active",
            KeyStatus::Inactive => "inactive",
        },
        created: key.created.map(render::timestamp),
        age_days: key.created.map(|created| now.duration_since(created).as_hours() / 24),
    }
}

fn words(row: &Row) -> [String; 5] {
    let age = row.age_days.map_or_else(|| "-".to_owned(), |days| format!("{days} d"));
    let in_vault = if row.in_vault { "yes" } else { "no" };
    [
        crate::prompt::printable(&row.profile),
        row.access_key_id.clone(),
        age,
        row.status.to_owned(),
        in_vault.to_owned(),
    ]
}
