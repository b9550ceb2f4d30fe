//! What the child of exec is given, and how its end is told.

use crate::bench::{Bench, PIN};

#[test]
fn the_child_has_the_callers_descriptors_and_none_of_ours() {
    let bench = Bench::with_prod();
    std::fs::write(bench.home().join("seven"), "the caller's\n").expect("a file");
    let list = "ls /proc/self/fd; readlink /proc/self/fd/7; cat <&7";
    let direct = bench
        .program("sh", ["-c", &format!("exec 7<seven; sh -c '{list}'")])
        .run()
        .success();
    let script = format!(
        "exec 7<seven; exec {} exec prod -- sh -c '{list}'",
        bench.tapvault_path()
    );
    let through = bench.program("sh", ["-c", &script]).run().success().touches(1);
    assert_eq!(through.stdout, direct.stdout, "asked by pinentry, with a call of AWS");
    let mut terminal = bench.program("sh", ["-c", &script]).on_terminal();
    terminal.answer("PIN of", PIN);
    let through = terminal.finish().success().touches(1);
    assert_eq!(
        through.stdout, direct.stdout,
        "asked at the terminal, with a sealed session"
    );
}

/// Pinentry and helpers are children too, and run while the token is open.
#[test]
fn helpers_have_no_descriptors_of_ours_either() {
    let bench = Bench::with_prod();
    let pinentry = bench.root().join("pinentry-that-looks");
    let script = format!(
        "#!/bin/sh\nfor fd in /proc/$$/fd/*; do readlink $fd; done >{}/held\nexec {}/hand/pinentry\n",
        bench.home().display(),
        bench.root().display()
    );
    std::fs::write(&pinentry, script).expect("a program");
    std::fs::set_permissions(&pinentry, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("modes");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .env("PINENTRY_PROGRAM", &pinentry)
        .run()
        .success();
    let held = std::fs::read_to_string(bench.home().join("held")).expect("what it held");
    for file in held.lines() {
        // Its pipes to us, what it reads and writes itself; no socket of pcscd, no file of the vault.
        let allowed = ["pipe:", "/dev/null", "/proc/"]
            .iter()
            .any(|begin| file.starts_with(begin));
        assert!(
            allowed || file.ends_with("/pinentry-that-looks") || file.ends_with("/held"),
            "{held}"
        );
    }
}

#[test]
fn the_childs_environment_is_the_callers_with_our_credentials_in_it() {
    let bench = Bench::with_prod();
    let given = |name: &str| format!("{name}-of-the-caller");
    let stale = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_ACCOUNT_ID",
        "AWS_CREDENTIAL_FILE",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_DEFAULT_PROFILE",
        "AWS_PROFILE",
        "AWS_SDK_LOAD_CONFIG",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "TAPVAULT_ANYTHING",
    ];
    let kept = ["TF_VAR_secret", "AWS_PAGER", "MY_TAPVAULT", "LC_ALL", "EMPTY"];
    let mut command = bench.tapvault(["exec", "prod", "--", "env"]);
    for name in stale {
        command = command.env(name, given(name));
    }
    for name in kept {
        command = command.env(name, if name == "EMPTY" { String::new() } else { given(name) });
    }
    let out = command.prints_secrets().run().success().touches(1);
    for name in stale {
        assert!(!out.stdout.contains(&given(name)), "{name}\n{out}");
    }
    assert!(!out.stdout.lines().any(|line| line.starts_with("TAPVAULT_")), "{out}");
    for name in kept {
        let expected = if name == "EMPTY" { String::new() } else { given(name) };
        assert_eq!(out.variable(name), expected);
    }
    let aws: Vec<&str> = out
        .stdout
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        .filter(|name| name.starts_with("AWS_"))
        .collect();
    let mut aws: Vec<&str> = aws;
    aws.sort_unstable();
    assert_eq!(
        aws,
        [
            "AWS_ACCESS_KEY_ID",
            "AWS_CREDENTIAL_EXPIRATION",
            "AWS_DEFAULT_REGION",
            "AWS_EC2_METADATA_DISABLED",
            "AWS_ENDPOINT_URL",
            "AWS_PAGER",
            "AWS_REGION",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_VAULT",
        ]
    );
}

/// starship and its like show the profile and count down to the end, as RFC 3339 has it.
#[test]
fn a_prompt_program_reads_profile_and_end() {
    let bench = Bench::with_prod();
    let script = r#"
import datetime, os, re
end = os.environ["AWS_CREDENTIAL_EXPIRATION"]
assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", end), end
left = datetime.datetime.fromisoformat(end.replace("Z", "+00:00")) - datetime.datetime.now(datetime.timezone.utc)
print(os.environ["AWS_VAULT"], round(left.total_seconds() / 600), os.environ["AWS_REGION"])
"#;
    let out = bench
        .tapvault(["exec", "prod", "--", crate::bench::PYTHON, "-c", script])
        .run()
        .success();
    assert_eq!(out.stdout, "prod 6 eu-central-1\n");
}

#[test]
fn exit_codes_are_the_childs_the_shells_or_documented() {
    let bench = Bench::with_prod();
    let script = bench.home().join("no-script");
    std::fs::write(&script, "#!/bin/sh\n").expect("a file");
    let missing_interpreter = bench.home().join("no-interpreter");
    std::fs::write(&missing_interpreter, "#!/no/such/interpreter\n").expect("a file");
    std::fs::set_permissions(
        &missing_interpreter,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("modes");
    let terminate = "kill -TERM $$; sleep 5";
    for (words, code) in [
        (&["exec", "prod", "--", "true"][..], 0),
        (&["exec", "prod", "--", "sh", "-c", "exit 7"], 7),
        (&["exec", "prod", "--", "sh", "-c", "exit 255"], 255),
        (&["exec", "prod", "--", "./no-script"], 126),
        (&["exec", "prod", "--", "/"], 126),
        (&["exec", "prod", "--", "no-such-command"], 127),
        (&["exec", "prod", "--", "./no-such-command"], 127),
        (&["exec", "prod", "--", "./no-interpreter"], 127),
        (&["exec", "prod", "--", "sh", "-c", terminate], 143),
        (&["exec", "--no-such-option"], 2),
        (&["exec", "nobody", "--", "true"], 4),
    ] {
        // A shell in between, which tells a signal as 128 and its number.
        let mut all = vec!["-c", "\"$@\"; exit $?", "sh", bench.tapvault_path()];
        all.extend(words);
        let out = bench.program("sh", all).run();
        assert_eq!(out.code, Some(code), "{words:?}\n{out}");
    }
}

#[test]
fn a_script_sees_the_name_by_which_it_was_called() {
    let bench = Bench::with_prod();
    let folder = bench.home().join("bin");
    std::fs::create_dir(&folder).expect("a folder");
    let tool = folder.join("tool");
    std::fs::write(&tool, "#!/bin/sh\necho \"$0\"\n").expect("a script");
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("modes");
    let path = format!("{}:/usr/bin:/bin", folder.display());
    for (name, own) in [("tool", tool.to_str().expect("text")), ("./tool", "./tool")] {
        let out = bench
            .tapvault(["exec", "prod", "--", name])
            .env("PATH", &path)
            .in_folder(&folder)
            .run();
        assert_eq!(out.success().stdout.trim(), own);
    }
}
