//! Section headers: what kind of section, and whose.
//!
//! The rules are those of the AWS SDKs, and quoted names as the AWS CLI reads them (botocore splits headers like a shell).

use super::name::ProfileName;
use super::words;

/// Which of the two files: they name their sections differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `~/.aws/config`: `[profile NAME]`, `[default]`, `[services NAME]`, `[sso-session NAME]`.
    Config,
    /// `~/.aws/credentials`: `[NAME]`, and nothing but profiles.
    Credentials,
}

/// What a header announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// A profile.
    Profile {
        /// Its name.
        name: String,
        /// With the word `profile`? `[profile default]` silences `[default]`.
        prefix: Prefix,
    },
    /// `[sso-session NAME]`: read, not used yet.
    SsoSession(String),
    /// `[services NAME]`: endpoints by service.
    Services(String),
    /// A section that the SDKs pass over: another kind, or a name they don't take.
    Ignored,
}

/// Whether a profile's header has the word `profile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `[profile NAME]`.
    Profile,
    /// `[NAME]`.
    None,
}

/// A header line taken apart: what is between the brackets, and whether the second bracket is there.
pub(super) struct Brackets<'a> {
    pub inner: &'a str,
    pub closed: bool,
}

/// Finds the brackets of a line that begins with `[`, leaving out a comment after them.
pub(super) fn brackets(line: &str) -> Brackets<'_> {
    let body = line.strip_prefix('[').unwrap_or(line);
    // `#` and `;` end a header even without a blank before them, except inside a quoted name.
    let end = comment_outside_quotes(body).unwrap_or_else(|| body.find(COMMENT).unwrap_or(body.len()));
    let body = trim(&body[..end]);
    match body.strip_suffix(']') {
        Some(inner) => Brackets { inner, closed: true },
        None => Brackets {
            inner: body,
            closed: false,
        },
    }
}

impl Header {
    /// Reads what is between the brackets.
    pub fn parse(inner: &str, kind: FileKind) -> Header {
        let inner = trim(inner);
        let (prefix, name) = match inner.split_once(BLANK) {
            Some((prefix, name)) => (Some(trim(prefix).to_owned()), trim(name).to_owned()),
            None => (None, inner.to_owned()),
        };
        let (prefix, name) = if is_identifier(&name) {
            (prefix, name)
        } else {
            match quoted(inner) {
                Some((prefix, name)) => (Some(prefix), name),
                None => return Header::Ignored,
            }
        };
        match (kind, prefix.as_deref()) {
            (FileKind::Config, None) if name == "default" => Header::Profile {
                name,
                prefix: Prefix::None,
            },
            (FileKind::Config, Some("profile")) => Header::Profile {
                name,
                prefix: Prefix::Profile,
            },
            (FileKind::Config, Some("sso-session")) => Header::SsoSession(name),
            (FileKind::Config, Some("services")) => Header::Services(name),
            (FileKind::Credentials, None) if !name.is_empty() => Header::Profile {
                name,
                prefix: Prefix::None,
            },
            (FileKind::Config | FileKind::Credentials, _) => Header::Ignored,
        }
    }
}

/// The name that a header was perhaps meant to give, when [`Header::parse`] passed it over.
pub(super) fn meant(inner: &str) -> &str {
    let inner = trim(inner);
    match inner.split_once(BLANK) {
        Some(("profile", name)) => trim(name),
        Some(_) | None => inner,
    }
}

/// The header line that the AWS CLI and, where the name allows it, the SDKs read back as this profile.
pub(super) fn written(name: &ProfileName, kind: FileKind) -> String {
    match kind {
        FileKind::Config if name.is_default() => "[default]".to_owned(),
        FileKind::Config if is_identifier(name.as_str()) => format!("[profile {name}]"),
        FileKind::Config => {
            let quoted = name.as_str().replace('\\', r"\\").replace('"', "\\\"");
            format!("[profile \"{quoted}\"]")
        }
        FileKind::Credentials => format!("[{name}]"),
    }
}

/// Blanks as the SDKs know them: no others separate or get trimmed.
pub(super) const BLANK: [char; 2] = [' ', '\t'];

/// What begins a comment.
pub(super) const COMMENT: [char; 2] = ['#', ';'];

/// Without blanks at either end.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(BLANK)
}

/// A name or key that every SDK takes: letters, digits and `_ - / . % @ : +`.
pub(super) fn is_identifier(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-/.%@:+".contains(&byte))
        && !text.is_empty()
}

/// `KIND "NAME"`, as a shell would split it; `None` when nothing is quoted, when it is not exactly two words, or when the name
/// can't be one.
fn quoted(inner: &str) -> Option<(String, String)> {
    if !inner.contains(['"', '\'', '\\']) {
        return None;
    }
    let [prefix, name] = <[String; 2]>::try_from(words::split(inner)?).ok()?;
    name.parse::<ProfileName>().ok()?;
    Some((prefix, name))
}

/// Where a comment begins outside quotes (the end of the text if there is none); `None` when no quote is used or one is
/// left open, so that the plain rule holds.
fn comment_outside_quotes(body: &str) -> Option<usize> {
    let mut open: Option<char> = None;
    let mut seen = false;
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match open {
            Some(_) if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(quote) if c == quote => open = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => {
                open = Some(c);
                seen = true;
            }
            None if COMMENT.contains(&c) => return seen.then_some(at),
            None => {}
        }
    }
    (seen && open.is_none()).then_some(body.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(line: &str) -> Option<String> {
        let found = brackets(line);
        match Header::parse(found.inner, FileKind::Config) {
            Header::Profile { name, .. } if found.closed => Some(name),
            _ => None,
        }
    }

    #[test]
    fn quoted_names_are_read_as_the_cli_reads_them() {
        assert_eq!(profile(r#"[profile "my prof"]"#).unwrap(), "my prof");
        assert_eq!(profile("[profile 'a # b'] # note").unwrap(), "a # b");
        assert_eq!(profile(r#"[profile "say \"hi\""]"#).unwrap(), "say \"hi\"");
        assert_eq!(profile(r"[profile my\ prof]").unwrap(), "my prof");
        assert_eq!(profile(r#"[profile "plain"]"#).unwrap(), "plain");
    }

    #[test]
    fn names_that_the_cli_cannot_split_are_no_profiles() {
        for line in [
            "[profile it's]",
            "[profile a b]",
            "[profile \"\"]",
            "[profile]",
            "[]",
            "[Profile a]",
        ] {
            assert_eq!(profile(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for name in [
            "plain", "default", "my prof", "a\"b", r"a\b", "a#b", "a]b", "größe", "it's",
        ] {
            let name: ProfileName = name.parse().unwrap();
            let line = written(&name, FileKind::Config);
            assert_eq!(profile(&line).as_deref(), Some(name.as_str()), "{line}");
        }
    }
}
