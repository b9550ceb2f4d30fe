use crate::cli::common;
use crate::cli::completion;
use crate::cli::list::{columns, print};
use crate::context::Context;
use crate::enrollment::{no_keys, refuse_headless};
use crate::error::{Error, ErrorKind, Result};
use crate::prompt::printable;
use crate::render;
use crate::vault::Vault;
use crate::wrap::{EnrolledKey, KeyKind, KeyName};
use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

/// List the enrolled keys; opens nothing
#[derive(Args)]
pub struct ListArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Show one enrolled key, and how stock `age` opens entries with it
#[derive(Args)]
pub struct ShowArgs {
    /// The key's name
    #[arg(add = completion::keys())]
    name: KeyName,
    /// Only the identity that stock `age` reads, for a key on a token
    #[arg(long)]
    identity: bool,
}

#[derive(Serialize)]
struct Row {
    name: String,
    kind: String,
    presence: String,
    /// How many entries it opens: every entry is sealed to every key.
    opens: usize,
    recipient: String,
    enrolled: String,
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<u32>,
    /// What a FIDO2 token calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<String>,
    /// On this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<String>,
}

pub fn list(args: &ListArgs, ctx: &Context) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    let snapshot = vault.read()?.0;
    let Some(keyring) = &snapshot.keyring else {
        if args.json {
            refuse_headless(&vault)?;
            return print("[]\n");
        }
        return Err(no_keys(&vault));
    };
    let list = keyring.unverified();
    let used = vault.memory().last_used(&list.vault)?;
    let opens = vault.list()?.len();
    let today = ctx.now().to_zoned(TimeZone::UTC).date();
    let rows: Vec<Row> = list
        .keys
        .iter()
        .map(|key| Row {
            name: key.name.to_string(),
            kind: key.kind_word(),
            presence: key.presence_word(),
            opens,
            recipient: key.recipient.clone(),
            enrolled: render::timestamp(key.enrolled),
            host: key.host.clone(),
            serial: key.serial().map(|serial| serial.0),
            token: match &key.kind {
                KeyKind::Fido2(details) => Some(details.token()),
                KeyKind::Piv(_) | KeyKind::Keychain { .. } | KeyKind::Passphrase { .. } | KeyKind::Recovery { .. } => {
                    None
                }
            },
            slot: match &key.kind {
                KeyKind::Piv(details) => Some(details.slot_hex()),
                KeyKind::Fido2(_)
                | KeyKind::Keychain { .. }
                | KeyKind::Passphrase { .. }
                | KeyKind::Recovery { .. } => None,
            },
            last_used: used.get(key.name.as_str()).map(|day| day.to_string()),
        })
        .collect();
    if args.json {
        let json = serde_json::to_string_pretty(&rows).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        return print(&format!("{json}\n"));
    }
    let mut lines = vec![["NAME", "KIND", "PRESENCE", "OPENS", "LAST USED HERE"].map(str::to_owned)];
    for row in &rows {
        let last = used
            .get(&row.name)
            .map_or_else(|| "never".into(), |day| ago(*day, today));
        lines.push([
            row.name.clone(),
            row.kind.clone(),
            row.presence.clone(),
            row.opens.to_string(),
            last,
        ]);
    }
    print(&columns(&lines))?;
    common::tell_ways_in(ctx, list);
    Ok(())
}

pub fn show(args: &ShowArgs, ctx: &Context) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    let keyring = vault.read()?.0.keyring.ok_or_else(|| no_keys(&vault))?;
    let list = keyring.unverified();
    let Some(key) = list.key(&args.name) else {
        return Err(Error::new(ErrorKind::NoKey, format!("no key is called {}", args.name))
            .hint(format!("enrolled are {}", list.names())));
    };
    if args.identity {
        return print(&format!("{}\n", identity(key)?));
    }
    let mut lines = vec![
        ("name", key.name.to_string()),
        ("kind", key.kind_word()),
        ("presence", key.presence_word()),
        (
            "enrolled",
            format!("{} on {}", render::timestamp(key.enrolled), key.host),
        ),
        ("recipient", key.recipient.clone()),
    ];
    let stock = match &key.kind {
        KeyKind::Piv(details) => {
            lines.push((
                "token",
                format!(
                    "{}, slot {}, firmware {}",
                    details.token(),
                    details.slot,
                    details.firmware
                ),
            ));
            lines.push(("identity", identity(key)?));
            "tapvault key show --identity NAME > FILE; with age-plugin-yubikey installed: age -d -i FILE entries/PROFILE.age"
        }
        KeyKind::Fido2(details) => {
            lines.push(("token", details.token()));
            lines.push(("identity", identity(key)?));
            "tapvault key show --identity NAME > FILE; with age-plugin-fido2-hmac installed: age -d -i FILE entries/PROFILE.age"
        }
        KeyKind::Passphrase { .. } => {
            lines.push((
                "file",
                format!("passphrases/{}.age", crate::vault::name::file_stem(key.name.as_str())),
            ));
            "age -d -o FILE passphrases/NAME.age gives the identity; then age -d -i FILE entries/PROFILE.age"
        }
        KeyKind::Keychain { .. } => {
            "your desktop's keyring program shows it (tapvault, under the recipient); save it as FILE; then age -d -i FILE entries/PROFILE.age"
        }
        KeyKind::Recovery { .. } => "save the key on paper as FILE; then age -d -i FILE entries/PROFILE.age",
    };
    lines.push(("stock age", format!("{stock} (in {})", vault.folder().path().display())));
    let lines: Vec<[String; 2]> = lines
        .into_iter()
        // The folder is anybody's who can write it; what it says must not steer the terminal.
        .map(|(name, value)| [name.to_owned(), printable(&value)])
        .collect();
    print(&columns(&lines))
}

/// The identity that a plugin of age reads. It is no secret: the token has that.
fn identity(key: &EnrolledKey) -> Result<String> {
    match &key.kind {
        KeyKind::Piv(details) => Ok(details.plugin_identity(&key.piv_recipient()?)),
        KeyKind::Fido2(details) => Ok(details.plugin_identity()),
        KeyKind::Keychain { .. } | KeyKind::Passphrase { .. } | KeyKind::Recovery { .. } => Err(Error::new(
            ErrorKind::Usage,
            format!("{} is on no token; its identity would be the key itself", key.name),
        )
        .hint("`tapvault key show` without --identity says how stock `age` opens entries with it")),
    }
}

fn ago(day: Date, today: Date) -> String {
    match today.since(day).map(|span| span.get_days()) {
        Ok(0) => "today".into(),
        Ok(1) => "yesterday".into(),
        Ok(days) => format!("{days} days ago"),
        Err(_) => day.to_string(),
    }
}
