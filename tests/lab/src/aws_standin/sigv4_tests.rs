//! Vectors: the worked example of the IAM User Guide ("Create a signed AWS API request", ListUsers), cases of AWS's
//! SigV4 test suite, and two requests signed by botocore 1.44.8 with its clock held. All were recomputed with
//! Python's `hmac` and `hashlib` before they came in here.

use super::*;

/// The secret of AWS's documentation; no service knows it.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const DATE: &str = "20150830T123600Z";

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.as_bytes().to_vec(),
        keep_alive: true,
    }
}

fn sign(request: &Request, signed: &str, region: &str, service: &str) -> String {
    let signed: Vec<String> = signed.split(';').map(str::to_owned).collect();
    let scope = Scope {
        date: DATE[..8].to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
    };
    let to_sign = string_to_sign(DATE, &scope, &canonical_request(request, &signed));
    let key = signing_key(SECRET, &scope);
    let signature = signature(&key, &to_sign);
    assert!(verify(&key, &to_sign, &signature));
    signature
}

/// Signs as the test suite does: region us-east-1, service "service".
fn suite(method: &str, target: &str, extra: &[(&str, &str)], body: &str, signed: &str) -> String {
    let mut headers = vec![("host", "example.amazonaws.com"), ("x-amz-date", DATE)];
    headers.extend_from_slice(extra);
    sign(&request(method, target, &headers, body), signed, "us-east-1", "service")
}

#[test]
fn the_worked_example_of_the_guide() {
    let headers = [
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("host", "iam.amazonaws.com"),
        ("x-amz-date", DATE),
    ];
    let request = request("GET", "/?Action=ListUsers&Version=2010-05-08", &headers, "");
    let signed = ["content-type", "host", "x-amz-date"].map(str::to_owned);
    assert_eq!(
        hash(canonical_request(&request, &signed).as_bytes()),
        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    );
    let scope = Scope {
        date: "20150830".into(),
        region: "us-east-1".into(),
        service: "iam".into(),
    };
    assert_eq!(
        HEXLOWER.encode(&signing_key(SECRET, &scope)),
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    );
    assert_eq!(
        sign(&request, "content-type;host;x-amz-date", "us-east-1", "iam"),
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
}

#[test]
fn cases_of_the_test_suite() {
    let plain = "host;x-amz-date";
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    assert_eq!(suite("GET", "/", &[], "", plain), vanilla);
    for same in ["/.", "/./", "//", "/example/.."] {
        assert_eq!(suite("GET", same, &[], "", plain), vanilla, "{same}");
    }
    assert_eq!(
        suite("GET", "/?Param2=value2&Param1=value1", &[], "", plain),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
    );
    assert_eq!(
        suite("GET", "/ሴ", &[], "", plain),
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"
    );
    assert_eq!(
        suite("GET", "//example//", &[], "", plain),
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"
    );
    assert_eq!(
        suite("GET", "/example space/", &[], "", plain),
        "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"
    );
}

#[test]
fn header_cases_of_the_test_suite() {
    let trimmed = [("my-header1", " value1"), ("my-header2", " \"a   b   c\" ")];
    assert_eq!(
        suite("GET", "/", &trimmed, "", "host;my-header1;my-header2;x-amz-date"),
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"
    );
    let twice = [
        ("my-header1", "value2"),
        ("my-header1", "value2"),
        ("my-header1", "value1"),
    ];
    assert_eq!(
        suite("GET", "/", &twice, "", "host;my-header1;x-amz-date"),
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"
    );
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(
        suite("POST", "/", &form, "Param1=value1", "content-type;host;x-amz-date"),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
    );
}

#[test]
fn a_presigned_url_of_botocore() {
    let url = "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
               &X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fsts%2Faws4_request\
               &X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host\
               &X-Amz-Security-Token=tok%2Fen%2B%3D&X-Amz-Signature=00";
    assert_eq!(
        sign(
            &request("GET", url, &[("host", "sts.amazonaws.com")], ""),
            "host",
            "us-east-1",
            "sts"
        ),
        "748b2ec46627fb87d6b705aff3cb1fafbcde444766e8f6a86ec9634184b28725"
    );
}

#[test]
fn a_post_of_botocore_with_a_session_token() {
    let headers = [
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("host", "sts.amazonaws.com"),
        ("x-amz-date", DATE),
        ("x-amz-security-token", "tok/en+="),
    ];
    let request = request(
        "POST",
        "/",
        &headers,
        "Action=AssumeRole&RoleSessionName=a%2Bb&Version=2011-06-15",
    );
    assert_eq!(
        sign(
            &request,
            "content-type;host;x-amz-date;x-amz-security-token",
            "eu-west-1",
            "sts"
        ),
        "a2a9c8dee490c10b1759eabfc4cf1cafeed2b733672f6058f2477a4848155345"
    );
}

#[test]
fn a_signature_is_lower_case_hex_of_the_right_length() {
    let key = [7; 32];
    let good = signature(&key, "x");
    assert!(verify(&key, "x", &good));
    for bad in [
        good.to_ascii_uppercase(),
        good[..62].to_owned(),
        String::new(),
        "zz".repeat(32),
        format!("{good}00"),
    ] {
        assert!(!verify(&key, "x", &bad), "{bad}");
    }
}
