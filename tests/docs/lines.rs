//! Command lines in the documents: each call of tapvault in them is one that the program takes.

use super::{BEGIN, END, documents, read};
use clap::error::ErrorKind;

/// Where the words for tapvault end and a shell's or a table's begin.
const ENDS: [&str; 8] = ["|", ";", ")", "<", ">", "`", " # ", "   "];

/// The code of a document: indented and fenced lines, and spans. What is between the marks was written by the program itself.
fn code(text: &str) -> Vec<String> {
    let own = match (text.split_once(BEGIN), text.split_once(END)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{after}"),
        (_, _) => text.to_owned(),
    };
    let mut fenced = false;
    let mut code = Vec::new();
    for line in own.lines() {
        let fence = line.starts_with("```");
        fenced ^= fence;
        if fenced || line.starts_with("    ") {
            code.push(line.trim().to_owned());
        } else {
            code.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    code
}

/// The calls of tapvault in a piece of code, as words.
fn calls(code: &str) -> Vec<Vec<String>> {
    let starts = code.match_indices("tapvault ").filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        before.is_none_or(|c| " (\"/".contains(c))
    });
    starts
        .map(|(at, _)| {
            let rest = &code[at..];
            let end = ENDS.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
            // A quote that was opened before the call ends it too.
            let call = rest[..end].trim_end_matches('"');
            call.split_whitespace().map(str::to_owned).collect()
        })
        .filter(|words: &Vec<String>| words.get(1).is_some_and(|word| word != "..."))
        // Not a call but a label that keys are derived with: docs/format.md.
        .filter(|words| words.last().is_none_or(|word| word != "v1"))
        .collect()
}

#[test]
fn calls_are_found_where_a_reader_sees_them() {
    let found = |code: &str| calls(code).iter().map(|words| words.join(" ")).collect::<Vec<_>>();
    assert_eq!(
        found("$ tapvault exec prod -- env | grep AWS"),
        ["tapvault exec prod -- env"]
    );
    assert_eq!(
        found("source <(tapvault completion bash)      # bash"),
        ["tapvault completion bash"]
    );
    assert_eq!(
        found("credential_process = /usr/bin/tapvault export prod"),
        ["tapvault export prod"]
    );
    assert!(found("PS1=tapvault; aws-tapvault x; tapvault: no-key: x").is_empty());
}

#[test]
fn every_call_of_tapvault_in_the_documents_is_one_that_it_takes() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for name in documents() {
        for words in code(&read(&name)).iter().flat_map(|code| calls(code)) {
            count += 1;
            if let Err(error) = tapvault::cli::command().try_get_matches_from(&words)
                && !matches!(
                    error.kind(),
                    // A sentence may name a command without all of its arguments.
                    ErrorKind::MissingRequiredArgument | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                )
            {
                wrong.push(format!(
                    "{name}: {}\n  {}",
                    words.join(" "),
                    error.to_string().lines().next().unwrap_or_default()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 50, "only {count} calls were found");
}
