//! Changes to a config file that leave everything else as it was: comments, order, blocks and line ends.
//!
//! What is written is read back before it counts; where SDKs and AWS CLI would read it differently it is refused. Putting
//! the bytes on disk is left to the caller.

use std::ops::Range;

use zeroize::Zeroizing;

use super::error::shown;
use super::fault::Problem;
use super::header::{self, COMMENT, FileKind, is_identifier, trim};
use super::name::ProfileName;
use super::origin::Place;
use super::text::{ConfigText, Line, LineKind, Property};

/// Why a change can't be made; the text is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// A key with characters that not everybody reads.
    #[error("{} can't be a key: letters, digits, '_', '-' and '.' only", shown(.0))]
    Key(String),
    /// A value that would not be read back: a line end, blanks at its ends, or ` #` and ` ;`, which begin a comment.
    #[error(
        "the value for {key} can't be written so that it is read back: no line ends, no blanks around it, no ' #' or ' ;'"
    )]
    Value {
        /// The key.
        key: String,
    },
    /// A name that this file can't hold.
    #[error("{} can't be the name of a section in {file}", shown(.name.as_str()))]
    Name {
        /// The name.
        name: ProfileName,
        /// The file.
        file: String,
    },
    /// The profile has a line that can't be read; what a change would do to it is anybody's guess.
    #[error("{}: {}", .0.place, .0.fault)]
    Malformed(Problem),
    /// Another value stands there, and nobody said that it may go.
    #[error("{place}: the profile has another {key} already")]
    Taken {
        /// The key.
        key: &'static str,
        /// Its line.
        place: Place,
    },
    /// A section of this name is there already: the AWS CLI refuses a file that has it twice.
    #[error("{place}: there is a profile {} already", shown(.name.as_str()))]
    Exists {
        /// The name.
        name: ProfileName,
        /// Its header.
        place: Place,
    },
}

impl ConfigText {
    /// Sets `key` of a profile. The line that counts is changed in place; a new key goes below the profile's last one, a new
    /// profile to the end of the file.
    ///
    /// # Errors
    /// When it could not be read back; nothing is changed then.
    pub fn set(&mut self, name: &ProfileName, key: &str, value: &str) -> Result<(), EditError> {
        check_value(key, value)?;
        let sections = self.sections_of(name)?;
        let Some(&last) = sections.last() else {
            return self.append(name, &[(key, value)]);
        };
        let edit = match self.last_property(&sections, key) {
            Some(property) => self.replaced(&property, value),
            None => self.inserted(last, &format!("{key} = {value}")),
        };
        self.apply(vec![edit], |text| {
            let sections = text.sections_of(name).unwrap_or_default();
            text.last_property(&sections, key)
                .is_some_and(|read| read.value() == value)
        })
        .ok_or_else(|| EditError::Value { key: key.to_owned() })
    }

    /// Removes `key` from a profile, wherever it stands, with the indented lines below it. Says whether it was there.
    ///
    /// # Errors
    /// When the profile has a line that can't be read.
    pub fn remove(&mut self, name: &ProfileName, key: &str) -> Result<bool, EditError> {
        let sections = self.sections_of(name)?;
        let mut edits = Vec::new();
        for &section in &sections {
            for property in self.properties(&self.sections[section]) {
                if property.key.eq_ignore_ascii_case(key) {
                    edits.push(Edit::cut(self.lines[property.line].whole.clone()));
                    edits.extend(self.continuation_cuts(&property));
                }
            }
        }
        let found = !edits.is_empty();
        self.apply(edits, |text| {
            let sections = text.sections_of(name).unwrap_or_default();
            text.last_property(&sections, key).is_none()
        })
        .map(|()| found)
        .ok_or_else(|| EditError::Value { key: key.to_owned() })
    }

    /// Adds a profile at the end of the file.
    ///
    /// # Errors
    /// When it is there already, or could not be read back; nothing is changed then.
    pub fn append(&mut self, name: &ProfileName, settings: &[(&str, &str)]) -> Result<(), EditError> {
        for (key, value) in settings {
            check_value(key, value)?;
        }
        if let Some(&section) = self.sections_of(name)?.first() {
            return Err(EditError::Exists {
                name: name.clone(),
                place: self.place(self.sections[section].line),
            });
        }
        let refused = || EditError::Name {
            name: name.clone(),
            file: self.file().to_string(),
        };
        if self.kind() == FileKind::Credentials && !is_identifier(name.as_str()) {
            return Err(refused());
        }
        let refused = refused();
        let end = self.line_end();
        let mut new = String::new();
        if let Some(line) = self.lines.last() {
            new.push_str(self.missing_end(line));
            if line.kind != LineKind::Blank {
                new.push_str(end);
            }
        }
        new.push_str(&header::written(name, self.kind()));
        new.push_str(end);
        for (key, value) in settings {
            new.push_str(&format!("{key} = {value}{end}"));
        }
        let at = self.bytes.len();
        let edit = Edit {
            range: at..at,
            new: new.into_bytes(),
        };
        self.apply(vec![edit], |text| {
            let sections = text.sections_of(name).unwrap_or_default();
            let read = |key: &str| text.last_property(&sections, key).map(|read| read.value());
            sections.len() == 1 && settings.iter().all(|(key, value)| read(key).as_deref() == Some(value))
        })
        .ok_or(refused)
    }

    /// Puts `key = value` where the first of `old` stands, and removes all of `old`. Comments behind them get lines of their own.
    ///
    /// # Errors
    /// [`EditError::Taken`] when `key` has another value; nothing is changed then.
    pub(super) fn supersede(
        &mut self,
        name: &ProfileName,
        old: &[&str],
        key: &'static str,
        value: &str,
    ) -> Result<(), EditError> {
        let sections = self.sections_of(name)?;
        let there = self.last_property(&sections, key);
        let mut missing = match there {
            Some(property) if property.value() == value => false,
            Some(property) => {
                return Err(EditError::Taken {
                    key,
                    place: property.place(),
                });
            }
            None => true,
        };
        let mut edits = Vec::new();
        for &section in &sections {
            for property in self.properties(&self.sections[section]) {
                if old.iter().any(|old| property.key.eq_ignore_ascii_case(old)) {
                    let mut new = self.comment_behind(&property);
                    if std::mem::take(&mut missing) {
                        new.extend_from_slice(format!("{key} = {value}{}", self.line_end()).as_bytes());
                    }
                    edits.push(Edit {
                        range: self.lines[property.line].whole.clone(),
                        new,
                    });
                    edits.extend(self.continuation_cuts(&property));
                }
            }
        }
        self.apply(edits, |text| {
            let sections = text.sections_of(name).unwrap_or_default();
            let is = |key: &str| text.last_property(&sections, key).map(|read| read.value());
            is(key).as_deref() == Some(value) && old.iter().all(|old| is(old).is_none())
        })
        .ok_or_else(|| EditError::Value { key: key.to_owned() })
    }

    /// The comment behind a value, as a line of its own; nothing if there is none.
    fn comment_behind(&self, property: &Property<'_>) -> Vec<u8> {
        let whole = self.lines[property.line].whole.clone();
        let LineKind::Key { value, .. } = &self.lines[property.line].kind else {
            unreachable!("a property stands on a key's line");
        };
        let behind = &self.bytes[value.end..whole.end];
        let behind = String::from_utf8_lossy(&behind[..behind.len() - line_end_length(behind)]).into_owned();
        match trim(&behind) {
            "" => Vec::new(),
            comment => format!("{comment}{}", self.line_end()).into_bytes(),
        }
    }

    /// The sections that make up a profile, by index.
    fn sections_of(&self, name: &ProfileName) -> Result<Vec<usize>, EditError> {
        let found = self.profiles().filter(|(_, found)| *found == name.as_str());
        let sections: Vec<usize> = found.map(|(at, _)| at).collect();
        let spoiled = |problem: &&Problem| problem.section.is_some_and(|at| sections.contains(&at));
        match self.problems().iter().find(spoiled) {
            Some(problem) => Err(EditError::Malformed(problem.clone())),
            None => Ok(sections),
        }
    }

    /// The line that counts for `key`.
    fn last_property(&self, sections: &[usize], key: &str) -> Option<Property<'_>> {
        let all = sections.iter().flat_map(|&at| self.properties(&self.sections[at]));
        all.filter(|property| property.key.eq_ignore_ascii_case(key)).last()
    }

    /// A key's line with another value; its indented lines go.
    fn replaced(&self, property: &Property<'_>, value: &str) -> Edit {
        let whole = self.lines[property.line].whole.clone();
        let line = &self.bytes[whole.clone()];
        let LineKind::Key { key, value: old_value } = &self.lines[property.line].kind else {
            unreachable!("a property stands on a key's line");
        };
        let mut new = Vec::new();
        let ending = &line[line.len() - line_end_length(line)..];
        // The AWS CLI takes a comment behind a value for a part of it, so the comment moves to a line of its own.
        let behind = String::from_utf8_lossy(&self.bytes[old_value.end..whole.end - ending.len()]).into_owned();
        let behind = trim(&behind);
        if behind.starts_with(COMMENT) {
            new.extend_from_slice(&self.bytes[whole.start..key.start]);
            new.extend_from_slice(behind.as_bytes());
            new.extend_from_slice(self.line_end().as_bytes());
            new.extend_from_slice(&self.bytes[key.clone()]);
        } else {
            // With a byte order mark, if it is the file's first line.
            new.extend_from_slice(&self.bytes[whole.start..key.end]);
        }
        let between = &self.bytes[key.end..old_value.start];
        match property.first.is_empty() {
            true => new.extend_from_slice(b" = "),
            false => new.extend_from_slice(between),
        }
        new.extend_from_slice(value.as_bytes());
        new.extend_from_slice(ending);
        // Comments and blank lines among the indented ones stay.
        let last = property.line + property.extent;
        for line in &self.lines[property.line + 1..=last] {
            if !matches!(line.kind, LineKind::Continuation(_)) {
                new.extend_from_slice(&self.bytes[line.whole.clone()]);
            }
        }
        Edit {
            range: whole.start..self.lines[last].whole.end,
            new,
        }
    }

    /// A line below a section's last key, or below its header.
    fn inserted(&self, section: usize, line: &str) -> Edit {
        let section = &self.sections[section];
        let last_key = self
            .properties(section)
            .last()
            .map(|property| property.line + property.extent);
        let above = &self.lines[last_key.unwrap_or(section.line)];
        let new = match self.missing_end(above) {
            "" => format!("{line}{}", self.line_end()),
            // A file without a line end at its end keeps it so.
            end => format!("{end}{line}"),
        };
        let above = &above.whole;
        Edit {
            range: above.end..above.end,
            new: new.into_bytes(),
        }
    }

    fn continuation_cuts(&self, property: &Property<'_>) -> impl Iterator<Item = Edit> {
        let lines = &self.lines[property.line + 1..=property.line + property.extent];
        let continuations = lines
            .iter()
            .filter(|line| matches!(line.kind, LineKind::Continuation(_)));
        continuations.map(|line| Edit::cut(line.whole.clone()))
    }

    /// Makes the changes (in order, apart from each other) if the outcome passes `check`; else `None`, and nothing happened.
    fn apply(&mut self, edits: Vec<Edit>, check: impl FnOnce(&ConfigText) -> bool) -> Option<()> {
        // Made once in its full length: a buffer that moved would leave a copy of what may be secret.
        let length = self.bytes.len() + edits.iter().map(|edit| edit.new.len()).sum::<usize>();
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        let mut from = 0;
        for edit in edits {
            bytes.extend_from_slice(&self.bytes[from..edit.range.start]);
            bytes.extend_from_slice(&edit.new);
            from = edit.range.end;
        }
        bytes.extend_from_slice(&self.bytes[from..]);
        let text = ConfigText::of(self.file().clone(), self.kind(), bytes);
        // A change that spoils a line is none that was asked for.
        if text.problems().len() > self.problems().len() || !check(&text) {
            return None;
        }
        *self = text;
        Some(())
    }

    /// What a line lacks of its end: only the last one can lack anything.
    fn missing_end(&self, line: &Line) -> &'static str {
        match &self.bytes[line.whole.clone()] {
            [.., b'\n'] => "",
            [.., b'\r'] => "\n",
            _ => self.line_end(),
        }
    }

    /// The file's line end: that of its first line.
    fn line_end(&self) -> &'static str {
        match self.lines.first() {
            Some(line) if self.bytes[line.whole.clone()].ends_with(b"\r\n") => "\r\n",
            Some(_) | None => "\n",
        }
    }
}

/// Bytes for a range of bytes.
struct Edit {
    range: Range<usize>,
    new: Vec<u8>,
}

impl Edit {
    fn cut(range: Range<usize>) -> Self {
        Self { range, new: Vec::new() }
    }
}

/// Whether `key = value` would be read back by everybody.
pub(super) fn check_value(key: &str, value: &str) -> Result<(), EditError> {
    // Fewer than the SDKs take: the AWS CLI ends a key at ':' too.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if key.is_empty() || !key.bytes().all(plain) {
        return Err(EditError::Key(key.to_owned()));
    }
    // The AWS CLI trims every kind of blank, the SDKs two of them.
    if value.trim() != value || value.chars().any(char::is_control) {
        return Err(EditError::Value { key: key.to_owned() });
    }
    Ok(())
}

fn line_end_length(line: &[u8]) -> usize {
    match line {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n' | b'\r'] => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
