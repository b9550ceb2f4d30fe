//! Who is let in: keys, secrets, sessions, clocks, scopes.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use jiff::Timestamp;
use support::{Client, form, raw_post, send};
use tapvault_lab::aws_standin::sigv4::Scope;
use tapvault_lab::aws_standin::world::IamScope;
use tapvault_lab::aws_standin::{KeyStatus, Standin, World, clock, sample::*};

const WHOAMI: (&str, &[(&str, &str)]) = ("GetCallerIdentity", &[]);

fn standin() -> Standin {
    Standin::start(World::sample())
}

#[test]
fn a_signed_call_is_answered_with_aws_headers_and_namespace() {
    let aws = standin();
    let answer = Client::ana(&aws).sts(WHOAMI.0, WHOAMI.1).ok();
    assert_eq!(answer.text("Arn"), "arn:aws:iam::111122223333:user/ana");
    assert_eq!(
        (answer.text("Account"), answer.text("UserId")),
        (MAIN_ACCOUNT, "AIDATAPVAULTLABANA22")
    );
    assert!(
        answer
            .body
            .starts_with("<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">")
    );
    assert_eq!(answer.header("content-type"), Some("text/xml"));
    assert_eq!(answer.header("x-amzn-requestid"), Some(answer.text("RequestId")));
    assert!(clock::parse_http_date(answer.header("date").unwrap()).is_some());
    let answer = Client::ana(&aws).iam("GetUser", &[]).ok();
    assert!(
        answer
            .body
            .starts_with("<GetUserResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">")
    );
}

#[test]
fn an_unsigned_call_is_missing_its_token() {
    let aws = standin();
    let body = form("2011-06-15", "GetCallerIdentity", &[]);
    let answer = send(aws.port(), &raw_post(&[("host".into(), "x".into())], &body)).unwrap();
    assert_eq!(
        answer.refused(403, "MissingAuthenticationToken"),
        "Request is missing Authentication Token"
    );
}

#[test]
fn a_wrong_secret_does_not_match() {
    let aws = standin();
    let client = Client {
        secret: BEN_SECRET.into(),
        ..Client::ana(&aws)
    };
    let message = client
        .sts(WHOAMI.0, WHOAMI.1)
        .refused(403, "SignatureDoesNotMatch")
        .to_owned();
    assert!(message.starts_with("The request signature we calculated does not match"));
}

#[test]
fn a_changed_body_does_not_match() {
    let aws = standin();
    let body = form("2011-06-15", "GetCallerIdentity", &[]);
    let request = String::from_utf8(Client::ana(&aws).signed_post("sts", &body)).unwrap();
    let changed = request.replace("GetCallerIdentity", "GetCallerIdentitx");
    send(aws.port(), changed.as_bytes())
        .unwrap()
        .refused(400, "InvalidAction");
    let changed = request
        .replace("Version=2011", "Version=2011-06-15&Action=GetCallerIdentity&x=")
        .replace(
            &format!("content-length: {}", body.len()),
            &format!(
                "content-length: {}",
                body.len() + "-06-15&Action=GetCallerIdentity&x=".len()
            ),
        );
    send(aws.port(), changed.as_bytes())
        .unwrap()
        .refused(403, "SignatureDoesNotMatch");
}

#[test]
fn unknown_inactive_and_deleted_keys_are_invalid_alike() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let unknown = Client {
        key: "AKIATAPVAULTLABNONE2".into(),
        ..ana.clone()
    };
    let words = "The security token included in the request is invalid.";
    assert_eq!(
        unknown.sts(WHOAMI.0, WHOAMI.1).refused(403, "InvalidClientTokenId"),
        words
    );
    aws.world(|world| world.access_key_mut(ANA_KEY).unwrap().status = KeyStatus::Inactive);
    assert_eq!(ana.sts(WHOAMI.0, WHOAMI.1).refused(403, "InvalidClientTokenId"), words);
    aws.world(|world| world.user_mut(MAIN_ACCOUNT, "ana").unwrap().access_keys.clear());
    assert_eq!(ana.sts(WHOAMI.0, WHOAMI.1).refused(403, "InvalidClientTokenId"), words);
}

#[test]
fn a_session_token_goes_with_its_own_key_only() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let one = ana.session(&ana.sts("GetSessionToken", &[]).ok());
    let two = ana.session(&ana.sts("GetSessionToken", &[]).ok());
    one.sts(WHOAMI.0, WHOAMI.1).ok();
    let swapped = Client {
        token: two.token.clone(),
        ..one.clone()
    };
    swapped.sts(WHOAMI.0, WHOAMI.1).refused(403, "InvalidClientTokenId");
    let none = Client {
        token: None,
        ..one.clone()
    };
    none.sts(WHOAMI.0, WHOAMI.1).refused(403, "InvalidClientTokenId");
    let on_long_term = Client {
        token: one.token.clone(),
        ..ana
    };
    on_long_term
        .sts(WHOAMI.0, WHOAMI.1)
        .refused(403, "InvalidClientTokenId");
}

#[test]
fn a_session_expires() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let answer = ana.sts("GetSessionToken", &[("DurationSeconds", "900")]).ok();
    let session = ana.session(&answer);
    let expires: Timestamp = answer.text("Expiration").parse().unwrap();
    assert!((890..=900).contains(&(expires.as_second() - Timestamp::now().as_second())));
    aws.world(|world| world.clock_offset_seconds = 800);
    Client {
        skew: 800,
        ..session.clone()
    }
    .sts(WHOAMI.0, WHOAMI.1)
    .ok();
    aws.world(|world| world.clock_offset_seconds = 901);
    let message = Client {
        skew: 901,
        ..session.clone()
    }
    .sts(WHOAMI.0, WHOAMI.1);
    assert_eq!(
        message.refused(403, "ExpiredToken"),
        "The security token included in the request is expired"
    );
    aws.world(|world| world.clock_offset_seconds = 0);
    session.sts(WHOAMI.0, WHOAMI.1).ok();
    aws.expire_sessions();
    session.sts(WHOAMI.0, WHOAMI.1).refused(403, "ExpiredToken");
}

#[test]
fn a_wrong_clock_is_told_and_the_date_header_tells_the_right_one() {
    let aws = standin();
    let late = Client {
        skew: -301,
        ..Client::ana(&aws)
    }
    .sts(WHOAMI.0, WHOAMI.1);
    let message = late.refused(403, "SignatureDoesNotMatch");
    assert!(
        message.starts_with("Signature expired: ") && message.ends_with("Z - 5 min.)"),
        "{message}"
    );
    assert!(message.contains(" is now earlier than "), "{message}");
    let early = Client {
        skew: 305,
        ..Client::ana(&aws)
    }
    .sts(WHOAMI.0, WHOAMI.1);
    let message = early.refused(403, "SignatureDoesNotMatch");
    assert!(message.starts_with("Signature not yet current: ") && message.contains(" is still later than "));
    for skew in [-240, 240] {
        Client {
            skew,
            ..Client::ana(&aws)
        }
        .sts(WHOAMI.0, WHOAMI.1)
        .ok();
    }
    aws.world(|world| world.clock_offset_seconds = 7200);
    let answer = Client::ana(&aws).sts(WHOAMI.0, WHOAMI.1);
    answer.refused(403, "SignatureDoesNotMatch");
    let told = clock::parse_http_date(answer.header("date").unwrap()).unwrap();
    assert!((7195..=7205).contains(&(told.as_second() - Timestamp::now().as_second())));
}

#[test]
fn a_key_works_only_in_its_own_partition() {
    let aws = standin();
    let chen = Client::new(&aws, CHEN_KEY, CHEN_SECRET);
    chen.sts(WHOAMI.0, WHOAMI.1).refused(403, "InvalidClientTokenId");
    let chen = Client {
        region: "cn-north-1".into(),
        ..chen
    };
    let answer = chen.sts(WHOAMI.0, WHOAMI.1).ok();
    assert_eq!(answer.text("Arn"), "arn:aws-cn:iam::777788889999:user/chen");
    let role = chen
        .sts("AssumeRole", &[("RoleArn", CHINA_ROLE), ("RoleSessionName", "lab")])
        .ok();
    assert_eq!(role.text("Arn"), "arn:aws-cn:sts::777788889999:assumed-role/admin/lab");
    let session = chen.session(&role);
    session.sts(WHOAMI.0, WHOAMI.1).ok();
    Client {
        region: "eu-west-1".into(),
        ..session
    }
    .sts(WHOAMI.0, WHOAMI.1)
    .refused(403, "InvalidClientTokenId");
    let ana = Client {
        region: "cn-north-1".into(),
        ..Client::ana(&aws)
    };
    ana.sts(WHOAMI.0, WHOAMI.1).refused(403, "InvalidClientTokenId");
    let gus = Client {
        region: "us-gov-west-1".into(),
        ..Client::new(&aws, GUS_KEY, GUS_SECRET)
    };
    gus.sts(WHOAMI.0, WHOAMI.1).ok();
}

#[test]
fn a_scope_names_a_region_that_exists_and_the_right_service_and_day() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let moon = Client {
        region: "moon-east-1".into(),
        ..ana.clone()
    }
    .sts(WHOAMI.0, WHOAMI.1);
    let words = "Credential should be scoped to a valid region, not 'moon-east-1'. ";
    assert_eq!(moon.refused(403, "SignatureDoesNotMatch"), words);
    let wrong = ana.call("iam", "2011-06-15", WHOAMI.0, WHOAMI.1);
    let words = "Credential should be scoped to correct service: 'sts'. ";
    assert_eq!(wrong.refused(403, "SignatureDoesNotMatch"), words);
    let scope = Scope {
        date: "20200101".into(),
        region: "us-east-1".into(),
        service: "sts".into(),
    };
    let date = clock::amz_date(Timestamp::now());
    let request = ana.post_with(&form("2011-06-15", WHOAMI.0, WHOAMI.1), &date, &scope);
    let answer = send(aws.port(), &request).unwrap();
    assert!(
        answer
            .refused(403, "SignatureDoesNotMatch")
            .starts_with("Date in Credential scope does not match")
    );
}

#[test]
fn a_signature_covers_host_and_date() {
    let aws = standin();
    for (field, words) in [
        ("host", "'Host' or ':authority' must be"),
        ("x-amz-date", "'X-Amz-Date' must be"),
    ] {
        let answer = Client {
            unsigned: Some(field),
            ..Client::ana(&aws)
        }
        .sts(WHOAMI.0, WHOAMI.1);
        assert!(
            answer.refused(403, "SignatureDoesNotMatch").starts_with(words),
            "{}",
            answer.body
        );
    }
    Client {
        unsigned: Some("content-type"),
        ..Client::ana(&aws)
    }
    .sts(WHOAMI.0, WHOAMI.1)
    .ok();
}

#[test]
fn a_scope_ends_as_it_has_to() {
    let aws = standin();
    let request = Client::ana(&aws).signed_post("sts", &form("2011-06-15", WHOAMI.0, WHOAMI.1));
    let changed = String::from_utf8(request)
        .unwrap()
        .replace("/aws4_request", "/aws5_request");
    let answer = send(aws.port(), changed.as_bytes()).unwrap();
    let words = "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'. ";
    assert_eq!(answer.refused(403, "SignatureDoesNotMatch"), words);
}

#[test]
fn iam_takes_any_region_here_unless_told_to_be_as_strict_as_aws() {
    let aws = standin();
    let elsewhere = Client {
        region: "eu-west-1".into(),
        ..Client::ana(&aws)
    };
    elsewhere.iam("GetUser", &[]).ok();
    aws.world(|world| world.iam_scope = IamScope::IamRegion);
    elsewhere.iam("GetUser", &[]).refused(403, "SignatureDoesNotMatch");
    Client::ana(&aws).iam("GetUser", &[]).ok();
}

#[test]
fn a_presigned_url_works_until_it_expires() {
    let aws = standin();
    let ana = Client::ana(&aws);
    let query = "Action=GetCallerIdentity&Version=2011-06-15";
    let url = ana.presigned("sts", query, "60");
    assert_eq!(ana.get(&url).ok().text("Arn"), "arn:aws:iam::111122223333:user/ana");
    ana.get(&url.replace("Expires=60", "Expires=61"))
        .refused(403, "SignatureDoesNotMatch");
    let old = Client {
        skew: -61,
        ..ana.clone()
    };
    assert_eq!(
        old.get(&old.presigned("sts", query, "60"))
            .refused(400, "RequestExpired"),
        "Request has expired."
    );
    let session = ana.session(&ana.sts("GetSessionToken", &[]).ok());
    session.get(&session.presigned("sts", query, "60")).ok();
    ana.get(&ana.presigned("sts", query, "604801"))
        .refused(400, "IncompleteSignature");
    let unfinished = format!("/?{query}&X-Amz-Algorithm=AWS4-HMAC-SHA256");
    ana.get(&unfinished).refused(400, "IncompleteSignature");
    assert!(
        aws.calls()
            .iter()
            .all(|call| call.parameters.keys().all(|name| !name.starts_with("X-Amz")))
    );
}

#[test]
fn malformed_authorization_is_an_incomplete_signature() {
    let aws = standin();
    let body = form("2011-06-15", "GetCallerIdentity", &[]);
    for authorization in [
        "",
        "Basic YTpi",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d, Signature=0",
    ] {
        let headers = [
            ("host".to_owned(), "x".to_owned()),
            ("authorization".to_owned(), authorization.to_owned()),
        ];
        send(aws.port(), &raw_post(&headers, &body))
            .unwrap()
            .refused(400, "IncompleteSignature");
    }
}

#[test]
fn actions_are_looked_up_before_signatures() {
    let aws = standin();
    let get = |query: &str| Client::ana(&aws).get(&format!("/?{query}"));
    let words = "Could not find operation Nothing for version 2011-06-15";
    assert_eq!(
        get("Action=Nothing&Version=2011-06-15").refused(400, "InvalidAction"),
        words
    );
    let words = "Could not find operation GetUser for version NO_VERSION_SPECIFIED";
    assert_eq!(get("Action=GetUser").refused(400, "InvalidAction"), words);
    get("Action=GetUser&Version=2011-06-15").refused(400, "InvalidAction");
    get("Version=2011-06-15").refused(400, "MissingAction");
    get("Action=GetUser&Version=2010-05-08").refused(403, "MissingAuthenticationToken");
}

#[test]
fn secret_and_id_swapped_do_not_put_the_secret_in_the_log() {
    let aws = standin();
    let swapped = Client::new(&aws, ANA_SECRET, ANA_KEY);
    swapped.sts(WHOAMI.0, WHOAMI.1).refused(400, "IncompleteSignature");
    let log = serde_json::to_string(&aws.calls()).unwrap();
    assert!(!log.contains("real+secret") && !log.contains("tapvault/lab"), "{log}");
}
