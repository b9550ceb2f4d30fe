//! `import aws-credentials --scrub`: keys leave the files, and AWS clients go on through the vault.

use super::{import, secret_file, secret_of};
use crate::bench::{ANA, Bench};
use crate::tampering::BEN;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;
use tapvault_lab::soft_token::body::AutoTouch;

/// A file with comments, Windows line ends, and more than keys.
fn two_keys() -> String {
    format!(
        "# keys of the team\r\n[prod]\r\n# made in May\r\naws_access_key_id = {}\r\naws_secret_access_key = {}\r\noutput = json\r\n\r\n; the other\r\n[dev]\r\nAWS_SECRET_ACCESS_KEY={}\r\nAWS_ACCESS_KEY_ID={}\r\nregion = eu-central-1",
        ANA.0, ANA.1, BEN.1, BEN.0
    )
}

/// What becomes of [`two_keys`].
fn scrubbed(bench: &Bench) -> String {
    let program = bench.tapvault_path();
    format!(
        "# keys of the team\r\n[prod]\r\n# made in May\r\ncredential_process = {program} export --format=json prod\r\noutput = json\r\n\r\n; the other\r\n[dev]\r\ncredential_process = {program} export --format=json dev\r\nregion = eu-central-1"
    )
}

fn write(bench: &Bench, text: &str) {
    fs::write(bench.home().join(".aws/credentials"), text).expect("the credentials file");
}

fn credentials(bench: &Bench) -> String {
    fs::read_to_string(bench.home().join(".aws/credentials")).expect("the credentials file")
}

#[test]
fn keys_leave_the_file_and_aws_clients_go_on_through_the_vault() {
    let bench = Bench::enrolled();
    write(&bench, &two_keys());
    let path = bench.home().join(".aws/credentials");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).expect("its mode");
    import(&bench, &["aws-credentials", "--scrub"])
        .success()
        .touches(3)
        .pins(1, 0)
        .says("3 touches")
        .says("touch 1 of 3: YubiKey 15042118, to seal prod and dev")
        .says("touch 2 of 3: YubiKey 15042118, to see that prod opens")
        .says("touch 3 of 3: YubiKey 15042118, to see that dev opens")
        .says("~/.aws/credentials: no longer holds the key of prod and dev")
        .says("the old text may still be found on the disk");
    assert_eq!(credentials(&bench), scrubbed(&bench));
    assert_eq!(path.metadata().expect("there").mode() & 0o7777, 0o640);
    // Nothing else is left beside it; the bench's search says that no key is.
    assert_eq!(path.parent().expect("a folder").read_dir().expect("listed").count(), 2);
    bench.search();
    assert_eq!(
        (secret_of(&bench, "prod"), secret_of(&bench, "dev")),
        (ANA.1.into(), BEN.1.into())
    );
    // The AWS CLI, and boto3, which most other tools are made of.
    let words = ["sts", "get-caller-identity", "--profile", "prod", "--endpoint-url"];
    let endpoint = bench.aws().endpoint();
    let words = words.into_iter().chain([endpoint.as_str()]);
    let out = bench.program("/usr/bin/aws", words).run().success();
    assert_eq!(out.json()["Arn"], "arn:aws:iam::111122223333:user/ana");
    let script = "import boto3; print(boto3.Session(profile_name='dev').client('sts').get_caller_identity()['Arn'])";
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/python");
    let out = bench.program(python, ["-c", script]).run().success();
    assert_eq!(out.stdout.trim(), "arn:aws:iam::111122223333:user/division/ops/ben");
    // A second run finds nothing, and says so.
    import(&bench, &["aws-credentials", "--scrub"])
        .success()
        .touches(0)
        .says("no access key was found");
}

#[test]
fn a_key_that_the_vault_has_already_is_proved_before_it_leaves() {
    let bench = Bench::with_prod();
    write(
        &bench,
        &format!(
            "[prod]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            ANA.0, ANA.1
        ),
    );
    import(&bench, &["aws-credentials", "--scrub"])
        .success()
        .touches(1)
        .says("to see that prod opens");
    bench.search();
    // Another secret under the same ID: one of the two is wrong, and nobody but the person knows which.
    let other = "another/secretanother/secretanother/secr";
    let text = format!(
        "[prod]\naws_access_key_id = {}\naws_secret_access_key = {other}\n",
        ANA.0
    );
    write(&bench, &text);
    import(&bench, &["aws-credentials", "--scrub"])
        .fails(12, "conflict")
        .says("the files were left as they are: the vault's key of prod is another one than the file's");
    assert_eq!(credentials(&bench), text);
}

#[test]
fn a_missed_touch_leaves_the_file_and_what_was_sealed() {
    let bench = Bench::enrolled();
    let path = secret_file(&bench, ".aws/credentials", &two_keys());
    let once = AutoTouch::Count {
        left: 1,
        after: Duration::ZERO,
    };
    bench.token().auto_touch(once).expect("the token listens");
    import(&bench, &["aws-credentials", "--scrub"])
        .fails(6, "no-touch")
        .says("the files were left as they are");
    assert_eq!(fs::read_to_string(path).expect("the file"), two_keys());
    bench.touch_by_itself();
    assert_eq!(secret_of(&bench, "prod"), ANA.1);
    import(&bench, &["aws-credentials", "--scrub"]).success().touches(2);
    assert_eq!(credentials(&bench), scrubbed(&bench));
}

#[test]
fn what_clients_could_not_do_without_stays_and_is_named() {
    let bench = Bench::enrolled();
    let config = "[profile admin]\nrole_arn = arn:aws:iam::111122223333:role/reader\nsource_profile = admin\n[profile op]\ncredential_process = op get\n";
    bench.aws_config(config);
    let key = format!("aws_access_key_id = {}\naws_secret_access_key = {}\n", ANA.0, ANA.1);
    let text = format!(
        "[admin]\n{key}[op]\ncredential_process = op get\n{key}[odd]\n# aws_secret_access_key = an old one\n{key}"
    );
    secret_file(&bench, ".aws/credentials", &text);
    import(&bench, &["aws-credentials", "--scrub"])
        .success()
        .touches(2)
        .says("admin: its key stays in the file: ~/.aws/config:2: the profile is a role too")
        .says("op: its key stays in the file: ~/.aws/credentials:5: the profile has another credential_process already")
        .says("warning: ~/.aws/credentials:3 still has the secret key of odd")
        .says("warning: ~/.aws/credentials:9 is a comment that may hold a key");
    let program = bench.tapvault_path();
    let now = format!(
        "[admin]\n{key}[op]\ncredential_process = op get\n{key}[odd]\n# aws_secret_access_key = an old one\ncredential_process = {program} export --format=json odd\n"
    );
    assert_eq!(credentials(&bench), now);
}

#[test]
fn keys_in_both_files_leave_both_and_a_backup_is_made_only_when_asked_for() {
    let bench = Bench::enrolled();
    let key = format!("aws_access_key_id = {}\naws_secret_access_key = {}\n", ANA.0, ANA.1);
    bench.aws_config(&format!("[profile prod]\nregion = eu-central-1\n{key}"));
    write(&bench, &format!("[prod]\n{key}"));
    import(&bench, &["aws-credentials", "--scrub", "--backup"])
        .success()
        .touches(2);
    let command = format!(
        "credential_process = {} export --format=json prod\n",
        bench.tapvault_path()
    );
    let config = fs::read_to_string(bench.home().join(".aws/config")).expect("the config");
    assert_eq!(config, format!("[profile prod]\nregion = eu-central-1\n{command}"));
    assert_eq!(credentials(&bench), format!("[prod]\n{command}"));
    for name in ["credentials", "config"] {
        let backup = bench.home().join(format!(".aws/{name}.before-tapvault"));
        assert_eq!(backup.metadata().expect("there").mode() & 0o7777, 0o600);
        assert!(fs::read_to_string(&backup).expect("text").contains(ANA.1));
        fs::remove_file(backup).expect("removed");
    }
    // tapvault itself does not ask itself.
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
}

#[test]
fn a_link_is_followed_and_a_file_with_two_names_is_refused_before_a_touch() {
    let bench = Bench::enrolled();
    let real = bench.home().join("dotfiles");
    fs::write(&real, two_keys()).expect("written");
    let path = bench.home().join(".aws/credentials");
    std::os::unix::fs::symlink(&real, &path).expect("linked");
    let other = bench.home().join("other name");
    fs::hard_link(&real, &other).expect("linked");
    import(&bench, &["aws-credentials", "--scrub"])
        .fails(3, "config")
        .touches(0)
        .says("~/.aws/credentials has 2 names (hard links)");
    fs::remove_file(other).expect("removed");
    import(&bench, &["aws-credentials", "--scrub"]).success().touches(3);
    assert!(path.is_symlink());
    assert_eq!(fs::read_to_string(&real).expect("text"), scrubbed(&bench));
}

#[test]
fn the_path_of_this_program_is_quoted_and_the_one_that_survives_an_update_is_taken() {
    let bench = Bench::enrolled();
    let folder = bench.home().join("it's a folder");
    fs::create_dir(&folder).expect("a folder");
    let program = folder.join("tapvault");
    std::os::unix::fs::symlink(bench.tapvault_path(), &program).expect("linked");
    write(
        &bench,
        &format!(
            "[prod]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            ANA.0, ANA.1
        ),
    );
    let path = format!("{}:/usr/bin:/bin", folder.display());
    bench
        .tapvault(["import", "aws-credentials", "--scrub"])
        .env("PATH", &path)
        .run()
        .success()
        .touches(2);
    let written = program.to_str().expect("text").replace('\'', r"'\''");
    let line = format!("credential_process = '{written}' export --format=json prod\n");
    assert_eq!(credentials(&bench), format!("[prod]\n{line}"));
    let endpoint = bench.aws().endpoint();
    let words = [
        "sts",
        "get-caller-identity",
        "--profile",
        "prod",
        "--endpoint-url",
        &endpoint,
    ];
    bench.program("/usr/bin/aws", words).run().success();
}

#[test]
fn a_name_that_means_something_to_a_shell_is_one_word_of_the_line_that_takes_the_keys_place() {
    let bench = Bench::enrolled();
    let name = "ana $(touch caught)";
    let text = format!(
        "[profile \"{name}\"]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        ANA.0, ANA.1
    );
    bench.aws_config(&text);
    import(&bench, &["aws-credentials", "--scrub"]).success().touches(2);
    let config = fs::read_to_string(bench.home().join(".aws/config")).expect("the config");
    let (_, line) = config.split_once("credential_process = ").expect("a line");
    // As the AWS SDKs for Go and JavaScript run it; that for Python splits it by the same rules.
    let out = bench
        .program("/bin/sh", ["-c", line.trim()])
        .prints_secrets()
        .run()
        .success();
    assert_eq!(out.json()["Version"], 1);
    assert!(!bench.home().join("caught").exists());
}

#[test]
fn another_secret_under_the_same_id_is_nowhere_else_and_stays() {
    let bench = Bench::enrolled();
    let wrong = "another/secretanother/secretanother/secr";
    let key = |secret: &str| format!("aws_access_key_id = {}\naws_secret_access_key = {secret}\n", ANA.0);
    let (first, second) = (
        format!("[prod]\n{}", key(wrong)),
        format!("[profile prod]\n{}", key(ANA.1)),
    );
    write(&bench, &first);
    secret_file(&bench, ".aws/config", &second);
    // Which of them is right could only AWS say, and it is not asked.
    import(&bench, &["aws-credentials", "--scrub", "--offline"])
        .success()
        .says("prod: its key stays in the file: ~/.aws/config:3 has another secret under this access key ID")
        .says("prod: left, for ~/.aws/config:2");
    let config = fs::read_to_string(bench.home().join(".aws/config")).expect("the config");
    assert_eq!((credentials(&bench), config), (first, second));
}
