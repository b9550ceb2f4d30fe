//! What STS grants and refuses.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use jiff::Timestamp;
use support::{Client, form, raw_post, send};
use tapvault_lab::aws_standin::{Standin, World, clock, sample::*, totp};

const DENIED_CODE: &str = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";

fn standin() -> Standin {
    Standin::start(World::sample())
}

fn seconds_left(expiration: &str) -> i64 {
    expiration.parse::<Timestamp>().unwrap().as_second() - Timestamp::now().as_second()
}

/// A session of Ana's with MFA.
fn mfa_session(aws: &Standin) -> Client {
    let ana = Client::ana(aws);
    let code = aws.unused_totp(ANA_MFA).expect("a code is left");
    ana.session(
        &ana.sts("GetSessionToken", &[("SerialNumber", ANA_MFA), ("TokenCode", &code)])
            .ok(),
    )
}

fn assume(client: &Client, role: &str, more: &[(&str, &str)]) -> support::Answer {
    let mut params = vec![("RoleArn", role), ("RoleSessionName", "lab")];
    params.extend_from_slice(more);
    client.sts("AssumeRole", &params)
}

fn denied(action: &str, role: &str) -> String {
    format!("User: arn:aws:iam::111122223333:user/ana is not authorized to perform: {action} on resource: {role}")
}

#[test]
fn session_tokens_last_twelve_hours_unless_asked_otherwise() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let answer = ana.sts("GetSessionToken", &[]).ok();
    assert!((43_195..=43_200).contains(&seconds_left(answer.text("Expiration"))));
    assert!(answer.text("Expiration").ends_with('Z') && answer.text("Expiration").len() == 20);
    assert!(answer.text("AccessKeyId").starts_with("ASIA"));
    let answer = ana.sts("GetSessionToken", &[("DurationSeconds", "129600")]).ok();
    assert!((129_595..=129_600).contains(&seconds_left(answer.text("Expiration"))));
    for (seconds, bound) in [
        ("899", "greater than or equal to 900"),
        ("129601", "less than or equal to 129600"),
    ] {
        let answer = ana.sts("GetSessionToken", &[("DurationSeconds", seconds)]);
        let expected = format!(
            "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: Member \
             must have value {bound}"
        );
        assert_eq!(answer.refused(400, "ValidationError"), expected);
    }
}

#[test]
fn roots_session_tokens_are_capped_at_an_hour() {
    let aws = standin();
    let root = Client::new(&aws, ROOT_KEY, ROOT_SECRET);
    assert_eq!(
        root.sts("GetCallerIdentity", &[]).ok().text("Arn"),
        "arn:aws:iam::111122223333:root"
    );
    for params in [&[][..], &[("DurationSeconds", "7200")]] {
        let answer = root.sts("GetSessionToken", params).ok();
        assert!((3595..=3600).contains(&seconds_left(answer.text("Expiration"))));
    }
    let answer = assume(&root, READER_ROLE, &[]);
    assert_eq!(
        answer.refused(403, "AccessDenied"),
        "Roles may not be assumed by root accounts."
    );
}

#[test]
fn each_code_is_taken_once() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let code = aws.totp(ANA_MFA);
    let params = [("SerialNumber", ANA_MFA), ("TokenCode", code.as_str())];
    ana.sts("GetSessionToken", &params).ok();
    assert_eq!(
        ana.sts("GetSessionToken", &params).refused(403, "AccessDenied"),
        DENIED_CODE
    );
    assert_eq!(
        assume(&ana, ADMIN_ROLE, &params).refused(403, "AccessDenied"),
        DENIED_CODE
    );
    assert_eq!(aws.used_steps(ANA_MFA).len(), 1);
    let steps: Vec<_> = aws
        .calls()
        .iter()
        .map(|call| call.parameters["TokenCode"].clone())
        .collect();
    assert_eq!(
        steps,
        vec![format!("step {}", aws.used_steps(ANA_MFA).first().unwrap()); 3]
    );
}

#[test]
fn of_parallel_calls_with_one_code_one_succeeds() {
    let aws = standin();
    let code = aws.totp(ANA_MFA);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..50)
            .map(|_| {
                let (ana, code) = (Client::ana(&aws), code.clone());
                scope.spawn(move || {
                    ana.sts("GetSessionToken", &[("SerialNumber", ANA_MFA), ("TokenCode", &code)])
                        .status
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 49);
}

#[test]
fn codes_of_the_neighbouring_steps_are_taken_and_no_others() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let code_at = |offset: i64| {
        let step = totp::step_at(aws.now()).saturating_add_signed(offset);
        aws.world(|world| world.mfa_device(ANA_MFA).unwrap().code(step))
    };
    for (offset, status) in [(-3, 403), (3, 403), (0, 200), (1, 200)] {
        let code = code_at(offset);
        let answer = ana.sts("GetSessionToken", &[("SerialNumber", ANA_MFA), ("TokenCode", &code)]);
        assert_eq!(answer.status, status, "{offset}: {}", answer.body);
    }
}

#[test]
fn a_serial_and_a_code_go_together_and_belong_to_the_caller() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let both = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.";
    let code = aws.totp(ANA_MFA);
    assert_eq!(
        ana.sts("GetSessionToken", &[("SerialNumber", ANA_MFA)])
            .refused(403, "AccessDenied"),
        both
    );
    assert_eq!(
        ana.sts("GetSessionToken", &[("TokenCode", &code)])
            .refused(403, "AccessDenied"),
        both
    );
    let unable = "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial \
                  number is valid and associated with this user.";
    let params = [
        ("SerialNumber", "arn:aws:iam::111122223333:mfa/none"),
        ("TokenCode", code.as_str()),
    ];
    assert_eq!(ana.sts("GetSessionToken", &params).refused(403, "AccessDenied"), unable);
    let params = [("SerialNumber", ANA_MFA), ("TokenCode", code.as_str())];
    let ben = Client::new(&aws, BEN_KEY, BEN_SECRET);
    assert_eq!(ben.sts("GetSessionToken", &params).refused(403, "AccessDenied"), unable);
    assert!(aws.used_steps(ANA_MFA).is_empty(), "nobody but Ana can spend her codes");
    for code in ["12345", "1234567", "12345a"] {
        let params = [("SerialNumber", ANA_MFA), ("TokenCode", code)];
        ana.sts("GetSessionToken", &params).refused(400, "ValidationError");
    }
}

#[test]
fn a_session_can_not_make_another() {
    let aws = standin();
    let session = mfa_session(&aws);
    let message = "Cannot call GetSessionToken with session credentials";
    assert_eq!(
        session.sts("GetSessionToken", &[]).refused(403, "AccessDenied"),
        message
    );
    let message = "Cannot call GetFederationToken with session credentials";
    assert_eq!(
        session
            .sts("GetFederationToken", &[("Name", "bob")])
            .refused(403, "AccessDenied"),
        message
    );
    session
        .sts("GetAccessKeyInfo", &[("AccessKeyId", ANA_KEY)])
        .refused(403, "AccessDenied");
    let role = session.session(&assume(&session, READER_ROLE, &[]).ok());
    role.sts("GetSessionToken", &[]).refused(403, "AccessDenied");
    assert_eq!(
        role.sts("GetAccessKeyInfo", &[("AccessKeyId", ANA_KEY)])
            .ok()
            .text("Account"),
        MAIN_ACCOUNT
    );
}

#[test]
fn a_role_that_wants_mfa_takes_a_code_or_a_session_made_with_one() {
    let aws = standin();
    let ana = Client::ana(&aws);
    assert_eq!(
        assume(&ana, ADMIN_ROLE, &[]).refused(403, "AccessDenied"),
        denied("sts:AssumeRole", ADMIN_ROLE)
    );
    let plain = ana.session(&ana.sts("GetSessionToken", &[]).ok());
    assume(&plain, ADMIN_ROLE, &[]).refused(403, "AccessDenied");
    let answer = assume(&mfa_session(&aws), ADMIN_ROLE, &[]).ok();
    assert_eq!(answer.text("Arn"), "arn:aws:sts::444455556666:assumed-role/admin/lab");
    assert_eq!(answer.text("AssumedRoleId"), "AROATAPVAULTLABADMIN2:lab");
    assert!((3595..=3600).contains(&seconds_left(answer.text("Expiration"))));
    let code = aws.unused_totp(ANA_MFA).unwrap();
    let mfa = [
        ("SerialNumber", ANA_MFA),
        ("TokenCode", code.as_str()),
        ("DurationSeconds", "14400"),
    ];
    assert!(seconds_left(assume(&ana, ADMIN_ROLE, &mfa).ok().text("Expiration")) > 14_390);
}

#[test]
fn durations_end_at_the_roles_maximum_and_at_an_hour_in_a_chain() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let role_max = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
    let answer = assume(&ana, READER_ROLE, &[("DurationSeconds", "3601")]);
    assert_eq!(answer.refused(400, "ValidationError"), role_max);
    assume(&ana, MAIN_ROLE, &[("DurationSeconds", "43200")]).ok();
    assume(&ana, MAIN_ROLE, &[("DurationSeconds", "43201")]).refused(400, "ValidationError");
    assume(&ana, MAIN_ROLE, &[("DurationSeconds", "899")]).refused(400, "ValidationError");
    let chained = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
    let session = ana.session(&ana.sts("GetSessionToken", &[]).ok());
    let answer = assume(&session, MAIN_ROLE, &[("DurationSeconds", "3601")]);
    assert_eq!(answer.refused(400, "ValidationError"), chained);
    assume(&session, MAIN_ROLE, &[("DurationSeconds", "3600")]).ok();
    let reader = ana.session(&assume(&ana, READER_ROLE, &[]).ok());
    let answer = assume(&reader, DEPLOY_ROLE, &[("DurationSeconds", "3601")]);
    assert_eq!(answer.refused(400, "ValidationError"), chained);
    let deploy = reader.session(&assume(&reader, DEPLOY_ROLE, &[("DurationSeconds", "900")]).ok());
    let arn = deploy.sts("GetCallerIdentity", &[]).ok().text("Arn").to_owned();
    assert_eq!(
        arn, "arn:aws:sts::444455556666:assumed-role/deploy/lab",
        "the role's path is left out"
    );
}

#[test]
fn trust_names_who_may_come_in() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let stranger = "arn:aws:iam::444455556666:role/none";
    assert_eq!(
        assume(&ana, stranger, &[]).refused(403, "AccessDenied"),
        denied("sts:AssumeRole", stranger)
    );
    assume(&ana, DEPLOY_ROLE, &[]).refused(403, "AccessDenied");
    // Ben has no sts:AssumeRole of his own, which trust in his account alone does not replace.
    let ben = Client::new(&aws, BEN_KEY, BEN_SECRET);
    assume(&ben, READER_ROLE, &[]).refused(403, "AccessDenied");
    assume(&ben, MAIN_ROLE, &[]).refused(403, "AccessDenied");
    // Named in his own account, he needs none; across accounts he does.
    aws.world(|world| {
        let ben = "arn:aws:iam::111122223333:user/division/ops/ben".to_owned();
        world.role_mut(MAIN_ROLE).unwrap().trust.principals.push(ben.clone());
        world.role_mut(READER_ROLE).unwrap().trust.principals.push(ben);
    });
    assume(&ben, MAIN_ROLE, &[]).ok();
    assume(&ben, READER_ROLE, &[]).refused(403, "AccessDenied");
}

#[test]
fn an_external_id_has_to_match() {
    let aws = standin();
    let ana = Client::ana(&aws);
    for wrong in [&[][..], &[("ExternalId", "tapvault-lab-8")]] {
        let answer = assume(&ana, PARTNER_ROLE, wrong);
        assert_eq!(
            answer.refused(403, "AccessDenied"),
            denied("sts:AssumeRole", PARTNER_ROLE)
        );
    }
    assume(&ana, PARTNER_ROLE, &[("ExternalId", EXTERNAL_ID)]).ok();
    assume(&ana, PARTNER_ROLE, &[("ExternalId", "x")]).refused(400, "ValidationError");
    assume(&ana, READER_ROLE, &[("ExternalId", "not-asked-for")]).ok();
}

#[test]
fn parameters_have_shapes() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let answer = ana.sts("AssumeRole", &[("RoleArn", READER_ROLE)]);
    let message = answer.refused(400, "ValidationError");
    assert!(message.ends_with("Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null"));
    let long = "x".repeat(65);
    for name in ["x", long.as_str(), "a b", "a/b", "ä".repeat(3).as_str()] {
        let answer = ana.sts("AssumeRole", &[("RoleArn", READER_ROLE), ("RoleSessionName", name)]);
        answer.refused(400, "ValidationError");
    }
    for arn in [
        "arn:aws:iam::444455556666:user/admin",
        "arn:aws:iam::44445555:role/admin",
    ] {
        let answer = assume(&ana, arn, &[]);
        assert_eq!(answer.refused(400, "ValidationError"), format!("{arn} is invalid"));
    }
    assume(&ana, "admin", &[]).refused(400, "ValidationError");
}

#[test]
fn session_policies_are_checked_and_narrow_the_session() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let malformed = assume(&ana, READER_ROLE, &[("Policy", "{")]);
    malformed.refused(400, "MalformedPolicyDocument");
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:GetUser","Resource":"*"}]}"#;
    let answer = assume(&ana, MAIN_ROLE, &[("Policy", policy)]).ok();
    assert!(answer.text("PackedPolicySize").parse::<u8>().unwrap() > 0);
    let narrow = ana.session(&answer);
    narrow.iam("GetUser", &[("UserName", "ana")]).ok();
    narrow
        .iam("ListAccessKeys", &[("UserName", "ana")])
        .refused(403, "AccessDenied");
    assume(&ana, READER_ROLE, &[("Policy", &"x".repeat(2049))]).refused(400, "ValidationError");
    let arns: Vec<String> = (1..=11).map(|n| format!("PolicyArns.member.{n}.arn")).collect();
    let arns: Vec<(&str, &str)> = arns
        .iter()
        .map(|name| (name.as_str(), "arn:aws:iam::aws:policy/ReadOnlyAccess"))
        .collect();
    assume(&ana, READER_ROLE, &arns[..10]).ok();
    assume(&ana, READER_ROLE, &arns).refused(400, "ValidationError");
    assume(
        &ana,
        READER_ROLE,
        &[("PolicyArns.member.1.arn", "arn:aws:iam::aws:nothing/of-it")],
    )
    .refused(400, "ValidationError");
}

#[test]
fn tags_need_permission_and_room() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let tag = [("Tags.member.1.Key", "Team"), ("Tags.member.1.Value", "ops")];
    assert_eq!(
        assume(&ana, READER_ROLE, &tag).refused(403, "AccessDenied"),
        denied("sts:TagSession", READER_ROLE)
    );
    assume(&ana, TAGGED_ROLE, &tag).ok().text("PackedPolicySize");
    let transitive = [tag[0], tag[1], ("TransitiveTagKeys.member.1", "Team")];
    let session = ana.session(&assume(&ana, TAGGED_ROLE, &transitive).ok());
    aws.world(|world| {
        world
            .role_mut(TAGGED_ROLE)
            .unwrap()
            .trust
            .principals
            .push(TAGGED_ROLE.to_owned())
    });
    assume(&session, TAGGED_ROLE, &tag).refused(400, "InvalidParameterValue");
    assume(&session, TAGGED_ROLE, &[]).ok();
    assume(&ana, TAGGED_ROLE, &[("TransitiveTagKeys.member.1", "x")]).refused(400, "ValidationError");
    let many: Vec<(String, String)> = (1..=40)
        .flat_map(|n| {
            let key = (format!("Tags.member.{n}.Key"), format!("key-{n}"));
            [key, (format!("Tags.member.{n}.Value"), "v".repeat(256))]
        })
        .collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let answer = assume(&ana, TAGGED_ROLE, &many);
    let message = answer.refused(400, "PackedPolicyTooLarge");
    assert!(
        message.starts_with("Packed policy consumes 2") && message.contains("% of allotted space"),
        "{message}"
    );
}

#[test]
fn a_source_identity_needs_permission_and_stays() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let source = [("SourceIdentity", "ana")];
    let answer = assume(&ana, READER_ROLE, &source);
    assert_eq!(
        answer.refused(403, "AccessDenied"),
        denied("sts:SetSourceIdentity", READER_ROLE)
    );
    let answer = assume(&ana, TAGGED_ROLE, &source).ok();
    assert_eq!(answer.text("SourceIdentity"), "ana");
    let session = ana.session(&answer);
    aws.world(|world| {
        for role in [TAGGED_ROLE, DEPLOY_ROLE] {
            world
                .role_mut(role)
                .unwrap()
                .trust
                .principals
                .push(TAGGED_ROLE.to_owned());
        }
    });
    assert_eq!(assume(&session, TAGGED_ROLE, &[]).ok().text("SourceIdentity"), "ana");
    assume(&session, TAGGED_ROLE, &[("SourceIdentity", "ben")]).refused(403, "AccessDenied");
    assume(&session, DEPLOY_ROLE, &[]).refused(403, "AccessDenied");
    assume(&ana, TAGGED_ROLE, &[("SourceIdentity", "aws:ana")]).refused(400, "ValidationError");
}

#[test]
fn federated_users_may_what_their_policy_leaves_and_no_iam() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let answer = ana.sts("GetFederationToken", &[("Name", "bob")]).ok();
    assert_eq!(answer.text("Arn"), "arn:aws:sts::111122223333:federated-user/bob");
    assert_eq!(answer.text("FederatedUserId"), "111122223333:bob");
    let bob = ana.session(&answer);
    bob.sts("GetCallerIdentity", &[]).ok();
    bob.iam("GetUser", &[]).refused(403, "InvalidClientTokenId");
    assume(&bob, READER_ROLE, &[]).refused(403, "AccessDenied");
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let bob = ana.session(
        &ana.sts("GetFederationToken", &[("Name", "bob"), ("Policy", policy)])
            .ok(),
    );
    assume(&bob, READER_ROLE, &[]).refused(403, "AccessDenied");
    let ben = Client::new(&aws, BEN_KEY, BEN_SECRET);
    let message = ben.sts("GetFederationToken", &[("Name", "bob")]);
    assert!(
        message
            .refused(403, "AccessDenied")
            .ends_with("arn:aws:sts::111122223333:federated-user/bob")
    );
}

#[test]
fn web_identity_tokens_need_no_signature() {
    let aws = standin();
    let call = |params: &[(&str, &str)]| {
        let body = form("2011-06-15", "AssumeRoleWithWebIdentity", params);
        send(aws.port(), &raw_post(&[("host".into(), "x".into())], &body)).unwrap()
    };
    let with = |token| {
        [
            ("RoleArn", WEB_ROLE),
            ("RoleSessionName", "runner"),
            ("WebIdentityToken", token),
        ]
    };
    let answer = call(&with(WEB_TOKEN)).ok();
    assert_eq!(answer.text("SubjectFromWebIdentityToken"), "lab-runner");
    assert_eq!(answer.text("Arn"), "arn:aws:sts::444455556666:assumed-role/web/runner");
    Client::ana(&aws).session(&answer).sts("GetCallerIdentity", &[]).ok();
    call(&with("not-a-jwt")).refused(400, "InvalidIdentityToken");
    call(&with("a.b.c")).refused(400, "InvalidIdentityToken");
    call(&with(EXPIRED_WEB_TOKEN)).refused(400, "ExpiredTokenException");
    let other = [
        ("RoleArn", READER_ROLE),
        ("RoleSessionName", "runner"),
        ("WebIdentityToken", WEB_TOKEN),
    ];
    let words = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
    assert_eq!(call(&other).refused(403, "AccessDenied"), words);
    assert!(!serde_json::to_string(&aws.calls()).unwrap().contains(WEB_TOKEN));
}

#[test]
fn a_region_can_be_switched_off() {
    let aws = standin();
    aws.world(|world| {
        world
            .account_mut(MAIN_ACCOUNT)
            .unwrap()
            .disabled_regions
            .push("ap-east-1".to_owned())
    });
    let away = Client {
        region: "ap-east-1".into(),
        ..Client::ana(&aws)
    };
    away.sts("GetSessionToken", &[]).refused(403, "RegionDisabledException");
    assume(&away, READER_ROLE, &[]).refused(403, "RegionDisabledException");
    Client::ana(&aws).sts("GetSessionToken", &[]).ok();
}

#[test]
fn the_log_tells_who_called_what() {
    let aws = standin();
    assume(&Client::ana(&aws), READER_ROLE, &[("DurationSeconds", "900")]).ok();
    let calls = aws.calls_of("AssumeRole");
    let call = &calls[0];
    assert_eq!(
        (call.seq, call.service.as_str(), call.status, &call.error),
        (1, "sts", Some(200), &None)
    );
    assert_eq!(call.caller_arn.as_deref(), Some("arn:aws:iam::111122223333:user/ana"));
    assert_eq!(call.access_key_id.as_deref(), Some(ANA_KEY));
    assert_eq!(call.region.as_deref(), Some("us-east-1"));
    assert_eq!(call.parameters["RoleArn"], READER_ROLE);
    assert_eq!(call.parameters["DurationSeconds"], "900");
    assert!(clock::iso8601(call.time).starts_with("20"));
}
