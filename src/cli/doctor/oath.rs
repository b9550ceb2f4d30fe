//! The OATH accounts of the tokens that are plugged in, and whether they give the codes of the profiles' MFA devices.
//!
//! LIST and CALCULATE ALL are what is asked: nothing blinks, no counter moves, and the codes that the second gives are dropped. A
//! password is used if the keychain keeps it, and never asked for.

use super::{Finding, State, common, count};
use crate::chain::Mfa;
use crate::chain::mfa::{Clues, among};
use crate::context::Context;
use crate::device::oath::{Authenticator, Listing, Manner, Passwords};
use crate::device::{SOON, describe};
use crate::error::{Error, Result};
use crate::profile::{Asked, Config, Overrides, ProfileName, words};
use crate::token::Serial;
use crate::token::card::Readers;
use crate::token::discover::{Seen, Sighting};
use crate::token::oath::Account;
use crate::vault::Vault;
use crate::vault::keyring::Keyring;
use std::collections::BTreeMap;

/// A token, and what can be known of its accounts.
struct Looked {
    serial: Serial,
    listing: Result<Listing>,
}

/// An MFA device that profiles name.
struct Device {
    mfa: Mfa,
    clues: Clues,
    profiles: Vec<String>,
}

/// How the applets are, and what is to be said of the devices.
pub fn look(ctx: &Context, readers: &Readers, sightings: &[Sighting]) -> (Vec<Finding>, Vec<Finding>) {
    let devices = devices(ctx);
    let looked: Vec<Looked> = sightings
        .iter()
        .filter_map(|sighting| match sighting.what {
            Seen::Token { serial, .. } => Some(Looked {
                serial,
                listing: listing(ctx, readers, sighting, serial),
            }),
            Seen::Busy | Seen::Foreign => None,
        })
        .collect();
    let busy = sightings.iter().any(|sighting| matches!(sighting.what, Seen::Busy));
    let applets = looked.iter().map(|token| applet(token, devices.is_empty())).collect();
    let of_devices = devices
        .iter()
        .map(|device| of_device(ctx, device, &looked, busy))
        .collect();
    (applets, of_devices)
}

fn listing(ctx: &Context, readers: &Readers, sighting: &Sighting, serial: Serial) -> Result<Listing> {
    let card = readers
        .connect(&sighting.reader, SOON)
        .map_err(|err| describe(&err, &name(serial)))?;
    Authenticator::new(ctx, card, serial, Manner::Looking, &Passwords::default()).accounts()
}

fn applet(token: &Looked, unneeded: bool) -> Finding {
    let name = name(token.serial);
    match &token.listing {
        Ok(Listing::Accounts(accounts)) => Finding::ok(format!(
            "{name}: OATH enabled, {}",
            count(accounts.len(), "account", "accounts")
        )),
        Ok(Listing::NoApplet) if unneeded => Finding::ok(format!("{name}: OATH switched off; no profile needs it")),
        Ok(Listing::NoApplet) => Finding::warn(
            format!("{name}: OATH switched off, so it gives no MFA codes"),
            format!("ykman --device {} config usb --enable OATH", token.serial),
        ),
        Ok(Listing::Locked(error)) => {
            let text = format!("{}; they were not looked at", error.message());
            match error.hints() {
                [] => Finding::ok(text),
                hints => Finding::new(State::Warn, text, hints.to_vec()),
            }
        }
        Err(error) => Finding::unneeded(error),
    }
}

/// Asked in the order in which `exec` asks: the tokens that open first.
fn of_device(ctx: &Context, device: &Device, looked: &[Looked], busy: bool) -> Finding {
    let serial = &device.mfa.serial.value;
    let of = format!("{} of {}", serial.device(), some(&device.profiles));
    let first = words::in_command(&device.profiles[0]);
    let mut tokens: Vec<&Looked> = looked.iter().collect();
    tokens.sort_by_key(|token| !device.clues.tokens.contains(&token.serial));
    let listed: Vec<(String, &[Account])> = tokens
        .iter()
        .filter_map(|token| match &token.listing {
            Ok(Listing::Accounts(accounts)) => Some((name(token.serial), accounts.as_slice())),
            Ok(Listing::NoApplet | Listing::Locked(_)) | Err(_) => None,
        })
        .collect();
    for (token, accounts) in &listed {
        match among(ctx, serial, &device.clues, accounts, token) {
            Err(error) => return Finding::failed(&Error::within(error, format!("MFA device {of}"))),
            Ok(None) => {}
            Ok(Some(found)) if found.touches == 0 => {
                return Finding::warn(
                    format!(
                        "MFA device {of}: {:?} on {token} gives the codes without a touch, to any program that reaches the token",
                        found.account
                    ),
                    format!("tapvault mfa enroll --replace {first} makes a device of the token's own, which wants one"),
                );
            }
            Ok(Some(found)) => {
                return Finding::ok(format!(
                    "MFA device {of}: {:?} on {token} gives the codes",
                    found.account
                ));
            }
        }
    }
    let unknown = busy
        || looked
            .iter()
            .any(|token| matches!(&token.listing, Ok(Listing::Locked(_)) | Err(_)));
    if device.mfa.process.is_some() {
        Finding::ok(format!("MFA device {of}: mfa_process gives the codes"))
    } else if unknown {
        Finding::ok(format!(
            "MFA device {of}: a token that was not looked at may have its account"
        ))
    } else if listed.is_empty() {
        Finding::ok(format!(
            "MFA device {of}: no token that could give the codes is plugged in"
        ))
    } else {
        let names: Vec<&str> = listed.iter().map(|(token, _)| token.as_str()).collect();
        let what = match device.clues.named(&ctx.settings) {
            Some(named) => format!("no account {named:?}"),
            None => "no account for it".to_owned(),
        };
        Finding::new(
            State::Warn,
            format!(
                "MFA device {of}: {what} on {}, so the codes have to be typed",
                names.join(" or ")
            ),
            vec![
                format!("tapvault mfa enroll --replace {first} makes a device of the token's own"),
                format!(
                    "if there is one under another name: [profile.{}] and below it oath = \"...\" in config.toml",
                    toml_key(&device.profiles[0])
                ),
            ],
        )
    }
}

/// A name as TOML takes it for one key.
fn toml_key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    match name.bytes().all(bare) {
        true => name.to_owned(),
        false => format!("{name:?}"),
    }
}

/// The devices of all profiles, of the AWS config and of the vault; each once, unless another account is looked for.
fn devices(ctx: &Context) -> Vec<Device> {
    let vault = Vault::at(&ctx.paths);
    // Who can't read one of them has said so.
    let Ok(config) = common::config(ctx) else {
        return Vec::new();
    };
    let entries = vault.list().unwrap_or_default();
    let mut names: Vec<&str> = config.names().collect();
    names.extend(entries.iter().map(|entry| entry.profile.as_str()));
    let keyring = vault.look().ok().and_then(|(snapshot, _lock)| snapshot.keyring);
    let mut devices: BTreeMap<_, Device> = BTreeMap::new();
    for name in names.iter().filter_map(|name| name.parse::<ProfileName>().ok()) {
        for (mfa, clues) in of_profile(&config, &vault, keyring.as_ref(), &name) {
            let account = clues.named(&ctx.settings).map(str::to_owned);
            let key = (mfa.serial.value.as_str().to_owned(), clues.user.clone(), account);
            let device = devices.entry(key).or_insert_with(|| Device {
                mfa,
                clues,
                profiles: Vec::new(),
            });
            if !device.profiles.iter().any(|known| known == name.as_str()) {
                device.profiles.push(name.to_string());
            }
        }
    }
    devices.into_values().collect()
}

/// What the calls of one profile take; of one that can't be run yet, what its own lines say.
fn of_profile(config: &Config, vault: &Vault, keyring: Option<&Keyring>, name: &ProfileName) -> Vec<(Mfa, Clues)> {
    let clues = |entry: &ProfileName, names| Clues::gather(vault, keyring, entry, names).unwrap_or_default();
    match common::plan(config, vault, name, &Default::default()) {
        Ok(chain) => {
            let entry = chain.entry().unwrap_or(name);
            let steps = chain.steps.iter().filter_map(|step| Some((step, step.mfa()?)));
            steps
                .map(|(step, mfa)| (mfa.clone(), clues(entry, chain.named_for(step))))
                .collect()
        }
        Err(_) => config
            .resolve(name, Asked::ByPerson, &Overrides::default())
            .ok()
            .and_then(|resolved| {
                let mfa = Mfa {
                    serial: resolved.mfa_serial?,
                    process: resolved.mfa_process,
                };
                Some((mfa, clues(name, vec![name.to_string()])))
            })
            .into_iter()
            .collect(),
    }
}

/// "prod", "prod and dev", "prod, dev and 7 more profiles".
fn some(profiles: &[String]) -> String {
    match profiles {
        [first, second, _, ..] => format!("{first}, {second} and {} more", profiles.len() - 2),
        few => few.join(" and "),
    }
}

fn name(serial: Serial) -> String {
    format!("YubiKey {serial}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_applet_that_is_switched_off_is_news_only_where_codes_are_needed() {
        let token = Looked {
            serial: Serial(15_042_118),
            listing: Ok(Listing::NoApplet),
        };
        assert!(applet(&token, true).state == State::Ok);
        let needed = applet(&token, false);
        assert!(needed.state == State::Warn && needed.text.contains("YubiKey 15042118: OATH switched off"));
        assert_eq!(needed.remedies, ["ykman --device 15042118 config usb --enable OATH"]);
    }

    #[test]
    fn many_profiles_of_one_device_are_not_all_listed() {
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        let listed = [1, 2, 3, 4].map(|count| some(&names[..count]));
        assert_eq!(listed, ["a", "a and b", "a, b and 1 more", "a, b and 2 more"]);
    }
}
