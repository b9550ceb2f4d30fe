//! Just enough XML to write answers of AWS's query protocol.
//!
//! An answer is a tree of [`Element`]s; text is escaped here and nowhere else.

use std::fmt::Write as _;

/// A named element: text, or other elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    name: String,
    namespace: Option<&'static str>,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Text(String),
    Children(Vec<Element>),
}

impl Element {
    /// An element that holds text.
    pub fn text(name: &str, text: impl ToString) -> Self {
        Self {
            name: name.to_owned(),
            namespace: None,
            content: Content::Text(text.to_string()),
        }
    }

    /// An element that holds elements.
    pub fn node(name: &str, children: impl IntoIterator<Item = Element>) -> Self {
        Self {
            name: name.to_owned(),
            namespace: None,
            content: Content::Children(children.into_iter().collect()),
        }
    }

    /// A list as the query protocol writes it: each item in a `member` (Smithy, "awsQuery protocol").
    pub fn list(name: &str, items: impl IntoIterator<Item = Vec<Element>>) -> Self {
        Self::node(name, items.into_iter().map(|item| Self::node("member", item)))
    }

    /// The same element in a namespace of its own; for the outermost.
    pub fn in_namespace(mut self, namespace: &'static str) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// The document this element is the root of. AWS sends no XML declaration, so neither do we.
    pub fn document(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out
    }

    fn write(&self, out: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        let namespace = self
            .namespace
            .map(|uri| format!(" xmlns=\"{uri}\""))
            .unwrap_or_default();
        let name = &self.name;
        // Writing to a String cannot fail.
        let _ = match &self.content {
            Content::Text(text) => writeln!(out, "{indent}<{name}{namespace}>{}</{name}>", escape(text)),
            Content::Children(children) if children.is_empty() => writeln!(out, "{indent}<{name}{namespace}/>"),
            Content::Children(children) => {
                let _ = writeln!(out, "{indent}<{name}{namespace}>");
                children.iter().for_each(|child| child.write(out, depth + 1));
                writeln!(out, "{indent}</{name}>")
            }
        };
    }
}

/// Escapes text for an element's content and drops what XML 1.0, 2.2 allows in no document at all.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // A bare carriage return would be read back as a line feed (XML 1.0, 2.11).
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(c),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_written_with_its_namespace_and_its_text_escaped() {
        let root = Element::node("A", [Element::text("B", "1 < 2 & \u{1}3"), Element::list("C", [])]);
        assert_eq!(
            root.in_namespace("urn:x").document(),
            "<A xmlns=\"urn:x\">\n  <B>1 &lt; 2 &amp; 3</B>\n  <C/>\n</A>\n"
        );
    }
}
