//! `mfa`: devices of IAM whose seeds are on tokens, and what is true whatever cuts an enrolment or a removal short.

mod cut_short;
mod enrolling;
mod managing;
mod tokens;

use crate::bench::{ANA, Bench};
use tapvault_lab::aws_standin::sample::MAIN_ACCOUNT;
use tapvault_lab::aws_standin::{ANA_MFA, BEN_KEY, BEN_SECRET};

/// What Ben's first device is called.
const BEN_MFA: &str = "arn:aws:iam::111122223333:mfa/ben";

const CONFIG: &str = "\
# mine
[profile prod]
region = eu-central-1   # Frankfurt
# the end of prod

[profile other]
region = eu-west-1
";

/// `prod` is Ben, who has no device.
fn with_ben() -> Bench {
    let bench = Bench::enrolled();
    give(&bench, (BEN_KEY, BEN_SECRET));
    bench
}

/// `prod` is Ana, who has a device on her phone, and may all.
fn with_ana() -> Bench {
    let bench = Bench::enrolled();
    give(&bench, ANA);
    bench
}

fn give(bench: &Bench, key: crate::bench::Key) {
    bench.aws_config(CONFIG);
    bench.add("prod", key).success();
    bench.aws().clear_calls();
}

/// What a person would like to be true afterwards: one device of Ben's, enabled, its account on the first token alone, and in
/// the config.
#[track_caller]
fn is_enrolled(bench: &Bench) {
    assert_eq!(devices(bench), [(BEN_MFA.to_owned(), Some("ben".to_owned()))]);
    assert_eq!(bench.oath_accounts(0), [BEN_MFA]);
    assert_eq!(
        config(bench),
        CONFIG.replace("Frankfurt\n", &format!("Frankfurt\nmfa_serial = {BEN_MFA}\n"))
    );
    assert_eq!(journal(bench), None);
}

/// Everything is what it was before.
#[track_caller]
fn is_untouched(bench: &Bench) {
    assert_eq!(devices(bench), []);
    assert_eq!(bench.oath_accounts(0), [""; 0]);
    assert_eq!(config(bench), CONFIG);
    assert_eq!(journal(bench), None);
}

/// The devices of the account besides Ana's phone, and whose they are.
fn devices(bench: &Bench) -> Vec<(String, Option<String>)> {
    bench.aws().world(|world| {
        let account = world.account(MAIN_ACCOUNT).expect("the account");
        let others = account.mfa_devices.iter().filter(|device| device.serial != ANA_MFA);
        others
            .map(|device| (device.serial.clone(), device.user.clone()))
            .collect()
    })
}

fn config(bench: &Bench) -> String {
    std::fs::read_to_string(bench.home().join(".aws/config")).expect("a config")
}

/// The journal of prod's devices.
fn journal(bench: &Bench) -> Option<serde_json::Value> {
    let text = std::fs::read(bench.state_folder().join("mfa/prod.json")).ok()?;
    Some(serde_json::from_slice(&text).expect("a journal is JSON"))
}

/// Takes everything back that an enrolment made, as if there had been none.
fn start_over(bench: &Bench) {
    bench.aws().world(|world| {
        let devices = world.accounts.iter_mut().map(|account| &mut account.mfa_devices);
        devices.for_each(|devices| devices.retain(|device| device.user.as_deref() != Some("ben")));
    });
    for account in bench.oath_accounts(0) {
        bench.ykman(&["oath", "accounts", "delete", "--force", &account]);
    }
    bench.aws_config(CONFIG);
    bench.aws().clear_calls();
}
