//! What IAM does to keys and MFA devices.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use support::Client;
use tapvault_lab::aws_standin::{Standin, World, sample::*, totp};

fn standin() -> Standin {
    Standin::start(World::sample())
}

fn new_key(client: &Client, answer: &support::Answer) -> Client {
    Client {
        key: answer.text("AccessKeyId").to_owned(),
        secret: answer.text("SecretAccessKey").to_owned(),
        ..client.clone()
    }
}

#[test]
fn a_key_is_rotated() {
    let aws = standin();
    let old = Client::ana(&aws);
    let answer = old.iam("CreateAccessKey", &[]).ok();
    assert_eq!((answer.text("UserName"), answer.text("Status")), ("ana", "Active"));
    let new = new_key(&old, &answer);
    new.sts("GetCallerIdentity", &[]).ok();
    new.iam("UpdateAccessKey", &[("AccessKeyId", ANA_KEY), ("Status", "Inactive")])
        .ok();
    old.sts("GetCallerIdentity", &[]).refused(403, "InvalidClientTokenId");
    let listed = new.iam("ListAccessKeys", &[]).ok();
    assert!(listed.body.contains("<Status>Inactive</Status>") && listed.text("IsTruncated") == "false");
    new.iam("UpdateAccessKey", &[("AccessKeyId", ANA_KEY), ("Status", "Active")])
        .ok();
    old.sts("GetCallerIdentity", &[]).ok();
    let answer = new.iam("DeleteAccessKey", &[("AccessKeyId", ANA_KEY)]).ok();
    assert!(
        !answer.body.contains("DeleteAccessKeyResult"),
        "an action without results has no result element"
    );
    old.sts("GetCallerIdentity", &[]).refused(403, "InvalidClientTokenId");
    let again = new.iam("DeleteAccessKey", &[("AccessKeyId", ANA_KEY)]);
    assert_eq!(
        again.refused(404, "NoSuchEntity"),
        format!("The Access Key with id {ANA_KEY} cannot be found.")
    );
    let log = serde_json::to_string(&aws.calls()).unwrap();
    assert!(!log.contains(&new.secret), "a fresh secret never reaches the log");
}

#[test]
fn a_user_has_two_keys_at_most() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let second = ana.iam("CreateAccessKey", &[]).ok();
    let third = ana.iam("CreateAccessKey", &[]);
    assert_eq!(
        third.refused(409, "LimitExceeded"),
        "Cannot exceed quota for AccessKeysPerUser: 2"
    );
    // An inactive key counts too.
    ana.iam(
        "UpdateAccessKey",
        &[("AccessKeyId", second.text("AccessKeyId")), ("Status", "Inactive")],
    )
    .ok();
    ana.iam("CreateAccessKey", &[]).refused(409, "LimitExceeded");
    let page = ana.iam("ListAccessKeys", &[("MaxItems", "1")]).ok();
    assert_eq!(page.text("IsTruncated"), "true");
    let rest = ana
        .iam("ListAccessKeys", &[("MaxItems", "1"), ("Marker", page.text("Marker"))])
        .ok();
    assert_eq!(rest.text("AccessKeyId"), second.text("AccessKeyId"));
}

#[test]
fn a_new_key_takes_its_time() {
    let aws = standin();
    aws.world(|world| world.new_key_delay_seconds = 100);
    let ana = Client::ana(&aws);
    let new = new_key(&ana, &ana.iam("CreateAccessKey", &[]).ok());
    new.sts("GetCallerIdentity", &[]).refused(403, "InvalidClientTokenId");
    new.iam("GetUser", &[]).refused(403, "InvalidClientTokenId");
    assert!(
        ana.iam("ListAccessKeys", &[]).ok().body.contains(&new.key),
        "it is listed meanwhile"
    );
    aws.world(|world| world.clock_offset_seconds = 101);
    new.sts("GetCallerIdentity", &[]).ok();
}

#[test]
fn iam_knows_no_sessions_without_mfa() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let plain = ana.session(&ana.sts("GetSessionToken", &[]).ok());
    let message = "The security token included in the request is invalid.";
    assert_eq!(
        plain.iam("ListAccessKeys", &[]).refused(403, "InvalidClientTokenId"),
        message
    );
    let code = aws.totp(ANA_MFA);
    let params = [("SerialNumber", ANA_MFA), ("TokenCode", code.as_str())];
    let session = ana.session(&ana.sts("GetSessionToken", &params).ok());
    session.iam("ListAccessKeys", &[]).ok();
    let role = [("RoleArn", READER_ROLE), ("RoleSessionName", "lab")];
    let role = ana.session(&ana.sts("AssumeRole", &role).ok());
    let message = "Must specify userName when calling with non-User credentials";
    assert_eq!(role.iam("ListAccessKeys", &[]).refused(400, "ValidationError"), message);
    role.iam("ListAccountAliases", &[]).ok();
}

#[test]
fn permissions_may_depend_on_mfa() {
    let aws = standin();
    let ben = Client::new(&aws, BEN_KEY, BEN_SECRET);
    let user = ben.iam("GetUser", &[]).ok();
    assert_eq!(user.text("Arn"), "arn:aws:iam::111122223333:user/division/ops/ben");
    let words = "User: arn:aws:iam::111122223333:user/division/ops/ben is not authorized to perform: \
                 iam:CreateAccessKey on resource: user ben because no identity-based policy allows the \
                 iam:CreateAccessKey action";
    assert_eq!(ben.iam("CreateAccessKey", &[]).refused(403, "AccessDenied"), words);
    aws.world(|world| world.mfa_device_mut(ANA_MFA).unwrap().user = Some("ben".to_owned()));
    let code = aws.totp(ANA_MFA);
    let params = [("SerialNumber", ANA_MFA), ("TokenCode", code.as_str())];
    let session = ben.session(&ben.sts("GetSessionToken", &params).ok());
    session.iam("CreateAccessKey", &[]).ok();
}

#[test]
fn names_are_looked_for_in_the_callers_account() {
    let aws = standin();
    let ana = Client::ana(&aws);
    ana.iam("ListAccessKeys", &[("UserName", "ben")]).ok();
    let missing = ana.iam("ListAccessKeys", &[("UserName", "chen")]);
    assert_eq!(
        missing.refused(404, "NoSuchEntity"),
        "The user with name chen cannot be found."
    );
    ana.iam("GetUser", &[("UserName", "root")]).refused(404, "NoSuchEntity");
    ana.iam("DeleteAccessKey", &[("AccessKeyId", BEN_KEY)])
        .refused(404, "NoSuchEntity");
    ana.iam("UpdateAccessKey", &[("AccessKeyId", ANA_KEY), ("Status", "active")])
        .refused(400, "ValidationError");
    ana.iam("DeleteAccessKey", &[]).refused(400, "ValidationError");
}

#[test]
fn the_last_use_of_a_key_is_told() {
    let aws = standin();
    let ana = Client {
        region: "eu-west-1".into(),
        ..Client::ana(&aws)
    };
    let never = ana.iam("GetAccessKeyLastUsed", &[("AccessKeyId", BEN_KEY)]).ok();
    assert_eq!(
        (
            never.text("ServiceName"),
            never.text("Region"),
            never.find("LastUsedDate")
        ),
        ("N/A", "N/A", None)
    );
    Client {
        region: "eu-west-2".into(),
        ..Client::new(&aws, BEN_KEY, BEN_SECRET)
    }
    .sts("GetCallerIdentity", &[])
    .ok();
    let used = ana.iam("GetAccessKeyLastUsed", &[("AccessKeyId", BEN_KEY)]).ok();
    assert_eq!(
        (used.text("ServiceName"), used.text("Region"), used.text("UserName")),
        ("sts", "eu-west-2", "ben")
    );
    assert_eq!(used.text("LastUsedDate").len(), 20);
    ana.iam("GetAccessKeyLastUsed", &[("AccessKeyId", CHEN_KEY)])
        .refused(404, "NoSuchEntity");
}

#[test]
fn an_mfa_device_is_made_enabled_and_taken_away() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let made = ana
        .iam("CreateVirtualMFADevice", &[("VirtualMFADeviceName", "second")])
        .ok();
    let serial = made.text("SerialNumber").to_owned();
    assert_eq!(serial, "arn:aws:iam::111122223333:mfa/second");
    ana.iam("CreateVirtualMFADevice", &[("VirtualMFADeviceName", "second")])
        .refused(409, "EntityAlreadyExists");
    let now = totp::step_at(aws.now());
    let code = |step| aws.world(|world| world.mfa_device(&serial).unwrap().code(step));
    let enable = |first: &str, second: &str| {
        let params = [
            ("UserName", "ana"),
            ("SerialNumber", serial.as_str()),
            ("AuthenticationCode1", first),
            ("AuthenticationCode2", second),
        ];
        ana.iam("EnableMFADevice", &params)
    };
    let words = "Authentication code for device is not valid.";
    assert_eq!(
        enable(&code(now), &code(now)).refused(403, "InvalidAuthenticationCode"),
        words
    );
    enable(&code(now - 1), &code(now)).ok();
    enable(&code(now + 1), &code(now + 2)).refused(409, "EntityAlreadyExists");
    assert!(ana.iam("ListMFADevices", &[]).ok().body.contains(&serial));
    let spent = code(now);
    let params = [("SerialNumber", serial.as_str()), ("TokenCode", spent.as_str())];
    ana.sts("GetSessionToken", &params).refused(403, "AccessDenied");
    let params = [("SerialNumber", serial.as_str()), ("TokenCode", &code(now + 1))];
    ana.sts("GetSessionToken", &params).ok();

    let device = [("SerialNumber", serial.as_str())];
    let conflict = ana.iam("DeleteVirtualMFADevice", &device);
    assert_eq!(
        conflict.refused(409, "DeleteConflict"),
        "MFA VirtualDevice in use. Must deactivate first."
    );
    ana.iam("DeactivateMFADevice", &[("UserName", "ben"), device[0]])
        .refused(404, "NoSuchEntity");
    ana.iam("DeactivateMFADevice", &[("UserName", "ana"), device[0]]).ok();
    // Its spent codes stay spent.
    assert_eq!(
        enable(&code(now - 1), &code(now)).refused(403, "InvalidAuthenticationCode"),
        words
    );
    let unassigned = ana
        .iam("ListVirtualMFADevices", &[("AssignmentStatus", "Unassigned")])
        .ok();
    assert!(unassigned.body.contains(&serial) && !unassigned.body.contains(ANA_MFA));
    ana.iam("DeleteVirtualMFADevice", &device).ok();
    ana.iam("DeleteVirtualMFADevice", &device).refused(404, "NoSuchEntity");
}

#[test]
fn a_device_that_drifted_is_resynchronised() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let now = totp::step_at(aws.now());
    let code = |step| aws.world(|world| world.mfa_device(ANA_MFA).unwrap().code(step));
    let (first, second, third) = (code(now + 19), code(now + 20), code(now + 21));
    let with = |code: &str| [("SerialNumber", ANA_MFA.to_owned()), ("TokenCode", code.to_owned())];
    let session = |code: &str| {
        let params = with(code);
        ana.sts(
            "GetSessionToken",
            &[(params[0].0, &params[0].1), (params[1].0, &params[1].1)],
        )
    };
    session(&first).refused(403, "AccessDenied");
    let codes = [
        ("AuthenticationCode1", first.as_str()),
        ("AuthenticationCode2", second.as_str()),
    ];
    ana.iam(
        "ResyncMFADevice",
        &[("UserName", "ana"), ("SerialNumber", ANA_MFA), codes[0], codes[1]],
    )
    .ok();
    session(&second).refused(403, "AccessDenied");
    session(&third).ok();
}

#[test]
fn an_account_tells_its_alias() {
    let aws = standin();
    let answer = Client::ana(&aws).iam("ListAccountAliases", &[]).ok();
    assert_eq!(answer.text("member"), "tapvault-lab-main");
}
