//! Words as a POSIX shell splits them: quotes and backslashes, nothing expanded.
//!
//! Section headers need it because the AWS CLI reads them so (`[profile "my prof"]`), and `chain` needs it to see what a
//! `credential_process` would start.

/// The words of `text`; `None` when a quote is never closed.
pub fn split(text: &str) -> Option<Vec<String>> {
    Some(scan(text, false)?.into_iter().flatten().collect())
}

/// The simple commands of a shell line, each as its words: split at `;`, `&`, `|`, parentheses and line ends outside quotes.
/// `None` when a quote is never closed.
pub fn commands(text: &str) -> Option<Vec<Vec<String>>> {
    Some(
        scan(text, true)?
            .into_iter()
            .filter(|words| !words.is_empty())
            .collect(),
    )
}

/// `word` so that [`split`], a shell and Python's `shlex` read it back as one word. `None` when it has a control character,
/// which no line of a config can hold.
pub fn quoted(word: &str) -> Option<String> {
    if word.chars().any(char::is_control) {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./+:@%,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return Some(word.to_owned());
    }
    // Nothing is special between single quotes, to none of them.
    Some(format!("'{}'", word.replace('\'', r"'\''")))
}

/// `word` at the end of a command that a person may copy from a message. What no line can hold is shown only.
pub fn in_command(word: &str) -> String {
    let quoted = quoted(word).unwrap_or_else(|| format!("{word:?}"));
    if word.starts_with('-') {
        format!("-- {quoted}")
    } else {
        quoted
    }
}

fn scan(text: &str, operators: bool) -> Option<Vec<Vec<String>>> {
    let mut commands = vec![Vec::new()];
    let mut words = Vec::new();
    // `None` between words: `""` is a word, nothing is not.
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            ';' | '&' | '|' | '(' | ')' | '\n' if operators => {
                words.extend(word.take());
                commands.push(std::mem::take(&mut words));
            }
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    commands.push(words);
    Some(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_join_and_keep() {
        assert_eq!(split(r#"profile "my prof""#).unwrap(), ["profile", "my prof"]);
        assert_eq!(
            split(r#"a'b c'd "x\"y\z" e\ f '' "#).unwrap(),
            ["ab cd", r#"x"y\z"#, "e f", ""]
        );
        assert_eq!(split("a;b").unwrap(), ["a;b"]);
    }

    #[test]
    fn a_quoted_word_is_read_back() {
        for word in [
            "/usr/bin/tapvault",
            "/home/Ana B/it's $HOME/\"x\"/tapvault",
            "",
            "a\\b`c`",
        ] {
            let quoted = quoted(word).unwrap();
            assert_eq!(split(&quoted).unwrap(), [word], "{quoted}");
        }
        assert_eq!(quoted("/usr/bin/tapvault").unwrap(), "/usr/bin/tapvault");
        assert_eq!(quoted("a\nb"), None);
    }

    #[test]
    fn a_word_in_a_message_garbles_no_terminal() {
        assert_eq!(in_command("it's prod"), r"'it'\''s prod'");
        assert_eq!(in_command("--force"), "-- --force");
        assert_eq!(in_command("a\x1b[2Jb"), r#""a\u{1b}[2Jb""#);
    }

    #[test]
    fn an_open_quote_is_no_word() {
        for text in ["it's", "a \"b", "a\\"] {
            assert_eq!(split(text), None, "{text}");
        }
    }

    #[test]
    fn shell_lines_fall_into_commands() {
        assert_eq!(
            commands("cd /x && tool 'a;b' | jq .; exit").unwrap(),
            [vec!["cd", "/x"], vec!["tool", "a;b"], vec!["jq", "."], vec!["exit"]]
        );
    }
}
