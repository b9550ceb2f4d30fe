//! A config file as its lines: nothing is lost, every value knows its line, and one bad line spoils one section.
//!
//! Reading never fails, whatever the bytes; what a line should have been is kept as a [`Problem`]. Which sections make up a
//! profile is left to [`super::config`], changing a line to [`super::edit`].

use std::ops::Range;
use std::sync::Arc;

use super::fault::{Fault, Problem};
use super::header::{self, BLANK, COMMENT, FileKind, Header, Prefix, trim};
use super::origin::Place;
use memchr::{memchr, memchr_iter, memchr2_iter};
use zeroize::Zeroizing;

/// A config or credentials file, line by line.
#[derive(Clone, Debug)]
pub struct ConfigText {
    file: Arc<str>,
    kind: FileKind,
    /// Wiped when it goes: a credentials file holds access keys.
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) lines: Vec<Line>,
    pub(super) sections: Vec<Section>,
    problems: Vec<Problem>,
}

/// One line: what it is, and where its bytes are.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub kind: LineKind,
    /// All of its bytes, the line end included.
    pub whole: Range<usize>,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
    Blank,
    Comment,
    Header,
    /// `key = value`, both trimmed; a comment after the value is left out.
    Key {
        key: Range<usize>,
        value: Range<usize>,
    },
    /// An indented line that goes on with the key before it, trimmed.
    Continuation(Range<usize>),
    Malformed,
}

/// A header and the lines up to the next one.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub header: Header,
    /// The header's line.
    pub line: usize,
    /// The lines below it.
    pub body: Range<usize>,
}

/// A key and its value in a section.
#[derive(Clone, Copy, Debug)]
pub struct Property<'a> {
    text: &'a ConfigText,
    /// The index of the key's line.
    pub(super) line: usize,
    /// How many continuation lines follow, blanks and comments among them included.
    pub(super) extent: usize,
    /// The key as it is written; keys are compared without regard to case.
    pub key: &'a str,
    /// What stands behind `=` on the key's line.
    pub first: &'a str,
}

impl<'a> Property<'a> {
    /// Where the key stands.
    pub fn place(&self) -> Place {
        self.text.place(self.line)
    }

    /// The indented lines that follow, with their places.
    pub fn continuations(&self) -> impl Iterator<Item = (&'a str, Place)> + use<'a> {
        let (text, first) = (self.text, self.line + 1);
        (first..first + self.extent).filter_map(move |line| match &text.lines[line].kind {
            LineKind::Continuation(span) => Some((text.slice(span), text.place(line))),
            _ => None,
        })
    }

    /// The whole value as the SDKs see it: the first line and its continuations, joined by line ends.
    pub fn value(&self) -> String {
        let mut value = self.first.to_owned();
        for (line, _) in self.continuations() {
            value.push('\n');
            value.push_str(line);
        }
        value
    }
}

impl ConfigText {
    /// Reads `bytes`; `file` is what errors and `explain` call it.
    pub fn parse(file: impl Into<Arc<str>>, kind: FileKind, bytes: Vec<u8>) -> Self {
        Self::of(file, kind, Zeroizing::new(bytes))
    }

    /// As [`ConfigText::parse`], for bytes that are wiped already.
    pub(super) fn of(file: impl Into<Arc<str>>, kind: FileKind, bytes: Zeroizing<Vec<u8>>) -> Self {
        let mut text = ConfigText {
            file: file.into(),
            kind,
            bytes,
            lines: Vec::new(),
            sections: Vec::new(),
            problems: Vec::new(),
        };
        text.read();
        text
    }

    /// The bytes, exactly as they were read or as they are after editing.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the file is called.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// Which of the two files this is.
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// Every line that can't be read, in order.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The sections of profiles by name, in order. `[profile default]` silences `[default]` altogether.
    pub(super) fn profiles(&self) -> impl Iterator<Item = (usize, &str)> {
        let prefixed = |section: &Section| matches!(&section.header, Header::Profile { name, prefix: Prefix::Profile } if name == "default");
        let silenced = self.sections.iter().any(prefixed);
        self.sections
            .iter()
            .enumerate()
            .filter_map(move |(at, section)| match &section.header {
                Header::Profile {
                    name,
                    prefix: Prefix::None,
                } if silenced && name == "default" => None,
                Header::Profile { name, .. } => Some((at, name.as_str())),
                Header::SsoSession(_) | Header::Services(_) | Header::Ignored => None,
            })
    }

    /// The header that was perhaps meant for `name` but is one that the SDKs pass over, such as `[NAME]` in the config file.
    pub(super) fn passed_over(&self, name: &str) -> Option<Place> {
        let mut ignored = self.sections.iter().filter(|section| section.header == Header::Ignored);
        let meant = ignored.find(|section| {
            let line = std::str::from_utf8(&self.bytes[self.lines[section.line].whole.clone()]).unwrap_or_default();
            header::meant(header::brackets(trim(line.trim_end_matches(['\r', '\n']))).inner) == name
        })?;
        Some(self.place(meant.line))
    }

    /// The keys of a section in order, those that the SDKs pass over (odd characters) included.
    pub(super) fn properties(&self, section: &Section) -> impl Iterator<Item = Property<'_>> {
        let body = section.body.clone();
        body.clone().filter_map(move |line| {
            let LineKind::Key { key, value } = &self.lines[line].kind else {
                return None;
            };
            Some(Property {
                text: self,
                line,
                extent: self.extent(line, body.end),
                key: self.slice(key),
                first: self.slice(value),
            })
        })
    }

    /// A line by index, as a person counts.
    pub(super) fn place(&self, line: usize) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line: line + 1,
        }
    }

    /// How many lines after `key` belong to it: up to the last continuation before something else begins.
    fn extent(&self, key: usize, end: usize) -> usize {
        let mut extent = 0;
        for (distance, line) in self.lines[key + 1..end].iter().enumerate() {
            match line.kind {
                LineKind::Continuation(_) => extent = distance + 1,
                LineKind::Blank | LineKind::Comment => {}
                LineKind::Header | LineKind::Key { .. } | LineKind::Malformed => break,
            }
        }
        extent
    }

    fn slice(&self, span: &Range<usize>) -> &str {
        std::str::from_utf8(&self.bytes[span.clone()]).expect("only lines that are UTF-8 get spans")
    }

    fn read(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut context = Context::Outside;
        let mut start = 0;
        self.lines.reserve_exact(memchr_iter(b'\n', &bytes).count() + 1);
        while start < bytes.len() {
            let end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at + 1);
            // A byte order mark is Windows' doing, not the first letter of a key.
            let from = if start == 0 && bytes.starts_with(b"\xEF\xBB\xBF") {
                3
            } else {
                start
            };
            let content = &bytes[from..end];
            let content = content.strip_suffix(b"\n").unwrap_or(content);
            // At the very end of a file, too: it was cut off between the two.
            let content = content.strip_suffix(b"\r").unwrap_or(content);
            let kind = self.classify(content, from, &mut context);
            self.lines.push(Line {
                kind,
                whole: start..end,
            });
            if let Some(section) = self.sections.last_mut() {
                section.body.end = self.lines.len();
            }
            start = end;
        }
        self.bytes = bytes;
    }

    /// What the line is, given what stood before it; problems and sections are noted on the way.
    fn classify(&mut self, line: &[u8], offset: usize, context: &mut Context) -> LineKind {
        let Some(&first) = line.iter().find(|byte| !b" \t".contains(byte)) else {
            return LineKind::Blank;
        };
        // Before UTF-8 is looked at: an old comment in Latin-1 does no harm.
        if COMMENT.contains(&char::from(line[0])) {
            return LineKind::Comment;
        }
        let text = match std::str::from_utf8(line) {
            Ok(text) => text,
            Err(_) => {
                if first == b'[' {
                    // Opened all the same, so that the keys below don't fall to the section above.
                    self.open(Header::Ignored);
                }
                *context = context.after_fault();
                return self.fault(Fault::NotUtf8);
            }
        };
        if text.starts_with('[') {
            let found = header::brackets(text);
            self.open(Header::parse(found.inner, self.kind));
            *context = Context::Section;
            // A header without its bracket still names the section that it spoils.
            return if found.closed {
                LineKind::Header
            } else {
                self.fault(Fault::OpenHeader)
            };
        }
        if text.starts_with(BLANK) {
            return match *context {
                Context::Outside => self.fault(Fault::NoSection),
                Context::Section => self.fault(Fault::Indented),
                // Said once, at the line that it goes on from.
                Context::Spoiled => LineKind::Malformed,
                Context::Key => LineKind::Continuation(span(line, trim(text), offset)),
                Context::Block => match split(text) {
                    Ok(_) => LineKind::Continuation(span(line, trim(text), offset)),
                    Err(Fault::NoKey) => self.fault(Fault::NestedNoKey),
                    Err(_) => self.fault(Fault::NestedNoEquals),
                },
            };
        }
        if matches!(context, Context::Outside) {
            return self.fault(Fault::NoSection);
        }
        match split(text) {
            Ok((key, value)) => {
                *context = if value.is_empty() { Context::Block } else { Context::Key };
                LineKind::Key {
                    key: span(line, key, offset),
                    value: span(line, value, offset),
                }
            }
            Err(fault) => {
                *context = Context::Spoiled;
                self.fault(fault)
            }
        }
    }

    fn open(&mut self, header: Header) {
        let line = self.lines.len();
        self.sections.push(Section {
            header,
            line,
            body: line + 1..line + 1,
        });
    }

    fn fault(&mut self, fault: Fault) -> LineKind {
        let place = self.place(self.lines.len());
        self.problems.push(Problem {
            place,
            fault,
            section: self.sections.len().checked_sub(1),
        });
        LineKind::Malformed
    }
}

/// What an indented line would belong to.
#[derive(Clone, Copy)]
enum Context {
    /// Above the first header.
    Outside,
    /// Below a header, no key yet.
    Section,
    /// Below a key with a value.
    Key,
    /// Below a key without a value: its lines have to be keys themselves.
    Block,
    /// Below a line that could not be read.
    Spoiled,
}

impl Context {
    fn after_fault(self) -> Self {
        match self {
            Context::Outside => Context::Outside,
            Context::Section | Context::Key | Context::Block | Context::Spoiled => Context::Spoiled,
        }
    }
}

/// `key = value` taken apart, without a comment behind it.
fn split(line: &str) -> Result<(&str, &str), Fault> {
    let (key, value) = uncommented(line).split_once('=').ok_or(Fault::NoEquals)?;
    match trim(key) {
        "" => Err(Fault::NoKey),
        key => Ok((key, trim(value))),
    }
}

/// Without the comment at its end, which needs a blank before it: `a#b` is a value.
fn uncommented(line: &str) -> &str {
    let line = trim(line);
    let [hash, semicolon] = COMMENT.map(|c| c as u8);
    memchr2_iter(hash, semicolon, line.as_bytes())
        .find(|&at| line[..at].ends_with(char::is_whitespace))
        .map_or(line, |at| trim(&line[..at]))
}

/// Where `part`, a slice of `line`, lies in the file.
fn span(line: &[u8], part: &str, offset: usize) -> Range<usize> {
    let start = offset + (part.as_ptr() as usize - line.as_ptr() as usize);
    start..start + part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ConfigText {
        ConfigText::parse("config", FileKind::Config, text.into())
    }

    #[test]
    fn a_bad_line_is_named_and_the_rest_is_read() {
        let text = parse("[profile a]\nregion : x\n more\n[profile b]\nregion = y\n");
        assert_eq!(text.problems().len(), 1);
        assert_eq!(text.problems()[0].place.to_string(), "config:2");
        assert_eq!(text.problems()[0].section, Some(0));
        let b = text.properties(&text.sections[1]).next().unwrap();
        assert_eq!((b.key, b.first, b.place().line), ("region", "y", 5));
    }

    #[test]
    fn latin_1_spoils_only_what_it_touches() {
        let text = ConfigText::parse(
            "config",
            FileKind::Config,
            b"# Jos\xe9\n[profile a]\nx = \xe9\n[profile \xe9]\ny = 1\n[profile b]\nz = 2".to_vec(),
        );
        let spoiled: Vec<_> = text
            .problems()
            .iter()
            .map(|problem| (problem.place.line, problem.section))
            .collect();
        assert_eq!(spoiled, [(3, Some(0)), (4, Some(1))]);
        assert_eq!(
            text.sections[2].header,
            Header::Profile {
                name: "b".into(),
                prefix: Prefix::Profile
            }
        );
    }

    #[test]
    fn a_byte_order_mark_and_windows_line_ends_are_no_part_of_a_name() {
        let text = parse("\u{feff}[default]\r\nregion = eu-west-1\r\n");
        let region = text.properties(&text.sections[0]).next().unwrap();
        assert_eq!((region.key, region.first), ("region", "eu-west-1"));
        assert!(text.problems().is_empty());
    }

    #[test]
    fn a_block_reaches_to_its_last_line() {
        let text = parse("[default]\ns3 =\n  a = 1\n\n# c\n  b = 2\n\n# after\nregion = x\n");
        let s3 = text.properties(&text.sections[0]).next().unwrap();
        assert_eq!((s3.value().as_str(), s3.extent), ("\na = 1\nb = 2", 4));
    }
}
