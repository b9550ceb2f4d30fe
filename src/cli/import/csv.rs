//! The console's CSV as a source.

use super::harvest::{Asked, Because, Found, Harvest};
use crate::credential::AccessKey;
use crate::credential::csv::{Row, Table};
use crate::error::{Error, ErrorKind, Result, io};
use crate::profile::{ProfileName, words};
use crate::reading;
use crate::secret::SecretText;
use std::path::Path;
use zeroize::Zeroizing;

/// More than the console ever puts into one file. In bytes.
const LONGEST: u64 = 1 << 20;

/// Reads `file`; `names` are the profiles for its rows, or none.
///
/// # Errors
/// [`ErrorKind::Usage`] when it is no such file, or when it is not clear which profile a key is for.
pub fn harvest(file: &Path, names: &[ProfileName]) -> Result<Harvest> {
    let shown = file.display();
    let bytes = read(file)?;
    let usage = |text: String| Error::new(ErrorKind::Usage, text);
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| usage(format!("{shown} is not UTF-8 text")).hint("save it as CSV in UTF-8"))?;
    let table = Table::parse(text).map_err(|error| error.within(&shown))?.ok_or_else(|| {
        usage(format!("{shown} is no CSV of access keys")).hint(
            "its first line has to have the titles \"Access key ID\" and \"Secret access key\", as the IAM console writes them",
        )
    })?;
    // A user without an access key has a row too.
    let rows: Vec<Row<'_>> = table
        .rows()
        .filter(|row| !row.id.is_empty() || !row.secret.is_empty())
        .collect();
    if !names.is_empty() && names.len() != rows.len() {
        return Err(usage(format!(
            "{shown} has {} access keys, and {} profiles were named",
            rows.len(),
            names.len()
        ))
        .hint("name one for each row, in the order of the rows, or none: then each is called after its user"));
    }
    let mut harvest = Harvest::new(Asked::ByName);
    for (nth, row) in rows.iter().enumerate() {
        let place = format!("{shown}:{}", row.line);
        let profile = match (names.get(nth), row.user) {
            (Some(name), _) => name.clone(),
            (None, Some(user)) => user.parse().map_err(|err| usage(format!("{place}: {user:?}: {err}")))?,
            (None, None) => {
                return Err(
                    usage(format!("{place} does not say which user the key belongs to")).hint(format!(
                        "name the profile that it is for: tapvault import csv {} PROFILE",
                        words::in_command(&shown.to_string())
                    )),
                );
            }
        };
        if row.id.starts_with("ASIA") {
            harvest.leave(profile.as_str(), Because::Temporary);
            continue;
        }
        match AccessKey::parse(row.id, SecretText::copy_of(row.secret)) {
            Ok(key) => harvest.add(Found { profile, key, place }),
            Err(error) => harvest.leave(
                profile.as_str(),
                Because::Damaged(format!("{place}: {}", error.message())),
            ),
        }
    }
    Ok(harvest)
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = reading::read(file, LONGEST).map_err(|err| io("reading", file, &err))?;
    if bytes.len() as u64 > LONGEST {
        return Err(Error::new(
            ErrorKind::Usage,
            format!(
                "{} has more than {LONGEST} bytes; that is no file of access keys",
                file.display()
            ),
        ));
    }
    Ok(bytes)
}
