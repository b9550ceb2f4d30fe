use super::*;
use crate::profile::env::EnvView;
use crate::profile::header::FileKind;
use crate::profile::text::ConfigText;

fn resolve_in(text: &str, env: &dyn EnvView, name: &str, flags: &Overrides) -> Result<Profile, ConfigError> {
    let config = ConfigText::parse("config", FileKind::Config, text.into());
    let credentials = ConfigText::parse("credentials", FileKind::Credentials, Vec::new());
    Config::new(config, credentials, env).resolve(&name.parse().unwrap(), Asked::ByPerson, flags)
}

fn resolve(text: &str, name: &str) -> Result<Profile, ConfigError> {
    let none: [(&str, &str); 0] = [];
    resolve_in(text, &none, name, &Overrides::default())
}

fn file(line: usize, section: &str, via: Via) -> Origin {
    Origin::File {
        place: Place {
            file: "config".into(),
            line,
        },
        section: section.into(),
        via,
    }
}

const LAYERS: &str = "\
[default]
region = d
output = json
[profile base]
region = b
mfa_serial = GAHT1
[profile a]
include_profile = base
region = a
";

#[test]
fn flag_then_environment_then_profile_then_include_then_default() {
    let region = |env: &dyn EnvView, flags: &Overrides, name: &str| {
        resolve_in(LAYERS, env, name, flags).unwrap().region.unwrap()
    };
    let env = [("AWS_REGION", "e"), ("AWS_DEFAULT_REGION", "f")];
    let flags = Overrides {
        region: Some("g".parse().unwrap()),
        ..Overrides::default()
    };
    let plain = Overrides::default();
    assert_eq!(region(&env, &flags, "a").origin, Origin::Flag("--region"));
    assert_eq!(region(&env, &plain, "a").origin, Origin::Env("AWS_REGION"));
    assert_eq!(region(&[("AWS_DEFAULT_REGION", "f")], &plain, "a").value.as_str(), "f");
    assert_eq!(
        region(&[("AWS_REGION", "")], &plain, "a").origin,
        file(9, "a", Via::Own)
    );
    let a = resolve(LAYERS, "a").unwrap();
    assert_eq!(a.mfa_serial.unwrap().origin, file(6, "base", Via::Include));
    assert_eq!(
        region(&[("X", "")], &plain, "unheard-of").origin,
        file(2, "default", Via::DefaultSection)
    );
}

#[test]
fn default_feeds_nothing_that_changes_who_one_is() {
    let text = "[default]\nregion = r\nmfa_serial = GAHT1\nmfa_process = code\nduration_seconds = 1800\n\
                role_arn = arn:aws:iam::1:role/r\nsource_profile = s\noutput = json\nendpoint_url = http://x\n\
                credential_process = c\nexternal_id = id\nsession_tags = a=b\n[profile a]\n";
    let a = resolve(text, "a").unwrap();
    assert!(a.region.is_some() && a.mfa_serial.is_some() && a.mfa_process.is_some() && a.durations.role.is_some());
    assert_eq!((a.role, a.source), (Role::default(), Source::default()));
    assert_eq!((a.output, a.endpoints.sts), (None, None));
    let default = resolve(text, "default").unwrap();
    assert!(default.role.arn.is_some() && default.source.profile.is_some());
    let including = resolve(&format!("{text}include_profile = default\n"), "a").unwrap();
    assert!(including.role.arn.is_some(), "what is included counts whole");
}

#[test]
fn includes_nest_and_circles_are_shown() {
    let text = "[profile a]\ninclude_profile = b\n[profile b]\ninclude_profile = c\n[profile c]\nregion = x\n";
    assert_eq!(
        resolve(text, "a").unwrap().region.unwrap().origin,
        file(6, "c", Via::Include)
    );
    let circle = text.replace("region = x", "include_profile = a");
    let error = resolve(&circle, "a").unwrap_err();
    assert_eq!(
        error.to_string(),
        "include_profile goes in a circle: a (line 2) > b (line 4) > c (line 6) > a"
    );
    let error = resolve(&circle, "b").unwrap_err();
    assert_eq!(
        error.to_string(),
        "include_profile goes in a circle: b (line 4) > c (line 6) > a (line 2) > b"
    );
    let error = resolve("[profile a]\ninclude_profile = a\n", "a").unwrap_err();
    assert_eq!(error.to_string(), "include_profile goes in a circle: a (line 2) > a");
    let error = resolve("[profile a]\ninclude_profile = basse\n[profile base]\n", "a").unwrap_err();
    assert_eq!(
        error.to_string(),
        "config:2: include_profile names basse, which isn't in config"
    );
    assert_eq!(error.hints(), ["did you mean base?"]);
}

#[test]
fn a_bad_line_stops_those_who_use_it_only() {
    let text = "[profile a]\nregion = x\n[profile b]\noops\n[profile c]\ninclude_profile = b\n[default]\nregion : y\n";
    assert!(resolve(text, "a").is_ok());
    assert_eq!(
        resolve(text, "b").unwrap_err().to_string(),
        "config:4: expected \"key = value\""
    );
    assert_eq!(
        resolve(text, "c").unwrap_err().to_string(),
        "config:4: expected \"key = value\""
    );
    assert!(resolve(text, "default").is_err());
    assert!(resolve(text, "a").unwrap().notes[0].what.contains("config:8"));
}

#[test]
fn a_bad_value_names_its_line_or_variable() {
    for (line, message) in [
        (
            "duration_seconds = 1h",
            "config:2: duration_seconds = 1h: expected a number of seconds",
        ),
        (
            "region = eu west",
            "config:2: region = eu west: expected a region such as eu-central-1",
        ),
        (
            "session_tags = a",
            "config:2: session_tags = a: expected key=value,key2=value2",
        ),
        (
            "endpoint_url = localhost",
            "config:2: endpoint_url = localhost: expected a URL that begins with https:// or http://",
        ),
        (
            "use_fips_endpoint = yes",
            "config:2: use_fips_endpoint = yes: expected true or false",
        ),
    ] {
        assert_eq!(
            resolve(&format!("[default]\n{line}\n"), "default")
                .unwrap_err()
                .to_string(),
            message
        );
    }
    let env = [("AWS_ASSUME_ROLE_TTL", "soon")];
    let error = resolve_in("", &env, "a", &Overrides::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("AWS_ASSUME_ROLE_TTL=soon: expected a length of time"),
        "{error}"
    );
}

#[test]
fn an_indented_comment_is_a_comment_and_an_indented_line_is_not_swallowed() {
    let region = resolve("[default]\nregion = x\n  # home\n  ; still\n", "default")
        .unwrap()
        .region
        .unwrap();
    assert_eq!(region.value.as_str(), "x");
    let error = resolve("[default]\nregion = x\n  output = json\n", "default").unwrap_err();
    assert!(
        error.to_string().starts_with("config:3: output = json is indented"),
        "{error}"
    );
    let process = resolve("[default]\ncredential_process = a\n  b\n", "default")
        .unwrap()
        .source
        .process
        .unwrap();
    assert_eq!(process.value.line(), "a\nb");
}

#[test]
fn some_variables_speak_to_the_profile_that_was_named_only() {
    let env = [
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
        ("AWS_ROLE_SESSION_NAME", "me"),
        ("AWS_SESSION_TAGS", "a=b"),
        ("AWS_TRANSITIVE_TAGS", "a"),
        ("AWS_SOURCE_IDENTITY", "ana"),
        ("AWS_MFA_SERIAL", "GAHT1"),
    ];
    let empty = |kind| ConfigText::parse("", kind, Vec::new());
    let config = Config::new(empty(FileKind::Config), empty(FileKind::Credentials), &env);
    let resolve = |asked| {
        config
            .resolve(&"a".parse().unwrap(), asked, &Overrides::default())
            .unwrap()
    };
    let named = resolve(Asked::ByPerson);
    assert_eq!(named.role.arn.unwrap().origin, Origin::Env("AWS_ROLE_ARN"));
    assert!(named.role.tags.is_some() && named.role.transitive_tags.is_some() && named.role.source_identity.is_some());
    let source = resolve(Asked::ByProfile);
    assert_eq!(source.role, Role::default());
    assert!(source.mfa_serial.is_some());

    let pod = [
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
    ];
    assert_eq!(resolve_in("", &pod, "a", &Overrides::default()).unwrap().role.arn, None);
}

#[test]
fn the_service_comes_before_the_general_and_the_environment_before_the_file() {
    let text = "[profile a]\nendpoint_url = http://file\nservices = s\n[services s]\nsts =\n  endpoint_url = http://file-sts\n";
    let resolve = |env: &dyn EnvView| resolve_in(text, env, "a", &Overrides::default()).unwrap().endpoints;
    let url = |setting: &Option<Sourced<String>>| {
        setting
            .as_ref()
            .map(|setting| setting.value.clone())
            .unwrap_or_default()
    };
    let none = resolve(&[("X", "")]);
    assert_eq!(
        (url(&none.sts), url(&none.iam)),
        ("http://file-sts".into(), "http://file".into())
    );
    assert_eq!(none.sts.unwrap().origin, file(6, "s", Via::Services));
    let general = resolve(&[("AWS_ENDPOINT_URL", "http://env")]);
    assert_eq!(
        (url(&general.sts), url(&general.general)),
        ("http://env".into(), "http://env".into())
    );
    let both = resolve(&[
        ("AWS_ENDPOINT_URL", "http://env"),
        ("AWS_ENDPOINT_URL_STS", "http://env-sts"),
    ]);
    assert_eq!(
        (url(&both.sts), url(&both.iam)),
        ("http://env-sts".into(), "http://env".into())
    );
    let ignored = resolve(&[
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE"),
        ("AWS_ENDPOINT_URL", "http://env"),
    ]);
    assert_eq!((ignored.sts, ignored.general), (None, None));
}

#[test]
fn the_credentials_file_has_the_last_word() {
    let none: [(&str, &str); 0] = [];
    let config = Config::new(
        ConfigText::parse("config", FileKind::Config, b"[profile a]\nregion = c\n".to_vec()),
        ConfigText::parse(
            "credentials",
            FileKind::Credentials,
            b"[a]\nregion = d\naws_access_key_id = AKIA\n".to_vec(),
        ),
        &none,
    );
    let a = config
        .resolve(&"a".parse().unwrap(), Asked::ByPerson, &Overrides::default())
        .unwrap();
    assert_eq!(a.region.unwrap().origin.to_string(), "credentials:2");
    assert_eq!(a.static_keys.unwrap().to_string(), "credentials:3");
}
