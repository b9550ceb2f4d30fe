use super::*;
use crate::profile::value::Seconds;
use crate::profile::{ConfigText, EnvView, FileKind, Origin, Overrides};

/// `S` and `T` are two devices, `R(x)` a role.
fn config(text: &str, env: &dyn EnvView) -> Config {
    let text = text
        .replace("= S", "= arn:aws:iam::1:mfa/s")
        .replace("= T", "= arn:aws:iam::1:mfa/t")
        .replace("= R(", "= arn:aws:iam::1:role/(")
        .replace(['(', ')'], "");
    Config::new(
        ConfigText::parse("config", FileKind::Config, text.into()),
        ConfigText::parse("credentials", FileKind::Credentials, Vec::new()),
        env,
    )
}

fn try_plan(text: &str, name: &str, stored: &[&str], request: &Request) -> Result<Chain, ChainError> {
    let config = config(text, &[("X", "")]);
    Chain::plan(&config, &name.parse().unwrap(), request, &|name| {
        stored.contains(&name.as_str())
    })
}

fn plan(text: &str, name: &str, stored: &[&str]) -> Chain {
    try_plan(text, name, stored, &Request::default()).unwrap()
}

fn no_session() -> Request {
    Request {
        sessions: Sessions::Skipped,
        ..Request::default()
    }
}

fn lasting(seconds: u32) -> Request {
    Request {
        overrides: Overrides {
            duration: Some(Seconds(seconds)),
            ..Overrides::default()
        },
        ..Request::default()
    }
}

/// A plan in short: `session(s) 8 h > role/a 1 h`, the device in parentheses where a code is needed.
fn short(chain: &Chain) -> String {
    let step = |step: &Step| {
        let what = match step {
            Step::GetSessionToken(_) => "session".to_owned(),
            Step::AssumeRole(step) => step.role_arn.value.role().to_owned(),
            Step::AssumeRoleWithWebIdentity(step) => format!("web {}", step.role_arn.value.role()),
        };
        let mfa = step
            .mfa()
            .map(|mfa| format!("({})", mfa.serial.value.device()))
            .unwrap_or_default();
        format!("{what}{mfa} {}", step.duration().value)
    };
    let steps: Vec<_> = chain.steps.iter().map(step).collect();
    let base = match &chain.base {
        Base::Entry { profile, .. } => profile.to_string(),
        Base::CredentialProcess { command, .. } => format!("`{}`", command.line()),
        Base::WebIdentity { .. } => "token".to_owned(),
    };
    [vec![base], steps].concat().join(" > ")
}

const TABLE: &str = "\
[profile user]
[profile mfa]
mfa_serial = S
[profile role]
role_arn = R(role)
source_profile = user
[profile same]
role_arn = R(same)
source_profile = mfa
mfa_serial = S
[profile other]
role_arn = R(other)
source_profile = mfa
mfa_serial = T
[profile silent]
role_arn = R(silent)
source_profile = mfa
[profile over]
role_arn = R(over)
source_profile = same
mfa_serial = S
";

#[test]
fn the_table_of_chains() {
    for (name, expected, without) in [
        ("user", "user > session 1 h", "user"),
        ("mfa", "mfa > session(s) 1 h", "mfa"),
        ("role", "user > session 8 h > role 1 h", "user > role 1 h"),
        ("same", "mfa > session(s) 8 h > same 1 h", "mfa > same(s) 1 h"),
        ("other", "mfa > other(t) 1 h", "mfa > other(t) 1 h"),
        ("silent", "mfa > session(s) 8 h > silent 1 h", "mfa > silent 1 h"),
        (
            "over",
            "mfa > session(s) 8 h > same 1 h > over 1 h",
            "mfa > same(s) 1 h > over(s) 1 h",
        ),
    ] {
        let stored = ["user", "mfa"];
        assert_eq!(short(&plan(TABLE, name, &stored)), expected, "{name}");
        assert_eq!(
            short(&try_plan(TABLE, name, &stored, &no_session()).unwrap()),
            without,
            "{name} --no-session"
        );
    }
}

#[test]
fn codes_are_counted() {
    let codes = |name, request: &Request| try_plan(TABLE, name, &["user", "mfa"], request).unwrap().codes();
    assert_eq!(codes("user", &Request::default()), 0);
    assert_eq!(codes("over", &Request::default()), 1);
    assert_eq!(codes("over", &no_session()), 2);
}

#[test]
fn more_than_an_hour_comes_straight_from_the_access_key() {
    let stored = ["user", "mfa"];
    let twelve = lasting(43_200);
    let long = |name| try_plan(TABLE, name, &stored, &twelve).unwrap();
    assert_eq!(short(&long("same")), "mfa > same(s) 12 h");
    assert_eq!(short(&long("role")), "user > role 12 h");
    let silent = long("silent");
    assert_eq!(short(&silent), "mfa > silent 12 h");
    assert!(
        silent.notes.iter().any(|note| note.why.contains("not inherited")),
        "{:?}",
        silent.notes
    );
    let over = long("over");
    assert_eq!(short(&over), "mfa > session(s) 12 h > same 1 h > over 1 h");
    assert_eq!(over.notes.len(), 2, "each cap is said: {:?}", over.notes);
    assert_eq!(
        over.notes[1].what,
        "the role of over lives 1 h instead of 12 h (--duration)"
    );
    let file = format!("{TABLE}duration_seconds = 7200\n");
    let capped = plan(&file, "over", &stored);
    assert_eq!(
        capped.notes[0].what,
        "the role of over lives 1 h instead of 2 h (config:22)"
    );
    assert_eq!(
        short(&plan(
            &file.replace("source_profile = same", "source_profile = user\n#"),
            "over",
            &stored
        )),
        "user > over(s) 2 h"
    );
}

#[test]
fn all_roles_above_one_base_share_its_session() {
    let text = "[profile base]\nregion = eu-west-1\nmfa_serial = S\n\
                [profile a]\nrole_arn = R(a)\nsource_profile = base\nmfa_serial = S\nregion = us-west-2\n\
                [profile b]\nrole_arn = R(b)\nsource_profile = a\nregion = ap-south-1\n";
    let key = |name: &str, last: usize| serde_json::to_string(&plan(text, name, &["base"]).inputs(last)).unwrap();
    assert_eq!(key("a", 0), key("b", 0));
    assert_eq!(key("a", 1), key("b", 1));
    assert_ne!(key("b", 1), key("b", 2));
    let moved = text.replace("[profile a]", "# a comment\n[profile a]\nexternal_id=  \n");
    let again = |name: &str| serde_json::to_string(&plan(&moved, name, &["base"]).inputs(2)).unwrap();
    assert_eq!(again("b"), key("b", 2), "a line that moves changes no key");
}

#[test]
fn every_input_of_a_call_changes_its_key() {
    let text = "[profile a]\nrole_arn = R(a)\nsource_profile = a\n";
    let key = |text: &str| serde_json::to_string(&plan(text, "a", &["a"]).inputs(1)).unwrap();
    for line in [
        "role_arn = R(b)",
        "region = eu-west-1",
        "duration_seconds = 900",
        "external_id = id",
        "role_session_name = me",
        "source_identity = ana",
        "session_tags = a=b",
        "transitive_session_tags = a",
        "mfa_serial = S",
        "endpoint_url = http://x",
        "use_fips_endpoint = true",
        "use_dualstack_endpoint = true",
        "sts_regional_endpoints = legacy",
    ] {
        assert_ne!(key(&format!("{text}{line}\n")), key(text), "{line}");
    }
    for line in ["output = json", "mfa_process = x", "ca_bundle = /x", "# note"] {
        assert_eq!(key(&format!("{text}{line}\n")), key(text), "{line}");
    }
}

#[test]
fn a_profile_may_be_its_own_source() {
    let text = "[profile a]\nrole_arn = R(a)\nsource_profile = a\nmfa_serial = S\n";
    assert_eq!(short(&plan(text, "a", &["a"])), "a > session(s) 8 h > a 1 h");
    assert_eq!(
        short(&try_plan(text, "a", &["a"], &lasting(7200)).unwrap()),
        "a > a(s) 2 h"
    );
    let process = format!("{text}credential_process = op x\n");
    assert_eq!(short(&plan(&process, "a", &[])), "`op x` > a(s) 1 h");
    let error = try_plan(text, "a", &[], &Request::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a has no entry in the vault and its profile names no other source"
    );
}

#[test]
fn a_stored_entry_wins_and_what_it_silences_is_said() {
    let text = "[profile a]\nrole_arn = R(a)\nsource_profile = b\n[profile b]\n";
    let chain = plan(text, "a", &["a", "b"]);
    assert_eq!(short(&chain), "a > session 8 h > a 1 h");
    assert_eq!(chain.notes[0].what, "source_profile of a (config:3) is passed over");
}

#[test]
fn a_source_may_be_an_entry_without_a_section() {
    let text = "[profile a]\nrole_arn = R(a)\nsource_profile = b\n";
    let chain = plan(text, "a", &["b"]);
    assert_eq!(short(&chain), "b > session 8 h > a 1 h");
    assert_eq!(chain.base.fact().origin.to_string(), "config:3");
    let error = try_plan(text, "a", &[], &Request::default()).unwrap_err();
    assert!(
        error.to_string().starts_with("config:3: source_profile names b,"),
        "{error}"
    );
    assert_eq!(short(&plan("", "user", &["user"])), "user > session 1 h");
}

#[test]
fn an_alias_hands_on() {
    let text = "[profile base]\n[profile alias]\nsource_profile = base\nmfa_serial = S\n\
                [profile a]\nrole_arn = R(a)\nsource_profile = alias\nmfa_serial = S\n\
                [profile top]\nsource_profile = a\n";
    assert_eq!(short(&plan(text, "alias", &["base"])), "base > session(s) 1 h");
    assert_eq!(short(&plan(text, "a", &["base"])), "base > session(s) 8 h > a 1 h");
    assert_eq!(short(&plan(text, "top", &["base"])), "base > session(s) 8 h > a 1 h");
}

#[test]
fn circles_are_shown() {
    let text = "[profile a]\nrole_arn = R(a)\nsource_profile = b\n[profile c]\n\n\n[profile b]\nrole_arn = R(b)\nsource_profile = a\n\
                [profile top]\nsource_profile = a\n";
    for (name, message) in [
        ("a", "source_profile goes in a circle: a (line 3) > b (line 9) > a"),
        ("top", "source_profile goes in a circle: a (line 3) > b (line 9) > a"),
    ] {
        let error = try_plan(text, name, &[], &Request::default()).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.hints(), ["change one of these lines: config:3, config:9"]);
    }
    assert!(
        try_plan(text, "a", &["b"], &Request::default()).is_ok(),
        "an entry ends the walk"
    );
}

#[test]
fn mfa_process_is_inherited_and_mfa_serial_is_not() {
    let text =
        "[profile base]\nmfa_process = code\n[profile a]\nrole_arn = R(a)\nsource_profile = base\nmfa_serial = S\n";
    let chain = plan(text, "a", &["base"]);
    let mfa = chain.steps[0].mfa().unwrap();
    assert_eq!(mfa.process.as_ref().unwrap().origin.to_string(), "config:2");
    assert!(matches!(
        mfa.process.as_ref().unwrap().origin,
        Origin::File { via: Via::Source, .. }
    ));
}

#[test]
fn a_command_is_a_base_without_a_session() {
    let text = "[profile p]\ncredential_process = op x\nsource_profile = user\n[profile user]\n\
                [profile a]\nrole_arn = R(a)\nsource_profile = p\nmfa_serial = S\n";
    let stored = ["user"];
    let chain = plan(text, "p", &stored);
    assert_eq!(short(&chain), "`op x`");
    assert!(
        chain.notes[0].what.starts_with("source_profile of p"),
        "said, since aws-vault would follow it"
    );
    assert_eq!(short(&plan(text, "a", &stored)), "`op x` > a(s) 1 h");
}

#[test]
fn tapvault_is_never_run_from_tapvault() {
    let text = "[profile prod]\ncredential_process = tapvault export --format=json prod\n\
                [profile a]\nrole_arn = R(a)\nsource_profile = prod\n\
                [profile b]\ncredential_process = sh -c 'tapvault export prod'\n\
                [profile c]\ncredential_process = tapvault export d\n[profile d]\ncredential_process = tapvault export c\n\
                [profile e]\ncredential_process = tapvault\n";
    let chain = plan(text, "prod", &["prod"]);
    assert_eq!(short(&chain), "prod > session 1 h");
    assert_eq!(
        chain.notes[0].what,
        "credential_process of prod (config:2) is passed over"
    );
    assert_eq!(short(&plan(text, "a", &["prod"])), "prod > session 8 h > a 1 h");
    assert_eq!(short(&plan(text, "b", &["prod"])), "prod > session 1 h");
    let error = |name| try_plan(text, name, &[], &Request::default()).unwrap_err();
    assert!(matches!(error("prod"), ChainError::CallsItself { .. }));
    assert_eq!(error("prod").hints(), ["`tapvault add prod` makes the entry"]);
    assert_eq!(
        error("c").to_string(),
        "credential_process goes in a circle: c (line 9) > d (line 11) > c"
    );
    assert!(matches!(error("e"), ChainError::CallsUs { .. }));
}

#[test]
fn a_web_identity_is_a_role_of_its_own() {
    let text = "[profile w]\nrole_arn = R(w)\nweb_identity_token_process = oidc\nduration_seconds = 7200\n\
                [profile a]\nrole_arn = R(a)\nsource_profile = w\nduration_seconds = 7200\n";
    assert_eq!(short(&plan(text, "w", &[])), "token > web w 2 h");
    assert_eq!(short(&plan(text, "a", &[])), "token > web w 2 h > a 1 h");
}

#[test]
fn what_is_for_later_is_said_by_name() {
    for (line, message) in [
        (
            "credential_source = Ec2InstanceMetadata",
            "config:3: credential_source = Ec2InstanceMetadata is not supported yet",
        ),
        (
            "credential_source = Environment",
            "config:3: credential_source = Environment is not supported yet",
        ),
        (
            "source_profile = a\nlogin_session = x",
            "config:4: login_session is not supported yet",
        ),
    ] {
        let text = format!("[profile a]\nrole_arn = R(a)\n{line}\n");
        let error = try_plan(&text, "a", &[], &Request::default()).unwrap_err();
        assert!(matches!(error, ChainError::NotSupportedYet { .. }), "{error}");
        assert_eq!(error.to_string(), message);
        assert!(
            try_plan(&text, "a", &["a"], &Request::default()).is_ok(),
            "an entry makes it idle"
        );
    }
}

#[test]
fn lengths_out_of_range_are_refused_by_name() {
    let error =
        |text: &str, name, request: &Request| try_plan(text, name, &["user", "mfa"], request).unwrap_err().to_string();
    assert_eq!(
        error(
            &TABLE.replacen("role_arn", "duration_seconds = 60\nrole_arn", 1),
            "role",
            &Request::default()
        ),
        "config:5: 1 min is out of range for AssumeRole, which takes 15 min to 12 h"
    );
    assert_eq!(
        error(TABLE, "user", &lasting(129_601)),
        "--duration: 129601 s is out of range for GetSessionToken, which takes 15 min to 36 h"
    );
    assert!(error(TABLE, "role", &lasting(43_201)).contains("AssumeRole"));
    assert!(try_plan(TABLE, "user", &["user"], &lasting(129_600)).is_ok());
}

#[test]
fn durations_of_the_environment_count() {
    let env = [
        ("AWS_SESSION_TOKEN_TTL", "2h"),
        ("AWS_CHAINED_SESSION_TOKEN_TTL", "12h"),
        ("AWS_ASSUME_ROLE_TTL", "30m"),
    ];
    let config = config(TABLE, &env);
    let plan = |name: &str| {
        let stored = |name: &ProfileName| name.as_str() == "user";
        short(&Chain::plan(&config, &name.parse().unwrap(), &Request::default(), &stored).unwrap())
    };
    assert_eq!(plan("user"), "user > session 2 h");
    assert_eq!(plan("role"), "user > session 12 h > role 30 min");
}

#[test]
fn a_policy_narrows_the_last_role() {
    let policy = Policy {
        document: Some("{}".into()),
        arns: vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".into()],
    };
    let request = Request {
        policy: policy.clone(),
        ..Request::default()
    };
    let chain = try_plan(TABLE, "over", &["mfa"], &request).unwrap();
    let policies: Vec<_> = chain
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::AssumeRole(step) => Some(step.policy.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(policies, [Policy::default(), policy]);
    let error = try_plan(TABLE, "user", &["user"], &request).unwrap_err();
    assert!(matches!(error, ChainError::NoRoleToNarrow { .. }));
}

#[test]
fn without_a_region_the_partition_decides() {
    let text = "[default]\nregion = us-east-2\n[profile base]\n\
                [profile cn]\nrole_arn = arn:aws-cn:iam::1:role/r\nsource_profile = base\n\
                [profile gov]\nrole_arn = arn:aws-us-gov:iam::1:role/r\nsource_profile = base\nregion = us-gov-east-1\n\
                [profile odd]\nrole_arn = arn:aws-cn:iam::1:role/r\nsource_profile = base\nregion = eu-west-1\n";
    let regions = |name| {
        let chain = plan(text, name, &["base"]);
        let regions: Vec<_> = chain
            .steps
            .iter()
            .map(|step| step.address().region.value.to_string())
            .collect();
        (regions.join(" "), chain.notes.len())
    };
    assert_eq!(regions("base"), ("us-east-2".into(), 0));
    assert_eq!(regions("cn").0, "cn-northwest-1 cn-northwest-1");
    assert_eq!(regions("gov").0, "us-gov-west-1 us-gov-east-1");
    let (odd, notes) = regions("odd");
    assert_eq!((odd.as_str(), notes), ("cn-northwest-1 eu-west-1", 2));
    assert_eq!(
        plan("", "x", &["x"]).steps[0].address().region.value.as_str(),
        "us-east-1"
    );
    assert_eq!(
        plan("", "x", &["x"]).profile.region,
        None,
        "a default for the call is no region for the child"
    );
}

#[test]
fn a_base_without_an_endpoint_is_called_where_its_role_is() {
    let text = "[profile base]\nregion = eu-west-1\n\
                [profile a]\nrole_arn = R(a)\nsource_profile = base\nregion = us-west-2\nendpoint_url = http://lab\n";
    let chain = plan(text, "a", &["base"]);
    let session = chain.steps[0].address();
    assert_eq!(
        (
            session.url.as_ref().unwrap().value.as_str(),
            session.region.value.as_str()
        ),
        ("http://lab", "us-west-2")
    );
    assert!(matches!(session.region.origin, Origin::File { via: Via::Above, .. }));
    assert_eq!(plan(text, "base", &["base"]).steps[0].address().url, None);
}

#[test]
fn nothing_secret_is_shown() {
    let text = "[profile a]\ncredential_process = op x --token=s3cret\nmfa_process = PIN=s3cret code\naws_secret_access_key = s3cret\n";
    let chain = plan(text, "a", &[]);
    let facts = serde_json::to_string(&chain.base.fact()).unwrap();
    assert!(!format!("{chain:?}{facts}").contains("s3cret"));
}
