//! An access key from somewhere else than the keyboard: the environment, lines of a credentials file, the console's CSV.

use crate::context::Env;
use crate::credential::AccessKey;
use crate::credential::csv::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;
use std::io::Read;
use zeroize::Zeroizing;

/// More than any of the forms. In bytes.
const LONGEST: usize = 64 << 10;

/// From `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
pub fn from_env(env: &Env) -> Result<AccessKey> {
    let get = |name: &str| {
        env.text(name)
            .ok_or_else(|| Error::new(ErrorKind::Usage, format!("{name} is not set")))
    };
    let key = AccessKey::parse(
        get("AWS_ACCESS_KEY_ID")?,
        SecretText::copy_of(get("AWS_SECRET_ACCESS_KEY")?),
    )?;
    Ok(key)
}

/// From standard input.
pub fn from_stdin() -> Result<AccessKey> {
    // Filled once and wiped; a buffer that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    std::io::stdin()
        .lock()
        .take(LONGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|err| Error::new(ErrorKind::Other, format!("reading standard input: {err}")))?;
    if bytes.len() > LONGEST {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("standard input has more than {LONGEST} bytes; that is no access key"),
        ));
    }
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Error::new(ErrorKind::Usage, "standard input is not UTF-8 text"))?;
    parse(text)
}

/// Lines such as `aws_access_key_id = AKIA...` (also `export AWS_ACCESS_KEY_ID=...`), the console's CSV, or two bare lines.
fn parse(text: &str) -> Result<AccessKey> {
    let text = text.trim_start_matches('\u{feff}');
    if let Some(table) = Table::parse(text)? {
        let mut filled = table.rows().filter(|row| !row.id.is_empty() && !row.secret.is_empty());
        if let Some(row) = filled.next() {
            if filled.next().is_some() {
                return Err(Error::new(ErrorKind::Usage, "standard input holds several access keys")
                    .hint("from a file they can all be taken: tapvault import csv FILE"));
            }
            return AccessKey::parse(row.id, SecretText::copy_of(row.secret));
        }
    }
    match from_lines(text).or_else(|| from_bare(text)) {
        Some((id, secret)) => AccessKey::parse(id, SecretText::copy_of(secret)),
        None => Err(Error::new(ErrorKind::Usage, "standard input holds no access key in a form that is known")
            .hint("known are: aws_access_key_id = ... and aws_secret_access_key = ... lines, the console's CSV, or the two on a line each")),
    }
}

fn from_lines(text: &str) -> Option<(&str, &str)> {
    let value = |wanted: &str| {
        text.lines().find_map(|line| {
            let line = line.trim();
            let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
            let value = value.trim();
            let unquoted = value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'))
                .or_else(|| value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')));
            name.trim()
                .eq_ignore_ascii_case(wanted)
                .then_some(unquoted.unwrap_or(value))
        })
    };
    Some((value("aws_access_key_id")?, value("aws_secret_access_key")?))
}

fn from_bare(text: &str) -> Option<(&str, &str)> {
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    match words[..] {
        [id, secret] if id.starts_with("AKIA") => Some((id, secret)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    #[test]
    fn every_form_that_people_have_is_read() {
        for text in [
            format!("[prod]\naws_access_key_id = {ID}\naws_secret_access_key={SECRET}\n"),
            format!("export AWS_ACCESS_KEY_ID='{ID}'\nexport AWS_SECRET_ACCESS_KEY=\"{SECRET}\"\n"),
            format!("\u{feff}Access key ID,Secret access key\r\n{ID},{SECRET}\r\n"),
            format!(
                "User name,Password,Access key ID,Secret access key,Console login link\nana,,{ID},{SECRET},https://x\n"
            ),
            format!("\"Access key ID\",\"Secret access key\"\n\"{ID}\",\"{SECRET}\"\n"),
            format!("{ID}\n{SECRET}\n"),
        ] {
            let key = parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((key.id.as_str(), key.secret.expose()), (ID, SECRET), "{text}");
        }
    }

    #[test]
    fn a_csv_with_several_keys_is_not_guessed_from() {
        let error = parse(&format!(
            "Access key ID,Secret access key\n{ID},{SECRET}\n{ID},{SECRET}\n"
        ))
        .err()
        .expect("refused");
        assert!(error.hints()[0].contains("tapvault import csv"), "{error}");
    }

    #[test]
    fn anything_else_is_refused_without_being_shown() {
        for text in [
            "",
            "hunter2",
            "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
            "Access key ID,Secret access key\n,hunter2\n",
        ] {
            let error = parse(text).err().expect("refused");
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
