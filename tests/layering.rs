//! The sentences of docs/architecture.md that a program can hold: who may name what, and that arrows go down.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every source file with its code as [`as_it_runs`].
fn sources() -> BTreeMap<String, String> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for item in fs::read_dir(folder).expect("a folder") {
            let path = item.expect("an item").path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let sources: BTreeMap<String, String> = files
        .into_iter()
        .filter(|path| !path.ends_with("tests.rs"))
        .map(|path| {
            let name = path.strip_prefix(&root).expect("below src").display().to_string();
            let text = fs::read_to_string(&path).expect("text");
            (name, as_it_runs(&text))
        })
        .collect();
    assert!(sources.len() > 50, "the sources were found");
    sources
}

/// The code without comments and without what only tests have; imports in braces are written out, one a line.
fn as_it_runs(text: &str) -> String {
    let mut lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut code = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            skip_item(&mut lines, indent(line));
        } else if is_import(line) {
            let mut import = line.to_owned();
            while !import.ends_with(';') {
                import.push_str(lines.next().expect("an import ends"));
            }
            write_out("", import.trim_end_matches(';'), &mut code);
        } else {
            code.push(line.to_owned());
        }
    }
    code.join("\n")
}

/// Passes over the item that an attribute stands before. As rustfmt leaves it, it ends on a line that is indented like the attribute;
/// a text that looks like this end would only show more than is to be seen.
fn skip_item<'t>(lines: &mut impl Iterator<Item = &'t str>, indented: usize) {
    let is_end = |line: &str| {
        let is_attribute = line.trim_start().starts_with("#[");
        indent(line) == indented && !is_attribute && line.ends_with([';', ',', '}'])
    };
    lines.find(|line| is_end(line)).expect("an item ends");
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn is_import(line: &str) -> bool {
    let words = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "];
    words.iter().any(|words| line.trim_start().starts_with(words))
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d` and `a::c::e`.
fn write_out(before: &str, tree: &str, into: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((path, group)) = tree.split_once('{') else {
        if !tree.is_empty() {
            into.push(format!("{before}{tree}"));
        }
        return;
    };
    let group = group.strip_suffix('}').expect("braces match");
    let (mut depth, mut start) = (0, 0);
    for (position, sign) in group.char_indices().chain([(group.len(), ',')]) {
        match sign {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                write_out(&format!("{before}{path}"), &group[start..position], into);
                start = position + 1;
            }
            _ => {}
        }
    }
}

#[test]
fn what_only_tests_have_is_passed_over_and_nothing_else() {
    let text = "\
#[cfg(test)]
use crate::early;
use crate::{
    one,
    two::{three, self as four},
};
#[cfg(test)]
#[path = \"somewhere.rs\"]
mod tests;
#[cfg(test)]
fn helper(
    word: &str,
) -> bool {
    crate::helped(word)
}
// crate::said
pub use crate::six;
impl Thing {
    #[cfg(test)]
    fn inner() {
        crate::inner();
    }

    fn outer() {
        crate::five();
    }
}
";
    let left = "\
use crate::one
use crate::two::three
use crate::two::self as four
pub use crate::six
impl Thing {

    fn outer() {
        crate::five();
    }
}";
    assert_eq!(as_it_runs(text), left);
}

/// The files that say one of `words`.
fn files_with(words: &[&str]) -> Vec<String> {
    sources()
        .into_iter()
        .filter(|(_, code)| words.iter().any(|word| code.contains(word)))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn only_the_card_names_pc_sc_and_only_administration_names_the_yubikey_crate() {
    assert_eq!(
        files_with(&["pcsc::"]),
        [
            "token/admin/session.rs",
            "token/card.rs",
            "token/card/wait.rs",
            "token/watch.rs"
        ]
    );
    assert_eq!(
        files_with(&["yubikey::"]),
        ["token/admin/management.rs", "token/admin/session.rs"]
    );
}

#[test]
fn only_the_child_speaks_to_fido2_tokens() {
    assert_eq!(
        files_with(&["ctap_hid_fido2", "hidapi"]),
        ["token/fido2/child.rs", "token/fido2/told.rs"]
    );
}

#[test]
fn only_the_client_and_its_calls_name_the_aws_sdk() {
    let words = [
        "aws_sdk_sts",
        "aws_sdk_iam",
        "aws_config::",
        "aws_smithy",
        "aws_credential_types",
        "tokio::",
    ];
    for file in files_with(&words) {
        let allowed = [
            "aws/client.rs",
            "aws/failure.rs",
            "aws/iam.rs",
            "aws/iam/access_key.rs",
            "aws/iam/mfa_device.rs",
            "aws/sts.rs",
            "aws/transport.rs",
        ];
        assert!(allowed.contains(&file.as_str()), "{file}");
    }
}

#[test]
fn only_the_folder_writes_files() {
    assert_eq!(
        files_with(&["File::create", "fs::write", "persist(", "OpenOptions", "File::options"]),
        ["profile/files/rewrite.rs", "prompt/tty.rs", "vault/folder.rs"],
        "prompt/tty.rs opens the terminal and nothing else; profile/files/rewrite.rs replaces the person's own \
         AWS files"
    );
}

#[test]
fn only_the_context_reads_the_environment_and_the_clock() {
    let allowed = [
        "agent/watch/clock.rs",
        "env.rs",
        "context.rs",
        "cli.rs",
        "process.rs",
        "programs.rs",
        "prompt/graphical.rs",
    ];
    for file in files_with(&["env::var", "env::current", "env::args", "Timestamp::now", "SystemTime"]) {
        assert!(
            allowed.contains(&file.as_str()),
            "{file}: cli.rs takes the arguments, process.rs the current folder, programs.rs its own file, \
             agent/watch/clock.rs compares clocks"
        );
    }
}

#[test]
fn the_token_knows_no_aws_no_files_and_no_people() {
    for (file, code) in sources() {
        if file.starts_with("token") {
            for word in [
                "crate::aws",
                "crate::profile",
                "crate::prompt",
                "crate::presence",
                "std::fs",
                "eprintln",
            ] {
                assert!(!code.contains(word), "{file} names {word}");
            }
        }
    }
}

#[test]
fn profiles_plans_and_renderings_do_no_input_or_output() {
    let pure = |file: &str| {
        let running = [
            "chain/open.rs",
            "chain/resolve.rs",
            "chain/call.rs",
            "chain/mfa.rs",
            "chain/mfa/pair.rs",
            "chain/mfa/program.rs",
            "chain/mfa/steps.rs",
            "chain/mfa/token.rs",
            "chain/mfa/turn.rs",
            "chain/mfa/without_token.rs",
            "chain/source.rs",
            "chain/user.rs",
            "profile/files.rs",
            "profile/files/rewrite.rs",
        ];
        (file.starts_with("profile") || file.starts_with("chain") || file == "render.rs") && !running.contains(&file)
    };
    for (file, code) in sources() {
        if pure(&file) {
            for word in [
                "std::fs",
                "std::net",
                "std::process",
                "println",
                "crate::vault",
                "crate::aws",
                "crate::context",
            ] {
                assert!(!code.contains(word), "{file} names {word}");
            }
        }
    }
}

#[test]
fn arrows_go_down() {
    // Each room, and the rooms below it that it may name. What is not here may name nothing but the ground floor.
    let ground = [
        "agefile",
        "env",
        "error",
        "secret",
        "credential",
        "context",
        "reading",
        "programs",
    ];
    let below: BTreeMap<&str, &[&str]> = BTreeMap::from([
        (
            "cli",
            &[
                "agent",
                "enrollment",
                "mfa",
                "rotation",
                "chain",
                "profile",
                "vault",
                "render",
                "process",
                "presence",
                "prompt",
                "wrap",
                "device",
                "store",
                "aws",
                "token",
            ][..],
        ),
        (
            "agent",
            &[
                "chain", "vault", "wrap", "presence", "prompt", "process", "render", "token", "profile",
            ],
        ),
        ("enrollment", &["vault", "wrap", "device", "store", "token", "presence"]),
        (
            "mfa",
            &["chain", "vault", "aws", "device", "token", "presence", "profile"],
        ),
        ("rotation", &["chain", "vault", "aws", "presence", "profile"]),
        (
            "chain",
            &[
                "profile", "vault", "wrap", "aws", "device", "token", "presence", "process", "prompt",
            ],
        ),
        ("vault", &["wrap", "store", "presence", "profile"]),
        ("wrap", &["device", "store", "token", "presence", "process", "prompt"]),
        ("device", &["store", "token", "presence", "prompt"]),
        ("presence", &["prompt"]),
        ("process", &["render"]),
        ("context", &["prompt", "profile"]),
        ("prompt", &[]),
        ("aws", &["prompt"]),
        ("profile", &[]),
        ("render", &[]),
        ("token", &[]),
        ("store", &[]),
        ("credential", &[]),
        ("secret", &[]),
        ("error", &[]),
        ("agefile", &[]),
        ("env", &[]),
        ("reading", &[]),
        ("programs", &[]),
    ]);
    for (file, code) in sources() {
        let room = file.split(['/', '.']).next().expect("a room");
        if ["lib", "main", "engine"].contains(&room) {
            continue;
        }
        let allowed = below
            .get(room)
            .unwrap_or_else(|| panic!("{room} has no place in the house"));
        for (position, _) in code.match_indices("crate::") {
            let named = code[position + 7..]
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .expect("a name");
            let known = below.contains_key(named) || ground.contains(&named);
            assert!(
                !known || named == room || ground.contains(&named) || allowed.contains(&named),
                "{file} names {named}, which is not below {room}"
            );
        }
    }
}

#[test]
fn nothing_unwraps() {
    let allowed: [&str; 0] = [];
    assert_eq!(files_with(&[".unwrap()"]), allowed);
}
