//! Files that somebody else wrote, or that are none at all: the AWS config, the credentials file, config.toml, a policy, a
//! bundle. Whatever stands there, each command ends soon, in little memory, and names the file and the line.

use crate::bench::{ANA, Bench, Output};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

/// A pipe that nobody writes into is given up after 5 s; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// Of address space, in KiB: threads' stacks and the like are most of it.
const LITTLE_MEMORY: &str = "600000";

/// Runs tapvault with little memory; it may neither crash nor take long.
#[track_caller]
fn bounded(bench: &Bench, env: &[(&str, &str)], line: &[&str]) -> Output {
    let script = r#"ulimit -v "$1"; shift; exec "$@""#;
    let words = ["-c", script, "sh", LITTLE_MEMORY, env!("CARGO_BIN_EXE_tapvault")];
    let mut run = bench.program("/bin/sh", words.iter().chain(line));
    for (name, value) in env {
        run = run.env(name, value);
    }
    let out = run.run().does_not_say("panicked").does_not_say("os error");
    assert!(out.code.is_some(), "it was ended by a signal\n{out}");
    assert!(out.took < SOON, "it took long\n{out}");
    out
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
}

/// Bytes that look random and are the same in each run (xorshift).
fn noise(length: usize, least: u8) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3].max(least)
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn what_is_no_config_is_named_and_costs_neither_time_nor_a_touch() {
    let bench = Bench::with_prod();
    let config = bench.home().join(".aws/config");
    let (huge, many) = (vec![b'#'; 20 << 20], b"\n".repeat(2_000_000));
    let files: [(&str, &[u8], &str); 5] = [
        ("NULs and noise", &noise(20_000, 0), "is not a text file"),
        (
            "a program",
            &fs::read("/bin/true").expect("it is there"),
            "is not a text file",
        ),
        ("UTF-16", b"\xff\xfe[\0p\0", "is written in UTF-16"),
        ("20 MiB", &huge, "is too large for a config file"),
        ("two million lines", &many, "is too large for a config file"),
    ];
    for (what, bytes, words) in files {
        println!("{what}");
        fs::write(&config, bytes).expect("the config");
        for line in [
            &["exec", "prod", "--", "true"][..],
            &["explain", "prod"],
            &["export", "prod"],
        ] {
            bounded(&bench, &[], line)
                .fails(3, "config")
                .touches(0)
                .releases_nothing()
                .says(&format!("~/.aws/config {words}"));
        }
        // The vault's own part is still shown.
        let out = bounded(&bench, &[], &["list"]).success().says("~/.aws/config");
        assert!(out.stdout.contains("prod"), "{out}");
    }
}

#[test]
fn what_stands_in_the_place_of_a_config_is_named_and_never_waited_for_long() {
    let bench = Bench::with_prod();
    let home = bench.home();
    pipe(&home.join("pipe"));
    symlink(home.join("gone"), home.join("dangling")).expect("a link");
    symlink("round", home.join("round")).expect("a link");
    let path = |name: &str| home.join(name).display().to_string();
    let places = [
        (path("pipe"), "nothing more came from it within 5 s"),
        (path("dangling"), "is a link to something that isn't there"),
        (path("round"), "too many levels of symbolic links"),
        (home.display().to_string(), "is a directory"),
        ("/dev/zero".into(), "is not a text file"),
        ("/proc/self/mem".into(), "can't read /proc/self/mem"),
    ];
    for (place, words) in &places {
        for variable in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
            bounded(&bench, &[(variable, place)], &["exec", "prod", "--", "true"])
                .fails(3, "config")
                .touches(0)
                .says(words);
        }
    }
    // A shell's <(command) is a pipe too, and is read.
    let script = r#"AWS_CONFIG_FILE=<(sleep 1; printf '[profile prod]\nregion = eu-north-1\n') exec "$@""#;
    let words = ["-c", script, "bash", env!("CARGO_BIN_EXE_tapvault")];
    let line = ["exec", "prod", "--", "sh", "-c", "echo $AWS_REGION"];
    let out = bench.program("/bin/bash", words.iter().chain(&line)).run().success();
    assert_eq!(out.stdout, "eu-north-1\n");
}

#[test]
fn a_config_that_this_user_may_not_read_is_named() {
    let bench = Bench::setup().no_token().agent().start();
    let config = bench.home().join(".aws/config");
    fs::set_permissions(&config, PermissionsExt::from_mode(0o000)).expect("the mode");
    // Tests run as root, who reads everything unless told otherwise.
    let without = [
        "--bounding-set=-all",
        "--inh-caps=-all",
        "--reuid=65534",
        "--clear-groups",
    ];
    for folder in [bench.root().to_owned(), bench.home()] {
        fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).expect("the mode");
    }
    let words = without
        .iter()
        .chain(&[env!("CARGO_BIN_EXE_tapvault"), "explain", "prod"]);
    bench
        .program("/usr/bin/setpriv", words)
        .run()
        .fails(3, "config")
        .says("can't read ~/.aws/config: permission denied")
        .says("`ls -l ~/.aws/config` shows who may read it");
}

#[test]
fn a_disk_that_fails_while_the_config_is_read_is_named() {
    let bench = Bench::setup().no_token().start();
    let config = bench.home().join(".aws/config").display().to_string();
    let log = bench.root().join("strace.log").display().to_string();
    let words = ["-f", "-qq", "-o", &log, "-P", &config, "-e", "inject=read:error=EIO"];
    let words = words.iter().chain(&[env!("CARGO_BIN_EXE_tapvault"), "explain", "prod"]);
    bench
        .program("/usr/bin/strace", words)
        .run()
        .fails(3, "config")
        .says("can't read ~/.aws/config: input/output error");
}

#[test]
fn a_config_from_another_system_is_read_as_it_was_meant() {
    let bench = Bench::with_prod();
    bench.aws_config("\u{feff}[profile prod]\r\nregion = eu-north-1\r\n\r\n[profile other]\r\nregion = eu-west-1\r\n");
    let line = ["exec", "prod", "--", "sh", "-c", "echo $AWS_REGION"];
    let out = bench.tapvault(line).run().success().touches(1);
    assert_eq!(out.stdout, "eu-north-1\n");
}

#[test]
fn random_bytes_and_a_header_that_is_broken_lead_to_the_line() {
    let bench = Bench::with_prod();
    // No NUL, so it might be a text in some old encoding: the vault's own entry works, what is not found is explained.
    fs::write(bench.home().join(".aws/config"), noise(20_000, 1)).expect("the config");
    bounded(&bench, &[], &["exec", "admin", "--", "true"])
        .fails(4, "no-entry")
        .touches(0)
        .says("~/.aws/config:1: ");
    bounded(&bench, &[], &["exec", "prod", "--", "true"]).success();
    bench.aws_config("[profile admin\nregion = eu-west-1\n[profile build]\nregion = eu-west-1\n");
    bounded(&bench, &[], &["exec", "admin", "--", "true"])
        .fails(3, "config")
        .says("~/.aws/config:1: expected ']'");
    bounded(&bench, &[], &["exec", "biuld", "--", "true"])
        .fails(4, "no-entry")
        .says("did you mean build?");
}

#[test]
fn a_line_of_ten_megabytes_spoils_its_own_profile_only() {
    let bench = Bench::with_prod();
    let long = "x".repeat(10_000_000);
    bench.aws_config(&format!(
        "[profile prod]\nregion = eu-north-1\n\n[profile bad]\nregion = {long}\n"
    ));
    bounded(&bench, &[], &["exec", "prod", "--", "true"])
        .success()
        .touches(1);
    let out = bounded(&bench, &[], &["explain", "bad"])
        .fails(3, "config")
        .says("~/.aws/config:5: region = xxx");
    assert!(
        out.said().len() < 1000,
        "it is not shown whole: {} bytes",
        out.said().len()
    );
    let out = bounded(&bench, &[], &["list", "--profiles"]).success();
    assert_eq!(out.stdout, "bad\nprod\n");
}

#[test]
fn profiles_that_lead_in_a_circle_are_shown_with_their_lines() {
    let bench = Bench::with_prod();
    bench.aws_config(
        "[profile a]\ninclude_profile = b\n[profile b]\ninclude_profile = a\n\
         [profile c]\nrole_arn = arn:aws:iam::111122223333:role/x\nsource_profile = d\n\
         [profile d]\nrole_arn = arn:aws:iam::111122223333:role/y\nsource_profile = c\n\
         [profile self]\ninclude_profile = self\n",
    );
    for (profile, circle) in [
        ("a", "include_profile goes in a circle: a (line 2) > b (line 4) > a"),
        ("c", "source_profile goes in a circle: c (line 7) > d (line 10) > c"),
        ("self", "include_profile goes in a circle: self (line 12) > self"),
    ] {
        for line in [&["exec", profile, "--", "true"][..], &["explain", profile]] {
            bounded(&bench, &[], line)
                .fails(3, "config")
                .touches(0)
                .says(circle)
                .says("change one of these lines: ~/.aws/config:");
        }
    }
}

#[test]
fn among_five_thousand_profiles_the_right_one_is_taken() {
    let bench = Bench::with_prod();
    let mut text = String::from("[profile prod]\nregion = eu-central-1\n");
    for number in 0..5000 {
        let region = ["eu-west-1", "eu-west-2", "eu-west-3"][number % 3];
        let _ = writeln!(
            text,
            "[profile p{number}]\nregion = {region}\nsource_profile = prod\n\
             role_arn = arn:aws:iam::444455556666:role/reader\nrole_session_name = s{number}"
        );
    }
    bench.aws_config(&text);
    let out = bounded(&bench, &[], &["list", "--profiles"]).success();
    assert_eq!(out.stdout.lines().count(), 5001);
    bounded(&bench, &[], &["explain", "p3141"]).success();
    let line = ["exec", "p3141", "--", "sh", "-c", "echo $AWS_VAULT $AWS_REGION"];
    let out = bounded(&bench, &[], &line).success().touches(1);
    assert_eq!(out.stdout, "p3141 eu-west-1\n");
    let calls = bench.aws().calls_of("AssumeRole");
    assert_eq!(calls[0].parameters["RoleSessionName"], "s3141");

    // And five thousand that lead to each other, one after the other.
    for key in ["include_profile", "source_profile"] {
        let mut text = String::new();
        for number in 0..5000 {
            let role = "role_arn = arn:aws:iam::444455556666:role/reader";
            let _ = writeln!(text, "[profile p{number}]\n{key} = p{}\n{role}", number + 1);
        }
        bench.aws_config(&text);
        let out = bounded(&bench, &[], &["explain", "p0"]);
        assert!(matches!(out.code, Some(3 | 4)), "{out}");
        assert!(out.said().len() < 4000, "{out}");
    }
}

#[test]
fn an_access_key_in_the_credentials_file_is_passed_over_and_named() {
    let bench = Bench::with_prod();
    let file = bench.home().join(".aws/credentials");
    let secret = "tapvault/lab+plain/text+secret/0000000001";
    bench.secret("plaintext secret", secret);
    bench.except_file(&file);
    let text =
        |name: &str| format!("[{name}]\naws_access_key_id = AKIATAPVAULTLABPLAIN\naws_secret_access_key = {secret}\n");
    fs::write(&file, text("prod")).expect("the credentials");
    // The vault's own key is taken.
    bounded(&bench, &[], &["exec", "prod", "--", "true"])
        .success()
        .touches(1);
    assert_eq!(
        bench.aws().calls_of("GetSessionToken")[0].access_key_id.as_deref(),
        Some(ANA.0)
    );
    // Without one the file's is not, and it says so.
    fs::write(&file, text("dev")).expect("the credentials");
    bounded(&bench, &[], &["exec", "dev", "--", "true"])
        .fails(4, "no-entry")
        .touches(0)
        .says("the access key at ~/.aws/credentials:2 is ignored: tapvault uses only keys in the vault");
}

#[test]
fn settings_that_cannot_be_used_are_named_with_their_line() {
    let bench = Bench::with_prod();
    bench.settings("");
    let file = bench.config_folder().join("config.toml");
    let cases: [(&[u8], &str); 7] = [
        (b"quiet_presence = true\nmin_ttl_seconds = \n", "config.toml:2: "),
        (
            b"\n\nmin_tll_seconds = 3\n",
            "config.toml:3: unknown field `min_tll_seconds`",
        ),
        (b"min_ttl_seconds = -1\n", "config.toml:1: "),
        (b"min_ttl_seconds = 99999999999999999999\n", "config.toml:1: "),
        (b"quiet_presence = true\nquiet_presence = true\n", "config.toml:2: "),
        (&noise(5000, 0), "config.toml is not UTF-8 text"),
        (b"\0\0\0\0", "config.toml:1: "),
    ];
    for (bytes, words) in cases {
        fs::write(&file, bytes).expect("config.toml");
        for line in [&["exec", "prod", "--", "true"][..], &["list"]] {
            bounded(&bench, &[], line)
                .fails(3, "config")
                .touches(0)
                .says(words)
                .says("docs/cli.md");
        }
    }
    fs::write(&file, "\u{feff}min_ttl_seconds = 300\r\n").expect("config.toml");
    bounded(&bench, &[], &["exec", "prod", "--", "true"]).success();
}

#[test]
fn a_policy_and_a_bundle_that_are_none_are_named_before_a_call() {
    let bench = Bench::with_prod();
    bench.aws_config(
        "[profile prod]\nregion = eu-central-1\n\
         [profile reader]\nrole_arn = arn:aws:iam::444455556666:role/reader\nsource_profile = prod\n",
    );
    let home = bench.home();
    pipe(&home.join("pipe"));
    fs::write(home.join("half"), "{\"Version\": ").expect("a file");
    let at = |name: &str| home.join(name).display().to_string();
    for (file, words) in [
        ("/dev/zero".to_owned(), "is longer than 65536 bytes"),
        (at("pipe"), "can't be read: nothing more came from it"),
        (at("none"), "can't be read: no such file"),
        (at("half"), "is no JSON"),
        (home.display().to_string(), "can't be read: is a directory"),
    ] {
        bounded(&bench, &[], &["exec", "reader", "--policy-file", &file, "--", "true"])
            .fails(2, "usage")
            .touches(0)
            .says(words);
    }
    bench.aws().clear_calls();
    for (file, words) in [
        ("/dev/zero".to_owned(), "is too large for one"),
        (at("pipe"), "can't be read: nothing more came from it"),
        (at("none"), "can't be read: no such file"),
        (at("half"), "holds no certificate"),
    ] {
        // Nothing is encrypted on the way to the stand-in, so the address has to be another one.
        let env = [
            ("AWS_CA_BUNDLE", file.as_str()),
            ("AWS_ENDPOINT_URL", "https://127.0.0.1:9"),
        ];
        bounded(&bench, &env, &["exec", "prod", "--", "true"])
            .fails(3, "config")
            .says(&format!("the CA bundle {file} {words}"));
    }
    assert_eq!(bench.calls(), Vec::<String>::new());
}
