//! Whose key it is, with which rights, and what else the user has: MFA, roles on top, other partitions, strangers' keys.

use super::{journal, key_in_vault, keys_at_aws, keys_of};
use crate::bench::{ANA, Bench};
use tapvault_lab::aws_standin::{
    ANA_MFA, CHEN_KEY, CHEN_SECRET, CHINA_ACCOUNT, Fault, IamScope, KeyStatus, MAIN_ACCOUNT, When,
};

fn may(bench: &Bench, permissions: &[&str]) {
    bench.aws().world(|world| {
        let user = world.user_mut(MAIN_ACCOUNT, "ana").expect("ana");
        user.permissions = permissions.iter().map(|text| (*text).to_owned()).collect();
    });
}

/// Somebody makes a second key for Ana in the console, and perhaps uses it.
pub(super) fn second_key(bench: &Bench) -> &'static str {
    const ID: &str = "AKIATAPVAULTLABOTHER";
    bench.aws().world(|world| {
        let user = world.user_mut(MAIN_ACCOUNT, "ana").expect("ana");
        let mut key = user.access_keys[0].clone();
        key.id = ID.to_owned();
        user.access_keys.push(key);
    });
    ID
}

#[test]
fn one_session_with_one_code_serves_the_whole_run() {
    let bench = Bench::with_prod();
    bench.aws_config(&format!(
        "[profile prod]\nregion = eu-central-1\nmfa_serial = {ANA_MFA}\n"
    ));
    bench.aws().clear_calls();
    let code = bench.aws().totp(ANA_MFA);
    let out = bench
        .tapvault(["rotate", "--delete-old", "-t", &code, "prod"])
        .run()
        .success();
    out.touches_of_which_announced(2, 2).says("2 touches, 1 code");
    assert_eq!(
        bench.calls(),
        [
            "GetSessionToken",
            "GetCallerIdentity",
            "ListAccessKeys",
            "CreateAccessKey",
            "GetCallerIdentity",
            "UpdateAccessKey",
            "DeleteAccessKey"
        ]
    );
    assert_eq!(bench.aws().used_steps(ANA_MFA).len(), 1);
    assert_eq!(keys_at_aws(&bench).len(), 1);
}

#[test]
fn the_serial_of_the_profile_that_was_named_serves_an_entry_that_has_none() {
    let bench = Bench::with_prod();
    bench.aws_config(&format!(
        "[profile prod]\nregion = eu-central-1\n[profile hop]\nsource_profile = prod\n\
         [profile admin]\nsource_profile = hop\nrole_arn = arn:aws:iam::444455556666:role/admin\nmfa_serial = {ANA_MFA}\n"
    ));
    bench
        .tapvault(["rotate", "-t", &bench.aws().totp(ANA_MFA), "admin"])
        .run()
        .success()
        .says("admin is reached with the access key of prod; that one is rotated")
        .says("2 touches, 1 code");
    assert_eq!(bench.aws().used_steps(ANA_MFA).len(), 1);
    assert_ne!(key_in_vault(&bench, "prod"), ANA.0);
}

#[test]
fn without_a_session_the_access_key_itself_does_it() {
    let bench = Bench::with_prod();
    bench.aws_config(&format!(
        "[profile prod]\nregion = eu-central-1\nmfa_serial = {ANA_MFA}\n"
    ));
    bench
        .tapvault(["rotate", "--no-session", "--delete-old", "prod"])
        .run()
        .success()
        .touches(2);
    let calls = bench.aws().calls();
    assert!(calls.iter().all(|call| call.action != "GetSessionToken"));
    let deleted = calls
        .iter()
        .rfind(|call| call.action == "DeleteAccessKey")
        .expect("deleted");
    assert_ne!(deleted.access_key_id.as_deref(), Some(ANA.0), "the new key speaks");
    assert_eq!(keys_at_aws(&bench).len(), 1);
}

#[test]
fn another_partition_has_its_own_iam() {
    let bench = Bench::enrolled();
    bench.aws_config("[profile china]\nregion = cn-northwest-1\n");
    bench.add("china", (CHEN_KEY, CHEN_SECRET));
    bench.aws().world(|world| world.iam_scope = IamScope::IamRegion);
    bench.tapvault(["rotate", "china"]).run().success().touches(2);
    let keys = keys_of(&bench, CHINA_ACCOUNT, "chen");
    assert_eq!((keys[0].1, keys[1].1), (KeyStatus::Inactive, KeyStatus::Active));
    assert_eq!(key_in_vault(&bench, "china"), keys[1].0);
    let regions: Vec<_> = bench.aws().calls_of("CreateAccessKey");
    assert_eq!(regions[0].region.as_deref(), Some("cn-north-1"));
}

#[test]
fn rights_on_ones_own_keys_are_enough() {
    let bench = Bench::with_prod();
    may(&bench, &["iam:*AccessKey", "iam:ListAccessKeys"]);
    bench.tapvault(["rotate", "--delete-old", "prod"]).run().success();
    assert_eq!(keys_at_aws(&bench).len(), 1);
}

#[test]
fn a_missing_right_is_named_with_the_policy_and_nothing_is_lost() {
    let all = [
        "iam:ListAccessKeys",
        "iam:CreateAccessKey",
        "iam:UpdateAccessKey",
        "iam:DeleteAccessKey",
    ];
    for missing in all {
        let bench = Bench::with_prod();
        let rest: Vec<&str> = all.into_iter().filter(|right| *right != missing).collect();
        may(&bench, &rest);
        let out = bench.tapvault(["rotate", "--delete-old", "prod"]).run().fails(8, "aws");
        out.says(missing).says("arn:aws:iam::*:user/${aws:username}");
        let in_vault = key_in_vault(&bench, "prod");
        assert!(
            keys_at_aws(&bench).contains(&(in_vault, KeyStatus::Active)),
            "{missing}"
        );
        may(&bench, &["iam:*"]);
        let next = if missing == "iam:DeleteAccessKey" {
            "--finish"
        } else {
            "--delete-old"
        };
        bench.tapvault(["rotate", next, "prod"]).run().success();
        assert_eq!(keys_at_aws(&bench).len(), 1, "{missing}");
    }
}

#[test]
fn a_key_that_somebody_else_made_stops_it_and_can_be_given_up() {
    let bench = Bench::with_prod();
    let other = second_key(&bench);
    bench
        .tapvault(["rotate", "prod"])
        .run()
        .fails(12, "conflict")
        .says("made 2026-01-01")
        .says(&format!("tapvault rotate --delete-other {other} prod"));
    assert_eq!(journal(&bench, "prod"), None);
    // Naming the entry's own key gives nothing up.
    bench
        .tapvault(["rotate", "--delete-other", ANA.0, "prod"])
        .run()
        .fails(12, "conflict");
    bench
        .tapvault(["rotate", "--delete-other", other, "prod"])
        .run()
        .success()
        .says(&format!("deleted {other}, as you said"));
    assert!(keys_at_aws(&bench).iter().all(|(id, _)| id != other));
}

#[test]
fn at_a_terminal_the_key_that_is_in_the_way_is_asked_about() {
    let bench = Bench::with_prod();
    let other = second_key(&bench);
    let mut terminal = bench.tapvault(["rotate", "prod"]).on_terminal();
    terminal.answer("PIN", crate::bench::PIN);
    terminal.answer("is in the way; delete it?", "y");
    terminal.finish().success().says(&format!("deleted {other}"));
    assert_eq!(keys_at_aws(&bench).len(), 2);
}

#[test]
fn a_new_key_that_is_slow_to_work_is_waited_for() {
    let bench = Bench::with_prod();
    bench.aws().world(|world| world.new_key_delay_seconds = 2);
    bench
        .tapvault(["rotate", "prod"])
        .run()
        .success()
        .says("to work: AWS needs some seconds");
    assert_ne!(key_in_vault(&bench, "prod"), ANA.0);
}

#[test]
fn iam_may_hear_of_the_new_key_later_than_sts() {
    let bench = Bench::with_prod();
    let unknown = Fault::on("DeleteAccessKey").times(2);
    bench.aws().fault(unknown.error(
        403,
        "InvalidClientTokenId",
        "The security token included in the request is invalid.",
    ));
    bench
        .tapvault(["rotate", "--delete-old", "prod"])
        .run()
        .success()
        .says("waiting for IAM to hear of the access key");
    let calls = bench.aws().calls();
    let signer = |action: &str| {
        let call = calls.iter().rfind(|call| call.action == action).expect("called");
        call.access_key_id.clone().expect("signed")
    };
    assert_eq!(signer("UpdateAccessKey"), ANA.0, "the old key switches itself off");
    assert_eq!(signer("DeleteAccessKey"), keys_at_aws(&bench)[0].0);
}

#[test]
fn an_old_key_that_is_deleted_at_the_last_moment_is_no_obstacle() {
    let bench = Bench::with_prod();
    bench
        .aws()
        .fault(Fault::on("GetCallerIdentity").nth(2).delay(1_500, When::After));
    let run = bench.tapvault(["rotate", "prod"]).start();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while bench.aws().calls_of("GetCallerIdentity").len() < 3 {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    bench.aws().world(|world| {
        let user = world.user_mut(MAIN_ACCOUNT, "ana").expect("ana");
        user.access_keys.retain(|key| key.id != ANA.0);
    });
    run.wait().success();
    let keys = keys_at_aws(&bench);
    assert_eq!((keys.len(), journal(&bench, "prod")), (1, None));
    assert_eq!(key_in_vault(&bench, "prod"), keys[0].0);
}

#[test]
fn a_base_outside_the_vault_is_told() {
    let bench = Bench::with_prod();
    bench.aws_config("[profile outside]\ncredential_process = /bin/true\n");
    bench
        .tapvault(["rotate", "outside"])
        .run()
        .fails(2, "usage")
        .says("begins outside the vault")
        .says("tapvault explain outside");
}

#[test]
fn a_list_that_never_ends_is_an_error() {
    let bench = Bench::with_prod();
    let page = "<ListAccessKeysResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListAccessKeysResult>\
                <AccessKeyMetadata/><IsTruncated>true</IsTruncated><Marker>again</Marker></ListAccessKeysResult>\
                </ListAccessKeysResponse>";
    bench.aws().fault(Fault::on("ListAccessKeys").every().garbage(page));
    bench
        .tapvault(["rotate", "prod"])
        .run()
        .fails(9, "network")
        .says("pages");
}

#[test]
fn all_pages_of_a_list_are_read() {
    let bench = Bench::with_prod();
    // The first page has a key that is gone by the time it is asked about; the second one is the stand-in's own.
    let page = "<ListAccessKeysResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListAccessKeysResult>\
                <AccessKeyMetadata><member><UserName>ana</UserName><AccessKeyId>AKIATAPVAULTLABGONE2</AccessKeyId>\
                <Status>Active</Status><CreateDate>2026-01-01T00:00:00Z</CreateDate></member></AccessKeyMetadata>\
                <IsTruncated>true</IsTruncated><Marker>0</Marker></ListAccessKeysResult></ListAccessKeysResponse>";
    bench.aws().fault(Fault::on("ListAccessKeys").garbage(page));
    bench.tapvault(["rotate", "prod"]).run().success();
    let pages = bench.aws().calls_of("ListAccessKeys");
    assert_eq!(pages.len(), 2);
    assert_eq!(pages[1].parameters.get("Marker").map(String::as_str), Some("0"));
    assert_eq!(bench.aws().calls_of("GetAccessKeyLastUsed").len(), 1);
}

#[test]
fn a_new_key_that_does_not_work_within_a_minute_waits_for_the_next_run() {
    let bench = Bench::with_prod();
    let unknown = Fault::on("GetCallerIdentity").nth(2).every();
    bench.aws().fault(unknown.error(
        403,
        "InvalidClientTokenId",
        "The security token included in the request is invalid.",
    ));
    bench
        .tapvault(["rotate", "prod"])
        .run()
        .fails(12, "conflict")
        .says("does not work yet")
        .says("tapvault rotate --resume prod");
    assert_eq!(key_in_vault(&bench, "prod"), ANA.0);
    bench.aws().clear_faults();
    bench.tapvault(["rotate", "--resume", "prod"]).run().success();
    assert_ne!(key_in_vault(&bench, "prod"), ANA.0);
}
