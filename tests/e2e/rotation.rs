//! `rotate`: a new access key in the place of the old one, and what is true whatever cuts it short.

mod at_once;
mod clean;
mod forged;
mod interrupted;
mod key_changes;
mod matrix;
mod users;

use crate::bench::Bench;
use tapvault_lab::aws_standin::KeyStatus;
use tapvault_lab::aws_standin::sample::MAIN_ACCOUNT;

/// The access keys of Ana at AWS: ID and status.
fn keys_at_aws(bench: &Bench) -> Vec<(String, KeyStatus)> {
    keys_of(bench, MAIN_ACCOUNT, "ana")
}

fn keys_of(bench: &Bench, account: &str, user: &str) -> Vec<(String, KeyStatus)> {
    bench.aws().world(|world| {
        let user = world.user(account, user).expect("the user");
        user.access_keys
            .iter()
            .map(|key| (key.id.clone(), key.status))
            .collect()
    })
}

/// The access key that `export --no-session` hands out.
fn key_in_vault(bench: &Bench, profile: &str) -> String {
    let out = bench
        .tapvault(["export", profile, "--no-session", "--format", "json"])
        .prints_secrets()
        .run()
        .success();
    out.json()["AccessKeyId"].as_str().expect("an ID").to_owned()
}

/// The journal of a profile's rotation.
fn journal(bench: &Bench, profile: &str) -> Option<serde_json::Value> {
    let path = bench.vault().join(format!("rotations/{profile}.json"));
    let text = std::fs::read(path).ok()?;
    Some(serde_json::from_slice(&text).expect("a journal is JSON"))
}
