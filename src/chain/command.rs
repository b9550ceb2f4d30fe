//! What a `credential_process` would start: another program, or tapvault itself.
//!
//! People put `credential_process = tapvault export --format=json prod` into their profiles for the AWS CLI's sake. Run from
//! inside tapvault it would ask for the same touch again, or for ever, so it is recognised here and never run.

use crate::profile::words;

/// What a command line leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Leads {
    /// Some other program.
    Elsewhere,
    /// tapvault, for this profile.
    ToProfile(String),
    /// tapvault, in a way that names no profile.
    ToUs,
}

/// Reads a command line as `sh` would.
pub(super) fn leads(line: &str) -> Leads {
    // A bare Windows path would lose its backslashes to the shell's rules.
    let windows = line.as_bytes().get(1..3) == Some(b":\\");
    let line = if windows {
        line.replace('\\', "/")
    } else {
        line.to_owned()
    };
    shell(&line, 0)
}

/// `sh -c "sh -c ..."`: nobody nests deeper, and a made-up config must not exhaust the stack.
const DEEPEST: usize = 4;

fn shell(line: &str, depth: usize) -> Leads {
    match words::commands(line) {
        Some(commands) if depth <= DEEPEST => commands
            .iter()
            .map(|words| command(words, None, depth))
            .find(|leads| *leads != Leads::Elsewhere)
            .unwrap_or(Leads::Elsewhere),
        // Not to be followed; better refused than run if it might be us.
        Some(_) | None if line.contains("tapvault") => Leads::ToUs,
        Some(_) | None => Leads::Elsewhere,
    }
}

/// One simple command; `profile` is what `AWS_PROFILE` was set to before it.
fn command<'a>(words: &'a [String], mut profile: Option<&'a str>, depth: usize) -> Leads {
    let mut words = words;
    while let [first, rest @ ..] = words {
        let Some((name, value)) = assignment(first) else {
            break;
        };
        if name == "AWS_PROFILE" {
            profile = Some(value);
        }
        words = rest;
    }
    let [program, arguments @ ..] = words else {
        return Leads::Elsewhere;
    };
    match file_name(program).as_str() {
        "tapvault" => ours(arguments, profile),
        "env" => command(
            after_options(arguments, &["-u", "--unset", "-C", "--chdir"]),
            profile,
            depth,
        ),
        "sh" | "bash" | "dash" | "zsh" | "ash" | "ksh" => {
            // `-c`, or bundled as in `-lc`.
            let line = arguments.iter().position(|word| {
                word.len() > 1 && word.starts_with('-') && !word.starts_with("--") && word.ends_with('c')
            });
            match line.and_then(|at| arguments.get(at + 1)) {
                Some(line) => shell(line, depth + 1),
                None => Leads::Elsewhere,
            }
        }
        name if WRAPPERS.contains(&name) => {
            // Their options differ too much to be read; what they start is the first word that is us.
            match arguments.iter().position(|word| file_name(word) == "tapvault") {
                Some(at) => ours(&arguments[at + 1..], profile),
                None => Leads::Elsewhere,
            }
        }
        _ => Leads::Elsewhere,
    }
}

/// Programs that start the program named in their arguments.
const WRAPPERS: [&str; 11] = [
    "exec",
    "command",
    "nohup",
    "nice",
    "time",
    "timeout",
    "setsid",
    "stdbuf",
    "sudo",
    "doas",
    "systemd-run",
];

/// Our options that take a value in the next word.
const VALUED: [&str; 11] = [
    "-d",
    "--duration",
    "-t",
    "--mfa-token",
    "--format",
    "--region",
    "--mfa-serial",
    "--policy-file",
    "--policy-arn",
    "--prompt",
    "--profile",
];

/// `[OPTIONS] export|exec [OPTIONS] PROFILE`.
fn ours(arguments: &[String], profile: Option<&str>) -> Leads {
    let mut profile = profile;
    let mut words = Vec::new();
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            // What follows belongs to the child.
            break;
        }
        if let Some(name) = word.strip_prefix("--profile=") {
            profile = Some(name);
        } else if VALUED.contains(&word.as_str()) {
            let value = rest.next();
            if word == "--profile" {
                profile = value.map(String::as_str);
            }
        } else if !word.starts_with('-') {
            words.push(word.as_str());
        }
    }
    match (words.first(), words.get(1).copied().or(profile)) {
        (Some(&("export" | "exec")), Some(name)) => Leads::ToProfile(name.to_owned()),
        _ => Leads::ToUs,
    }
}

/// What is left after options; those of `valued` take the next word with them.
fn after_options<'a>(mut words: &'a [String], valued: &[&str]) -> &'a [String] {
    while let [option, rest @ ..] = words {
        if !option.starts_with('-') {
            break;
        }
        words = match rest {
            [_, rest @ ..] if valued.contains(&option.as_str()) => rest,
            rest => rest,
        };
    }
    words
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain.then_some((name, value))
}

/// The last part of a path, in lower case and without `.exe`.
fn file_name(word: &str) -> String {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word).to_ascii_lowercase();
    name.strip_suffix(".exe").map(str::to_owned).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_name_is_found_however_it_is_started() {
        for line in [
            "tapvault export --format=json prod",
            "tapvault export --format json prod",
            "/usr/local/bin/tapvault exec -d 1h --json prod",
            "env AWS_REGION=eu-west-1 tapvault export prod",
            "env -u FOO -i /opt/tapvault export prod",
            "FOO=bar tapvault export prod",
            "sh -c 'tapvault export prod'",
            "bash -lc \"exec tapvault export --format=json prod\"",
            "cd /tmp && tapvault export prod",
            "AWS_PROFILE=prod tapvault export",
            "timeout 60 tapvault export prod",
            "tapvault --debug exec prod -- other thing",
            r"C:\tools\tapvault.exe export prod",
            r#""C:\Program Files\TapVault.exe" export prod"#,
            "sh -c 'sh -c \"tapvault export prod\"'",
        ] {
            assert_eq!(leads(line), Leads::ToProfile("prod".into()), "{line}");
        }
    }

    #[test]
    fn other_programs_are_left_alone() {
        for line in [
            "",
            "aws-vault export --format=json prod",
            "op item get tapvault",
            "/opt/tapvault/bin/other export prod",
            "echo tapvault export prod",
            "sh",
            "sh -c 'op get x'",
            "it's",
        ] {
            assert_eq!(leads(line), Leads::Elsewhere, "{line}");
        }
    }

    #[test]
    fn a_call_that_cannot_be_followed_is_still_ours() {
        for line in [
            "tapvault",
            "tapvault export",
            "tapvault code prod",
            "it's tapvault export prod",
        ] {
            assert_eq!(leads(line), Leads::ToUs, "{line}");
        }
    }
}
