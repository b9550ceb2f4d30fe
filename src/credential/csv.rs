//! The files in which the IAM console hands out access keys: a line of titles, then a line for each user.
//!
//! Three generations of them are about: `accessKeys.csv` with two columns, `credentials.csv` with the user's name and more, and
//! `rootkey.csv`, which once was two lines `AWSAccessKeyId=...`. A spreadsheet may have saved them anew, with another separator.

use crate::error::{Error, ErrorKind, Result};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use zeroize::Zeroizing;

/// One row that has a key, or half of one. Its text is borrowed from a buffer that is wiped.
pub struct Row<'a> {
    /// Its line, as a person counts.
    pub line: u64,
    /// `User name`, if there is such a column and it is filled.
    pub user: Option<&'a str>,
    /// `Access key ID`; may be empty.
    pub id: &'a str,
    /// `Secret access key`; may be empty.
    pub secret: &'a str,
}

/// The cells of a file, in buffers that are wiped.
pub struct Table {
    cells: Zeroizing<Vec<u8>>,
    records: Vec<Record>,
    columns: Columns,
}

struct Record {
    line: u64,
    /// Where each cell ends in the buffer; the first one begins at `start`.
    ends: Vec<usize>,
    start: usize,
}

struct Columns {
    user: Option<usize>,
    id: usize,
    secret: usize,
}

/// No key file has more columns.
const MOST_COLUMNS: usize = 64;

impl Table {
    /// Reads `text`; `None` when no line of titles names the two halves of a key.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when a row can't be taken apart: it has more columns than any such file.
    pub fn parse(text: &str) -> Result<Option<Table>> {
        for separator in [b',', b';', b'\t'] {
            if let Some(table) = Self::separated(text, separator)? {
                return Ok(Some(table));
            }
        }
        Ok(Self::root_key(text))
    }

    /// The rows with something of a key in them, and how many had nothing.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.records.iter().map(|record| {
            let cell = |column: usize| self.cell(record, column);
            Row {
                line: record.line,
                user: self.columns.user.map(cell).filter(|user| !user.is_empty()),
                id: cell(self.columns.id),
                secret: cell(self.columns.secret),
            }
        })
    }

    fn cell(&self, record: &Record, column: usize) -> &str {
        let Some(&end) = record.ends.get(column) else {
            return "";
        };
        let start = match column.checked_sub(1) {
            Some(before) => record.ends[before],
            None => record.start,
        };
        // Cut at ASCII separators, so still UTF-8.
        std::str::from_utf8(&self.cells[start..end]).unwrap_or_default().trim()
    }

    fn separated(text: &str, separator: u8) -> Result<Option<Table>> {
        let mut reader = ReaderBuilder::new().delimiter(separator).build();
        // Never more than the text itself, so that nothing has to grow and leave a copy behind.
        let mut table = Table {
            cells: Zeroizing::new(vec![0; text.len() + 1]),
            records: Vec::new(),
            columns: Columns {
                user: None,
                id: 0,
                secret: 0,
            },
        };
        let mut rest = text.as_bytes();
        let (mut used, mut line) = (0, 1);
        let mut titles = true;
        while let Some(record) = record(&mut reader, &mut rest, &mut line, &mut table.cells, &mut used)? {
            if titles {
                let Some(columns) = columns(&table, &record) else {
                    return Ok(None);
                };
                table.columns = columns;
                titles = false;
            } else {
                table.records.push(record);
            }
        }
        Ok((!titles).then_some(table))
    }

    /// `AWSAccessKeyId=AKIA...` and `AWSSecretKey=...`, a line each.
    fn root_key(text: &str) -> Option<Table> {
        let value = |name: &str| {
            let mut lines = text.trim_start_matches('\u{feff}').lines();
            lines.find_map(|line| Some(line.trim().strip_prefix(name)?.strip_prefix('=')?.trim()))
        };
        let (id, secret) = (value("AWSAccessKeyId")?, value("AWSSecretKey")?);
        let mut cells = Zeroizing::new(Vec::with_capacity(id.len() + secret.len()));
        cells.extend_from_slice(id.as_bytes());
        cells.extend_from_slice(secret.as_bytes());
        let ends = vec![id.len(), cells.len()];
        Some(Table {
            cells,
            records: vec![Record {
                line: 1,
                ends,
                start: 0,
            }],
            columns: Columns {
                user: None,
                id: 0,
                secret: 1,
            },
        })
    }
}

/// The next record; `None` at the end of the text. `next` is the line that `rest` begins in.
fn record(
    reader: &mut Reader,
    rest: &mut &[u8],
    next: &mut u64,
    cells: &mut [u8],
    used: &mut usize,
) -> Result<Option<Record>> {
    // The reader skips empty lines, and counts a line only when the next record has begun.
    let ends = |byte: &&u8| **byte == b'\n';
    let empty = rest.iter().take_while(|byte| b"\r\n".contains(byte)).count();
    let (skipped, text) = rest.split_at(empty);
    *next += skipped.iter().filter(ends).count() as u64;
    *rest = text;
    let line = *next;
    let start = *used;
    let mut cuts = [0; MOST_COLUMNS];
    let mut columns = 0;
    loop {
        let (outcome, read, written, ended) = reader.read_record(rest, &mut cells[*used..], &mut cuts[columns..]);
        *next += rest[..read].iter().filter(ends).count() as u64;
        *rest = &rest[read..];
        *used += written;
        columns += ended;
        match outcome {
            // The empty rest says that the text is at its end.
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::Record => {
                let ends = cuts[..columns].iter().map(|end| start + end).collect();
                return Ok(Some(Record { line, ends, start }));
            }
            ReadRecordResult::End => return Ok(None),
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!("line {line} has more than {MOST_COLUMNS} columns; no file of access keys has"),
                ));
            }
        }
    }
}

fn columns(table: &Table, titles: &Record) -> Option<Columns> {
    // "Access key ID", "Access Key Id", "AWSAccessKeyId": the console has changed its mind more than once.
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let names: Vec<String> = (0..titles.ends.len())
        .map(|column| plain(table.cell(titles, column)))
        .collect();
    let column = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
    Some(Columns {
        user: column(&["username", "user"]),
        id: column(&["accesskeyid", "awsaccesskeyid"])?,
        secret: column(&["secretaccesskey", "awssecretaccesskey", "awssecretkey"])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(u64, Option<String>, String, String)> {
        let table = Table::parse(text).expect("read").expect("a table");
        table
            .rows()
            .map(|row| (row.line, row.user.map(str::to_owned), row.id.into(), row.secret.into()))
            .collect()
    }

    #[test]
    fn every_form_that_the_console_ever_gave_is_read() {
        let key = |user: Option<&str>| vec![(2, user.map(str::to_owned), "AKIA1".to_owned(), "s,e\"c".to_owned())];
        for (text, user) in [
            (
                "\u{feff}Access key ID,Secret access key\r\nAKIA1,\"s,e\"\"c\"\r\n",
                None,
            ),
            ("Access key ID,Secret access key\nAKIA1,\"s,e\"\"c\"", None),
            (
                "User name,Password,Access key ID,Secret access key,Console login link\nana,,AKIA1,\"s,e\"\"c\",https://x\n",
                Some("ana"),
            ),
            (
                "\"User Name\",\"Access Key Id\",\"Secret Access Key\"\r\n\"ana\",\"AKIA1\",\"s,e\"\"c\"\r\n",
                Some("ana"),
            ),
            (
                "User name;Access key ID;Secret access key\nana;AKIA1;\"s,e\"\"c\"\n",
                Some("ana"),
            ),
            ("Access key ID\tSecret access key\nAKIA1\t\"s,e\"\"c\"\n", None),
        ] {
            assert_eq!(rows(text), key(user), "{text}");
        }
        let root = rows("AWSAccessKeyId=AKIA1\r\nAWSSecretKey=s/e+c=\r\n");
        assert_eq!(root, [(1, None, "AKIA1".into(), "s/e+c=".into())]);
    }

    #[test]
    fn rows_of_any_length_keep_their_lines() {
        let text = "User name,Access key ID,Secret access key\nana,A,S\n\nben\nmallory,,,,,,\n\"cy\nd\",B,T\n";
        let rows = rows(text);
        let short: Vec<_> = rows
            .iter()
            .map(|(_, user, id, _)| (user.as_deref(), id.as_str()))
            .collect();
        assert_eq!(
            short,
            [
                (Some("ana"), "A"),
                (Some("ben"), ""),
                (Some("mallory"), ""),
                (Some("cy\nd"), "B")
            ]
        );
        assert_eq!(rows[0].0, 2);
    }

    #[test]
    fn what_is_no_such_file_is_none_and_too_many_columns_are_an_error() {
        for text in ["", "\n\n", "hunter2", "a,b\nc,d\n", "Access key ID\nAKIA1\n"] {
            assert!(Table::parse(text).expect("read").is_none(), "{text}");
        }
        let wide = format!("Access key ID,Secret access key\n{}\n", "x,".repeat(100));
        let error = Table::parse(&wide).err().expect("refused");
        assert!(error.to_string().contains("64 columns"), "{error}");
    }
}
