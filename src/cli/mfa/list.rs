use super::person;
use crate::chain::Sessions;
use crate::chain::mfa::CodeWishes;
use crate::cli::completion;
use crate::cli::list::{columns, print};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::mfa::{self, Device};
use crate::profile::ProfileName;
use crate::prompt::printable;
use crate::render;
use crate::token::oath::Touch;
use crate::vault::Vault;
use crate::vault::unlock::KeyChoice;
use clap::Args;
use serde::Serialize;

/// List the MFA devices of a profile's user, and the tokens here that hold their seeds
///
/// A token counts that has an account called exactly as the device. AWS is asked with the access key itself, without a code.
#[derive(Args)]
pub struct ListArgs {
    /// The profile; AWS_PROFILE when it is left out. Of a role, the access key that it is reached with
    #[arg(add = completion::profiles())]
    profile: Option<ProfileName>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// docs/schema/mfa-list.json describes it.
#[derive(Serialize)]
struct Row {
    serial: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<String>,
    /// Whether it is the profile's mfa_serial.
    in_config: bool,
    tokens: Vec<Token>,
}

#[derive(Serialize)]
struct Token {
    serial: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    touch: Option<bool>,
}

pub fn run(args: ListArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    // It shows what is wrong with a device too, whose code may be what is missing.
    let session = (Sessions::Skipped, CodeWishes::default());
    let (person, named) = person(args.profile, ctx, &vault, choice, session)?;
    let named = named.as_ref().map(|serial| serial.as_str());
    let rows: Vec<Row> = mfa::look(ctx, &vault, person)?
        .into_iter()
        .map(|device| row(device, named))
        .collect();
    if args.json {
        let json = serde_json::to_string_pretty(&rows).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        return print(&format!("{json}\n"));
    }
    let mut lines = vec![["DEVICE", "ENABLED", "IN CONFIG", "ON TOKENS HERE"].map(str::to_owned)];
    lines.extend(rows.iter().map(words));
    print(&columns(&lines))
}

fn row(device: Device, named: Option<&str>) -> Row {
    Row {
        in_config: named == Some(device.serial.as_str()),
        enabled: device.enabled.map(render::timestamp),
        serial: device.serial,
        tokens: device
            .holders
            .iter()
            .map(|holder| Token {
                serial: holder.token.0,
                touch: holder.touch.map(|touch| touch == Touch::Required),
            })
            .collect(),
    }
}

fn words(row: &Row) -> [String; 4] {
    let token = |token: &Token| match token.touch {
        Some(false) => format!("YubiKey {} (no touch)", token.serial),
        Some(true) | None => format!("YubiKey {}", token.serial),
    };
    let tokens: Vec<String> = row.tokens.iter().map(token).collect();
    let tokens = match &tokens[..] {
        [] => "none".to_owned(),
        tokens => tokens.join(", "),
    };
    let enabled = row.enabled.clone().unwrap_or_else(|| "unknown".into());
    let in_config = if row.in_config { "yes" } else { "no" };
    [printable(&row.serial), enabled, in_config.to_owned(), tokens]
}
